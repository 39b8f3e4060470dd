"""The sections of an ini, an attrs class each: every key with its default, its kind, what it is, and its unit."""

from attrs import frozen

from ..io.kinds import Choice, InputFile, Maybe, Number, Several, Text, option

POSITIVE = Number(low=0, open_low=True)
FRACTION = Number(0, 1, open_low=True, open_high=True)
BELOW_ONE = Number(0, 1, open_high=True)
# what no universe exceeds, and arithmetic still bears
LENGTH = Number(low=1e-6, high=1e6)
SPEED = Number(low=1e-6, high=1e6)
TIME = Number(low=-1e9, high=1e9)
MASS = Number(low=1, high=1e18)
BOSON_MASS = Number(1e-6, 1e6)
WAVENUMBER = Number(low=1e-6, high=1e9)
POINTS = Number(2, 100_000, integer=True)
THREE_LENGTHS = Several(LENGTH, 3, one_for_all=True)
DIRECTION = Several(Number(), count=3, nonzero=True)
WEIGHTS = ("wkb", "adaptive_lasso", "poisson", "least_squares", "table")
TRANSFERS = Choice(("hu00", "ph22", "murgia17", "table"))
STATISTICS = Choice(("fixed", "gaussian"))
NO_FILE = Maybe(InputFile())


@frozen
class Section:
    """One section of an ini: every value is checked and converted by the kind of its key.

    Raises InputError that names the key, the value and what is allowed.
    """


@frozen
class Run(Section):
    """What a run computes with, and where its results go."""

    output: str = option("output/gpu_fdm", Text(), "folder for the results, or a result file that ends in .hdf5")
    seed: int = option(
        1, Number(0, 2**63, integer=True), "seed of the random phases, of drawn filaments and of a simulation's modes"
    )
    backend: str = option(
        "auto", Choice(("auto", "cpu", "gpu")), "where to compute; auto takes a GPU where there is one"
    )
    precision: str = option("single", Choice(("single", "double")), "precision of densities and waves on grids")
    threads: int | None = option(
        None, Maybe(Number(1, 4096, integer=True)), "number of CPU threads of each rank; empty: its share of the CPUs"
    )


@frozen
class CosmologySection(Section):
    """Flat universe of matter and a cosmological constant."""

    h: float = option(0.6731, Number(0.01, 10), "Hubble constant, H0 / (100 km/s/Mpc)")
    omega_m: float = option(0.314649, Number(1e-3, 1), "matter density today over the critical density")
    redshift: float = option(4.0, Number(0, 1e4), "redshift of everything that is computed, except simulations")
    linear_power: str = option(
        "camb",
        Choice(("camb", "eisenstein_hu", "table")),
        "source of the linear power today; that of CAMB is cached, and shipped for the default cosmology",
    )
    linear_power_table: str | None = option(
        None, NO_FILE, "CSV file of k [h/Mpc], power [(Mpc/h)^3] at z = 0, for linear_power = table"
    )
    omega_b_h2: float = option(0.02222, Number(0.005, 0.1), "baryon density, Omega_b h^2")
    omega_c_h2: float | None = option(
        None, Maybe(Number(1e-3, 4)), "cold dark matter density, Omega_c h^2; empty: what omega_m leaves"
    )
    m_nu: float = option(0.06, Number(0, 5), "sum of the masses of three equal neutrinos", "eV")
    n_s: float = option(0.9655, Number(0.5, 1.5), "slope of the primordial power")
    ln10As: float = option(3.089, Number(0, 6), "ln(10^10 A_s), A_s the primordial power at 0.05/Mpc")


@frozen
class DarkMatter(Section):
    """The boson of fuzzy dark matter."""

    m22: float = option(1.0, BOSON_MASS, "boson mass", "1e-22 eV")


@frozen
class FilamentSection(Section):
    """One filament, whose shape follows from its mass where it is not given."""

    mass: float = option(5e9, MASS, "mass that sets length, r0 and sigma where they are not given", "Msun/h")
    beta: float = option(0.0, BELOW_ONE, "velocity anisotropy of the equilibrium")
    shape: str = option(
        "published",
        Choice(("published", "collapse")),
        "how the shape follows from the mass: by published fits for z = 4, m22 = 1, or by collapse as in [population]",
    )
    length: float | None = option(None, Maybe(LENGTH), "length of the filament; empty: from the mass", "cMpc/h")
    r0: float | None = option(None, Maybe(LENGTH), "scale radius, physical; empty: from the mass", "Mpc/h")
    sigma: float | None = option(None, Maybe(SPEED), "velocity dispersion; empty: from the mass", "km/s")
    profile_table: str | None = option(
        None,
        NO_FILE,
        "CSV file of radius [cMpc/h], density [mean matter densities], of a profile to take instead of r0 and sigma",
    )
    centre: tuple | None = option(
        None,
        Maybe(Several(Number(-1e6, 1e6), count=3)),
        "centre of the filament; empty: the middle of the box",
        "cMpc/h",
    )
    direction: tuple = option((0.0, 0.0, 1.0), DIRECTION, "direction of the filament's axis, of any length")
    orientation: tuple = option(
        (1.0, 0.0, 0.0), DIRECTION, "direction in which phi = 0 across the filament, of any length, not along the axis"
    )
    sharpness: float | None = option(
        None,
        Maybe(POSITIVE),
        "sharpness of the filament's soft ends, [erf(sharpness (length/2 - |z|)) + 1]/2; empty: 10/length",
        "h/cMpc",
    )


