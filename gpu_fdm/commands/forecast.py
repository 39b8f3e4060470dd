"""gpu-fdm forecast: how well P(k) of given errors would tell the boson mass."""

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import InputError
from .shared import (
    add_bin_options,
    add_model_options,
    doubts_of_bosons,
    file_name,
    header_of,
    model_overrides,
    require_output,
)
from .terminal import show

log = logging.getLogger(__name__)

PARALLEL = False
PRIORS = {"ln10As": 0.03, "n_s": 0.005, "filament_fraction": float("inf")}
MARK = b"# forecast by gpu-fdm"  # of its tables
COLUMNS = "m22", "sigma_with", "sigma_without", "chi_squared_wdm", "chi_squared_wdm_without", "leaves_out"


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--m22", default="1,2.2,4", metavar="M,...", help="boson masses [1e-22 eV] (default: 1,2.2,4)")
    text = "redshift (default: that of the ini, 4)"
    parser.add_argument("--redshift", type=float, metavar="Z", help=text)
    add_bin_options(parser)
    text = "standard deviation of ln10As, n_s, or of ln of filament_fraction or mass_min; inf: no prior, 0: fixed; "
    text += "may be given several times (default: ln10As=0.03, n_s=0.005, filament_fraction=inf, mass_min=0)"
    parser.add_argument("--prior", action="append", default=[], metavar="NAME=SD", help=text)
    add_model_options(parser)
    parser.add_argument("--output", type=file_name, metavar="FILE", help="write the numbers as .csv too")


def execute(options: Namespace) -> None:
    """Compute and print a line for each boson mass."""
    from ..config.config import read_model
    from ..inference.allowed import require_window
    from ..inference.forecast import CAVEATS, LEFT_OUT, Bins, forecast
    from ..inference.prediction import Prediction
    from ..io.atomic import atomic_write
    from ..io.ownership import require_own
    from ..parallel.blas import on_one_thread

    masses, priors = _masses(options.m22), _priors(options.prior)
    output = None if options.output is None else Path(options.output)
    if output is not None:
        require_output(output, (".csv",))
        require_own(output, MARK)
    bins = Bins(options.k_min, options.k_max, options.width, options.error)
    config = read_model(options.config, model_overrides(options))
    require_window(config)
    if config.cosmology.of_table:
        priors = _of_table(priors, options.prior)
    prediction = Prediction.of(config, options.redshift, bins.k)
    held = "; ln10As and n_s held: those of the table" if config.cosmology.of_table else ""
    known = ", ".join(f"{name} {'free' if value == float('inf') else f'+-{value:g}'}" for name, value in priors.items())
    lines = [
        f"P(k) of matter at z = {prediction.redshift:g}, {len(bins.k)} bins of {bins.width:g} in ln k at "
        f"{bins.k[0]:.4g} to {bins.k[-1]:.4g} h/Mpc, each {bins.error:.2g} of P; {known or 'nothing else free'}{held}",
        f"[{LEFT_OUT}] a number {CAVEATS}",
    ]
    show("\n".join(lines))
    rows, doubts, mark = [], [], f"[{LEFT_OUT}]"
    for m22 in masses:
        for line in doubts_of_bosons([prediction(m22)]):
            log.warning("%s", line)
            doubts.append(line)
        found = on_one_thread(forecast)(prediction, bins, m22, priors)
        rows.append([m22, found.with_fringes, found.without, found.against_wdm, found.against_wdm_without])
        show(
            f"m22 = {m22:g}: sigma(ln m22) {found.with_fringes:.3g} {mark} with interference, "
            f"{found.without:.3g} {mark} without; against WDM of its half mode, refitted: "
            f"chi-squared {found.against_wdm:.4g} {mark} with, {found.against_wdm_without:.3g} {mark} without",
        )
    if output is not None:
        text = [MARK.decode(), *(f"# {line}" for line in lines)]
        text += [*header_of(options, prediction.prepared.config, doubts), ",".join(COLUMNS)]
        text += [",".join([*map(repr, row), LEFT_OUT]) for row in rows]
        with atomic_write(output) as part:
            part.write_text("\n".join(text) + "\n", encoding="utf-8")
        show(f"table: {output}")


def _masses(text: str) -> list[float]:
    try:
        masses = [float(word) for word in text.split(",")]
    except ValueError:
        masses = []
    if not masses or not all(1e-6 <= m22 <= 1e6 for m22 in masses):
        raise InputError(f"--m22 {text}: must be boson masses in [1e-06, 1e+06], separated by commas")
    return masses


def _of_table(priors: dict[str, float], texts: list[str]) -> dict[str, float]:
    """Those that are free beside a table of linear power, whose amplitude and slope are those of its rows."""
    for name in ("ln10As", "n_s"):
        if name in priors and any(text.partition("=")[0] == name for text in texts):
            raise InputError(f"--prior {name}={priors[name]:g}: must be 0 with linear_power = table, which holds it")
    return {name: value for name, value in priors.items() if name not in ("ln10As", "n_s")}


def _priors(texts: list[str]) -> dict[str, float]:
    """Standard deviations of what is free, by name."""
    known = PRIORS | {"mass_min": 0.0}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not equals or name not in known or not value >= 0:
            raise InputError(f"--prior {text}: must be NAME=SD with SD >= 0 or inf, NAME one of {', '.join(known)}")
        known[name] = value
    return {name: value for name, value in known.items() if value > 0}
