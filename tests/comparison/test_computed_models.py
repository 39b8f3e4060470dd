"""Boosts computed for many boson masses from few states: against results of runs, and over ranks."""

from dataclasses import replace

import numpy as np
import pytest
from attrs import evolve
from rank_runs import TWO, agree, needs_mpi, run_here
from scipy.interpolate import CubicSpline

from gpu_fdm.comparison.computed_models import Populations, SingleFilaments
from gpu_fdm.comparison.models import model_boosts
from gpu_fdm.comparison.states import States, solve_all
from gpu_fdm.config.config import parse_config, read_config
from gpu_fdm.errors import InputError
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.pipeline.model import build_model, solve
from gpu_fdm.pipeline.run import run
from gpu_fdm.spectra.single_filament import single_power

ONE = "[dark_matter]\nm22 = 0.5\n[filament]\n{}[wavefunction]\n{}[single_power]\npoints = 40\n{}"
SEVERAL = """
[run]
output = {output}
backend = cpu
[wavefunction]
[population]
m22 = 0.5
masses = 60
[one_filament]
mass_min = 2e9
mass_max = 8e9
points = 40
k_max = 200
"""


def one(filament="", wavefunction="", power=""):
    return parse_config(ONE.format(filament, wavefunction, power))


def grid(models, denominator, of):
    return models.grid(solve_all(models.needed, SERIAL, CPU()), denominator, of)


def at(boost, k):
    """A boost between its rows."""
    return np.exp(CubicSpline(np.log(boost.k), np.log(boost.boost))(np.log(k)))


@pytest.mark.parametrize(
    ("choices", "shared"),
    [
        ({}, 9),
        ({"filament": "mass = 4e9\nlength = 2\n", "power": "statistics = gaussian\n"}, 7),
        ({"filament": "shape = collapse\n", "wavefunction": "axial = thermal\n"}, 8),
    ],
)
def test_states_of_other_filaments_give_the_spectra_of_a_filament(choices, shared):
    """Those of the same nu, at boson masses that follow, against the filament of each boson mass solved by itself."""
    base, config = SingleFilaments(one(), (0.4, 0.7)), one(**choices)
    models = SingleFilaments(config, (0.4, 0.7), base.nu)
    assert len(set(base.needed) & set(models.needed)) >= shared
    solved = solve_all(models.needed, SERIAL, CPU())
    of = models.objects[0]
    assert of == f"one filament of {config.filament.mass:g} Msun/h"
    grids = {denominator: models.grid(solved, denominator, of) for denominator in ("smooth", "classical")}
    assert grids["smooth"].m22_range[0] <= 0.4 and grids["smooth"].m22_range[1] >= 0.7
    for number in (1, -2):
        of_boson, filament, _ = models.models[number]
        power = single_power(solve(of_boson, filament), grids["smooth"].boosts[number].k, plane=False)
        power = replace(power, statistics=config.single_power.statistics)
        for denominator, grid in grids.items():
            boost = grid.boosts[number]
            rows = np.isin(power.k, boost.k) & (power.fdm > 1e-9) & (getattr(power, denominator) > 1e-9)
            assert np.count_nonzero(rows) > 15 and boost.object == of
            expected = power.fdm[rows] / getattr(power, denominator)[rows]
            assert boost.boost[np.isin(boost.k, power.k[rows])] == pytest.approx(expected, rel=1e-4)


def test_filaments_that_do_not_scale_are_solved_for_one_by_one(tmp_path):
    """A table of the profile of a filament gives the boosts of the filament."""
    config = one()
    model = build_model(config)
    radius = np.geomspace(2e-5, 3, 400)  # [cMpc/h]
    density = model.profile.density(radius / model.units.length)
    rows = "\n".join(f"{r!r},{d!r}" for r, d in zip(radius.tolist(), density.tolist(), strict=True))
    (tmp_path / "profile.csv").write_text(f"radius,density\n{rows}\n")
    table = one(filament=f"profile_table = {tmp_path}/profile.csv\n")
    models, exact = SingleFilaments(table, (0.4, 0.7)), SingleFilaments(config, (0.4, 0.7))
    assert models.nu is None and all(states.nu is None for states in models.needed)
    assert len(models.needed) == 9
    found, expected = (grid(each, "classical", "")(0.5) for each in (models, exact))
    k = np.geomspace(5, 150, 20)
    assert at(found, k) == pytest.approx(at(expected, k), rel=0.02)  # the table


