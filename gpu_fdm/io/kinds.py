"""Kinds of values in an ini or on the command line: how each is read from text, checked and written back.

A kind has parse(text), check(value) and format(value); parse and check raise ValueError with what is allowed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import Any, Protocol

import attrs

from ..errors import InputError, did_you_mean
from ..quantities import number_of, plain


class Kind(Protocol):
    """What every kind has."""

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words that follow "must be"."""

    def parse(self, text: str) -> Any:
        """The value of a text. Raises ValueError, saying what is allowed."""

    def check(self, value: Any) -> Any:
        """The value in its own type, a list as a tuple say. Raises ValueError, saying what is allowed."""

    def format(self, value: Any) -> str:
        """Text that parse reads back to the same value."""


@dataclass(frozen=True)
class Number:
    """A finite real number in a range; bounds are allowed values unless `open_low` or `open_high`."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    integer: bool = False

    @property
    def allowed(self) -> str:
        """The range in words."""
        what = "an integer" if self.integer else "a number"
        low, high = (f"{bound:d}" if isinstance(bound, int) else f"{bound:g}" for bound in (self.low, self.high))
        if self.low == -math.inf and self.high == math.inf:
            return what
        if self.high == math.inf:
            return f"{what} {'>' if self.open_low else '>='} {low}"
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"{what} in {left}{low}, {high}{right}"

    def parse(self, text: str) -> float:
        """A float, or an int where integers are asked for."""
        try:
            value: float | None = int(text) if self.integer else float(text)
        except ValueError:
            value = _integer(text) if self.integer else None
        if value is None:
            raise ValueError(self.allowed)
        return self.check(value)

    def check(self, value: Any) -> float:
        """The value as a float, or as an int where integers are asked for."""
        value = number_of(value)
        good = isinstance(value, Real) and not isinstance(value, bool) and _is_finite(value)
        good = good and (not self.integer or value == int(value))
        good = good and (value > self.low if self.open_low else value >= self.low)
        good = good and (value < self.high if self.open_high else value <= self.high)
        if not good:
            raise ValueError(self.allowed)
        return int(value) if self.integer else float(value)

    def format(self, value: float) -> str:
        """Text that parse reads back to the same value."""
        return str(value) if self.integer else f"{value:.17g}" if float(f"{value:.12g}") != value else f"{value:.12g}"


def _is_finite(value: Any) -> bool:
    """Whether a float can hold the value and is finite; an integer may be too large for one."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _integer(text: str) -> int | None:
    """An integer written as 1e3 or 512.0, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if math.isfinite(value) and value == int(value) else None


@dataclass(frozen=True)
class Choice:
    """One of a few names."""

    names: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The names."""
        return "one of " + ", ".join(self.names)

    def parse(self, text: str) -> str:
        """The name."""
        return self.check(text)

    def check(self, value: Any) -> str:
        """The name."""
        if value not in self.names:
            raise ValueError(f"{self.allowed}{did_you_mean(value, self.names) if isinstance(value, str) else ''}")
        return value

    def format(self, value: str) -> str:
        """The name."""
        return value


@dataclass(frozen=True)
class Text:
    """Any text that is not empty, a file name say; ' #' and ' ;' begin a comment in an ini and are refused."""

    allowed: str = "text that is not empty, without ' #' and ' ;'"

    def parse(self, text: str) -> str:
        """The text."""
        return self.check(text)

    def check(self, value: Any) -> str:
        """The text."""
        if (
            not isinstance(value, str)
            or not value.strip()
            or any(bad in value for bad in ("\n", "\r", "\0", " #", " ;"))
        ):
            raise ValueError(self.allowed)
        return value

    def format(self, value: str) -> str:
        """The text."""
        return value


@dataclass(frozen=True)
class InputFile(Text):
    """Name of a file to read: from the working directory, or else beside the ini."""

    allowed: str = "a file, from the working directory or else beside the ini"


MOST_VALUES = 1_000_000  # of a list: more than anybody means


