"""Tables of boosts and of spectra, CSV or ECSV: with their units and with the names of what they are of.

A CSV file has a header of comments, `# name: value`, then the names of the columns, then numbers. An ECSV file
(astropy.table) has the same names in its meta data, and units with its columns. docs/boosts.md has examples.
"""

import re
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from ..errors import InputError, require_file
from ..io import ecsv
from ..io.atomic import atomic_write
from ..io.tables import read_columns, read_text
from .boost import ERRORS, Boost
from .spectrum import COMOVING, NORMALISED, Spectrum

PER_MPC, MPC_CUBED = "1/Mpc", "Mpc^3"
# how units are written, without blanks; ECSV has little h as littleh, or as h, which astropy takes for hours
UNITS_OF_K = {
    **dict.fromkeys(("h/Mpc", "h/cMpc", "littleh/Mpc", "hMpc^-1", "hMpc-1", "h*Mpc^-1"), "h/Mpc"),
    **dict.fromkeys((PER_MPC, "1/cMpc", "Mpc^-1", "Mpc-1"), PER_MPC),
}
UNITS_OF_POWER = {
    **dict.fromkeys((COMOVING, "(cMpc/h)^3", "Mpc^3/h^3", "h^-3Mpc^3", "Mpc3/h3", "Mpc3/littleh3"), COMOVING),
    **dict.fromkeys((MPC_CUBED, "Mpc3", "cMpc^3"), MPC_CUBED),
    NORMALISED: NORMALISED,
}
IN_ECSV = {"h/Mpc": "littleh / Mpc", COMOVING: "Mpc3 / littleh3", NORMALISED: ""}

_HEADER_LINE = re.compile(r"#\s*([a-z]\w*)\s*:\s*(.*?)\s*$", re.IGNORECASE)
_PUBLISHED = "zimmermann2025_fig12_m22_{}.csv"
_PUBLISHED_MASSES = 1, 2, 4, 8


def write_boost(boost: Boost, path):
    """Write a table of k, boost, error and beyond_nyquist: ECSV where the name ends in .ecsv, else CSV.

    read_boost reads back the same numbers. Raises RunError where it cannot be written.
    """
    header = {
        "numerator": boost.numerator,
        "denominator": boost.denominator,
        "redshift": boost.redshift,
        "m22": boost.m22,
        "source": boost.source,
        "errors": None if boost.error is None else ERRORS,
    }
    columns = {"k": boost.k, "boost": boost.boost, "error": boost.error, "beyond_nyquist": boost.beyond_nyquist}
    _write(path, header, columns, {"k": "h/Mpc", "boost": NORMALISED})


def read_boost(path) -> Boost:
    """A table of k and boost; error and beyond_nyquist (0 or 1) where there are such columns.

    The header must have numerator, denominator and the unit of k: h/Mpc, or 1/Mpc with h.
    Raises InputError that names the file, and the line of the header to add where one is missing.
    """
    table = _Table(path, ("k", "boost"), ("error", "beyond_nyquist"))
    scale = table.wavenumber_unit()
    about = table.about() | {
        "numerator": table.text("numerator", "fdm", "what the power above the line is of"),
        "denominator": table.text("denominator", "smooth, cdm or n-body", "what the power below the line is of"),
    }
    return table.make(
        lambda column: Boost(
            column["k"] * scale,
            column["boost"],
            error=column.get("error"),
            **about,
            beyond_nyquist=column.get("beyond_nyquist"),
        )
    )


def write_spectrum(spectrum: Spectrum, path):
    """Write a table of k, power, modes, error and the edges k_low, k_high, as far as it has them; as write_boost."""
    low, high = (None, None) if spectrum.edges is None else spectrum.edges
    header = {
        "of": spectrum.of,
        "redshift": spectrum.redshift,
        "m22": spectrum.m22,
        "nyquist": spectrum.nyquist,
        "box_size": None if spectrum.box_size is None else " ".join(repr(float(side)) for side in spectrum.box_size),
        "floor": spectrum.floor,
        "source": spectrum.source,
    }
    columns = {"k": spectrum.k, "power": spectrum.power, "modes": spectrum.modes, "error": spectrum.error}
    columns |= {"k_low": low, "k_high": high}
    _write(path, header, columns, {"k": "h/Mpc", "power": spectrum.units})


def read_spectrum(path) -> Spectrum:
    """A table of k and power; modes (k and -k both counted), error, k_low and k_high where there are such columns.

    The header must have of, and the units of k (h/Mpc, or 1/Mpc with h) and of power ((Mpc/h)^3, or Mpc^3 with h, or
    1 for power over the mass squared). nyquist and floor are in these units too; box_size is in cMpc/h.
    Raises InputError as read_boost does.
    """
    table = _Table(path, ("k", "power"), ("modes", "error", "k_low", "k_high"))
    of_k, (of_power, units) = table.wavenumber_unit(), table.power_unit()
    of = table.text("of", "fdm", "what the spectrum is of")
    edges = [table.columns[name] * of_k for name in ("k_low", "k_high") if name in table.columns]
    nyquist, floor, about = table.number("nyquist"), table.number("floor"), table.about()
    about["box_size"] = table.sides()
    return table.make(
        lambda column: Spectrum(
            column["k"] * of_k,
            column["power"] * of_power,
            of,
            units,
            modes=column.get("modes"),
            error=None if "error" not in column else column["error"] * of_power,
            edges=np.array(edges) if len(edges) == 2 else None,
            floor=0.0 if floor is None else floor * of_power,
            nyquist=None if nyquist is None else nyquist * of_k,
            **about,
        )
    )


