"""gpu-fdm predict: spectra and boosts of boson masses and redshifts, as a table and a figure, in seconds."""

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from ..errors import InputError
from .shared import (
    add_figure_options,
    add_set_option,
    check_dpi,
    doubts_of_bosons,
    figure_of,
    file_name,
    made_by,
    named_doubts,
    overrides_of,
    require_output,
    require_table_and_figure,
)
from .terminal import show

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..config.config import Config
    from ..cosmology.linear_power import LinearPower
    from ..inference.prediction import Predicted, Prediction

log = logging.getLogger(__name__)

PARALLEL = False
DEFAULT_NAME = "prediction.csv"
COLUMNS = ("smooth", "cdm")  # denominators that a table has in any case
_MOST = 100  # boson masses, and redshifts
# keys of the sections that an ini lacks
MADE = "wavefunction.weights=wkb", "population.masses=200", "one_filament.normalisation=matter"
MADE_TOTAL = "population.ellipticity=collapse", "halo.soliton=no", "total_power.exact_l_max=140"
WITH_HALOES = "{} with haloes"


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--m22", required=True, metavar="M,...", help="boson masses [1e-22 eV]")
    parser.add_argument("--redshift", metavar="Z,...", help="redshifts (default: 4, or that of the ini)")
    text = (
        "named cosmology, as Planck18, or ini file with [cosmology] and, as far as they matter, [population], "
        "[one_filament] and [wavefunction]"
    )
    parser.add_argument("--cosmology", type=file_name, metavar="NAME|INI", help=text)
    parser.add_argument("--sigma8", type=float, metavar="S", help="amplitude of the linear power instead of ln10As")
    add_set_option(parser)
    text = "denominators of the boosts: smooth, n-body, cdm, wdm, linear-cdm (default: smooth,cdm)"
    parser.add_argument("--over", default=",".join(COLUMNS), metavar="NAME,...", help=text)
    text = "power of all matter with its haloes too, and its boosts over smooth and cdm; where the ini has no "
    text += "[population], with ellipticity = collapse"
    parser.add_argument("--total", action="store_true", help=text)
    for name, which, default in (("k-min", "smallest", 1.0), ("k-max", "largest", 300.0)):
        text = f"{which} wavenumber [h/Mpc] (default: {default:g})"
        parser.add_argument(f"--{name}", type=float, default=default, metavar="K", help=text)
    text = "number of wavenumbers, in equal ratios (default: 200)"
    parser.add_argument("--points", type=int, default=200, metavar="N", help=text)
    text = "table of similarity (gpu-fdm tabulate similarity) instead of those of the package"
    parser.add_argument("--table", type=file_name, metavar="FILE", help=text)
    text = f"table to write, .csv or .ecsv (default: {DEFAULT_NAME}); the figure has its name"
    parser.add_argument("--output", type=file_name, default=DEFAULT_NAME, metavar="FILE", help=text)
    add_figure_options(parser)


