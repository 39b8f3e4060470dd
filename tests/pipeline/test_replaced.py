"""A run that replaces the result of other settings says so, in one line, before it computes, and so does a dry run."""

import pytest

from gpu_fdm.config.config import parse_config
from gpu_fdm.pipeline.run import dry_run, run

INI = "[population]\nm22 = 1\n"
SPECTRA = INI + "[one_filament]\npoints = 4\n[wavefunction]\n"


def replaced(caplog, folder, ini, *overrides):
    """What a run into the folder says of the result that is there."""
    caplog.clear()
    run(parse_config(ini, "mine.ini", [f"run.output={folder}", *overrides]))
    return [record.getMessage() for record in caplog.records if "that is there" in record.getMessage()]


@pytest.mark.parametrize(
    ("before", "after", "overrides", "made_with"),
    [
        (INI, INI, ["population.masses=50"], "population.masses = 200, now 50"),
        (INI, INI, ["population.masses=50", "cosmology.redshift=5"], "cosmology.redshift = 4, now 5 (and 1 more)"),
        (INI + "[figures]\n", INI, ["run.threads=1", "run.backend=cpu"], None),
        (INI, INI + "[figures]\ndpi = 60\n", [], None),
        (
            INI + "[one_filament]\npoints = 4\n[wavefunction]\n",
            INI,
            [],
            "[one_filament], which is absent now (and 1 more)",
        ),
        (INI, SPECTRA, [], None),
    ],
)
def test_a_result_of_other_settings(before, after, overrides, made_with, tmp_path, caplog):
    assert replaced(caplog, tmp_path, before) == []
    here = f"{tmp_path}/result.hdf5: the result that is there, made with {made_with}, is replaced when the run is done"
    lines = [] if made_with is None else [here]
    planned = dry_run(parse_config(after, "mine.ini", [f"run.output={tmp_path}", *overrides]))
    assert [line for line in planned if "that is there" in line] == [f"warning: {line}" for line in lines]
    assert replaced(caplog, tmp_path, after, *overrides) == lines
