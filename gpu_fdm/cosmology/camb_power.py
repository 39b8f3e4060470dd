"""The linear power of CAMB (Lewis, Challinor & Lasenby 2000): computed once, then read from a table.

The linear power is the primordial one times a transfer function that knows neither ln10As nor n_s. A table is kept
for each h, omega_b_h2, omega_c_h2 and m_nu, and rescaled exactly to what is asked for. That of the default cosmology
is shipped in data/; others are cached in the user's cache folder. The header of a table says what it is of, which
version of CAMB made it, and has a digest of its rows.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ..errors import InputError, RunError, reason
from ..io.atomic import atomic_write, remove_abandoned
from ..io.digest import digest_of
from .eisenstein_hu import transfer_function
from .parameters import PIVOT, CosmologicalParameters
from .small_scales import DECOUPLED, Baryons, continued

SHIPPED = Path(__file__).parent / "data"
MASSIVE_NEUTRINOS = 3  # of equal mass
# Waves that CAMB follows: (up to k [h/Mpc], AccuracyBoost), all with lAccuracyBoost. Between them power is interpolated
# over the fit of Eisenstein & Hu 1998; beyond the last it is continued (small_scales). Steps are those of ln k, or of a
# ninth of a period of the acoustic oscillations where that is less. Time goes as the number of waves, and as k.
# Against runs of CAMB to 300 h/Mpc with lAccuracyBoost 3 (2 beyond 2.5 h/Mpc) and small steps, the power of three
# cosmologies, m_nu from 0 to 0.3 eV, is right to 5e-4. The shipped table is of runs with lAccuracyBoost 1: it differs
# by up to 1.1e-3 at 0.03 to 0.06 h/Mpc, 5e-4 at 10, 9e-4 at 100 and 1.6e-3 at 2600 h/Mpc. It stays: the published
# power agrees with it to 1.2e-4 from 1 to 10 h/Mpc, and with the present recipe to 5e-4 (above 10 h/Mpc to 2.9e-3 and
# 1.4e-3).
RUNS = ((0.7, 2.0), (12.0, 1.0))
L_ACCURACY = 4.0
FIRST, STEP = 1e-5, 1 / 3  # [h/Mpc], ln k
OSCILLATIONS = 3e-3, 0.12, 0.5  # where they begin, are damped, and have ended [1/Mpc]
PHASE = 0.7 / 150  # of a step in k, over the sound horizon [1/Mpc]
PER_FACTOR_E = 30, 12  # rows for each factor e up to 1 h/Mpc, and beyond
DENSE = 1.0  # [h/Mpc]
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
    A new cosmology takes CAMB a second of one core; another ln10As or n_s takes none.
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
    runs = ", ".join(f"{boost!r} to {k_max!r} h/Mpc" for k_max, boost in RUNS)
    steps = f"steps of ln k of {STEP:.6g}, of k of {PHASE:.6g}/Mpc from {OSCILLATIONS} on"
    return _heading(
        parameters,
        f"waves with AccuracyBoost {runs} and lAccuracyBoost {L_ACCURACY!r}, {steps}, continued to {K_MAX!r} h/Mpc",
    )


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
    log.info(
        "CAMB computes the linear power of a new cosmology, some seconds: h = %.6g, omega_b_h2 = %.6g, "
        "omega_c_h2 = %.6g, m_nu = %.6g eV; n_s and the amplitude follow without it",
        *(parameters.h, parameters.omega_b_h2, parameters.omega_c_h2, parameters.m_nu),
    )
    try:
        k = _wavenumbers(parameters.h)
        power = _power(parameters, k)
        baryons = _baryons(parameters)
    except (camb.CAMBError, camb.CAMBValueError, camb.CAMBFortranError) as error:
        raise InputError(f"linear_power = camb: CAMB refuses {heading}: {reason(error)}") from None
    dense = _equal_ratios(FIRST, DENSE, PER_FACTOR_E[0])
    rows = np.concatenate([dense, _equal_ratios(DENSE, k[-1], PER_FACTOR_E[1])[1:]])
    beyond = _equal_ratios(k[-1], K_MAX, PER_FACTOR_E[1])[1:]
    ratio = CubicSpline(np.log(k), np.log(power / _fit(parameters, k)))
    between = np.exp(ratio(np.log(rows))) * _fit(parameters, rows)
    last, misfit = continued(parameters, baryons, k, power, beyond)
    if misfit > MISFIT:
        log.warning("linear power beyond %.4g h/Mpc may be wrong by %.2g of itself: %s", k[-1], misfit, heading)
    log.info("linear power: %.2f s", perf_counter() - started)
    return np.concatenate([rows, beyond]), np.concatenate([between, last]), camb.__version__


def _equal_ratios(first: float, last: float, per_factor_e: int) -> NDArray:
    k = np.geomspace(first, last, 1 + int(np.ceil(per_factor_e * np.log(last / first))))
    k[[0, -1]] = first, last
    return k


def _wavenumbers(h: float) -> NDArray:
    """k of the waves that CAMB follows [h/Mpc], shape (waves,), up to the last of RUNS."""
    begin, damped, end = OSCILLATIONS
    k = [FIRST]
    while k[-1] < RUNS[-1][0]:
        here = k[-1] * h
        step = min(STEP, PHASE / min(here, damped)) if begin < here < end else STEP
        k.append(k[-1] * np.exp(step))
    return (
        np.array([*k[:-1], RUNS[-1][0]]) if np.log(RUNS[-1][0] / k[-2]) > STEP / 2 else np.array([*k[:-2], RUNS[-1][0]])
    )


def _fit(parameters: CosmologicalParameters, k: NDArray) -> NDArray:
    """Something like the power at k [h/Mpc], any units, with oscillations."""
    matter = parameters.omega_m * parameters.h**2
    return k**parameters.n_s * transfer_function(k * parameters.h, matter, parameters.omega_b_h2) ** 2


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


def _power(parameters: CosmologicalParameters, k: NDArray) -> NDArray:
    """Linear power of all matter at z = 0 [(Mpc/h)^3], at k [h/Mpc] which increase; shape of k.

    P = 2 pi^2/k^3 A_s (k/k_pivot)^(n_s - 1) delta^2, delta of a primordial curvature of one.
    """
    import camb

    contrast, first = [], 0.0
    for k_max, accuracy_boost in RUNS:
        p = _settings(parameters)
        p.Accuracy.AccuracyBoost = accuracy_boost
        p.WantTransfer = False
        waves = k[(k > first) & (k <= k_max)] * parameters.h
        with _without_sympy():
            found = camb.get_background(p).get_redshift_evolution(
                waves, [0.0], ["delta_tot"], lAccuracyBoost=L_ACCURACY
            )
        contrast.append(found[:, 0, 0])
        first = k_max
    curvature = 1e-10 * np.exp(parameters.ln10As) * (k * parameters.h / PIVOT) ** (parameters.n_s - 1)
    return 2 * np.pi**2 / k**3 * curvature * np.concatenate(contrast) ** 2


@contextmanager
def _without_sympy() -> Iterator[None]:
    """CAMB imports sympy, a fifth of a second, to tell expressions from names of variables; here are names alone."""
    absent = "sympy" not in sys.modules
    if absent:
        stand_in: Any = ModuleType("sympy")
        stand_in.Expr = type("Expr", (), {})
        sys.modules["sympy"] = stand_in
    try:
        yield
    finally:
        if absent:
            del sys.modules["sympy"]


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
