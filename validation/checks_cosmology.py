"""Units, growth, linear power, transfer functions and variance."""

from functools import lru_cache, partial

import numpy as np
from scipy.integrate import quad, solve_ivp
from scipy.special import beta, gamma

from gpu_fdm.cosmology.background import Background
from gpu_fdm.cosmology.linear_power import LinearPower
from gpu_fdm.cosmology.parameters import CosmologicalParameters
from gpu_fdm.cosmology.transfer import jeans_wavenumber, transfer
from gpu_fdm.cosmology.variance import WINDOWS, variance
from gpu_fdm.units import mean_matter_density

from .registry import ABSOLUTE, RELATIVE, Check
from .shared import BACKGROUND, MASS, OMEGA_M, H, columns, power, units, variance_of

SCALE_FACTORS = np.array([0.01, 0.05, 0.2, 0.5, 1.0])
NEWTON = 4.30091727e-9  # G [Mpc (km/s)^2 / Msun]: CODATA 2018 and IAU 2015
JUMPS = 0.031, 0.045  # [h/Mpc]; the published power jumps here, see errata_population.py
SMOOTH_K_SLOPE = 9.10049


def _diffusion_of_hbar():
    """hbar/m for m22 = 1 [m^2/s]."""
    return 1.054571817e-34 / (1e-22 * 1.602176634e-19 / 299792458.0**2)


def _our_diffusion():
    return (units().length_mpc * 3.0856775814913673e22) ** 2 / units().time_s


def _sum_of_densities():
    p = CosmologicalParameters()
    return (p.omega_b_h2 + p.omega_c_h2 + p.omega_nu_h2) / p.h**2


def _heath(a):
    """D(a)/D(1) from Heath's integral, 5/2 Om E int_0^a da/(aE)^3."""

    def growth(a):
        integral = quad(lambda x: (x * BACKGROUND.expansion(x)) ** -3, 0, a, epsabs=0, epsrel=1e-12)[0]
        return BACKGROUND.expansion(a) * integral

    return growth(a) / growth(1.0)


@lru_cache
def _growth_rates():
    """d ln D/d ln a from the growth equation, integrated from a = 1e-4."""

    def slope(log_a, state):
        fraction = BACKGROUND.matter_fraction(np.exp(log_a))
        return state[1], -(2 - 1.5 * fraction) * state[1] + 1.5 * fraction * state[0]

    span = np.log([1e-4, 1.0])
    options = {"method": "DOP853", "t_eval": np.log(SCALE_FACTORS), "rtol": 1e-12, "atol": 1e-16}
    solution = solve_ivp(slope, span, [1e-4, 1e-4], **options)
    return solution.y[1] / solution.y[0]


def _power_rows(low, high, published):
    """Linear power, published or ours, at the published k between two limits without the jumps."""
    table = columns("linear_power_z0.csv")
    k = table["k"]
    chosen = (k > low) & (k < high) & ~((k > JUMPS[0]) & (k < JUMPS[1]))
    return table["power"][chosen] if published else power("camb")(k[chosen])


def _primordial_slope():
    k = np.array([6e-6, 2e-5])
    return np.diff(np.log(power("camb")(k)))[0] / np.diff(np.log(k))[0]


def _growth_of_power():
    return power("camb").at(1.0, 4.0) / power("camb")(1.0)


def _camb_variance(window, mass):
    return variance(power("camb"), transfer("cdm", h=H), window)(mass)


def _sigma8():
    return _camb_variance("top_hat", 4 * np.pi / 3 * mean_matter_density(OMEGA_M) * 8.0**3) ** 0.5


def _transfer(name, k_mpc, m22=1.0):
    """T at k [1/Mpc]."""
    return transfer(name, m22, h=H)(k_mpc / H)


def _half_mode(name, m22):
    """The k where P is halved [1/Mpc]."""
    return transfer(name, m22, h=H).half_mode("power") * H


def _power_law_variance(window):
    """S(1e11) for P = 2 pi^2/k^2."""
    k = np.geomspace(1e-17, 1e6, 500)
    law = LinearPower(k, 2 * np.pi**2 * k**-2.0, Background(OMEGA_M), "k^-2")
    return variance(law, transfer("cdm", h=H), window, mass_min=1e10, mass_max=1e12)(1e11)


