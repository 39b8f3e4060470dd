"""The sections of an ini, one frozen dataclass each: every key with its default, its kind, what it is, and its unit."""

from dataclasses import dataclass, fields

from ..errors import InputError
from ..io.kinds import Choice, InputFile, Maybe, Number, Several, Text, option

POSITIVE = Number(low=0, open_low=True)
# what no universe exceeds, and arithmetic still bears
LENGTH = Number(low=1e-6, high=1e6)
SPEED = Number(low=1e-6, high=1e6)
TIME = Number(low=-1e9, high=1e9)
MASS = Number(low=1, high=1e18)
WAVENUMBER = Number(low=1e-6, high=1e9)
DIRECTION = Several(Number(), count=3, nonzero=True)
WEIGHTS = ("wkb", "adaptive_lasso", "poisson", "least_squares", "table")


@dataclass(frozen=True)
class Section:
    """Checks every field by its kind."""

    def __post_init__(self):
        for item in fields(self):
            value = getattr(self, item.name)
            try:
                object.__setattr__(self, item.name, item.metadata["kind"].check(value))
            except ValueError as error:
                raise InputError(f"{item.name} = {value}: must be {error}") from None


@dataclass(frozen=True)
class Run(Section):
    """What to compute with, and where results go."""

    output: str = option("output/gpu_fdm", Text(), "folder for the results, or a file name that ends in .hdf5")
    seed: int = option(1, Number(0, 2**63, integer=True), "seed of the random phases")
    backend: str = option("auto", Choice(("auto", "cpu", "gpu")), "auto takes a GPU where there is one")
    precision: str = option("single", Choice(("single", "double")), "of the densities in the box")
    threads: int | None = option(None, Maybe(Number(1, 4096, integer=True)), "CPU threads; empty: all")


@dataclass(frozen=True)
class CosmologySection(Section):
    """Flat, matter and a cosmological constant."""

    h: float = option(0.6731, Number(0.01, 10), "H0 / (100 km/s/Mpc)")
    omega_m: float = option(0.314649, Number(1e-3, 1), "matter density today over the critical density")
    redshift: float = option(4.0, Number(0, 1e4), "of everything that is computed")
    linear_power: str = option(
        "camb",
        Choice(("camb", "eisenstein_hu", "table")),
        "linear power today; that of CAMB is kept once computed, and shipped for the default cosmology",
    )
    linear_power_table: str | None = option(
        None, Maybe(InputFile()), "CSV of k [h/Mpc], power [(Mpc/h)^3] at z = 0, for linear_power = table"
    )
    omega_b_h2: float = option(0.02222, Number(0.005, 0.1), "baryon density")
    omega_c_h2: float | None = option(
        None, Maybe(Number(1e-3, 4)), "cold dark matter density; empty: what omega_m leaves"
    )
    m_nu: float = option(0.06, Number(0, 5), "sum of three equal neutrino masses", "eV")
    n_s: float = option(0.9655, Number(0.5, 1.5), "slope of the primordial power")
    ln10As: float = option(3.089, Number(0, 6), "ln(10^10 A_s) of the primordial power at 0.05/Mpc")


@dataclass(frozen=True)
class DarkMatter(Section):
    """The boson."""

    m22: float = option(1.0, Number(1e-6, 1e6), "boson mass", "1e-22 eV")


@dataclass(frozen=True)
class FilamentSection(Section):
    """One filament. Its shape follows from the mass where it is not given."""

    mass: float = option(5e9, MASS, "mass that sets length, r0 and sigma where they are not given", "Msun/h")
    beta: float = option(0.0, Number(0, 1, open_high=True), "velocity anisotropy")
    shape: str = option(
        "published", Choice(("published", "collapse")), "from the mass: fits for z = 4, m22 = 1, or [population]"
    )
    length: float | None = option(None, Maybe(LENGTH), "length; empty: from the mass", "cMpc/h")
    r0: float | None = option(None, Maybe(LENGTH), "scale radius, physical; empty: from the mass", "Mpc/h")
    sigma: float | None = option(None, Maybe(SPEED), "velocity dispersion; empty: from the mass", "km/s")
    profile_table: str | None = option(
        None,
        Maybe(InputFile()),
        "CSV with columns radius [cMpc/h] and density [mean matter densities]; used instead of r0 and sigma",
    )
    centre: tuple | None = option(
        None, Maybe(Several(Number(-1e6, 1e6), count=3)), "of the filament; empty: the middle of the box", "cMpc/h"
    )
    direction: tuple = option((0.0, 0.0, 1.0), DIRECTION, "of the axis, any length")
    orientation: tuple = option((1.0, 0.0, 0.0), DIRECTION, "of phi = 0, any length, not along the axis")
    sharpness: float | None = option(
        None, Maybe(POSITIVE), "of the soft ends, [erf(sharpness (length/2 - |z|)) + 1]/2; empty: 10/length", "h/cMpc"
    )


