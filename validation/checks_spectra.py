"""Exact spectra of one filament: closed limits, published draws, scales."""

from functools import lru_cache, partial
from itertools import pairwise

import numpy as np
from scipy.integrate import simpson
from scipy.special import erf, jv, kv, sici

from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.filament.weights import weights_from_table
from gpu_fdm.population.shapes import published_shape
from gpu_fdm.spectra.phase_average import form_factor, polar_spectrum
from gpu_fdm.spectra.single_filament import orientation_average, scales, single_power

from .checks_population import HIGH, LOW, published_law
from .registry import ABSOLUTE, ERRORS, RELATIVE, Check
from .shared import DATA, SCALE_FACTOR, columns, model, published_cylinder, published_library, units

BOSONS = (1, 2, 4, 8)
GROUND_STATES = ("109", "158", "230", "334")
MEAN_GROUND_STATES = ("113", "165", "240")
READ_OFF = 0.042  # relative size of a pixel of the published figure in k
_DRAWS = "Z25 code, 64 draws of the phases (tests/data/single_power_m22_1_{}.csv)"
_HARD_K = np.array([0.01, 0.5, 3.0, 20.0])  # [h/Mpc] for a filament of 1 cMpc/h
_SOFT_K = np.array([2.0, 10.0, 40.0])


@lru_cache
def _draws(name):
    """k [h/Mpc], mean and standard error of the draws between 40 and 700 h/Mpc."""
    table = columns(f"single_power_m22_1_{name}.csv")
    chosen = (table["k_h_mpc"] > 40) & (table["k_h_mpc"] < 700)
    return tuple(table[column][chosen] for column in ("k_h_mpc", "power", "standard_error"))


@lru_cache
def weights_of_draws(name):
    """The weights of the draws."""
    path = DATA / f"single_weights_m22_1_{name}.csv"
    return weights_from_table(path, published_library(), published_cylinder())


def _exact(name):
    """Our average over phases, for the weights of the draws."""
    k = _draws(name)[0] * units().length
    return polar_spectrum(published_library(), weights_of_draws(name).weight, k).fixed


def _at_zero(weights):
    solved = model(1, weights)
    return polar_spectrum(solved.library, solved.weights.weight, np.array([0.0])).fixed[0]


_Q = np.array([1e-3, 0.3, 1.0, 2.0, 3.0])
_NU_4 = 7.8658  # r0 sigma in code units, m22 = 4


def _thermal_gas():
    cylinder = model(4).profile
    nu = cylinder.r0 * cylinder.sigma
    quantum = 2 / 3 * (_Q / 2) ** 3 * kv(3, _Q) - (_Q / 2) ** 2 * kv(2, _Q)
    return _Q * kv(1, _Q) - 2 / (3 * nu**2) * quantum


def _all_energies():
    solved = model(4)
    k = _Q * SCALE_FACTOR / solved.profile.r0
    return form_factor(solved.library, solved.weights.weight, k) + solved.missing_form_factor(k)


@lru_cache
def _one_mode(ours):
    """The spectrum of only the mode n = 1, l = 7, with weight 0.3."""
    library = published_library()
    mode = np.flatnonzero((library.l == 7) & (library.n == 1))[0]
    k = np.linspace(0, 2 * library.wavenumber_max, 50)
    if ours:
        weight = np.zeros(len(library))
        weight[mode] = 0.3
        return polar_spectrum(library, weight, k).fixed
    x, w = np.polynomial.legendre.leggauss(400)
    radius = library.radius_max * (1 + x) / 2
    square = library.radius_max / 2 * w * radius * library.radial_at(radius)[mode] ** 2
    form, fringe = (jv(order, k[:, None] * radius) @ square for order in (0, 14))
    return (0.6 * form) ** 2 + 2 * (0.3 * fringe) ** 2


def _hard_window():
    u = _HARD_K / 2
    return (sici(2 * u)[0] - np.sin(u) ** 2 / u) / u


def _soft_window():
    """int_0^1 dmu |W(k mu)|^2 with W the transform of [erf(eps(L/2-|z|)) + 1]/2, by sums; L = 1, eps = 10."""
    z, mu = np.linspace(0, 1.2, 1201), np.linspace(0, 1, 2001)
    ends = (erf(10 * (0.5 - z)) + 1) / 2
    ends[0] /= 2  # trapezoidal rule
    windows = (2 * (z[1] - z[0]) * np.cos(k * mu[:, None] * z) @ ends for k in _SOFT_K)
    return [simpson(window**2, x=mu) for window in windows]


@lru_cache
def _scales(m22):
    solved = model(m22)
    k = np.array([1.0, 20.0]) if m22 == 8 else np.geomspace(0.5, 0.6 * solved.fringe_wavenumber, 160)
    return {name: value for name, (value, _) in scales(solved, single_power(solved, k, plane=False)).items()}


def _mean_ground_state(m22):
    """1/<R>_00 with <R> averaged over the one-filament spectrum's population, dlnM M^2 dn/dlnM [h/Mpc]."""
    x, w = np.polynomial.legendre.leggauss(6)
    mass = np.exp(np.log(LOW) + np.log(HIGH / LOW) * (1 + x) / 2)
    weight = w * mass**2 * published_law(mass)
    unit = units(m22)
    radii = []
    for each in mass:
        _, r0, sigma = published_shape(each)
        states = eigenstates(SteadyStateCylinder(r0 / unit.length, sigma / unit.velocity, 0.0, SCALE_FACTOR), 0.6)
        radii.append(np.sum(states.weights * states.nodes**2 * states.radial[0] ** 2) * unit.length)
    return weight.sum() / (weight @ radii)


