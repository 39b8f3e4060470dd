"""Tables of boosts and spectra, CSV or ECSV, with their units and with the names of the fields that were measured.

A CSV file has a header of comments, `# name: value`, then the names of the columns, then numbers. An ECSV file
(astropy.table) has the same names in its meta data, and units with its columns. docs/boosts.md has examples.
"""

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, require_file
from ..io import ecsv
from ..io.atomic import atomic_write
from ..io.spectral_units import (
    COMOVING,
    MPC_CUBED,
    NORMALISED,
    PER_MPC,
    UNITS_OF_K,
    UNITS_OF_POWER,
    known_unit,
)
from ..io.tables import column_names, errors_of_text, header_lines, read_columns, read_text, without_formulas
from ..quantities import home_for_astropy
from .boost import ERRORS, LIMITS, Boost
from .spectrum import Spectrum

Made = TypeVar("Made", Boost, Spectrum)
Columns = dict[str, NDArray]

MEASURED = "P(k) measured by gpu-fdm power"  # how the header of such a table begins
MEASURED_MARK = MEASURED.encode()  # of files that may be replaced
_PUBLISHED = "zimmermann2025_fig12_m22_{}.csv"
_PUBLISHED_MASSES = 1, 2, 4, 8


def write_boost(boost: Boost, path: str | Path, made_by: str = "") -> None:
    """Write a table of k, boost, error and beyond_nyquist: ECSV where the name ends in .ecsv, else CSV.

    made_by  program and command line, for the header
    Where rows are beyond other limits (boost.LIMITS), there is a column for each.
    read_boost reads back the same numbers. Raises RunError where it cannot be written.
    """
    header: dict[str, str | float] = {"numerator": boost.numerator, "denominator": boost.denominator}
    header |= _about(boost, made_by)
    columns = {"k": boost.k, "boost": boost.boost}
    if boost.error is not None:
        header["errors"], columns["error"] = ERRORS, boost.error
    header |= {"k": "h/Mpc", "boost": NORMALISED}
    columns |= {mask: getattr(boost, mask) for mask in LIMITS if mask == "beyond_nyquist" or getattr(boost, mask).any()}
    _write(path, header, columns)


def write_spectrum(spectrum: Spectrum, path: str | Path, made_by: str = "") -> None:
    """Write a table of k, power, and error, modes, k_low and k_high where they are known, as write_boost does.

    read_spectrum reads back the same numbers. Raises RunError where it cannot be written.
    """
    header: dict[str, str | float] = {"table": MEASURED, "of": spectrum.of}
    header |= _about(spectrum, made_by)
    if spectrum.box_size is not None:
        header["box_size"] = ", ".join(map(repr, map(float, spectrum.box_size)))
    if spectrum.nyquist is not None:
        header["nyquist"] = float(spectrum.nyquist)
    if spectrum.floor:
        header["floor"] = float(spectrum.floor)
    header |= {"k": "h/Mpc", "power": spectrum.units}
    columns = {"k": spectrum.k, "power": spectrum.power}
    if spectrum.deviation is not None:
        header["errors"], columns["error"] = "standard deviation, in the units of power", spectrum.deviation
    if spectrum.modes is not None:
        columns["modes"] = spectrum.modes
    if spectrum.edges is not None:
        columns |= dict(zip(("k_low", "k_high"), spectrum.edges, strict=True))
    _write(path, header, columns)


def _about(table: Boost | Spectrum, made_by: str) -> dict[str, str | float]:
    """Lines of a header, as far as they are known: what a table is of, and what made it."""
    numbers = {"redshift": table.redshift, "m22": table.m22}
    texts = {"object": table.object, "source": table.source, "shot_noise": table.shot_noise, "made_by": made_by}
    known: dict[str, str | float] = {name: float(number) for name, number in numbers.items() if number is not None}
    known |= {name: text for name, text in texts.items() if text}
    return known


def _write(path: str | Path, header: dict[str, str | float], columns: Columns) -> None:
    write = _write_ecsv if Path(path).suffix == ".ecsv" else _write_csv
    with atomic_write(Path(path)) as part:
        write(part, header, columns)


