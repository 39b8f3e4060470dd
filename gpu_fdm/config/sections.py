"""The sections of an ini, an attrs class each: every key with its default, its kind, what it is, and its unit.

Sections that several stages share are in shared_sections, those of simulations, emulators and fits in modules of their
own; here are those of the other stages, and the list of all.
"""

from dataclasses import dataclass, field
from typing import Any, get_type_hints

from attrs import frozen

from ..io.kinds import Choice, Maybe, Number, Series, Several, option
from .emulator_section import EmulatorSection
from .fit_section import FitSection
from .section import (
    BELOW_ONE,
    BOSON_MASS,
    FRACTION,
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
from .simulation_sections import SimulationSection, SteadyStateSection


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
