"""What a notebook shows of values that hold arrays is one line; they compare and are hashed as objects."""

import pickle

import numpy as np
import pytest

import gpu_fdm
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.spectrum import Spectrum


@pytest.fixture(scope="module")
def model():
    return gpu_fdm.build_model(gpu_fdm.parse_config("[filament]\nmass = 1e9\n[wavefunction]"))


def test_values_are_shown_in_one_line(model):
    config = gpu_fdm.parse_config("[cosmology]\nlinear_power = eisenstein_hu")
    prediction = gpu_fdm.Prediction.of(config, k=[10.0, 30.0])
    assert repr(prediction) == "Prediction(redshift=4, 2 k from 10 to 30 h/Mpc)"
    assert repr(prediction(2.0)) == "Predicted(m22=2.0, redshift=4, 2 k from 10 to 30 h/Mpc)"
    assert repr(model.wave).startswith("WaveFunction(library=Library of 21, weight=array(21,), ")
    power = gpu_fdm.linear_power("eisenstein_hu")
    population = gpu_fdm.Population(power, 0.67, 4.0)
    profile = gpu_fdm.SphericalProfile(gpu_fdm.Plummer(1.0), 100.0)
    table = gpu_fdm.tabulate(model.wave)
    variance = gpu_fdm.variance(power, gpu_fdm.transfer("cdm", h=0.67))
    for value in (model, model.library, power, population, profile, gpu_fdm.halo_states(profile), table, variance):
        assert len(repr(value)) < 700 and "\n" not in repr(value) and type(value).__name__ in repr(value)


def test_what_learning_and_spectra_give_is_shown_in_one_line():
    points = np.random.default_rng(1).standard_normal((50, 3))
    layers = gpu_fdm.interaction_basis([lambda x: np.array([[1.0, 2.0, 0.0]]) @ x], points)
    k = np.geomspace(1, 10, 9)
    for value in (*layers, Boost(k, k, "fdm", "cdm"), Spectrum(k, k, "fdm")):
        assert len(repr(value)) < 700 and "\n" not in repr(value) and repr(value).startswith(type(value).__name__)


def test_values_with_arrays_are_compared_and_hashed(model):
    copy = pickle.loads(pickle.dumps(model))
    assert model == model and model != copy and len({model, copy}) == 2
    flow = gpu_fdm.flow_at(gpu_fdm.tabulate(model.wave), [0.0, 1.0], [0.0, 1.0])
    assert flow in {flow} and np.iscomplexobj(flow.psi)
