"""The linear power of CAMB (Lewis, Challinor & Lasenby 2000): computed once, then read from a table.

The table of the default cosmology is shipped in data/; others are cached in the user's cache folder. The header of a
table says what it is of, which version of CAMB made it, and has a digest of its rows.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..errors import InputError, RunError, reason
from ..io.atomic import atomic_write, remove_abandoned
from ..io.digest import digest_of
from .parameters import CosmologicalParameters

SHIPPED = Path(__file__).parent / "data"
MASSIVE_NEUTRINOS = 3  # of equal mass
# Runs of CAMB that are joined: (up to k [h/Mpc], wavenumbers for each factor e, AccuracyBoost). Fifty wavenumbers
# resolve the acoustic oscillations. Beyond 5 h/Mpc, where ln P is smooth, three for each e leave errors of 1e-5
# against eight and AccuracyBoost 1, and the time goes as the sum of all k.
RUNS = ((5.0, 50, 2.0), (2000.0, 3, 0.5))

log = logging.getLogger(__name__)


def camb_power(
    parameters: CosmologicalParameters, folder: str | Path | None = None
) -> tuple[np.ndarray, np.ndarray, str]:
    """k [h/Mpc], linear power of all matter at z = 0 [(Mpc/h)^3], both of shape (rows,), and what it was made with.

    From 1e-5 to 2e3 h/Mpc; arguments and errors are those of camb_table.
    """
    return read_camb_table(camb_table(parameters, folder))


def camb_table(parameters: CosmologicalParameters, folder: str | Path | None = None) -> str:
    """The text of the table of a cosmology: shipped, cached, or else computed by CAMB and cached.

    folder  where tables are cached; the user's cache folder, $XDG_CACHE_HOME/gpu_fdm or ~/.cache/gpu_fdm on Linux,
            where not given. Where it cannot be written a warning says so, and the next call computes again
    A new cosmology takes CAMB about a minute on two cores.
    Raises InputError for parameters that CAMB refuses, RunError where it is needed and not installed.
    """
    made_with = recipe(parameters)
    name = f"camb_{digest_of(made_with)[:16]}.csv"
    folder = user_cache() if folder is None else Path(folder)
    for path in (SHIPPED / name, *([] if folder is None else [folder / name])):
        table = _read(path, made_with)
        if table is not None:
            return table
    table = _text(*_compute(parameters, made_with), made_with)
    if folder is None:
        log.warning("no home and no $XDG_CACHE_HOME: the linear power is not cached, the next run computes it again")
    else:
        _write(folder / name, table)
    return table


def read_camb_table(table: str) -> tuple[np.ndarray, np.ndarray, str]:
    """k [h/Mpc], power [(Mpc/h)^3], both of shape (rows,), and the version and recipe, of the text of a table."""
    head, rows = _split(table)
    k, power = np.loadtxt(rows, delimiter=",", unpack=True)
    return k, power, f"{head[2].removeprefix('# computed by ')}: {head[1].removeprefix('# ')}"


def remove_abandoned_tables() -> None:
    """Delete what killed runs left of tables in the user's cache folder, where that is possible."""
    if (folder := user_cache()) is not None:
        with suppress(OSError):
            remove_abandoned(folder, lambda name: name.startswith(".camb_"))


def recipe(parameters: CosmologicalParameters) -> str:
    """All that the numbers depend on but the version of CAMB, in one line."""
    p = parameters
    runs = ", ".join(f"{each} and {boost!r} to {k_max!r} h/Mpc" for k_max, each, boost in RUNS)
    return (
        f"flat, h = {p.h!r}, omega_b_h2 = {p.omega_b_h2!r}, omega_c_h2 = {p.omega_c_h2!r}, m_nu = {p.m_nu!r} eV "
        f"({MASSIVE_NEUTRINOS} equal masses), n_s = {p.n_s!r}, ln10As = {p.ln10As!r}; k_per_logint and AccuracyBoost: "
        f"{runs}"
    )


