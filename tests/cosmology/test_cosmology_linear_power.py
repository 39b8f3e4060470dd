"""Linear power: the published table, closed forms, sources against each other, the cache, and what is refused."""

import logging
import re
import sys

import numpy as np
import pytest
from attrs import evolve
from locations import DATA

from gpu_fdm.cosmology import camb_power as camb_module
from gpu_fdm.cosmology.background import Background
from gpu_fdm.cosmology.camb_power import camb_power, recipe
from gpu_fdm.cosmology.eisenstein_hu import T_CMB, transfer_function
from gpu_fdm.cosmology.linear_power import SOURCES, LinearPower, linear_power
from gpu_fdm.cosmology.named import NAMED
from gpu_fdm.cosmology.parameters import CosmologicalParameters
from gpu_fdm.cosmology.transfer import transfer
from gpu_fdm.cosmology.variance import variance
from gpu_fdm.errors import InputError, RunError
from gpu_fdm.io.digest import digest_of
from gpu_fdm.io.input_content import content_of
from gpu_fdm.units import mean_matter_density

REFERENCE = DATA / "linear_power_z0.csv"
K = np.geomspace(1e-3, 10, 40)


@pytest.fixture(scope="module")
def camb_default():
    return linear_power("camb")


def smooth(k):
    """Something like a power spectrum, with bends."""
    return 1e5 * k / (1 + (k / 0.02) ** 2) ** 1.9


def write_table(path, k, power):
    path.write_text("k,power\n" + "".join(f"{a:.12g},{b:.12g}\n" for a, b in zip(k, power, strict=True)))
    return path


# the default cosmology, shipped


def test_default_agrees_with_the_published_table(camb_default):
    reference = linear_power("table", table=REFERENCE)
    k = reference.k[reference.k < camb_default.k_max]
    deviation = np.abs(camb_default(k) / reference(k) - 1)
    # the published numbers themselves jump by 1 % at k = 0.0345 and 0.0443 h/Mpc, between rows 1 % apart
    jumps = (k > 0.031) & (k < 0.045)
    assert deviation[~jumps].max() < 5e-3 and deviation[jumps].max() < 7e-3
    assert deviation[(k > 1) & (k < 10)].max() < 2e-4
    assert len(k) > 450


def test_default_needs_no_camb_and_no_cache(monkeypatch):
    monkeypatch.setitem(sys.modules, "camb", None)
    power = linear_power("camb")
    assert power.k_min < 1e-5 and power.k_max > 2e3
    assert power.source.startswith("CAMB 2.0.5: flat, h = 0.6731, ")
    assert "h = 0.6731, omega_b_h2 = 0.02222, omega_c_h2 = 0.1197, m_nu = 0.06 eV" in power.source
    assert "n_s = 0.9655, ln10As = 3.089" in power.source


def test_large_scales_are_primordial(camb_default):
    k = np.array([6e-6, 2e-5])
    slope = np.log(camb_default(k[1]) / camb_default(k[0])) / np.log(k[1] / k[0])
    assert slope == pytest.approx(0.9655, abs=2e-4)  # the transfer function bends by (k/0.01)^2


def test_waves_agree_with_runs_of_camb(camb_default, tmp_path, monkeypatch):
    """Runs of CAMB with more multipoles; those of the shipped table have fewer, and are up to 1.5e-3 off."""
    camb = pytest.importorskip("camb")
    monkeypatch.setattr(camb_module, "SHIPPED", tmp_path)
    parameters = CosmologicalParameters()
    k, power, _ = camb_power(parameters, tmp_path)
    waves = LinearPower(k, power, Background(0.314649), "")
    settings = camb.set_params(H0=67.31, ombh2=0.02222, omch2=0.1197, mnu=0.06, num_massive_neutrinos=3, ns=0.9655)
    settings.InitPower.set_params(As=1e-10 * np.exp(3.089), ns=0.9655)
    settings.WantCls, settings.NonLinear = False, camb.model.NonLinear_none
    settings.Accuracy.AccuracyBoost, settings.Accuracy.lAccuracyBoost = 2.0, 3.0
    settings.set_matter_power(redshifts=[0.0], kmax=0.7, k_per_logint=15, silent=True)
    theirs, _, exact = camb.get_results(settings).get_linear_matter_power_spectrum(hubble_units=True, k_hunit=True)
    known = theirs > k[0]
    np.testing.assert_allclose(waves(theirs[known]), exact[0][known], rtol=4e-4)
    # the shipped one has waves up to 2000 h/Mpc, where these are continued from 12 h/Mpc by growth
    known = (camb_default.k > k[0]) & (camb_default.k < k[-1])
    np.testing.assert_allclose(waves(camb_default.k[known]), camb_default.power[known], rtol=1.5e-3)


