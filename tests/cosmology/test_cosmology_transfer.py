"""Transfer functions and scales of fuzzy dark matter: published values, limits, and what is refused."""

import re

import numpy as np
import pytest

from gpu_fdm.cosmology.transfer import (
    HALF_MODES,
    TRANSFERS,
    jeans_wavenumber,
    transfer,
)
from gpu_fdm.errors import InputError
from gpu_fdm.units import CodeUnits

H = 0.6731
MASSES = [0.1, 1.0, 8.0]
# T at k = 3, 4, 5 /Mpc for m22 = 1, published with Z25 (hu00, ph22), or worked out from the definition (murgia17)
AT_3_4_5 = {
    "cdm": [1, 1, 1],
    "hu00": [0.9813, 0.8736, 0.5354],
    "ph22": [0.9125, 0.7385, 0.4409],
    "murgia17": [(1 + (2**0.25 - 1) * (k / 4.5) ** 5.475) ** -2 for k in (3, 4, 5)],
}
CUTS = ["hu00", "ph22", "murgia17"]


def write_table(path, k, values):
    rows = "\n".join(f"{a:.12g}, {b:.12g}" for a, b in zip(k, values, strict=True))
    path.write_text(f"# a comment\nk, transfer\n{rows}\n")
    return path


def jeans_wavenumber_at_equality(m22):
    """[h/Mpc]: Hu et al. 2000."""
    return 9 * m22**0.5 / H


def test_every_formula_is_tested():
    assert {*AT_3_4_5, "table"} == set(TRANSFERS)
    assert {*CUTS, "cdm", "table"} == set(TRANSFERS)


@pytest.mark.parametrize("name", AT_3_4_5)
def test_values(name):
    k = np.array([3.0, 4.0, 5.0]) / H  # [h/Mpc]
    np.testing.assert_allclose(transfer(name, 1.0, h=H)(k), AT_3_4_5[name], atol=1e-4)  # four digits are published


@pytest.mark.parametrize("m22", MASSES)
def test_scaling_with_boson_mass(m22):
    jeans = 9 * m22**0.5  # [1/Mpc]
    # hu00 where x = 1, ph22 where x^2.5 = pi/2, murgia17 where T^2 = 1/2
    k = jeans / 1.61 / m22 ** (1 / 18)
    assert transfer("hu00", m22, h=H)(k / H) == pytest.approx(np.cos(1) / 2, rel=1e-12)
    x = (np.pi / 2) ** 0.4
    k = jeans * x / 2.22 / m22**0.04 * m22 ** (0.001 * np.log(m22))
    expected = 2 / np.pi / (1 + 0.16 / m22**0.05 * x**3.5)
    assert transfer("ph22", m22, h=H)(k / H) == pytest.approx(expected, rel=1e-12)
    assert transfer("murgia17", m22, h=H)(4.5 * m22 ** (4 / 9) / H) ** 2 == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("m22", MASSES)
@pytest.mark.parametrize("name", CUTS)
class TestCuts:
    """What holds for every cut-off."""

    def test_large_scales_are_untouched(self, name, m22):
        function = transfer(name, m22, h=H)
        assert function(0.0) == 1
        assert function(1e-3 * jeans_wavenumber_at_equality(m22)) == pytest.approx(1, abs=1e-7)

    def test_small_scales_are_gone(self, name, m22):
        k = jeans_wavenumber_at_equality(m22) * np.geomspace(5, 1e3, 1000)
        assert np.all(np.abs(transfer(name, m22, h=H)(k)) < 1e-3)

    def test_k_is_in_h_per_mpc(self, name, m22):
        # the same wave in 1/Mpc, whatever h
        k = np.geomspace(0.1, 30, 50)
        np.testing.assert_allclose(transfer(name, m22, h=0.7)(k / 0.7), transfer(name, m22, h=0.5)(k / 0.5), rtol=1e-10)

    def test_half_modes(self, name, m22):
        function = transfer(name, m22, h=H)
        amplitude, power = function.half_mode("amplitude"), function.half_mode("power")
        assert function(amplitude) == pytest.approx(0.5, abs=1e-12)
        assert function(power) ** 2 == pytest.approx(0.5, abs=1e-12)
        assert 0 < power < amplitude
        # nothing below it comes down to the level
        assert np.all(function(power * np.linspace(0, 1 - 1e-9, 1000)) > 0.5**0.5)


def test_oscillating_tails_change_sign():
    k = np.geomspace(1, 100, 5000)
    for name in ("hu00", "ph22"):
        values = transfer(name, 1.0, h=H)(k)
        assert values.min() < 0 < values.max()


def test_ph22_near_the_zero_of_its_sine():
    # x^2.5 = pi: T crosses zero there
    x = np.pi**0.4
    k = 9 * x / 2.22 / H
    function = transfer("ph22", 1.0, h=H)
    assert function(k * 0.999) > 0 > function(k * 1.001)


def test_half_modes_as_published():
    # P falls by half near 4.5 m22^(4/9)/Mpc: Hu et al. 2000, to the two digits that they give; murgia17 has it so by
    # definition
    for m22 in MASSES:
        published = 4.5 * m22 ** (4 / 9) / H
        assert transfer("hu00", m22, h=H).half_mode("power") == pytest.approx(published, rel=0.03)
        assert transfer("murgia17", m22, h=H).half_mode("power") == pytest.approx(published, rel=1e-12)


