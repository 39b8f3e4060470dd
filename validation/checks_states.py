"""Eigenstates of the published filament, and the weights of its modes."""

from functools import lru_cache, partial

import numpy as np

from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.profile import SteadyStateCylinder

from .registry import ABSOLUTE, LOGARITHMIC, RELATIVE, Check
from .shared import SCALE_FACTOR, columns, model, published_cylinder, published_library, units

_CODE = "Z25 code (tests/data/eigenvalues_m22_1.csv)"
_UNITS = "code units; by their hbar, 1.9e-5 too large, see the errata"
_COUNTS = (  # m22, beta, modes, largest l, cheap
    (1, 0.0, "188", "22", True),
    (2, 0.0, "746", "46", True),
    (2, 0.5, "1673", "69", True),
    (4, 0.0, "2951", "93", False),
    (8, 0.0, "11741", None, False),
)
SUMS = ((1, "0.95237"), (2, "0.97302"), (4, "0.97832"))
_ANISOTROPIC_SUMS = ((0.3, "0.951"), (0.7, "0.913"), (0.9, "0.859"), (0.95, "0.840"))


def _cylinder_number(name):
    profile = model(1).profile
    edge = profile.radius_enclosing(0.99)
    return {
        "r0": profile.r0,
        "sigma^2": profile.sigma**2,
        "total line mass": profile.line_mass,
        "R_99": edge,
        "V(R_99)": profile.potential(edge),
    }[name]


def _energies(library):
    """Energies in the order of the published table."""
    of_mode = {(n, l): energy for n, l, energy in zip(library.n, library.l, library.energy, strict=True)}
    table = columns("eigenvalues_m22_1.csv")
    return [of_mode[int(n), int(l)] for n, l in zip(table["n"], table["l"], strict=True)]


def _energy(n, l):
    library = published_library()
    return library.energy[(library.n == n) & (library.l == l)][0]


@lru_cache
def _ground_over_oscillator(m22):
    """E_00 and <R>_00 over those of the harmonic oscillator near the axis, omega = 2 sigma/r0."""
    first, ratio = published_cylinder(), units(1).length / units(m22).length
    profile = SteadyStateCylinder(first.r0 * ratio, first.sigma * ratio, 0.0, SCALE_FACTOR)
    ground = eigenstates(profile, mass_fraction=0.6)
    omega = 2 * profile.sigma / profile.r0
    mean = np.sum(ground.weights * ground.nodes**2 * ground.radial[0] ** 2)
    return np.array([ground.energy[0] / omega, mean / (np.sqrt(np.pi) / 2 / (profile.scale_factor * np.sqrt(omega)))])


def _heavy_limit(which):
    """The limit m22 -> infinity from m22 = 4, 8, 16, without the terms in 1/m22 and 1/m22^2."""
    first, second, third = (_ground_over_oscillator(m22)[which] for m22 in (4, 8, 16))
    return (8 * third - 6 * second + first) / 3


def _oscillator():
    """omega for m22 = 1."""
    return 2 * published_cylinder().sigma / published_cylinder().r0


@lru_cache
def _density_ratio(m22, weights, fraction):
    """<|psi|^2>/rho at 400 radii with equal masses between them, inside a mass fraction."""
    solved = model(m22, weights)
    radius = solved.profile.radius_enclosing((np.arange(400) + 0.5) / 400 * fraction)
    return solved.library.mean_density(solved.weights.weight, radius) / solved.profile.density(radius)


def _orthonormality():
    """Largest overlap of two states of the same l, and error of their norms, on other nodes."""
    library = published_library()
    x, w = np.polynomial.legendre.leggauss(len(library.nodes) + 7)
    radius, weight = library.radius_max * (1 + x) / 2, library.radius_max / 2 * w
    radial, worst = library.radial_at(radius), 0.0
    for l in range(library.l.max() + 1):
        of_l = radial[library.l == l]
        worst = max(worst, np.max(np.abs((of_l * radius * weight) @ of_l.T - np.eye(len(of_l)))))
    return worst


