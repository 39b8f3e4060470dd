"""Power along the axis of a filament, coherent and with thermal momenta: norms, limits, and a convolution by hand."""

import numpy as np
import pytest
from scipy.special import erf

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.filament.axial import AxialModes, axial_dispersion
from gpu_fdm.pipeline.model import build_model
from gpu_fdm.pipeline.run import run
from gpu_fdm.spectra.axial import AxialWindow
from gpu_fdm.spectra.single_filament import orientation_average, single_power

LENGTH, SHARPNESS = 1.16, 8.6
INI = "[run]\nbackend = cpu\n[filament]\n[wavefunction]\naxial = {}\n"


@pytest.fixture(scope="module")
def models():
    return {axial: build_model(parse_config(INI.format(axial))) for axial in ("coherent", "thermal")}


@pytest.mark.parametrize("dispersion", [0.0, 1.0, 30.0, 105.0])
def test_both_spread_the_same_power(dispersion):
    """int A L dk/(2 pi) = int E(z)^2 dz/L, the same for any momenta: 1 for hard ends."""
    k = np.linspace(-1000, 1000, 4001)
    total = np.trapezoid(AxialWindow(LENGTH, SHARPNESS, dispersion).power(k), k) * LENGTH / (2 * np.pi)
    z = np.linspace(-3, 3, 60001)
    ends = 0.5 * (1 + erf(SHARPNESS * (LENGTH / 2 - np.abs(z))))
    assert total == pytest.approx(np.trapezoid(ends**2, z) / LENGTH, rel=1e-10)
    hard = np.trapezoid(AxialWindow(LENGTH, 100.0, dispersion).power(k), k) * LENGTH / (2 * np.pi)
    assert hard == pytest.approx(1, abs=7e-3)  # sqrt(2/pi) over sharpness and length


@pytest.mark.parametrize("dispersion", [1.0, 5.0, 30.0, 105.0])
def test_thermal_is_the_coherent_window_convolved(dispersion):
    p = np.linspace(-2000, 2000, 400001)
    spread = np.exp(-((p / dispersion) ** 2) / 4) / (2 * np.sqrt(np.pi) * dispersion)
    coherent, thermal = (AxialWindow(LENGTH, SHARPNESS, d) for d in (0.0, dispersion))
    for k in (0.0, 3.0, 50.0, 200.0):
        expected = np.trapezoid(spread * coherent.power(k - p), p)
        assert float(thermal.power(k)) == pytest.approx(expected, rel=1e-9, abs=1e-10 * float(thermal.power(0.0)))


def test_cold_momenta_are_coherent():
    k = np.linspace(0, 60, 50)
    cold, coherent = (AxialWindow(LENGTH, SHARPNESS, d).power(k) for d in (1e-6, 0.0))
    assert cold == pytest.approx(coherent, abs=1e-11)


def test_ratio_over_orientations():
    """k/(sqrt(pi) D) for a local-thermal spectrum in the plane, one at 1.77 D."""
    dispersion, length = 105.0, 30.0

    def polar(k):
        return np.exp(-((k / dispersion) ** 2) / 4)

    crossing = np.sqrt(np.pi) * dispersion
    k = np.array([0.5, 1.0, 2.0]) * crossing
    coherent, thermal = (orientation_average(k, polar, length, 10 / length, 0.3, d) for d in (0.0, dispersion))
    assert thermal / coherent == pytest.approx(k / crossing, rel=2e-3)


def test_waves_along_the_axis(models):
    library = models["thermal"].library
    waves = models["thermal"].wave.axial
    assert waves.shares.sum() == pytest.approx(1, rel=1e-14)
    cylinder = models["thermal"].profile
    assert axial_dispersion(library) == pytest.approx(cylinder.scale_factor * cylinder.sigma, rel=1e-12)
    assert np.sum(waves.shares * waves.wavenumbers**2) == pytest.approx(waves.dispersion**2, rel=1e-6)
    # <a(z) a*(z')> of amplitudes over states and points, against the Maxwellian's transform
    lags, z = np.array([0.0, 0.5, 1.0, 1.5]) / waves.dispersion, np.arange(0, waves.period, waves.period / 200)
    found, along = [], waves.waves(np.add.outer(lags, z).ravel())
    for l in range(1, 20):
        a = waves.amplitudes(library, l, 0.0, along)[0]
        a = a.reshape(-1, len(lags), len(z))
        found.append(np.mean(a * np.conj(a[:, :1]), axis=(0, 2)))
    correlation = np.mean(found, axis=0)
    assert np.abs(correlation - np.exp(-0.5 * (lags * waves.dispersion) ** 2)).max() < 0.02


