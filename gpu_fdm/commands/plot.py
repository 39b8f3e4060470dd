"""gpu-fdm plot: draw figures, a volume or a movie of a result file."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, did_you_mean, require_file
from .shared import FIGURE_FORMATS, add_dpi_option, check_dpi, file_name, print_figures
from .terminal import show

if TYPE_CHECKING:
    from ..plots import Figure

PARALLEL = False


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("file", type=file_name, help="result file")
    text = "draw this figure, or make this movie, alone: profile, power ...; may be given several times"
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help=text)
    text = "file of a single figure, a volume or a movie: .png, .pdf, .svg ... (default: beside the result)"
    parser.add_argument("--output", type=file_name, metavar="FILE", help=text)
    parser.add_argument(
        "--format", choices=FIGURE_FORMATS, default=FIGURE_FORMATS[0], help="format of the figures (default: png)"
    )
    add_dpi_option(parser)
    text = "draw also figures that are there and newer than the result"
    parser.add_argument("--overwrite", action="store_true", help=text)
    text = "draw a density as a volume instead: density/fdm, density/smooth/0 ... (default: the first; needs pyvista)"
    parser.add_argument("--volume", nargs="?", const="", metavar="DENSITY", help=text)
    text = (
        "make movies instead, of a simulation, of frames of a box or of a cross-section, or, with --volume, of a "
        "volume that turns: MP4 with ffmpeg, else animated GIF"
    )
    parser.add_argument("--movie", action="store_true", help=text)


def execute(options: Namespace) -> None:
    """Draw what is asked for, and print where it is."""
    check_dpi(options.dpi)
    path = Path(options.file)
    require_file(path)
    from ..io.hdf5 import is_hdf5

    if not is_hdf5(path):
        raise InputError(f"{path}: not a result of gpu-fdm run")
    if options.volume is not None and options.only:
        raise InputError(f"--only {options.only[0]}: names a figure: not together with --volume")
    output = None if options.output is None else Path(options.output)
    if output is not None:
        from ..io.result_file import require_writable

        require_writable(output.parent)
    if options.volume is not None:
        from ..plots.volume import draw_volume, turn_volume

        if options.movie:
            _print_movie(turn_volume(path, options.volume, target=output))
        else:
            print_figures([draw_volume(path, options.volume, target=output)])
    elif options.movie:
        _make_movies(options, path, output)
    else:
        _draw_figures(options, path, output)


def _make_movies(options: Namespace, path: Path, output: Path | None) -> None:
    """Make the movies that are asked for, or all that a result holds times for."""
    from ..plots.movie import movie, movies_in

    held = movies_in(path)
    for name in options.only:
        if name not in held:
            raise InputError(f"--only {name}: no movie of the result: must be of {', '.join(held)}")
    chosen = list(dict.fromkeys(options.only)) or held
    if output is not None and len(chosen) > 1:
        names = ", ".join(chosen)
        raise InputError(f"--output {output}: is one file, for one of {len(chosen)} movies: --only one of {names}")
    for name in chosen:
        _print_movie(movie(path, options.dpi, output, name))


def _print_movie(made: Path) -> None:
    show(f"movie: {made}{' (an MP4 needs ffmpeg on PATH)' if made.suffix == '.gif' else ''}")


def _draw_figures(options: Namespace, path: Path, output: Path | None) -> None:
    """Draw the figures that are not there yet, or all that are asked for."""
    from ..pipeline.progress import progress
    from ..plots import draw, figure_path

    chosen = _chosen(options.only, path)
    targets = {figure.name: figure_path(path, f"{figure.name}.{options.format}") for figure in chosen}
    if output is not None:
        if len(chosen) > 1:
            names = ", ".join(targets)
            raise InputError(f"--output {output}: is one file, for one of {len(chosen)} figures: --only one of {names}")
        targets = {chosen[0].name: output}
    kept = [figure for figure in chosen if _is_current(path, targets[figure.name], options)]
    due = [figure for figure in chosen if figure not in kept]
    with progress("figures", len(due)) as step:
        print_figures(
            draw(path, due, options.dpi, options.format, {each.name: targets[each.name] for each in due}, step)
        )
    for figure in kept:
        show(f"kept: {targets[figure.name]}  newer than the result (--overwrite draws it again)")


def _chosen(names: list[str], path: Path) -> "list[Figure]":
    """The figures of these names, or all that a result holds data for; InputError where there are none."""
    from ..pipeline.stages import figures
    from ..plots import figures_in

    held = figures_in(path, figures())
    if not held:
        raise InputError(f"{path}: holds nothing to draw: must be a result of gpu-fdm run, power or filament")
    known = {figure.name: figure for figure in held}
    for name in names:
        if name not in known:
            what = (
                "is no figure" if all(name != figure.name for figure in figures()) else "the result has no data of it"
            )
            raise InputError(f"--only {name}: {what}{did_you_mean(name, known)}: must be of {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] if names else held


def _is_current(path: Path, target: Path, options: Namespace) -> bool:
    """Whether a figure is there, ours and newer than the result, and nobody asked for another."""
    if options.overwrite or options.output is not None or not target.is_file():
        return False
    from ..io.ownership import figure_mark, require_own

    require_own(target, figure_mark(target))
    return target.stat().st_size > 0 and target.stat().st_mtime >= path.stat().st_mtime
