"""A card that is too small for what cannot be cut: one line on all ranks says what would fit, and that does."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import RunError
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.pipeline.simulation.needs import check_card, wave_memory
from gpu_fdm.pipeline.slab import pieces_on_device

MIB = 1 << 20
INI = "[simulation]\nsize = 1\ncells = {}\nruns = {}\n"


@dataclass
class Card:
    """As much of a backend as the checks ask."""

    device_memory: int
    device: str = "Stand-in, 1 GiB"


def test_a_wave_that_does_not_fit():
    config = parse_config(INI.format("64, 48, 80", "wave_fdm"))
    needed = wave_memory(config, initial=True)
    check_card(config, SERIAL, Card(needed))
    check_card(config, SERIAL, CPU())
    with pytest.raises(RunError) as caught:
        check_card(config, SERIAL, Card(needed // 2))
    said = str(caught.value)
    assert said.startswith("the card is too small (Stand-in, 1 GiB): waves of 64, 48, 80 cells need 10.3 MiB a rank")
    ranks, *cells = map(
        int, re.search(r"\((\d+) ranks with such cards, or about cells = (\d+), (\d+), (\d+)", said).groups()
    )
    assert wave_memory(config, ranks, initial=True) <= needed // 2 < wave_memory(config, ranks - 1, initial=True)
    fewer = parse_config(INI.format(", ".join(map(str, cells)), "wave_fdm"))
    check_card(fewer, SERIAL, Card(needed // 2))
    assert wave_memory(fewer, initial=True) > 0.9 * (needed // 2)
    with pytest.raises(RunError, match=r"are free \(about cells = "):
        check_card(config, SERIAL, Card(1000))  # not even a plane fits


def test_particles_that_do_not_fit():
    config = parse_config(INI.format("32", "wave_fdm, particles_fdm"))
    with pytest.raises(RunError, match="particles of 32, 32, 32 cells need"):
        check_card(config, SERIAL, Card(MIB))


def test_a_plane_of_a_box_that_does_not_fit():
    domain = Domain((10, 512, 512), backend=Card(5 * MIB))
    assert pieces_on_device(domain, np.float32) == [slice(plane, plane + 1) for plane in range(10)]
    assert pieces_on_device(Domain(domain.cells, backend=Card(1 << 30)), np.float32) == [slice(0, 10)]
    with pytest.raises(RunError) as caught:
        pieces_on_device(domain, np.float64)
    fitting = float(re.search(r"at most (\S+) cells a plane, ny nz, would fit", str(caught.value))[1])
    side = int(fitting**0.5)
    assert len(pieces_on_device(Domain((10, side, side), backend=domain.backend), np.float64)) == 10
