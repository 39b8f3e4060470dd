"""Arguments of public functions: quantities of astropy (and arrays of unyt) are converted to the unit that a function
takes, or refused; what a function annotates as float or int must be a number, arrays may have no masked values.

Without the first NumPy drops units, and k in 1/Mpc would be taken for h/Mpc. astropy knows no comoving lengths: Mpc is
what the argument is in, comoving or physical. Where one side has h and the other has not, h is that of another
argument: `h` itself, or a Model, a Config, a Population.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from inspect import Parameter, isclass, isfunction, signature
from pathlib import Path
from typing import Any, TypeVar, cast

from .errors import InputError

T = TypeVar("T")

ASTROPY = {  # units for people: for astropy
    "1": "",
    "mean matter densities": "",
    "sqrt(mean matter density)": "",
    "eV": "eV",
    "rad": "rad",
    "km/s": "km/s",
    "(km/s)^2": "km2/s2",
    "cMpc/h": "Mpc/littleh",
    "ckpc/h": "kpc/littleh",
    "Mpc/h": "Mpc/littleh",
    "h/Mpc": "littleh/Mpc",
    "h/cMpc": "littleh/Mpc",
    "(Mpc/h)^3": "Mpc3/littleh3",
    "(h/Mpc)^3": "littleh3/Mpc3",
    "Msun/h": "solMass/littleh",
    "(Msun/h)/(cMpc/h)": "solMass/Mpc",
    "(Msun/h)/(cMpc/h)^3": "littleh2 solMass/Mpc3",
    "1e-22 eV": "1e-22 eV",
    "Gyr": "Gyr",
    "1/Gyr": "1/Gyr",
    "Myr": "Myr",
}
NUMBER = ""  # of an argument without unit, or in code units
ANY = "any"  # of an argument whose unit does not matter, as it is divided by its mean
LATER = "later"  # of an argument whose parts the function converts itself


@contextmanager
def home_for_astropy() -> Iterator[None]:
    """An empty home folder for the import of astropy, which looks for one, where the account has none."""
    try:
        Path.home()
    except RuntimeError:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["HOME"] = folder
            try:
                yield
            finally:
                del os.environ["HOME"]
    else:
        yield


def takes(**units: str) -> Callable[[T], T]:
    """A decorator: arguments may be quantities, and are converted to these units; those of all others are refused.

    units  of arguments by name: a unit of documentation, ANY or LATER;  of a class, arguments of its __init__
    """

    def decorate(target: T) -> T:
        if isinstance(target, type):
            setattr(target, "__init__", _converting(vars(target)["__init__"], units))  # noqa: B010
            return target
        return cast(T, _converting(cast(Callable, target), units))

    return decorate


def takes_numbers(target: T) -> T:
    """A decorator of a class whose arguments are numbers, in code units say: all its public methods refuse units."""
    for name, method in list(vars(target).items()):
        is_public = not name.startswith("_") or name in ("__init__", "__call__")
        if isfunction(method) and is_public and not hasattr(method, "takes_units"):
            setattr(target, name, _converting(method, {}))
    return target


def _converting(function: Callable, units: Mapping[str, str]) -> Callable:
    """A function whose arguments have lost their units, rightly, and are numbers where numbers are asked for."""
    known = signature(function)
    label = function.__qualname__.removesuffix(".__init__").removesuffix(".__call__")
    names = list(known.parameters)
    is_method = int(names[:1] == ["self"])
    annotations = {name: each.annotation for name, each in known.parameters.items()}
    kinds = {name: _NUMBERS.get(str(annotation)) for name, annotation in annotations.items()}
    others = next((kinds[name] for name in names if known.parameters[name].kind is Parameter.VAR_KEYWORD), None)
    classes = {name: each for name, each in annotations.items() if _is_ours(each)}
    # arguments of these types are as they must be: a look at them takes longer than many a function
    good = {name: {classes[name]} if name in classes else _GOOD[kind] for name, kind in kinds.items()}
    in_order = [good[name] for name in names]

    def checked(name: str, value: Any) -> Any:
        if name in classes and not isinstance(value, classes[name]):
            wanted = classes[name].__name__
            how = _MADE_BY.get(wanted, "")
            raise InputError(f"{label}: {name} is a {type(value).__name__}: must be a gpu_fdm {wanted}{how}")
        kind = kinds.get(name, others)
        return value if isinstance(value, float | str) and kind is None else _checked(value, kind, f"{label}: {name}")

    @wraps(function)
    def converted(*positional: Any, **named: Any) -> Any:
        first = min(len(positional), is_method)
        if (
            len(positional) <= len(in_order)
            and all(type(value) in types for value, types in zip(positional[first:], in_order[first:], strict=False))
            and all(type(value) in good.get(name, ()) for name, value in named.items())
        ):
            return function(*positional, **named)
        if not any(map(_has_unit, positional)) and not any(map(_has_unit, named.values())):
            checked_positional = [checked(*each) for each in zip(names, positional, strict=False)]
            checked_positional += positional[len(names) :]
            return function(*checked_positional, **{name: checked(name, value) for name, value in named.items()})
        try:
            bound = known.bind(*positional, **named)
        except TypeError:
            return function(*positional, **named)  # which says what is wrong
        for name, value in bound.arguments.items():
            if known.parameters[name].kind is Parameter.VAR_KEYWORD:
                bound.arguments[name] = {
                    key: plain(each, units.get(key, NUMBER), f"{label}: {key}") for key, each in value.items()
                }
            elif units.get(name) != LATER:
                bound.arguments[name] = plain(value, units.get(name, NUMBER), f"{label}: {name}", bound.arguments)
        for name, value in bound.arguments.items():
            if known.parameters[name].kind is Parameter.VAR_KEYWORD:
                bound.arguments[name] = {key: checked(key, each) for key, each in value.items()}
            else:
                bound.arguments[name] = checked(name, value)
        return function(*bound.args, **bound.kwargs)

    converted.takes_units = True  # type: ignore[attr-defined]
    return converted


def _is_ours(annotation: Any) -> bool:
    """Whether an annotation is a class of this package, of which an argument must be an instance."""
    return (
        isclass(annotation)
        and annotation.__module__.startswith(__package__)
        and not getattr(annotation, "_is_protocol", False)
    )


# what makes an instance of a class, for messages
_MADE_BY = {"Config": " (read_config reads an ini, parse_config its text)"}
# annotations of arguments that must be a number -> whether it is an integer, whether it may be None
_NUMBERS = {
    "<class 'float'>": (False, False),
    "<class 'int'>": (True, False),
    "float | None": (False, True),
    "int | None": (True, True),
}

# types of plain values by that: what has another may still be right
_GOOD: dict[tuple[bool, bool] | None, set[type]] = {
    None: {float, int, str, type(None)},
    (False, False): {float, int},
    (True, False): {int},
    (False, True): {float, int, type(None)},
    (True, True): {int, type(None)},
}


def _checked(value: Any, kind: tuple[bool, bool] | None, where: str) -> Any:
    """The value, a number of NumPy as one of Python; InputError for what is no number, and for masked values."""
    if _is_masked(value):
        raise InputError(f"{where}: has masked values: must have none")
    if kind is None:
        return value
    integer, optional = kind
    value = number_of(value)
    if (value is None and optional) or isinstance(value, int) or (isinstance(value, float) and not integer):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise InputError(f"{where} = {value!r}: must be {'an integer' if integer else 'a number'}")


def number_of(value: Any) -> Any:
    """The number of Python in a scalar of NumPy, or in an array without axes; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _has_unit(value: Any) -> bool:
    """Whether a value, or one of a short list, is a quantity of astropy, unyt or pint, or a column of a table."""
    if isinstance(value, float | int | str | bytes) or value is None:
        return False
    if isinstance(value, list | tuple):
        return any(map(_has_unit, value[:3]))
    if hasattr(value, "units"):
        return hasattr(value, "to_astropy") or hasattr(value, "magnitude")
    return getattr(value, "unit", None) is not None and (hasattr(value, "to_value") or hasattr(value, "quantity"))


