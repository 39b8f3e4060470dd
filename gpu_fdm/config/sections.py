"""The sections of an ini, an attrs class each: every key with its default, its kind, what it is, and its unit.

Sections that several stages share are in shared_sections; here are those of single stages, and the list of all.
"""

from dataclasses import dataclass, field
from typing import Any, get_type_hints

from attrs import frozen

from ..io.kinds import Choice, Maybe, Number, Series, Several, option
from .emulator_section import EmulatorSection
from .priors import Prior, PriorOf
from .section import (
    AXIAL,
    BELOW_ONE,
    BOSON_MASS,
    COMPUTED_WEIGHTS,
    FRACTION,
    LENGTH,
    MASS,
    NO_FILE,
    POINTS,
    STATISTICS,
    THREE_LENGTHS,
    TIME,
    TRANSFERS,
    WAVENUMBER,
    ErrorOfKey,
    Section,
    require_once,
    require_rising,
    require_table,
)
from .shared_sections import (
    CosmologySection,
    DarkMatter,
    FilamentSection,
    GasSection,
    HaloSection,
    Run,
    WavefunctionSection,
)


@frozen
class CrossSectionSection(Section):
    """psi in a square across the filament, with its vortices."""

    needs = (("filament",), ("wavefunction",))
    points: int = option(512, Number(16, 16384, integer=True), "number of points along each side of the square")
    mass_fraction: float = option(
        0.99, FRACTION, "mass fraction that sets the square: half a side is the radius that holds it"
    )
    frames: tuple | str | None = option(
        None,
        Maybe(Series(TIME, usual=48, most=10_000)),
        "times of a movie, or auto and their number, 48 if not given: steps of 1/12 of the coherence time of the "
        "fringes, from wavefunction.time on; empty: no movie",
        "Myr",
    )


@frozen
class SinglePowerSection(Section):
    """Power spectrum of each filament, averaged over phases and orientations exactly."""

    needs = (("wavefunction",), ("filament", "gas"))
    k_min: float = option(1.0, WAVENUMBER, "smallest wavenumber, comoving", "h/Mpc")
    k_max: float | None = option(
        None, Maybe(WAVENUMBER), "largest wavenumber, comoving; empty: 1.2 times the largest of the fringes", "h/Mpc"
    )
    points: int = option(200, POINTS, "number of wavenumbers, in equal ratios")
    statistics: str = option(
        "fixed", STATISTICS, "statistics of the modes: phases random and |a_nl| fixed, or complex Gaussian amplitudes"
    )
    draws: int = option(
        0,
        Number(0, 1_000_000, integer=True),
        "number of draws of the phases, for the scatter of single filaments in the plane; at least 2, or 0 for none",
    )

    def check_keys(self, error: ErrorOfKey) -> None:
        if self.draws == 1:
            raise error("draws", "must be at least 2 to have a scatter, or 0")
        require_rising(self, "k_min", "k_max", error)


@frozen
class BoxSection(Section):
    """Densities in a periodic box of cells."""

    needs = (("wavefunction",), ("filament", "gas"))
    size: tuple = option((0.64, 0.64, 1.8), THREE_LENGTHS, "lengths of the box's sides", "cMpc/h")
    cells: tuple = option(
        (192, 192, 540), Several(Number(2, 2**20, integer=True), 3, one_for_all=True), "number of cells along each side"
    )
    fields: tuple = option(
        ("fdm", "smooth"),
        Several(Choice(("fdm", "smooth"))),
        "densities to measure and to store: with fringes (fdm), and without (smooth)",
    )
    store: str = option(
        "yes", Choice(("no", "yes")), "whether densities are stored, or only measured by [power] and [correlation]"
    )
    method: str = option(
        "extruded",
        Choice(("extruded", "direct")),
        "how cells are filled: from a tabulated cross-section, or by summing the modes in every cell",
    )
    sampling: str = option(
        "point", Choice(("point", "average")), "whether densities are those at cell centres, or averages over cells"
    )
    frames: tuple | None = option(
        None, Maybe(Several(TIME)), "times of a series, density/fdm/0, 1, ...; empty: wavefunction.time alone", "Myr"
    )
    tolerance: float = option(1e-5, Number(1e-12, 0.1), "largest interpolation error over the peak density")

    def check_keys(self, error: ErrorOfKey) -> None:
        require_once(self, "fields", "density", error)
        if (self.method, self.sampling) == ("direct", "average"):
            raise error("sampling", "must be point where method = direct (extruded has averages)")


@frozen
class PowerSection(Section):
    """Power spectra of the densities in the box."""

    needs = (("box",),)
    bin_width: float = option(
        1.0, Number(0.1, 1e4), "width of the bins of k in fundamental wavenumbers, 2 pi / the longest side"
    )
    mu_bins: int | None = option(
        None,
        Maybe(Number(1, 1000, integer=True)),
        "number of bins of mu = |k_z|/k of P(k, mu), power/<name>_mu; empty: no P(k, mu)",
    )
    cross: str = option(
        "no", Choice(("no", "yes")), "whether to measure the cross spectrum of fdm and smooth, power/fdm_smooth"
    )


