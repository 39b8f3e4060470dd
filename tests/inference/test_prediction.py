"""Predictions beside sums over states, closed forms and limits; speed is in benchmarks/prediction.py."""

import numpy as np
import pytest
from direct_spectra import direct_spectrum
from locations import REPOSITORY

import gpu_fdm
from gpu_fdm import InputError, parse_config, transfer, variance
from gpu_fdm.commands.main import main
from gpu_fdm.inference.likelihood import Likelihood
from gpu_fdm.inference.model_keys import model_in_words
from gpu_fdm.inference.prediction import Prediction
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.population_filaments import classical_spectrum
from gpu_fdm.spectra.one_filament import DEEPEST
from gpu_fdm.units import mean_matter_density

REFERENCE = np.loadtxt(REPOSITORY / "tests" / "data" / "similarity_P1f.csv", delimiter=",")
CASES = np.unique(REFERENCE[:, :4], axis=0)
DIRECT = np.loadtxt(REPOSITORY / "tests" / "data" / "one_filament_direct.csv", delimiter=",")
DIRECT_CASES = np.unique(DIRECT[:, :5], axis=0)
K = np.geomspace(1, 300, 40)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache folder of these tests; the linear power of the default cosmology comes with the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def prediction(cache):
    return Prediction.of(config_of(), 4.0, K)


def config_of(text="", population="", wave="", cosmology=""):
    return parse_config(
        f"[cosmology]\n{cosmology}\n[population]\n{population}\n[wavefunction]\n{wave}\n[one_filament]\n{text}\n"
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"m22 = {case[0]:g}, z = {case[1]:g}")
def test_sums_over_states_that_were_computed_independently(case):
    m22, redshift, low, high = case.tolist()
    rows = REFERENCE[(REFERENCE[:, :4] == case).all(1)]
    rows = rows[rows[:, 5] > DEEPEST * rows[0, 5]]
    large = rows[:, 7] > DEEPEST * rows[0, 7]
    config = config_of(f"mode_mass = scaled\nmass_min = {low}\nmass_max = {high}")
    predicted = Prediction.of(config, redshift, rows[:, 4])(m22)
    np.testing.assert_allclose(predicted.one_filament_fdm, rows[:, 5], rtol=5e-4)
    np.testing.assert_allclose(predicted.one_filament_smooth[large], rows[large, 7], rtol=5e-4)


@pytest.mark.parametrize("case", DIRECT_CASES, ids=lambda case: f"m22 = {case[0]:g}, z = {case[1]:g}")
def test_sums_over_states_of_the_program(case):
    """Default choices, both ellipticities, nu from 1.7 to 13; computed by direct_spectra.direct_spectrum."""
    m22, redshift, collapse, low, high = case.tolist()
    rows = DIRECT[(DIRECT[:, :5] == case).all(1)]
    config = config_of(f"mass_min = {low}\nmass_max = {high}", "ellipticity = collapse" if collapse else "")
    rows = rows[rows[:, 6] > DEEPEST * rows[0, 6]]
    predicted = Prediction.of(config, redshift, rows[:, 5])(m22)
    np.testing.assert_allclose(predicted.one_filament_fdm, rows[:, 6], rtol=1.5e-4)
    large = rows[:, 7] > DEEPEST * rows[0, 7]
    np.testing.assert_allclose(predicted.one_filament_smooth[large], rows[large, 7], rtol=5e-4)


@pytest.mark.parametrize("mode_mass", ["completed", "scaled", "as_is"])
def test_the_direct_route(mode_mass):
    """Light bosons, whose filaments have few states: those are the cheapest and the worst for the table."""
    check_direct(config_of(f"mode_mass = {mode_mass}\nmass_min = 5e9", "m22 = 0.8", cosmology="redshift = 5"), 0.8)


def test_the_direct_route_where_modes_do_not_describe_filaments():
    """nu from 0.73 on: what is numerical is as small, but 7e-4 without fringes at 1e-7 P(0)."""
    check_direct(config_of("mode_mass = scaled", "m22 = 0.6", cosmology="redshift = 5"), 0.6, of_smooth=1e-3)


