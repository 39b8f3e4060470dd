"""How often intervals of gpu-fdm fit hold the truth: mocks of a population, each sampled by the same code.

    python benchmarks/interval_coverage.py [mocks [seed]]

Truths are drawn from the priors, m22 log_uniform(1.5, 3.3) and mass_min log_uniform(2e9, 5e9): intervals of a right
posterior then hold them with their nominal probability. Tables: P(k) of matter at z = 4, 36 k from 2 to 300 h/Mpc,
5 % in ln P. First, without the sampler, 1000 mocks whose posteriors are summed over a grid. The prediction is
interpolated in a grid of ln m22 and ln mass_min by cubic splines; the error of that is printed.
"""

import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
from scipy.interpolate import NdBSpline, make_interp_spline

from gpu_fdm import Prediction, parse_config
from gpu_fdm.config.fit_section import FitSection
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
WALKERS, TIMES, MOST = 16, 30, 3000
FINE, OF_GRID = (361, 145), 1000  # points of the grid on which a posterior is summed, and mocks


class Interpolated:
    """A prediction of P(k) in a grid of ln m22 and ln mass_min, called like a Prediction."""

    def __init__(self, prediction: Prediction):
        self.k = prediction.k
        axes = [np.linspace(*np.log(ends), number) for ends, number in zip((M22, MASS_MIN), NODES, strict=True)]
        grid = np.array([np.log(prediction(np.exp(axes[0]), mass_min=np.exp(y)).matter_fdm) for y in axes[1]])
        first = make_interp_spline(axes[0], grid.swapaxes(0, 1))
        second = make_interp_spline(axes[1], first.c.swapaxes(0, 1))
        self._spline = NdBSpline((first.t, second.t), second.c.swapaxes(0, 1), 3)

    def __call__(self, m22: float, mass_min: float, filament_fraction: float = 1.0) -> SimpleNamespace:
        return SimpleNamespace(matter_fdm=np.exp(self.log_power(np.array([np.log(m22), np.log(mass_min)]))))

    def log_power(self, points: np.ndarray) -> np.ndarray:
        """ln P at points of ln m22 and ln mass_min, shape (..., 2); shape (..., k)."""
        return self._spline(points)


def of_grid(model: Interpolated, random: np.random.Generator) -> np.ndarray:
    """Shares of 68 and 95 % intervals of ln m22 and ln mass_min that hold the truth, by sums over a grid, (2, 2)."""
    ends = np.log([M22, MASS_MIN])
    axes = [np.linspace(*pair, number) for pair, number in zip(ends, FINE, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    grid, inside = model.log_power(points), np.zeros((2, 2))
    for _ in range(OF_GRID):
        truth = random.uniform(*ends.T)
        table = model.log_power(truth) + ERROR * random.standard_normal(len(K))
        density = -0.5 * np.sum(((grid - table) / ERROR) ** 2, axis=-1)
        density = np.exp(density - density.max())
        for row, values in enumerate(axes):
            below = np.cumsum(density.sum(1 - row))
            rank = np.interp(truth[row], values + (values[1] - values[0]) / 2, below / below[-1])
            inside[row] += [abs(rank - 0.5) <= 0.34, abs(rank - 0.5) <= 0.475]
    return inside / OF_GRID


def in_words(shares: np.ndarray) -> str:
    """Shares of both parameters in a line."""
    names = zip(("m22", "mass_min"), shares, strict=True)
    return "; ".join(f"{name}: 68 % {share[0]:.3f}, 95 % {share[1]:.3f}" for name, share in names)


@on_one_thread
def main(mocks: int, seed: int) -> None:
    """Print how many intervals hold the truth."""
    logging.disable(logging.INFO)
    prediction = Prediction.of(parse_config(""), REDSHIFT, K)
    model, random = Interpolated(prediction), np.random.default_rng(seed)
    print(f"{OF_GRID} mocks, sums over a grid: {in_words(of_grid(model, np.random.default_rng(seed + 1)))}", flush=True)
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
            chain = sample(posterior, Path(folder) / "chain.hdf5", {}, WALKERS, MOST, TIMES, 1000 * seed + tested)
        for row, found in enumerate(intervals(posterior, chain)):
            low95, low68, _, high68, high95 = found.quantiles
            inside[row] += [low68 <= truth[found.name] <= high68, low95 <= truth[found.name] <= high95]
        if tested % 20 == 0 or tested == mocks:
            found = in_words(inside / tested)
            print(f"{tested} mocks: {found}; {misfits} called bad fits; interpolation {worst:.1e} in ln P", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, int(sys.argv[2]) if len(sys.argv) > 2 else 5)
