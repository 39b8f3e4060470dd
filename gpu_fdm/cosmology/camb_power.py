"""The linear power of CAMB (Lewis, Challinor & Lasenby 2000): computed once, then read from a table.

The linear power is the primordial one times a transfer function that knows neither ln10As nor n_s. A table is kept
for each h, omega_b_h2, omega_c_h2 and m_nu, and rescaled exactly to what is asked for. That of the default cosmology
is shipped in data/; others are cached in the user's cache folder. The header of a table says what it is of, which
version of CAMB made it, and has a digest of its rows.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ..errors import InputError, RunError, reason
from ..io.atomic import atomic_write, remove_abandoned
from ..io.digest import digest_of
from .parameters import PIVOT, CosmologicalParameters
from .small_scales import DECOUPLED, Baryons, continued

SHIPPED = Path(__file__).parent / "data"
MASSIVE_NEUTRINOS = 3  # of equal mass
# Runs of CAMB that are joined: (up to k [h/Mpc], wavenumbers for each factor e, AccuracyBoost). The time goes as the
# sum of all k. Beyond the last run the power is continued (small_scales). Against runs of (5, 50, 2), (2000, 3, 0.5),
# which take forty times as long, the power of four cosmologies, m_nu from 0 to 0.3 eV, differs by less than 1e-4 at
# k > 0.01 h/Mpc (1.4e-4 at 1 to 5 h/Mpc for 0.3 eV), and by 5e-4 below, where CAMB itself scatters.
RUNS = ((1.0, 30, 2.0), (35.0, 3, 0.5))
APART = 1.1  # ratio of wavenumbers of two runs where they are joined
PER_FACTOR_E = 12  # rows for each factor e beyond the first run
K_MAX = 2700.0  # [h/Mpc]
MISFIT = 1e-3  # of the continued power, beyond which a warning says so
_BACKGROUND = 2000  # scale factors at which CAMB tells of baryons

log = logging.getLogger(__name__)


def camb_power(parameters: CosmologicalParameters, folder: str | Path | None = None) -> tuple[NDArray, NDArray, str]:
    """k [h/Mpc], linear power of all matter at z = 0 [(Mpc/h)^3], both of shape (rows,), and what it was made with.

    From 1e-5 to 2.7e3 h/Mpc; arguments and errors are those of camb_table.
    """
    return read_camb_table(camb_table(parameters, folder))


def camb_table(parameters: CosmologicalParameters, folder: str | Path | None = None) -> str:
    """The text of the table of a cosmology: shipped, cached, or else computed by CAMB and cached.

    folder  where tables are cached; the user's cache folder, $XDG_CACHE_HOME/gpu_fdm or ~/.cache/gpu_fdm on Linux,
            where not given. Where it cannot be written a warning says so, and the next call computes again
    A new cosmology takes CAMB two seconds of one core; another ln10As or n_s takes none.
    Raises InputError for parameters that CAMB refuses, RunError where it is needed and not installed.
    """
    folder = user_cache() if folder is None else Path(folder)
    default = CosmologicalParameters()
    base = attrs.evolve(parameters, n_s=default.n_s, ln10As=default.ln10As)
    table = next(_kept(base, folder), None)
    if table is None:
        table = _text(*_compute(base), recipe(base))
        if folder is None:
            log.warning("no home and no $XDG_CACHE_HOME: linear power is not cached, the next run computes it again")
        else:
            _write(folder / _name(recipe(base)), table)
    return _rescaled(table, parameters)


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
    """All that the numbers of a new table depend on but the version of CAMB, in one line."""
    runs = ", ".join(f"{each} and {boost!r} to {k_max!r} h/Mpc" for k_max, each, boost in RUNS)
    return _heading(parameters, f"k_per_logint and AccuracyBoost: {runs}, continued to {K_MAX!r} h/Mpc")


def user_cache() -> Path | None:
    """The user's cache folder; None for an account without a home."""
    import platformdirs

    try:
        return platformdirs.user_cache_path("gpu_fdm", appauthor=False)
    except RuntimeError:
        return None


def _shape(parameters: CosmologicalParameters) -> str:
    """What the transfer function depends on."""
    p = parameters
    return (
        f"flat, h = {p.h!r}, omega_b_h2 = {p.omega_b_h2!r}, omega_c_h2 = {p.omega_c_h2!r}, m_nu = {p.m_nu!r} eV "
        f"({MASSIVE_NEUTRINOS} equal masses), "
    )


def _heading(parameters: CosmologicalParameters, runs: str) -> str:
    return f"{_shape(parameters)}n_s = {parameters.n_s!r}, ln10As = {parameters.ln10As!r}; {runs}"


def _primordial(heading: str) -> tuple[float, float]:
    """n_s and ln10As of a heading."""
    n_s, amplitude = heading.partition("; ")[0].split(", ")[-2:]
    return float(n_s.removeprefix("n_s = ")), float(amplitude.removeprefix("ln10As = "))


def _name(heading: str) -> str:
    return f"camb_{digest_of(heading)[:16]}.csv"


def _kept(base: CosmologicalParameters, folder: Path | None) -> Iterator[str]:
    """Tables of a cosmology that are shipped or cached, also those that other recipes have made."""
    first = _name(recipe(base))
    for place in (SHIPPED, folder):
        if place is None:
            continue
        others = sorted(path for path in place.glob("camb_*.csv") if path.name != first)
        for path in [place / first, *others]:
            table = _read(path, _shape(base), path.name == first)
            if table is not None:
                yield table