def check_direct(config, m22, of_smooth=5e-4):
    direct = direct_spectrum(config, m22, K, 4)
    assert direct.error < 2e-4
    predicted = Prediction.of(config, k=K)(m22)
    good, large = (spectrum > DEEPEST * spectrum[0] for spectrum in (direct.fdm, direct.smooth))
    assert np.all(np.abs(predicted.one_filament_fdm - direct.fdm)[good] < predicted.one_filament_fdm_error[good])
    np.testing.assert_allclose(predicted.one_filament_fdm_error[good], 5e-4 * predicted.one_filament_fdm[good])
    np.testing.assert_allclose(predicted.one_filament_smooth[large], direct.smooth[large], rtol=of_smooth)


def test_filaments_of_particles(prediction):
    config = config_of()
    population = Inputs(config).population
    for m22, found in ((2.0, prediction(2.0).one_filament_classical), (None, prediction(2.0))):
        direct = classical_spectrum(config, population, K, m22, population.mass_function(m22))
        if m22 is None:  # relative to all matter
            relative = (direct.density / mean_matter_density(config.cosmology.omega_m)) ** 2
            np.testing.assert_allclose(found.matter("cdm") - found.linear_cdm, relative * direct.power, rtol=1e-4)
        else:
            np.testing.assert_allclose(found, direct.power, rtol=5e-5)


def test_warm_dark_matter_of_the_same_half_mode(prediction, tmp_path):
    """Beside a population whose cut-off is a table of Viel's formula."""
    h, half_mode = 0.6731, prediction.prepared.cut_off(2.0).half_mode("amplitude")
    k = np.geomspace(1e-3, 2000, 4000)
    alpha = np.expm1(np.log(2) * 1.12 / 5) ** (1 / 2.24) / half_mode
    cut = (1 + (alpha * k) ** 2.24) ** (-5 / 1.12)
    np.savetxt(tmp_path / "t.csv", np.transpose([k, cut]), delimiter=",", header="k,transfer", comments="")
    config = config_of("normalisation = matter", f"m22 = 2\ntransfer = table\ntransfer_table = {tmp_path / 't.csv'}")
    population = Inputs(config).population
    direct = classical_spectrum(config, population, K, 2.0, population.mass_function(2.0))
    found = prediction(2.0)
    linear = found.linear_cdm * transfer("table", h=h, table=tmp_path / "t.csv")(K) ** 2
    np.testing.assert_allclose(found.matter("wdm"), linear + direct.power, rtol=1e-4)
    assert transfer("table", h=h, table=tmp_path / "t.csv")(half_mode) == pytest.approx(0.5, rel=1e-6)


def test_parts_add_up_and_boosts_are_ratios(prediction):
    both, one = prediction([1.0, 2.0]), prediction(2.0)
    np.testing.assert_array_equal(both.one_filament_fdm[1], one.one_filament_fdm)
    assert both.linear_fdm.shape == (2, len(K)) and both.linear_cdm.shape == K.shape
    total = one.one_filament_smooth + one.one_filament_interference - one.one_filament_self_term
    np.testing.assert_allclose(one.one_filament_fdm, total, rtol=1e-13)
    relative = one.filament_share**2  # from the filaments to all matter
    np.testing.assert_allclose(one.matter_fdm, one.linear_fdm + relative * one.one_filament_fdm, rtol=1e-13)
    smooth = one.linear_fdm + relative * one.one_filament_smooth
    np.testing.assert_allclose(one.boost("smooth"), one.matter_fdm / smooth, rtol=1e-13)
    np.testing.assert_allclose(one.boost("linear-cdm"), one.matter_fdm / one.linear_cdm, rtol=1e-13)
    for over in prediction.denominators:
        assert both.boost(over).shape == (2, len(K)) and np.all(both.boost(over) > 0)
    # a heavy boson is cold, and so is warm dark matter of its half mode
    heavy = prediction(60.0)
    for over in prediction.denominators[:-1]:
        np.testing.assert_allclose(heavy.boost(over)[K < 4], 1, atol=2e-2)