@frozen
class CorrelationSection(Section):
    """Correlation functions xi(r) of the densities in the box."""

    needs = (("box",),)
    bin_width: float = option(1.0, Number(0.1, 1e4), "width of the bins of r in sides of the smallest cell")


@frozen
class PopulationSection(Section):
    """Filaments from ellipsoidal collapse: their mass function, for CDM and for each boson mass."""

    m22: tuple = option((1.0, 2.0, 4.0, 8.0), Several(BOSON_MASS, most=100), "boson masses", "1e-22 eV")
    transfer: str = option("hu00", TRANSFERS, "transfer function of the boson, which cuts off the linear power")
    transfer_table: str | None = option(
        None, NO_FILE, "CSV file of k [h/Mpc], transfer, for transfer = table (and a single m22)"
    )
    window: str = option("smooth_k", Choice(("smooth_k", "sharp_k", "top_hat")), "filter of the variance S(M)")
    freeze_out: str = option(
        "virial",
        Choice(("virial", "bond_myers")),
        "when a collapsing axis stops: where it is virialised, or at a fixed size",
    )
    ellipticity: str = option(
        "published",
        Choice(("published", "collapse")),
        "variance S in the ellipticity sqrt(S/5)/delta_ec: today's, as published (aspect ratio 11 at 5e9 Msun/h), or "
        "that at collapse (2.9)",
    )
    example_mass: float = option(5e9, MASS, "mass of the ellipsoid whose collapse is drawn", "Msun/h")
    mass_min: float = option(1e8, MASS, "smallest mass of the mass function", "Msun/h")
    mass_max: float = option(1e12, MASS, "largest mass of the mass function", "Msun/h")
    masses: int = option(
        200, Number(8, 100_000, integer=True), "number of masses of the mass function, in equal ratios"
    )

    def check_keys(self, error: ErrorOfKey) -> None:
        require_table(self, "transfer", error)
        require_once(self, "m22", "mass", error)
        if self.transfer == "table" and len(self.m22) > 1:
            raise error("m22", "must be one where a table gives the transfer")
        require_rising(self, "mass_min", "mass_max", error)


@frozen
class OneFilamentSection(Section):
    """One-filament power spectrum, the mean over the population of filaments, for each m22 of [population]."""

    needs = (("wavefunction",), ("population",))
    mass_min: float = option(3e9, MASS, "mass of the lightest filament of the population", "Msun/h")
    mass_max: float = option(3e10, MASS, "mass of the heaviest filament of the population", "Msun/h")
    mass_function: str = option(
        "collapse",
        Choice(("collapse", "published")),
        "mass function of filaments: that of [population], or the power law published for z = 4, m22 = 1",
    )
    shape: str = option(
        "collapse",
        Choice(("collapse", "published")),
        "how shapes follow from masses: by collapse as in [population], or by published fits for z = 4, m22 = 1",
    )
    beta: float = option(0.0, BELOW_ONE, "velocity anisotropy of all filaments")
    normalisation: str = option(
        "population",
        Choice(("population", "matter")),
        "density that the spectrum is relative to: the mean of the population, or of all matter",
    )
    mode_mass: str = option(
        "completed",
        Choice(("completed", "scaled", "as_is")),
        "what replaces the mass that modes leave out, that beyond the energy cut: its own density, without fringes "
        "(completed), more mass in the modes (scaled), or nothing (as_is)",
    )
    statistics: str = option(
        "fixed", STATISTICS, "statistics of the modes: phases random and |a_nl| fixed, or complex Gaussian amplitudes"
    )
    method: str = option(
        "auto",
        Choice(("auto", "table", "direct")),
        "how the spectra are computed: from a table over nu = m r0 sigma/hbar, good to 5e-4, by sums over states "
        "(direct), or from the table where it covers the filaments (auto)",
    )
    table: str | None = option(
        None,
        NO_FILE,
        "table over nu that gpu-fdm tabulate similarity wrote; empty: one of those that come with the package",
    )
    k_min: float = option(1.0, WAVENUMBER, "smallest wavenumber, comoving", "h/Mpc")
    k_max: float = option(5000.0, WAVENUMBER, "largest wavenumber, comoving", "h/Mpc")
    points: int = option(150, POINTS, "number of wavenumbers, in equal ratios")
    tolerance: float = option(
        0.01, Number(1e-8, 1), "relative error of the integral over masses at which no more masses are added"
    )
    budget: str = option(
        "no",
        Choice(("no", "yes")),
        "whether to compute how the spectra change under each choice of the model, and to draw it",
    )

    def check_keys(self, error: ErrorOfKey) -> None:
        require_rising(self, "mass_min", "mass_max", error)
        require_rising(self, "k_min", "k_max", error)
        if self.table is not None and self.method == "direct":
            raise error("table", "must be empty where method = direct")


