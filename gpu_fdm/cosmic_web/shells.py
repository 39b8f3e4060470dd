"""The mass around an axis by slice along it, sector around it and shell from it.

Slices are taken as independent: errors are those of leaving out one at a time (jackknife.py). A psi without momentum
along the axis is the same in all slices: where sectors differ much more than slices, they are left out instead, which
sees fringes that depend on the angle, but not rings.
"""

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from .jackknife import Sample

_RINGS = (0.2, 0.4), (0.4, 0.7), (0.7, 1.0)  # of the radius, in which other things are looked for
_CROWDED, _CHANCE = 5.0, 6.0  # mass of a part over the median there, and over its scatter by chance
_STILL = 0.1  # variance of slices over that of sectors below which errors come from sectors


@frozen(eq=False)
class Shells:
    """Masses in parts of a cylinder around an axis.

    edges   of the shells, from 0, shape (shells + 1,) [cMpc/h];  length  of the axis [cMpc/h]
    mass    shape (slices, sectors, shells) [mean matter density (cMpc/h)^3]
    used    whether a part belongs to the filament, shape (slices, sectors)
    grain   mass of a particle, 0 of a grid
    """

    edges: NDArray
    length: float
    mass: NDArray
    used: NDArray
    grain: float = 0.0

    @classmethod
    def of(
        cls,
        edges: NDArray,
        length: float,
        shape: tuple[int, int],
        mass: NDArray,
        numbers: NDArray,
        grain: float = 0.0,
    ) -> "Shells":
        """From masses of points, shape (points,), and their slice, sector and shell, shape (3, points).

        shape  slices and sectors
        """
        whole = (*shape, len(edges) - 1)
        flat = np.ravel_multi_index(tuple(numbers), whole)
        summed = np.bincount(flat, mass, int(np.prod(whole))).reshape(whole)
        return cls(edges, length, summed, np.ones(shape, bool), grain)

    @property
    def area(self) -> NDArray:
        """Of the whole shells, shape (shells,) [(cMpc/h)^2]."""
        return np.pi * np.diff(self.edges**2)

    def without_others(self) -> "Shells":
        """Without the parts that have five times the median mass in an outer ring: another filament, or a halo.

        Its neighbours along the axis and around it are left out too, and slices of which half is.
        """
        others = np.zeros(self.used.shape, bool)
        for inner, outer in _RINGS:
            low, high = inner * self.edges[-1], outer * self.edges[-1]
            mass = self.mass[:, :, (self.edges[:-1] >= low) & (self.edges[:-1] < high)].sum(axis=2)
            level = float(np.median(mass)) or float(np.mean(mass))
            others |= mass > _CROWDED * level + _CHANCE * np.sqrt(level * self.grain)
        beside = np.roll(others, 1, axis=1) | np.roll(others, -1, axis=1)
        beside[1:] |= others[:-1]
        beside[:-1] |= others[1:]
        others |= beside
        others |= np.mean(others, axis=1, keepdims=True) >= 0.5
        return evolve(self, used=self.used & ~others)

    def without_slices(self, left_out: NDArray) -> "Shells":
        """Without some slices, shape (slices,), bool."""
        return evolve(self, used=self.used & ~left_out[:, None])

    def line_masses(self) -> NDArray:
        """Line mass in each shell, all around, shape (shells,) [mean matter density (cMpc/h)^2]."""
        mass, parts = self._units(0)
        return mass.sum(axis=0) / parts.sum() * self._parts_a_length

    def of_slices(self) -> NDArray:
        """Line mass of every slice, shape (slices,) [mean matter density (cMpc/h)^2]; NaN where no sector is used."""
        mass, parts = self._units(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return mass.sum(axis=1) / parts * self._parts_a_length

    @property
    def drawn(self) -> str:
        """What errors come from: slices, or sectors."""
        variances = []
        for axis in (0, 1):
            mass, parts = self._units(axis)
            inside = parts > 0
            ratio = mass[inside] / parts[inside, None]
            variances.append(float(np.sum(np.var(ratio, axis=0)) / np.count_nonzero(inside)))
        return "slices" if variances[0] >= _STILL * variances[1] else "sectors"

    def sample(self) -> Sample:
        """The slices or sectors from which errors come, those of which some part is used."""
        mass, parts = self._units(0 if self.drawn == "slices" else 1)
        return Sample(mass[parts > 0], parts[parts > 0] / self._parts_a_length)

    @property
    def _parts_a_length(self) -> float:
        """Parts in a unit of length of the axis [h/cMpc]."""
        return self.used.size / self.length

    def _units(self, axis: int) -> tuple[NDArray, NDArray]:
        """Mass in the shells of every slice (axis 0) or sector (1), shape (units, shells), and used parts in each."""
        mass = np.where(self.used[:, :, None], self.mass, 0.0)
        return mass.sum(axis=1 - axis), np.count_nonzero(self.used, axis=1 - axis)


def numbers_of(frame: NDArray, edges: NDArray, length: float, shape: tuple[int, int]) -> tuple[NDArray, NDArray]:
    """Which points are inside the shells, shape (found,), and slice, sector and shell of these, shape (3, found).

    frame  (u, v, z), shape (points, 3) [cMpc/h];  shape  slices and sectors
    """
    slices, sectors = shape
    shell = np.searchsorted(edges, np.hypot(frame[:, 0], frame[:, 1]), side="right") - 1
    along = np.floor((frame[:, 2] / length + 0.5) * slices).astype(int)
    inside = np.flatnonzero((shell < len(edges) - 1) & (along >= 0) & (along < slices))
    angle = np.arctan2(frame[inside, 1], frame[inside, 0]) % (2 * np.pi)
    sector = np.minimum((angle / (2 * np.pi) * sectors).astype(int), sectors - 1)
    return inside, np.stack([along[inside], sector, shell[inside]])


def shell_edges(radius: NDArray, mass: NDArray, outer: float, shells: int, least: float) -> NDArray:
    """Edges of shells in equal ratios, but for the first, which begins at the axis and has its share of the mass.

    radius, mass  of points within `outer`, shape (points,);  outer  the last edge
    least         the first edge beside the axis is not below it [cMpc/h]
    """
    order = np.argsort(radius)
    enclosed = np.cumsum(mass[order])
    first = radius[order][np.searchsorted(enclosed, enclosed[-1] / (2 * shells))]
    # a power of the root of two, so that edges do not follow the noise that they are to count
    first = outer / 2 ** (np.round(2 * np.log2(outer / max(first, least, 1e-6 * outer))) / 2)
    return np.concatenate([[0.0], np.geomspace(min(first, outer / 4), outer, shells)])