def test_denominators_that_one_filament_does_not_have():
    models = SingleFilaments(one(), (0.4, 0.7))
    with pytest.raises(
        InputError, match=r"^--fit: over cdm: one filament has boosts over smooth and over classical only$"
    ):
        models.grid({}, "cdm", "")


def test_boson_masses_without_a_state_are_refused():
    models = SingleFilaments(one(), (0.001, 0.002))
    with pytest.raises(InputError, match="a filament to fit with has no eigenstate below the energy cut"):
        solve_all(models.needed, SERIAL, CPU())


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    """A result, and the models of its config."""
    folder = tmp_path_factory.mktemp("population")
    (folder / "several.ini").write_text(SEVERAL.format(output=folder))
    config = read_config(folder / "several.ini")
    outcome = run(config)
    return outcome.result, Populations(config, (0.42, 0.6), (1.0, 150.0), (2e9, 8e9))


@pytest.mark.parametrize("denominator", ["smooth", "classical", "n-body", "cdm", "linear-cdm"])
def test_boosts_of_a_population_are_those_of_its_run(population, denominator):
    path, models = population
    boosts = [boost for boost in model_boosts(path) if boost.denominator == denominator]
    assert boosts
    for boost in boosts:
        assert boost.object in models.objects
        found = grid(models, denominator, boost.object)(0.5)
        k = boost.k[(boost.k > found.k[0]) & (boost.k < found.k[-1])]
        k = k[at(boost, k) < 100]
        assert len(k) > 10 and found.object == boost.object
        # masses of the run, the interpolation between bosons, and where the cut-off has a zero between rows
        assert at(found, k) == pytest.approx(at(boost, k), rel=0.01)


def test_spectra_from_the_table_need_no_states(tmp_path):
    """They are those of states that filaments share."""
    config = parse_config(SEVERAL.format(output=tmp_path))
    boosts = []
    for method in ("auto", "direct"):
        section = evolve(config.one_filament, method=method, mass_max=4e9)
        models = Populations(replace(config, one_filament=section), (1.2, 1.3), (1.0, 100.0), (2e9, 4e9))
        assert (not models.needed) == (method == "auto")
        boosts.append(grid(models, "smooth", models.objects[1])(1.25))
    np.testing.assert_allclose(boosts[0].boost, at(boosts[1], boosts[0].k), rtol=2e-3)


def test_what_a_population_does_not_have(population):
    _, models = population
    solved = solve_all(models.needed, SERIAL, CPU())
    with pytest.raises(InputError, match=r"^--fit: over wdm: matter with filaments of 2e\+09 to 8e\+09 Msun/h has"):
        models.grid(solved, "wdm", models.objects[1])


def check(ranks):
    """States over ranks are those of one rank, on all."""
    models = SingleFilaments(one(), (0.2, 0.4))
    solved = solve_all(models.needed, ranks, CPU(1))
    alone = solve_all(models.needed, SERIAL, CPU(1))
    assert set(solved) == set(alone) and len(solved) == 9
    k = np.geomspace(0.1, 5, 20)
    for states, filament in alone.items():
        assert np.array_equal(solved[states].interference(k), filament.interference(k))
        assert np.array_equal(solved[states].form(k), filament.form(k))
    impossible = {States.scaled(one(), 1e-3, 0.0): 1.0} | models.needed
    with pytest.raises(InputError, match="has no eigenstate below the energy cut"):
        solve_all(impossible, ranks, CPU(1))


@needs_mpi
@pytest.mark.parametrize("ranks", [TWO, 3])
def test_ranks_agree(ranks):
    agree(__file__, ranks)


if __name__ == "__main__":
    run_here(check)
