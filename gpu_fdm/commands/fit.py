"""gpu-fdm fit: the posterior of the boson mass from tables of boosts and spectra."""

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .shared import (
    add_figure_options,
    add_model_options,
    check_dpi,
    figure_of,
    file_name,
    made_by,
    model_overrides,
    named_doubts,
    overrides_of,
    require_figure,
)
from .terminal import show

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..config.config import Config
    from ..inference.chain import Chain
    from ..inference.posterior import Posterior

log = logging.getLogger(__name__)

PARALLEL = False
RESUMES = True
CHAIN, CORNER, FIGURE, TABLE = "chain.hdf5", "corner.png", "fit.png", "fit.csv"
NUMBERS = ("steps", "walkers", "autocorrelation_times")  # keys of [fit] that are options too


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "table of a boost or spectrum with its redshift and its errors (.csv, .ecsv)"
    parser.add_argument("table", nargs="+", type=file_name, help=text)
    text = "ini of the model: [cosmology], [population], [wavefunction], [one_filament] and [fit] (default: their "
    text += "defaults); its redshift and m22 do not count"
    add_model_options(parser, text)
    text = "prior of m22, filament_fraction, ln10As, n_s, mass_min or omega_m: uniform(A,B), normal(MEAN,SD), "
    text += (
        "log_uniform(A,B) or log_normal(MEDIAN,SD of ln) for m22 and mass_min, or a number; may be given several times"
    )
    parser.add_argument("--prior", action="append", default=[], metavar="NAME=PRIOR", help=text)
    text = "matrix of the covariance of a table's values (text, .npy, .npz), in the order of the tables, or the word "
    text += "errors for its column"
    parser.add_argument("--covariance", action="append", default=[], type=file_name, metavar="FILE", help=text)
    text = "what has Gaussian errors: ln of the values, or the values themselves (default: as in [fit], ln)"
    parser.add_argument("--gaussian", choices=("ln", "linear"), help=text)
    for name, which in (("k-min", "smallest"), ("k-max", "largest")):
        text = f"{which} wavenumber of the rows that are compared [h/Mpc] (default: as in [fit], all rows)"
        parser.add_argument(f"--{name}", metavar="K", help=text)
    for name in NUMBERS:
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="N", help=f"as fit.{name} of the ini")
    parser.add_argument("--seed", metavar="N", help="seed of the random numbers, as run.seed of the ini")
    text = "folder to write to; a chain in it is resumed (default: fit)"
    parser.add_argument("--output", type=file_name, default="fit", metavar="FOLDER", help=text)
    add_figure_options(parser)


def execute(options: Namespace) -> None:
    """Find the best fit, sample the posterior, draw and print both."""
    from ..config.fit_section import FitSection
    from ..inference.allowed import require_window
    from ..inference.likelihood import Likelihood
    from ..inference.measured import read_measured
    from ..inference.posterior import Posterior, free_of
    from ..inference.reach import doubts_of_best, doubts_of_priors, doubts_of_samples
    from ..inference.sampler import require_emcee, sample
    from ..inference.settings import settings_of
    from ..inference.summary import TITLE, band, chain_lines, drawn, intervals, misfit_lines
    from ..io.ownership import require_own
    from ..io.result_file import require_writable

    check_dpi(options.dpi, optional=True)
    require_emcee()
    config, folder = _config(options), Path(options.output)
    section: FitSection = config.fit or FitSection()
    free_of(section)
    require_window(config, ("mass_max",) if section.mass_min else ("mass_min", "mass_max"))
    tables = [
        read_measured(path, covariance, section.gaussian, section.k_min, section.k_max)
        for path, covariance in zip(options.table, _covariances(options), strict=True)
    ]
    require_writable(folder)
    require_own(folder / TABLE, TITLE.encode())
    for name in (CORNER, FIGURE):
        require_figure(folder / name, options)
    posterior, seed = Posterior.of(Likelihood.of(config, tables), section), config.run.seed
    for line in doubts_of_priors(posterior):
        log.warning("%s", line)
    best = posterior.best
    for table in tables:
        left = f" ({table.left_out} rows are left out)" if table.left_out else ""
        show(f"{table.label}: {table.name}, z = {table.redshift:g}: {len(table.k)} rows{left}")
    doubts = doubts_of_best(best)
    show("\n".join([f"best fit: {best.text}", *_indented(doubts)]))
    if misfit := misfit_lines(best):
        about = _about(options, config, posterior, doubts)
        show("\n".join([*misfit, "not sampled", *_written(options, folder, posterior, about, [bool(doubts)])]))
        return
    settings = settings_of(config, posterior, section.walkers, seed)
    limits = section.walkers, section.steps, section.autocorrelation_times
    try:
        chain = sample(posterior, folder / CHAIN, settings, *limits, seed)
    except KeyboardInterrupt as error:
        error.add_note(f"all steps are in {folder / CHAIN}; run the same command again to resume")
        raise
    samples = drawn(chain, seed)
    of_samples = doubts_of_samples(posterior, samples)
    first, *others = [found.text for found in intervals(posterior, chain)]  # that of m22, where it is sampled
    lines = [first, *_indented(of_samples), *others, *chain_lines(chain), f"chain: {folder / CHAIN}"]
    about = _about(options, config, posterior, [*doubts, *of_samples])
    doubted = [bool(doubts), bool(of_samples)]
    show("\n".join(lines + _written(options, folder, posterior, about, doubted, chain, band(posterior, samples))))