def _closed_variance(window):
    """R^-1 int_0^inf W^2 dx."""
    exponent = 1 / SMOOTH_K_SLOPE
    top_hat = 9 * np.pi / 2 * gamma(3) * gamma(0.5) / (2**3 * gamma(2) ** 2 * gamma(3.5))
    moment = {"top_hat": top_hat, "sharp_k": 1.0, "smooth_k": beta(exponent, 2 - exponent) / SMOOTH_K_SLOPE}[window]
    return moment / WINDOWS[window].radius(1e11, OMEGA_M)


_HU00 = "Hu, Barkana & Gruzinov 2000, PRL 85, 1158"
_PH22 = "Passaglia & Hu 2022, PRD 105, 123529"
_FOUR_DIGITS = "the published formula, evaluated apart to four digits; k in 1/Mpc, not h/Mpc"
_TABLE = "Z25 code, linear power (tests/data/linear_power_z0.csv)"

CHECKS = (
    Check(
        "critical density [h^2 Msun/Mpc^3]",
        "2.77536627e11",
        lambda: mean_matter_density(1.0),
        1e-5,
        RELATIVE,
        "Particle Data Group 2024",
        "by its solar mass and G",
    ),
    Check(
        "hbar/m for m22 = 1 [m^2/s], L^2/T of the code units",
        _diffusion_of_hbar,
        _our_diffusion,
        1e-8,
        RELATIVE,
        "CODATA 2022",
        "exact but for the ten digits of hbar",
    ),
    Check(
        "3/2 Om H0^2 T^2, the coefficient of Poisson's equation",
        "1",
        lambda: 1.5 * OMEGA_M * units().hubble ** 2 * units().time_s ** 2,
        1e-10,
        ABSOLUTE,
        "Z25, code units",
        "round-off",
    ),
    Check(
        "Om of the published densities: baryons, cold dark matter, 0.06 eV of neutrinos",
        "0.314649",
        _sum_of_densities,
        1e-4,
        RELATIVE,
        "Z25, after Planck 2015 (A&A 594 A13)",
        "the published densities are rounded",
    ),
    Check(
        "growth D(z = 4)/D(0)",
        partial(_heath, 0.2),
        lambda: BACKGROUND.growth(0.2),
        1e-8,
        RELATIVE,
        "Heath 1977, by quadrature",
        "two routes; ours is a hypergeometric function",
    ),
    Check(
        "growth rate d ln D/d ln a at a = 0.01, 0.05, 0.2, 0.5, 1",
        _growth_rates,
        lambda: BACKGROUND.growth_rate(SCALE_FACTORS),
        1e-8,
        RELATIVE,
        "the growth equation (e.g. Peebles 1980), integrated",
        "two routes",
    ),
    Check(
        "growth in an Einstein-de Sitter universe at the same a",
        lambda: SCALE_FACTORS,
        lambda: Background(1.0).growth(SCALE_FACTORS),
        1e-10,
        RELATIVE,
        "D = a",
        "round-off",
    ),
    Check(
        "virial overdensity over the mean density, Om = 0.3, z = 0",
        "337",
        lambda: Background(0.3).virial_overdensity(1.0),
        0.5,
        ABSOLUTE,
        "Bullock et al. 2001, MNRAS 321, 559, with the fit of Bryan & Norman 1998",
        "three digits",
    ),
    Check(
        "linear power at z = 0, all k up to 2600 h/Mpc",
        partial(_power_rows, 0.0, 2600.0, True),
        partial(_power_rows, 0.0, 2600.0, False),
        5e-3,
        RELATIVE,
        _TABLE,
        "axionCAMB there, CAMB here; without 0.031 to 0.045 h/Mpc, where the published one jumps",
    ),
    Check(
        "linear power at z = 0, k from 1 to 10 h/Mpc",
        partial(_power_rows, 1.0, 10.0, True),
        partial(_power_rows, 1.0, 10.0, False),
        2e-4,
        RELATIVE,
        _TABLE,
        "where filaments come from",
    ),
    Check(
        "slope of the linear power from 6e-6 to 2e-5 h/Mpc",
        "0.9655",
        _primordial_slope,
        2e-4,
        ABSOLUTE,
        "Z25, n_s",
        "the transfer function bends by (k/0.01)^2",
    ),
    Check(
        "P(z = 4)/P(0) at k = 1 h/Mpc",
        "0.0646005",
        _growth_of_power,
        0.01,
        RELATIVE,
        "CAMB 2.0.5, with neutrinos and radiation",
        "our growth leaves both out, as Z25's does",
    ),
    Check(
        "sigma_8",
        "0.831162",
        _sigma8,
        2e-5,
        RELATIVE,
        "CAMB 2.0.5, get_sigma8_0",
        "our quadrature of CAMB's own power",
    ),
    Check(
        "S(5e9), CDM, smooth-k window, published linear power",
        "13.2205",
        lambda: variance_of()(MASS),
        1e-5,
        RELATIVE,
        "Z25's linear power, by an independent program",
        "six digits",
    ),
    Check(
        "S(5e9), CDM, smooth-k window, our linear power",
        "13.2205",
        lambda: _camb_variance("smooth_k", MASS),
        1e-4,
        RELATIVE,
        "Z25's linear power, by an independent program",
        "the default of the program",
    ),
    *(
        Check(
            f"S(1e11) for P = 2 pi^2/k^2, window {window}",
            partial(_closed_variance, window),
            partial(_power_law_variance, window),
            1e-6,
            RELATIVE,
            "closed form: Beta function (smooth-k), Weber's integral (top hat)",
            "the trapezoid rule in ln k",
        )
        for window in WINDOWS
    ),
    *(
        Check(
            f"T({k}/Mpc), m22 = 1, {words}",
            published,
            partial(_transfer, name, float(k)),
            6e-5,
            ABSOLUTE,
            source,
            _FOUR_DIGITS,
        )
        for name, words, source, values in (
            ("hu00", "Hu et al. 2000", _HU00, ("0.9813", "0.8736", "0.5354")),
            ("ph22", "Passaglia & Hu 2022", _PH22, ("0.9125", "0.7385", "0.4409")),
        )
        for k, published in zip((3, 4, 5), values, strict=True)
    ),
    *(
        Check(
            f"k where P is halved [1/Mpc], m22 = {m22}, Hu et al. 2000",
            lambda m22=m22: 4.5 * m22 ** (4 / 9),
            partial(_half_mode, "hu00", float(m22)),
            0.03,
            RELATIVE,
            f"{_HU00}: 4.5 m22^(4/9)",
            "a fit of two digits",
        )
        for m22 in (1, 8)
    ),
    *(
        Check(
            f"k where P is halved [1/Mpc], m22 = {m22}, murgia17",
            lambda m22=m22: 4.5 * m22 ** (4 / 9),
            partial(_half_mode, "murgia17", float(m22)),
            1e-8,
            RELATIVE,
            "Z25, with the shape of Murgia et al. 2017, JCAP 11, 046",
            "by definition of alpha",
        )
        for m22 in (1, 8)
    ),
    Check(
        "Jeans wavenumber [1/Mpc], m22 = 1, a = 0.2",
        lambda: 66.5 * (0.2 * OMEGA_M * H**2 / 0.12) ** 0.25,
        lambda: jeans_wavenumber(units(), 0.2) * H,
        1e-3,
        RELATIVE,
        "Hui et al. 2017, PRD 95, 043541: 66.5 a^(1/4) (Om h^2/0.12)^(1/4) m22^(1/2)",
        "three digits",
    ),
    Check(
        "line mass 2 a sigma^2/G for sigma = 6.8 km/s, a = 0.2 [Msun/h / (Mpc/h), comoving length]",
        lambda: 2 * 0.2 * 6.8**2 / NEWTON,
        lambda: 8 * np.pi * 0.2 * (6.8 / units().velocity) ** 2 * units().line_mass,
        1e-6,
        RELATIVE,
        "virial theorem of a cylinder: Fiege & Pudritz 2000, with CODATA's G",
        "code units against physical ones; by the digits of G",
    ),
)
