"""Sections of an ini on which several stages draw: where to compute, the universe, filaments and their modes."""

from typing import Any, ClassVar

import attrs
from attrs import frozen

from ..cosmology.named import NAMED
from ..cosmology.parameters import SIGMA8
from ..io.kinds import Choice, Maybe, Number, Several, Text, checked, option
from .section import (
    AXIAL,
    BELOW_ONE,
    BOSON_MASS,
    DIRECTION,
    FRACTION,
    LENGTH,
    MASS,
    NO_FILE,
    SPEED,
    STATISTICS,
    TIME,
    WAVENUMBER,
    WEIGHTS,
    ErrorOfKey,
    Section,
    require_rising,
    require_table,
)

LN10AS = 3.089  # where neither ln10As nor sigma8 is given
LEAST_DRAWS = 20  # of a band
SAME = 1e-9  # relative difference of values that are one


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
    mpi_buffers: str = option(
        "auto",
        Choice(("auto", "device", "host")),
        "where messages between cards leave from: their memory (device), pinned memory of the host, or (auto) the "
        "first where the MPI library reads it",
    )
    precision: str = option("single", Choice(("single", "double")), "precision of densities and waves on grids")
    threads: int | None = option(
        None, Maybe(Number(1, 4096, integer=True)), "number of CPU threads of each rank; empty: its share of the CPUs"
    )


def _of_name(default: float, low: float, high: float, description: str, unit: str = "") -> Any:
    """A key whose empty value is that of the named cosmology, or else the default; `name` is a field before it."""
    kind = Maybe(Number(low, high))

    def convert(value: Any, section: Any, field: attrs.Attribute) -> float:
        if value is None:
            return NAMED[section.name].values[field.name] if section.name else default
        return checked(field.name, value, kind)

    description = f"{description}; empty: that of name, or else {default:g}"
    return attrs.field(
        default=None,
        converter=attrs.Converter(convert, takes_self=True, takes_field=True),
        metadata={"kind": kind, "description": description, "unit": unit},
    )


