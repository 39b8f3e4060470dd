"""The error budget of one-filament spectra: against runs with each choice, on ranks, stopped and resumed, and drawn."""

import h5py
import numpy as np
import pytest
from rank_runs import needs_mpi, result_of_ranks
from tiny_runs import run_in

from gpu_fdm.config.config import parse_config, read_config
from gpu_fdm.pipeline import budget as stage
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.run import cache_folder, run
from gpu_fdm.pipeline.stages import stages_of
from gpu_fdm.plots.budget import budget as figure
from gpu_fdm.spectra.one_filament import limit_of_small_wavenumbers, population_density

INI = """
[run]
output = {output}
backend = cpu
[wavefunction]
[population]
m22 = 0.6, 0.7
masses = 20
mass_min = 2.5e9
mass_max = 1e11
[one_filament]
mass_max = 4e9
points = 12
k_min = 0.1
k_max = 150
tolerance = 1
normalisation = matter
budget = yes
"""
CHOICES = {
    "weights_adaptive_lasso",
    "weights_poisson",
    "axial_thermal",
    "statistics_gaussian",
    "mode_mass_scaled",
    "mode_mass_as_is",
    "mass_min_2.7e+09",
    "mass_min_3.3e+09",
    "mass_max_3.6e+09",
    "mass_max_4.4e+09",
    "ellipticity_collapse",
    "freeze_out_bond_myers",
    "transfer_ph22",
    "transfer_murgia17",
    "all_masses",
    "haloes",
}


def stored(path):
    """The budgets, by boson, with the spectra that they are of."""
    with h5py.File(path) as file:
        bosons = {name: group for name, group in file["one_filament_power"].items() if "budget" in group}
        return {
            name: {key: dataset[:] for key, dataset in group["budget"].items()}
            | {"power": group["power_fdm"][:], "attrs": dict(group["budget"].attrs)}
            for name, group in bosons.items()
        }


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """An ini and the result of its run."""
    return run_in(tmp_path_factory.mktemp("budget"), INI)


def test_every_choice_is_there(done):
    budgets = stored(done[1].result)
    assert set(budgets) == {"m22_0.6", "m22_0.7"}
    for found in budgets.values():
        assert set(found) == CHOICES | {"k", "power", "attrs"}
        assert all(np.all(found[name] > 0) for name in CHOICES)
        assert 0 < found["attrs"]["lattice_error"] < 0.01 and found["attrs"]["quadrature_error"] > 0
    with h5py.File(done[1].result) as file:
        dataset = file["one_filament_power/m22_0.7/budget/ellipticity_collapse"]
        assert dataset.attrs["choice"] == "population.ellipticity = collapse"
        assert dataset.attrs["units"] == ""
    (line,) = [line for line in done[1].summary if line.startswith("budget of P_1f, m22 = 0.7, k = 10, 100 h/Mpc: ")]
    assert "ellipticity_collapse" in line and line.endswith(f"{budgets['m22_0.7']['attrs']['quadrature_error']:.1e}")


@pytest.mark.parametrize(
    "name, override",
    [
        ("ellipticity_collapse", "population.ellipticity=collapse"),
        ("transfer_ph22", "population.transfer=ph22"),
        ("statistics_gaussian", "one_filament.statistics=gaussian"),
        ("mode_mass_as_is", "one_filament.mode_mass=as_is"),
        ("mass_min_3.3e+09", "one_filament.mass_min=3.3e9"),
    ],
)
def test_a_choice_is_a_run_with_it(done, tmp_path, name, override):
    """Filaments at Chebyshev masses, with the key of the ini."""
    overrides = [override, "one_filament.budget=no", f"run.output={tmp_path}", "population.m22=0.7"]
    with h5py.File(run(read_config(done[0], overrides)).result) as file:
        power = file["one_filament_power/m22_0.7/power_fdm"][:]
    budget = stored(done[1].result)["m22_0.7"]
    rows = budget["power"] > 1e-6 * budget["power"][0]
    assert np.count_nonzero(rows) > 8
    assert (power / budget["power"])[rows] == pytest.approx(budget[name][rows], rel=0.01)


