"""Tables of boosts and of spectra with their errors, as a likelihood compares them with predictions.

Errors are Gaussian in ln P or ln boost: what scatters is a power, in proportion to itself, and the ratio of two powers
then is log-normal. Where errors of single rows come near 100 %, or power may be negative because shot noise was
subtracted, they are Gaussian in the values themselves (gaussian = linear).
"""

import zlib
from collections.abc import Callable
from functools import partial
from io import BytesIO
from operator import attrgetter, methodcaller
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from ..errors import InputError
from ..io.input_content import MOST_BYTES, content_of
from ..io.result_file import RESULT_ENDINGS
from ..io.tables import errors_of_text, read_text
from ..pipeline.result_spectra import ALL_MATTER, several_filaments
from ..quantities import takes, takes_numbers
from ..spectra.boost import Boost
from ..spectra.linear_theory import matter_with
from ..spectra.spectrum import COMOVING, Spectrum
from ..spectra.tables import read_boost, read_spectrum
from ..spectra.total_power import OVER as TOTAL_OVER
from ..values import brief

FILAMENTS = several_filaments(0, 0).split(" 0 ")[0]  # how the object of boosts of filaments alone begins
MATTER = matter_with(FILAMENTS)

Curve = Callable[[Any], NDArray]  # from what a prediction returns to its values at the prediction's k; is pickled
GAUSSIAN = ("ln", "linear")  # what has Gaussian errors


def quantity(table: Boost | Spectrum) -> Curve:
    """What of a prediction a table is compared with.

    Boosts of matter are over smooth, n-body, cdm, wdm or linear-cdm, those of filaments alone over smooth or classical,
    those of all matter with its haloes over smooth or cdm.
    Spectra are of fdm, of matter, of all matter with haloes, or of filaments alone, which are relative to the density
    that the ini says, all matter where it has no [one_filament].
    Raises InputError for tables of something else.
    """
    alone, total = table.object.startswith(FILAMENTS), is_total(table)
    if not alone and not total and table.object and not table.object.startswith(MATTER):
        allowed = f"must be {MATTER} ..., {FILAMENTS} ..., {ALL_MATTER} ... (with haloes), or not given for matter"
        raise InputError(f"object {table.object}: {allowed}")
    name = table.of if isinstance(table, Spectrum) else table.numerator
    if name != "fdm":
        raise InputError(f"of {name}: must be of fdm, which has a boson mass")
    if isinstance(table, Spectrum):
        if table.units != COMOVING:
            raise InputError(f"power in units of {table.units}: must be in {COMOVING}, or Mpc^3 with h")
        if total:
            return attrgetter("total_fdm")
        return attrgetter("one_filament_fdm" if alone else "matter_fdm")
    over = table.denominator
    if total:
        if over not in TOTAL_OVER:
            raise InputError(f"{table.name} of {ALL_MATTER} with haloes: must be over one of {', '.join(TOTAL_OVER)}")
        return methodcaller("total_boost", over)
    if not alone:
        return methodcaller("boost", over)
    if over not in ("smooth", "classical"):
        raise InputError(f"{table.name} of filaments: must be over smooth or classical")
    return partial(_filament_boost, f"one_filament_{over}")


def _filament_boost(below: str, predicted: Any) -> NDArray:
    return predicted.one_filament_fdm / getattr(predicted, below)


def is_total(table: Boost | Spectrum) -> bool:
    """Whether a table is of all matter with its haloes."""
    return table.object.startswith(ALL_MATTER)


