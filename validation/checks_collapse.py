"""Collapse of ellipsoids: when axes freeze, and the overdensity that this needs."""

from functools import lru_cache, partial

import numpy as np

from gpu_fdm.cosmology.background import Background
from gpu_fdm.population.barrier import collapse_barrier
from gpu_fdm.population.collapse import CollapseModel, collapse, threshold

from .registry import ABSOLUTE, RELATIVE, Check
from .shared import BACKGROUND, DATA, PUBLISHED, SCALE_FACTOR

_SOURCE = "Z25's model, by an independent integrator (tests/data/collapse_thresholds.csv)"
EINSTEIN_DE_SITTER = Background(1.0)


ELLIPTICITIES = ("0.05", "0.2", "0.5", "1.0", "1.5", "2.0", "2.5")
THRESHOLDS = {  # rows of tests/data/collapse_thresholds.csv, as printed
    "virial": ("1.58091", "1.54130", "1.50376", "1.48412", "1.49636", "1.53526", "1.60600"),
    "bond_myers": ("1.61710", "1.60935", "1.58993", "1.55596", "1.52494", "1.49859", "1.47767"),
}


@lru_cache
def rows(freeze_out):
    """e, delta_ec, a_3 and sqrt(a_1 a_2) of one rule in the table."""
    lines = (DATA / "collapse_thresholds.csv").read_text().splitlines()[2:]
    return [[float(cell) for cell in line.split(",")[1:]] for line in lines if line.startswith(freeze_out)]


def axes(column, ours):
    """a_3 (column 2) or sqrt(a_1 a_2) (column 3) of the rule "virial", in the table or ours."""
    if not ours:
        return [row[column] for row in rows("virial")]
    found = [collapse(PUBLISHED, row[1], row[0]).axes[-1] for row in rows("virial")]
    return [each[2] if column == 2 else np.sqrt(each[0] * each[1]) for each in found]


def _threshold(freeze_out, ellipticity):
    return threshold(CollapseModel(BACKGROUND, SCALE_FACTOR, freeze_out), float(ellipticity))


def _freeze(axis):
    return collapse(PUBLISHED, 1.484, 1.095, until=0.25).freeze[axis]


def _sphere():
    """(3/5) (3/4 (theta - sin theta))^(2/3) at theta = 3 pi/2, where half the size of turn-around is reached."""
    return 0.6 * (0.75 * (1.5 * np.pi + 1)) ** (2 / 3)


def _sphere_without_decaying_mode():
    """The threshold with the start at a_0 -> 0, from two starts: it is linear in a_0."""
    first, second = (threshold(CollapseModel(EINSTEIN_DE_SITTER, 1.0, start=start), 0.0) for start in (2e-3, 1e-3))
    return 2 * second - first


def _size_of_a_sphere(ours):
    """Radius over a of a sphere that freezes by the rule of Bond & Myers near a = 1."""
    result = collapse(CollapseModel(BACKGROUND, 1.0, "bond_myers"), 1.8, 0.0)
    if ours:
        return result.axes[-1][0] / result.scale_factor[-1]
    y = BACKGROUND.matter_fraction(result.freeze[0]) - 1
    return (18 * np.pi**2 + 82 * y - 39 * y**2) ** (-1 / 3)


_NU = {1: np.linspace(0.05, 0.8, 50), 2: np.linspace(0.05, 4.0, 50), 3: np.linspace(0.05, 4.0, 50)}


@lru_cache
def _barrier_over_sphere(frozen):
    """B(S)/delta_c against S/delta_c^2 in the model of the fits."""
    model = CollapseModel(EINSTEIN_DE_SITTER, 1.0, "bond_myers", start=1e-3)
    sphere = threshold(model, 0.0)
    variance = _NU[frozen] * sphere**2
    return collapse_barrier(model, variance[-1], axes=frozen, ellipticity="collapse")(variance) / sphere


_FITS = (
    ("halos, S/delta_c^2 up to 4", 3, lambda nu: 1 + 0.47 * nu**0.615, 0.02, "Sheth & Tormen 2002, MNRAS 329, 61"),
    (
        "halos, the fit with filaments and sheets",
        3,
        lambda nu: 1 + 0.45 * nu**0.61,
        0.03,
        "Shen et al. 2006, ApJ 645, 783",
    ),
    ("filaments, S/delta_c^2 up to 4", 2, lambda nu: 1 - 0.012 * nu**0.28, 0.02, "Shen et al. 2006, ApJ 645, 783"),
    ("sheets, S/delta_c^2 up to 0.8", 1, lambda nu: 1 - 0.56 * nu**0.55, 0.05, "Shen et al. 2006, ApJ 645, 783"),
)

CHECKS = (
    *(
        Check(
            f"delta_ec of filaments at z = 4, e = {ellipticity}, p = 0, {freeze_out}",
            published,
            partial(_threshold, freeze_out, ellipticity),
            6e-6,
            ABSOLUTE,
            _SOURCE,
            "linear, at z = 4; five decimals",
        )
        for freeze_out, thresholds in THRESHOLDS.items()
        for ellipticity, published in zip(ELLIPTICITIES, thresholds, strict=True)
    ),
    Check(
        "a_3 at z = 4 of the seven filaments above, virial",
        partial(axes, 2, False),
        partial(axes, 2, True),
        1.2e-4,
        RELATIVE,
        _SOURCE,
        "physical, over the Lagrangian radius; five decimals",
    ),
    Check(
        "sqrt(a_1 a_2) at z = 4 of the seven filaments above, virial",
        partial(axes, 3, False),
        partial(axes, 3, True),
        2e-5,
        RELATIVE,
        _SOURCE,
        "the same; six decimals",
    ),
    Check(
        "scale factor at which axis 1 freezes, e = 1.095, delta = 1.484",
        "0.0822",
        partial(_freeze, 0),
        5e-5,
        ABSOLUTE,
        "Z25's model, by an independent integrator",
        "four decimals",
    ),
    Check(
        "scale factor at which axis 2 freezes, e = 1.095, delta = 1.484",
        "0.2000",
        partial(_freeze, 1),
        5e-5,
        ABSOLUTE,
        "Z25's model, by an independent integrator",
        "delta = 1.484 is the threshold at a = 0.2",
    ),
    Check(
        "delta_ec of a sphere, virial, Einstein-de Sitter, start at a -> 0",
        _sphere,
        _sphere_without_decaying_mode,
        1e-5,
        RELATIVE,
        "closed form: the cycloid at theta = 3 pi/2",
        "two starts, extrapolated",
    ),
    Check(
        "comoving size of a sphere that froze by the rule of Bond & Myers, delta = 1.8, z = 0",
        partial(_size_of_a_sphere, False),
        partial(_size_of_a_sphere, True),
        1e-7,
        RELATIVE,
        "closed form: (18 pi^2 + 82 y - 39 y^2)^(-1/3), y = Om(a) - 1",
        "where the axis freezes",
    ),
    *(
        Check(
            f"barrier of {name}",
            lambda frozen=frozen, fit=fit: fit(_NU[frozen]),
            partial(_barrier_over_sphere, frozen),
            allowed,
            RELATIVE,
            source,
            "a power law fitted to this model (Einstein-de Sitter, bond_myers, both epochs at collapse), in spherical "
            "thresholds; its own accuracy",
            False,
        )
        for name, frozen, fit, allowed, source in _FITS
    ),
)
