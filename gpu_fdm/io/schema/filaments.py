"""Filaments, boxes of them, and their spectra."""

from .common import (
    CENTRES,
    CORRELATION,
    DENSITY,
    FILAMENTS,
    GAS,
    GRID_ATTRIBUTES,
    HALOES,
    MATTER,
    POWER,
    POWER_DATASETS,
    POWER_MU_DATASETS,
    PROFILE_FIT,
    PROJECTION,
    REAL,
    SINGLE_POWER,
    attributes,
    defined,
)
from .entries import Attribute, Dataset, Group

_ZEROS = "of the zeros of psi around which its phase winds"
_OVER_MASS = "over the mass squared, averaged over phases and orientations"
_IN_PLANE = "in the plane across it, over the line mass squared, averaged over phases"
_LOW = "lower edge of the band that the errors of the measured profile leave"
_HIGH = "upper edge of the band"
_DRAWS = "in the plane, over the line mass squared, over the draws of the phases"

FILAMENT_GROUPS = (
    Group(
        f"/{FILAMENTS}/<number>",
        attributes=attributes(
            "m22 redshift beta",
            mass=Attribute("of the ini or the table: sets the shape where the shape is not given", "Msun/h"),
            length=Attribute("of the segment, comoving", "cMpc/h"),
            r0=Attribute("scale radius, physical", "Mpc/h"),
            sigma=Attribute("velocity dispersion", "km/s"),
            centre=Attribute("of the segment", "cMpc/h"),
            direction=Attribute("of the axis"),
            orientation=Attribute("of phi = 0"),
            sharpness=Attribute("of the soft ends", "h/cMpc"),
            line_mass=Attribute("of the equilibrium", "(Msun/h)/(cMpc/h)"),
            segment_mass=Attribute("line_mass times length", "Msun/h"),
            mode_mass=Attribute("of |psi|^2 in the length, what a box receives", "Msun/h"),
            length_unit=Attribute("size of the code unit", "cMpc/h"),
            velocity_unit=Attribute("size of the code unit", "km/s"),
        ),
    ),
    Group(
        f"/{FILAMENTS}/<number>/modes",
        {
            "n": Dataset("mode", "1", "radial quantum number", "int64"),
            "l": Dataset("mode", "1", "angular quantum number; l > 0 stands for +l and -l", "int64"),
            "energy": Dataset("mode", "(km/s)^2", "eigenvalue, V = 0 on the axis"),
            "weight": Dataset("mode", "1", "a_nl^2, share of the line mass (twice for l > 0)"),
            "phase": Dataset(
                "mode, 2",
                "rad",
                "phases of +l and -l of a coherent filament; the second is not used where l = 0",
            ),
        },
        attributes(
            "weights weight_sum axial",
            library_modes=Attribute("number of bound states up to the energy cut"),
            largest_l=Attribute("of these states"),
            energy_cut=Attribute("in squares of velocity_unit"),
            rms_log_density=Attribute("of ln(density_modes/density)"),
            axial_dispersion=Attribute("of comoving momenta along the axis where axial = thermal, a sigma_z", "h/Mpc"),
            optimality=Attribute("of what was minimised: largest violation of its conditions, 0 where nothing was"),
        ),
    ),
    Group(
        f"/{FILAMENTS}/<number>/profile",
        {
            "radius": Dataset("radius", "cMpc/h", "distance from the axis"),
            "density": Dataset("radius", MATTER, "target density of the equilibrium, comoving"),
            "density_modes": Dataset("radius", MATTER, "phase average of |psi|^2, comoving"),
        },
        {f"r{share}": Attribute(f"radius that holds {share} % of the mass", "cMpc/h") for share in (50, 95, 99)},
    ),
    Group(
        f"/{FILAMENTS}/<number>/{PROFILE_FIT}",
        {
            "radius": Dataset("row", "cMpc/h", "of the measured profile, or what halves the area of its shells"),
            "density": Dataset("row", MATTER, "measured, comoving"),
            "error": Dataset("row", MATTER, "standard error of density"),
            "model": Dataset("row", MATTER, "density of the fitted equilibrium, comoving"),
            "band_radius": Dataset("band_radius", "cMpc/h", "radii of the band"),
            "band_low": Dataset("band_radius", MATTER, f"density, {_LOW}"),
            "band_high": Dataset("band_radius", MATTER, f"density, {_HIGH}"),
            "band_scatter": Dataset("band_radius", "1", "standard deviation of ln density over the draws"),
        },
        {
            "method": Attribute("table, smooth or cylinder"),
            "chi_squared": Attribute("sum of ((density - model)/error)^2"),
            "degrees_of_freedom": Attribute("rows less parameters"),
            "p_value": Attribute("probability of a larger chi-squared"),
            "smoothing": Attribute("lambda of the penalty, of a smooth fit"),
            "line_mass": Attribute("of the equilibrium", "(Msun/h)/(cMpc/h)"),
            "line_mass_error": Attribute("standard error", "(Msun/h)/(cMpc/h)"),
            "r0": Attribute("scale radius, physical, of a cylinder", "Mpc/h"),
            "r0_error": Attribute("standard error", "Mpc/h"),
            "sigma": Attribute("velocity dispersion, of a cylinder", "km/s"),
            "sigma_error": Attribute("standard error", "km/s"),
            "beta": Attribute("velocity anisotropy"),
            "beta_error": Attribute("standard error, of a cylinder"),
            "draws": Attribute("number of tables with more noise that were fitted for the bands"),
            "band_share": Attribute("of the draws that lie inside a band at all its points"),
        },
    ),
    Group(
        f"/{FILAMENTS}/<number>/{PROJECTION}",
        {
            "n": Dataset("mode", "1", "radial quantum number, of all states up to the energy cut", "int64"),
            "l": Dataset("mode", "1", "angular quantum number", "int64"),
            "energy": Dataset("mode", "(km/s)^2", "eigenvalue, V = 0 on the axis"),
            "weight": Dataset("mode", "1", "mean |a|^2 over slices of psi and both signs of l"),
            "scatter": Dataset("mode", "1", "standard deviation of |a|^2 over slices and signs"),
            "error": Dataset("mode", "1", "standard error of weight; NaN of fewer than two independent slices"),
            "wkb": Dataset("mode", "1", "WKB weight of the equilibrium"),
            "inside": Dataset("mode", "1", "share of the state within radius"),
            "rayleigh": Dataset("mode, 2", "1", "p-value of phases of +l and -l being uniform; NaN where not tested"),
            "correlation": Dataset("distance", "1", "|C| of psi along the axis, at multiples of step"),
            "momentum": Dataset("slice, 2", "h/cMpc", "mean momentum along u and v that was subtracted"),
            "centre": Dataset("slice, 2", "cMpc/h", "centres of slices that were subtracted"),
        },
        {
            "source": Attribute("file of the cut-out"),
            "radius": Attribute("of the disc in which slices of psi were projected", "cMpc/h"),
            "step": Attribute("between slices", "cMpc/h"),
            "correlation_length": Attribute("of |a|^2 along the axis", "cMpc/h"),
            "effective_slices": Attribute("length over correlation_length"),
            "line_mass": Attribute("of |psi|^2 in the disc", "(Msun/h)/(cMpc/h)"),
            "bound_share": Attribute("of that line mass, in the states up to the energy cut"),
            "outside": Attribute("share of psi that is in no state of those that tell the axis, before and after"),
            "axis_told": Attribute("whether the axis was moved to where psi lies in states"),
            "relative_scatter": Attribute("rms of scatter/weight, by mass: 1 of Gaussian amplitudes, 0 of fixed ones"),
            "rms_log_wkb": Attribute("rms of ln(weight/wkb), by mass"),
            "rms_log_chance": Attribute("what the scatter over slices alone makes of it"),
            "axial_momentum": Attribute("mean momentum along the axis", "h/cMpc"),
            "momentum_across": Attribute("rms of momentum, 0 where none was subtracted", "h/cMpc"),
            "centre_across": Attribute("rms of centre, 0 where none was subtracted", "cMpc/h"),
            "tested_slices": Attribute("independent slices in which phases were tested"),
            "wkb_ratio": Attribute("mass over that of WKB weights, in three parts by energy of equal WKB mass"),
            "axial": Attribute("momentum along the axis of the reconstruction"),
            "polar_ratio": Attribute("mean of polar/mean over polar/model at a few k, in words"),
            "box_ratio": Attribute("box/reconstruction over box/cut_out at a few k, in words"),
            "p_uniform": Attribute("p-value of all phases being uniform; NaN of fewer than 5 slices"),
            "p_independent": Attribute("p-value of their being independent of each other; NaN likewise"),
        },
    ),
    Group(
        f"/{FILAMENTS}/<number>/{PROJECTION}/polar",
        {
            "k": Dataset("k", "h/Mpc", "wavenumber in the plane across the axis"),
            "mean": Dataset("k", "1", "of slices, |rho(k)|^2 over the line mass of the equilibrium squared"),
            "scatter": Dataset("k", "1", "standard deviation over slices"),
            "error": Dataset("k", "1", "standard error of mean; NaN of fewer than two independent slices"),
            "model": Dataset("k", "1", "exact average of the projected weights, |a|^2 scattering as in the cut-out"),
            "wkb": Dataset("k", "1", "the same of WKB weights"),
        },
    ),
    Group(
        f"/{FILAMENTS}/<number>/{PROJECTION}/box",
        {
            "k": Dataset("k", "h/Mpc", "mean over the modes of a bin"),
            "modes": Dataset("k", "1", "number of modes", "int64"),
            "cut_out": Dataset("k", "(Mpc/h)^3", "power in the box of the cut-out, over its mean density squared"),
            "reconstruction": Dataset("k", "(Mpc/h)^3", "power of the model's psi there, over the same density"),
        },
    ),
    Group(
        f"/{FILAMENTS}/<number>/cross_section",
        {
            "coordinate": Dataset("coordinate", "cMpc/h", "along phi = 0 and along phi = pi/2"),
            "density": Dataset("coordinate, coordinate", MATTER, "|psi|^2, [v, u]", "float32"),
            "phase": Dataset("coordinate, coordinate", "rad", "arg psi, [v, u]", "float32"),
            "frames": Dataset("frame_time, coordinate, coordinate", MATTER, "|psi|^2 of a movie, [frame, v, u]", REAL),
            "frame_time": Dataset("frame_time", "Myr", "times of the frames"),
        },
        {
            "coherence_time": Attribute(
                "at which the autocorrelation of the fringes first falls to 1/2; none where they never change", "Myr"
            ),
        },
    ),
    Group(
        f"/{FILAMENTS}/<number>/cross_section/vortices",
        {
            "x": Dataset("vortex", "cMpc/h", _ZEROS),
            "y": Dataset("vortex", "cMpc/h", _ZEROS),
            "winding": Dataset("vortex", "1", _ZEROS, "int64"),
        },
    ),
    Group(
        f"/{HALOES}/<number>",
        attributes=attributes(
            "m22 redshift",
            mass=Attribute("of the table", "Msun/h"),
            centre=Attribute("of the halo", "cMpc/h"),
            radius=Attribute("of the mass definition, comoving", "cMpc/h"),
            concentration=Attribute("radius over scale radius"),
            core=Attribute("core radius, comoving", "cMpc/h"),
            seed=Attribute("of the phases: amplitudes are random_amplitudes(states, seed, stream)"),
            stream=Attribute("the number of the halo, or 0 where the table has seeds"),
            mass_fdm=Attribute("of |psi|^2, what a box receives", "Msun/h"),
            mass_smooth=Attribute("of <|psi|^2>", "Msun/h"),
            length_unit=Attribute("size of the code unit", "cMpc/h"),
            velocity_unit=Attribute("size of the code unit", "km/s"),
        ),
    ),
    Group(
        f"/{HALOES}/<number>/states",
        {
            "n": Dataset("state", "1", "radial quantum number", "int64"),
            "l": Dataset("state", "1", "angular momentum, of 2 l + 1 states", "int64"),
            "energy": Dataset("state", "(km/s)^2", "eigenvalue, V = 0 at infinity"),
            "weight": Dataset("state", "1", "<|a_nlm|^2>, share of the mass, 2 l + 1 times"),
        },
        attributes(
            "statistics",
            soliton=Attribute("whether the ground state has the mass of a soliton"),
            largest_l=Attribute("of these states"),
            energy_cut=Attribute("in squares of velocity_unit"),
            weight_sum=Attribute("share of the mass in the states"),
        ),
    ),
    Group(
        f"/{HALOES}/<number>/profile",
        {
            "radius": Dataset("radius", "cMpc/h", "distance from the centre"),
            "density": Dataset("radius", MATTER, "target density of the equilibrium, comoving"),
            "density_states": Dataset("radius", MATTER, "phase average of |psi|^2, comoving"),
        },
    ),
    Group(
        f"/{GAS}",
        {
            "mass": Dataset("filament", "Msun/h", "mass"),
            "length": Dataset("filament", "cMpc/h", "length, comoving"),
            "r0": Dataset("filament", "Mpc/h", "scale radius, physical"),
            "sigma": Dataset("filament", "km/s", "velocity dispersion"),
            "centre": Dataset("filament, 3", "cMpc/h", "centre, comoving"),
            "direction": Dataset("filament, 3", "1", "unit vector of the axis"),
            "orientation": Dataset("filament, 3", "1", "unit vector of phi = 0"),
        },
    ),
)