@frozen
class CosmologySection(Section):
    """Flat universe of matter and a cosmological constant."""

    replaces: ClassVar[dict[str, tuple[str, ...]]] = {
        "name": ("h", "omega_m", "omega_b_h2", "omega_c_h2", "m_nu", "n_s", "ln10As", "sigma8"),
        "ln10As": ("sigma8",),
        "sigma8": ("ln10As",),
    }

    name: str | None = option(
        None, Maybe(Choice(tuple(NAMED))), "named cosmology, as in astropy, for all keys that are empty; empty: none"
    )
    h: float = _of_name(0.6731, 0.01, 10, "Hubble constant, H0 / (100 km/s/Mpc)")
    omega_m: float = _of_name(0.314649, 1e-3, 1, "density of all matter today over the critical density")
    redshift: float = option(4.0, Number(0, 1e4), "redshift of everything that is computed, except simulations")
    linear_power: str = option(
        "camb",
        Choice(("camb", "eisenstein_hu", "table")),
        "source of the linear power today; that of CAMB is cached, and shipped for the default cosmology",
    )
    linear_power_table: str | None = option(
        None,
        NO_FILE,
        "table of k [h/Mpc], power [(Mpc/h)^3] at z = 0, CSV or as CLASS and CAMB write it, for linear_power = table",
    )
    omega_b_h2: float = _of_name(0.02222, 0.005, 0.1, "baryon density, Omega_b h^2")
    omega_c_h2: float | None = option(
        None, Maybe(Number(1e-3, 4)), "cold dark matter density, Omega_c h^2; empty: what omega_m leaves"
    )
    m_nu: float = _of_name(0.06, 0, 5, "sum of the masses of three equal neutrinos", "eV")
    n_s: float = _of_name(0.9655, 0.5, 1.5, "slope of the primordial power")
    ln10As: float | None = option(
        None,
        Maybe(Number(0, 6)),
        f"ln(10^10 A_s), A_s the primordial power at 0.05/Mpc; empty: from sigma8, or else {LN10AS:g}",
    )
    sigma8: float | None = option(
        None,
        Maybe(SIGMA8),
        "rms of linear density in spheres of 8 Mpc/h today, instead of ln10As; empty: that of name, or else ln10As is "
        "taken",
    )

    @property
    def of_table(self) -> bool:
        """Whether the linear power is a table, which has an amplitude and a slope of its own."""
        return self.linear_power == "table"

    def __attrs_post_init__(self) -> None:
        # one of the two has a value; a table has an amplitude of its own
        if self.ln10As is None and self.sigma8 is None:
            if self.name is None:
                object.__setattr__(self, "ln10As", LN10AS)
            elif not self.of_table:
                object.__setattr__(self, "sigma8", NAMED[self.name].sigma8)

    def check_keys(self, error: ErrorOfKey) -> None:
        require_table(self, "linear_power", error)
        if self.ln10As is not None and self.sigma8 is not None:
            raise error("sigma8", f"must be empty where ln10As is given (ln10As = {self.ln10As:g})")
        if self.sigma8 is not None and self.of_table:
            raise error("sigma8", "must be empty where linear_power = table, which has an amplitude of its own")
        if self.name is None:
            return
        for key, value in NAMED[self.name].values.items():
            if key != "sigma8" and abs(getattr(self, key) - value) > SAME * value:
                raise error(key, f"must be empty, or {value:.10g} as name = {self.name} has it")
        if self.ln10As is not None:
            raise error("ln10As", f"must be empty where name is given ({self.name}): give sigma8 for another amplitude")


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
        "CSV or ECSV file of radius [cMpc/h], density [mean matter densities] and its error, or in its units: a "
        "measured profile to take instead of r0 and sigma",
    )
    profile_fit: str = option(
        "table",
        Choice(("table", "smooth", "cylinder")),
        "equilibrium of profile_table: of its rows as they are (table), fitted to them with a smooth distribution "
        "function of anisotropy beta (smooth), or an isothermal cylinder with r0, sigma and beta fitted (cylinder)",
    )
    profile_bootstrap: int = option(
        0,
        Number(0, 10_000, integer=True),
        "number of tables with more noise of the same size, fitted for bands of the profile and of [single_power]; at "
        "least 20, or 0 for none",
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
        Maybe(WAVENUMBER),
        "sharpness of the filament's soft ends, [erf(sharpness (length/2 - |z|)) + 1]/2; empty: 10/length",
        "h/cMpc",
    )

    def check_keys(self, error: ErrorOfKey) -> None:
        if self.profile_fit != "table" and self.profile_table is None:
            raise error("profile_fit", "needs the rows of a profile_table")
        if self.profile_fit == "cylinder" and self.beta:
            raise error("beta", "must be left out where profile_fit = cylinder, which fits it")
        if self.profile_bootstrap and self.profile_fit == "table":
            raise error("profile_bootstrap", "must be 0 where profile_fit = table, which has no errors")
        if 0 < self.profile_bootstrap < LEAST_DRAWS:
            raise error("profile_bootstrap", f"must be at least {LEAST_DRAWS} to have a band, or 0")