def test_sigma8_against_camb_and_the_variance(camb_default):
    assert camb_default.sigma8 == pytest.approx(0.83116443, rel=1e-6)  # get_sigma8_0 of CAMB 2.0.5, AccuracyBoost 2
    mass = 4 / 3 * np.pi * mean_matter_density(0.314649) * 8**3
    of_sphere = variance(camb_default, transfer("cdm", h=0.6731), "top_hat", mass_min=mass / 10, mass_max=10 * mass)
    assert camb_default.sigma8 == pytest.approx(float(of_sphere(mass)) ** 0.5, rel=1e-5)
    # int dx j1(x)^2/x^2 = pi/15
    k = np.geomspace(1e-7, 1e3, 100)
    assert LinearPower(k, k**-2.0, Background(0.3), "").sigma8 ** 2 == pytest.approx(9 / (240 * np.pi), rel=1e-5)


def test_rescaled_to_sigma8(camb_default):
    power = linear_power("camb", sigma8=0.8)
    assert power.sigma8 == pytest.approx(0.8, rel=1e-9) and camb_default.ln10As == 3.089
    assert power.ln10As == pytest.approx(3.089 + 2 * np.log(0.8 / 0.83116443), abs=5e-6)
    np.testing.assert_allclose(power(K), camb_default(K) * (0.8 / camb_default.sigma8) ** 2, rtol=1e-12)
    assert power.source.endswith("; rescaled to sigma8 = 0.8, ln10As = 3.01257")
    with pytest.raises(InputError, match=r"^sigma8 = 11: must be a number in \[0\.01, 10\]$"):
        linear_power("camb", sigma8=11)
    short = LinearPower(K[K < 1], smooth(K[K < 1]), Background(0.3), "")
    with pytest.raises(InputError, match=r"^sigma8: needs more than k in \[0\.001, 0\.94\d*\] h/Mpc"):
        short.with_sigma8(0.8)


def test_primordial_power_is_rescaled_without_camb(camb_default, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "camb", None)
    tilted = linear_power("camb", CosmologicalParameters(n_s=1.0, ln10As=3.089 + np.log(2)), cache_folder=tmp_path)
    expected = 2 * (K * 0.6731 / 0.05) ** (1 - 0.9655)
    np.testing.assert_allclose(tilted(K) / camb_default(K), expected, rtol=1e-8)  # nine digits in the table
    assert "n_s = 1.0, ln10As = 3.78" in tilted.source and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("m_nu", [0.06, 1.0])
def test_camb_scales_with_the_primordial_power(m_nu, monkeypatch, tmp_path):
    camb = pytest.importorskip("camb")
    first = CosmologicalParameters(m_nu=m_nu, omega_c_h2=None)
    power = []
    for n_s, ln10As in ((first.n_s, first.ln10As), (1.0, 3.0)):
        p = camb.CAMBparams()
        p.set_cosmology(H0=67.31, ombh2=0.02222, omch2=first.omega_c_h2, mnu=m_nu, num_massive_neutrinos=3)
        p.InitPower.set_params(As=1e-10 * np.exp(ln10As), ns=n_s)
        p.WantCls = False
        p.set_matter_power(redshifts=[0.0], kmax=1, k_per_logint=5, silent=True)
        k, _, rows = camb.get_results(p).get_linear_matter_power_spectrum(hubble_units=True, k_hunit=True)
        power.append(rows[0])
    expected = np.exp(3.0 - first.ln10As) * (k * 0.6731 / 0.05) ** (1.0 - first.n_s)
    np.testing.assert_allclose(power[1] / power[0], expected, rtol=1e-9)


