"""Tables of measured profiles: radii or shells, densities or line masses, and their errors, in units that they name.

A CSV file has a header of comments, `# radius: ckpc/h`, then the names of the columns, then numbers; an ECSV file
(astropy.table) has units with its columns. Columns are radius, or r_low and r_high of shells; density, or the line_mass
in each shell; and error, the standard error of these. `coordinates: physical` in the header means that lengths and
densities are physical; they are comoving otherwise.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, UnfitError
from ..io import ecsv
from ..io.tables import column_names, header_lines, read_columns, read_text
from ..quantities import home_for_astropy
from ..units import mean_matter_density

LEAST_ROWS = 8
LEAST, LARGEST = 1e-30, 1e30  # of radii, and of the size of densities and errors
RISE = 5.0  # standard errors by which one density may exceed another inside of it
LENGTH, DENSITY, LINE_MASS = "Mpc/littleh", "littleh2 solMass/Mpc3", "solMass/Mpc"
_KNOWN = {  # units that are found without astropy: the factor to the unit of the program
    "length": dict.fromkeys(("", "cMpc/h", "Mpc/h", LENGTH), 1.0)
    | dict.fromkeys(("ckpc/h", "kpc/h", "kpc/littleh"), 1e-3),
    "density": dict.fromkeys(("", "1", "mean matter densities"), 1.0),
    "line mass": dict.fromkeys(("", "(Msun/h)/(cMpc/h)", LINE_MASS), 1.0),
}
_EXAMPLES = {
    "length": "a length, as ckpc/h or Mpc",
    "density": "mean matter densities, or a density, as littleh2 solMass/Mpc3 or g/cm3",
    "line mass": "a mass over a length, as solMass/Mpc",
}
_TARGETS = {"length": LENGTH, "density": DENSITY, "line mass": LINE_MASS}
_POWERS_OF_A = {"length": -1, "density": 3, "line mass": 1}  # comoving over physical
_PLAIN = re.compile(r"[A-Za-z0-9 .*/^()+-]{1,60}")
# a number that is raised to a power, a power of two digits, a number of many: none of them is a unit
_LARGE = re.compile(r"\d\s*(\*\*|\^)|(\*\*|\^)\s*\(?\s*[+-]?\d\d|\d{4}")


@dataclass(frozen=True, eq=False)
class MeasuredProfile:
    """Density against radius, in code units.

    radius   shape (rows,), at least 8, positive, increasing [L, comoving]: of shells, the radius that halves their area
    density  shape (rows,), comoving [rho_m0]: of shells, the mean over the area of each
    error    standard errors of the densities, shape (rows,), positive; None where there are none
    edges    inner and outer radii of shells, shape (2, rows); None for densities at radii
    lines    of the file that they are from, shape (rows,); None where there is none
    Raises UnfitError that names the row, or the line, and the value.
    """

    radius: NDArray
    density: NDArray
    error: NDArray | None = None
    edges: NDArray | None = None
    lines: NDArray | None = None

    def __post_init__(self) -> None:
        if self.radius.ndim != 1 or self.radius.shape != self.density.shape or len(self.radius) < LEAST_ROWS:
            raise UnfitError(
                f"table of shape {self.radius.shape}: must hold at least {LEAST_ROWS} rows of radius and density"
            )
        inner = self.radius if self.edges is None else self.edges[0]
        for name, values, least in (
            ("radius", inner, LEAST if self.edges is None else 0),
            ("density", self.density, -LARGEST),
            ("error", self.error, LEAST),
        ):
            if values is None:
                continue
            bad = np.flatnonzero(~((values >= least) & (values < LARGEST)))
            if len(bad):
                allowed = "finite" if name == "density" else f"positive, and below {LARGEST:g}"
                raise UnfitError(f"{self.place(bad[0])}: {name} = {values[bad[0]]:g}: must be {allowed}")
        back = np.flatnonzero(np.diff(self.radius) <= 0)
        if len(back):
            row = int(back[0]) + 1
            ratio = self.radius[row] / self.radius[row - 1]
            raise UnfitError(f"{self.place(row)}: radius does not increase (it is {ratio:.6g} of the row before)")
        if self.edges is not None:
            low, high = self.edges
            bad = np.append(np.flatnonzero(~(high > low)), 1 + np.flatnonzero(low[1:] < high[:-1] * (1 - 1e-9)))
            if len(bad):
                raise UnfitError(f"{self.place(bad[0])}: r_low, r_high: shells must follow each other outwards")

    def place(self, row: int) -> str:
        """The row as messages name it."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    @cached_property
    def errors(self) -> NDArray:
        """The standard errors; UnfitError where there are none."""
        if self.error is None:
            raise UnfitError(
                "no column error: a fit needs the standard error of every density (profile_fit = table does not)"
            )
        return self.error

    @property
    def last(self) -> float:
        """The outermost radius [L]."""
        return float(self.radius[-1] if self.edges is None else self.edges[1, -1])

    def perturbed(self, random: np.random.Generator) -> "MeasuredProfile":
        """The profile with densities that scatter by their errors, not checked for what noise may do."""
        moved = replace(self)
        object.__setattr__(moved, "density", self.density + self.errors * random.standard_normal(len(self.density)))
        return moved

    def require_falling(self) -> None:
        """UnfitError where a density exceeds one inside of it by RISE standard errors: no equilibrium has it."""
        rise = self.density[None, :] - self.density[:, None]
        excess = np.triu(rise / np.hypot(self.errors[:, None], self.errors[None, :]), 1)
        inner, outer = np.unravel_index(np.argmax(excess), excess.shape)
        if excess[inner, outer] > RISE:
            raise UnfitError(
                f"{self.place(int(outer))}: the density rises outwards: {self.density[outer]:.4g} there and "
                f"{self.density[inner]:.4g} in {self.place(int(inner))}, {excess[inner, outer]:.3g} standard errors "
                "apart; the density of an equilibrium falls"
            )