@frozen
class GasSection(Section):
    """Many filaments in the box, from a table or drawn at random, and haloes; instead of [filament]."""

    needs = (("box",),)
    table: str | None = option(
        None,
        NO_FILE,
        "CSV file of filaments: mass, length, r0, sigma, cx, cy, cz (in units of the box), dx, dy, dz, ox, oy, oz",
    )
    number: int | None = option(
        None, Maybe(Number(1, 10_000, integer=True)), "number of filaments to draw where there is no table"
    )
    haloes: str | None = option(
        None,
        NO_FILE,
        "CSV file of haloes beside the filaments: mass, cx, cy, cz (in units of the box) and, where wanted, "
        "concentration, core (radius, cMpc/h), seed (of the phases), which else are those of [halo] and [run]",
    )
    halo_mass_min: float | None = option(
        None,
        Maybe(MASS),
        "mass of the lightest halo that is drawn, from the mass function of haloes of [population]; empty: none is",
        "Msun/h",
    )
    halo_mass_max: float | None = option(None, Maybe(MASS), "mass of the heaviest halo that is drawn", "Msun/h")
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
        None, Maybe(LENGTH), "least distance between centres, for centres = poisson_disk", "cMpc/h"
    )
    overlap_mass_fraction: float = option(
        0.9, BELOW_ONE, "fraction of the mass inside the cylinders that may not overlap"
    )
    max_attempts: int = option(1000, Number(1, 100_000, integer=True), "number of places that are tried for a filament")

    def check_keys(self, error: ErrorOfKey) -> None:
        if self.table is not None and self.number is not None:
            raise error("number", "must be given where there is no table, and only then")
        drawn = self.halo_mass_min, self.halo_mass_max
        if None in drawn and drawn != (None, None):
            raise error("halo_mass_max", "must be given with halo_mass_min, and only then")
        if self.halo_mass_min is not None and self.haloes is not None:
            raise error("halo_mass_min", "must be empty where haloes come from a table")
        if self.halo_mass_min is not None:
            require_rising(self, "halo_mass_min", "halo_mass_max", error)
        if (self.table, self.number, self.haloes, self.halo_mass_min) == (None,) * 4:
            raise error("number", "must be given where there is no table of filaments or haloes, and no halo_mass_min")


@frozen
class WavefunctionSection(Section):
    """The modes that make psi: eigenstates of the filament's potential, and their weights."""

    needs = (("filament", "gas", "one_filament"),)
    weights: str = option(
        "wkb",
        Choice(WEIGHTS),
        "method that chooses the weights of the modes; projection takes them from the psi of a snapshot",
    )
    weights_table: str | None = option(None, NO_FILE, "CSV file of n, l, amplitude, for weights = table")
    cut_out: str | None = option(
        None, NO_FILE, "HDF5 file that gpu-fdm filament wrote around a filament with psi, for weights = projection"
    )
    energy_cut: float = option(
        0.99, FRACTION, "mass fraction that sets the energy cut, which is V at the radius that holds it"
    )
    scatter: float = option(0.1, Number(1e-4, 10), "scatter of ln density that adaptive_lasso and poisson tolerate")
    radii: int | None = option(
        None,
        Maybe(Number(8, 100_000, integer=True)),
        "number of radii (or bins) that adaptive_lasso, poisson and least_squares fit; empty: 20 for each half wave",
    )
    l0_angular_momentum: float | None = option(
        None,
        Maybe(Number(1e-6, 1e3)),
        "angular momentum of l = 0 states in the distribution function where beta > 0; empty: "
        "(1 - beta)^(1/beta)/2, of the mean of L^-beta over |L| < 1/2",
        "hbar",
    )
    axial: str = option(
        "coherent",
        AXIAL,
        "momentum along the axis: none, so that psi is the same all along it, or thermal, as much as across it",
    )
    time: float = option(0.0, TIME, "time at which psi is evaluated", "Myr")

    def check_keys(self, error: ErrorOfKey) -> None:
        require_table(self, "weights", error)
        if (self.weights == "projection") != (self.cut_out is not None):
            raise error("cut_out", f"must be given with weights = projection, and only then (weights = {self.weights})")


@frozen
class HaloSection(Section):
    """Haloes: cored NFW spheres cut at the radius of their mass definition, and how their power is computed."""

    concentration: str = option(
        "dutton_maccio_2014_200c",
        Choice(("dutton_maccio_2014_200c", "dutton_maccio_2014_vir")),
        "relation of concentration and mass; the end of its name is the mass definition, which sets the radius",
    )
    concentration_factor: float = option(1.0, Number(0.1, 10), "factor of the concentration")
    core_factor: float = option(1.0, Number(0.1, 10), "core radius over that of Schive et al. 2014")
    soliton: str = option(
        "no",
        Choice(("no", "yes")),
        "whether the ground state has the mass of the soliton of Schive et al. 2014, at a fixed amplitude",
    )
    energy_cut: float = option(
        0.99, FRACTION, "mass fraction that sets the energy cut of the states, which is V at the radius that holds it"
    )
    statistics: str = option(
        "fixed", STATISTICS, "statistics of the states: phases random and |a_nlm| fixed, or complex Gaussian amplitudes"
    )
