"""Densities of the box: a rank's planes of them, at one of the times at which the box is filled."""

from dataclasses import dataclass
from math import ceil, prod

import numpy as np
from numpy.typing import DTypeLike

from ..config.config import Config
from ..errors import RunError
from ..fields.box import Box
from ..io.schema import DENSITY
from ..parallel.domain import Domain
from .models import model_keys
from .progress import in_words

BOTH = ("fdm", "smooth")
_CARD_SHARE = 0.8  # of the free memory of a card that fields and tables may take


@dataclass(frozen=True)
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
    return (*model_keys(config), "run.seed", "run.precision", "box", "-box.fields", "-box.store", "-box.frames")


def pieces_on_device(domain: Domain, dtype: DTypeLike) -> int:
    """Pieces along x in which both densities of this rank's slab go through its card; 1 where there is none.

    All ranks call this, and raise the same RunError where on one of them not even a single plane fits.
    """
    free, error = domain.backend.device_memory, None
    if free is None:
        return 1
    plane = 2 * prod(domain.cells[1:]) * np.dtype(dtype).itemsize
    # the transform that follows holds as much again, and the tables their share
    room = _CARD_SHARE * free / 2
    if plane > room:
        fitting = int(room / plane * prod(domain.cells[1:]))
        error = RunError(
            f"the card is too small ({domain.backend.device}): one plane of the box needs {in_words(2 * plane)}, "
            f"{in_words(free)} are free, of which it may take {in_words(2 * room)} (at most {fitting:.3g} cells a "
            "plane, ny nz, would fit; or run.precision = single, or run.backend = cpu)"
        )
    domain.ranks.raise_first(error)
    return ceil(domain.shape[0] * plane / room)


def cells_of_largest_slab(cells: tuple[int, ...], ranks: int) -> int:
    """Cells of the rank with the thickest slab, of so many ranks."""
    return ceil(cells[0] / ranks) * prod(cells[1:])
