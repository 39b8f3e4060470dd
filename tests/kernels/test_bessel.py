"""Bessel functions by recurrence against the library's, and the CUDA kernel against the CPU."""

import numpy as np
import pytest
from scipy.special import j0, jv, spherical_jn

from gpu_fdm.kernels.bessel import bessel_table, spherical_bessel_table, transform_0
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


@pytest.mark.parametrize("order_max", [0, 1, 90])
def test_card_agrees(cuda, order_max):
    """Every operation is rounded alike: the largest difference would be that of a cube root, in where to start."""
    rng = np.random.default_rng(4)
    x = np.concatenate([[0, 1e-300, 0.99e-6, 1e-6, 1.0, 8.0, 27.0, 64.0], rng.uniform(0, 700, 601)]).reshape(3, -1)
    found = cuda.to_host(bessel_table(order_max, cuda.to_device(x), cuda))
    assert found.shape == (order_max + 1, *x.shape)
    assert np.max(np.abs(found - bessel_table(order_max, x))) <= 1e-15


def test_transform(cuda):
    """A Gaussian exp(-R^2/2) transforms to itself; in several parts, and of any shape."""
    x, w = np.polynomial.legendre.leggauss(60)
    radius = 5 * (1 + x)
    shares = 5 * w * radius * np.exp(-(radius**2) / 2)
    k = np.linspace(0, 4, 21).reshape(3, 7)
    found = transform_0(k, radius, shares, 300, cuda)
    assert found == pytest.approx(np.exp(-(k**2) / 2), abs=1e-14)
    assert found == pytest.approx(transform_0(k, radius, shares, 1 << 20, CPU()), abs=1e-14)
    assert transform_0(k[0, 3], radius, shares, 300, cuda) == pytest.approx(j0(k[0, 3] * radius) @ shares, abs=1e-14)
    assert transform_0(k[:0], radius, shares, 300, cuda).shape == (0, 7)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_refuses(bad, cuda):
    for where in (CPU(), cuda):
        with pytest.raises(ValueError, match="argument of a Bessel function: must be finite and not negative"):
            bessel_table(3, np.array([1.0, bad]), where)


def test_many_wavenumbers():
    """Interpolated, by far fewer than there are: as sums for each."""
    random = np.random.default_rng(2)
    radius, shares = random.uniform(0, 1.7, 50), random.standard_normal(50)
    k = random.uniform(0, 40, (3, 1000))
    k[0, :2] = 0, 40
    found = transform_0(k, radius, shares, 1 << 20, CPU())
    expected = [transform_0(part, radius, shares, 1 << 20, CPU()) for part in k.reshape(30, 100)]
    assert found == pytest.approx(np.concatenate(expected).reshape(k.shape), abs=4e-15 * np.abs(shares).sum())
    assert found[0, 0] == pytest.approx(shares.sum(), abs=1e-13)


def test_spherical_table():
    """Beside the library's functions, zeros of j_0 and j_1 among the arguments; sum (2L+1) j_L^2 = 1."""
    x = np.concatenate([[0, 1e-7, 1e-3, 0.4, 0.6, np.pi, 2 * np.pi, 4.493409457909064], np.geomspace(1e-4, 150, 120)])
    table = spherical_bessel_table(200, x)
    assert table == pytest.approx(np.array([spherical_jn(order, x) for order in range(201)]), abs=3e-15)
    assert (2 * np.arange(201) + 1) @ table**2 == pytest.approx(np.ones(len(x)), abs=1e-12)
    assert np.array_equal(spherical_bessel_table(3, x.reshape(8, -1)), table[:4].reshape(4, 8, -1))
    with pytest.raises(ValueError, match="must be finite and not negative"):
        spherical_bessel_table(2, np.array([-1.0]))
