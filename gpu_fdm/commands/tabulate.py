"""gpu-fdm tabulate: make a table that spectra are interpolated in."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .shared import file_name, require_output
from .terminal import show

if TYPE_CHECKING:
    from ..parallel.ranks import Ranks
    from ..spectra.similarity.recipe import Recipe

PARALLEL = True
RESUMES = True
OPTIONS = {
    "energy_cut": ("F", "mass fraction that sets the energy cut, as wavefunction.energy_cut (default: 0.99)"),
    "beta": ("B", "velocity anisotropy of the filaments (default: 0)"),
    "l0_angular_momentum": ("L", "angular momentum of l = 0 states where beta > 0 [hbar] (default: as in the ini)"),
    "nu_min": ("NU", "smallest nu (default: 0.5)"),
    "ratio_min": ("X", "smallest length over r0/a (default: 10)"),
    "ratio_max": ("X", "largest length over r0/a (default: 125)"),
}


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "kind of table; similarity: spectra of filaments that depend on one number, docs/theory.md"
    parser.add_argument("kind_of_table", choices=("similarity",), metavar="similarity", help=text)
    for name, (metavar, text) in OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, metavar=metavar, help=text)
    text = "file to write, .hdf5 or .h5 (default: similarity.hdf5); one_filament.table of an ini names it"
    parser.add_argument("--output", type=file_name, default="similarity.hdf5", metavar="FILE", help=text)


def execute(options: Namespace, ranks: "Ranks") -> None:
    """Make the table, write it, and print what it holds."""
    from time import perf_counter

    from ..io.result_file import RESULT_ENDINGS, require_result, require_writable
    from ..pipeline.run import cache_folder
    from ..pipeline.similarity import tabulate

    output = Path(options.output)

    def checked() -> "Recipe":
        from ..spectra.similarity.recipe import Recipe

        require_output(output, RESULT_ENDINGS)
        given = {name: getattr(options, name) for name in OPTIONS}
        recipe = Recipe(**{name: value for name, value in given.items() if value is not None})
        require_writable(output.parent)
        require_result(output)
        return recipe

    recipe, started = ranks.on_root(checked), perf_counter()
    try:
        table = tabulate(recipe, output, ranks)
    except KeyboardInterrupt as error:
        folder = cache_folder(output)
        if folder.exists():
            error.add_note(f"finished nodes are cached in {folder}; run the same command again to resume")
        raise
    if ranks.is_root:
        show(f"{recipe.states}")
        show(f"nu: {len(table.nu)} nodes from {table.nu[0]:g} to {table.nu[-1]:g}")
        show(f"length over r0/a: {recipe.ratio_min:g} to {recipe.ratio_max:g}")
        show(f"table: {output}, {output.stat().st_size / 1e6:.2f} MB, in {perf_counter() - started:.0f} s")
