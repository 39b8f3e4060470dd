"""Notebooks of docs/notebooks are valid, have no outputs, and run on a small result."""

import ast
import re
from contextlib import chdir, redirect_stdout
from io import StringIO

import matplotlib
import pytest
from locations import REPOSITORY

from gpu_fdm.config.config import parse_config
from gpu_fdm.pipeline import run as pipeline

NOTEBOOKS = sorted((REPOSITORY / "docs" / "notebooks").glob("*.ipynb"))
RUN = [pytest.param(path, marks=[pytest.mark.slow] * (path.stem == "combinations")) for path in NOTEBOOKS]
SHOWN = {  # of each: number of pictures, and what it prints or shows
    "combinations": (
        1,
        (
            "the boost over smooth measures 2 combinations of 5",
            "the network uses k M^0.33",
            "similarity has k M^0.336 and m22 M^0.698 (1+z)^-0.500",
        ),
    ),
    "look_at_a_result": (
        5,
        ("<td>k</td><td>k 40</td><td>h/Mpc</td><td>wavenumber, comoving</td>", "k_gs = 108.2 h/Mpc: "),
    ),
}
RESULT = """[run]
backend = cpu
threads = 1
output = {folder}/output/single_filament
[filament]
[wavefunction]
[cross_section]
points = 32
[single_power]
points = 40
[box]
cells = 20
[power]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a result under the name that notebooks open."""
    folder = tmp_path_factory.mktemp("notebooks")
    pipeline.run(parse_config(RESULT.format(folder=folder)))
    return folder


def value_of(cell, namespace):
    """Run the code of a cell; returns the value of its last line if that is an expression."""
    tree = ast.parse(cell.source)
    if isinstance(tree.body[-1], ast.Expr):
        tree.body[-1] = ast.Assign([ast.Name("shown", ast.Store())], tree.body[-1].value)
    exec(compile(ast.fix_missing_locations(tree), "cell", "exec"), namespace)
    return namespace.pop("shown", None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_valid_and_without_outputs(path):
    import nbformat

    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert notebook.nbformat == 4
    for cell in notebook.cells:
        assert cell.cell_type == "markdown" or (not cell.outputs and cell.execution_count is None)


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_every_cell_runs(path, folder):
    matplotlib.use("agg")
    import nbformat

    if path.stem == "combinations":
        pytest.importorskip("jax", reason="the extra learn is not installed")
    namespace, printed, pictures, pages = {}, StringIO(), [], []
    with chdir(folder), redirect_stdout(printed):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                shown = value_of(cell, namespace)
                shown_as = shown._repr_html_() if hasattr(shown, "_repr_html_") else ""
                pages.append(shown_as)
                pictures += re.findall('src="data:image/png;base64,', shown_as)
    number, lines = SHOWN[path.stem]
    assert len(pictures) == number
    for line in lines:
        assert line in printed.getvalue() or any(line in page for page in pages)


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == list(SHOWN)