@dataclass(frozen=True)
class GasSection(Section):
    """Many filaments in the box, from a table or drawn; instead of [filament]."""

    table: str | None = option(
        None,
        Maybe(InputFile()),
        "CSV of mass, length, r0, sigma, cx, cy, cz (in units of the box), dx, dy, dz, ox, oy, oz",
    )
    number: int | None = option(None, Maybe(Number(1, 10_000, integer=True)), "of filaments to draw, without table")
    mass_min: float = option(3e9, MASS, "lightest filament drawn", "Msun/h")
    mass_max: float = option(3e10, MASS, "heaviest filament drawn", "Msun/h")
    slope: float = option(-2.19428402, Number(-100, 100), "of dn/dM, a power law, where there is no mass_function")
    mass_function: str | None = option(None, Maybe(InputFile()), "CSV with columns mass [Msun/h], dn_dlnm [any unit]")
    shape: str = option(
        "published", Choice(("published", "collapse")), "from the mass: fits for z = 4, m22 = 1, or [population]"
    )
    beta: float = option(0.0, Number(0, 1, open_high=True), "velocity anisotropy of all")
    centres: str = option("uniform", Choice(("uniform", "poisson_disk")), "poisson_disk keeps them min_distance apart")
    min_distance: float | None = option(None, Maybe(POSITIVE), "between centres, for poisson_disk", "cMpc/h")
    overlap_mass_fraction: float = option(
        0.9, Number(0, 1, open_high=True), "cylinders that hold this fraction of the mass may not overlap"
    )
    max_attempts: int = option(1000, Number(1, 100_000, integer=True), "places tried for one filament")


@dataclass(frozen=True)
class WavefunctionSection(Section):
    """The eigenstates and their weights."""

    weights: str = option("wkb", Choice(WEIGHTS), "method")
    weights_table: str | None = option(None, Maybe(InputFile()), "CSV of n, l, amplitude, for weights = table")
    energy_cut: float = option(
        0.99, Number(0, 1, open_low=True, open_high=True), "states up to V at the radius with this mass fraction"
    )
    scatter: float = option(0.1, Number(1e-4, 10), "of ln density that adaptive_lasso and poisson tolerate")
    radii: int | None = option(
        None,
        Maybe(Number(8, 10**6, integer=True)),
        "radii (or bins) that adaptive_lasso, poisson and least_squares fit; empty: 20 for each half wave",
    )
    l0_angular_momentum: float = option(
        0.1,
        Number(1e-6, 1e3),
        "angular momentum of l = 0 states in the distribution function where beta > 0",
        "hbar",
    )
    time: float = option(0.0, TIME, "at which psi is evaluated", "Myr")


@dataclass(frozen=True)
class CrossSectionSection(Section):
    """psi in the plane across the filament, with its vortices."""

    points: int = option(512, Number(16, 16384, integer=True), "a side")
    mass_fraction: float = option(
        0.99, Number(0, 1, open_low=True, open_high=True), "half the side is the radius with this mass fraction"
    )


@dataclass(frozen=True)
class SinglePowerSection(Section):
    """Power spectrum of each filament, averaged over phases and orientations exactly."""

    k_min: float = option(1.0, WAVENUMBER, "smallest wavenumber, comoving", "h/Mpc")
    k_max: float | None = option(
        None, Maybe(WAVENUMBER), "largest wavenumber; empty: 1.2 times the largest of the fringes", "h/Mpc"
    )
    points: int = option(200, Number(2, 100_000, integer=True), "wavenumbers, in equal ratios")
    statistics: str = option(
        "fixed", Choice(("fixed", "gaussian")), "phases random and |a_nl| fixed, or complex Gaussian amplitudes"
    )
    draws: int = option(
        0,
        Number(0, 1_000_000, integer=True),
        "of the phases, for the scatter of single filaments in the plane; at least 2, or 0 for none",
    )