def read_measured(
    path: str | Path, length_unit: float, scale_factor: float = 1.0, h: float = 0.6731, omega_m: float = 0.314649
) -> MeasuredProfile:
    """A profile from a CSV or ECSV file.

    length_unit  size of the code unit of length [cMpc/h], as CodeUnits.length
    scale_factor, h, omega_m  of the table, for physical coordinates, units without h, and units of mass
    Without units in its header radii are in cMpc/h, densities in mean matter densities, line masses in
    (Msun/h)/(cMpc/h), all comoving. Raises FileNotFoundError, or InputError that names file, line and value.
    """
    header, columns = _read(path)
    physical = header.get("coordinates", "comoving")
    if physical not in ("comoving", "physical"):
        raise InputError(f"{path}: coordinates: {physical} in the header: must be comoving or physical")

    mean = mean_matter_density(omega_m)
    code = {"length": length_unit, "density": 1.0, "line mass": length_unit**2 * mean}

    def converted(name: str, kind: str, unit_of: str) -> NDArray:
        text = header.get(name, header.get(unit_of, "")).strip()
        factor = _factor(path, name, text, kind, h)
        if kind == "density" and text not in _KNOWN[kind]:
            factor /= mean
        if physical == "physical":
            factor *= scale_factor ** _POWERS_OF_A[kind]
        return columns[name] / (code[kind] / factor)

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what is not finite is reported by its row
        edges = area = None
        if "radius" in columns:
            radius = converted("radius", "length", "radius")
        else:
            edges = np.array([converted(name, "length", "radius") for name in ("r_low", "r_high")])
            area = np.pi * (edges[1] ** 2 - edges[0] ** 2)
            radius = np.sqrt((edges[0] ** 2 + edges[1] ** 2) / 2)
        value, kind = ("line_mass", "line mass") if "line_mass" in columns else ("density", "density")
        density, error = converted(value, kind, value), None
        if "error" in columns:
            error = converted("error", kind, value)
        if kind == "line mass":
            density, error = density / area, None if error is None else error / area
    try:
        return MeasuredProfile(radius, density, error, edges, columns["line"])
    except UnfitError as wrong:
        raise InputError(f"{path}: {wrong}") from None


def _read(path: str | Path) -> tuple[dict[str, str], dict[str, NDArray]]:
    """The texts of the header by their names, and the columns that are used."""
    if Path(path).suffix == ".ecsv":
        table = ecsv.read(path, read_text(path))
        wanted = _wanted(path, list(table.columns))
        columns = {name: table.numbers(name) for name in wanted}
        columns["line"] = np.array(table.lines)
        for name in wanted:
            bad = np.flatnonzero(~np.isfinite(columns[name]))
            if len(bad):
                raise InputError(f"{path}, line {table.lines[bad[0]]}: {name}: must be a finite number")
        return table.meta | table.units, columns
    text = read_text(path)
    return header_lines(text), read_columns(path, _wanted(path, column_names(text)), text)


def _wanted(path: str | Path, found: list[str]) -> tuple[str, ...]:
    """Names of the columns to read."""
    shells = "r_low" in found and "radius" not in found
    value = "line_mass" if "line_mass" in found and "density" not in found else "density"
    if value == "line_mass" and not shells:
        raise InputError(f"{path}: line_mass: must be that of shells, with columns r_low and r_high")
    return *(("r_low", "r_high") if shells else ("radius",)), value, *(("error",) if "error" in found else ())


def _factor(path: str | Path, name: str, text: str, kind: str, h: float) -> float:
    """What one of a unit is in those of the program: cMpc/h, mean matter densities or Msun/h/(Mpc/h)^3, Msun/Mpc."""
    known = _KNOWN[kind].get(text)
    if known is not None:
        return known
    refused = InputError(f"{path}: {name}: {text} in the header: must be {_EXAMPLES[kind]}")
    if not _PLAIN.fullmatch(text) or _LARGE.search(text):
        raise refused
    spelled = re.sub(r"\bc(?=[kM]?pc\b)", "", re.sub(r"\bh(?=\d|\b)", "littleh", text))
    with home_for_astropy():
        import astropy.cosmology.units as with_h
        from astropy import units

    try:
        with units.add_enabled_units(with_h):
            quantity = units.Quantity(1.0, units.Unit(spelled))
            hubble = units.Quantity(100 * h, "km/(s Mpc)")
            factor = float(quantity.to_value(units.Unit(_TARGETS[kind]), with_h.with_H0(hubble)))
    except (ValueError, TypeError, ArithmeticError):
        raise refused from None
    if not LEAST < factor < LARGEST * LARGEST:
        raise refused
    return factor
