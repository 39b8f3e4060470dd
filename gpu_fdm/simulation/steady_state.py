"""Whether a reconstructed filament is a steady state: its cross-section evolved in two dimensions in its own gravity.

The modes are eigenstates in the potential of the density that they should make. Random phases make fringes in it, whose
gravity is not part of that potential: it scatters the modes, as it heats a system of stars. The Schroedinger-Poisson
solver evolves psi of the cross-section on one plane of cells, to be compared with the modes in the potential that they
were solved in, where the mean over phases does not change. The scale factor stands still.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..filament.model import Model
from ..parallel.backend import CPU, GPU
from ..parallel.domain import Domain
from ..quantities import takes
from .integrator import Static, Times
from .plane import Plane
from .schroedinger_poisson import Alarms, WaveLimits, WaveState, evolve_wave

# own: that of |psi|^2; completed: also that of the mass that the modes lack, at rest where the profile has it; fixed:
# the potential that the modes were solved in
GRAVITIES = ("own", "completed", "fixed")
# the largest phases belong to wavenumbers in the corner of the grid, twice those of psi: steps of fourth order move
# rings by 1e-5 of their mass in half a period, see tests/pipeline/test_steady_state.py
LIMITS = WaveLimits(kinetic=4.0, potential=1.0)
FRAME_REACH = 1.05  # half the side of the frames over R_99
# mass that moves by more than half the Nyquist wavenumber is unresolved: 1 % where that is 1.5 times the largest of psi
_ALARMS = Alarms(unresolved=0.05, stop=True)


@dataclass(frozen=True, eq=False)
class Evolution:
    """The cross-section of a filament, followed in time: arrays and numbers only, which a cache can store.

    time         of each row, from 0 [T];  period  of a circular orbit at the radius that holds half the line mass [T]
    edges        of the rings, from the filament's centre, up to R_99 or where the modes end [L], shape (bins + 1,)
    expected     line mass in each ring of <|psi|^2> over phases, over that inside R_99, shape (bins,)
    own          line mass in each ring in the filament's own gravity, over the same, shape (times, bins)
    fixed        in the potential that the modes were solved in
    fluctuation  rms of the part of the potential that depends on the angle, weighted with mass inside R_99, over
                 V(R_99), shape (times,)
    coordinate   of the cells in a frame [L], shape (points,)
    frames       |psi|^2 in the plane, [frame, v, u], single precision [rho_m0];  frame_time  of each [T]
    beyond       largest share of the mass beyond the radius at which the modes end
    weight_sum   line mass of the modes over that of the profile;  modes  number of those that have a weight
    cells        of the plane, a side;  mass_error, energy_error  of the solver, the largest
    """

    time: np.ndarray
    period: float
    edges: np.ndarray
    expected: np.ndarray
    own: np.ndarray
    fixed: np.ndarray
    fluctuation: np.ndarray
    coordinate: np.ndarray
    frames: np.ndarray
    frame_time: np.ndarray
    beyond: float
    weight_sum: float
    modes: int
    cells: int
    mass_error: float
    energy_error: float

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Its fields by name: Evolution(**arrays) is the same."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @property
    def whole_periods(self) -> int:
        """Number of full periods that it was followed for."""
        return int(self.time[-1] / self.period + 1e-9)

    def mean_rings(self, number: int, which: str = "own") -> np.ndarray:
        """Line mass in each ring averaged over a period, over that inside R_99, shape (bins,).

        number  of the period, from 1;  which  own or fixed
        """
        times = self.time / self.period
        rows = (times > number - 1 + 1e-9) & (times < number + 1e-9)
        return np.mean(getattr(self, which)[rows], axis=0)

    def drift(self, number: int, which: str = "own") -> float:
        """Largest difference of the line mass inside a radius from the expected one, over that inside R_99.

        The line mass is averaged over a period; arguments as for mean_rings.
        """
        return float(np.max(np.abs(np.cumsum(self.mean_rings(number, which) - self.expected))))

    def mean_fluctuation(self, number: int) -> float:
        """Mean of fluctuation over a period, numbered from 1."""
        times = self.time / self.period
        return float(np.mean(self.fluctuation[(times > number - 1 + 1e-9) & (times < number + 1e-9)]))


@takes()
def evolve_cross_section(
    model: Model,
    periods: float = 2.0,
    outputs: int = 40,
    frames: int = 5,
    gravity: str = "own",
    limits: WaveLimits = LIMITS,
    backend: CPU | GPU | None = None,
    on_output: Callable[[], None] | None = None,
) -> Evolution:
    """Follow the cross-section of a solved filament for some periods.

    outputs    number of times at which it is measured, in equal steps, after the start
    frames     number of these times and the start whose density is stored, outputs + 1 at most
    gravity    one of GRAVITIES; fixed: psi then does what the modes do, which tests the solver
    on_output  called after each output
    Raises ValueError for another gravity, RunError where the cells do not resolve what psi becomes.
    """
    if gravity not in GRAVITIES:
        raise ValueError(f"gravity = {gravity}: must be one of {', '.join(GRAVITIES)}")
    backend = backend or CPU()
    plane, profile = Plane(model), model.profile
    period = 2 * np.pi / plane.circular_frequency(float(profile.radius_enclosing(0.5)))
    time = period * periods * np.arange(outputs + 1) / outputs
    history = _History(plane, np.round(np.linspace(0, outputs, frames)).astype(int))
    psi = plane.psi(0.0, backend)
    density = np.abs(psi) ** 2
    history.add(density, density)
    state = WaveState(backend.to_device(psi[:, None]), Times.start(0.0))
    options, errors = _options(plane, gravity, limits, backend), []
    for reached in evolve_wave(state, plane.grid, Static(profile.scale_factor), time[1:], **options):
        density = np.abs(backend.to_host(reached.psi)[:, 0]) ** 2
        history.add(density, np.abs(plane.psi(reached.times.epoch, backend)) ** 2)
        if reached.health is not None:  # measured at every stop
            errors.append((abs(reached.health.mass_error), abs(reached.health.energy_error)))
        if on_output is not None:
            on_output()
    mass_error, energy_error = np.max(errors, axis=0)
    inside = plane.enclosed(plane.edges[-1])
    return Evolution(
        time=time,
        period=period,
        edges=plane.edges,
        expected=np.diff(plane.enclosed(plane.edges)) / inside,
        own=np.array(history.own) / inside,
        fixed=np.array(history.fixed) / inside,
        fluctuation=np.array(history.fluctuation),
        coordinate=plane.line[history.shown],
        frames=np.array(history.frames),
        frame_time=time[history.wanted],
        beyond=max(history.beyond),
        weight_sum=model.weights.weight_sum,
        modes=model.weights.kept,
        cells=len(plane.line),
        mass_error=float(mass_error),
        energy_error=float(energy_error),
    )


def _options(plane: Plane, gravity: str, limits: WaveLimits, backend: CPU | GPU) -> dict[str, Any]:
    """How evolve_wave solves in a plane; gravity  one of GRAVITIES."""
    return {
        "order": 4,
        "limits": limits,
        "watch": 0,
        "alarms": _ALARMS,
        "domain": Domain(plane.grid.cells, backend=backend),
        "gravity": float(gravity != "fixed"),
        "external": backend.to_device(external_potential(plane, gravity)[:, None]),
    }


def external_potential(plane: Plane, gravity: str) -> np.ndarray:
    """The potential that is added to the solver's periodic one of |psi|^2, or that is the only one; [x, y].

    gravity  one of GRAVITIES
    """
    if gravity == "fixed":
        return plane.profile_potential
    alone = plane.free_potential if gravity == "own" else plane.profile_potential
    return alone - plane.periodic_potential(plane.mean_density)


class _History:
    """What was measured of a filament so far, a row for each time."""

    def __init__(self, plane: Plane, wanted: np.ndarray):
        self.plane, self.wanted = plane, wanted
        self.own: list[np.ndarray] = []
        self.fixed: list[np.ndarray] = []
        self.fluctuation: list[float] = []
        self.beyond: list[float] = []
        self.frames: list[np.ndarray] = []
        self.shown = np.abs(plane.line) < FRAME_REACH * plane.edges[-1]

    def add(self, density: np.ndarray, of_modes: np.ndarray) -> None:
        """Measure a density, and that of the modes in the potential that they were solved in."""
        plane, number = self.plane, len(self.own)
        rings, around, points = plane.rings(density)
        self.own.append(rings)
        self.fluctuation.append(plane.fluctuation(density, around, points))
        self.fixed.append(plane.rings(of_modes)[0])
        self.beyond.append(plane.beyond(density))
        # as many times as it is wanted: [v, u], the first index along phi = pi/2
        self.frames += [density[np.ix_(self.shown, self.shown)].T.astype(np.float32)] * np.count_nonzero(
            self.wanted == number
        )
