"""Bessel functions by recurrence against the library's."""

import numpy as np
import pytest
from scipy.special import jv

from gpu_fdm.kernels.bessel import bessel_table
from gpu_fdm.parallel.backend import CPU


def test_agrees_with_the_library():
    x = np.concatenate([[0, 1e-300, 1e-9, 0.99e-6, 1e-6, 1e-5, 1e-3, 0.1], np.linspace(0.2, 1200, 2001)])
    # round-off grows with the argument: rounding 1200 alone is 1e-13
    assert np.max(np.abs(bessel_table(300, x) - jv(np.arange(301)[:, None], x))) < 3e-13


def test_shapes_threads_and_few_orders():
    x = np.linspace(0, 30, 21).reshape(3, 7)
    table = bessel_table(5, x)
    assert table.shape == (6, 3, 7)
    assert np.array_equal(table, bessel_table(5, x, CPU(1)))
    # an order does not depend on how many are asked for
    assert np.array_equal(table[:1], bessel_table(0, x)) and np.array_equal(table, bessel_table(80, x)[:6])


def test_sum_rule():
    x = np.linspace(0, 200, 50)
    table = bessel_table(300, x)
    assert table[0] ** 2 + 2 * np.sum(table[1:] ** 2, axis=0) == pytest.approx(np.ones(50), abs=1e-13)


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_refuses(bad):
    with pytest.raises(ValueError, match="argument of a Bessel function: must not be negative"):
        bessel_table(3, np.array([1.0, bad]))