@pytest.mark.parametrize("name", list(NAMED))
def test_named_cosmologies_are_those_of_astropy(name):
    theirs = getattr(pytest.importorskip("astropy.cosmology"), name)
    values = NAMED[name].values
    assert values["h"] == pytest.approx(theirs.h, rel=1e-12)
    assert values["omega_b_h2"] == pytest.approx(theirs.Ob0 * theirs.h**2, rel=1e-9)
    assert values["m_nu"] == pytest.approx(theirs.m_nu.sum().value, abs=1e-12)
    assert (values["n_s"], values["sigma8"]) == (theirs.meta["n"], theirs.meta["sigma8"])
    neutrinos = theirs.m_nu.sum().value / 93.14 / theirs.h**2
    assert values["omega_m"] == pytest.approx(theirs.Om0 + neutrinos, rel=1e-9)
    if neutrinos:
        # Onu0 of astropy has the massless two as well, and another number for 93.14 eV
        assert neutrinos == pytest.approx(theirs.Onu0 - 2 / 3 * theirs.Neff * 0.2271 * theirs.Ogamma0, rel=0.01)
    assert set(NAMED) >= set(sys.modules["astropy.cosmology"].available)


def test_eisenstein_hu_agrees_with_camb(camb_default):
    fit = linear_power("eisenstein_hu")
    for low, high, tolerance in ((1e-5, 1e-3, 0.006), (1e-3, 0.01, 0.02), (0.01, 100, 0.1)):
        k = np.geomspace(low * 1.0001, high * 0.9999, 300)
        # the accuracy of the fit, and neutrinos that do not stream in it (3 % beyond 0.1 h/Mpc)
        np.testing.assert_allclose(fit(k), camb_default(k), rtol=tolerance)
    assert fit.source.startswith("Eisenstein & Hu 1998: h = 0.6731, omega_m = 0.314649, omega_b_h2 = 0.02222")


def test_eisenstein_hu_scales_with_the_primordial_power():
    fit = linear_power("eisenstein_hu")
    tilted = linear_power("eisenstein_hu", CosmologicalParameters(n_s=1.0, ln10As=3.089 + np.log(2)))
    expected = 2 * (K * 0.6731 / 0.05) ** (1 - 0.9655)
    np.testing.assert_allclose(tilted(K) / fit(K), expected, rtol=1e-10)


def test_eisenstein_hu_is_that_of_colossus_and_a_closed_form_beyond():
    theirs = pytest.importorskip("colossus.cosmology.power_spectrum").modelEisenstein98
    for omega_m, omega_b_h2, h in ((0.3146, 0.0222, 0.673), (0.2, 0.03, 0.8)):
        k = np.geomspace(1e-5, 2700, 300)
        ours = transfer_function(k * h, omega_m * h**2, omega_b_h2)
        np.testing.assert_allclose(ours, theirs(k, h, omega_m, omega_b_h2 / h**2, T_CMB), rtol=1e-12)
    fit = linear_power("eisenstein_hu")
    assert fit.k_max == pytest.approx(2700) and fit.source.endswith("its closed form, without the pressure of baryons")
    # ln(k)^2/k^4 times k^n_s, at last
    slope = np.log(fit(2600.0) / fit(1300.0)) / np.log(2)
    assert slope == pytest.approx(0.9655 - 4, abs=0.3)


# interpolation, growth, range


def test_power_laws_are_interpolated_exactly():
    power = LinearPower(K, 3 * K**-2.5, Background(0.3), "power law")
    between = np.geomspace(1e-3, 10, 999)
    np.testing.assert_allclose(power(between), 3 * between**-2.5, rtol=1e-12)


def test_interpolation_is_of_fourth_order():
    between, errors = np.geomspace(5e-3, 1, 999), []
    for rows in (40, 80, 160):
        k = np.geomspace(1e-3, 10, rows)
        errors.append(np.abs(LinearPower(k, smooth(k), Background(0.3), "")(between) / smooth(between) - 1).max())
    assert errors[0] < 1e-3 and errors[0] / errors[1] > 12 and errors[1] / errors[2] > 12


def test_rows_are_kept(camb_default):
    np.testing.assert_allclose(camb_default(camb_default.k), camb_default.power, rtol=1e-13)
    for values in (camb_default.k, camb_default.power):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1
    assert camb_default(0.1).shape == () and camb_default(np.full((2, 3), 0.1)).shape == (2, 3)