CHECKS = (
    *(
        Check(
            f"{name} of the filament, m22 = 1",
            published,
            partial(_cylinder_number, name),
            2.5e-5,
            RELATIVE,
            "Z25 code",
            _UNITS,
        )
        for name, published in (
            ("r0", "0.27195996"),
            ("sigma^2", "52.280477"),
            ("total line mass", "262.79034"),
            ("R_99", "13.529837"),
            ("V(R_99)", "481.52099"),
        )
    ),
    *(
        Check(
            f"E_{n}{l}, m22 = 1, for their r0 and sigma",
            published,
            partial(_energy, n, l),
            3e-8,
            RELATIVE,
            _CODE,
            "two solvers; six decimals, not rounded",
        )
        for n, l, published in (
            (0, 0, "47.546430"),
            (1, 0, "124.315319"),
            (2, 0, "182.501493"),
            (0, 1, "90.052083"),
        )
    ),
    Check(
        "all energies, m22 = 1, for their r0 and sigma",
        lambda: columns("eigenvalues_m22_1.csv")["energy"],
        lambda: _energies(published_library()),
        2e-8,
        RELATIVE,
        _CODE,
        "two solvers; 1.4e-8 was found before",
    ),
    Check(
        "all energies, m22 = 1, from the mass in Msun/h",
        lambda: columns("eigenvalues_m22_1.csv")["energy"],
        lambda: _energies(model(1).library),
        2e-5,
        RELATIVE,
        _CODE,
        _UNITS,
    ),
    *(
        check
        for m22, beta, modes, l_max, cheap in _COUNTS
        for check in (
            Check(
                f"modes with E <= V(R_99), m22 = {m22}, beta = {beta:g}",
                modes,
                lambda m22=m22, beta=beta: len(model(m22, beta=beta).library),
                0,
                ABSOLUTE,
                "Z25",
                "counts",
                cheap,
            ),
            *(
                ()
                if l_max is None
                else (
                    Check(
                        f"largest l, m22 = {m22}, beta = {beta:g}",
                        l_max,
                        lambda m22=m22, beta=beta: model(m22, beta=beta).library.l.max(),
                        0,
                        ABSOLUTE,
                        "Z25",
                        "counts",
                        cheap,
                    ),
                )
            ),
        )
    ),
    Check(
        "overlaps of states of the same l, m22 = 1",
        "0",
        _orthonormality,
        1e-8,
        ABSOLUTE,
        "int R R_nl R_n'l dR = delta_nn'",
        "round-off; on nodes that the solver did not use",
    ),
    Check(
        "omega = 2 sigma/r0 near the axis, m22 = 1",
        "53.2",
        _oscillator,
        1e-3,
        RELATIVE,
        "Z25 code, r0 and sigma",
        "three digits; E_00 = 47.5 is below it, the limit is what holds",
    ),
    Check(
        "E_00/omega, m22 -> infinity",
        "1",
        partial(_heavy_limit, 0),
        1e-3,
        ABSOLUTE,
        "harmonic oscillator in two dimensions",
        "from m22 = 4, 8, 16, where it is 0.97 to 0.99",
    ),
    Check(
        "<R>_00 a sqrt(omega), m22 -> infinity",
        lambda: np.sqrt(np.pi) / 2,
        lambda: _heavy_limit(1) * np.sqrt(np.pi) / 2,
        1e-3,
        RELATIVE,
        "harmonic oscillator: sqrt(pi)/2",
        "the same",
    ),
    *(
        Check(
            f"sum of the WKB weights, m22 = {m22}",
            published,
            lambda m22=m22: model(m22).weights.weight_sum,
            6e-6,
            ABSOLUTE,
            "the exact f(E), by an independent program",
            "five decimals; 0.99^2 is below the energy cut; Z25's own are in the errata",
            m22 < 4,
        )
        for m22, published in SUMS
    ),
    *(
        Check(
            f"sum of the WKB weights, m22 = 1, beta = {beta:g}",
            published,
            lambda beta=beta: model(1, beta=beta).weights.weight_sum,
            6e-4,
            ABSOLUTE,
            "the exact f(E, L), with its mean over the cell of l = 0, by an independent program",
            "three decimals",
        )
        for beta, published in _ANISOTROPIC_SUMS
    ),
    Check(
        "modes kept by the adaptive lasso, m22 = 1",
        "25",
        lambda: model(1, "adaptive_lasso").weights.kept,
        3,
        ABSOLUTE,
        "Z25",
        "the radii of their fit are not known; heavier bosons are in the errata",
    ),
    Check(
        "modes kept by the l1-Poisson fit, m22 = 2",
        "46",
        lambda: model(2, "poisson").weights.kept,
        3,
        ABSOLUTE,
        "Z25",
        "the same",
    ),
    Check(
        "<|psi|^2>/rho inside R_95, least squares, m22 = 1",
        lambda: np.ones(400),
        lambda: _density_ratio(1, "least_squares", 0.95),
        1e-3,
        LOGARITHMIC,
        "<|psi|^2> = rho, the definition of the weights",
        "no prior: what the modes can do; at R_99, where the states are cut off, 0.26",
    ),
    Check(
        "<|psi|^2>/rho inside R_95, WKB, m22 = 4",
        lambda: np.ones(400),
        lambda: _density_ratio(4, "wkb", 0.95),
        0.05,
        LOGARITHMIC,
        "<|psi|^2> = rho, the limit of many modes",
        "0.15 for m22 = 1",
        False,
    ),
)
