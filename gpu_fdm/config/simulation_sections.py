"""The sections of what evolves in time: a simulation, and the cross-section of a filament in its own gravity."""

from attrs import frozen

from ..io.kinds import Choice, Maybe, Number, Several, option
from .section import (
    AXIAL,
    BOSON_MASS,
    COMPUTED_WEIGHTS,
    FRACTION,
    LENGTH,
    NO_FILE,
    THREE_LENGTHS,
    TRANSFERS,
    ErrorOfKey,
    Section,
    require_once,
    require_table,
)


@frozen
class SimulationSection(Section):
    """The same random modes evolved as a wave and as particles in a periodic box, and the ratio of their power."""

    size: tuple = option((1.0, 1.0, 1.0), THREE_LENGTHS, "lengths of the box's sides", "cMpc/h")
    cells: tuple = option(
        (128, 128, 128),
        Several(Number(4, 2**16, integer=True), 3, one_for_all=True),
        "number of cells along each side; there are as many particles",
    )
    runs: tuple = option(
        ("wave_fdm", "particles_fdm", "particles_cdm"),
        Several(Choice(("wave_fdm", "particles_fdm", "particles_cdm", "wave_cdm"))),
        "runs by dynamics and initial power: fdm is cut off by the transfer function, cdm is not",
    )
    seeds: tuple | None = option(
        None,
        Maybe(Several(Number(0, 2**63, integer=True))),
        "seeds of the modes, for each of which all runs are done; empty: run.seed alone",
    )
    transfer: str = option("hu00", TRANSFERS, "transfer function of the boson, which cuts off the initial power of fdm")
    transfer_table: str | None = option(None, NO_FILE, "CSV file of k [h/Mpc], transfer, for transfer = table")
    redshift_start: float = option(63.0, Number(0, 99), "redshift of the initial conditions")
    redshift_end: float = option(3.0, Number(0, 98), "redshift at which the runs end")
    spectra: int = option(
        8, Number(1, 1000, integer=True), "number of epochs with P(k), in equal ratios of the scale factor"
    )
    snapshots: tuple | None = option(
        None, Maybe(Several(Number(0, 99))), "redshifts of snapshots; empty: redshift_end alone"
    )
    content: str = option(
        "density",
        Choice(("density", "full", "none")),
        "what snapshots hold: the density, psi and particles too (full), or no snapshots (none)",
    )
    order: int = option(2, Number(2, 4, integer=True), "order of the time steps, 2 or 4")
    kinetic_phase: float = option(
        2.0, Number(1e-3, 100), "largest phase of the fastest mode in a time step of the wave", "rad"
    )
    potential_phase: float = option(
        0.5, Number(1e-3, 100), "largest phase of the deepest potential in a time step of the wave", "rad"
    )
    lagrangian_order: int = option(
        2, Number(1, 2, integer=True), "order of Lagrangian perturbation theory of the particles' displacements"
    )
    mesh_precision: str = option(
        "double",
        Choice(("double", "single")),
        "precision of the mesh that moves particles, and of its transforms; their positions and momenta are double",
    )
    checkpoint_minutes: float = option(
        10.0, Number(0, 1e5), "time between checkpoints; 0: a checkpoint after every step", "min"
    )
    alarms: str = option(
        "warn",
        Choice(("warn", "stop")),
        "what unresolved velocities and lost energy cause: a warning, or the end of the run",
    )

    def check_keys(self, error: ErrorOfKey) -> None:
        require_table(self, "transfer", error)
        start, end = self.redshift_start, self.redshift_end
        if not end < start:
            raise error("redshift_end", f"must be below redshift_start, {start:g}")
        if self.order == 3:
            raise error("order", "must be 2 or 4")
        require_once(self, "runs", "run", error)
        require_once(self, "seeds", "seed", error)
        require_once(self, "snapshots", "redshift", error)
        if any(not end <= redshift <= start for redshift in self.snapshots or ()):
            raise error("snapshots", f"must lie in [{end:g}, {start:g}], the redshifts of the run")


@frozen
class SteadyStateSection(Section):
    """The cross-section of the filament evolved in its own gravity, to see whether it is in a steady state."""

    needs = (("filament",), ("wavefunction",))
    m22: tuple | None = option(
        None, Maybe(Several(BOSON_MASS)), "boson masses to evolve; empty: that of [dark_matter]", "1e-22 eV"
    )
    weights: tuple = option(
        ("wkb", "adaptive_lasso"),
        Several(Choice(COMPUTED_WEIGHTS)),
        "methods that choose the weights, each evolved for each boson mass",
    )
    gravity: str = option(
        "own",
        Choice(("own", "completed")),
        "gravity of psi alone, or also of the mass that the modes lack, held where the profile has it",
    )
    periods: float = option(
        2.0, Number(2, 1000), "number of periods to follow, of a circular orbit around half the line mass"
    )
    outputs: int = option(
        40, Number(4, 100_000, integer=True), "number of times at which psi is measured, in equal steps"
    )
    frames: int = option(
        5, Number(2, 1000, integer=True), "number of densities to store, at times among the outputs and the start"
    )

    axis: tuple | None = option(
        None,
        Maybe(Several(LENGTH)),
        "wavelengths along the axis, the line mass of each modulated and followed in three dimensions; empty: none",
        "cMpc/h",
    )
    axis_length: float | None = option(
        None, Maybe(LENGTH), "length of the periodic box along the axis; empty: the wavelength", "cMpc/h"
    )
    axis_cells: int | None = option(
        None,
        Maybe(Number(4, 2**16, integer=True)),
        "number of cells along the axis; empty: as many as thermal momenta need, and 8 a wavelength",
    )
    axis_amplitude: float = option(0.02, FRACTION, "amplitude of the modulation of the line mass")
    axis_momentum: tuple = option(
        ("coherent", "thermal"),
        Several(AXIAL),
        "momentum along the axis of what is followed in three dimensions: none (coherent), or thermal",
    )
    axis_time: float = option(3.0, Number(1e-3, 1e3), "time to follow it in three dimensions", "Gyr")

    def check_keys(self, error: ErrorOfKey) -> None:
        require_once(self, "m22", "mass", error)
        require_once(self, "weights", "method", error)
        require_once(self, "axis", "wavelength", error)
        require_once(self, "axis_momentum", "kind", error)
        for wavelength in self.axis or ():
            waves = (self.axis_length or wavelength) / wavelength
            if abs(waves - round(waves)) > 1e-6 or waves < 0.5:
                raise error("axis", f"{wavelength:g}: must divide axis_length, {self.axis_length:g}")
            if self.axis_cells is not None and self.axis_cells < 4 * waves:
                raise error("axis_cells", f"must be at least four a wavelength of {wavelength:g}, {round(4 * waves)}")
        if self.outputs < 2 * self.periods:
            raise error("outputs", f"must be at least two a period, {2 * self.periods:g}")
        if self.frames > self.outputs + 1:
            raise error("frames", f"must be at most outputs and the start, {self.outputs + 1}")