def test_growth(camb_default):
    background = Background(0.314649)
    np.testing.assert_array_equal(camb_default.at(K, 0), camb_default(K))
    expected = background.growth(0.2) ** 2 * camb_default(K)
    np.testing.assert_allclose(camb_default.at(K, 4), expected, rtol=1e-14)
    einstein_de_sitter = LinearPower(K, smooth(K), Background(1.0), "")
    np.testing.assert_allclose(einstein_de_sitter.at(K, 4), smooth(K) / 25, rtol=1e-12)


@pytest.mark.parametrize(
    ("redshift", "ratio", "tolerance"), [(4, 0.0646005, 0.01), (20, 0.00372431, 0.02), (99, 0.000167397, 0.04)]
)
def test_growth_against_camb(camb_default, redshift, ratio, tolerance):
    # P(z)/P(0) at k = 1 h/Mpc of CAMB 2.0.5, which has neutrinos and radiation: more, by what LinearPower states
    ours = camb_default.at(1.0, redshift) / camb_default(1.0)
    assert 1 < ratio / ours < 1 + tolerance


@pytest.mark.parametrize("k", [5.3e-6, 2690.0, 0.0, -1.0, np.nan])
def test_k_out_of_range(camb_default, k):
    message = f"k = {k:g} h/Mpc: must be in [5.34591e-06, 2680.56], the range of the linear power"
    for call in (camb_default, lambda k: camb_default.at(k, 2)):
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            call([1.0, k])


def test_round_off_at_the_ends_of_the_range():
    power = LinearPower(K, smooth(K), Background(0.3), "")
    ends = np.exp(np.log(K[[0, -1]])) * [1 - 1e-15, 1 + 1e-15]
    np.testing.assert_allclose(power(ends), smooth(ends), rtol=1e-12)


@pytest.mark.parametrize("redshift", [-0.1, 100, np.nan])
def test_redshift_out_of_range(camb_default, redshift):
    message = f"redshift = {redshift:g}: must be in [0, 99], where growth leaves radiation out"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        camb_default.at(1.0, redshift)


# tables and names


def test_table(tmp_path):
    power = linear_power("table", CosmologicalParameters(omega_m=0.3, omega_c_h2=None), table=REFERENCE)
    assert power.source == f"table {REFERENCE}" and power.background == Background(0.3)
    assert (power.k_min, power.k_max, power(power.k_min)) == (1.0586396e-05, 9740.6084, pytest.approx(50.402672))


CLASS = """# Matter power spectrum P(k) at redshift z={z}
# for k=1e-4 to 30 h/Mpc,
# number of wavenumbers equal to 40
#    1:k ({unit})              2:P (Mpc/h)^3
"""


def of_boltzmann_code(path, header):
    """A table with blanks between its numbers."""
    np.savetxt(path, np.array([K, K**-2]).T, fmt="%24.16e")
    path.write_text(header + path.read_text())
    return path


@pytest.mark.parametrize(
    "header",
    [CLASS.format(z="0", unit="h/Mpc"), "#          k/h    P\n", "# k power\n"],
    ids=["CLASS", "CAMB", "numpy"],
)
def test_tables_as_boltzmann_codes_write_them(tmp_path, header):
    power = linear_power("table", table=of_boltzmann_code(tmp_path / "pk.dat", header))
    np.testing.assert_array_equal(power.k, K)
    np.testing.assert_array_equal(power.power, K**-2)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (CLASS.format(z="3", unit="h/Mpc"), "z = 3 in the header: must be the power today, z = 0"),
        ("# redshift: 0.5\n# k power\n", "z = 0.5 in the header"),
        (CLASS.format(z="0", unit="1/Mpc"), "k: 1/Mpc in the header: must be h/Mpc"),
        ("# power: Mpc^3\n# k power\n", "power: Mpc^3 in the header: must be (Mpc/h)^3"),
        ("# k\n", "line 2: no column k, power"),
    ],
)
def test_tables_of_another_redshift_or_unit_are_refused(tmp_path, header, message):
    with pytest.raises(InputError, match=re.escape(message)):
        linear_power("table", table=of_boltzmann_code(tmp_path / "pk.dat", header))