def user_cache() -> Path | None:
    """The user's cache folder; None for an account without a home."""
    import platformdirs

    try:
        return platformdirs.user_cache_path("gpu_fdm", appauthor=False)
    except RuntimeError:
        return None


def _compute(parameters: CosmologicalParameters, made_with: str) -> tuple[np.ndarray, np.ndarray, str]:
    """k, power and the version of CAMB."""
    try:
        import camb
    except ImportError:
        raise RunError(
            "linear_power = camb: CAMB is not installed, and only the table of the default cosmology is shipped: "
            "pip install camb, or choose linear_power = eisenstein_hu or table"
        ) from None
    log.info("CAMB computes the linear power of a new cosmology, about a minute: %s", made_with)
    try:
        parts = [_run(parameters, *run) for run in RUNS]
    except (camb.CAMBError, camb.CAMBValueError, camb.CAMBFortranError) as error:
        raise InputError(f"linear_power = camb: CAMB refuses {made_with}: {reason(error)}") from None
    k, power = parts[0]
    for (join, _, _), (k_next, power_next) in zip(RUNS, parts[1:], strict=False):
        lower, upper = k <= join, k_next > join
        k = np.concatenate([k[lower], k_next[upper]])
        power = np.concatenate([power[lower], power_next[upper]])
    return k, power, camb.__version__


def _run(
    parameters: CosmologicalParameters, k_max: float, per_factor_e: int, accuracy_boost: float
) -> tuple[np.ndarray, np.ndarray]:
    """k [h/Mpc] up to at least k_max, and the linear power of all matter at z = 0 [(Mpc/h)^3]."""
    import camb

    p = camb.CAMBparams()
    p.set_cosmology(
        H0=100 * parameters.h,
        ombh2=parameters.omega_b_h2,
        omch2=parameters.omega_c_h2,
        mnu=parameters.m_nu,
        num_massive_neutrinos=MASSIVE_NEUTRINOS if parameters.m_nu > 0 else 0,
        omk=0,
    )
    p.InitPower.set_params(As=1e-10 * np.exp(parameters.ln10As), ns=parameters.n_s)
    p.WantCls = False
    p.NonLinear = camb.model.NonLinear_none
    p.Accuracy.AccuracyBoost = accuracy_boost
    p.set_matter_power(redshifts=[0.0], kmax=k_max * parameters.h, k_per_logint=per_factor_e, silent=True)
    k, _, power = camb.get_results(p).get_linear_matter_power_spectrum(hubble_units=True, k_hunit=True)
    return k, power[0]


def _read(path: Path, made_with: str) -> str | None:
    """The text of a table; None where there is none or where it is damaged."""
    try:
        table = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        log.warning("%s: cannot be read (%s), the linear power is computed again", path, error)
        return None
    head, rows = _split(table)
    if not rows or head[1] != f"# {made_with}" or head[3] != f"# {_digest(rows)}":
        log.warning("%s: damaged, the linear power is computed again", path)
        return None
    return table


def _split(table: str) -> tuple[list[str], list[str]]:
    """Lines of the head, and rows."""
    lines = table.splitlines()
    return lines[:5], lines[5:]


def _text(k: np.ndarray, power: np.ndarray, version: str, made_with: str) -> str:
    """A table."""
    rows = [f"{a:.9g},{b:.9g}" for a, b in zip(k, power, strict=True)]
    head = [
        "# linear power of all matter (cold dark matter, baryons, neutrinos) at z = 0: k [h/Mpc], power [(Mpc/h)^3]",
        f"# {made_with}",
        f"# computed by CAMB {version}",
        f"# {_digest(rows)}",
        "k,power",
    ]
    return "\n".join([*head, *rows, ""])


def _write(path: Path, table: str) -> None:
    """Write a table; where that fails a warning says so."""
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(table, encoding="utf-8")
    except RunError as error:
        log.warning("%s (the linear power is not cached: the next run computes it again)", error)


def _digest(rows: Sequence[str]) -> str:
    return "sha256 of the rows: " + digest_of("\n".join(rows))