@dataclass(frozen=True)
class BoxSection(Section):
    """A periodic box of cells."""

    size: tuple = option((0.64, 0.64, 1.8), Several(LENGTH, 3, one_for_all=True), "of its sides", "cMpc/h")
    cells: tuple = option((192, 192, 540), Several(Number(2, 2**20, integer=True), 3, one_for_all=True), "a side")
    fields: tuple = option(("fdm", "smooth"), Several(Choice(("fdm", "smooth"))), "densities to keep in the file")
    method: str = option(
        "extruded", Choice(("extruded", "direct")), "interpolate a tabulated cross-section, or sum modes in every cell"
    )
    sampling: str = option("point", Choice(("point", "average")), "density at cell centres, or averaged over cells")
    frames: tuple | None = option(
        None, Maybe(Several(TIME)), "times of a series, density/fdm/0, 1, ...; empty: wavefunction.time", "Myr"
    )
    tolerance: float = option(1e-5, Number(1e-12, 0.1), "interpolation error over the peak density")


@dataclass(frozen=True)
class PowerSection(Section):
    """Power spectra of the densities in the box."""

    bin_width: float = option(1.0, Number(0.1, 1e4), "in fundamental wavenumbers, 2 pi / the longest side")
    mu_bins: int | None = option(
        None, Maybe(Number(1, 1000, integer=True)), "also P(k, mu) in as many bins of mu = |k_z|/k, power/<name>_mu"
    )
    cross: str = option("no", Choice(("no", "yes")), "also the cross spectrum of fdm and smooth, power/fdm_smooth")


@dataclass(frozen=True)
class CorrelationSection(Section):
    """Correlation functions xi(r) of the densities in the box."""

    bin_width: float = option(1.0, Number(0.1, 1e4), "in widths of the smallest cell")


@dataclass(frozen=True)
class PopulationSection(Section):
    """Filaments from ellipsoidal collapse: their mass function, for CDM and for each boson mass."""

    m22: tuple = option((1.0, 2.0, 4.0, 8.0), Several(Number(1e-6, 1e6), most=100), "boson masses", "1e-22 eV")
    transfer: str = option("hu00", Choice(("hu00", "ph22", "murgia17", "table")), "cut-off of the linear power")
    transfer_table: str | None = option(
        None, Maybe(InputFile()), "CSV of k [h/Mpc], transfer, for transfer = table (and a single m22)"
    )
    window: str = option("smooth_k", Choice(("smooth_k", "sharp_k", "top_hat")), "filter of the variance")
    freeze_out: str = option(
        "virial",
        Choice(("virial", "bond_myers")),
        "when a collapsing axis stops: virialised, or at a fixed size",
    )
    ellipticity: str = option(
        "published",
        Choice(("published", "collapse")),
        "e = sqrt(S/5)/delta_ec with S today as published (aspect ratio 11 at 5e9 Msun/h), or S at collapse (2.9)",
    )
    example_mass: float = option(5e9, MASS, "of the ellipsoid whose axes are kept, for the figure", "Msun/h")
    mass_min: float = option(1e8, MASS, "lightest of the mass function", "Msun/h")
    mass_max: float = option(1e12, MASS, "heaviest of the mass function", "Msun/h")
    masses: int = option(200, Number(8, 100_000, integer=True), "of the mass function, in equal ratios")


@dataclass(frozen=True)
class OneFilamentSection(Section):
    """One-filament power spectrum: the mean over the population, for each m22 of [population]."""

    mass_min: float = option(3e9, MASS, "lightest filament", "Msun/h")
    mass_max: float = option(3e10, MASS, "heaviest filament", "Msun/h")
    mass_function: str = option(
        "collapse", Choice(("collapse", "published")), "of [population], or the power law published for z = 4, m22 = 1"
    )
    shape: str = option(
        "collapse", Choice(("collapse", "published")), "of filaments, from [population], or the fits for z = 4, m22 = 1"
    )
    beta: float = option(0.0, Number(0, 1, open_high=True), "velocity anisotropy of all")
    normalisation: str = option(
        "population", Choice(("population", "matter")), "by the mean density of the population, or of all matter"
    )
    mode_mass: str = option(
        "scaled",
        Choice(("scaled", "as_is")),
        "modes miss the mass beyond the energy cut: spectra are scaled to the filament's mass, or left as they are",
    )
    statistics: str = option(
        "fixed", Choice(("fixed", "gaussian")), "phases random and |a_nl| fixed, or complex Gaussian amplitudes"
    )
    k_min: float = option(1.0, WAVENUMBER, "smallest wavenumber, comoving", "h/Mpc")
    k_max: float = option(5000.0, WAVENUMBER, "largest wavenumber", "h/Mpc")
    points: int = option(150, Number(2, 100_000, integer=True), "wavenumbers, in equal ratios")
    tolerance: float = option(0.01, Number(1e-8, 1), "relative error that the number of masses is chosen for")


