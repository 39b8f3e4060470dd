"""Which filaments their modes describe, in words."""

import numpy as np
import pytest

from gpu_fdm.filament.mode_fits import ModeFits


def fits(*rows):
    """Of filaments given as mass, weight_sum, rms_log_density."""
    return ModeFits(*np.array(rows, float).T)


GOOD = (5e9, 0.952, 0.06)


@pytest.mark.parametrize(
    "row, poor",
    [
        (GOOD, False),
        ((1e9, 0.78, 0.2), True),
        ((1e9, 1.2, 0.2), True),
        ((1e9, 0.9, 0.5), True),
        ((1e9, 1, np.nan), True),
        ((1e9, 0.801, 0.299), False),
        ((1e9, 1.099, 0.299), False),
        ((1e9, 0.799, 0.299), True),
        ((1e9, 1.101, 0.299), True),
        ((1e9, 0.801, 0.301), True),
    ],
)
def test_poor(row, poor):
    assert fits(GOOD, row).poor.tolist() == [False, poor]
    assert bool(fits(row).text) == poor


def test_text():
    assert fits((1e9, 0.7825, 0.456)).text == (
        "the modes do not describe the filament: they make 78.2 % of the line mass, rms of ln density 0.46"
    )
    assert fits(GOOD, (1e9, 0.7825, 0.456), GOOD).text == (
        "the modes of 1 of 3 filaments (1e+09 Msun/h) do not describe them: at worst (1e+09 Msun/h) they make 78.2 % "
        "of the line mass, rms of ln density 0.46"
    )
    text = fits((1e8, 0.162, 3.22), (1e9, 0.7825, 0.456), GOOD).text
    assert text.startswith("the modes of 2 of 3 filaments (1e+08 to 1e+09 Msun/h) do not describe them: at worst")
    assert "(1e+08 Msun/h) they make 16.2 %" in text


def test_stored():
    columns = {"masses": [1e9, 5e9], "weight_sum": [0.78, 0.95], "rms_log_density": [0.46, 0.06]}
    assert ModeFits.stored(columns).poor.tolist() == [True, False]
    assert ModeFits.stored({"masses": [1e9]}) is None