def _rescaled(table: str, parameters: CosmologicalParameters) -> str:
    """A table of the same transfer function for n_s and ln10As of the parameters."""
    k, power, _ = read_camb_table(table)
    head, _ = _split(table)
    heading = head[1].removeprefix("# ")
    n_s, ln10As = _primordial(heading)
    if (n_s, ln10As) == (parameters.n_s, parameters.ln10As):
        return table
    ratio = np.exp(parameters.ln10As - ln10As) * (k * parameters.h / PIVOT) ** (parameters.n_s - n_s)
    runs = heading.partition("; ")[2]
    return _text(k, power * ratio, head[2].removeprefix("# computed by CAMB "), _heading(parameters, runs))


def _compute(parameters: CosmologicalParameters) -> tuple[NDArray, NDArray, str]:
    """k, power and the version of CAMB."""
    try:
        import camb
    except ImportError:
        raise RunError(
            "linear_power = camb: CAMB is not installed, and only the table of the default cosmology is shipped: "
            "pip install camb, or choose linear_power = eisenstein_hu or table"
        ) from None
    heading, started = recipe(parameters), perf_counter()
    log.info("CAMB computes the linear power of a new cosmology, some seconds: %s", heading)
    try:
        runs = [_run(parameters, *run) for run in RUNS]
        baryons = _baryons(parameters)
    except (camb.CAMBError, camb.CAMBValueError, camb.CAMBFortranError) as error:
        raise InputError(f"linear_power = camb: CAMB refuses {heading}: {reason(error)}") from None
    k, power = runs[0]
    for (join, _, _), (k_next, power_next) in zip(RUNS, runs[1:], strict=False):
        lower, upper = k <= join, k_next > join * APART
        k = np.concatenate([k[lower], k_next[upper]])
        power = np.concatenate([power[lower], power_next[upper]])
    # rows of the later runs are few: more of them are interpolated, over a form without oscillations
    known = int(np.searchsorted(k, RUNS[0][0], side="right"))
    between = _equal_ratios(k[known - 1], k[-1])[1:]
    beyond = _equal_ratios(k[-1], K_MAX)[1:]
    smooth = _smooth_form(parameters, k)
    ratio = CubicSpline(np.log(k), np.log(power / smooth))
    more = np.exp(ratio(np.log(between))) * _smooth_form(parameters, between)
    last, misfit = continued(parameters, baryons, k, power, beyond)
    if misfit > MISFIT:
        log.warning("linear power beyond %.4g h/Mpc may be wrong by %.2g of itself: %s", k[-1], misfit, heading)
    log.info("linear power: %.2f s", perf_counter() - started)
    return (
        np.concatenate([k[:known], between, beyond]),
        np.concatenate([power[:known], more, last]),
        camb.__version__,
    )


def _equal_ratios(first: float, last: float) -> NDArray:
    return np.geomspace(first, last, 1 + int(np.ceil(PER_FACTOR_E * np.log(last / first))))


def _smooth_form(parameters: CosmologicalParameters, k: NDArray) -> NDArray:
    """Something like the power at k [h/Mpc], any units, without oscillations: Eisenstein & Hu 1998, eq. 29."""
    q = k / parameters.h / (parameters.omega_m * 0.8)
    logarithm = np.log(2 * np.e + 1.8 * q)
    return k**parameters.n_s * (logarithm / (logarithm + (14.2 + 731 / (1 + 62.5 * q)) * q**2)) ** 2


def _settings(parameters: CosmologicalParameters) -> Any:
    """CAMB's parameters."""
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
    return p


def _run(
    parameters: CosmologicalParameters, k_max: float, per_factor_e: int, accuracy_boost: float
) -> tuple[NDArray, NDArray]:
    """k [h/Mpc] up to at least k_max, and the linear power of all matter at z = 0 [(Mpc/h)^3]."""
    import camb

    p = _settings(parameters)
    p.Accuracy.AccuracyBoost = accuracy_boost
    p.set_matter_power(redshifts=[0.0], kmax=k_max * parameters.h, k_per_logint=per_factor_e, silent=True)
    k, _, power = camb.get_results(p).get_linear_matter_power_spectrum(hubble_units=True, k_hunit=True)
    return k, power[0]


def _baryons(parameters: CosmologicalParameters) -> Baryons:
    import camb

    a = np.geomspace(0.99 * DECOUPLED, 1, _BACKGROUND)
    background = camb.get_background(_settings(parameters))
    found = background.get_background_redshift_evolution(1 / a - 1, ["opacity", "cs2b"], format="array")
    return Baryons(a, found[:, 0], found[:, 1])


def _read(path: Path, shape: str, expected: bool) -> str | None:
    """The text of a table whose heading begins with a shape; None where there is none or where it is damaged.

    expected  whether it ought to be of this shape: a warning says where it is not
    """
    try:
        table = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        if expected:
            log.warning("%s: cannot be read (%s), the linear power is computed again", path, error)
        return None
    head, rows = _split(table)
    if not expected and not (len(head) > 1 and head[1].startswith(f"# {shape}")):
        return None
    if not rows or path.name != _name(head[1].removeprefix("# ")) or head[3] != f"# {_digest(rows)}":
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
