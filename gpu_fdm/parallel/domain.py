"""The part of a periodic grid that a rank holds: planes along x, or after a transpose lines along y."""

from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from ..errors import UnfitError
from .backend import CPU, GPU, backend_of
from .ranks import SERIAL, Ranks


def checked_cells(cells: Any) -> tuple[int, int, int]:
    """Cells along x, y, z; ValueError unless they are three positive integers."""
    numbers = np.asarray(cells)
    if numbers.shape != (3,) or numbers.dtype.kind not in "iu" or np.any(numbers < 1):
        raise ValueError(f"cells = {cells}: must be three positive integers")
    return tuple(numbers.tolist())


@frozen
class Domain:
    """A grid, the ranks that share it, and where this one computes.

    cells    (nx, ny, nz) of the whole grid
    ranks    slabs of two ranks differ by one plane, or line, at most; a rank may have none
    backend  where the arrays are
    card     of arrays on the host: the card through which they go in pieces, see parallel.through_card; None for none
    Raises ValueError unless the cells are three positive integers.
    """

    cells: tuple[int, int, int] = field(converter=checked_cells)
    ranks: Ranks = SERIAL
    backend: CPU | GPU = field(factory=CPU)
    card: GPU | None = None

    @property
    def planes(self) -> slice:
        """This rank's planes along x."""
        return slice(*self.ranks.share(self.cells[0]))

    @property
    def lines(self) -> slice:
        """This rank's lines along y after a transpose."""
        return slice(*self.ranks.share(self.cells[1]))

    @property
    def planes_of_ranks(self) -> list[slice]:
        """The planes of every rank."""
        return [slice(*self.ranks.share(self.cells[0], rank)) for rank in range(self.ranks.size)]

    @property
    def lines_of_ranks(self) -> list[slice]:
        """The lines of every rank."""
        return [slice(*self.ranks.share(self.cells[1], rank)) for rank in range(self.ranks.size)]

    @property
    def shape(self) -> tuple[int, int, int]:
        """This rank's part of a field, (planes, ny, nz)."""
        return (self.planes.stop - self.planes.start, *self.cells[1:])

    def transposed_shape(self, length: int) -> tuple[int, int, int]:
        """This rank's part of a transposed field that has `length` numbers along z, (nx, lines, length)."""
        return self.cells[0], self.lines.stop - self.lines.start, length

    @property
    def has_first_line(self) -> bool:
        """Whether this rank holds the line y = 0 after a transpose, and with it the mode k = 0."""
        return self.lines.start == 0 < self.lines.stop

    @property
    def on_host(self) -> "Domain":
        """The same part of the grid for what runs on the CPU only."""
        return evolve(self, backend=self.backend.host, card=None)

    @property
    def through_card(self) -> "Domain":
        """The same part of the grid with arrays on the host, that go through the card in pieces; on a CPU itself."""
        return self if self.backend.name == "cpu" else evolve(self, backend=self.backend.host, card=self.backend)

    def require_planes(self) -> None:
        """Raise UnfitError where a rank would have no plane."""
        if self.ranks.size > self.cells[0]:
            raise UnfitError(f"more ranks ({self.ranks.size}) than planes along x ({self.cells[0]})")


def domain_of(cells: tuple[int, int, int], domain: Domain | None, *arrays: Any) -> Domain:
    """The domain of a grid: the one given, else one rank's where arrays are; ValueError where it has other cells."""
    if domain is None:
        return Domain(cells, backend=backend_of(*arrays))
    if domain.cells != tuple(cells):
        raise ValueError(f"domain of {domain.cells} cells: must have {tuple(cells)}")
    return domain
