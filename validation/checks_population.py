"""First crossing, mass functions, shapes of filaments."""

from functools import lru_cache, partial

import numpy as np
from scipy.integrate import quad
from scipy.special import erfc

from gpu_fdm.filament.gas_table import read_table
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.population.barrier import collapse_barrier
from gpu_fdm.population.collapse_shapes import collapse_shape
from gpu_fdm.population.haloes import halo_share
from gpu_fdm.population.mass_function import first_crossing, mass_function
from gpu_fdm.population.shapes import published_shape
from gpu_fdm.spectra.one_filament import limit_of_small_wavenumbers, population_density

from .registry import ABSOLUTE, RELATIVE, Check
from .shared import MASS, PUBLISHED, ROOT, SCALE_FACTOR, barrier, units, variance_of

FITTED = np.geomspace(1e7, 1e11, 100)  # masses of the fits of the published power laws [Msun/h]
GAS_BOX = (2.0, 2.0, 2.0)  # [cMpc/h]
LOW, HIGH = 3e9, 3e10  # mass window of the published one-filament spectrum [Msun/h]
SHAPE_FITS = {  # physical lengths; exponent and logarithm of the prefactor, as published
    "length": ("0.27634879", "-7.63270221"),
    "radius": ("0.33619234", "-12.00153483"),
    "sigma": ("0.3618256", "-6.16244123"),
    "line_mass": ("0.72365121", "7.63270222"),
}


@lru_cache
def _consistent_barriers():
    """Of filaments and haloes, with the ellipticity at collapse, up to the variance of 1e7 Msun/h for m22 = 1."""
    largest = float(variance_of(1.0)(1e7))
    return [collapse_barrier(PUBLISHED, largest, axes=axes, ellipticity="collapse") for axes in (2, 3)]


def _halo_shares():
    return halo_share(variance_of(1.0)(np.array([1e9, 3e9, 1e10, 3e10, 1e11])), *_consistent_barriers())


def _halo_mass():
    haloes = _consistent_barriers()[1]
    crossing = first_crossing(haloes, haloes.variance_max)
    return np.trapezoid(crossing(crossing.variance) * crossing.variance, np.log(crossing.variance))


def _halo_mass_in_filaments():
    barriers = _consistent_barriers()
    crossing = first_crossing(barriers[0], barriers[0].variance_max)
    share = halo_share(crossing.variance, *barriers)
    return np.trapezoid(crossing(crossing.variance) * share * crossing.variance, np.log(crossing.variance))


def gaussian(x, t):
    """phi(x, t)."""
    return np.exp(-(x**2) / (2 * t)) / np.sqrt(2 * np.pi * t)


class Linear:
    """B = 6 + 0.15 S, whose first crossing is an inverse Gaussian."""

    def __call__(self, variance):
        return 6 + 0.15 * np.asarray(variance, float)

    def derivative(self, variance):
        """dB/dS."""
        return np.full_like(variance, 0.15)

    def density(self, variance):
        """f(S)."""
        return 6 / variance * gaussian(self(variance), variance)


class Daniels:
    """A curved barrier with a closed form: images of 1, -b, -c at 0, alpha, 2 alpha cancel on it."""

    alpha, b, c = 12.0, 2.5, -0.5

    def _root(self, variance):
        return np.sqrt(self.b**2 / 4 + self.c * np.exp(-(self.alpha**2) / variance))

    def __call__(self, variance):
        variance = np.asarray(variance, float)
        return self.alpha / 2 - variance / self.alpha * np.log(self.b / 2 + self._root(variance))

    def derivative(self, variance):
        """dB/dS."""
        root = self._root(variance)
        inner = self.b / 2 + root
        of_root = self.c * np.exp(-(self.alpha**2) / variance) * self.alpha**2 / variance**2 / (2 * root)
        return -(np.log(inner) + variance * of_root / inner) / self.alpha

    def density(self, variance):
        """f(S)."""
        height, total = self(variance), 0.0
        for weight, place in ((1, 0), (-self.b, self.alpha), (-self.c, 2 * self.alpha)):
            total = total + weight * (height - place) * gaussian(height - place, variance)
        return total / (2 * variance)


@lru_cache
def _crossing(of, steps=512):
    return first_crossing(of(), 40.0, steps)


