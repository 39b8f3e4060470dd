"""Populations of filaments."""

from .common import (
    BUDGET,
    COLLAPSE,
    HALO_MASS_FUNCTION,
    MASS_FUNCTION,
    ONE_FILAMENT,
    ONE_HALO,
    TOTAL_POWER,
    attributes,
)
from .entries import Attribute, Dataset, Group

MARKS_OF_TOTAL = {  # attributes of /total_power/<boson>: where a power passes detach_threshold times another
    "k_detach_filaments": ("filaments_alone_fdm", "filaments_alone_smooth"),
    "k_detach_smooth": ("power_fdm", "power_smooth"),
    "k_detach_cdm": ("power_fdm", "power_cdm"),
}

_POPULATION = "m22 freeze_out ellipticity transfer window redshift"

POPULATION_GROUPS = (
    Group(
        f"/{MASS_FUNCTION}/<boson>",
        {
            "mass": Dataset("mass", "Msun/h", "mass"),
            "dn_dlnm": Dataset("mass", "(h/Mpc)^3", "filaments per ln M, comoving"),
            "variance": Dataset("mass", "1", "S(M), linear, at z = 0"),
        },
        attributes(f"{_POPULATION} linear_power", error=Attribute("of the first crossing, relative")),
    ),
    Group(
        f"/{COLLAPSE}/<boson>",
        {
            "scale_factor": Dataset("scale_factor", "1", "scale factor"),
            "axes": Dataset("scale_factor, 3", "1", "semi-axes, physical, over the Lagrangian radius; [step, axis]"),
        },
        attributes(
            f"{_POPULATION} linear_power",
            mass=Attribute("of the example", "Msun/h"),
            overdensity=Attribute("linear, at collapse"),
            initial_ellipticity=Attribute("of the shear"),
            freeze=Attribute(
                "scale factors at which the axes stop; NaN of an axis that still moves when the filament is there"
            ),
        ),
    ),
    Group(
        f"/{ONE_FILAMENT}/<boson>",
        {
            "k": Dataset("k", "h/Mpc", "wavenumber, comoving"),
            "power_fdm": Dataset("k", "(Mpc/h)^3", "one-filament spectrum of |psi|^2, phase average"),
            "power_smooth": Dataset("k", "(Mpc/h)^3", "one-filament spectrum of <|psi|^2>"),
            "power_classical": Dataset(
                "k", "(Mpc/h)^3", "one-filament spectrum of the same filaments made of particles"
            ),
            "masses": Dataset("filament", "Msun/h", "at which single filaments were solved, or taken from the table"),
            "weight_sum": Dataset("filament", "1", "share of the line mass that their modes have"),
            "missing_mass": Dataset(
                "filament", "1", "share of the line mass that mode_mass = completed adds; not of method = table"
            ),
            "rms_log_density": Dataset(
                "filament", "1", "rms of ln(density of the modes/density) inside R_95; not of method = table"
            ),
        },
        attributes(
            f"{_POPULATION} axial beta statistics weights",
            mass_min=Attribute("of the window", "Msun/h"),
            mass_max=Attribute("of the window", "Msun/h"),
            normalisation=Attribute("population or matter"),
            density=Attribute("mean density that the spectra are relative to", "(Msun/h)/(cMpc/h)^3"),
            limit=Attribute("of P at k -> 0", "(Mpc/h)^3"),
            halo_share=Attribute("share of the mass of these filaments that is in haloes, ellipticity at collapse"),
            limit_ratio=Attribute("P at k -> 0 without the mass in haloes, over limit"),
            error=Attribute(
                "of the integral over masses, or of the table, relative, where the power is above 1e-7 of the limit"
            ),
            mass_function=Attribute("collapse or published"),
            shape=Attribute("collapse or published"),
            mode_mass=Attribute("completed, scaled or as_is: what replaces the mass beyond the energy cut"),
            method=Attribute("direct, sums over states, or table, over nu"),
        ),
    ),
    Group(
        f"/{ONE_FILAMENT}/<boson>/{BUDGET}",
        {
            "k": Dataset("k", "h/Mpc", "wavenumber, comoving"),
            "<choice>": Dataset(
                "k",
                "1",
                "one-filament spectrum of |psi|^2 with one choice made in another way, over that of the run; both are "
                "relative to all matter; NaN where both are zero",
                attributes={
                    "choice": Attribute("what is other, as in an ini"),
                    "density_ratio": Attribute("mean density of the filaments over that of the run"),
                },
            ),
        },
        {
            "quadrature_error": Attribute("of the integral over masses of the run, relative"),
            "lattice_error": Attribute(
                "largest relative difference of the run's spectrum from that of few nu; NaN where there is none of few"
            ),
        },
    ),
    Group(
        f"/{HALO_MASS_FUNCTION}/<boson>",
        {
            "mass": Dataset("mass", "Msun/h", "mass"),
            "dn_dlnm": Dataset("mass", "(h/Mpc)^3", "haloes per ln M, comoving"),
            "share_in_haloes": Dataset("mass", "1", "share of a filament of this mass that is in haloes"),
        },
        attributes(_POPULATION, error=Attribute("of the first crossing, relative")),
    ),
    Group(
        f"/{ONE_HALO}/<boson>",
        {
            "k": Dataset("k", "h/Mpc", "wavenumber, comoving"),
            "power_fdm": Dataset("k", "(Mpc/h)^3", "one-halo spectrum of |psi|^2, phase average, over all matter"),
            "power_smooth": Dataset("k", "(Mpc/h)^3", "one-halo spectrum of <|psi|^2>; of cdm, of particles"),
        },
        attributes(
            "m22 redshift statistics",
            mass_min=Attribute("of the lightest halo", "Msun/h"),
            mass_max=Attribute("of the heaviest halo", "Msun/h"),
            exact_l_max=Attribute("largest l up to which haloes are sums over states; the limit of many beyond"),
            exact_nu=Attribute("nu = m R v/hbar up to which haloes are sums over states"),
            concentration=Attribute("relation of concentration and mass"),
            concentration_factor=Attribute("of the concentration"),
            core_factor=Attribute("of the core radius"),
            soliton=Attribute("yes where the ground state has the mass of a soliton"),
            energy_cut=Attribute("mass fraction that sets the energy cut of the states"),
        ),
    ),
    Group(
        f"/{TOTAL_POWER}/<boson>",
        {
            "k": Dataset("k", "h/Mpc", "wavenumber, comoving"),
            "power_fdm": Dataset("k", "(Mpc/h)^3", "power of all matter"),
            "power_smooth": Dataset("k", "(Mpc/h)^3", "the same without fringes; of cdm, of particles"),
            "power_cdm": Dataset("k", "(Mpc/h)^3", "power of all cold dark matter"),
            "linear": Dataset("k", "(Mpc/h)^3", "linear power with the cut-off of the boson"),
            "filaments_smooth": Dataset("k", "(Mpc/h)^3", "filaments with the mean density of the haloes in them"),
            "filaments_fringes": Dataset("k", "(Mpc/h)^3", "fringes of filaments, without their haloes"),
            "haloes_smooth": Dataset("k", "(Mpc/h)^3", "haloes, at random along their filaments"),
            "haloes_fringes": Dataset("k", "(Mpc/h)^3", "fringes of haloes"),
            "filaments_alone_fdm": Dataset("k", "(Mpc/h)^3", "P_1f over all matter, all mass counted as filaments"),
            "filaments_alone_smooth": Dataset("k", "(Mpc/h)^3", "the same without fringes"),
        },
        attributes(
            "m22 redshift",
            mass_min=Attribute("of the lightest filament", "Msun/h"),
            mass_max=Attribute("of the heaviest filament", "Msun/h"),
            halo_mass_min=Attribute("of the lightest halo", "Msun/h"),
            halo_mass_max=Attribute("of the heaviest halo", "Msun/h"),
            detach_threshold=Attribute("ratio of two powers that marks where they detach"),
            **{
                name: Attribute(f"where {above} passes that over {below}", "h/Mpc")
                for name, (above, below) in MARKS_OF_TOTAL.items()
            },
        ),
    ),
)