def test_jeans_wavenumber():
    # 66.5 a^(1/4) (Om h^2/0.12)^(1/4) m22^(1/2)/Mpc: Hui et al. 2017, PRD 95, 043541, three digits
    for m22, a in ((1.0, 1.0), (4.0, 0.2)):
        units = CodeUnits(m22, H, 0.314649)
        expected = 66.5 * (a * 0.314649 * H**2 / 0.12) ** 0.25 * m22**0.5 / H
        assert jeans_wavenumber(units, a) == pytest.approx(expected, rel=1e-3)


def test_jeans_wave_neither_grows_nor_oscillates():
    # comoving Schroedinger-Poisson, linearised: omega^2 = (k^2/(2 a^2))^2 - 1/a^3 in code units
    units, a = CodeUnits(2.0, H, 0.3), 0.37
    k = jeans_wavenumber(units, a) * units.length
    assert (k**2 / (2 * a**2)) ** 2 == pytest.approx(a**-3, rel=1e-14)


def test_table_follows_what_it_was_made_of(tmp_path):
    formula = transfer("ph22", 1.0, h=H)
    errors = []
    for rows in (100, 200):
        k = np.geomspace(0.05, 50, rows)
        function = transfer("table", 1.0, h=H, table=write_table(tmp_path / "t.csv", k, formula(k)))
        between = np.geomspace(0.051, 10, 999)
        errors.append(np.abs(function(between) - formula(between)).max())
    assert errors[1] < 1e-3 and errors[0] / errors[1] > 8  # fourth order, of the scheme
    assert function.m22 is None and function.k_max == 50
    assert function(1e-3) == 1 and function(0.0) == 1
    np.testing.assert_allclose(function(k), formula(k), atol=1e-11)  # twelve digits in the file
    for definition in HALF_MODES:
        assert function.half_mode(definition) == pytest.approx(formula.half_mode(definition), rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hu2000", 1.0), "transfer = hu2000: must be one of cdm, hu00, ph22, murgia17, table"),
        (("hu00",), "m22 = None: must be a number in [1e-06, 1e+06]"),
        (("ph22", 0.0), "m22 = 0.0: must be a number in [1e-06, 1e+06]"),
        (("murgia17", np.nan), "m22 = nan: must be a number in [1e-06, 1e+06]"),
        (
            ("table", 1.0),
            "transfer_table = (empty): must be given with transfer = table, and only then (transfer = table)",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        transfer(*arguments, h=H)


def test_bad_h_and_superfluous_table(tmp_path):
    with pytest.raises(InputError, match=r"^h = 0: must be in \[0.01, 10\], H0 / \(100 km/s/Mpc\)$"):
        transfer("cdm", h=0)
    message = "transfer_table = t.csv: must be given with transfer = table, and only then (transfer = cdm)"
    with pytest.raises(InputError, match=re.escape(message)):
        transfer("cdm", h=H, table="t.csv")
    with pytest.raises(InputError, match=r"^scale_factor = -1: must be a number > 0$"):
        jeans_wavenumber(CodeUnits(1.0, H, 0.3), -1)


def test_no_half_mode():
    with pytest.raises(InputError, match=r"^transfer = cdm: must fall to 0\.5 to have a half mode, and does not$"):
        transfer("cdm", h=H).half_mode("amplitude")
    with pytest.raises(InputError, match=r"^half mode = third: must be one of amplitude, power$"):
        transfer("hu00", 1.0, h=H).half_mode("third")


K = np.geomspace(0.1, 10, 8)


@pytest.mark.parametrize(
    ("k", "values", "message"),
    [
        (K, np.full(8, 0.9), "line 3: transfer = 0.9: must be within 0.001 of 1 at the first k"),
        (K[:7], np.ones(7), "table of shape (7,): must hold at least 8 rows of k and transfer"),
        (K[::-1], np.ones(8), "line 4: k = 5.17947: must be larger than 10, the one before"),
        (K - 0.1, np.ones(8), "line 3: k = 0: must be positive, and below 1e+30"),
    ],
)
def test_bad_tables(tmp_path, k, values, message):
    path = write_table(tmp_path / "t.csv", k, values)
    with pytest.raises(InputError, match=re.escape(f"{path}: {message}")):
        transfer("table", h=H, table=path)


def test_missing_table(tmp_path):
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'none.csv'}: no such file")):
        transfer("table", h=H, table=tmp_path / "none.csv")


def test_k_out_of_range(tmp_path):
    function = transfer("table", h=H, table=write_table(tmp_path / "t.csv", K, np.ones(8)))
    with pytest.raises(
        InputError, match=r"^k = 11 h/Mpc: must be in \[0, 10\], the range of the transfer function table$"
    ):
        function([1.0, 11.0])
    for bad in (-1.0, np.nan):
        with pytest.raises(InputError, match=rf"^k = {bad:g} h/Mpc: must be in \[0, inf\]"):
            transfer("hu00", 1.0, h=H)(bad)
