"""A model whose posterior is known in closed form: ln P is linear in ln m22, ln10As and n_s."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from gpu_fdm.inference.likelihood import Likelihood
from gpu_fdm.inference.measured import Measured
from gpu_fdm.spectra.spectrum import Spectrum

K = np.geomspace(1, 100, 30)
REDSHIFT = 4.0
SLOPES = np.array([np.log(K) - 2, np.ones(30), np.log(K)]).T  # in ln m22, ln10As, n_s
TRUTH = np.array([np.log(2.2), 3.0, 0.96])


@dataclass
class LinearModel:
    """Called like a Prediction; `stop_at` raises KeyboardInterrupt at one of its calls."""

    k: np.ndarray = None
    calls: int = 0
    stop_at: int = -1

    def __call__(self, m22, ln10As=3.0, n_s=0.96, filament_fraction=1.0):
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt("SIGTERM")
        point = np.array([np.log(m22), ln10As, n_s])
        return SimpleNamespace(matter_fdm=filament_fraction * np.exp(SLOPES @ (point - TRUTH)))


def table(seed=0, error=0.05, values=None):
    """A table of the truth, or of other values, that scatters."""
    random = np.random.default_rng(seed)
    power = (np.ones(len(K)) if values is None else values) * np.exp(error * random.standard_normal(len(K)))
    return Spectrum(K, power, "fdm", error=error * power, redshift=REDSHIFT)


def likelihood(spectrum=None, covariance=None, gaussian="ln", stop_at=-1):
    """The likelihood of one table for the model."""
    measured = Measured.of(table() if spectrum is None else spectrum, "table.csv", covariance, gaussian)
    return Likelihood((measured,), {REDSHIFT: LinearModel(K, stop_at=stop_at)})