def _order():
    """Order of convergence of the first-crossing distribution."""
    deviations = []
    for steps in (128, 256):
        found = _crossing(Daniels, steps)
        deviations.append(np.abs(found(found.variance) / Daniels().density(found.variance) - 1).max())
    return np.log2(deviations[0] / deviations[1])


def _first_kind(variance):
    """int_0^S f(S') erfc[(B-B')/sqrt(2(S-S'))] dS' of the published barrier."""
    found = first_crossing(barrier(), 40.0)
    height = barrier()(variance)

    def integrand(u):  # S' = S - u^2, for the square root at S' = S
        earlier = max(variance - u**2, found.variance[0])
        return 2 * u * found(earlier) * erfc((height - barrier()(earlier)) / (u * np.sqrt(2)))

    widest = np.sqrt(variance - found.variance[0])
    return quad(integrand, 0, widest, epsabs=0, epsrel=1e-8, limit=200, points=[0.1 * widest, 0.4 * widest])[0]


@lru_cache
def mass_function_of(m22=None):
    """dn/dlnM at z = 4 from 1e7 to 1e12."""
    return mass_function(np.geomspace(1e7, 1e12, 1001), variance_of(m22), barrier())


def _peak_mass():
    """Mass at the maximum of the parabola through the three largest rows [Msun/h]."""
    function = mass_function_of(1.0)
    top = function.dn_dlnm.argmax() + np.array([-1, 0, 1])
    curvature, slope, _ = np.polyfit(
        np.log(function.mass[top]) - np.log(function.mass[top[1]]), function.dn_dlnm[top], 2
    )
    return function.mass[top[1]] * np.exp(-slope / (2 * curvature))


def _power_law(name, index):
    """Exponent (0) and logarithm of the prefactor (1) of a power law through our shapes."""
    shape = collapse_shape(FITTED, variance_of(1.0), barrier())
    length = SCALE_FACTOR * shape.length
    values = {"length": length, "radius": shape.radius, "sigma": shape.sigma, "line_mass": FITTED / length}[name]
    return np.polyfit(np.log(FITTED), np.log(values), 1)[index]


def _consistent(index):
    """Ellipticity (0), length over diameter (1), with both epochs at collapse."""
    shape = collapse_shape(MASS, variance_of(), barrier("collapse"))
    return (shape.ellipticity, SCALE_FACTOR * shape.length / (2 * shape.radius))[index]


@lru_cache
def gas():
    """The published gas."""
    return read_table(ROOT / "ini" / "filament_gas.csv", GAS_BOX)


def _gas_shapes(index):
    return [published_shape(mass)[index] for mass in gas().mass]


def _mass_of_a_cylinder():
    shape = collapse_shape(MASS, variance_of(1.0), barrier())
    cylinder = SteadyStateCylinder(shape.r0 / units().length, shape.sigma / units().velocity, 0.0, SCALE_FACTOR)
    return cylinder.line_mass * units().line_mass * shape.length


def published_law(mass):
    """dn/dlnM of the published power law."""
    return np.exp(26.19080834) * mass**-1.19428402


def one_filament_limit():
    """P_1f(k -> 0) of the published power law [(Mpc/h)^3]."""
    return limit_of_small_wavenumbers(published_law, LOW, HIGH, population_density(published_law, LOW, HIGH))


def _closed_limit():
    first, second = ((HIGH ** (n - 1.19428402) - LOW ** (n - 1.19428402)) / (n - 1.19428402) for n in (1, 2))
    return second / first**2 / np.exp(26.19080834)


_INDEPENDENT = "Z25's model, by an independent program; figure 10 of Z25 agrees by eye"
_FIT = "Z25 code, notebook ellipsoidal_collapse"

