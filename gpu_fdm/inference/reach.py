"""Where fits, priors and boxes reach what the model is known to describe less well: filaments of few modes, low cuts.

Light bosons and light filaments have few modes, whose density is not that of the filament: nu, and with it the part
that modes describe, grows with m22 and with the mass, and falls with redshift as (1 + z)^-1/2. A table of a low energy
cut has a larger error.
"""

from collections.abc import Callable, Iterable, Mapping
from math import ceil, exp, inf, log10, sqrt
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..errors import InputError
from ..spectra.similarity.population import ERROR, relative_error
from .likelihood import Predictor
from .posterior import BestFit, Posterior
from .prediction import Predicted
from .summary import LEVELS
from .universe import Boson

if TYPE_CHECKING:
    from .combinations import PopulationModel

MOVED = ("m22", "mass_min")  # the first of these that varies is moved, the other is at its lower end
_HALVINGS = 20
_UNDESCRIBED = "modes do not describe the lightest filaments"


def doubt_of(predicted: Iterable[Predicted]) -> str:
    """What is to be said of a boson mass at the redshift where its filaments have fewest modes; empty for nothing."""
    found = _Lightest.of(predicted)
    return f"{_UNDESCRIBED} (z = {found.redshift:g}): they have {found.lack}" if found.doubted else ""


def doubts_of_best(best: BestFit) -> list[str]:
    """A line where modes do not describe the lightest filaments of a best fit."""
    doubt = doubt_of(best.posterior.likelihood.predicted(**best.values).values())
    return [f"at the best fit {doubt}"] if doubt else []


def doubts_of_samples(posterior: Posterior, samples: NDArray) -> list[str]:
    """A line where modes do not describe the lightest filaments of more than 2.5 % of samples of a posterior.

    samples  shape (samples, parameters)
    In one dimension the interval of 95 % then reaches bosons of such filaments.
    """
    likelihood = posterior.likelihood
    found = [_Lightest.of(likelihood.predicted(**posterior.values(sample)).values()) for sample in samples]
    share = float(np.mean([each.doubted for each in found]))
    if share <= LEVELS[0]:
        return []
    ends = [LEVELS[0], LEVELS[-1]]
    nu = np.quantile([each.nu for each in found], ends).tolist()
    mass = (100 * np.quantile([each.mass for each in found], ends)).tolist()
    redshift = min(found, key=lambda each: each.nu).redshift
    where = "in all samples" if share == 1 else f"in {100 * share:.3g} % of the samples"
    lack = f"nu = {nu[0]:.2g} to {nu[1]:.2g} (95 %), and modes make {mass[0]:.3g} to {mass[1]:.3g} % of their line mass"
    return [f"{where} {_UNDESCRIBED} (z = {redshift:g}): they have {lack}"]


def doubts_of_priors(posterior: Posterior) -> list[str]:
    """A line where priors reach filaments that modes do not describe, and one of an energy cut with a larger error.

    The first is of the redshift at which they reach farthest, with all but m22 and mass_min at the centres of their
    priors; Gaussian ones reach 4 standard deviations. What cannot be predicted is left to Posterior.best.
    """
    priors, predictors = posterior.priors, list(posterior.likelihood.predictors.values())
    values = posterior.values([prior.centre for prior in priors.values()])
    ends = {name: (exp(low), exp(high)) for name in MOVED if name in priors for low, high in [priors[name].searched]}
    if "m22" in priors and not priors["m22"].is_normal:  # refused where a part of it cannot be predicted
        lightest = values | {"m22": ends["m22"][0]}
        predictors = [predictor for predictor in predictors if _boson(predictor, lightest) is not None]
    words = {name: f"prior of {name}, {priors[name]}" for name in ends}
    reaches = list(filter(None, (_reach(predictor, values, ends, words) for predictor in predictors)))
    if not reaches:
        return []
    lines = [reach.text for reach in [max(reaches, key=lambda reach: reach.last)] if reach.last > 0]
    cut = reaches[0].boson.universe.prepared.table.recipe.energy_cut
    if (error := relative_error(cut)) > ERROR:
        lines.append(f"energy_cut = {cut:g}: P_1f from its table is good to {error:.2g}, and without fringes to less")
    return lines


