"""What a check is: a published number, ours, and how far apart they may be.

A check is declared once, in the CHECKS of a checks_*.py; an erratum, a published number that is wrong, in errata*.py.
Nothing is computed before `evaluate`.
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

    name       unique; what the number is, with its unit
    published  as the source prints it, a text; or a function that gives a closed form, or a column of a table
    ours       function without arguments: a number, or an array of the shape of `published`
    allowed    largest difference
    measure    of differences, in MEASURES; of arrays the largest counts
    source     of the published number
    note       where the allowed difference comes from, and what else there is to know
    cheap      takes no time worth mentioning, and is repeated in the test suite
    errors     function that gives the standard errors of the published numbers, for the measure ERRORS
    Raises ValueError where something is missing.
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
        """Compute both numbers; an error of the program is a failure, not the end of the run."""
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
    """Of a check: published and our number or numbers, and their difference, with its sign for single numbers."""

    check: Check
    published: np.ndarray
    ours: np.ndarray
    difference: float
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether the difference is within what is allowed; not a number never is."""
        return bool(abs(self.difference) <= self.check.allowed)


@dataclass(frozen=True)
class Erratum:
    """A published number that is wrong, beside the right one.

    name       unique; what the number is, with its unit
    published  as printed, or a function that gives it
    right      function that gives our number
    accuracy   of the right number, relative: the published one must be off by more
    mistaken   function that gives the right number with the mistake put in, None where that cannot be done
    allowed    largest relative difference of `mistaken` and published
    why        what is wrong;  source  of the published number
    cheap      as for a check
    Raises ValueError where something is missing.
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
    """Of an erratum."""

    erratum: Erratum
    published: float
    right: float
    mistaken: float | None
    problem: str = ""

    @property
    def excess(self) -> float:
        """Of the published number over the right one, relative."""
        return self.published / self.right - 1

    @property
    def unexplained(self) -> float:
        """Of the number with the mistake put in over the published one, relative; 0 where that cannot be done."""
        return 0.0 if self.mistaken is None else self.mistaken / self.published - 1

    @property
    def passed(self) -> bool:
        """We do not have the published number, and, where we know the mistake, it leads to it."""
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