CHECKS = (
    Check(
        "first crossing of B = 6 + 0.15 S at 257 S up to 40",
        lambda: Linear().density(_crossing(Linear).variance),
        lambda: _crossing(Linear)(_crossing(Linear).variance),
        1e-9,
        RELATIVE,
        "closed form: inverse Gaussian",
        "round-off",
    ),
    Check(
        "first crossing of a curved barrier at S up to 40",
        lambda: Daniels().density(_crossing(Daniels).variance),
        lambda: _crossing(Daniels)(_crossing(Daniels).variance),
        1e-6,
        RELATIVE,
        "closed form: Daniels 1969, J. Appl. Prob. 6, 399",
        "the scheme",
    ),
    Check(
        "order of convergence of the first crossing",
        "2.5",
        _order,
        0.2,
        ABSOLUTE,
        "extrapolated trapezoidal rule",
        "128 and 256 steps, the curved barrier",
    ),
    *(
        Check(
            f"erfc(B/sqrt(2S)), S = {variance}, barrier of filaments at z = 4",
            lambda variance=variance: erfc(barrier()(variance) / np.sqrt(2 * variance)),
            partial(_first_kind, variance),
            2e-6,
            RELATIVE,
            "Zhang & Hui 2006, ApJ 641, 641: the integral equation, by quadrature of our f(S)",
            "we solve an equivalent equation of the second kind",
        )
        for variance in (2.0, 10.0, 40.0)
    ),
    Check(
        "dn/dlnM at 1e9, CDM, z = 4 [(h/Mpc)^3]",
        "3.7",
        lambda: mass_function_of()(1e9),
        0.014,
        RELATIVE,
        _INDEPENDENT,
        "two digits; that at 1e8 and the peak for m22 = 1 are in the errata",
    ),
    Check(
        "mass where dn/dlnM is largest, m22 = 1, z = 4",
        "2e9",
        _peak_mass,
        0.05,
        RELATIVE,
        _INDEPENDENT,
        "one digit",
    ),
    *(
        Check(
            f"{name.replace('_', ' ')} of filaments: {words}",
            published[index],
            partial(_power_law, name, index),
            (2e-5, 4e-4)[index],
            ABSOLUTE,
            _FIT,
            "a power law through 100 masses from 1e7 to 1e11, m22 = 1; other integrators, tables and constants",
        )
        for name, published in SHAPE_FITS.items()
        for index, words in enumerate(("exponent", "ln of the prefactor [Mpc/h physical, km/s, Msun/Mpc]"))
    ),
    *(
        Check(
            f"{name} of the eight filaments of the published gas",
            lambda name=name: getattr(gas(), name),
            partial(_gas_shapes, index),
            2e-7,
            RELATIVE,
            "Z25, figure 11; Z25 code, parameter file (ini/filament_gas.csv)",
            "from their masses by the fits; single precision",
        )
        for index, name in enumerate(("length", "r0", "sigma"))
    ),
    *(
        Check(
            f"{words} of a filament of 5e9, CDM, z = 4, S and delta_ec both at collapse",
            published,
            partial(_consistent, index),
            allowed,
            ABSOLUTE,
            "Z25's model, by an independent program",
            f"{digits} digits; the published choice is in the errata",
        )
        for index, (words, published, allowed, digits) in enumerate(
            (("ellipticity", "0.269", 5e-4, "three"), ("length over diameter", "2.9", 0.05, "two"))
        )
    ),
    Check(
        "line mass times length of the cylinder for 5e9",
        "5e9",
        _mass_of_a_cylinder,
        1e-8,
        RELATIVE,
        "conservation of mass",
        "physical units there, code units here",
    ),
    Check(
        "share in haloes of filaments of 1e9, 3e9, 1e10, 3e10, 1e11, m22 = 1, z = 4",
        lambda: np.array([0.0002, 0.194, 0.468, 0.600, 0.693]),
        _halo_shares,
        6e-4,
        ABSOLUTE,
        "first crossing of the barrier of haloes after that of filaments, by an independent program",
        "three decimals; the ellipticity is that at collapse",
    ),
    Check(
        "mass in haloes of all filaments, of all matter, m22 = 1, z = 4",
        _halo_mass,
        _halo_mass_in_filaments,
        2e-4,
        RELATIVE,
        "first crossing of the barrier of haloes alone: none is counted twice",
        "quadrature over the first crossing of filaments",
    ),
    Check(
        "P_1f(k -> 0), published power laws, 3e9 to 3e10 [(Mpc/h)^3]",
        "1.70",
        one_filament_limit,
        0.01,
        ABSOLUTE,
        "Z25's power laws, by an independent program",
        "three digits; the plotted value is in the errata",
    ),
    Check(
        "the same, in closed form",
        _closed_limit,
        one_filament_limit,
        1e-9,
        RELATIVE,
        "int M^2 dn/(int M dn)^2 of a power law",
        "quadrature",
    ),
)