def _thermal_slope(m22):
    """d ln P/d(k^2) of the fringes in the plane, between 0.4 and 1 k_cut, times -4 a^2 sigma^2."""
    solved = model(m22)
    cut = 2 * solved.profile.scale_factor * solved.profile.sigma
    k = np.array([0.4, 1.0]) * cut
    interference = polar_spectrum(solved.library, solved.weights.weight, k).interference
    return -np.diff(np.log(interference))[0] / np.diff((k / cut) ** 2)[0]


def _pairs_in_order():
    """Whether k_detach, slope and k_cut rise and the power at k_detach falls with m22 = 1, 2, 4."""
    found = [_scales(m22) for m22 in (1, 2, 4)]
    rising = sum(
        later[name] > earlier[name] for name in ("k_detach", "slope", "k_cut") for earlier, later in pairwise(found)
    )
    falling = sum(later["detach_power"] < earlier["detach_power"] for earlier, later in pairwise(found))
    return rising + falling


CHECKS = (
    *(
        Check(
            f"P2(0) over the line mass squared, {words}",
            lambda name=name: model(1, name).weights.weight_sum ** 2,
            partial(_at_zero, name),
            1e-9,
            RELATIVE,
            "(sum of the weights)^2: the mass does not depend on phases",
            "round-off; the draws of Z25 do not meet it, see the errata",
        )
        for name, words in (("wkb", "WKB weights"), ("adaptive_lasso", "adaptive lasso"))
    ),
    Check(
        "mean density of all energies at q = k r0/a = 0, 0.3, 1, 2, 3, m22 = 4",
        _thermal_gas,
        _all_energies,
        1e-5 + 0.06 / _NU_4**4,
        ABSOLUTE,
        "q K_1 - (2/(3 nu^2)) [(2/3) (q/2)^3 K_3 - (q/2)^2 K_2], nu = r0 sigma: Wigner & Kirkwood's thermal gas",
        "the next order, 0.04/nu^4; modes below the energy cut and the density of energies beyond it",
        False,
    ),
    Check(
        "P2 at 50 k of a single mode, n = 1, l = 7",
        partial(_one_mode, False),
        partial(_one_mode, True),
        1e-10,
        ABSOLUTE,
        "closed form: 2 w R^2 (1 + cos(14 phi + phase))",
        "round-off of a spectrum that is 0.36 at k = 0",
    ),
    *(
        Check(
            f"P2 from 40 to 700 h/Mpc, m22 = 1, {words}",
            lambda name=name: _draws(name)[1],
            partial(_exact, name),
            4,
            ERRORS,
            _DRAWS.format(name),
            "exact average against a mean of draws, for their amplitudes; neighbours in k are correlated",
            errors=lambda name=name: _draws(name)[2],
        )
        for name, words in (("wkb", "WKB weights"), ("lasso", "adaptive lasso"))
    ),
    Check(
        "average of the window of hard ends over orientations, kL = 0.01, 0.5, 3, 20",
        _hard_window,
        lambda: orientation_average(_HARD_K, np.ones_like, 1.0, 1e5, 0.1),
        1e-7,
        RELATIVE,
        "closed form: [Si(2u) - sin(u)^2/u]/u, u = kL/2",
        "ends of 1e-5 L",
    ),
    Check(
        "average of the window of soft ends over orientations, kL = 2, 10, 40",
        _soft_window,
        lambda: orientation_average(_SOFT_K, np.ones_like, 1.0, 10.0, 0.1),
        1e-5,
        RELATIVE,
        "Z25: [erf(eps(L/2-|z|))+1]/2, eps = 10/L, transformed by sums",
        "against 4 sin(kL/2)^2/k^2 exp(-k^2/(2 eps^2))",
    ),
    *(
        Check(
            f"1/<psi_00|R|psi_00>, m22 = {m22} [h/Mpc]",
            published,
            lambda m22=m22: _scales(m22)["k_gs"],
            READ_OFF,
            RELATIVE,
            "Z25, figure 12, upper panel: the line k_detach (tests/data/fig12_digitised.csv)",
            "a pixel of the figure",
            m22 < 4,
        )
        for m22, published in zip(BOSONS, GROUND_STATES, strict=True)
    ),
    *(
        Check(
            f"1/<R>_00, mean over the population from 3e9 to 3e10, m22 = {m22} [h/Mpc]",
            published,
            partial(_mean_ground_state, m22),
            READ_OFF,
            RELATIVE,
            "Z25, figure 12, lower panel: the line k_detach (tests/data/fig12_digitised.csv)",
            "a pixel; weighted with M^2 dn/dlnM as in Z25 code, by the published power law",
        )
        for m22, published in zip(BOSONS, MEAN_GROUND_STATES, strict=False)
    ),
    Check(
        "-4 a^2 sigma^2 dlnP2/dk^2 of the fringes from 0.4 to 1 k_cut, m22 = 8",
        "1",
        partial(_thermal_slope, 8),
        2e-3,
        ABSOLUTE,
        "a locally thermal wave: fringes fall as exp(-k^2/(4 a^2 sigma^2)), code units",
        "the limit of a heavy boson: 0.988, 0.997, 0.999 for m22 = 2, 4, 8",
        cheap=False,
    ),
    Check(
        "k_cut for m22 = 4 over that for m22 = 1",
        "4",
        lambda: _scales(4)["k_cut"] / _scales(1)["k_cut"],
        1e-8,
        RELATIVE,
        "Z25: quantum pressure acts up to k in proportion to m",
        "round-off",
        False,
    ),
    Check(
        "pairs of m22 = 1, 2, 4 in the published order, of 8",
        "8",
        _pairs_in_order,
        0,
        ABSOLUTE,
        "Z25, figure 12: a heavier boson's excess detaches later, is shallower and reaches further",
        "k_detach, slope and k_cut rise, the power at k_detach falls",
        cheap=False,
    ),
)