def execute(options: Namespace) -> None:
    """Predict, write, draw, and print what was found."""
    import numpy as np

    from ..inference.allowed import denominators
    from ..inference.model_keys import filaments_of
    from ..inference.predicted_table import MARK, write_predicted
    from ..io.tables import TABLE_ENDINGS
    from ..pipeline.linear_power import linear_power_of

    output = Path(options.output)
    require_output(output, TABLE_ENDINGS)
    check_dpi(options.dpi, optional=True)
    require_table_and_figure(output, MARK, options)
    masses = _numbers("--m22", options.m22, "0.5,1,2", "masses")
    _check_numbers(masses, options.sigma8)
    redshifts = [None] if options.redshift is None else _numbers("--redshift", options.redshift, "4,5.5", "redshifts")
    configs = [_config(options, redshift) for redshift in redshifts]
    for config in configs:
        with _named(config, configs):
            _check(options, config)
    known = denominators(filaments_of(configs[0]))
    shown = _names(options.over, known)
    if options.dpi and len(configs) > 1:
        from ..plots.prediction import require_room

        require_room(len(masses), len(configs), len(shown) + 2 * options.total, options.dpi)
    section = configs[0].one_filament
    k = np.geomspace(section.k_min, section.k_max, section.points)
    later = ["inference.prediction", *(["plots.prediction"] if options.dpi else [])]
    Thread(target=_import, args=(later,)).start()  # CAMB leaves the interpreter to them
    power = linear_power_of(configs[0])

    predictions = _predictions(options, configs, k, power)
    predicted = _predicted(options, predictions, configs, masses)
    doubts = doubts_of_bosons(predicted)
    for line in doubts:
        log.warning("%s", line)
    over = tuple(dict.fromkeys((*(name for name in COLUMNS if name in known), *shown)))
    about = _about(options, predictions[-1].prepared.config, power)
    about |= named_doubts(doubts)
    write_predicted(predicted, over, output, about)
    ratios = _ratios(predicted, shown, options.total)
    _show_boosts(predicted, ratios)
    show(f"table: {output}")
    if options.dpi:
        from ..plots.prediction import draw_prediction

        doubted = np.array([[bool(boson.doubts) for boson in each.bosons] for each in predicted])
        errors = np.array([each.one_filament_fdm_error / each.one_filament_fdm for each in predicted])
        of_all = np.array(masses), [each.redshift for each in predicted], ratios
        figure = draw_prediction(k, *of_all, doubted, errors, figure_of(output, options), options.dpi)
        show(f"figure: {figure}")


def _predictions(options: Namespace, configs: "list[Config]", k: "NDArray", power: "LinearPower") -> "list[Prediction]":
    """A prediction for each redshift: what does not depend on the boson, but for haloes."""
    from ..inference.prediction import Prediction
    from ..inference.prepared import Prepared

    predictions = []
    for config in configs:
        with _named(config, configs):
            predictions.append(Prediction(Prepared.of(config, None, k, options.table, power, options.total)))
    return predictions


def _predicted(
    options: Namespace, predictions: "list[Prediction]", configs: "list[Config]", masses: list[float]
) -> "list[Predicted]":
    """The spectra of all bosons at each redshift."""
    import numpy as np

    from ..parallel.blas import on_one_thread

    predicted = []
    for config, prediction in zip(configs, predictions, strict=True):
        with _named(config, configs):
            _ = prediction.prepared.haloes  # may take a minute, after all redshifts were checked
            predicted.append(on_one_thread(prediction)(np.array(masses), sigma8=options.sigma8))
    return predicted


def _ratios(predicted: "list[Predicted]", shown: tuple[str, ...], total: bool) -> "dict[str, NDArray]":
    """Boosts by denominator, and those with haloes, shape (redshifts, m22, k)."""
    import numpy as np

    from ..spectra.total_power import OVER as TOTAL_OVER

    ratios = {name: np.array([each.boost(name) for each in predicted]) for name in shown}
    if total:
        with_haloes = {name: [each.total_boost(name) for each in predicted] for name in TOTAL_OVER}
        ratios |= {WITH_HALOES.format(name): np.array(boosts) for name, boosts in with_haloes.items()}
    return ratios


def _show_boosts(predicted: "list[Predicted]", ratios: "dict[str, NDArray]") -> None:
    """Print the extent of the boosts of each redshift and boson."""
    for number, at_redshift in enumerate(predicted):
        for row, boson in enumerate(at_redshift.bosons):
            words = [f"over {name} {_extent(ratio[number, row], at_redshift.k)}" for name, ratio in ratios.items()]
            show(f"m22 = {boson.m22:g}, z = {at_redshift.redshift:g}: boost {', '.join(words)}")


def _extent(boost: "NDArray", k: "NDArray") -> str:
    """The least and the largest boost, and where they are: over cdm the largest alone hides by how much it is below."""
    least, most = int(boost.argmin()), int(boost.argmax())
    return f"from {boost[least]:.4g} at k = {k[least]:.4g} to {boost[most]:.4g} at k = {k[most]:.4g} h/Mpc"


@contextmanager
def _named(config: "Config", configs: "list[Config]") -> Iterator[None]:
    """Of several redshifts an InputError names that of the config, unless it is about the option."""
    try:
        yield
    except InputError as error:
        if len(configs) == 1 or str(error).startswith("--redshift"):
            raise
        raise InputError(f"z = {config.cosmology.redshift:g}: {error}") from None


