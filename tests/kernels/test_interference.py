"""The interference of all pairs of states: by matrix products, by its definition, and on a card."""

import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu

from gpu_fdm.errors import RunError
from gpu_fdm.kernels.bessel import bessel_table, spherical_bessel_table
from gpu_fdm.kernels.interference import CARD_SIDE, batches, interference, legendre_angles
from gpu_fdm.parallel.backend import CPU

L = {"all": np.array([0, 0, 0, 1, 1, 2, 3]), "one": np.array([0, 0]), "gaps": np.array([2, 2, 5])}


def states_and_table(l, points, wavenumbers=5):
    rng = np.random.default_rng(points)
    radius = np.linspace(0.1, 9, points)
    states = rng.standard_normal((len(l), points)) / points**0.5
    return states, bessel_table(2 * int(l[-1]), np.linspace(0, 3, wavenumbers)[:, None] * radius)


def by_definition(states, l, table):
    """Sums over pairs of states, of all signs of l."""
    total = np.zeros(table.shape[1])
    signed = [
        (sign * order, state) for order, state in zip(l, states, strict=True) for sign in ((1, -1) if order else (1,))
    ]
    for first_l, first in signed:
        for second_l, second in signed:
            total += (table[abs(first_l - second_l)] @ (first * second)) ** 2
    return total


@pytest.mark.parametrize("name", L)
@pytest.mark.parametrize("points", [37, CARD_SIDE + 45])  # one block on a card, and three
def test_definition(cuda, name, points):
    states, table = states_and_table(L[name], points)
    expected = by_definition(states, L[name], table)
    here = interference(states, L[name], table, CPU(2))
    assert here == pytest.approx(expected, rel=1e-12)
    there = interference(cuda.to_device(states), L[name], cuda.to_device(table), cuda)
    assert there == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", L)
def test_sphere(cuda, name):
    """Sums over pairs of states with squares of 3j symbols, which are integrals of three Legendre polynomials."""
    l, (states, _) = L[name], states_and_table(L[name], 37)
    table = spherical_bessel_table(2 * int(l[-1]), np.linspace(0, 3, 5)[:, None] * np.linspace(0.1, 9, 37))
    mu, weight = np.polynomial.legendre.leggauss(20)
    legendre = np.polynomial.legendre.legvander(mu, 10).T
    expected = np.zeros(5)
    for first_l, first in zip(l, states, strict=True):
        for second_l, second in zip(l, states, strict=True):
            for order in range(abs(first_l - second_l), first_l + second_l + 1):
                square = weight @ (legendre[first_l] * legendre[second_l] * legendre[order]) / 2
                terms = (2 * first_l + 1) * (2 * second_l + 1) * (2 * order + 1) * square
                expected += terms * (table[order] @ (first * second)) ** 2
    angles = legendre_angles(int(l[-1]))
    assert interference(states, l, table, CPU(2), angles) == pytest.approx(expected, rel=1e-12)
    there = interference(cuda.to_device(states), l, cuda.to_device(table), cuda, angles)
    assert there == pytest.approx(expected, rel=1e-12)


def test_repeats_to_the_bit(cuda):
    states, table = states_and_table(L["all"], CARD_SIDE + 45)
    states, table = cuda.to_device(states), cuda.to_device(table)
    assert np.array_equal(interference(states, L["all"], table, cuda), interference(states, L["all"], table, cuda))


def test_parts_do_not_depend_on_free_memory():
    class Full(CudaOnCpu):
        device_memory = 64 << 20

    l = np.repeat(np.arange(100), 30)
    assert batches(l, 600, 600, CPU()) == 2
    assert batches(l, 600, 600, CudaOnCpu()) == 1 and batches(l, 600, 6000, CudaOnCpu()) == 2
    assert batches(L["all"], 100, 50, Full()) == 1
    with pytest.raises(RunError, match=r"exact spectrum of 3000 states: needs 1\.\d GiB on the card, 0\.1 are free"):
        batches(l, 600, 600, Full())
