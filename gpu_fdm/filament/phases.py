"""Whether phases of states are uniform, and independent of each other, from their values in independent slices.

    u_j(s) = e^{i theta_j(s)},   uniform:      sum_j |sum_s u_j(s)|^2 / N
                                 independent:  sum_{s<t} |sum_j u_j(s) u_j*(t)|^2 / M

over N slices and M phases. If phases are uniform and independent, each term has nearly an exponential distribution of
mean one, and terms are not correlated: the sums have gamma distributions, of exact variances. The second is also the
sum over pairs of states of |sum_s u_j u_k*|^2, but for a constant: a phase that all share in a slice does not count.
Source: Mardia & Jupp 2000, Directional Statistics, for a single phase (Rayleigh).
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.special import gammaincc

LEAST_SLICES = 5
UNLIKELY = 0.01  # p-value below which phases are said not to be so


@frozen(eq=False)
class PhaseTests:
    """p-values: probabilities of more than what was found, if phases are uniform and independent.

    slices       independent slices, N
    rayleigh     of every phase, shape (phases,)
    uniform, independent  of all phases together; NaN, as the others, of fewer than LEAST_SLICES slices
    """

    slices: int
    rayleigh: NDArray
    uniform: float
    independent: float

    @property
    def text(self) -> str:
        """What follows, a sentence."""
        if self.slices < LEAST_SLICES:
            count = f"{self.slices} independent slice{'s' if self.slices > 1 else ''}"
            return f"phases: {count} along the axis: too few to tell whether they are uniform and independent"
        words = [
            f"{'' if value >= UNLIKELY else 'not '}{what} (p = {value:.2g})"
            for what, value in (("uniform", self.uniform), ("independent of each other", self.independent))
        ]
        joined = (
            " and ".join(words) if (self.uniform < UNLIKELY) == (self.independent < UNLIKELY) else ", but ".join(words)
        )
        return f"phases in {self.slices} independent slices along the axis are {joined}"


def phase_tests(phasors: NDArray) -> PhaseTests:
    """The tests of e^{i theta}, shape (phases, slices), complex, of slices that are independent."""
    count, slices = phasors.shape
    if slices < LEAST_SLICES:
        return PhaseTests(slices, np.full(count, np.nan), np.nan, np.nan)
    resultant = np.abs(phasors.sum(axis=1)) ** 2
    # Zar 1999, Biostatistical Analysis: good to 1e-2 of p from five values on
    rayleigh = np.exp(np.sqrt(1 + 4 * slices + 4 * (slices**2 - resultant)) - (1 + 2 * slices))
    alike = np.abs(phasors.T @ phasors.conj()) ** 2 / count
    pairs = float(alike[np.triu_indices(slices, 1)].sum())
    return PhaseTests(
        slices,
        rayleigh,
        _beyond(float(resultant.sum()) / slices, count, 1 - 1 / slices),
        _beyond(pairs, slices * (slices - 1) // 2, 1 - 1 / count),
    )


def _beyond(value: float, terms: int, variance: float) -> float:
    """Probability that a gamma variate of mean `terms`, and of variance `variance` a term, is larger."""
    return float(gammaincc(terms / variance, value / variance))