@brief
@takes(k="h/Mpc")
@takes_numbers
@frozen(eq=False)
class Measured:
    """The rows of a table that are compared.

    label    the table, for messages;  name  what it is of, for figures
    redshift, k [h/Mpc], values [units of the table], shape (rows,)
    root     lower triangular, root root^T the covariance of the values or of their ln, shape (rows, rows)
    ln       whether it is that of ln
    curve    what of a prediction is compared
    left_out  number of other rows: beyond a limit of the table, out of a range of k, or without a logarithm
    total    whether it is of all matter with its haloes
    object   what the table is of, as in Spectrum; empty where it does not say
    """

    label: str
    name: str
    redshift: float
    k: NDArray
    values: NDArray
    root: NDArray
    ln: bool
    curve: Curve
    left_out: int = 0
    total: bool = False
    object: str = ""

    @classmethod
    @takes(k_min="h/Mpc", k_max="h/Mpc")
    def of(
        cls,
        table: Boost | Spectrum,
        label: str,
        covariance: ArrayLike | None = None,
        gaussian: str = "ln",
        k_min: float = 0.0,
        k_max: float = np.inf,
    ) -> "Measured":
        """The rows of a table.

        covariance  of the values of all its rows, shape (rows, rows); from its errors where not given
        gaussian    what has Gaussian errors: ln of the values, or the values themselves (linear)
        k_min, k_max  of the rows that are compared [h/Mpc]
        Raises InputError for tables without redshift or errors, and for a covariance that is none.
        """
        if gaussian not in GAUSSIAN:
            raise InputError(f"gaussian = {gaussian}: must be one of {', '.join(GAUSSIAN)}")
        try:
            return cls._of(table, label, covariance, gaussian == "ln", (k_min, k_max))
        except InputError as error:
            raise InputError(f"{label}: {error}") from None

    @classmethod
    def _of(
        cls,
        table: Boost | Spectrum,
        label: str,
        covariance: ArrayLike | None,
        ln: bool,
        k_range: tuple[float, float],
    ) -> "Measured":
        curve = quantity(table)
        if table.redshift is None:
            raise InputError("no redshift: add '# redshift: 4' to the header")
        if isinstance(table, Spectrum):
            values, error, name = table.power, table.deviation, f"P of {table.object or 'matter'}"
            good = np.ones(len(values), bool) if table.nyquist is None else table.k <= table.nyquist
        else:
            values, error, good, name = table.boost, table.error, table.good, table.name
        good = good & (table.k >= k_range[0]) & (table.k <= k_range[1])
        if not good.any():
            found = f"the table has k from {table.k[0]:.6g} to {table.k[-1]:.6g} h/Mpc"
            raise InputError(f"no row within the limits of the table and k_min to k_max of the fit: {found}")
        if ln:
            good = good & (values > 0)
        if not good.any():
            raise InputError("no row that is positive and within the limits of the table")
        if covariance is not None:
            matrix = checked_covariance(covariance, len(values))[np.ix_(good, good)]
        elif error is None:
            raise InputError("no errors: add a column error, or give the covariance with --covariance FILE")
        else:
            for k in table.k[good & (error == 0)][:1]:
                raise InputError(f"error = 0 at k = {k:g} h/Mpc: must be positive")
            matrix = np.diag(error[good] ** 2)
        values = values[good]
        root = np.linalg.cholesky(matrix) / (values[:, None] if ln else 1.0)
        left_out = int(np.count_nonzero(~good))
        what = left_out, is_total(table), table.object
        return cls(label, name, table.redshift, table.k[good], values, root, ln, curve, *what)

    @property
    def errors(self) -> NDArray:
        """Standard deviations of the values or of their ln, shape (rows,)."""
        return np.sqrt(np.sum(self.root**2, axis=1))

    def differences(self, values: NDArray, model: NDArray) -> NDArray:
        """Values less those of a model, in ln where errors are those of ln, shape (..., rows)."""
        return np.log(values / model) if self.ln else values - model

    def pulls(self, model: NDArray) -> NDArray:
        """Table less model in units of independent errors, shape (rows,): the sum of their squares is chi-squared.

        model  values at k, shape (rows,)
        """
        return solve_triangular(self.root, self.differences(self.values, model), lower=True, check_finite=False)