@frozen
class GasSection(Section):
    """Many filaments in the box, from a table or drawn at random; instead of [filament]."""

    table: str | None = option(
        None,
        NO_FILE,
        "CSV file of filaments: mass, length, r0, sigma, cx, cy, cz (in units of the box), dx, dy, dz, ox, oy, oz",
    )
    number: int | None = option(
        None, Maybe(Number(1, 10_000, integer=True)), "number of filaments to draw where there is no table"
    )
    mass_min: float = option(3e9, MASS, "mass of the lightest filament that is drawn", "Msun/h")
    mass_max: float = option(3e10, MASS, "mass of the heaviest filament that is drawn", "Msun/h")
    slope: float = option(
        -2.19428402, Number(-100, 100), "slope of dn/dM, a power law to draw from where there is no mass_function"
    )
    mass_function: str | None = option(
        None, NO_FILE, "CSV file of mass [Msun/h], dn_dlnm [any unit], a mass function to draw from"
    )
    shape: str = option(
        "published",
        Choice(("published", "collapse")),
        "how shapes follow from masses: by published fits for z = 4, m22 = 1, or by collapse as in [population]",
    )
    beta: float = option(0.0, BELOW_ONE, "velocity anisotropy of all filaments")
    centres: str = option(
        "uniform",
        Choice(("uniform", "poisson_disk")),
        "how centres are drawn; poisson_disk keeps them min_distance apart",
    )
    min_distance: float | None = option(
        None, Maybe(POSITIVE), "least distance between centres, for centres = poisson_disk", "cMpc/h"
    )
    overlap_mass_fraction: float = option(
        0.9, BELOW_ONE, "fraction of the mass inside the cylinders that may not overlap"
    )
    max_attempts: int = option(1000, Number(1, 100_000, integer=True), "number of places that are tried for a filament")


@frozen
class WavefunctionSection(Section):
    """The modes that make psi: eigenstates of the filament's potential, and their weights."""

    weights: str = option("wkb", Choice(WEIGHTS), "method that chooses the weights of the modes")
    weights_table: str | None = option(None, NO_FILE, "CSV file of n, l, amplitude, for weights = table")
    energy_cut: float = option(
        0.99, FRACTION, "mass fraction that sets the energy cut, which is V at the radius that holds it"
    )
    scatter: float = option(0.1, Number(1e-4, 10), "scatter of ln density that adaptive_lasso and poisson tolerate")
    radii: int | None = option(
        None,
        Maybe(Number(8, 10**6, integer=True)),
        "number of radii (or bins) that adaptive_lasso, poisson and least_squares fit; empty: 20 for each half wave",
    )
    l0_angular_momentum: float = option(
        0.1,
        Number(1e-6, 1e3),
        "angular momentum of l = 0 states in the distribution function where beta > 0",
        "hbar",
    )
    time: float = option(0.0, TIME, "time at which psi is evaluated", "Myr")


@frozen
class CrossSectionSection(Section):
    """psi in a square across the filament, with its vortices."""

    points: int = option(512, Number(16, 16384, integer=True), "number of points along each side of the square")
    mass_fraction: float = option(
        0.99, FRACTION, "mass fraction that sets the square: half a side is the radius that holds it"
    )


@frozen
class SinglePowerSection(Section):
    """Power spectrum of each filament, averaged over phases and orientations exactly."""

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


@frozen
class BoxSection(Section):
    """Densities in a periodic box of cells."""

    size: tuple = option((0.64, 0.64, 1.8), THREE_LENGTHS, "lengths of the box's sides", "cMpc/h")
    cells: tuple = option(
        (192, 192, 540), Several(Number(2, 2**20, integer=True), 3, one_for_all=True), "number of cells along each side"
    )
    fields: tuple = option(
        ("fdm", "smooth"),
        Several(Choice(("fdm", "smooth"))),
        "densities to measure and to store: with fringes (fdm), and without (smooth)",
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


@frozen
class PowerSection(Section):
    """Power spectra of the densities in the box."""

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


@frozen
class OneFilamentSection(Section):
    """One-filament power spectrum, the mean over the population of filaments, for each m22 of [population]."""

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
        "scaled",
        Choice(("scaled", "as_is")),
        "whether spectra are scaled to the filament's mass, since modes miss the mass beyond the energy cut",
    )
    statistics: str = option(
        "fixed", STATISTICS, "statistics of the modes: phases random and |a_nl| fixed, or complex Gaussian amplitudes"
    )
    k_min: float = option(1.0, WAVENUMBER, "smallest wavenumber, comoving", "h/Mpc")
    k_max: float = option(5000.0, WAVENUMBER, "largest wavenumber, comoving", "h/Mpc")
    points: int = option(150, POINTS, "number of wavenumbers, in equal ratios")
    tolerance: float = option(
        0.01, Number(1e-8, 1), "relative error of the integral over masses at which no more masses are added"
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
    checkpoint_minutes: float = option(
        10.0, Number(0, 1e5), "time between checkpoints; 0: a checkpoint after every step", "min"
    )
    alarms: str = option(
        "warn",
        Choice(("warn", "stop")),
        "what unresolved velocities and lost energy cause: a warning, or the end of the run",
    )


@frozen
class SteadyStateSection(Section):
    """The cross-section of the filament evolved in its own gravity, to see whether it is in a steady state."""

    m22: tuple | None = option(
        None, Maybe(Several(BOSON_MASS)), "boson masses to evolve; empty: that of [dark_matter]", "1e-22 eV"
    )
    weights: tuple = option(
        ("wkb", "adaptive_lasso"),
        Several(Choice(WEIGHTS[:-1])),
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


@frozen
class FiguresSection(Section):
    """Figures as PNG files beside the result."""

    dpi: int = option(150, Number(20, 1200, integer=True), "resolution of the figures in dots per inch")


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
