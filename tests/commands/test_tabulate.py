"""gpu-fdm tabulate: a table by one rank and by several, resumed, and what it refuses."""

import numpy as np
import pytest
from rank_runs import agree, needs_mpi, run_here

from gpu_fdm.commands.main import main
from gpu_fdm.pipeline import similarity
from gpu_fdm.spectra.similarity.recipe import Recipe
from gpu_fdm.spectra.similarity.store import read_table

FEW = (1.0, 1.5, 2.0, 2.5)  # nodes that take half a second each


@pytest.fixture
def few_nodes(monkeypatch):
    monkeypatch.setattr(Recipe, "nodes", FEW)


@pytest.mark.usefixtures("few_nodes")
def test_a_stopped_command_goes_on(monkeypatch, tmp_path, capsys):
    output, whole, done = tmp_path / "table.hdf5", similarity.table_rows, []

    def rows(nu, recipe, backend):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(nu)
        return whole(nu, recipe, backend)

    monkeypatch.setattr(similarity, "table_rows", rows)
    command = ["tabulate", "similarity", "--energy-cut", "0.95", "--output", str(output)]
    assert main(command) == 130
    assert "finished nodes are cached in" in capsys.readouterr().err and not output.exists()
    monkeypatch.setattr(similarity, "table_rows", lambda *given: done.append(given[0]) or whole(*given))
    assert main(command) == 0
    assert sorted(done) == list(FEW)
    assert "energy_cut = 0.95, beta = 0" in capsys.readouterr().out
    table = read_table(output)
    assert table.recipe == Recipe(energy_cut=0.95)
    np.testing.assert_allclose(table.rows[1], whole(1.5, table.recipe, None)[1], rtol=1e-6, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["table.hdf5"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--beta", "1"], "beta = 1: must be in [0, 0.95]"),
        (["--energy-cut", "0"], "energy_cut = 0: must be in [0.5, 0.9999]"),
        (["--output", "table.csv"], "--output table.csv: must end in .hdf5 or .h5"),
        (["--output", "others.hdf5"], "others.hdf5: is a file that gpu-fdm did not write: it is not replaced"),
        (["--output", "no/folder\0/a.hdf5"], "output folder cannot be written"),
    ],
)
def test_what_it_refuses(options, says, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "others.hdf5").write_bytes(b"mine")
    assert main(["tabulate", "similarity", *options]) in (1, 2)
    errors = capsys.readouterr().err
    assert says in errors and errors.count("\n") == 1


@needs_mpi
def test_ranks_make_the_table_of_one():
    agree(__file__, 3)


def on_ranks(ranks):
    from pathlib import Path
    from tempfile import mkdtemp

    Recipe.nodes = FEW[:3]
    folder = Path(ranks.on_root(mkdtemp))
    table = similarity.tabulate(Recipe(), folder / "table.hdf5", ranks)
    if ranks.is_root:
        assert np.array_equal(table.rows[1], similarity.table_rows(FEW[1], Recipe())[1])
        assert read_table(folder / "table.hdf5").recipe == Recipe()


if __name__ == "__main__":
    run_here(on_ranks)
