"""Priors of the parameters of a fit, and how an ini writes them.

uniform(A, B)      the same density everywhere between A and B
normal(MEAN, SD)   a Gaussian
log_uniform(A, B)  uniform in the logarithm; the parameter that is sampled is ln x
log_normal(M, SD)  Gaussian in the logarithm, with median M and standard deviation SD of ln x
a number           fixed at it
"""

import math
import re
from typing import Any

import numpy as np
from attrs import frozen

KINDS = ("uniform", "normal", "log_uniform", "log_normal")
_TEXT = re.compile(r"(\w+)\s*\(\s*([^,()]+),\s*([^,()]+)\)")
_SCANNED = 4.0  # standard deviations of a Gaussian within which a maximum is searched


@frozen
class Prior:
    """The prior density of a parameter.

    kind   one of KINDS, or fixed;  first, second  its two numbers, as an ini has them; of a fixed one the number twice
    """

    kind: str
    first: float
    second: float

    @classmethod
    def fixed(cls, value: float) -> "Prior":
        """A parameter that is no parameter."""
        return cls("fixed", value, value)

    @property
    def is_fixed(self) -> bool:
        """Whether there is nothing to sample."""
        return self.kind == "fixed"

    @property
    def is_normal(self) -> bool:
        """Whether it is a Gaussian, which counts as a measurement."""
        return self.kind.endswith("normal")

    @property
    def ends(self) -> tuple[float, float]:
        """Least and largest value, of ln x for log kinds; infinite for a Gaussian."""
        if self.is_normal:
            return -math.inf, math.inf
        if self.kind == "log_uniform":
            return math.log(self.first), math.log(self.second)
        return self.first, self.second

    @property
    def centre(self) -> float:
        """Mean, of ln x for log kinds."""
        if self.is_normal:
            return math.log(self.first) if self.kind == "log_normal" else self.first
        return sum(self.ends) / 2

    @property
    def deviation(self) -> float:
        """Standard deviation, of ln x for log kinds."""
        low, high = self.ends
        return self.second if self.is_normal else (high - low) / math.sqrt(12)

    @property
    def searched(self) -> tuple[float, float]:
        """Between which a maximum is searched, in ln x for log kinds."""
        reach = _SCANNED * self.deviation
        return (self.centre - reach, self.centre + reach) if self.is_normal else self.ends

    def log_density(self, value: Any) -> Any:
        """Logarithm of the normalised density of x, or of ln x for log kinds; -inf beyond the ends."""
        if self.is_normal:
            pull = (np.asarray(value) - self.centre) / self.deviation
            return -(pull**2) / 2 - math.log(self.deviation * math.sqrt(2 * math.pi))
        low, high = self.ends
        return np.where((value >= low) & (value <= high), -math.log(high - low), -np.inf)

    def __str__(self) -> str:
        return f"{self.first:.12g}" if self.is_fixed else f"{self.kind}({self.first:.12g}, {self.second:.12g})"


@frozen
class PriorOf:
    """The kind of a key that is a prior.

    logarithm  whether the parameter is sampled in its logarithm: it then takes log kinds only
    low, high  what a value of the parameter may be
    """

    logarithm: bool
    low: float
    high: float

    @property
    def allowed(self) -> str:
        """The forms of a prior, in words."""
        forms = "log_uniform(A, B), log_normal(MEDIAN, SD)" if self.logarithm else "uniform(A, B), normal(MEAN, SD)"
        return f"{forms}, or a number, within [{self.low:g}, {self.high:g}]"

    def parse(self, text: str) -> Prior:
        """The prior."""
        found = _TEXT.fullmatch(text.strip())
        try:
            if found is None:
                return self.check(Prior.fixed(float(text)))
            return self.check(Prior(found[1], float(found[2]), float(found[3])))
        except ValueError:
            raise ValueError(self.allowed) from None

    def check(self, value: Any) -> Prior:
        """The prior; a number is a fixed value, and a text is parsed."""
        if isinstance(value, str):
            return self.parse(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = Prior.fixed(float(value))
        if not isinstance(value, Prior) or not self._holds(value):
            raise ValueError(self.allowed)
        return value

    def _holds(self, prior: Prior) -> bool:
        first, second = prior.first, prior.second
        if not (math.isfinite(first) and math.isfinite(second) and self.low <= first <= self.high):
            return False
        if prior.is_fixed:
            return True
        if prior.kind not in KINDS or prior.kind.startswith("log_") != self.logarithm:
            return False
        return second > 0 if prior.is_normal else first < second <= self.high

    def format(self, value: Prior) -> str:
        """Text that parse reads back to the same prior."""
        return str(value)