@dataclass(frozen=True)
class Several:
    """Values of one kind separated by commas or blanks; where `one_for_all`, a single one stands for `count`.

    count      how many, or None for any number from one
    nonzero    not all may be zero
    most       where there is no count, how many at most
    """

    kind: Number | Choice | Text
    count: int | None = None
    one_for_all: bool = False
    nonzero: bool = False
    most: int = MOST_VALUES

    @property
    def allowed(self) -> str:
        """The number of values and what each may be, in words."""
        if self.count is None:
            return self._bounded if self.most < MOST_VALUES else f"a list, each {self.kind.allowed}"
        number = f"one or {self.count} values" if self.one_for_all else f"{self.count} values"
        return f"{number}, each {self.kind.allowed}" + (", not all zero" if self.nonzero else "")

    @property
    def _bounded(self) -> str:
        return f"a list of at most {self.most}, each {self.kind.allowed}"

    def parse(self, text: str) -> tuple:
        """A tuple."""
        try:
            values = tuple(self.kind.parse(word) for word in text.replace(",", " ").split())
        except ValueError:
            raise ValueError(self.allowed) from None
        return self.check(values)

    def check(self, value: Any) -> tuple:
        """A tuple of `count` values, of an array too."""
        value = value.tolist() if hasattr(value, "tolist") else value
        values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        try:
            values = tuple(self.kind.check(v) for v in values)
        except ValueError:
            raise ValueError(self.allowed) from None
        if self.one_for_all and len(values) == 1:
            values = values * (self.count or 1)
        if len(values) > self.most:
            raise ValueError(self._bounded)
        if not values or (self.count is not None and len(values) != self.count):
            raise ValueError(self.allowed)
        if self.nonzero and not any(values):
            raise ValueError(self.allowed)
        return values

    def format(self, value: tuple) -> str:
        """Comma separated; one value where all are the same and one is enough."""
        values = value[:1] if self.one_for_all and len(set(value)) == 1 else value
        return ", ".join(self.kind.format(v) for v in values)


AUTO = "auto"


@dataclass(frozen=True)
class Series:
    """Two or more times that rise, or `auto N`, so many of them in steps that are found; `auto` is the usual number."""

    time: Number
    usual: int
    most: int

    @property
    def allowed(self) -> str:
        """Both forms."""
        what = self.time.allowed.removeprefix("a ")
        return f"2 to {self.most} times that rise, each a {what}; or {AUTO}, {AUTO} 2, ... {AUTO} {self.most}"

    def parse(self, text: str) -> tuple | str:
        """A tuple of times, or the text `auto N`."""
        first, *others = text.replace(",", " ").split() or [""]
        try:
            if first != AUTO:
                return self.check(Several(self.time).parse(text))
            number = Number(2, self.most, integer=True)
            return f"{AUTO} {number.parse(' '.join(others)) if others else self.usual}"
        except ValueError:
            raise ValueError(self.allowed) from None

    def check(self, value: Any) -> tuple | str:
        """A tuple of times, or the text `auto N`."""
        if isinstance(value, str):
            return self.parse(value)
        try:
            times = Several(self.time).check(value)
        except ValueError:
            times = ()
        if not 2 <= len(times) <= self.most or any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError(self.allowed)
        return times

    def format(self, value: tuple | str) -> str:
        """Text that parse reads back to the same value."""
        return value if isinstance(value, str) else Several(self.time).format(value)


def frames_of(value: tuple | str) -> int:
    """The number of times of a value of Series."""
    return int(value.removeprefix(AUTO)) if isinstance(value, str) else len(value)


@dataclass(frozen=True)
class Maybe:
    """A value of a kind, or none: the key is then absent or empty."""

    kind: Kind

    @property
    def allowed(self) -> str:
        """The values of the kind, or empty."""
        return self.kind.allowed + ", or empty"

    def parse(self, text: str) -> Any:
        """The value or None."""
        return self.kind.parse(text) if text.strip() else None

    def check(self, value: Any) -> Any:
        """The value or None."""
        return None if value is None else self.kind.check(value)

    def format(self, value: Any) -> str:
        """Empty text for none."""
        return "" if value is None else self.kind.format(value)


def checked(name: str, value: Any, kind: Kind) -> Any:
    """The value by its kind; InputError that begins with its name and the value."""
    try:
        return kind.check(value)
    except ValueError as error:
        raise InputError(f"{name} = {value}: must be {error}") from None


def option(
    default: Any,
    kind: Kind,
    description: str = "",
    unit: str = "",
    check: Callable[[str, Any, Kind], Any] = checked,
) -> Any:
    """A field of an attrs class for a key or an option: its default, its kind, what it is, and its unit.

    check  as `checked`, of which messages may begin otherwise
    """

    def convert(value: Any, field: attrs.Attribute) -> Any:
        return check(field.name, plain(value, unit, field.name), kind)

    metadata = {"kind": kind, "description": description, "unit": unit}
    return attrs.field(default=default, converter=attrs.Converter(convert, takes_field=True), metadata=metadata)
