"""Boosts interpolated between boson masses."""

import numpy as np
import pytest
from toy_boosts import K, boost, toy, toy_grid

from gpu_fdm.errors import InputError
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.boost_grid import BoostGrid


def test_grid_follows_what_moves():
    """The toy's bump moves as sqrt(m22), with the scaling of the grid: what is left to interpolate is 1/m22."""
    grid = toy_grid()
    for m22 in (0.5, 0.6, 0.85, 1.2, 1.7, 2.0):
        found = grid(m22)
        assert np.log(found.boost) == pytest.approx(np.log(toy(m22, found.k).boost), abs=0.015)
        assert (found.m22, found.name) == (m22, "fdm/smooth")
        # all k that the grid has for every mass
        assert found.k[[0, -1]] == pytest.approx([5 * np.sqrt(m22 / 0.5), 3000 * np.sqrt(m22 / 2)], rel=1e-12)
    assert grid.m22_range == (0.5, 2.0)


@pytest.mark.parametrize(
    ("boosts", "scaling", "message"),
    [
        ([toy(1.0), toy(2.0), toy(3.0)], 0.5, "3 boosts: must be at least 4 for a grid of m22"),
        ([toy(m) for m in (1, 3, 2, 4)], 0.5, "m22 = 1, 3, 2, 4 of a grid: must be known, positive and increasing"),
        (
            [boost(K, K)] * 4,
            0.5,
            "m22 = None, None, None, None of a grid: must be known, positive and increasing",
        ),
        (
            [toy(1), toy(2), toy(3), boost(K, 0 * K, 4.0)],
            0.5,
            "fdm/smooth, m22 = 4: must have two or more rows, all positive, to be in a grid of m22",
        ),
        (
            [toy(1), toy(2), toy(3), Boost(K, K, "fdm", "cdm", m22=4)],
            0.5,
            "fdm/smooth and fdm/cdm: must be ratios of the same things to be compared",
        ),
        ([toy(m) for m in (1, 2, 3, 4)], np.inf, "scaling = inf: must be finite"),
    ],
)
def test_grids_that_are_refused(boosts, scaling, message):
    with pytest.raises(InputError) as caught:
        BoostGrid(tuple(boosts), scaling)
    assert str(caught.value) == message


def test_masses_out_of_the_grid_are_refused():
    with pytest.raises(InputError, match=r"^m22 = 3: must be in \[0.5, 2\], the masses of the grid$"):
        toy_grid()(3.0)
    far_apart = BoostGrid(tuple(toy(m22) for m22 in (1, 10, 100, 1000)))
    with pytest.raises(InputError, match=r"^m22 = 5: no k m22\^\(-0.5\) that all boosts of the grid have$"):
        far_apart(5.0)