def doubts_of_box(model: "PopulationModel") -> list[str]:
    """A line where a box of parameters reaches filaments that modes do not describe.

    It is of the last redshift of the box, with all but m22 and mass_min in the middle. What cannot be predicted is left
    to combinations().
    """
    box, ends = model.box, model.box.ends
    values = box.values(box.middle)
    redshift, omega_m = values.pop("redshift"), values.pop("omega_m")
    try:
        prediction = model.prediction(ends.get("redshift", (redshift,))[-1], omega_m)
    except InputError:
        return []
    moved = {name: ends[name] for name in MOVED if name in ends}
    words = {name: f"range of {name}, {first:.4g} to {last:.4g}" for name, (first, last) in moved.items()}
    reach = _reach(prediction, values, moved, words)
    return [reach.text] if reach is not None and reach.last > 0 else []


@frozen
class _Lightest:
    """The lightest filaments of a boson at the redshift where they have fewest modes.

    mass  share of their line mass that modes make;  doubted  whether modes do not describe some of the filaments
    """

    redshift: float
    nu: float
    mass: float
    doubted: bool

    @classmethod
    def of(cls, predicted: Iterable[Predicted]) -> "_Lightest":
        """One boson mass at some redshifts."""
        return min((cls.of_boson(each.bosons[0]) for each in predicted), key=lambda each: each.nu)

    @classmethod
    def of_boson(cls, boson: Boson) -> "_Lightest":
        """At the redshift of its universe."""
        prepared, nu = boson.universe.prepared, float(boson.similarity(boson.m22)[0].min())
        return cls(prepared.redshift, nu, float(prepared.table.mass(nu)), bool(boson.doubts))

    @property
    def lack(self) -> str:
        """What modes they have, in words."""
        return f"nu = {self.nu:.2g}, and modes make {100 * self.mass:.3g} % of their line mass"


@frozen(eq=False)
class _Reach:
    """How far priors, or the ranges of a box, reach at a redshift.

    moved   parameter that is moved;  range  over which, in words, empty where it is fixed
    first   its lowest value that can be predicted;  boson  there;  others  values of MOVED there, in words
    last    up to which its filaments are doubted; 0 for none, infinite for all of the range
    """

    moved: str
    range: str
    first: float
    boson: Boson
    others: str
    last: float

    @property
    def text(self) -> str:
        """In one line."""
        lightest = _Lightest.of_boson(self.boson)
        at = f"{self.moved} = {self.first:.4g}{self.others}"
        if self.range:
            reach = "for all of it" if self.last == inf else f"below {self.moved} = {_rounded_up(self.last):g}"
            where, at = f"{self.range}: {reach}", f"at {at} they have"
        else:
            where, at = f"{at}:", "they have"
        return f"{where} {_UNDESCRIBED} (z = {lightest.redshift:g}): {at} {lightest.lack}"


def _boson(predictor: Predictor, values: Mapping[str, float]) -> Boson | None:
    """That of a point; None where it cannot be predicted."""
    try:
        return predictor(**values).bosons[0]
    except InputError:
        return None


def _reach(
    predictor: Predictor,
    values: Mapping[str, float],
    ends: Mapping[str, tuple[float, float]],
    words: Mapping[str, str],
) -> _Reach | None:
    """None where nothing can be predicted.

    values  of all parameters that the predictor takes;  ends  of those of MOVED that vary;  words  of their ranges
    """
    moved = next(iter(ends), "m22")
    low = {**values, **{name: first for name, (first, _) in ends.items()}}
    first, end = ends.get(moved, (low[moved], low[moved]))

    def boson(value: float) -> Boson | None:
        return _boson(predictor, low | {moved: value})

    def is_doubted(value: float) -> bool:
        return (found := boson(value)) is None or bool(found.doubts)

    if boson(first) is None:
        if boson(end) is None:
            return None
        first = _edge(lambda value: boson(value) is None, first, end)
    if (found := boson(first)) is None:
        return None
    last = 0.0
    if found.doubts:
        last = inf if is_doubted(end) else _edge(is_doubted, first, end)
    others = "".join(f", {name} = {low[name]:.4g}" for name in [*ends][1:])
    return _Reach(moved, words.get(moved, ""), first, found, others, last)


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
