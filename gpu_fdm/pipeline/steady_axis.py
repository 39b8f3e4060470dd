"""The 3-D runs of [steady_state]: a modulation of the line mass of each wavelength, for each kind of momentum."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import pi
from time import perf_counter
from typing import Any

import numpy as np

from ..config.cache_keys import key_of
from ..config.config import Config
from ..errors import RunError
from ..filament.fragmentation import collisionless_growth, fluid_growth
from ..filament.model import Filament
from ..filament.profile import Profile
from ..io import schema
from ..io.result_file import GroupWriter
from ..simulation.axis import AxisEvolution, axis_cells, evolve_axis
from ..simulation.plane import plane_cells
from ..simulation.steady_state import LIMITS
from .model import code_units, profile_of, solve
from .sizes import ModelSize
from .stage import Context
from .tasks import Arrays

log = logging.getLogger(__name__)

_CELL = 116  # bytes of a cell, as in the plane
_CELLS_A_SECOND = 6e6  # and stages, on two cores
AXIS_KEYS = ("axis", "axis_amplitude", "axis_cells", "axis_length", "axis_momentum", "axis_time")
_OWN_KEYS = ("axis_amplitude", "axis_cells", "axis_length", "axis_time", "outputs")


@dataclass(frozen=True, eq=False)
class AxisCase:
    """One wavelength [cMpc/h] and kind of momentum, of one boson mass and method of weights: a pipeline.tasks.Task.

    config  that of the run with boson and method put in;  filament  for this boson;  keys  of its model
    number  of the wavelength in the ini
    """

    config: Config
    filament: Filament
    keys: tuple[str, ...]
    wavelength: float
    number: int
    momentum: str

    @property
    def title(self) -> str:
        """In words."""
        weights = self.config.wavefunction.weights
        return (
            f"m22 = {self.config.dark_matter.m22:g}, {weights}, {self.momentum} along the axis, wavelength "
            f"{self.wavelength:g} cMpc/h"
        )

    @property
    def name(self) -> str:
        """Name of its part in the cache."""
        weights = self.config.wavefunction.weights
        return f"axis-m22_{self.config.dark_matter.m22:g}-{weights}-{self.momentum}-{self.wavelength:g}"

    @property
    def folder(self) -> str:
        """Path of its group in a result."""
        boson, weights = schema.boson(self.config.dark_matter.m22), self.config.wavefunction.weights
        return f"/{schema.STEADY_AXIS}/{boson}/{weights}/{self.momentum}/{self.number}"

    @cached_property
    def profile(self) -> Profile:
        """The equilibrium."""
        return profile_of(self.config, self.filament)

    @property
    def length(self) -> float:
        """Of the periodic box along the axis [cMpc/h]."""
        return self.config.steady_state.axis_length or self.wavelength

    @cached_property
    def cells(self) -> tuple[int, int]:
        """Across the axis and along it."""
        size, unit = ModelSize.of(self.config, self.filament), code_units(self.config).length
        cut, radius_max, _ = size.extent
        along = self.config.steady_state.axis_cells
        along = along or axis_cells(self.profile, self.length / unit, self.wavelength / unit)
        return plane_cells(self.profile, cut, radius_max)[0], along

    @property
    def memory(self) -> int:
        """Bytes, roughly."""
        return _CELL * self.cells[0] ** 2 * self.cells[1]

    @property
    def seconds(self) -> float:
        """Rough time on two cores."""
        size, units = ModelSize.of(self.config, self.filament), code_units(self.config)
        cut, radius_max, _ = size.extent
        across, side = plane_cells(self.profile, cut, radius_max)
        a, nyquist = self.profile.scale_factor, pi * self.cells[1] / (self.length / units.length)
        squared = 2 * (pi * across / side) ** 2 + nyquist**2
        stages = self.config.steady_state.axis_time / (units.time_myr / 1e3) * squared / (2 * a**2) / LIMITS.kinetic
        runs = 2 if self.momentum == "thermal" else 1
        return runs * stages * across**2 * self.cells[1] / _CELLS_A_SECOND

    def warnings(self) -> list[str]:
        """Of cells that do not resolve the momenta along the axis."""
        if self.momentum == "coherent":
            return []
        unit = code_units(self.config).length
        needed = axis_cells(self.profile, self.length / unit, self.wavelength / unit)
        if self.cells[1] >= needed:
            return []
        return [f"{self.title}: {self.cells[1]} cells along the axis do not resolve its momenta ({needed} would)"]

    @property
    def cost(self) -> float:
        """Time that it takes, in seconds."""
        return self.seconds

    @property
    def steps(self) -> int:
        """Times at which it is looked at."""
        return self.config.steady_state.outputs * (2 if self.momentum == "thermal" else 1)

    def key(self, context: Context) -> dict[str, Any]:
        """Everything that the evolution depends on."""
        names = (*self.keys, "run.seed", *(f"steady_state.{name}" for name in _OWN_KEYS))
        about = {"wavelength": self.wavelength, "momentum": self.momentum, "backend": context.backend.arithmetic}
        return key_of(self.config, "axis", names, **about)

    def compute(self, context: Context, step: Callable[[], None]) -> Arrays:
        """Solve for the modes and follow their psi."""
        section, started, units = self.config.steady_state, perf_counter(), code_units(self.config)
        try:
            evolution = evolve_axis(
                solve(self.config, self.filament, context.threads),
                self.wavelength / units.length,
                section.axis_time * 1e3 / units.time_myr,
                self.momentum,
                section.axis_amplitude,
                section.outputs,
                self.length / units.length,
                self.cells[1],
                self.config.run.seed,
                backend=context.backend,
                on_output=step,
            )
        except RunError as error:
            raise RunError(f"[steady_state] {self.title}: {error}") from error
        log.info("%s: %d x %d cells, %.1f s", self.title, *evolution.cells, perf_counter() - started)
        return evolution.arrays

    def rates(self) -> tuple[float, float]:
        """Growth rates of a fluid cylinder and of a collisionless one [1/Gyr]."""
        units = code_units(self.config)
        wavenumber, gyr = 2 * pi * units.length / self.wavelength, units.time_myr / 1e3
        return (
            fluid_growth(self.profile, wavenumber) / gyr,
            collisionless_growth(self.profile, wavenumber, self.momentum) / gyr,
        )

    def write(self, file: GroupWriter, arrays: Arrays) -> str:
        """Write its group; returns its line of the summary."""
        units = code_units(self.config)
        values: dict[str, Any] = {name: array if array.ndim else array.item() for name, array in arrays.items()}
        evolution = AxisEvolution(**values | {"cells": tuple(values["cells"].tolist())})
        fluid, collisionless = self.rates()
        slices = evolution.line_mass.shape[1]
        numbers = {name: float(getattr(evolution, name)) for name in ("mass_error", "energy_error", "unresolved")}
        file.group(
            self.folder,
            {
                "time": evolution.time * units.time_myr / 1e3,
                "position": (np.arange(slices) + 0.5) * self.length / slices,
                **{name: getattr(evolution, name) for name in ("line_mass", "alone", "amplitude", "chance")},
            },
            m22=self.config.dark_matter.m22,
            wavelength=self.wavelength,
            length=self.length,
            cells=evolution.cells,
            growth_fluid=fluid,
            growth_collisionless=collisionless,
            **numbers,
        )
        return (
            f"along the axis, {self.title}: {100 * evolution.amplitude[0]:.2g} % grows to "
            f"{100 * evolution.amplitude[-1]:.2g} % in {self.config.steady_state.axis_time:g} Gyr "
            f"(by chance {100 * evolution.chance[0]:.2g} to {100 * evolution.chance[-1]:.2g} %; "
            f"a fluid cylinder's rate is {fluid:.2g}/Gyr)"
        )