def test_haloes_take_their_mass_away(done):
    """At k -> 0 the power is that of what is left, int M^2 (1 - share)^2 dn."""
    config = read_config(done[0])
    population = Inputs(config).population
    number, window = population.mass_function(0.7), (3e9, 4e9)

    masses = np.geomspace(*window, 20)
    share = population.halo_share(masses, 0.7)

    def left(mass, power=1):
        return (1 - np.interp(np.log(mass), np.log(masses), share)) ** power

    expected = limit_of_small_wavenumbers(lambda mass: left(mass, 2) * number(mass), *window, 1.0)
    expected /= limit_of_small_wavenumbers(number, *window, 1.0)
    budget = stored(done[1].result)["m22_0.7"]
    assert budget["haloes"][0] == pytest.approx(expected, rel=1e-3)
    with h5py.File(done[1].result) as file:
        density = file["one_filament_power/m22_0.7/budget/haloes"].attrs["density_ratio"]
    expected = population_density(lambda mass: left(mass) * number(mass), *window) / population_density(number, *window)
    assert density == pytest.approx(expected, rel=1e-4)
    assert 0.5 < density < 0.99


@pytest.mark.slow
def test_a_stopped_run_goes_on(done, monkeypatch):
    """Nothing is solved again; of a choice that is not cached the spectrum alone is computed again."""
    ini, outcome = done
    before, whole = stored(outcome.result), outcome.result.read_bytes()
    monkeypatch.setattr(stage, "eigenstates", None)
    (lost,) = cache_folder(outcome.result).glob("budget-m22_0.7-transfer_ph22*")
    lost.unlink()
    outcome.result.unlink()
    again = stored(run(read_config(ini)).result)
    for boson, found in before.items():
        for name in CHOICES:
            assert np.array_equal(again[boson][name], found[name]), name
    for lost in cache_folder(outcome.result).glob("budget-wkb-nu_*"):
        lost.unlink()
    outcome.result.unlink()
    with pytest.raises(TypeError, match="not callable"):
        run(read_config(ini))
    outcome.result.write_bytes(whole)


@needs_mpi
@pytest.mark.slow
def test_ranks_agree(done, tmp_path):
    ini, outcome = done
    ours = stored(result_of_ranks(ini, 2, tmp_path / "r"))
    for boson, found in stored(outcome.result).items():
        for name in CHOICES:
            assert ours[boson][name] == pytest.approx(found[name], rel=1e-9), name


def test_figure(done):
    with h5py.File(done[1].result) as file:
        drawn = figure(file)
    assert [panel.get_title("left") for panel in drawn.axes] == ["$m_{22}=0.6$", "$m_{22}=0.7$"]
    (legend,) = drawn.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert len(labels) == len(CHOICES) + 1 and labels[-1] == "integral over masses"
    assert {"ellipticity = collapse", "weights = adaptive_lasso", "without the mass that is in haloes"} < set(labels)
    looks = {(line.get_color(), line.get_linestyle()) for line in drawn.axes[0].lines if line.get_label() in labels}
    assert len(looks) == len(CHOICES)


@pytest.mark.slow
def test_choices_that_cannot_be_made_are_told(tmp_path, caplog):
    """At z = 20 there is no barrier with the published ellipticity: it is left out, and the others are there."""
    overrides = ["cosmology.redshift=20", "population.ellipticity=collapse", "population.mass_min=4e8"]
    overrides += ["population.m22=1.2", "population.masses=8", "one_filament.mass_max=3.2e9"]
    found = stored(run(parse_config(INI.format(output=tmp_path), overrides=overrides)).result)["m22_1.2"]
    told = [record.getMessage() for record in caplog.records if "leaves out" in record.getMessage()]
    assert len(told) == 1 and "the budget of P_1f leaves out population.ellipticity = published: " in told[0]
    assert "variance" in told[0] and "\n" not in told[0]
    assert not any(name.startswith("ellipticity") for name in found) and "freeze_out_bond_myers" in found


def test_a_budget_takes_longer(tmp_path):
    seconds = []
    for budget in ("no", "yes"):
        config = parse_config(INI.format(output=tmp_path), overrides=[f"one_filament.budget={budget}"])
        (of_stage,) = [each for each in stages_of(config) if each.section == "one_filament"]
        seconds.append(of_stage.estimate(Inputs(config)).seconds)
        lines = of_stage.describe(Inputs(config))
    assert seconds[1] > seconds[0] > 0
    assert lines[-1] == f"budget of P_1f: {len(CHOICES)} other choices"
