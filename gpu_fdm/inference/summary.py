"""What a chain says of the parameters, in words that do not claim more than it holds."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..config.fit_section import LOGARITHMIC
from ..config.priors import Prior
from ..io.atomic import atomic_write
from ..io.ownership import require_own
from ..io.tables import without_formulas
from ..parallel.blas import on_one_thread
from ..spectra.fit import LEAST_P
from ..spectra.fitted import FittedTable
from .chain import Chain
from .posterior import BestFit, Posterior

TITLE = "tables and the model that fits them best, by gpu-fdm fit"
LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)  # of the quantiles that are told
BOUND = 0.95  # probability of being beyond a bound
DENSE = 0.2  # of the largest density of the posterior
_CELLS, _CELLS_OF_68 = 20, 4  # at least, of a prior, and of what holds 68 %, in which densities are compared
LEAST_SAMPLES = 50  # independent ones, for an interval of 95 %
BAND = 200  # samples of which the band of the model is made, and what is said of its filaments
DISAGREEING = 5  # rows that are named where the model does not fit


@frozen
class Interval:
    """A parameter: median, and ends of the equal-tailed intervals that hold it with 68 and 95 %.

    name    of the parameter, not of its ln;  prior  of it
    at_end  "lower" where the posterior piles up at the upper end of its uniform prior, so that there is a lower bound
            alone; "upper" likewise; "both" where the posterior is as wide as the prior; "" for a measurement
    bounds  those that the parameter is above, and below, with 95 % each: quantiles 0.05 and 0.95
    """

    name: str
    prior: Prior
    quantiles: tuple[float, ...]
    at_end: str
    bounds: tuple[float, float]

    @property
    def text(self) -> str:
        """In one line."""
        low95, low, middle, high, high95 = self.quantiles
        if self.at_end == "both":
            return f"{self.name}: not constrained: the posterior is as wide as its prior, {self.prior}"
        if self.at_end:
            sign, limit = (">=", self.bounds[0]) if self.at_end == "lower" else ("<=", self.bounds[1])
            return f"{self.name} {sign} {limit:.4g} (95 % with the prior {self.prior}, which ends it on the other side)"
        error = f"+{high - middle:.2g} -{middle - low:.2g}"
        return f"{self.name} = {middle:.4g} {error} (68 %; 95 %: {low95:.4g} to {high95:.4g})"


def intervals(posterior: Posterior, chain: Chain) -> list[Interval]:
    """Every sampled parameter, in their order."""
    samples = chain.samples()
    return [interval(name, prior, samples[:, i]) for i, (name, prior) in enumerate(posterior.priors.items())]


def interval(name: str, prior: Prior, samples: NDArray) -> Interval:
    """One parameter; samples of it, or of its ln, shape (samples,)."""
    quantiles, at_end = np.quantile(samples, LEVELS), ""
    if not prior.is_normal:
        start, stop = prior.ends
        cell = min((stop - start) / _CELLS, (quantiles[3] - quantiles[1]) / _CELLS_OF_68)
        low, high = (_is_dense(distance, cell) for distance in (samples - start, stop - samples))
        at_end = "both" if low and high else "lower" if high else "upper" if low else ""
    bounds = np.quantile(samples, (1 - BOUND, BOUND))
    if name in LOGARITHMIC:
        quantiles, bounds = np.exp(quantiles), np.exp(bounds)
    return Interval(name, prior, tuple(quantiles.tolist()), at_end, tuple(bounds.tolist()))


def _is_dense(distance: NDArray, cell: float) -> bool:
    """Whether a posterior is dense at an end of its prior; distance  of the samples from that end, shape (samples,)."""
    if not cell > 0:  # a chain that never moved
        return False
    cells, counts = np.unique(np.maximum(distance, 0) // cell, return_counts=True)
    return bool(cells[0] == 0 and counts[0] > DENSE * counts.max())


def misfit_lines(best: BestFit) -> list[str]:
    """A sentence that says that the model does not fit, and the rows that disagree most; none where it fits."""
    if best.fits:
        return []
    lines = [
        f"the model does not describe the tables ({best.p_in_words}, below {LEAST_P:g}): "
        "no value of m22 is a measurement, and none is given"
    ]
    likelihood = best.posterior.likelihood
    rows = []
    for table, model in zip(likelihood.tables, likelihood.models(**best.values), strict=True):
        pulls = table.differences(table.values, model) / table.errors
        rows += list(zip(np.abs(pulls), pulls, [table.label] * len(pulls), table.k, table.values, model, strict=True))
    for _, pull, label, k, value, predicted in sorted(rows, key=lambda row: -row[0])[:DISAGREEING]:
        lines.append(f"  {label}: k = {k:.4g} h/Mpc: table {value:.4g}, model {predicted:.4g}, pull {pull:+.3g}")
    return lines


def chain_lines(chain: Chain) -> list[str]:
    """How long a chain is, and a warning where it is too short."""
    times = ", ".join(f"{name} {time:.3g}" for name, time in zip(chain.names, chain.autocorrelation_times, strict=True))
    steps, walkers, _ = chain.points.shape
    lines = [
        f"chain: {steps} steps of {walkers} walkers; autocorrelation times: {times}; acceptance "
        f"{float(np.mean(chain.accepted)) / max(steps, 1):.2f}"
    ]
    if chain.refused:
        share = chain.refused / (steps * walkers)
        lines.append(f"  {chain.refused} proposals ({share:.1%}) were beyond what can be predicted, and were refused")
    if steps * walkers < LEAST_SAMPLES * chain.longest or steps < 10 * chain.longest:
        lines.append("  too short for its intervals to be trusted: run the same command with more --steps to go on")
    return lines


def drawn(chain: Chain, seed: int) -> NDArray:
    """BAND samples of a chain, or all of fewer, in their order, shape (samples, parameters)."""
    samples = chain.samples()
    chosen = np.random.default_rng(seed).choice(len(samples), min(BAND, len(samples)), replace=False)
    return samples[np.sort(chosen)]


@on_one_thread
def band(posterior: Posterior, samples: NDArray) -> list[NDArray]:
    """Quantiles 0.025, 0.16, 0.5, 0.84, 0.975 of the model of each table, shape (5, rows of the table) each.

    samples  those that are `drawn`
    """
    models = [posterior.likelihood.models(**posterior.values(sample)) for sample in samples]
    return [np.quantile(np.array(rows), LEVELS, axis=0) for rows in zip(*models, strict=True)]


def fitted_tables(posterior: Posterior, bands: list[NDArray] | None) -> list[FittedTable]:
    """The tables over the best model, and over the bands of `band` where there are some."""
    best, likelihood, fitted = posterior.best, posterior.likelihood, []
    for number, (table, model) in enumerate(zip(likelihood.tables, likelihood.models(**best.values), strict=True)):
        values, spread, of_model = table.values, table.errors, None if bands is None else bands[number][[0, 1, 3, 4]]
        ends = (values * np.exp([-spread, spread])) if table.ln else values + np.array([-spread, spread])
        fitted.append(
            FittedTable(
                f"{table.label}, z = {table.redshift:g}",
                f"{table.name}  [(Mpc/h)$^3$]" if table.name.startswith("P ") else table.name,
                table.k,
                values,
                np.abs(ends - values),
                model,
                table.differences(values, model) / spread,
                of_model,
                None if of_model is None else table.differences(of_model, model) / spread,
            )
        )
    return fitted


def write_fitted(
    tables: list[FittedTable], posterior: Posterior, path: Path, about: Mapping[str, str] | None = None
) -> Path:
    """Write tables, best model and bands as CSV, not over a file of others (InputError); returns its path.

    about  lines of the header that say how it was made, by name
    """
    names = ["table", "k", "value", "best", "pull"]
    names += ["low_95", "low_68", "high_68", "high_95"] if tables[0].band is not None else []
    lines = [f"# {TITLE}", f"# best fit: {posterior.best.text}", "# k: h/Mpc", "# low and high: of the model"]
    lines += [f"# table {number}: {without_formulas(table.name)}" for number, table in enumerate(tables, 1)]
    lines += [f"# {name}: {without_formulas(text)}" for name, text in (about or {}).items()]
    lines.append(",".join(names))
    for number, table in enumerate(tables, 1):
        columns = [table.k, table.values, table.best, table.pulls, *(() if table.band is None else table.band)]
        lines += [",".join([str(number), *map(repr, row)]) for row in np.array(columns).T.tolist()]
    require_own(path, TITLE.encode())
    with atomic_write(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