def checked_covariance(covariance: ArrayLike, rows: int) -> NDArray:
    """The matrix, shape (rows, rows); InputError unless it is symmetric and positive definite."""
    matrix = np.asarray(covariance, float)
    if matrix.shape != (rows, rows):
        raise InputError(f"covariance of shape {matrix.shape}: must be ({rows}, {rows}), the rows of the table")
    if not np.all(np.isfinite(matrix)) or not np.allclose(matrix, matrix.T, rtol=1e-8, atol=0):
        raise InputError("covariance: must be finite and symmetric")
    deviation = np.sqrt(np.diag(matrix).clip(0))
    for row in np.flatnonzero(deviation == 0)[:1]:
        raise InputError(f"covariance: variance {matrix[row, row]:g} in row {row + 1}: must be positive")
    least = float(np.linalg.eigvalsh(matrix / np.outer(deviation, deviation))[0])
    if least <= rows * np.finfo(float).eps:
        raise InputError(f"covariance: singular, its correlation has the eigenvalue {least:.2g}: must be positive")
    return matrix


def read_covariance(path: str | Path) -> NDArray:
    """A matrix of numbers, a line each row, separated by commas or blanks; lines with # are comments.

    A file of NumPy, .npy or .npz, has it as its only array, or as that with the name covariance.
    Raises InputError that names the file and the line.
    """
    if Path(path).suffix.lower() in (".npy", ".npz"):
        return _numpy_matrix(path)
    with errors_of_text(path):
        lines = read_text(path).splitlines()
    rows: list[list[float]] = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].replace(",", " ").split()
        try:
            row = [float(word) for word in words]
        except ValueError:
            raise InputError(f"{path}, line {number}: must hold numbers, a row of the covariance") from None
        if row and rows and len(row) != len(rows[0]):
            raise InputError(f"{path}, line {number}: {len(row)} numbers, must be {len(rows[0])}")
        rows += [row] if row else []
    if not rows:
        raise InputError(f"{path}: empty, must hold a covariance")
    return np.array(rows)


def _numpy_matrix(path: str | Path) -> NDArray:
    """The only array of a .npy or .npz file, or that with the name covariance."""
    with errors_of_text(path):
        octets = content_of(path)
    try:
        if Path(path).suffix.lower() == ".npz":
            with ZipFile(BytesIO(octets)) as archive:
                if sum(item.file_size for item in archive.infolist()) > MOST_BYTES:
                    raise InputError(f"{path}: too large, must have at most {MOST_BYTES >> 20} MiB")
        loaded = np.load(BytesIO(octets), allow_pickle=False)
        names = list(loaded.files) if isinstance(loaded, np.lib.npyio.NpzFile) else [""]
        name = "covariance" if "covariance" in names else names[0] if len(names) == 1 else None
        if name is None:
            raise InputError(f"{path}: arrays {', '.join(names)}: must be one, or one of them covariance")
        matrix = loaded[name] if name else loaded
        if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
            raise InputError(f"{path}: {matrix.dtype} of shape {matrix.shape}: must be a matrix of real numbers")
        return np.asarray(matrix, float)
    except InputError:
        raise
    except (ValueError, OSError, EOFError, BadZipFile, KeyError, NotImplementedError, SyntaxError, zlib.error):
        raise InputError(f"{path}: not a file of NumPy, or damaged") from None


@takes(k_min="h/Mpc", k_max="h/Mpc")
def read_measured(
    path: str | Path,
    covariance: str | Path | None = None,
    gaussian: str = "ln",
    k_min: float | None = None,
    k_max: float | None = None,
) -> Measured:
    """A table of a boost or of a spectrum (.csv, .ecsv), known by its columns, with errors or a file of a covariance.

    k_min, k_max  of the rows that are compared [h/Mpc]: all where not given
    Raises InputError that names the file.
    """
    if Path(str(path).partition(":")[0]).suffix.lower() in RESULT_ENDINGS:
        raise InputError(f"{path}: must be a table, as gpu-fdm power --table or gpu-fdm boost writes it of a snapshot")
    matrix = None if covariance is None else read_covariance(covariance)
    try:
        table: Boost | Spectrum = read_boost(path)
    except InputError as error:
        if "no column boost" not in str(error):
            raise
        table = read_spectrum(path)
    limits = 0.0 if k_min is None else k_min, np.inf if k_max is None else k_max
    return Measured.of(table, str(path), matrix, gaussian, *limits)
