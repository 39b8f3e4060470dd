"""The plane across a filament in which its cross-section is evolved: cells, gravity, and rings of equal mass.

The solver's potential is periodic, and that of matter less its mean. A potential from outside makes it that of an
isolated cylinder: that of the phase-averaged density alone (by Gauss) less that in the box. Images of the fringes'
multipoles are left, among which there is no monopole: those of the dipole only push the whole filament, and those of
the quadrupole fall with the fourth power of the side.
"""

from functools import cached_property
from typing import Any

import numpy as np
from scipy import fft
from scipy.integrate import cumulative_simpson
from scipy.ndimage import map_coordinates

from ..errors import RunError
from ..fields.cross_section import psi_at, tabulate
from ..filament.eigenstates import Library
from ..filament.model import Model
from ..filament.profile import Profile
from ..filament.wavefunction import WaveFunction
from ..parallel.backend import CPU, GPU
from .grid import Grid

MARGIN = 1.5  # half the side over the radius where the modes end
RESOLUTION = 1.5  # the Nyquist wavenumber over that of psi; 2, for all of its density, changes drifts by < 1e-4
# least Nyquist wavenumber times R_50: V is smooth on the scale of R_50, and modes end as exp(-k R_50) beyond the
# wavenumbers of classical orbits. It matters for light bosons, whose modes have not ended by RESOLUTION
TAIL = 10.0
BINS = 40  # rings of equal expected mass inside R_99
_CENTRE_SHARE = 0.9  # of the line mass, inside the width of the weight for the centre
_MOST_SHIFTS = 1000
_RADII = 4001
_FEWEST_PARTS = 4  # thin rings in a ring; they are half a cell wide at most
_RIM = 16  # cells around what is interpolated: the spline's memory of its ends, 0.27 a cell, has faded


def plane_cells(profile: Profile, energy_cut: float, radius_max: float) -> tuple[int, float]:
    """Number of cells a side, and the side [L].

    energy_cut  of the modes [(L/T)^2];  radius_max  at which they end [L]
    """
    wavenumber = profile.scale_factor * (2 * energy_cut) ** 0.5
    nyquist = max(RESOLUTION * wavenumber, TAIL / float(profile.radius_enclosing(0.5)))
    side = 2 * MARGIN * radius_max
    return fft.next_fast_len(int(np.ceil(nyquist * side / np.pi)), real=True), side


