"""Predictions as a table, CSV or ECSV: a row for each redshift, boson mass and wavenumber, with units in the header."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..io import ecsv
from ..io.atomic import atomic_write
from ..io.tables import without_formulas

if TYPE_CHECKING:
    from .prediction import Predicted

TITLE = "spectra and boosts of fuzzy dark matter predicted by gpu-fdm predict"
MARK = TITLE.encode()  # of files that may be replaced
_POWER = "(Mpc/h)^3"
UNITS = {
    "m22": "1e-22 eV",
    "redshift": "the same in all rows",
    "k": "h/Mpc, comoving",
    "linear_cdm": f"{_POWER}, linear power of cold dark matter",
    "linear_fdm": f"{_POWER}, the same with the cut-off of the boson",
    "one_filament_fdm": f"{_POWER}, filaments with fringes",
    "one_filament_smooth": f"{_POWER}, filaments without fringes",
}
TOTAL = {
    "total_fdm": f"{_POWER}, all matter with its haloes, with fringes",
    "total_smooth": f"{_POWER}, the same without fringes",
    "total_cdm": f"{_POWER}, the same of cold dark matter",
    "total_boost_over_smooth": "1, total_fdm over total_smooth",
    "total_boost_over_cdm": "1, total_fdm over total_cdm",
}
ERROR = {
    "one_filament_fdm_error": f"{_POWER}, of one_filament_fdm beside sums over states; choices of the model change it "
    "by far more; nan below 1e-7 of its limit at small k, where none is known"
}
_SEVERAL = {"redshift": "one after the other, each with rows of all m22"}  # in place of one
_OF_ASTROPY = {"h/Mpc, comoving": "littleh / Mpc", "1e-22 eV": "1e-22 eV"}


def _columns(predicted: "Predicted", over: tuple[str, ...]) -> dict[str, NDArray]:
    """Columns by name, shape (m22 times k,): those of UNITS, boost_over_... for each denominator, TOTAL and ERROR.

    Those of TOTAL where the prediction has haloes.
    """
    shape = np.size(predicted.m22), len(predicted.k)
    columns = {
        "m22": np.repeat(np.atleast_1d(predicted.m22), shape[1]),
        "redshift": np.full(shape[0] * shape[1], float(predicted.redshift)),
        "k": np.tile(predicted.k, shape[0]),
    }
    spectra = {name: getattr(predicted, name) for name in list(UNITS)[3:]}
    spectra |= {f"boost_over_{name.replace('-', '_')}": predicted.boost(name) for name in over}
    if predicted.has_haloes:
        totals = [predicted.total_fdm, predicted.total("smooth"), predicted.total("cdm")]
        totals += [predicted.total_boost("smooth"), predicted.total_boost("cdm")]
        spectra |= dict(zip(TOTAL, totals, strict=True))
    spectra |= {name: getattr(predicted, name) for name in ERROR}
    return columns | {name: np.broadcast_to(values, shape).ravel() for name, values in spectra.items()}


def write_predicted(
    predicted: Sequence["Predicted"], over: tuple[str, ...], path: str | Path, about: dict[str, str | float]
) -> None:
    """Write the table: ECSV where the name ends in .ecsv, else CSV. Raises RunError where it cannot be written.

    predicted  the same boson masses and wavenumbers at one or several redshifts
    over   denominators of boosts;  about  lines of the header, by name
    """
    path, blocks = Path(path), [_columns(each, over) for each in predicted]
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    known: dict[str, str] = UNITS | TOTAL | ERROR
    header: dict[str, str | float] = {"table": TITLE}
    if len(predicted) > 1:
        known |= _SEVERAL
        header["redshifts"] = ", ".join(f"{each.redshift:.12g}" for each in predicted)
    else:
        header["redshift_of_all"] = float(predicted[0].redshift)
    units = {name: known.get(name, "1, ratio of linear power and filaments") for name in columns}
    header |= about
    if path.suffix == ".ecsv":
        of_astropy = {
            name: _OF_ASTROPY.get(unit, "Mpc3 / littleh3" if _POWER in unit else "") for name, unit in units.items()
        }
        meta = header | {f"{name}_is": unit for name, unit in units.items()}
        text = ecsv.written(meta, columns, {name: unit for name, unit in of_astropy.items() if unit})
    else:
        lines = [f"# {name}: {without_formulas(value)}" for name, value in (header | units).items()]
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        text = "\n".join([*lines, ",".join(columns), *(",".join(map(repr, row)) for row in rows), ""])
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