def _config(options: Namespace) -> "Config":
    """The config of the ini and of the options that replace its values."""
    from ..config.config import Override, read_model
    from ..config.fit_section import PARAMETERS

    priors = []
    for text in options.prior:
        name, equals, value = text.partition("=")
        if not equals or name.strip() not in PARAMETERS:
            raise InputError(f"--prior {text}: must be NAME=PRIOR, with NAME one of {', '.join(PARAMETERS)}")
        priors.append(Override(f"fit.{name.strip()}", value, f"--prior {name.strip()} ="))
    keys = {name: f"fit.{name}" for name in ("gaussian", "k_min", "k_max", *NUMBERS)}
    given = [*priors, *overrides_of(options, **keys, seed="run.seed")]
    return read_model(options.config, model_overrides(options, given), "fit")


def _covariances(options: Namespace) -> list[str | None]:
    """A file or None for each table."""
    given = options.covariance
    if given and len(given) != len(options.table):
        raise InputError(f"--covariance: {len(given)} given: must be one a table, {len(options.table)}, or none")
    return [None if name == "errors" else name for name in given] or [None] * len(options.table)


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _about(options: Namespace, config: "Config", posterior: "Posterior", doubts: list[str]) -> dict[str, str]:
    """How a fit was made, and what is doubted of what it found, for the header of its table."""
    from ..inference.model_keys import model_in_words

    about = {"made_by": made_by(options)} | {f"prior_of_{name}": str(prior) for name, prior in posterior.priors.items()}
    about |= model_in_words(config, any(table.total for table in posterior.likelihood.tables))
    return about | named_doubts(doubts)


def _written(
    options: Namespace,
    folder: Path,
    posterior: "Posterior",
    about: dict[str, str],
    doubted: list[bool],
    chain: "Chain | None" = None,
    bands: "list[NDArray] | None" = None,
) -> list[str]:
    """Write the table of the fit and draw; returns lines that name the files.

    doubted  whether modes do not describe some of the filaments: of the best model, and of samples of the chain
    """
    from ..inference.summary import fitted_tables, write_fitted

    fitted = fitted_tables(posterior, bands)
    lines = [f"table: {write_fitted(fitted, posterior, folder / TABLE, about)}"]
    if options.dpi:
        from ..plots.posterior import draw_corner, draw_fitted

        best = posterior.best
        if chain is not None:
            path = figure_of(folder / CORNER, options)
            drawn = draw_corner(chain.names, chain.samples(), best.point, any(doubted), path, options.dpi)
            lines.append(f"figure: {drawn}")
        title = f"chi-squared {best.chi_squared:.4g}, {best.freedom} degrees of freedom"
        title += f", {best.p_in_words}" if best.p_in_words else ""
        title += "" if best.fits else ": the model does not fit"
        path = figure_of(folder / FIGURE, options)
        lines.append(f"figure: {draw_fitted(fitted, title, doubted[0], path, options.dpi)}")
    return lines