def published_boosts() -> tuple[Boost, ...]:
    """Boosts fdm/smooth of one filament of 5e9 Msun/h at z = 4, for m22 = 1, 2, 4, 8, read off a published figure.

    Zimmermann et al. 2025 (A&A 696, A145), figure 12, wherever both curves are legible. A pixel is 4.2 % in k and 21 %
    in power, and is taken as the standard deviation of both curves' power and of k:
    (error/boost)^2 = 2 0.21^2 + (0.042 d ln boost/d ln k)^2.
    """
    folder, found = files("gpu_fdm.spectra") / "data", []
    for m22 in _PUBLISHED_MASSES:
        with as_file(folder / _PUBLISHED.format(m22)) as path:
            found.append(read_boost(path))
    return tuple(found)


class _Table:
    """A table as it is in a file: header (texts by name) and columns (arrays by name)."""

    def __init__(self, path, needed, optional):
        self.path = Path(path)
        require_file(self.path)
        read = _read_ecsv if self.path.suffix == ".ecsv" else _read_csv
        self.header, self.columns = read(self.path, needed, optional)

    def text(self, name, example, meaning):
        """A line of the header that must be there."""
        value = self.header.get(name, "")
        if not value:
            raise InputError(f"{self.path}: no {name}: add '# {name}: {example}' to the header, {meaning}")
        return value

    def number(self, name):
        """A number in the header, or None."""
        text = self.header.get(name, "")
        try:
            value = float(text) if text else None
        except ValueError:
            value = np.nan
        if value is not None and not np.isfinite(value):
            raise InputError(f"{self.path}: {name} = {text} in the header: must be a finite number")
        return value

    def about(self):
        """What the header may tell."""
        numbers = {name: self.number(name) for name in ("redshift", "m22")}
        return numbers | {"source": self.header.get("source", "")}

    def sides(self):
        """The box's, or None."""
        text = self.header.get("box_size", "")
        try:
            sides = [float(side) for side in text.replace(",", " ").split()]
        except ValueError:
            sides = [np.nan]
        if len(sides) not in (0, 1, 3) or not all(side > 0 and np.isfinite(side) for side in sides):
            raise InputError(f"{self.path}: box_size = {text} in the header: must be one or three positive numbers")
        return tuple((sides * 3)[:3]) or None

    def wavenumber_unit(self):
        """h/Mpc over the unit of k."""
        return self._unit("k", UNITS_OF_K, {"h/Mpc": 1.0, PER_MPC: -1.0})[0]

    def power_unit(self):
        """The factor to the units of a Spectrum, and these."""
        factor, unit = self._unit("power", UNITS_OF_POWER, {COMOVING: 1.0, MPC_CUBED: 3.0, NORMALISED: 1.0})
        return factor, COMOVING if unit == MPC_CUBED else unit

    def _unit(self, name, known, powers_of_h):
        """The factor from a column's unit to one with h, and the unit; 1.0 stands for no factor."""
        if name not in self.header:
            units = ", ".join(powers_of_h)
            raise InputError(f"{self.path}: no unit of {name}: add '# {name}: UNIT' to the header, UNIT one of {units}")
        unit = known.get(self.header[name].replace(" ", "").replace("**", "^"))
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

    def make(self, of_columns):
        """What the table holds; what is wrong with it is told with the file."""
        try:
            return of_columns(self.columns)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None


def _read_csv(path, needed, optional):
    with _named(path):
        lines = read_text(path).splitlines()
        matches = [_HEADER_LINE.match(line.strip()) for line in lines]
        header = {match[1].lower(): match[2] for match in matches if match}
        names: list[str] = next((line.split(",") for line in lines if line.strip() and line.lstrip()[0] != "#"), [])
        there = {name.strip() for name in names}
        return header, read_columns(path, (*needed, *(name for name in optional if name in there)))


def _read_ecsv(path, needed, optional):
    with _named(path):
        text = read_text(path)
    table = ecsv.read(path, text)
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)} (found {', '.join(table.columns)})")
    wanted = (*needed, *(name for name in optional if name in table.columns))
    return table.meta | table.units, {name: table.numbers(name) for name in wanted}


@contextmanager
def _named(path):
    """What is wrong with a file of text, as an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(str(error)) from None


def _write(path, header, columns, units):
    path = Path(path)
    header = {name: value for name, value in header.items() if value not in (None, "")}
    header = {name: value if isinstance(value, str) else float(value) for name, value in header.items()}
    columns = {name: values for name, values in columns.items() if values is not None}
    write = _write_ecsv if path.suffix == ".ecsv" else _write_csv
    with atomic_write(path) as part:
        write(part, header, columns, units)


def _write_csv(path, header, columns, units):
    lines = [f"# {name}: {value}" for name, value in (header | units).items()]
    lines.append(",".join(columns))
    flags = {name: values.astype(int) if values.dtype == bool else values for name, values in columns.items()}
    lines += [",".join(map(repr, row)) for row in zip(*(values.tolist() for values in flags.values()), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")


def _write_ecsv(path, header, columns, units):
    import astropy.cosmology.units as with_h
    from astropy import units as astropy_units
    from astropy.table import Table

    table = Table(columns, meta=header | units)
    with astropy_units.add_enabled_units(with_h):
        for name in columns:
            unit = units.get("k" if name.startswith("k") else "power" if name == "error" else name)
            if unit is not None and IN_ECSV[unit]:
                table[name].unit = IN_ECSV[unit]
    table.write(path, format="ascii.ecsv")