def plain(value: Any, unit: str, where: str, others: Mapping[str, Any] | None = None) -> Any:
    """The number, or array, of a quantity in a unit; anything else as it is.

    unit    of documentation, NUMBER or ANY;  where  names the argument, for messages
    others  arguments of the same call, which may know h
    Raises InputError where the quantity does not convert, and for masked values.
    """
    if _is_masked(value):
        raise InputError(f"{where}: has masked values: must have none")
    if not _has_unit(value):
        return value
    with home_for_astropy():
        import astropy.cosmology.units as with_h
        from astropy import units

    try:
        quantity = value.to_astropy() if hasattr(value, "to_astropy") else units.Quantity(value)
    except (TypeError, ValueError, AttributeError):
        allowed = f"in {unit}" if unit in ASTROPY else "a plain number"
        raise InputError(f"{where}: must be a quantity of astropy or {allowed}, not {type(value).__name__}") from None
    if unit == ANY:
        return quantity.value
    with units.add_enabled_units(with_h):
        target = units.Unit(ASTROPY.get(unit, ""))
        ways = [*units.mass_energy()] if unit == "1e-22 eV" else []
        ways += with_h.dimensionless_redshift() if unit == NUMBER else []
        h = _hubble(others or {})
        for of_h in (None, h):
            more = [] if of_h is None else with_h.with_H0(units.Quantity(100 * of_h, "km/(s Mpc)"))
            try:
                plain = quantity.to_value(target, [*ways, *more])
            except units.UnitConversionError:
                continue
            return float(plain) if quantity.ndim == 0 else plain
        given = str(quantity.unit) or "a number without unit"
        if unit == NUMBER:
            raise InputError(f"{where} in {given}: must be a plain number: it has no unit, or is in code units")
        any_h = with_h.with_H0(units.Quantity(100, "km/(s Mpc)"))
        if h is None and quantity.unit.is_equivalent(target, any_h):
            raise InputError(f"{where} in {given}: must be in {unit}, with littleh of astropy: h is not known here")
    raise InputError(f"{where} in {given}: must be in {unit}, or in a unit that converts to it")


def _is_masked(value: Any) -> bool:
    """Whether values of a masked array of NumPy or astropy are masked."""
    return hasattr(value, "filled") and bool(value.mask.any())


def _hubble(others: Mapping[str, Any]) -> float | None:
    """H0 / (100 km/s/Mpc) that one of the arguments of a call has, or None."""
    holders = [value for value in others.values() if not _has_unit(value)]
    for value in (others.get("h"), *(_h_of(holder) for holder in holders)):
        if isinstance(value, float | int):
            return float(value)
    return None


def _h_of(holder: Any) -> Any:
    for path in ("h", "units.h", "cosmology.h", "prepared.h"):
        value = holder
        for name in path.split("."):
            value = getattr(value, name, None)
        if isinstance(value, float | int):
            return value
    return None