@pytest.mark.parametrize(
    ("k", "power", "message"),
    [
        (K[:7], K[:7], "table of shape (7,): must hold at least 8 rows of k and power"),
        (K[[0, 2, 1, *range(3, 40)]], K, "line 4: k = 0.00126638: must be larger than 0.00160372, the one before"),
        (np.r_[0, K[1:]], K, "line 2: k = 0: must be positive, and below 1e+30"),
        (K, np.r_[K[:-1], 0], "line 41: power = 0: must be positive"),
        (K, np.r_[K[:-1], np.inf], "line 41: power = inf: must be a finite number"),
    ],
)
def test_bad_tables(tmp_path, k, power, message):
    path = write_table(tmp_path / "power.csv", k, power)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}(: |, ){re.escape(message)}$"):
        linear_power("table", table=path)


def test_a_table_is_read_once(tmp_path, monkeypatch):
    """Numbers, units and redshift are then of one state of a file that another program writes."""
    read = []
    monkeypatch.setattr("gpu_fdm.io.tables.content_of", lambda path, most: read.append(path) or content_of(path, most))
    path = write_table(tmp_path / "power.csv", K, K)
    linear_power("table", table=path)
    assert read == [path]


def test_missing_table(tmp_path):
    for path, message in ((tmp_path / "none.csv", "no such file"), (tmp_path, "is a folder, must be a file")):
        with pytest.raises(InputError, match=re.escape(f"{path}: {message}")):
            linear_power("table", table=path)


def test_unknown_name():
    assert list(SOURCES) == ["camb", "eisenstein_hu", "table"]
    with pytest.raises(InputError, match=r"^linear_power = class: must be one of camb, eisenstein_hu, table$"):
        linear_power("class")