@frozen
class TotalPowerSection(Section):
    """Power of all matter, linear power, filaments and the haloes in them, for each m22 of [population]."""

    needs = (("one_filament",), ("halo",))
    mass_min: float = option(3e8, MASS, "mass of the lightest halo", "Msun/h")
    mass_max: float = option(1e12, MASS, "mass of the heaviest halo", "Msun/h")
    exact_l_max: int = option(
        140,
        Number(16, 1000, integer=True),
        "largest angular momentum of haloes that are sums over states; fringes of larger ones follow from the "
        "semiclassical limit; time grows as its fourth power",
    )

    def check_keys(self, error: ErrorOfKey) -> None:
        require_rising(self, "mass_min", "mass_max", error)


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


@frozen
class FitSection(Section):
    """Priors and sampler of gpu-fdm fit: posterior of the boson mass of a population, with nuisance parameters."""

    m22: Prior = option(
        Prior("log_uniform", 0.5, 10.0), PriorOf(True, 1e-6, 1e6), "boson mass; sampled is its ln", "1e-22 eV"
    )
    filament_fraction: Prior = option(
        Prior.fixed(1.0),
        PriorOf(False, 0.0, 1e3),
        "factor of one-filament spectra: the part of the model's filaments that there is",
    )
    ln10As: Prior | None = option(
        None, Maybe(PriorOf(False, 0.0, 10.0)), "ln(10^10 A_s) of the primordial power; empty: that of [cosmology]"
    )
    n_s: Prior | None = option(None, Maybe(PriorOf(False, 0.0, 3.0)), "its slope; empty: that of [cosmology]")
    mass_min: Prior | None = option(
        None,
        Maybe(PriorOf(True, 1.0, 1e18)),
        "mass of the lightest filament; sampled is its ln; empty: that of [one_filament]",
        "Msun/h",
    )
    omega_m: Prior | None = option(
        None,
        Maybe(PriorOf(False, 1e-3, 1.0)),
        "density of all matter today, at the same h, omega_b_h2 and m_nu; empty: that of [cosmology]",
    )
    gaussian: str = option(
        "ln", Choice(("ln", "linear")), "what has Gaussian errors: the logarithm of a table's boost or power, or itself"
    )
    walkers: int = option(32, Number(4, 10_000, integer=True), "number of walkers of the ensemble, an even one")
    steps: int = option(20_000, Number(10, 10**8, integer=True), "largest number of steps of each walker")
    autocorrelation_times: float = option(
        50.0, Number(5, 1e6), "number of autocorrelation times after which a chain is long enough, and ends"
    )

    def check_keys(self, error: ErrorOfKey) -> None:
        free = sum(not getattr(self, name).is_fixed for name in PARAMETERS if getattr(self, name) is not None)
        if self.walkers % 2 or self.walkers < 2 * free:
            raise error("walkers", f"must be even, and at least twice the number of free parameters, {free}")


PARAMETERS = ("m22", "filament_fraction", "ln10As", "n_s", "mass_min", "omega_m")  # of a fit, the keys of [fit]
LOGARITHMIC = ("m22", "mass_min")  # those of which ln is sampled


@frozen
class FiguresSection(Section):
    """Figures beside the result, in widths of one or two columns of a journal (88 and 180 mm)."""

    format: str = option("png", Choice(("png", "pdf", "svg")), "format of the figures")
    dpi: int = option(200, Number(20, 1200, integer=True), "resolution of the figures in dots per inch")


# None, where a section is absent; of type Any, since a stage runs only where its section is there, and need not ask
ABSENT: Any = None


@dataclass(frozen=True)
class Sections:
    """All sections of an ini, in its order; None where one is absent."""

    run: Run = field(default_factory=Run)
    cosmology: CosmologySection = field(default_factory=CosmologySection)
    dark_matter: DarkMatter = field(default_factory=DarkMatter)
    filament: FilamentSection = ABSENT
    gas: GasSection = ABSENT
    wavefunction: WavefunctionSection = ABSENT
    cross_section: CrossSectionSection = ABSENT
    single_power: SinglePowerSection = ABSENT
    box: BoxSection = ABSENT
    power: PowerSection = ABSENT
    correlation: CorrelationSection = ABSENT
    population: PopulationSection = ABSENT
    one_filament: OneFilamentSection = ABSENT
    halo: HaloSection = ABSENT
    total_power: TotalPowerSection = ABSENT
    simulation: SimulationSection = ABSENT
    steady_state: SteadyStateSection = ABSENT
    emulator: EmulatorSection = ABSENT
    fit: FitSection = ABSENT
    figures: FiguresSection = ABSENT


SECTIONS: dict[str, type[Section]] = get_type_hints(Sections)