_OF_A_CELL = attributes("box_size sampling time")
BOX_GROUPS = (
    Group(
        f"/{DENSITY}",
        {
            "fdm[/<frame>]": Dataset("x, y, z", MATTER, f"comoving density |psi|^2, {CENTRES}", REAL, _OF_A_CELL),
            "smooth[/<frame>]": Dataset(
                "x, y, z", MATTER, f"phase average of the comoving density, <|psi|^2>, {CENTRES}", REAL, _OF_A_CELL
            ),
        },
        attributes(
            "box_size",
            mass_fdm=Attribute("mass in the box of |psi|^2", "Msun/h"),
            mass_smooth=Attribute("mass in the box of <|psi|^2>", "Msun/h"),
        ),
    ),
    Group(f"/{POWER}/<spectrum>[/<frame>]", POWER_DATASETS, GRID_ATTRIBUTES),
    Group(f"/{POWER}/<density>_mu[/<frame>]", POWER_MU_DATASETS, GRID_ATTRIBUTES),
    Group(
        f"/{CORRELATION}/<density>[/<frame>]",
        {
            "r": Dataset("r", "cMpc/h", "mean separation of the pairs of cells in each bin, comoving"),
            "xi": Dataset("r", "1", "mean product of density/mean - 1; the first row is r = 0"),
            "separations": Dataset("r", "1", "separations in each bin, r and -r both counted", "int64"),
        },
        attributes("mean_density box_size sampling"),
    ),
    Group(
        f"/{SINGLE_POWER}/<number>",
        {
            "k": Dataset("k", "h/Mpc", "wavenumber, comoving"),
            "power_fdm": Dataset("k", "1", f"of |psi|^2, {_OVER_MASS}"),
            "power_smooth": Dataset("k", "1", f"of <|psi|^2>, {_OVER_MASS}"),
            "power_interference": Dataset("k", "1", f"of the fringes of all pairs of modes, {_OVER_MASS}"),
            "power_self": Dataset("k", "1", f"of each mode with itself, part of the fringes, {_OVER_MASS}"),
            "power_classical": Dataset("k", "1", f"of the profile, a filament of particles, {_OVER_MASS}"),
            "polar_fdm": Dataset("k", "1", f"of |psi|^2, {_IN_PLANE}"),
            "polar_smooth": Dataset("k", "1", f"of <|psi|^2>, {_IN_PLANE}"),
            "polar_interference": Dataset("k", "1", f"of the fringes of all pairs of modes, {_IN_PLANE}"),
            "polar_self": Dataset("k", "1", f"of each mode with itself, {_IN_PLANE}"),
            "band_low": Dataset("k", "1", f"power_fdm, {_LOW}"),
            "band_high": Dataset("k", "1", f"power_fdm, {_HIGH}"),
            "band_scatter": Dataset("k", "1", "standard deviation of ln power_fdm over the draws of the profile"),
            "sampled_mean": Dataset("k", "1", f"mean of |psi|^2's {_DRAWS}"),
            "sampled_error": Dataset("k", "1", "standard error of sampled_mean"),
            "sampled_scatter": Dataset("k", "1", f"standard deviation of single filaments {_DRAWS}"),
        },
        attributes("axial statistics")
        | {"parts": Attribute("how power_fdm is made of the others"), "draws": Attribute("number of draws")}
        | defined("k_gs", "ground-state scale", "h/Mpc")
        | defined("k_detach", "where the fringes take over", "h/Mpc")
        | defined("detach_power", "power over the mass squared at k_detach")
        | defined("k_cut", "where the fringes end", "h/Mpc")
        | defined("k_fringe", "largest wavenumber of the fringes", "h/Mpc")
        | defined("slope", "of the excess"),
    ),
)