@pytest.mark.parametrize(("name", "table"), [("table", None), ("camb", "power.csv")])
def test_table_goes_with_its_name(name, table):
    message = (
        f"linear_power_table = {table or '(empty)'}: must be given with linear_power = table, and only then "
        f"(linear_power = {name})"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        linear_power(name, table=table)


# parameters


def test_default_parameters_are_exact():
    p = CosmologicalParameters()
    assert (p.h, p.omega_m, p.omega_b_h2, p.omega_c_h2, p.m_nu) == (0.6731, 0.314649, 0.02222, 0.1197, 0.06)
    assert (p.n_s, p.ln10As) == (0.9655, 3.089)


@pytest.mark.parametrize(("omega_m", "h", "m_nu"), [(0.3, 0.7, 0.0), (0.314649, 0.6731, 0.06), (1.0, 0.5, 0.3)])
def test_cold_dark_matter_is_what_is_left(omega_m, h, m_nu):
    p = CosmologicalParameters(h=h, omega_m=omega_m, omega_c_h2=None, m_nu=m_nu)
    assert p.omega_b_h2 + p.omega_c_h2 + p.omega_nu_h2 == pytest.approx(omega_m * h**2, rel=1e-14)
    # and given back it is accepted
    assert CosmologicalParameters(h=h, omega_m=omega_m, omega_c_h2=p.omega_c_h2, m_nu=m_nu) == p


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"h": 67.31}, "h = 67.31: must be a number in [0.2, 2]"),
        ({"omega_m": 1.2}, "omega_m = 1.2: must be a number in [0.001, 1]"),
        ({"omega_b_h2": 0.0}, "omega_b_h2 = 0.0: must be a number in [0.005, 0.1]"),
        ({"omega_c_h2": -0.1}, "omega_c_h2 = -0.1: must be a number in [0.001, 4]"),
        ({"m_nu": -1}, "m_nu = -1: must be a number in [0, 5]"),
        ({"n_s": "one"}, "n_s = one: must be a number in [0.5, 1.5]"),
        ({"ln10As": np.nan}, "ln10As = nan: must be a number in [0, 6]"),
        (
            {"omega_m": 0.3},
            "omega_m = 0.3: must be 0.314667, to which omega_b_h2 = 0.02222, omega_c_h2 = 0.1197 and m_nu = 0.06 eV "
            "add up for h = 0.6731; or give omega_c_h2 = 0.113055, or leave omega_c_h2 empty",
        ),
        (
            {"omega_m": 0.04, "omega_c_h2": None},
            "omega_m = 0.04: must be larger: it leaves omega_c_h2 = -0.00474165 beside omega_b_h2 = 0.02222 and "
            "m_nu = 0.06 eV for h = 0.6731",
        ),
    ],
)
def test_bad_parameters(values, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        CosmologicalParameters(**values)


# the cache


def expected_power(shipped, k):
    """What Runs gives for OTHER."""
    return shipped(k.clip(shipped.k_min)) * (k * 0.68 / 0.05) ** (0.97 - 0.9655)


INTERPOLATED = 2e-3  # between waves, of another cosmology than the fit is of
OTHER = CosmologicalParameters(h=0.68, omega_c_h2=None, n_s=0.97)


class Runs:
    """A stand-in for the waves that CAMB follows, which records their largest wavenumbers [h/Mpc]."""

    def __init__(self, background):
        self.background, self.k_max, self.shipped = background, [], linear_power("camb")

    def __call__(self, parameters):
        return Result(self, self.background(parameters), parameters)


class Result:
    """The background of CAMB, with waves of the shipped power."""

    def __init__(self, runs, background, parameters):
        self.runs, self.background, self.parameters = runs, background, parameters

    def get_redshift_evolution(self, waves, redshifts, names, lAccuracyBoost):
        assert redshifts == [0.0] and names == ["delta_tot"]
        k, primordial = waves / self.parameters.h, self.parameters.InitPower
        self.runs.k_max.append(round(k[-1], 9))
        curvature = primordial.As * (waves / 0.05) ** (primordial.ns - 1)
        contrast = self.runs.shipped(k.clip(self.runs.shipped.k_min)) * k**3 / (2 * np.pi**2)
        return np.sqrt(contrast / curvature)[:, None, None]

    def get_background_redshift_evolution(self, *arguments, **options):
        return self.background.get_background_redshift_evolution(*arguments, **options)


@pytest.fixture
def runs(monkeypatch):
    camb = pytest.importorskip("camb")
    runs = Runs(camb.get_background)
    monkeypatch.setattr(camb, "get_background", runs)
    return runs


def test_computed_once(tmp_path, runs, caplog):
    folder = tmp_path / "new" / "cache"
    with caplog.at_level(logging.INFO):
        k, power, source = camb_power(OTHER, folder)
    assert 0.6 < runs.k_max[0] <= 0.7 and runs.k_max[1:] == [12.0]
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"] and "h = 0.68" in caplog.text
    assert np.all(np.diff(k) > 0) and k[-1] > 2000
    expected = expected_power(runs.shipped, k.clip(runs.shipped.k_min, 2680))
    np.testing.assert_allclose(power, expected, rtol=0.03)
    np.testing.assert_allclose(power[k < 0.6], expected[k < 0.6], rtol=INTERPOLATED)
    again = camb_power(OTHER, folder)
    assert len(runs.k_max) == 2 and again[2] == source
    np.testing.assert_array_equal(again[0], k)  # the first call returns what later ones read
    np.testing.assert_array_equal(again[1], power)
    (file,) = folder.iterdir()  # nothing else is left
    text = file.read_text()
    assert f"# {recipe(evolve(OTHER, n_s=0.9655))}\n# computed by CAMB " in text
    # the file is a table too, for another program or for linear_power = table
    table = linear_power("table", table=file)
    np.testing.assert_array_equal(table.k, again[0])


def test_every_parameter_of_the_transfer_function_counts(tmp_path, runs):
    several = [
        OTHER,
        CosmologicalParameters(h=0.6732, omega_c_h2=None),
        CosmologicalParameters(omega_b_h2=0.0223, omega_c_h2=None),
        CosmologicalParameters(m_nu=0.07, omega_c_h2=None),
    ]
    for parameters in several:
        camb_power(parameters, tmp_path)
    assert len(list(tmp_path.iterdir())) == len(several) and len(runs.k_max) == 2 * len(several)
    # another primordial power is rescaled; omega_m alone, within its tolerance, is no other power
    for parameters in (evolve(OTHER, ln10As=3.0), evolve(OTHER, n_s=1.0), evolve(OTHER, omega_m=0.31466)):
        camb_power(parameters, tmp_path)
    assert len(runs.k_max) == 2 * len(several)


def test_tables_of_earlier_versions_are_read(tmp_path, runs):
    """Their recipe is another, and their names are digests of the whole of it."""
    camb_power(OTHER, tmp_path)
    (new,) = tmp_path.iterdir()
    lines = new.read_text().splitlines()
    old = lines[1].removeprefix("# ").partition("waves")[0].replace("n_s = 0.9655", "n_s = 0.9")
    old += "k_per_logint and AccuracyBoost: 50 and 2.0 to 5.0 h/Mpc, 3 and 0.5 to 2000.0 h/Mpc"
    new.unlink()
    (tmp_path / f"camb_{digest_of(old)[:16]}.csv").write_text("\n".join([lines[0], f"# {old}", *lines[2:], ""]))
    number = len(runs.k_max)
    k, power, source = camb_power(OTHER, tmp_path)
    assert len(runs.k_max) == number and len(list(tmp_path.iterdir())) == 1
    assert source.endswith("n_s = 0.97, ln10As = 3.089; " + old.partition("; ")[2])
    expected = runs.shipped(k[k < 0.7].clip(runs.shipped.k_min)) * (k[k < 0.7] * 0.68 / 0.05) ** 0.07
    np.testing.assert_allclose(power[k < 0.7], expected, rtol=INTERPOLATED)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-30],
        lambda text: text.replace(",", ";", 20),
        lambda text: text.replace("n_s = 0.9655", "n_s = 0.98"),
        lambda text: "",
        lambda text: "\udcff",
    ],
)
def test_damaged_file_is_computed_again(tmp_path, runs, caplog, spoil):
    k, power, _ = camb_power(OTHER, tmp_path)
    (file,) = tmp_path.iterdir()
    good = file.read_text()
    file.write_bytes(spoil(good).encode(errors="surrogateescape"))
    assert file.read_bytes() != good.encode()
    caplog.clear()  # of what the first call may say, by what other tests have set
    with caplog.at_level(logging.WARNING):
        again = camb_power(OTHER, tmp_path)
    assert len(runs.k_max) == 4 and len(caplog.records) == 1
    assert str(file) in caplog.text and "the linear power is computed again" in caplog.text
    np.testing.assert_array_equal(again[:2], (k, power))
    assert file.read_text() == good