def _about(options: Namespace, config: "Config", power: "LinearPower") -> dict[str, str | float]:
    """What a table holds, what made it and with which model, for its header."""
    from attrs import evolve

    from ..inference.model_keys import model_in_words

    source = power.source
    if options.sigma8 is not None and config.cosmology.of_table:
        source += f", rescaled to sigma8 = {options.sigma8:g}"
    elif options.sigma8 is not None:
        source = power.with_sigma8(options.sigma8).source
        config = replace(config, cosmology=evolve(config.cosmology, ln10As=None, sigma8=options.sigma8))
    section, haloes = config.one_filament, config.total_power
    about: dict[str, str | float] = {
        "linear_power": source,
        "filaments": f"{section.mass_min:g} to {section.mass_max:g} Msun/h",
        "left_out": "profiles and fringes of haloes, whose mass counts as filaments; baryons; filaments that correlate",
        "one_filament_relative_to": {"matter": "all matter", "population": "the filaments"}[section.normalisation],
    }
    about |= {"made_by": made_by(options)} | model_in_words(config, options.total)
    if options.total:
        about["haloes_of_total"] = f"{haloes.mass_min:g} to {haloes.mass_max:g} Msun/h"
        about["left_out"] = "in all but total: profiles and fringes of haloes, whose mass counts as filaments; baryons"
    return about


def _import(modules: list[str]) -> None:
    """Import modules of gpu_fdm; what fails here fails again, and is raised, where they are used."""
    with suppress(Exception):
        for name in modules:
            import_module(f"gpu_fdm.{name}")


def _config(options: Namespace, redshift: float | None) -> "Config":
    """The config of the options: those of --set come last, and sections that an ini lacks are made.

    redshift  one of --redshift, None where it is not given
    """
    from ..config.config import Override, config_of_cosmology, parse_config

    def read(overrides: list[str]) -> "Config":
        if options.cosmology is None:
            return parse_config("", "gpu-fdm predict", overrides)
        return config_of_cosmology(options.cosmology, overrides)

    given = read([])
    made = (*MADE, *MADE_TOTAL) if options.total else MADE
    absent = [text for text in made if getattr(given, text.partition(".")[0]) is None]
    keys = {name: f"one_filament.{name}" for name in ("points", "k_min", "k_max")}
    at = [] if redshift is None else [Override("cosmology.redshift", redshift, "--redshift")]
    return read([*absent, *at, *overrides_of(options, **keys), *options.set])


def _numbers(option: str, text: str, example: str, what: str) -> list[float]:
    """Numbers of an option; InputError for what are none, for too many, and for one that is there twice."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} {text}: must be numbers, as {example}") from None
    if len(set(numbers)) < len(numbers) or len(numbers) > _MOST:
        raise InputError(f"{option} {text}: must be at most {_MOST} different {what}")
    return numbers


def _check_numbers(masses: list[float], sigma8: float | None) -> None:
    """InputError for a boson mass or an amplitude out of range, before CAMB computes anything."""
    from ..config.config import Override, parse_config

    keys = [("dark_matter.m22", mass, "--m22") for mass in masses]
    keys += [] if sigma8 is None else [("cosmology.sigma8", sigma8, "--sigma8")]
    for key, number, option in keys:
        parse_config("", "gpu-fdm predict", Override(key, repr(number).removesuffix(".0"), option))


def _check(options: Namespace, config: "Config") -> None:
    """InputError for a config or a table that nothing can be predicted with, before CAMB computes anything."""
    from ..inference.allowed import require_redshift, require_window

    require_redshift(config)
    require_window(config)
    if options.total:
        from ..inference.prepared_haloes import with_haloes

        with_haloes(config)
    if options.table is not None:  # those of the package are read while CAMB runs
        from ..pipeline.one_filament_table import covering_table

        covering_table(config, options.table)


def _names(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Denominators from a list; InputError for others."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in known:
            raise InputError(f"--over {text}: must be of {', '.join(known)}")
    if len(set(names)) < len(names):
        raise InputError(f"--over {text}: must not name a denominator twice")
    return names
