"""Options of a snapshot on the command line: which part of it is read, and values that its files lack."""

import logging
import math
from functools import partial
from pathlib import Path
from typing import Any, Self

import attrs

from ..errors import InputError
from ..io import kinds
from ..io.kinds import Maybe, Number, Several, Text

log = logging.getLogger(__name__)

DIFFERENCE = 1e-5  # relative, between an option and the file, above which a warning is logged: digits of units
_EXAMPLES = {"unit_length": " (0.001 for kpc/h, 1 for Mpc/h)"}  # of options that are needed
_LENGTH = Number(low=1e-6, high=1e6)


def flag(name: str) -> str:
    """The name of an option on the command line."""
    return "--" + name.replace("_", "-")


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _checked(name: str, value: Any, kind: kinds.Kind) -> Any:
    try:
        return kind.check(value)
    except ValueError as error:
        unit = _unit(_item(name))
        raise InputError(f"{flag(name)} {_text(value)}: must be {error}{unit}") from None


option = partial(kinds.option, check=_checked)


class OptionNeeded(InputError):
    """A file lacks values, or has several of what one is read: options say what it does not.

    what     the message without the path before it
    options  their names
    choices  values of which one must be chosen; empty where any value may be given
    """

    def __init__(self, message: str, path: str | Path = "", options: tuple[str, ...] = (), choices: tuple = ()):
        super().__init__(message)
        self.what, self.options, self.choices = message.removeprefix(f"{path}: "), options, choices


@attrs.frozen
class SnapshotOptions:
    """Options of open_snapshot; None if not given. An option overrides the value in the file.

    Raises InputError for a value out of range.
    """

    dataset: tuple | None = option(
        None, Maybe(Several(Text())), "array in the file; two of an HDF5 file: the real and the imaginary part of psi"
    )
    field: str | None = option(None, Maybe(Text()), "one of the fields that the snapshot lists")
    box_size: tuple | None = option(None, Maybe(Several(_LENGTH, 3, one_for_all=True)), "sides of the box", "cMpc/h")
    redshift: float | None = option(None, Maybe(Number(-1, 1e4, open_low=True)), "redshift of the snapshot")
    h: float | None = option(None, Maybe(Number(0.01, 10)), "H0 / (100 km/s/Mpc), for lengths that are not per h")
    unit_length: float | None = option(
        None, Maybe(Number(0, open_low=True)), "size of the unit of length in the file, comoving", "cMpc/h"
    )
    particle_type: int | None = option(None, Maybe(Number(0, 63, integer=True)), "N of PartTypeN; 1 if not given")
    level: int | None = option(None, Maybe(Number(0, 30, integer=True)), "refinement level to sample; 0 if not given")

    def __attrs_post_init__(self) -> None:
        if self.dataset is not None and len(self.dataset) > 2:
            raise InputError(
                f"{self.flag('dataset')} {_text(self.dataset)}: must be one array, or two for Re psi and Im psi"
            )

    @classmethod
    def flag(cls, name: str) -> str:
        """How messages name an option."""
        return flag(name)

    @classmethod
    def from_text(cls, texts: dict[str, Any]) -> Self:
        """Options by name as on the command line: a text, several for `dataset`, or None if not given.

        Raises InputError, naming the option, for a value out of range.
        """
        values = {}
        for item in attrs.fields(cls):
            text, kind = texts.get(item.name), item.metadata["kind"]
            text = tuple(text) if isinstance(text, list) else text
            try:
                values[item.name] = kind.parse(text) if isinstance(text, str) else kind.check(text)
            except ValueError as error:
                what = f"{cls.flag(item.name)} {_text(text)}"
                raise InputError(f"{what}: must be {error}{_unit(item)}") from None
        return cls(**values)

    def given(self) -> tuple[str, ...]:
        """Names of the options that are not None."""
        return tuple(item.name for item in attrs.fields(type(self)) if getattr(self, item.name) is not None)

    def require(self, path: str | Path, **known: bool) -> None:
        """OptionNeeded naming every option that neither the user nor the file has; known  whether the file has it."""
        missing = [name for name, in_file in known.items() if not in_file and getattr(self, name) is None]
        if missing:
            flags = " and ".join(f"{self.flag(name)}{_unit(_item(name))}{_EXAMPLES.get(name, '')}" for name in missing)
            what = f"{path}: the file has no {' and no '.join(missing)}: give {flags}"
            raise OptionNeeded(what, path, tuple(missing))

    def resolve(self, name: str, stored: Any, path: str | Path, needed: bool = True) -> Any:
        """The value of an option: as given, else as stored in the file.

        stored  in the option's unit, or None if the file lacks it; or a function of nothing that reads it
        needed  whether a missing value is an error; otherwise None is returned for it
        A stored value that makes no sense is passed over with a warning where it is not needed.
        Raises InputError, naming the option, for a missing value, and for a stored value out of range.
        """
        item, given = _item(name), getattr(self, name)
        try:
            stored = _in_range(item, stored, path)
        except InputError as error:
            if given is None and needed:
                raise
            instead = f"{self.flag(name)} {_text(given)} is taken" if given is not None else "it is not used"
            log.warning("%s; %s", error, instead)
            return given
        if needed:
            self.require(path, **{name: stored is not None})
        if given is None:
            return stored
        if stored is not None and not _close(given, stored):
            unit = _unit(item)
            log.warning(
                "%s: %s %s overrides %s%s in the file", path, self.flag(name), _text(given), _text(stored), unit
            )
        return given


def _item(name: str) -> Any:
    return next(item for item in attrs.fields(SnapshotOptions) if item.name == name)


def _unit(item: Any) -> str:
    return f" [{item.metadata['unit']}]" if item.metadata["unit"] else ""


def _in_range(item: Any, stored: Any, path: str | Path) -> Any:
    """A stored value, or that which a function reads; InputError for one out of range."""
    value = stored() if callable(stored) else stored
    if value is None:
        return None
    try:
        return item.metadata["kind"].check(value)
    except ValueError as error:
        raise InputError(f"{path}: {item.name} = {_text(value)}{_unit(item)} in the file: must be {error}") from None


def _close(one: Any, other: Any) -> bool:
    one, other = (value if isinstance(value, tuple) else (value,) for value in (one, other))
    return all(math.isclose(a, b, rel_tol=DIFFERENCE, abs_tol=1e-12) for a, b in zip(one, other, strict=True))
