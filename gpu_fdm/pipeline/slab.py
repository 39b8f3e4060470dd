"""Densities of the box: a rank's planes of them, at one of the times at which the box is filled."""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, prod

import numpy as np
from numpy.typing import DTypeLike

from ..config.config import Config
from ..errors import RunError
from ..fields.box import Box
from ..io.schema import DENSITY
from ..parallel.backend import GPU
from ..parallel.card_room import Way, card_needs
from ..parallel.cards import count_cards
from ..parallel.domain import Domain
from ..parallel.ranks import Ranks
from ..values import brief
from .model import dtype_of
from .models import halo_keys, model_keys
from .progress import in_words

BOTH = ("fdm", "smooth")
# of the free memory of a card: a piece of the densities, or planes of its transform; tables of cross-sections
_PIECE_SHARE, TABLES_SHARE = 0.4, 0.2
_WAYS: dict[Way, str] = {"whole": "whole", "lines": "planes, then lines", "pieces": "in pieces from the host"}


@brief
@dataclass(frozen=True, eq=False)
class DensitySlab:
    """A rank's planes of the two densities [mean matter densities], where the backend wants them.

    densities  fdm and smooth, shape (2, planes, ny, nz);  domain  the planes, and where the densities are
    """

    box: Box
    densities: np.ndarray
    domain: Domain

    @property
    def fdm(self) -> np.ndarray:
        """|psi|^2."""
        return self.densities[0]

    @property
    def smooth(self) -> np.ndarray:
        """<|psi|^2>."""
        return self.densities[1]


@dataclass(frozen=True)
class Frame:
    """The box at one time.

    suffix  of the names of what is measured: /0, /1, ... of several frames, empty of one alone
    time    [Myr]
    """

    suffix: str
    time: float
    slab: DensitySlab


def frames(config: Config) -> list[tuple[str, float]]:
    """Suffix and time [Myr] of every frame; none where there is no box."""
    if config.box is None:
        return []
    times = config.box.frames
    return [("", config.wavefunction.time)] if times is None else [(f"/{n}", time) for n, time in enumerate(times)]


def density_path(name: str, suffix: str) -> str:
    """Path of a density of a frame in a result file."""
    return f"/{DENSITY}/{name}{suffix}"


def stored_fields(config: Config) -> tuple[str, ...]:
    """Names of the densities that the result holds."""
    return config.box.fields if config.box.store == "yes" else ()


def density_keys(config: Config) -> tuple[str, ...]:
    """Keys that both densities depend on, but for the time of the frame."""
    return (
        *model_keys(config),
        *halo_keys(config),
        "run.seed",
        "run.precision",
        "box",
        "-box.fields",
        "-box.store",
        "-box.frames",
    )


def pieces_on_device(domain: Domain, dtype: DTypeLike) -> list[slice]:
    """Pieces along x of this rank's planes, in which both densities go through its card; all where there is none.

    All ranks call this, and raise the same RunError where on one of them not even a single plane fits.
    """
    free, error, number = domain.backend.device_memory, None, 1
    if free is not None:
        plane = 2 * prod(domain.cells[1:]) * np.dtype(dtype).itemsize
        room = _PIECE_SHARE * free
        number = max(1, ceil(domain.shape[0] * plane / room))
        if plane > room:
            fitting = int(room / plane * prod(domain.cells[1:]))
            error = RunError(
                f"the card is too small ({domain.backend.device}): one plane of the box needs {in_words(plane)}, "
                f"{in_words(free)} are free, of which it may take {in_words(room)} (at most {fitting:.3g} cells a "
                "plane, ny nz, would fit; or run.precision = single, or run.backend = cpu)"
            )
    domain.ranks.raise_first(error)
    edges = [domain.shape[0] * piece // number for piece in range(number + 1)]
    return [slice(*pair) for pair in pairwise(edges)]


def on_card(config: Config, ranks: Ranks) -> list[str]:
    """A line that says how cards transform the slabs of the box, where there is a card or the ini asks for one."""
    cards = 0 if config.run.backend == "cpu" else count_cards()[0]
    if not cards and config.run.backend != "gpu":
        return []
    needs = card_needs(config.box.cells, ranks.size, dtype_of(config))
    least = {_WAYS[way]: memory for way, memory in needs.least_memory.items()}
    from_on = ", ".join(f"{way} on cards of {in_words(memory)} or more" for way, memory in least.items())
    card = GPU(0) if cards else None
    here = f"; on this one ({card.device}) {_WAYS[needs.way(card.total_memory)]}" if card else ""
    return [
        f"transforms on a card: {from_on}, {_WAYS['pieces']} on smaller ones{here} (densities "
        f"{in_words(needs.densities)}, transforms {in_words(needs.transforms)}, cuFFT at most {in_words(needs.work)})"
    ]


def cells_of_largest_slab(cells: tuple[int, ...], ranks: int) -> int:
    """Cells of the rank with the thickest slab, of so many ranks."""
    return ceil(cells[0] / ranks) * prod(cells[1:])
