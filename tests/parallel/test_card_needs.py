"""How a slab is transformed on a card: by the bytes of its arrays, the same on all ranks."""

from dataclasses import dataclass

import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu

from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.card_room import card_needs, held_on_card, whole_on_card
from gpu_fdm.parallel.domain import Domain

GIB = 1 << 30


@dataclass(frozen=True)
class Card(CudaOnCpu):
    """A card of so many bytes."""

    total_memory: int
    device_memory: int = 2**50


def test_bytes_of_a_cube():
    needs = card_needs((1024, 1024, 1024), 1, np.float32)
    modes = 1024 * 1024 * 513 * 8
    assert (needs.densities, needs.transforms, needs.work, needs.whole) == (8 * GIB, 2 * modes, modes, 8 * GIB)
    assert needs.least_memory["whole"] == 32 * GIB
    assert [needs.way(size * GIB) for size in (140, 32, 31, 23, 22)] == ["whole", "whole", "lines", "lines", "pieces"]


def test_ranks_need_less_and_transpose():
    one, four = (card_needs((2048, 2048, 2048), ranks, np.float32) for ranks in (1, 4))
    assert one.whole is None  # too many cells for a plan of cuFFT
    assert four.densities == one.densities / 4
    assert four.transforms == 1.5 * one.transforms / 4
    assert (one.way(140 * GIB), four.way(140 * GIB)) == ("pieces", "lines")
    uneven = card_needs((5, 7, 4), 3, np.float64)
    assert uneven.transforms == 3 * 16 * 3 * max(2 * 7, 5 * 3)


@pytest.mark.parametrize("cells", [(12, 10, 9), (16, 16, 16)])
def test_the_card_decides(cells):
    needs = card_needs(cells, 1, np.float32)
    for way, least in needs.least_memory.items():
        domain = Domain(cells, backend=Card(least))
        assert needs.way(least) == way != needs.way(least - 1)
        assert held_on_card(domain, np.float32)
        assert whole_on_card(domain, np.complex64) == (way == "whole")
    assert not held_on_card(Domain(cells, backend=Card(needs.least_memory["lines"] - 1)), np.float32)
    assert not held_on_card(Domain(cells, backend=Card(2**40, needs.held - 1)), np.float32)  # others fill it
    assert held_on_card(Domain(cells, backend=CPU(1)), np.float32)