def test_phases_depend_on_seed_filament_and_state(models):
    waves = models["thermal"].wave.axial
    first = waves.phases(3, 4)
    assert np.array_equal(first[:2], waves.phases(3, 2))
    for other in (AxialModes(waves.dispersion, waves.period, 2), AxialModes(waves.dispersion, waves.period, 1, 1)):
        assert not np.any(other.phases(3, 4) == first)


def test_energy_along_the_axis_turns_the_phase(models):
    library = models["thermal"].library
    one = AxialModes(1.0, 3.0)
    z, time = np.array([0.0, 0.4]), 0.01
    a = one.amplitudes(library, 0, time, one.waves(z))[0][0, 0]
    phase = one.phases(0, 1)[0, 0]
    expected = [
        sum(
            np.sqrt(g) * np.exp(1j * (th + q * at - (library.energy[0] + q**2 / (2 * 0.2**2)) * time))
            for g, th, q in zip(one.shares, phase, one.wavenumbers, strict=True)
        )
        for at in z
    ]
    assert a == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("dispersion", "period"), [(0.0, 1.0), (1.0, -1.0), (np.nan, 1.0), (1.0, np.inf)])
def test_waves_must_be_possible(dispersion, period):
    with pytest.raises(ValueError, match="must be positive and finite"):
        AxialModes(dispersion, period)


def test_exact_spectrum(models):
    k = np.geomspace(100, 800, 12)
    coherent, thermal = (single_power(models[axial], k) for axial in ("coherent", "thermal"))
    assert np.array_equal(coherent.smooth, thermal.smooth)
    assert np.array_equal(coherent.in_plane.interference, thermal.in_plane.interference)
    dispersion = models["thermal"].wave.axial.dispersion / models["thermal"].units.length
    ratio = (thermal.interference - thermal.self_term) / (coherent.interference - coherent.self_term)
    # P2 of the modes is not quite that of a locally thermal wave: 1.1 at its lowest, k/(sqrt(pi) D) from 2.5 D on
    rows = (k > 2.5 * dispersion) & (k < 7 * dispersion)
    assert ratio[rows] == pytest.approx(k[rows] / np.sqrt(np.pi) / dispersion, rel=0.15)
    waves = models["thermal"].wave.axial
    assert thermal.self_term == pytest.approx(waves.self_share * coherent.self_term, rel=1e-12)
    assert thermal.self_share == waves.self_share < 0.01
    assert np.all(thermal.polar_fdm >= thermal.in_plane.fixed)
    heavy = single_power(models["thermal"], k, "gaussian")
    assert heavy.fdm - thermal.fdm == pytest.approx(thermal.self_term, abs=1e-15)


def test_line_mass_of_a_segment_fluctuates(models):
    """At k -> 0 it is that of the mean, and what a segment of an endless filament has by chance."""
    model = models["thermal"]
    power = single_power(model, np.array([1e-3, 1e-2]))
    pairs = np.sum(model.library.multiplicity * model.wave.weight**2)
    window = AxialWindow(
        model.filament.length, model.filament.sharpness, model.wave.axial.dispersion / model.units.length
    )
    chance = pairs * (float(window.power(0.0)) - model.wave.axial.self_share)
    assert power.fdm == pytest.approx(model.weights.weight_sum**2 + chance, rel=1e-5)
    assert 1e-4 < chance < 1e-3


def test_draws_of_thermal_filaments_are_refused(tmp_path):
    config = parse_config(f"{INI.format('thermal')}[single_power]\ndraws = 3\n", overrides=[f"run.output={tmp_path}"])
    with pytest.raises(InputError, match=r"\[single_power\] draws = 3: must be 0 where \[wavefunction\] axial = therm"):
        run(config)
