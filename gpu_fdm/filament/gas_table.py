"""A gas of filaments as a table: its columns, and how it is read from a CSV file.

Lengths are comoving, in cMpc/h, but for the scale radius r0, which is physical, in Mpc/h. Masses are in Msun/h.
"""

from functools import partial
from pathlib import Path

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray

from ..cosmology.curves import read_only
from ..errors import InputError
from ..io.kinds import Number, Several, checked
from ..io.tables import read_columns, require_rows
from ..vectors import PARALLEL, unit_vectors
from .model import END_SHARPNESS, Filament

_UNIT_TOLERANCE = 1e-9  # round-off of unit vectors; 1e-16/PARALLEL where one was made perpendicular to the other
_SCALARS = "mass", "length", "r0", "sigma"
_VECTORS = "centre", "direction", "orientation"


@frozen(eq=False)
class FilamentTable:
    """N filaments. The arrays are copied, and read-only.

    mass       (N,) [Msun/h];  length  (N,) [cMpc/h]
    r0         (N,), physical [Mpc/h];  sigma  (N,) [km/s]
    centre     (N, 3) [cMpc/h];  direction, orientation  (N, 3), perpendicular unit vectors
    Raises InputError, naming the filament (from 0) and the value, where a shape differs, a number is not finite,
    a mass, length, r0 or sigma is not positive, or direction and orientation are not perpendicular unit vectors.
    """

    mass: NDArray = field(converter=read_only)
    length: NDArray = field(converter=read_only)
    r0: NDArray = field(converter=read_only)
    sigma: NDArray = field(converter=read_only)
    centre: NDArray = field(converter=read_only)
    direction: NDArray = field(converter=read_only)
    orientation: NDArray = field(converter=read_only)

    def __attrs_post_init__(self) -> None:
        for name in (*_SCALARS, *_VECTORS):
            values = getattr(self, name)
            shape = (np.size(self.mass), 3)[: 1 if name in _SCALARS else 2]
            if values.shape != shape or not len(values):
                raise InputError(f"{name} of shape {values.shape}: must be {shape}, at least one filament")
            self._require(name, values, np.isfinite(values), "finite")
            if name in _SCALARS:
                self._require(name, values, values > 0, "> 0")
        for name in ("direction", "orientation"):
            vectors = getattr(self, name)
            norm = np.linalg.norm(vectors, axis=1)
            self._require(name, vectors, np.abs(norm - 1) < _UNIT_TOLERANCE, "a unit vector")
        cosine = np.sum(self.direction * self.orientation, axis=1)
        self._require("orientation", self.orientation, np.abs(cosine) < _UNIT_TOLERANCE, "perpendicular to direction")

    def __len__(self) -> int:
        return len(self.mass)

    def filaments(self, beta: float, redshift: float, m22: float) -> list[Filament]:
        """One Filament a row; velocity anisotropy, redshift and boson mass are the same for all."""
        rows = zip(*(getattr(self, name).tolist() for name in (*_SCALARS, *_VECTORS)), strict=True)
        return [
            Filament(
                number=number,
                mass=mass,
                length=length,
                r0=r0,
                sigma=sigma,
                beta=beta,
                centre=tuple(centre),
                direction=tuple(direction),
                orientation=tuple(orientation),
                sharpness=END_SHARPNESS / length,
                redshift=redshift,
                m22=m22,
            )
            for number, (mass, length, r0, sigma, centre, direction, orientation) in enumerate(rows)
        ]

    @staticmethod
    def _require(name: str, values: NDArray, good: NDArray, allowed: str) -> None:
        row = np.flatnonzero(~good.reshape(len(values), -1).all(axis=1))
        if row.size:
            raise InputError(f"filament {row[0]}: {name} = {values[row[0]]}: must be {allowed}")


def read_table(path: str | Path, box_size: ArrayLike) -> FilamentTable:
    """Filaments from a CSV file; `#` lines are comments.

    path      columns mass [Msun/h], length [cMpc/h], r0 [Mpc/h, physical], sigma [km/s], cx, cy, cz (centre in units of
              the three sides of the box), dx, dy, dz (direction) and ox, oy, oz (orientation: phi = 0, of which the
              part perpendicular to the direction is taken); vectors need not be normalised
    box_size  (3,) [cMpc/h]
    Raises FileNotFoundError, or InputError that names file, line and value: a column is missing, a value is no number,
    a mass, length, r0 or sigma is not positive, a vector is zero, the orientation is parallel to the direction,
    or a filament extends along an axis of the box over more than the side there.
    """
    sides = box_sides(box_size)
    vectors = ("cx,cy,cz", "dx,dy,dz", "ox,oy,oz")
    columns = read_columns(path, (*_SCALARS, *",".join(vectors).split(",")))
    centre, direction, orientation = (np.stack([columns[n] for n in names.split(",")], 1) for names in vectors)

    require = partial(require_rows, path, columns)
    for name in _SCALARS:
        require(columns[name] > 0, name, "must be > 0")
    for names, given in zip(vectors[1:], (direction, orientation), strict=True):
        require(np.any(given != 0, axis=1), names, "must be a vector that is not zero")
    direction, orientation = unit_vectors(direction), unit_vectors(orientation)
    across = orientation - np.sum(orientation * direction, axis=1, keepdims=True) * direction
    not_parallel = np.linalg.norm(across, axis=1) > PARALLEL
    require(not_parallel, vectors[2], "must be a vector that is not parallel to the direction")
    extent = columns["length"][:, None] * np.abs(direction)
    inside = np.all(extent <= sides, axis=1)
    require(inside, "length", f"must be such that the extent along every axis fits the box, {box_text(sides)} cMpc/h")
    scalars = {name: columns[name] for name in _SCALARS}
    return FilamentTable(**scalars, centre=centre * sides, direction=direction, orientation=unit_vectors(across))


def box_sides(box_size: ArrayLike) -> NDArray:
    """The three sides of a box, (3,); InputError where one is not positive."""
    return np.array(checked("box_size", tuple(np.ravel(box_size).tolist()), Several(Number(0, open_low=True), 3)))


def box_text(sides: NDArray) -> str:
    """The sides of a box in words."""
    return " x ".join(f"{side:g}" for side in sides)
