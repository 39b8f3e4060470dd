"""How a slab is transformed on its card, by the bytes that this takes: whole, by planes and lines, or in pieces.

WHOLE   plans of three dimensions, in place: one rank, and a quarter of the card for a complex number in every cell
LINES   planes over y and z, then lines along x, in place: the slab and its transforms are in the memory of the card
PIECES  the slab is in the memory of the host, and planes, then lines, go through the card some at a time

cuFFT takes a work area besides, which for some sizes is as large as the array. What decides is the memory that a card
has, not what is free: a run that is resumed ends with the bits of an undisturbed one. Only a card that others fill
makes a difference.
"""

from math import ceil, prod
from typing import Literal

import numpy as np
from attrs import frozen
from numpy.typing import DTypeLike

from .domain import Domain

Way = Literal["whole", "lines", "pieces"]
_WHOLE_SHARE = 1 / 4  # of a card, that complex numbers in all cells may take for plans of three dimensions
_HELD_SHARE = 0.9  # of a card, that densities, transforms and work areas may take; CUDA and tables take the rest
_MOST_WHOLE = 2**31  # cells, padding of lines included, from which on cuFFT is given planes and lines


@frozen
class CardNeeds:
    """Bytes that a slab of densities, with what is measured of them, takes on its card, of the thickest slab.

    densities   of all;  transforms  of all, over ranks of one twice, while it is transposed
    work        of cuFFT, at most
    whole       a complex number in every cell, for plans of three dimensions; None where there can be none
    """

    densities: int
    transforms: int
    work: int
    whole: int | None

    @property
    def held(self) -> int:
        """All of it."""
        return self.densities + self.transforms + self.work

    @property
    def least_memory(self) -> dict[Way, int]:
        """The memory that a card must have for each way [bytes]."""
        least: dict[Way, int] = {"lines": ceil(self.held / _HELD_SHARE)}
        if self.whole is not None:
            least = {"whole": max(ceil(self.whole / _WHOLE_SHARE), least["lines"]), **least}
        return least

    def way(self, memory: int) -> Way:
        """How a card of so many bytes transforms the slab."""
        return next((way for way, least in self.least_memory.items() if least <= memory), "pieces")


def card_needs(cells: tuple[int, int, int], ranks: int, dtype: DTypeLike, fields: int = 2) -> CardNeeds:
    """What a slab of a grid over so many ranks takes on a card, with so many densities of this precision."""
    nx, ny, nz = cells
    itemsize, planes = np.dtype(dtype).itemsize, ceil(nx / ranks)
    modes = 2 * itemsize * (nz // 2 + 1) * max(planes * ny, nx * ceil(ny / ranks))
    whole = 2 * itemsize * prod(cells) if can_be_whole(cells, ranks) else None
    densities = fields * planes * ny * nz * itemsize
    return CardNeeds(densities, (fields + (ranks > 1)) * modes, modes, whole)


def can_be_whole(cells: tuple[int, int, int], ranks: int) -> bool:
    """Whether cuFFT has a plan of three dimensions for a grid, which one rank must have."""
    nx, ny, nz = cells
    return ranks == 1 and nx * ny * 2 * (nz // 2 + 1) < _MOST_WHOLE


def whole_on_card(domain: Domain, dtype: DTypeLike) -> bool:
    """Whether complex arrays of a domain, of this precision, are transformed by plans of three dimensions."""
    backend, size = domain.backend, prod(domain.cells) * np.dtype(dtype).itemsize
    if backend.name == "cpu" or not can_be_whole(domain.cells, domain.ranks.size):
        return False
    return size <= _WHOLE_SHARE * backend.total_memory


def held_on_card(domain: Domain, dtype: DTypeLike, fields: int = 2) -> bool:
    """Whether so many densities of a domain are held where its backend computes, on a card with their transforms.

    All ranks call this, and get the same; False where on one of them they are in pieces.
    """
    backend = domain.backend
    fits = True
    if backend.name == "gpu":
        needs = card_needs(domain.cells, domain.ranks.size, dtype, fields)
        fits = needs.way(backend.total_memory) != "pieces" and needs.held <= backend.device_memory
    return all(domain.ranks.allgather(fits))