def test_linear_power_is_rescaled_exactly(prediction):
    """As another config has it, whose linear power is computed anew."""
    text = "linear_power = eisenstein_hu\n"
    k = np.geomspace(1, 90, 20)
    changed = Prediction.of(parse_config(f"[cosmology]\n{text}ln10As = 3.2\nn_s = 0.98\n"), 4.0, k)
    base = Prediction.of(parse_config(f"[cosmology]\n{text}"), 4.0, k)
    one, other = changed(2.0), base(2.0, ln10As=3.2, n_s=0.98)
    np.testing.assert_allclose(one.linear_cdm, other.linear_cdm, rtol=1e-12)
    np.testing.assert_allclose(one.one_filament_fdm, other.one_filament_fdm, rtol=1e-5)
    # sigma8 is that of the amplitude: the square goes as A_s
    low, high = (base(2.0, sigma8=value) for value in (0.7, 0.8))
    np.testing.assert_allclose(high.linear_cdm / low.linear_cdm, (0.8 / 0.7) ** 2, rtol=1e-12)
    radius = 8.0
    mass = 4 * np.pi / 3 * mean_matter_density(0.314649) * radius**3
    sigma8 = float(variance(base.prepared.power, transfer("cdm", h=0.6731), "top_hat", mass_min=1e14)(mass)) ** 0.5
    np.testing.assert_allclose(base(2.0, sigma8=sigma8).linear_cdm, base(2.0).linear_cdm, rtol=1e-5)


@pytest.mark.parametrize("name", ["m22", "ln10As", "n_s", "mass_min", "mass_max", "sigma8"])
def test_derivatives_by_small_steps(prediction, name):
    """Steps of 1e-5 and of 1e-3 agree: there is no noise."""
    at = {"m22": 2.2, "ln10As": 3.089, "n_s": 0.9655, "mass_min": 3e9, "mass_max": 3e10, "sigma8": 0.82}[name]

    def log_power(step):
        arguments = {name: at * np.exp(step)}
        return np.log(prediction(**({"m22": 2.2} | arguments)).one_filament_fdm)

    small, large = ((log_power(step) - log_power(-step)) / (2 * step) for step in (1e-5, 1e-3))
    np.testing.assert_allclose(small, large, rtol=2e-3, atol=2e-4 * np.abs(large).max())


def test_the_fraction_of_filaments_and_the_window(prediction):
    full, half = prediction(2.0), prediction(2.0, filament_fraction=0.5)
    np.testing.assert_allclose(half.one_filament_fdm, full.one_filament_fdm / 2, rtol=1e-13)
    # windows add up, relative to all matter
    config = config_of("normalisation = matter")
    whole = Prediction.of(config, k=K)
    parts = [whole(2.0, mass_min=low, mass_max=high).one_filament_fdm for low, high in ((3e9, 1e10), (1e10, 3e10))]
    np.testing.assert_allclose(sum(parts), whole(2.0).one_filament_fdm, rtol=1e-6)


def test_published_fits():
    config = config_of("mass_function = published\nshape = published\nmode_mass = scaled")
    prediction = Prediction.of(config, k=K)
    assert "cdm" not in prediction.denominators and "wdm" not in prediction.denominators
    direct = direct_spectrum(config, 1.0, K, 2)
    np.testing.assert_allclose(prediction(1.0).one_filament_fdm, direct.fdm, rtol=2e-2)  # 5 masses
    with pytest.raises(InputError, match="boost over cdm: must be over one of smooth, n-body, linear-cdm"):
        prediction(1.0).boost("cdm")


def test_an_epoch_is_kept(caplog, monkeypatch):
    config = config_of(population="freeze_out = bond_myers")
    first = Prediction.of(config, k=K)(1.5).one_filament_fdm
    monkeypatch.setattr("gpu_fdm.population.epoch.collapse_barrier", None)
    np.testing.assert_array_equal(Prediction.of(config, k=K)(1.5).one_filament_fdm, first)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"m22": 0.2}, r"m22 = 0.2: nu = .*: must be in \[0.5, inf\], as the table has it"),
        ({"m22": 0.0}, r"m22 = 0.0: must be a number in \[1e-06, 1e\+06\]"),
        ({"m22": 2.0, "ln10As": 3.0, "sigma8": 0.8}, "sigma8 = 0.8, ln10As = 3: must be one of the two"),
        ({"m22": 2.0, "n_s": np.nan}, "n_s = nan: must be finite"),
        ({"m22": 2.0, "sigma8": -1.0}, "sigma8 = -1: must be > 0 and finite"),
        ({"m22": 2.0, "mass_min": 1e7}, r"mass_min = 1e\+07, mass_max = 3e\+10: must increase within"),
        ({"m22": 2.0, "ln10As": 6.0}, r"S\(M\) = .*: must be at most .*, up to which the barrier is known"),
        ({"m22": 2.0, "filament_fraction": -1.0}, "filament_fraction = -1: must be >= 0"),
    ],
)
def test_calls_that_are_refused(prediction, arguments, says):
    with pytest.raises(InputError, match=says):
        prediction(**arguments)


