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
        (
            [
                boost(K, K, m, object=f"filaments of {low} to 3e+10 Msun/h")
                for m, low in enumerate(("3e9", "3e9", "1e8", "3e9"), 1)
            ],
            0.5,
            "fdm/smooth: of filaments of 3e9 to 3e+10 Msun/h and of filaments of 1e8 to 3e+10 Msun/h: must be the same "
            "to be compared",
        ),
        (
            [
                boost(K, K, m, object=of)
                for m, of in enumerate(("", "one filament of 5e+09 Msun/h", "", "filaments"), 1)
            ],
            0.5,
            "fdm/smooth: of one filament of 5e+09 Msun/h and of filaments: must be the same to be compared",
        ),
        (
            [boost(K, K, m, redshift=z) for m, z in enumerate((None, 4.0, None, 5.0), 1)],
            0.5,
            "fdm/smooth: redshift = 4 and 5: must be the same to be compared",
        ),
        ([toy(m) for m in (1, 2, 3, 4)], np.inf, "scaling = inf: must be finite"),
    ],
)
def test_grids_that_are_refused(boosts, scaling, message):
    with pytest.raises(InputError) as caught:
        BoostGrid(tuple(boosts), scaling)
    assert str(caught.value) == message


def test_what_a_grid_is_of():
    """Boosts that do not say what they are of, or at which redshift, take it from the others."""
    known = {"object": "one filament of 5e+09 Msun/h", "redshift": 4.0}
    grid = BoostGrid(tuple(boost(K, K, m, **(known if m == 3 else {})) for m in (1, 2, 3, 4)))
    assert (grid(2.0).object, grid(2.0).redshift) == tuple(known.values())


def test_masses_out_of_the_grid_are_refused():
    with pytest.raises(InputError, match=r"^m22 = 3: must be in \[0.5, 2\], the masses of the grid$"):
        toy_grid()(3.0)
    far_apart = BoostGrid(tuple(toy(m22) for m22 in (1, 10, 100, 1000)))
    with pytest.raises(InputError, match=r"^m22 = 5: no k m22\^\(-0.5\) that all boosts of the grid have$"):
        far_apart(5.0)
