"""Predictions over ranges of redshift and omega_m beside predictions that are prepared there."""

from dataclasses import replace

import numpy as np
import pytest
from attrs import evolve

from gpu_fdm import InputError, parse_config
from gpu_fdm.inference.likelihood import Likelihood
from gpu_fdm.inference.measured import Measured
from gpu_fdm.inference.posterior import Posterior
from gpu_fdm.inference.prediction import Prediction
from gpu_fdm.inference.ranges import ERROR, PredictionRange

K = np.geomspace(1, 200, 20)
TEXT = "[cosmology]\nlinear_power = eisenstein_hu\n[population]\n[one_filament]\n[wavefunction]\n"
M22 = np.array([2.0, 4.0])


def in_universe(omega_m, text=TEXT):
    config = parse_config(text)
    return replace(config, cosmology=evolve(config.cosmology, name=None, omega_m=omega_m))


@pytest.fixture(scope="module")
def ranged():
    return PredictionRange.of(parse_config(TEXT), (0.27, 0.36), 5.5, K)


def same(predicted, direct, error=ERROR):
    assert predicted.redshift == pytest.approx(direct.redshift, abs=1e-12)
    for name in ("linear_cdm", "linear_fdm", "one_filament_fdm", "one_filament_smooth", "one_filament_classical"):
        np.testing.assert_allclose(getattr(predicted, name), getattr(direct, name), rtol=error, err_msg=name)
    for over in ("smooth", "n-body", "cdm", "wdm", "linear-cdm"):
        np.testing.assert_allclose(predicted.boost(over), direct.boost(over), rtol=error, err_msg=over)


@pytest.mark.parametrize("omega_m", [0.27, 0.283, 0.3402, 0.36])
def test_a_prediction_of_that_omega_m(ranged, omega_m):
    """Measured: 5e-6 of the linear power, 2e-6 of P_1f."""
    same(ranged(M22, omega_m=omega_m), Prediction.of(in_universe(omega_m), 5.5, K)(M22), 2e-5)


def test_other_arguments_are_those_of_a_prediction(ranged):
    values = {"sigma8": 0.8, "n_s": 0.97, "mass_min": 4e9, "filament_fraction": 0.7}
    direct = Prediction.of(in_universe(0.295), 5.5, K)
    same(ranged(M22, omega_m=0.295, **values), direct(M22, **values), 2e-5)
    same(ranged(M22, omega_m=0.295, ln10As=3.1), direct(M22, ln10As=3.1), 2e-5)
    assert ranged(M22).boost("cdm").shape == (2, 20)  # at the middle of the range
    same(ranged(M22), Prediction.of(in_universe(0.315), 5.5, K)(M22), 2e-5)


def test_a_range_of_redshift_and_another_barrier():
    text = TEXT.replace("[population]", "[population]\nellipticity = collapse")
    ranged = PredictionRange.of(parse_config(text), 0.31, (4.5, 5.5), K)
    for redshift in (4.5, 4.83, 5.4):
        same(ranged(M22, redshift=redshift), Prediction.of(in_universe(0.31, text), redshift, K)(M22), 2e-5)


def test_how_far_it_is(caplog, monkeypatch):
    """On a terminal a bar, which is of the same steps."""
    monkeypatch.setattr("gpu_fdm.pipeline.progress._LOG_EVERY", 0.0)
    with caplog.at_level("INFO", "gpu_fdm"):
        PredictionRange.of(parse_config(TEXT), (0.3, 0.31), 4.0, K)
    lines = [record.getMessage() for record in caplog.records if "cosmologies of the range" in record.getMessage()]
    assert [line.partition(",")[0] for line in lines] == [f"cosmologies of the range: {n} of 7" for n in range(1, 8)]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"omega_m": 0.2}, r"omega_m = 0.2: must be in \[0.27, 0.36\], which was prepared"),
        ({"omega_m": np.nan}, r"omega_m = nan: must be in \[0.27, 0.36\]"),
        ({"redshift": 5.0}, r"redshift = 5: must be in \[5.5, 5.5\], which was prepared"),
    ],
)
def test_values_beyond_the_range(ranged, values, says):
    with pytest.raises(InputError, match=says):
        ranged(2.0, **values)


@pytest.mark.parametrize(
    ("omega_m", "redshift", "says"),
    [
        ((0.2, 0.5), 5.5, r"range of omega_m, 0.2 to 0.5: must be at most 0.2 wide in omega_m, not 0.3"),
        ((0.4, 0.3), 5.5, r"range of omega_m, 0.4 to 0.3: must not fall, from 0.001 on"),
        (0.3, (2.0, 6.0), r"range of redshift, 2 to 6: must be at most 0.6 wide in ln\(1 \+ z\), not 0.847"),
        (0.3, (-0.5, 0.0), r"range of redshift, -0.5 to 0: must not fall, from 0 on"),
    ],
)
def test_ranges_that_are_refused(omega_m, redshift, says):
    with pytest.raises(InputError, match=says):
        PredictionRange.of(parse_config(TEXT), omega_m, redshift, K)


@pytest.mark.parametrize("prior", ["uniform(0.28, 0.34)", "normal(0.31, 0.008)", "0.305"])
def test_a_fit_finds_omega_m(prior):
    """The best fit of a table without noise is what made it; the pull of a Gaussian prior moves it a little."""
    power = Prediction.of(in_universe(0.305), 5.5, K)(2.5).matter_fdm
    table = Measured("table", "power", 5.5, K, power, 1e-3 * np.eye(len(K)), True, lambda found: found.matter_fdm)
    config = parse_config(TEXT + f"[fit]\nm22 = log_uniform(1.5, 4)\nomega_m = {prior}\n")
    best = Posterior.of(Likelihood.of(config, [table]), config.fit).best
    assert best.values["omega_m"] == pytest.approx(0.305, abs=1e-4)
    assert best.values["m22"] == pytest.approx(2.5, rel=2e-3)
    assert ("omega_m" in best.posterior.names) == (not prior.startswith("0"))


def test_a_prior_that_is_too_wide():
    config = parse_config(TEXT + "[fit]\nomega_m = normal(0.31, 0.05)\n", "mine.ini")
    table = Measured("table", "power", 5.5, K, K, np.eye(len(K)), True, lambda found: found.matter_fdm)
    with pytest.raises(InputError, match=r"mine.ini: \[fit\] range of omega_m, 0.11 to 0.51: must be at most 0.2 wide"):
        Likelihood.of(config, [table])
