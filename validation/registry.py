"""Checks: a published number, ours, and the difference that is allowed.

A check is declared in the CHECKS of a checks_*.py; an erratum, a published number that is wrong, in errata_*.py. Only
`evaluate` computes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gpu_fdm.errors import InputError, RunError

RELATIVE, ABSOLUTE, LOGARITHMIC, ERRORS = "relative", "absolute", "in ln", "standard errors"
MEASURES = (RELATIVE, ABSOLUTE, LOGARITHMIC, ERRORS)


@dataclass(frozen=True)
class Check:
    """One row of the table.

    name       quantity with its unit; unique
    published  text as the source prints it, or a function that returns a closed form or a column of a table
    ours       function without arguments that returns a number, or an array of the shape of `published`
    allowed    largest difference
    measure    one of MEASURES; the largest difference of an array counts
    source     where the number was published
    note       origin of the allowed difference, and remarks
    cheap      whether the test suite repeats it
    errors     function that returns the standard errors of the published numbers, for the measure ERRORS
    Raises ValueError for a field that is missing or out of range.
    """

    name: str
    published: str | Callable
    ours: Callable
    allowed: float
    measure: str
    source: str
    note: str = ""
    cheap: bool = True
    errors: Callable | None = None

    def __post_init__(self):
        _require_words(self)
        if self.measure not in MEASURES:
            raise ValueError(f"{self.name}: measure = {self.measure}: must be one of {', '.join(MEASURES)}")
        if (self.measure == ERRORS) != (self.errors is not None):
            raise ValueError(f"{self.name}: errors must be given with the measure {ERRORS!r}, and only then")
        if not 0 <= self.allowed < np.inf:
            raise ValueError(f"{self.name}: allowed = {self.allowed}: must be >= 0 and finite")

    def evaluate(self) -> "Outcome":
        """Compute both numbers; an error of the program is a failed check and does not end the run."""
        try:
            ours, published = np.asarray(self.ours(), float), _published(self.published)
            if ours.shape != published.shape:
                raise ValueError(f"{self.name}: {ours.shape} numbers of ours, {published.shape} published")
            errors = np.asarray(self.errors(), float) if self.errors else None
        except (ArithmeticError, InputError, RunError, ValueError) as error:
            return Outcome(self, np.array(np.nan), np.array(np.nan), np.nan, str(error))
        return Outcome(self, published, ours, _difference(self.measure, ours, published, errors))


@dataclass(frozen=True)
class Outcome:
    """The result of a check: published and our numbers, and their difference, signed for single numbers."""

    check: Check
    published: np.ndarray
    ours: np.ndarray
    difference: float
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether the difference is allowed; NaN never is."""
        return bool(abs(self.difference) <= self.check.allowed)


@dataclass(frozen=True)
class Erratum:
    """A published number that is wrong, beside the right one.

    name       quantity with its unit; unique
    published  text as the source prints it, or a function that returns the number
    right      function that returns our number
    accuracy   relative accuracy of the right number; the published one must differ by more
    mistaken   function that returns the right number with the mistake put in, or None
    allowed    largest relative difference between `mistaken` and `published`
    why        what is wrong
    source     where the number was published
    cheap      whether the test suite repeats it
    Raises ValueError for a field that is missing.
    """

    name: str
    published: str | Callable
    right: Callable
    accuracy: float
    mistaken: Callable | None
    allowed: float
    why: str
    source: str
    cheap: bool = True

    def __post_init__(self):
        _require_words(self)
        if not self.why:
            raise ValueError(f"{self.name}: why: must say what is wrong")

    def evaluate(self) -> "Verdict":
        """Compute all three numbers."""
        try:
            mistaken = None if self.mistaken is None else float(self.mistaken())
            return Verdict(self, float(_published(self.published)), float(self.right()), mistaken)
        except (ArithmeticError, InputError, RunError, ValueError) as error:
            return Verdict(self, np.nan, np.nan, None, str(error))


@dataclass(frozen=True)
class Verdict:
    """The result of an erratum: its three numbers."""

    erratum: Erratum
    published: float
    right: float
    mistaken: float | None
    problem: str = ""

    @property
    def excess(self) -> float:
        """Relative excess of the published number over the right one."""
        return self.published / self.right - 1

    @property
    def unexplained(self) -> float:
        """Relative excess of the number with the mistake over the published one; 0 where there is none."""
        return 0.0 if self.mistaken is None else self.mistaken / self.published - 1

    @property
    def passed(self) -> bool:
        """Whether our number is not the published one, and the mistake, where it is known, leads to that."""
        return bool(abs(self.excess) > self.erratum.accuracy and abs(self.unexplained) <= self.erratum.allowed)


def _require_words(check):
    for word in ("name", "source"):
        if not getattr(check, word):
            raise ValueError(f"{check.name or check}: {word}: must not be empty")


def _published(published):
    return np.asarray(published() if callable(published) else published, float)


def _difference(measure, ours, published, errors):
    if measure == ABSOLUTE:
        difference = ours - published
    elif measure == RELATIVE:
        difference = ours / published - 1
    elif measure == LOGARITHMIC:
        difference = np.log(ours / published)
    else:
        difference = (ours - published) / errors
    return float(difference if difference.ndim == 0 else np.max(np.abs(difference)))
