"""The published figure of single filaments, point by point, and the boosts made from it.

The curves of Z25, figure 12, upper panel, are for filaments of 1 cMpc/h, whatever the fit of the length says, with
adaptive lasso weights; the smooth curve is that of the cylinder itself, not of <|psi|^2>.
"""

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
from scipy.special import k1

from gpu_fdm.spectra.single_filament import orientation_average, single_power
from gpu_fdm.spectra.tables import published_boosts

from .registry import ERRORS, Check
from .shared import DATA, SCALE_FACTOR, model, units

LENGTH = 1.0  # length of the filaments of the figure [cMpc/h]
PIXEL_K, PIXEL_POWER = 0.042, 0.21
SMOOTH = 0  # stands for a boson mass
POINTS = {  # rows of tests/data/fig12_digitised.csv, as printed: k [h/Mpc], P over M^2
    SMOOTH: ((187, "7.2e-5"), (260, "5.5e-6"), (363, "1.1e-7"), (465, "2.5e-9"), (597, "1.6e-11")),
    1: ((187, "4.8e-4"), (260, "2.0e-4"), (363, "4.9e-5"), (465, "1.1e-5"), (597, "4.6e-7"), (981, "1.9e-12")),
    2: ((187, "2.7e-4"), (260, "1.2e-4"), (363, "4.9e-5"), (465, "4.4e-5"), (597, "2.3e-5"), (981, "6.8e-7")),
    4: ((260, "4.7e-5"), (363, "2.8e-5"), (465, "2.5e-5"), (597, "1.3e-5"), (981, "4.1e-6"), (1905, "1.6e-7")),
    8: ((260, "2.5e-5"), (363, "9.8e-6"), (597, "4.6e-6"), (981, "2.8e-6"), (1905, "5.3e-7"), (4017, "1.7e-8")),
}


@lru_cache
def _smooth_radius():
    """r0/a of the filament [cMpc/h]."""
    return model(1).profile.r0 / SCALE_FACTOR * units().length


def smooth_power(k):
    """Power of the smooth cylinder, whose transform is y K_1(y), y = k r0/a."""

    def polar(q):
        y = np.maximum(q * _smooth_radius(), 1e-12)
        return (y * k1(y)) ** 2

    return orientation_average(np.asarray(k, float), polar, LENGTH, 10 / LENGTH, 1.0)


def fdm_power(m22, k):
    """Power of the interfering filament, averaged over phases."""
    solved = model(m22, "adaptive_lasso")
    filament = replace(solved.filament, length=LENGTH, sharpness=10 / LENGTH)
    return single_power(replace(solved, filament=filament), k, plane=False).fdm


@lru_cache
def _curve(m22):
    """k, P and its logarithmic slope at the points of a curve."""
    points = np.array([k for k, _ in POINTS[m22]], float)
    k = np.sort(np.concatenate([0.98 * points, points, 1.02 * points]))
    power = smooth_power(k) if m22 == SMOOTH else fdm_power(m22, k)
    at = np.searchsorted(k, points)
    slope = np.log(power[at + 1] / power[at - 1]) / np.log(k[at + 1] / k[at - 1])
    return points, power[at], slope


def _power(m22, index):
    return _curve(m22)[1][index]


def _error(m22, index):
    """The error of a pixel in power, and of one in k along the slope of our curve."""
    return float(POINTS[m22][index][1]) * np.hypot(PIXEL_POWER, PIXEL_K * _curve(m22)[2][index])


@lru_cache
def _boost(m22):
    return next(boost for boost in published_boosts() if boost.m22 == m22)


def _our_boost(m22):
    k = _boost(m22).k
    return fdm_power(m22, k) / smooth_power(k)


def table_agrees():
    """Whether POINTS are those of the table."""
    rows = [line.split(",") for line in (DATA / "fig12_digitised.csv").read_text().splitlines() if line[0].isdigit()]
    columns = {m22: [(int(row[0]), row[1 + n]) for row in rows if row[1 + n]] for n, m22 in enumerate(POINTS)}
    return all(tuple(points) == POINTS[m22] for m22, points in columns.items())


CHECKS = (
    *(
        Check(
            f"P({k} h/Mpc)/M^2, {'smooth filament' if m22 == SMOOTH else f'm22 = {m22}'}",
            published,
            partial(_power, m22, index),
            2,
            ERRORS,
            "Z25, figure 12, upper panel (tests/data/fig12_digitised.csv)",
            "a pixel: 21 % in P, 4.2 % in k along the slope",
            m22 < 4,
            partial(_error, m22, index),
        )
        for m22, points in POINTS.items()
        for index, (k, published) in enumerate(points)
    ),
    *(
        Check(
            f"fdm/classical at all legible k, m22 = {m22}",
            lambda m22=m22: _boost(m22).boost,
            partial(_our_boost, m22),
            2,
            ERRORS,
            "Z25, figure 12, upper panel (gpu_fdm/spectra/data)",
            "pixels of both curves; over the smooth cylinder, so without bound in k: it is not P_FDM/P_CDM",
            m22 < 4,
            lambda m22=m22: _boost(m22).error,
        )
        for m22 in (1, 2, 4, 8)
    ),
)