@dataclass(frozen=True)
class SimulationSection(Section):
    """The same random modes evolved as a wave and as particles in a periodic box, and the ratio of their power."""

    size: tuple = option((1.0, 1.0, 1.0), Several(LENGTH, 3, one_for_all=True), "of the box's sides", "cMpc/h")
    cells: tuple = option(
        (128, 128, 128), Several(Number(4, 2**16, integer=True), 3, one_for_all=True), "a side; as many particles"
    )
    runs: tuple = option(
        ("wave_fdm", "particles_fdm", "particles_cdm"),
        Several(Choice(("wave_fdm", "particles_fdm", "particles_cdm", "wave_cdm"))),
        "dynamics and initial power: fdm is cut off by the transfer function, cdm is not",
    )
    transfer: str = option("hu00", Choice(("hu00", "ph22", "murgia17", "table")), "cut-off of the initial power")
    transfer_table: str | None = option(None, Maybe(InputFile()), "CSV of k [h/Mpc], transfer, for transfer = table")
    redshift_start: float = option(63.0, Number(0, 99), "of the initial conditions")
    redshift_end: float = option(3.0, Number(0, 98), "where it ends")
    spectra: int = option(8, Number(1, 1000, integer=True), "epochs of P(k), in equal ratios of the scale factor")
    snapshots: tuple | None = option(None, Maybe(Several(Number(0, 99))), "redshifts of snapshots; empty: the end")
    content: str = option(
        "density", Choice(("density", "full", "none")), "of snapshots: density, psi and particles too, or no snapshots"
    )
    order: int = option(2, Number(2, 4, integer=True), "of the time steps, 2 or 4")
    kinetic_phase: float = option(2.0, Number(1e-3, 100), "of the fastest mode in a step of the wave", "rad")
    potential_phase: float = option(0.5, Number(1e-3, 100), "of the deepest potential in a step of the wave", "rad")
    lagrangian_order: int = option(2, Number(1, 2, integer=True), "of the particles' displacements")
    checkpoint_minutes: float = option(10.0, Number(0, 1e5), "between checkpoints; 0: after every step", "min")
    alarms: str = option("warn", Choice(("warn", "stop")), "what unresolved velocities and lost energy do")


@dataclass(frozen=True)
class SteadyStateSection(Section):
    """The cross-section of the filament evolved in two dimensions in its own gravity: whether it stays as it is."""

    m22: tuple | None = option(
        None, Maybe(Several(Number(1e-6, 1e6))), "boson masses; empty: that of [dark_matter]", "1e-22 eV"
    )
    weights: tuple = option(
        ("wkb", "adaptive_lasso"), Several(Choice(WEIGHTS[:-1])), "methods, each evolved for each boson mass"
    )
    gravity: str = option(
        "own",
        Choice(("own", "completed")),
        "of psi alone, or also of the mass that the modes lack, held where the profile has it",
    )
    periods: float = option(2.0, Number(2, 1000), "to follow, of a circular orbit around half the line mass")
    outputs: int = option(40, Number(4, 100_000, integer=True), "times at which it is looked at, in equal steps")
    frames: int = option(5, Number(2, 1000, integer=True), "of the outputs and the start, densities kept in the file")


@dataclass(frozen=True)
class FiguresSection(Section):
    """PNG figures beside the result."""

    dpi: int = option(150, Number(20, 1200, integer=True), "resolution")


SECTIONS = {
    "run": Run,
    "cosmology": CosmologySection,
    "dark_matter": DarkMatter,
    "filament": FilamentSection,
    "gas": GasSection,
    "wavefunction": WavefunctionSection,
    "cross_section": CrossSectionSection,
    "single_power": SinglePowerSection,
    "box": BoxSection,
    "power": PowerSection,
    "correlation": CorrelationSection,
    "population": PopulationSection,
    "one_filament": OneFilamentSection,
    "simulation": SimulationSection,
    "steady_state": SteadyStateSection,
    "figures": FiguresSection,
}