def read_boost(path: str | Path) -> Boost:
    """Read a table of k and boost; error and beyond_nyquist, beyond_force, beyond_velocity (0 or 1) where they are.

    The header must have numerator, denominator and the unit of k: h/Mpc, or 1/Mpc with h.
    Raises InputError that names the file, and the line of the header to add where one is missing.
    """
    table = _Table(path, ("k", "boost"), ("error", *LIMITS))
    scale = table.wavenumber_unit()
    numerator = table.text("numerator", "fdm", "the field of the spectrum in the numerator")
    denominator = table.text(
        "denominator", "smooth, classical, n-body or cdm", "the field of the spectrum in the denominator"
    )
    metadata = table.metadata()

    def make(columns: Columns) -> Boost:
        k, error = columns["k"] * scale, columns.get("error")
        masks: dict[str, Any] = {mask: columns[mask] for mask in LIMITS if mask in columns}
        return Boost(k, columns["boost"], numerator, denominator, error=error, **masks, **metadata)

    return table.make(make)


def read_written_boost(path: str | Path) -> Boost:
    """Read a table that write_boost wrote, known by how its header begins and by the column beyond_nyquist.

    Raises InputError for other files, tables of boosts that somebody else made among them.
    """
    table = _Table(path, ("k", "boost", "beyond_nyquist"), ())
    if list(table.header)[:2] != ["numerator", "denominator"]:
        raise InputError(f"{path}: no table that gpu-fdm wrote: its header does not begin with numerator, denominator")
    return read_boost(path)


def read_spectrum(path: str | Path) -> Spectrum:
    """Read a table of k and power; modes (k and -k both counted), error, k_low and k_high where there are such columns.

    The header must have of, and the units of k (h/Mpc, or 1/Mpc with h) and of power ((Mpc/h)^3, or Mpc^3 with h, or
    1 for power over the mass squared). nyquist and floor are in these units too; box_size is in cMpc/h.
    Raises InputError as read_boost does.
    """
    table = _Table(path, ("k", "power"), ("modes", "error", "k_low", "k_high"))
    k_scale, (power_scale, units) = table.wavenumber_unit(), table.power_unit()
    of = table.text("of", "fdm", "the field of the spectrum")
    nyquist, floor = table.number("nyquist"), table.number("floor")
    metadata = table.metadata() | {"box_size": table.box_size()}

    def make(columns: Columns) -> Spectrum:
        edges = [columns[name] * k_scale for name in ("k_low", "k_high") if name in columns]
        return Spectrum(
            columns["k"] * k_scale,
            columns["power"] * power_scale,
            of,
            units,
            modes=columns.get("modes"),
            error=columns["error"] * power_scale if "error" in columns else None,
            edges=np.array(edges) if len(edges) == 2 else None,
            floor=0.0 if floor is None else floor * power_scale,
            nyquist=None if nyquist is None else nyquist * k_scale,
            **metadata,
        )

    return table.make(make)


def published_boosts() -> tuple[Boost, ...]:
    """Boosts fdm/classical of one filament of 5e9 Msun/h at z = 4, for m22 = 1, 2, 4, 8, read off a published figure.

    Zimmermann et al. 2025 (A&A 696, A145), figure 12, wherever both curves are legible; the denominator is the analytic
    cylinder, a filament of particles. A pixel is 4.2 % in k and 21 %
    in power, and is taken as the standard deviation of both curves' power and of k:
    (error/boost)^2 = 2 0.21^2 + (0.042 d ln boost/d ln k)^2.
    """
    folder, boosts = files("gpu_fdm.spectra") / "data", []
    for m22 in _PUBLISHED_MASSES:
        with as_file(folder / _PUBLISHED.format(m22)) as path:
            boosts.append(read_boost(path))
    return tuple(boosts)