def test_k_beyond_the_fringes():
    prediction = Prediction.of(parse_config(""), 4.0, [1.0, 1900.0])
    with pytest.raises(InputError, match=r"m22 = 0.8: k = 1900 h/Mpc: must be at most \d+"):
        prediction(0.8)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (config_of(wave="weights = poisson"), r"\[wavefunction\] weights = poisson: must be wkb"),
        (config_of(wave="axial = thermal"), r"\[wavefunction\] axial = thermal: must be coherent"),
        (
            config_of(wave="energy_cut = 0.9"),
            r"energy_cut = 0.9, beta = 0: .* gpu-fdm tabulate similarity --energy-cut 0.9 --output FILE",
        ),
        (config_of("shape = published", cosmology="redshift = 5"), r"redshift = 5: must be 4 where .* shape"),
        (config_of(cosmology="redshift = 60"), "must be"),
    ],
)
def test_configs_that_are_refused(config, says):
    with pytest.raises(InputError, match=says):
        Prediction.of(config, k=K)


def test_wavenumbers_that_are_refused():
    for k, says in (
        ([2.0, 1.0], "that increase"),
        ([-1.0, 1.0], "positive"),
        ([1.0, 1e5], "linear power"),
    ):
        with pytest.raises(InputError, match=says):
            Prediction.of(parse_config(""), 4.0, k)


def test_a_forecast_is_refused_at_other_k_than_those_of_its_bins(prediction):
    with pytest.raises(InputError, match="must be made at the k of the bins"):
        gpu_fdm.forecast(prediction, gpu_fdm.Bins(30, 300), 2.2, {})


def test_a_forecast_whose_search_meets_what_cannot_be_predicted():
    """With A_s free the search of WDM tries filaments beyond the table. Searches from 40 starts find no less."""
    bins = gpu_fdm.Bins(10, 100, 0.2, 0.02)
    config = parse_config("[cosmology]\nlinear_power = eisenstein_hu\nredshift = 5\n")
    priors = {"ln10As": np.inf, "n_s": 0.01, "filament_fraction": np.inf}
    found = gpu_fdm.forecast(Prediction.of(config, k=bins.k), bins, 2.0, priors)
    assert found.against_wdm == pytest.approx(671.6, abs=1) and found.against_wdm_without == pytest.approx(608, abs=1)


def test_a_likelihood_takes_omega_m_with_a_prior_alone(prediction):
    with pytest.raises(InputError, match=r"omega_m: must have a prior in \[fit\]"):
        Likelihood((), {4.0: prediction})(m22=2.2, omega_m=0.3)


def test_sigma8_of_the_config():
    k, text = np.array([5.0, 20.0]), "[cosmology]\nredshift = 4\n{}\n[population]\nmass_min = 1e8\n"
    given = Prediction.of(parse_config(text.format("sigma8 = 0.8")), k=k)
    default = Prediction.of(parse_config(text.format("")), k=k)
    assert given.prepared.power.ln10As == pytest.approx(3.01257, abs=1e-5)
    for arguments, same in (
        ({}, {"sigma8": 0.8}),
        ({"n_s": 1.0}, {"n_s": 1.0, "sigma8": 0.8}),
        *[({"ln10As": 3.0},) * 2],
    ):
        ours, theirs = given(1.0, **arguments), default(1.0, **same)
        np.testing.assert_allclose(ours.matter_fdm, theirs.matter_fdm, rtol=1e-7)


def test_without_a_section_of_filaments_spectra_are_relative_to_all_matter(tmp_path):
    """As those of gpu-fdm predict, whose table says so, and as its header has it."""
    made, config = tmp_path / "made.csv", parse_config("")
    main(["predict", "--m22", "1.3", "--points", str(len(K)), "--output", str(made), "--dpi", "0"])
    lines = [line for line in made.read_text().splitlines() if not line.startswith("#")]
    column = np.genfromtxt(lines, delimiter=",", names=True)["one_filament_fdm"]
    one = Prediction.of(config, 4.0, K)(1.3)
    np.testing.assert_allclose(one.one_filament_fdm, column, rtol=1e-12)
    np.testing.assert_allclose(one.linear_fdm + one.one_filament_fdm, one.matter_fdm, rtol=1e-13)
    assert "normalisation = matter" in model_in_words(config)["one_filament"]
