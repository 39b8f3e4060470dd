"""Whether a filament stays as it is along its axis: psi in three dimensions, from a modulation of its line mass.

psi of the cross-section is extruded, with or without momentum along the axis (filament/axial.py), and multiplied by
sqrt(1 + amplitude cos(2 pi z/wavelength)). The Schroedinger-Poisson solver follows it in its own gravity, periodic
along the axis and isolated across it, up to images that fall as exp(-k side). With momentum along the axis the line
mass fluctuates by chance: a second run of the same phases without the modulation is subtracted.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, pi
from typing import Any

import numpy as np
from scipy.fft import next_fast_len

from ..filament.axial import AxialModes, axial_dispersion
from ..filament.model import Model
from ..filament.profile import Profile
from ..parallel.backend import CPU, GPU
from ..parallel.domain import Domain
from ..quantities import takes
from .grid import Grid
from .integrator import Static, Times
from .plane import Plane
from .schroedinger_poisson import Alarms, WaveLimits, WaveState, evolve_wave
from .steady_state import LIMITS, external_potential

LARGEST_MOMENTUM = 4.0  # along the axis [dispersions]: the share beyond is 6e-5
_NYQUIST = 5.5  # along the axis [dispersions]: room for what gravity adds
FEWEST_CELLS = 8  # of a wavelength
_ALARMS = Alarms(unresolved=0.05)


@dataclass(frozen=True, eq=False)
class AxisEvolution:
    """A filament that was followed in three dimensions: arrays and numbers only, which a cache can store.

    time        from 0 [T], shape (times,);  wavelength, length  of the modulation and of the period along the axis [L]
    line_mass   in every slice over the mean, shape (times, slices)
    alone       the same without the modulation; all ones for a coherent filament, which has no chance fluctuations
    cells       across and along;  mass_error, energy_error, unresolved  of the solver, the largest
    """

    time: np.ndarray
    wavelength: float
    length: float
    line_mass: np.ndarray
    alone: np.ndarray
    cells: tuple[int, int]
    mass_error: float
    energy_error: float
    unresolved: float

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Its fields by name: AxisEvolution(**arrays) is the same."""
        return {name: np.asarray(getattr(self, name)) for name in self.__dataclass_fields__}

    @property
    def amplitude(self) -> np.ndarray:
        """Of the modulation: that of its Fourier mode of the line mass less what it is without it, shape (times,)."""
        mode = round(float(self.length) / float(self.wavelength))
        spectrum = np.fft.rfft(self.line_mass - self.alone, axis=1)[:, mode]
        return np.abs(spectrum) * 2 / self.line_mass.shape[1]

    @property
    def chance(self) -> np.ndarray:
        """Amplitude of the same mode without the modulation, shape (times,)."""
        mode = round(float(self.length) / float(self.wavelength))
        return np.abs(np.fft.rfft(self.alone, axis=1)[:, mode]) * 2 / self.alone.shape[1]


def axis_cells(profile: Profile, length: float, wavelength: float) -> int:
    """Cells along the axis that resolve the momenta and the wavelength; both lengths [L]."""
    resolving = length * _NYQUIST * axial_dispersion(profile) / pi
    return int(next_fast_len(ceil(max(resolving, FEWEST_CELLS * length / wavelength)), real=True))


@takes()
def evolve_axis(
    model: Model,
    wavelength: float,
    time: float,
    momentum: str = "coherent",
    amplitude: float = 0.02,
    outputs: int = 30,
    length: float | None = None,
    cells: int | None = None,
    seed: int = 1,
    limits: WaveLimits = LIMITS,
    backend: CPU | GPU | None = None,
    on_output: Callable[[], None] | None = None,
) -> AxisEvolution:
    """Follow a solved filament in three dimensions.

    wavelength  of the modulation [L];  time  to follow it [T];  amplitude  of the modulation
    momentum    along the axis: coherent, none, or thermal
    length      of the period along the axis [L], one wavelength by default;  cells  along it, see axis_cells
    seed        of the phases of thermal momenta
    on_output   called after each output
    Raises ValueError for a length that is not a multiple of the wavelength, or too few cells for it.
    """
    backend, length = backend or CPU(), wavelength if length is None else length
    cells = cells or axis_cells(model.profile, length, wavelength)
    if abs(length / wavelength - round(length / wavelength)) > 1e-6 or length < 0.5 * wavelength:
        raise ValueError(f"wavelength = {wavelength:g}: must divide the length {length:g}")
    if cells < 4 * length / wavelength:
        raise ValueError(f"cells = {cells}: must be at least four a wavelength, {4 * length / wavelength:g}")
    plane = Plane(model)
    number, side = len(plane.line), float(plane.grid.sides[0])
    grid = Grid((number, cells, number), (side, length, side))
    z = grid.centres(1) - length / 2
    times = time * np.arange(outputs + 1) / outputs
    psi = _psi(plane, z, momentum, length, seed, backend)
    found, errors = [], [np.zeros(3)]
    waves = [np.sqrt(1 + amplitude * np.cos(2 * pi * z / wavelength))]
    if momentum == "thermal":
        waves.append(np.ones(cells))
    external = np.repeat(external_potential(plane, "own")[:, None], cells, axis=1)
    options: dict[str, Any] = {"order": 4, "limits": limits, "watch": 0, "alarms": _ALARMS}
    options |= {"domain": Domain(grid.cells, backend=backend), "external": backend.to_device(external)}
    for modulation in waves:
        modulated = psi * modulation[:, None]
        rows = [_line_mass(modulated)]
        state = WaveState(backend.to_device(modulated), Times.start(0.0))
        for reached in evolve_wave(state, grid, Static(model.profile.scale_factor), times[1:], **options):
            rows.append(_line_mass(backend.to_host(reached.psi)))
            if reached.health is not None:  # measured at every stop
                health = reached.health
                errors.append(np.abs([health.mass_error, health.energy_error, health.unresolved]))
            if on_output is not None:
                on_output()
        found.append(np.array(rows) / np.mean(rows[0]))
    largest = np.max(errors, axis=0).tolist()
    alone = found[1] if len(found) > 1 else np.ones_like(found[0])
    return AxisEvolution(times, wavelength, length, found[0], alone, (number, cells), *largest)


def _psi(plane: Plane, z: np.ndarray, momentum: str, length: float, seed: int, backend: CPU | GPU) -> np.ndarray:
    """psi of the modes in all cells, [x, z, y]."""
    wave = replace(plane.model.wave, axial=None)
    if momentum == "coherent":
        return np.repeat(plane.psi(0.0, backend, wave=wave)[:, None], len(z), axis=1)
    dispersion = axial_dispersion(plane.model.profile)
    wave = replace(wave, axial=AxialModes(dispersion, length, seed, largest=LARGEST_MOMENTUM))
    return np.stack([plane.psi(0.0, backend, wave=wave, z=at) for at in z.tolist()], axis=1)


def _line_mass(psi: np.ndarray) -> np.ndarray:
    """Mass in every slice across the axis, in any unit."""
    return np.sum(np.abs(psi) ** 2, axis=(0, 2))
