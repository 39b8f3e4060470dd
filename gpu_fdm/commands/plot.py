"""gpu-fdm plot: draw figures, a volume or a movie of a result file."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import InputError, require_file
from .shared import add_dpi_option, check_dpi, file_name, print_figures

PARALLEL = False


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("file", type=file_name, help="result file")
    add_dpi_option(parser)
    kinds = parser.add_mutually_exclusive_group()
    text = "draw a density as a volume instead: density/fdm, density/smooth/0 ... (default: the first; needs pyvista)"
    kinds.add_argument("--volume", nargs="?", const="", metavar="DENSITY", help=text)
    text = "make a movie of a simulation or of the frames of a box instead: MP4 with ffmpeg, else an animated GIF"
    kinds.add_argument("--movie", action="store_true", help=text)


def execute(options: Namespace) -> None:
    """Draw what is asked for, and print where it is."""
    check_dpi(options.dpi)
    path = Path(options.file)
    require_file(path)
    from ..io.hdf5 import is_hdf5

    if not is_hdf5(path):
        raise InputError(f"{path}: not a result of gpu-fdm run")
    if options.volume is not None:
        from ..plots.volume import draw_volume

        print_figures([draw_volume(path, options.volume)])
    elif options.movie:
        from ..plots.movie import movie

        made = movie(path, options.dpi)
        print(f"movie: {made}{' (an MP4 needs ffmpeg on PATH)' if made.suffix == '.gif' else ''}")
    else:
        from ..pipeline.stages import figures
        from ..plots import draw

        drawn = draw(path, figures(), options.dpi)
        if not drawn:
            raise InputError(f"{path}: holds nothing to draw: it has no group that gpu-fdm run writes")
        print_figures(drawn)