def test_folder_that_cannot_be_written(tmp_path, runs, caplog):
    (tmp_path / "file").write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        k, power, _ = camb_power(OTHER, tmp_path / "file" / "cache")
    np.testing.assert_allclose(power[k < 0.7], expected_power(runs.shipped, k[k < 0.7]), rtol=INTERPOLATED)
    assert (
        len(caplog.records) == 1
        and "csv: cannot be written: Not a directory (the linear power is not cached" in caplog.text
    )


def test_full_disk_leaves_nothing_behind(tmp_path, runs, caplog, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with caplog.at_level(logging.WARNING):
        camb_power(OTHER, tmp_path)
    assert (
        list(tmp_path.iterdir()) == []
        and "cannot be written: No space left on device (" in caplog.text
        and len(caplog.records) == 1
    )


@pytest.mark.parametrize(
    ("cache", "expected"),
    [("{}/xdg", "xdg/gpu_fdm"), ("", "me/.cache/gpu_fdm"), ("relative", "me/.cache/gpu_fdm")],
)
def test_users_cache_folder(tmp_path, runs, monkeypatch, cache, expected):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", cache.format(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    linear_power("camb", OTHER)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert file.parent == tmp_path / expected


def test_no_home(runs, caplog, monkeypatch):
    def unknown(number):
        raise KeyError(number)

    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with caplog.at_level(logging.WARNING):
        k, power, _ = camb_power(OTHER)
    np.testing.assert_allclose(power[k < 0.7], expected_power(runs.shipped, k[k < 0.7]), rtol=INTERPOLATED)
    assert len(caplog.records) == 1 and "no home and no $XDG_CACHE_HOME" in caplog.text


def test_without_camb(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "camb", None)
    message = (
        "linear_power = camb: CAMB is not installed, and only the table of the default cosmology is shipped: "
        "pip install camb, or choose linear_power = eisenstein_hu or table"
    )
    with pytest.raises(RunError, match=f"^{re.escape(message)}$"):
        camb_power(OTHER, tmp_path)


def test_parameters_that_camb_refuses(tmp_path, monkeypatch):
    camb = pytest.importorskip("camb")

    def refuse(*arguments):
        raise camb.CAMBError("no such\nuniverse")

    monkeypatch.setattr(camb, "get_background", refuse)
    with pytest.raises(InputError, match=r"^linear_power = camb: CAMB refuses flat, h = 0\.68, .*: no such universe$"):
        camb_power(OTHER, tmp_path)
    assert list(tmp_path.iterdir()) == []