class _Table:
    """A table as it is in a file: header (texts by name) and columns (arrays by name)."""

    header: dict[str, str]
    columns: Columns

    def __init__(self, path: str | Path, needed: tuple[str, ...], optional: tuple[str, ...]):
        self.path = Path(path)
        require_file(self.path)
        read = _read_ecsv if self.path.suffix == ".ecsv" else _read_csv
        self.header, self.columns = read(self.path, needed, optional)

    def text(self, name: str, example: str, meaning: str) -> str:
        """A line of the header that must be there."""
        value = self.header.get(name, "")
        if not value:
            raise InputError(f"{self.path}: no {name}: add '# {name}: {example}' to the header, {meaning}")
        return value

    def number(self, name: str) -> float | None:
        """A number in the header, or None."""
        text = self.header.get(name, "")
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise InputError(f"{self.path}: {name} = {text} in the header: must be a finite number")
        return value

    def metadata(self) -> dict[str, Any]:
        """Redshift, m22, source, object and what is said of shot noise, as far as the header has them."""
        numbers: dict[str, Any] = {name: self.number(name) for name in ("redshift", "m22")}
        return numbers | {name: self.header.get(name, "") for name in ("source", "object", "shot_noise")}

    def box_size(self) -> tuple[float, ...] | None:
        """Sides of the box, or None."""
        text = self.header.get("box_size", "")
        try:
            sides = [float(side) for side in text.replace(",", " ").split()]
        except ValueError:
            sides = [np.nan]
        if len(sides) not in (0, 1, 3) or not all(side > 0 and np.isfinite(side) for side in sides):
            raise InputError(f"{self.path}: box_size = {text} in the header: must be one or three positive numbers")
        return tuple((sides * 3)[:3]) or None

    def wavenumber_unit(self) -> float:
        """The unit of k [h/Mpc]."""
        return self._unit("k", UNITS_OF_K, {"h/Mpc": 1.0, PER_MPC: -1.0})[0]

    def power_unit(self) -> tuple[float, str]:
        """The factor to the units of a Spectrum, and these units."""
        factor, unit = self._unit("power", UNITS_OF_POWER, {COMOVING: 1.0, MPC_CUBED: 3.0, NORMALISED: 1.0})
        return factor, COMOVING if unit == MPC_CUBED else unit

    def _unit(self, name: str, known: dict[str, str], powers_of_h: dict[str, float]) -> tuple[float, str]:
        """The factor from a column's unit to one with h, and the unit; the power 1.0 stands for no factor."""
        if name not in self.header:
            units = ", ".join(powers_of_h)
            raise InputError(f"{self.path}: no unit of {name}: add '# {name}: UNIT' to the header, UNIT one of {units}")
        unit = known_unit(self.header[name], known)
        if unit is None:
            raise InputError(
                f"{self.path}: {name}: {self.header[name]} in the header: must be one of {', '.join(powers_of_h)}"
            )
        if powers_of_h[unit] == 1.0:
            return 1.0, unit
        h = self.number("h")
        if h is not None and not 0.01 <= h <= 10:
            raise InputError(f"{self.path}: h = {h:g} in the header: must be in [0.01, 10]")
        if h is None:
            raise InputError(f"{self.path}: {name} in {unit}: add '# h: 0.7', the H0 / (100 km/s/Mpc) of the table")
        return h ** powers_of_h[unit], unit

    def make(self, from_columns: Callable[[Columns], Made]) -> Made:
        """The boost or spectrum of the columns; an error in them names the file."""
        try:
            return from_columns(self.columns)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None


def _read_csv(path: Path, needed: tuple[str, ...], optional: tuple[str, ...]) -> tuple[dict[str, str], Columns]:
    with errors_of_text(path):
        text = read_text(path)
        found = column_names(text)
        return header_lines(text), read_columns(path, (*needed, *(name for name in optional if name in found)), text)


def _read_ecsv(path: Path, needed: tuple[str, ...], optional: tuple[str, ...]) -> tuple[dict[str, str], Columns]:
    with errors_of_text(path):
        text = read_text(path)
    table = ecsv.read(path, text)
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)} (found {', '.join(table.columns)})")
    wanted = (*needed, *(name for name in optional if name in table.columns))
    return table.meta | table.units, {name: table.numbers(name) for name in wanted}


def _write_csv(path: Path, header: dict[str, str | float], columns: Columns) -> None:
    lines = [f"# {name}: {without_formulas(value)}" for name, value in header.items()]
    lines.append(",".join(columns))
    flags = {name: values.astype(int) if values.dtype == bool else values for name, values in columns.items()}
    lines += [",".join(map(repr, row)) for row in zip(*(values.tolist() for values in flags.values()), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")


def _write_ecsv(path: Path, header: dict[str, str | float], columns: Columns) -> None:
    with home_for_astropy():
        import astropy.cosmology.units as with_h
        from astropy import units
        from astropy.table import Table

    table = Table(columns, meta=header)
    with units.add_enabled_units(with_h):
        table["k"].unit = "littleh / Mpc"
    table.write(path, format="ascii.ecsv", overwrite=True)
