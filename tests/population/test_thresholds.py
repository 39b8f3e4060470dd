"""The table of thresholds of the package beside ellipsoids that are followed."""

import hashlib

import numpy as np
import pytest

from gpu_fdm.cosmology.background import Background
from gpu_fdm.population.barrier import collapse_barrier
from gpu_fdm.population.collapse import CollapseModel, threshold_at_shear
from gpu_fdm.population.thresholds import (
    ERROR,
    FILE,
    LARGEST_SHEAR,
    SHA256,
    are_tabulated,
    nodes,
    tabulated_thresholds,
)


def model_of(redshift, omega_m, **others):
    return CollapseModel(Background(omega_m), 1 / (1 + redshift), **others)


@pytest.mark.parametrize(
    ("redshift", "omega_m"), [(2.0, 0.27), (2.3, 0.35), (4.0, 0.2), (5.5, 0.31), (6.86, 0.5), (8.0, 1.0)]
)
def test_ellipsoids_that_are_followed(redshift, omega_m):
    model = model_of(redshift, omega_m)
    shear = LARGEST_SHEAR * np.array([0.0, 1e-4, 0.02, 0.1, 0.4, 0.7, 0.95, 1.0])
    assert are_tabulated(model, shear[-1])
    solved = [threshold_at_shear(model, value) for value in shear.tolist()]
    overdensity, lengths = tabulated_thresholds(model, shear)
    np.testing.assert_allclose(overdensity, [found[0] for found in solved], rtol=ERROR)
    np.testing.assert_allclose(lengths, [found[1] for found in solved], rtol=ERROR)


def test_a_barrier_of_the_table():
    model = model_of(5.5, 0.31)
    solved, tabulated = (collapse_barrier(model, 45.0, tabulated=given) for given in (False, True))
    variance = np.geomspace(1e-3, 45, 50)
    np.testing.assert_allclose(tabulated(variance), solved(variance), rtol=ERROR)
    np.testing.assert_allclose(tabulated.derivative(variance), solved.derivative(variance), rtol=10 * ERROR)


@pytest.mark.parametrize(
    ("model", "shear"),
    [
        (model_of(1.99, 0.31), 1.0),
        (model_of(8.01, 0.31), 1.0),
        (model_of(2.0, 0.19), 1.0),
        (model_of(4.0, 0.31), 1.01 * LARGEST_SHEAR),
        (model_of(4.0, 0.31, freeze_out="bond_myers"), 1.0),
        (model_of(4.0, 0.31, start=0.02), 1.0),
    ],
)
def test_what_the_table_does_not_have(model, shear):
    assert not are_tabulated(model, shear)


def test_the_file_is_that_of_the_code():
    """A node of it is solved again, and the hash in the code, which is part of every cache key, is its own."""
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHA256
    log_a, x, shear = nodes()
    a = float(np.exp(log_a[3]))
    overdensity, lengths = threshold_at_shear(CollapseModel(Background(1 / (1 + x[2] / a**3)), a), float(shear[90]))
    np.testing.assert_allclose(np.load(FILE)[3, 2, 90], [overdensity, *np.log(lengths)], rtol=1e-9)
