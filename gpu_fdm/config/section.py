"""What sections of an ini share: checks of their keys, and ranges of values."""

from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar

from attrs import frozen

from ..errors import InputError
from ..io.kinds import Choice, InputFile, Maybe, Number, Several

FRACTION = Number(0, 1, open_low=True, open_high=True)
BELOW_ONE = Number(0, 1, open_high=True)
# what no universe exceeds, and arithmetic still bears
LENGTH = Number(low=1e-6, high=1e6)
SPEED = Number(low=1e-6, high=1e6)
TIME = Number(low=-1e9, high=1e9)
MASS = Number(low=1, high=1e18)
BOSON_MASS = Number(1e-6, 1e6)
WAVENUMBER = Number(low=1e-6, high=1e9)
POINTS = Number(2, 100_000, integer=True)
THREE_LENGTHS = Several(LENGTH, 3, one_for_all=True)
DIRECTION = Several(Number(), count=3, nonzero=True)
COMPUTED_WEIGHTS = ("wkb", "adaptive_lasso", "poisson", "least_squares")
WEIGHTS = (*COMPUTED_WEIGHTS, "table", "projection")
TRANSFERS = Choice(("hu00", "ph22", "murgia17", "table"))
STATISTICS = Choice(("fixed", "gaussian"))
AXIAL = Choice(("coherent", "thermal"))
NO_FILE = Maybe(InputFile())

ErrorOfKey = Callable[[str, str], InputError]


@frozen
class Section:
    """One section of an ini: every value is checked and converted by the kind of its key.

    needs     groups of sections: of each group one must be there
    replaces  keys of the ini that an override of a key (--set) takes out, since it stands for them
    Raises InputError that names the key, the value and what is allowed.
    """

    needs: ClassVar[tuple[tuple[str, ...], ...]] = ()
    replaces: ClassVar[dict[str, tuple[str, ...]]] = {}

    def check_keys(self, error: ErrorOfKey) -> None:
        """InputError where keys of this section do not go with each other; error(key, message) makes one."""


def require_table(section: Section, key: str, error: ErrorOfKey) -> None:
    """InputError where key = table has no table, or another value has one."""
    value = getattr(section, key)
    if (value == "table") != (getattr(section, f"{key}_table") is not None):
        raise error(f"{key}_table", f"must be given with {key} = table, and only then ({key} = {value})")


def require_rising(section: Section, low: str, high: str, error: ErrorOfKey) -> None:
    """InputError where one key is not below another, if that has a value."""
    top = getattr(section, high)
    if top is not None and not getattr(section, low) < top:
        raise error(low, f"must be smaller than {high}, {top:g}")


def require_once(section: Section, key: str, what: str, error: ErrorOfKey) -> None:
    """InputError where a list names one thing twice, or has numbers that results cannot name apart."""
    values = getattr(section, key) or ()
    if len(set(values)) < len(values):
        raise error(key, f"must not name a {what} twice")
    numbers = sorted(value for value in values if isinstance(value, float))
    for first, second in pairwise(numbers):
        if f"{first:g}" == f"{second:g}":
            same = f"{first!r} and {second!r} do not"
            raise error(key, f"must differ in their first six digits, which name them in results ({same})")