class Plane:
    """The cells across a filament, and what is known of its mean over phases; x along phi = 0, arrays [x, y]."""

    def __init__(self, model: Model):
        self.model = model
        library: Library = model.library
        self.radius_max = library.radius_max
        number, side = plane_cells(model.profile, library.energy_cut, library.radius_max)
        # one cell along the solver's second axis: so threads share the work along both others
        self.grid = Grid((number, 1, number), (side, side / number, side))
        self.line = self.grid.centres(0) - side / 2
        self.radius = np.hypot(self.line[:, None], self.line)
        radii = np.linspace(0, self.radius_max, _RADII)
        density = np.append(model.wave.mean_density(np.maximum(radii[:-1], 1e-9 * radii[-1])), 0.0)
        self.radii, self.profile = radii, density
        self.mass = cumulative_simpson(2 * np.pi * radii * density, x=radii, initial=0)
        # the mean over angles is exact up to this harmonic; the modes' density has 2 l_max
        self.angles = 2 * np.pi * np.arange(4 * int(library.l.max()) + 32) / (4 * int(library.l.max()) + 32)

    @property
    def width(self) -> float:
        """Width of a cell [L]."""
        return float(self.grid.spacing[0])

    @cached_property
    def edges(self) -> np.ndarray:
        """Edges of rings that hold equal shares of <|psi|^2> inside R_99 [L]."""
        last = float(self.model.profile.radius_enclosing(0.99))
        return np.interp(np.linspace(0, 1, BINS + 1) * self.enclosed(last), self.mass, self.radii)

    @cached_property
    def mean_density(self) -> np.ndarray:
        """<|psi|^2> over phases in the cells."""
        return np.interp(self.radius, self.radii, self.profile, right=0.0)

    def enclosed(self, radius: Any) -> Any:
        """Line mass of <|psi|^2> within a radius."""
        return np.interp(radius, self.radii, self.mass)

    def circular_frequency(self, radius: float) -> float:
        """Frequency of an orbit in the profile's gravity, omega^2 = V'/(a^2 R), V' = mu(<R)/(2 pi a R) [1/T]."""
        a = self.model.profile.scale_factor
        return float(np.sqrt(self.model.profile.enclosed_line_mass(radius) / (2 * np.pi * a**3 * radius**2)))

    @cached_property
    def free_potential(self) -> np.ndarray:
        """Phi = a V of <|psi|^2> alone in space, 0 on the axis: Phi' = M(<R)/(2 pi R), log beyond the last radius."""
        slope = np.divide(self.mass, 2 * np.pi * self.radii, out=np.zeros_like(self.mass), where=self.radii > 0)
        inside = cumulative_simpson(slope, x=self.radii, initial=0)
        beyond = self.mass[-1] / (2 * np.pi) * np.log(np.maximum(self.radius / self.radius_max, 1))
        return np.interp(self.radius, self.radii, inside) + beyond

    @cached_property
    def profile_potential(self) -> np.ndarray:
        """Phi = a V of the profile, that the modes were solved in."""
        return self.model.profile.scale_factor * self.model.profile.potential(self.radius)

    def periodic_potential(self, density: np.ndarray) -> np.ndarray:
        """Phi with laplacian Phi = density - mean, as in the solver."""
        squared = self.grid.wavenumbers(0)[:, None] ** 2 + self.grid.wavenumbers(2, real=True) ** 2
        squared[0, 0] = np.inf
        return fft.irfft2(-fft.rfft2(density) / squared, s=density.shape, overwrite_x=True)

    def psi(
        self, time: float, backend: CPU | GPU | None = None, wave: WaveFunction | None = None, z: float = 0.0
    ) -> np.ndarray:
        """psi of the modes at a time [T], in the potential that they were solved in.

        wave  another wave function of the same modes;  z  along the axis, from its middle [L]
        """
        table = tabulate(wave or self.model.wave, time, z=z)
        inside = np.abs(self.line) < self.radius_max
        psi = np.zeros(self.radius.shape, complex)
        line = self.line[inside]
        psi[np.ix_(inside, inside)] = psi_at(table, line[:, None], line, backend)
        return psi

    def centre(self, density: np.ndarray) -> np.ndarray:
        """The centre of mass under a Gaussian of width R_90 around itself [L]: lumps far outside do not count."""
        width, centre = float(self.model.profile.radius_enclosing(_CENTRE_SHARE)), np.zeros(2)
        for _ in range(_MOST_SHIFTS):
            x, y = (np.exp(-0.5 * ((self.line - at) / width) ** 2) for at in centre)
            of_x = density @ y
            mass = x @ of_x
            if not mass > 0:
                break
            shift = np.array([(x * self.line) @ of_x, x @ (density @ (y * self.line))]) / mass - centre
            centre += shift
            if np.max(np.abs(shift)) < 1e-4 * self.width:
                return centre
        raise RunError("the filament has no centre: it has come apart")

    def rings(self, density: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Line mass in every ring around the centre, the density at points of the rings, and these: radii x angles."""
        points = self._points(density)
        around = self._at(density, points)
        mass = 2 * np.pi * self._radii * self._widths * np.mean(around, axis=1)
        return np.add.reduceat(mass, self._first_parts), around, points

    def fluctuation(self, density: np.ndarray, around: np.ndarray, points: np.ndarray) -> float:
        """Rms of the part of the potential that depends on the angle, over V(R_99); around, points  from rings."""
        potential = self.periodic_potential(density - self.mean_density)
        potential += self.free_potential
        of_angle = self._at(potential, points)
        of_angle -= np.mean(of_angle, axis=1, keepdims=True)
        mass = around * (self._radii * self._widths)[:, None]
        profile = self.model.profile
        depth = profile.scale_factor * float(profile.potential(self.edges[-1]))
        return float(np.sqrt(np.sum(mass * of_angle**2) / np.sum(mass)) / depth)

    def beyond(self, density: np.ndarray) -> float:
        """Share of the mass beyond the radius where the modes end."""
        return float(density[self.radius > self.radius_max].sum() / density.sum())

    def _points(self, density: np.ndarray) -> np.ndarray:
        """Points at radii x angles around the centre, in cells, shape (2, radii, angles)."""
        centre = self.centre(density)
        if np.hypot(*centre) + self.edges[-1] > MARGIN * self.radius_max - _RIM * self.width:
            raise RunError("the filament has left the middle of its periodic plane")
        turns = np.cos(self.angles), np.sin(self.angles)
        return np.array(
            [
                (at + np.multiply.outer(self._radii, turn) - self.line[0]) / self.width
                for at, turn in zip(centre, turns, strict=True)
            ]
        )

    def _at(self, field: np.ndarray, points: np.ndarray) -> np.ndarray:
        """A field at points, by cubic splines."""
        first = np.floor(points.min(axis=(1, 2))).astype(int) - _RIM
        last = np.ceil(points.max(axis=(1, 2))).astype(int) + _RIM
        first = np.maximum(first, 0)
        part = field[first[0] : last[0], first[1] : last[1]]
        return map_coordinates(part, points - first[:, None, None], order=3)

    @cached_property
    def _parts(self) -> np.ndarray:
        """Number of thin rings in every ring."""
        return np.maximum(_FEWEST_PARTS, np.ceil(np.diff(self.edges) / (0.5 * self.width)).astype(int))

    @cached_property
    def _first_parts(self) -> np.ndarray:
        return np.cumsum(self._parts) - self._parts

    @cached_property
    def _widths(self) -> np.ndarray:
        """Widths of the thin rings."""
        return np.repeat(np.diff(self.edges) / self._parts, self._parts)

    @cached_property
    def _radii(self) -> np.ndarray:
        """Radii in the middle of the thin rings."""
        return np.cumsum(self._widths) - 0.5 * self._widths
