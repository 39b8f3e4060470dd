"""Figures of a posterior say where modes do not describe some of the filaments."""

import numpy as np
import pytest

from gpu_fdm.plots.posterior import corner_figure, fitted_figure
from gpu_fdm.plots.style import DOUBTED
from gpu_fdm.spectra.fitted import FittedTable

K = np.geomspace(2, 300, 12)


def fitted(name):
    power, error = K**-2.0, 0.05 * K**-2.0
    band = power * np.exp(0.02 * np.array([[-2], [-1], [1], [2]]))
    return FittedTable(name, "P", K, power, np.array([error, error]), power, np.zeros(12), band, (band - power) / error)


@pytest.mark.parametrize("number", [1, 3])
def test_a_doubted_best_fit_is_dashed_and_the_title_says_why(number):
    tables = [fitted(f"table {i}") for i in range(number)]
    for doubted in (False, True):
        figure = fitted_figure(tables, "chi-squared 9, 11 degrees of freedom", doubted)
        lines = [line for panel in figure.axes for line in panel.get_lines() if line.get_label() == "best fit"]
        assert [line.is_dashed() for line in lines] == [doubted] * number
        assert (f"dashed: {DOUBTED}" in figure.get_suptitle()) == doubted


@pytest.mark.parametrize("number", [1, 2, 4])
def test_samples_that_are_doubted_are_told_in_the_title(number):
    samples = np.random.default_rng(number).standard_normal((500, number))
    names = ["ln_m22", "ln10As", "n_s", "omega_m"][:number]
    for doubted in (False, True):
        figure = corner_figure(names, samples, samples.mean(axis=0), doubted)
        assert (DOUBTED in figure.get_suptitle()) == doubted
