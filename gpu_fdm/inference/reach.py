"""Where priors of a fit reach what the model is known to describe less well: filaments of few modes, low energy cuts.

Light bosons and light filaments have few modes, whose density is not that of the filament: nu, and with it the part
that modes describe, grows with m22 and with the mass. A table of a low energy cut has a larger error.
"""

from collections.abc import Callable
from math import ceil, exp, inf, log10, sqrt

from attrs import frozen

from ..errors import InputError
from ..spectra.similarity.population import ERROR, relative_error
from .posterior import Posterior
from .universe import Boson

MOVED = ("m22", "mass_min")  # the first of these that is free is moved, the other is at its lower end
_HALVINGS = 20


def doubts_of_priors(posterior: Posterior) -> list[str]:
    """A line where priors reach filaments that modes do not describe, and one of an energy cut with a larger error.

    The first is of the redshift at which they reach farthest, with all but m22 and mass_min at the centres of their
    priors; Gaussian ones reach 4 standard deviations. What cannot be predicted is left to Posterior.best.
    """
    reaches = list(filter(None, (_reach(posterior, redshift) for redshift in posterior.likelihood.predictors)))
    if not reaches:
        return []
    lines = [reach.text for reach in [max(reaches, key=lambda reach: reach.last)] if reach.last > 0]
    cut = reaches[0].boson.universe.prepared.table.recipe.energy_cut
    if (error := relative_error(cut)) > ERROR:
        lines.append(f"energy_cut = {cut:g}: P_1f from its table is good to {error:.2g}, and without fringes to less")
    return lines


@frozen(eq=False)
class _Reach:
    """How far priors reach at a redshift.

    moved, prior  parameter that is moved, and its prior in words, empty where it is fixed
    first   its lowest value that can be predicted;  boson  there;  others  values of MOVED there, in words
    last    up to which its filaments are doubted; 0 for none, infinite for all of the prior
    """

    redshift: float
    moved: str
    prior: str
    first: float
    boson: Boson
    others: str
    last: float

    @property
    def text(self) -> str:
        """In one line."""
        nu = float(self.boson.similarity(self.boson.m22)[0].min())
        share = 100 * float(self.boson.universe.prepared.table.mass(nu))
        lack = f"nu = {nu:.2g}, and modes make {share:.3g} % of their line mass"
        at = f"{self.moved} = {self.first:.4g}{self.others}"
        if self.prior:
            reach = "for all of it" if self.last == inf else f"below {self.moved} = {_rounded_up(self.last):g}"
            where, at = f"prior of {self.moved}, {self.prior}: {reach}", f"at {at} they have"
        else:
            where, at = f"{at}:", "they have"
        return f"{where} modes do not describe the lightest filaments (z = {self.redshift:g}): {at} {lack}"


def _reach(posterior: Posterior, redshift: float) -> _Reach | None:
    """None where nothing can be predicted, or a prior of m22 is refused since a part of it cannot be."""
    predictor, priors = posterior.likelihood.predictors[redshift], posterior.priors
    values = posterior.values([prior.centre for prior in priors.values()])
    free = [name for name in MOVED if name in priors]
    low, high = (values | {name: exp(priors[name].searched[end]) for name in free} for end in (0, 1))
    moved = free[0] if free else "m22"

    def at(values: dict[str, float]) -> Boson | None:
        try:
            return predictor(**values).bosons[0]
        except InputError:
            return None

    def boson(value: float) -> Boson | None:
        return at(low | {moved: value})

    def is_doubted(value: float) -> bool:
        return (found := boson(value)) is None or bool(found.doubts)

    if "m22" in priors and not priors["m22"].is_normal and at(values | {"m22": low["m22"]}) is None:
        return None
    first, end = low[moved], high[moved]
    if boson(first) is None:
        if boson(end) is None:
            return None
        first = _edge(lambda value: boson(value) is None, first, end)
    if (found := boson(first)) is None:
        return None
    last = 0.0
    if found.doubts:
        last = inf if is_doubted(end) else _edge(is_doubted, first, end)
    prior = str(priors[moved]) if free else ""
    others = "".join(f", {name} = {low[name]:.4g}" for name in free[1:])
    return _Reach(redshift, moved, prior, first, found, others, last)


def _edge(is_below: Callable[[float], bool], low: float, high: float) -> float:
    """The least value that is not below something, within [low, high]; low is below it, high is not."""
    for _ in range(_HALVINGS):
        middle = sqrt(low * high)
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return high


def _rounded_up(value: float) -> float:
    """To three digits."""
    step = 10.0 ** (int(log10(value) // 1) - 2)
    return float(f"{ceil(value / step) * step:.3g}")
