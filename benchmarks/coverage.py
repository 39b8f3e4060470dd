"""How often intervals of gpu-fdm fit hold the truth: mocks of a population, each sampled by the same code.

    python benchmarks/coverage.py [mocks]

Truths are drawn from the priors, m22 log_uniform(1.5, 3.3) and mass_min log_uniform(2e9, 5e9): intervals of a right
posterior then hold them with their nominal probability. Tables: P(k) of matter at z = 4, 36 k from 2 to 300 h/Mpc,
5 % in ln P. The prediction is interpolated in a grid of ln m22 and ln mass_min by cubic splines; the error of that is
printed.
"""

import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
from scipy.interpolate import RectBivariateSpline

from gpu_fdm import Prediction, parse_config
from gpu_fdm.config.sections import FitSection
from gpu_fdm.inference.likelihood import Likelihood
from gpu_fdm.inference.measured import Measured
from gpu_fdm.inference.posterior import Posterior
from gpu_fdm.inference.sampler import sample
from gpu_fdm.inference.summary import intervals
from gpu_fdm.parallel.blas import on_one_thread
from gpu_fdm.spectra.spectrum import Spectrum

K, REDSHIFT, ERROR = np.geomspace(2, 300, 36), 4.0, 0.05
M22, MASS_MIN = (1.5, 3.3), (2e9, 5e9)
NODES = 61, 25
WALKERS, TIMES, MOST = 16, 60, 3000


class Interpolated:
    """A prediction of P(k) in a grid of ln m22 and ln mass_min, called like a Prediction."""

    def __init__(self, prediction: Prediction):
        self.k = prediction.k
        axes = [np.linspace(*np.log(ends), number) for ends, number in zip((M22, MASS_MIN), NODES, strict=True)]
        grid = np.array([np.log(prediction(np.exp(axes[0]), mass_min=np.exp(y)).matter_fdm) for y in axes[1]])
        self._splines = [RectBivariateSpline(*axes, values.T) for values in np.moveaxis(grid, 2, 0)]

    def __call__(self, m22: float, mass_min: float, filament_fraction: float = 1.0) -> SimpleNamespace:
        point = np.log(m22), np.log(mass_min)
        return SimpleNamespace(matter_fdm=np.exp([spline(*point)[0, 0] for spline in self._splines]))


@on_one_thread
def main(mocks: int) -> None:
    """Print how many intervals hold the truth."""
    logging.disable(logging.INFO)
    prediction = Prediction.of(parse_config(""), REDSHIFT, K)
    model, random = Interpolated(prediction), np.random.default_rng(5)
    priors = {"m22": "log_uniform({}, {})".format(*M22), "mass_min": "log_uniform({}, {})".format(*MASS_MIN)}
    worst, inside, misfits = 0.0, np.zeros((2, 2)), 0
    for tested in range(1, mocks + 1):
        truth = {"m22": float(np.exp(random.uniform(*np.log(M22))))}
        truth["mass_min"] = float(np.exp(random.uniform(*np.log(MASS_MIN))))
        power = prediction(**truth).matter_fdm
        worst = max(worst, float(np.max(np.abs(np.log(model(**truth).matter_fdm / power)))))
        power = power * np.exp(ERROR * random.standard_normal(len(K)))
        table = Spectrum(K, power, "fdm", error=ERROR * power, redshift=REDSHIFT)
        posterior = Posterior.of(Likelihood((Measured.of(table, "mock"),), {REDSHIFT: model}), FitSection(**priors))
        misfits += not posterior.best.fits
        with TemporaryDirectory() as folder:
            chain = sample(posterior, Path(folder) / "chain.hdf5", {}, WALKERS, MOST, TIMES, tested)
        for row, found in enumerate(intervals(posterior, chain)):
            low95, low68, _, high68, high95 = found.quantiles
            inside[row] += [low68 <= truth[found.name] <= high68, low95 <= truth[found.name] <= high95]
        if tested % 20 == 0 or tested == mocks:
            shares = "; ".join(
                f"{name}: 68 % {share[0]:.3f}, 95 % {share[1]:.3f}"
                for name, share in zip(("m22", "mass_min"), inside / tested, strict=True)
            )
            print(f"{tested} mocks: {shares}; {misfits} called bad fits; interpolation {worst:.1e} in ln P", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
