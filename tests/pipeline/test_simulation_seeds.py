"""Several seeds of a simulation: each as if it were alone, their ratio of means, and epochs that are not resolved."""

import logging
import re

import h5py
import numpy as np
import pytest
from locations import REPOSITORY

from gpu_fdm.config.config import parse_config, read_config
from gpu_fdm.errors import InputError
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.simulation import checkpoint, setup
from gpu_fdm.pipeline.simulation.boosts import stored_boosts
from gpu_fdm.pipeline.simulation.setup import check_simulation

INI = """
[run]
output = {output}
backend = cpu
threads = 1
[simulation]
size = 0.85
cells = 16
redshift_end = {end}
spectra = 3
runs = wave_fdm, particles_fdm
content = none
checkpoint_minutes = {minutes}
"""
PAIR = "boost/wave_fdm_over_particles_fdm"


class Killed(Exception):
    """Stands for whatever ends a run."""


def config(output, *overrides, end=50, minutes=10):
    return parse_config(INI.format(output=output, end=end, minutes=minutes), "box.ini", overrides)


def contents(file):
    """All datasets of an open file by name."""
    found = {}
    file.visititems(lambda name, node: found.update({name: node[()]} if isinstance(node, h5py.Dataset) else {}))
    return found


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The result of seeds 3 and 12, and the lines of its summary."""
    return pipeline.run(config(tmp_path_factory.mktemp("two"), "simulation.seeds=3, 12"))


def test_some_of_many_seeds_are_checked(tmp_path, monkeypatch):
    """A dry run of thousands is not one of hours; that of a few checks all."""
    seen = []
    monkeypatch.setattr(setup, "_warnings_of_modes", lambda one: seen.append(one.seed) or [f"seed {one.seed}"])
    many = config(tmp_path, f"simulation.seeds={', '.join(map(str, range(1, 1001)))}")
    *warnings, last = check_simulation(many)
    assert seen == list(range(1, 1001, 32)) and warnings == [f"seed {seed}" for seed in seen]
    assert last == "box.ini: [simulation] 32 of 1000 seeds are checked now, each of the others when it is run"
    seen.clear()
    assert check_simulation(config(tmp_path, "simulation.seeds=3, 12")) == ["seed 3", "seed 12"]


def test_seeds_given_twice_are_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        config(tmp_path, "simulation.seeds=3, 12, 3")
    assert str(caught.value) == "--set: [simulation] seeds = 3, 12, 3: must not name a seed twice"


@pytest.mark.parametrize("seed", [3, 12])
def test_each_seed_is_as_if_it_were_alone(two, tmp_path, seed):
    """The same bits as with run.seed, and with a list of this seed."""
    alone = pipeline.run(config(tmp_path / "alone", f"run.seed={seed}")).result
    listed = pipeline.run(config(tmp_path / "listed", f"simulation.seeds={seed}")).result
    with h5py.File(alone) as one, h5py.File(listed) as of_list, h5py.File(two.result) as both:
        expected, found = contents(one["simulation"]), contents(both[f"simulation/seed_{seed}"])
        assert expected.keys() == found.keys()
        assert all(np.array_equal(expected[name], found[name]) for name in expected)
        expected, found = contents(one), contents(of_list)
        assert expected.keys() == found.keys()
        assert all(np.array_equal(expected[name], found[name]) for name in expected)
        assert set(both["simulation"]) == {"seed_3", "seed_12"}
        assert both["simulation"].attrs["seeds"].tolist() == [3, 12]


def test_the_boost_is_the_ratio_of_the_means(two):
    with h5py.File(two.result) as file:
        boost = file[f"{PAIR}/2"]
        rows = np.arange(len(boost["k"])) + 1
        above, below = (
            np.array([file[f"simulation/seed_{seed}/{run}/2/power"][rows] for seed in (3, 12)])
            for run in ("wave_fdm", "particles_fdm")
        )
        ratio = above.sum(axis=0) / below.sum(axis=0)
        assert boost["boost"][:] == pytest.approx(ratio, rel=1e-12)
        assert boost["each"][:] == pytest.approx(above / below, rel=1e-12)
        # of two the residuals are opposite
        scatter = np.sqrt(2) * np.abs(above[0] - ratio * below[0]) / below.mean(axis=0)
        assert boost["scatter"][:] == pytest.approx(scatter, rel=1e-6, abs=1e-12)
        assert boost["error"][:] == pytest.approx(scatter / np.sqrt(2), rel=1e-6, abs=1e-12)
        assert boost["seeds"][:].tolist() == [3, 12] and boost["unresolved_each"].shape == (2,)
    (line,) = [line for line in two.summary if line.startswith("P of ")]
    assert ", mean of 2 seeds, z = 50: " in line
    assert sum(line.startswith("seed 12: ") for line in two.summary) == 2


def test_seeds_that_were_stopped_go_on_with_the_same_bits(two, tmp_path, monkeypatch, caplog):
    """Ended within the wave of the second seed: the first seed is not repeated."""
    save, count = checkpoint.Checkpoint.save, [0]

    def counted(self, *arguments):
        save(self, *arguments)
        count[0] += 1
        if count[0] == 30:  # 12 of each run
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "save", counted)
        with pytest.raises(Killed):
            pipeline.run(config(tmp_path, "simulation.seeds=3, 12", minutes=0))
    assert not (tmp_path / "result.hdf5").exists()
    with caplog.at_level(logging.INFO):
        pipeline.run(config(tmp_path, "simulation.seeds=3, 12"))
    told = [message for message in caplog.messages if "cache" in message or "resumes" in message]
    assert told[:2] == ["seed 3: wave_fdm: taken from the cache", "seed 3: particles_fdm: taken from the cache"]
    assert len(told) == 3 and told[2].startswith("seed 12: wave_fdm: resumes at step 6, ")
    # a third seed repeats none of them, and says nothing of what others have left
    caplog.clear()
    with caplog.at_level(logging.INFO):
        pipeline.run(config(tmp_path, "simulation.seeds=12, 4, 3", minutes=0))
    assert sum("taken from the cache" in message for message in caplog.messages) == 4
    assert "not used" not in caplog.text
    with caplog.at_level(logging.INFO):
        result = pipeline.run(config(tmp_path, "simulation.seeds=3, 12")).result
    with h5py.File(result) as resumed, h5py.File(two.result) as whole:
        expected, found = contents(whole), contents(resumed)
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[name], found[name], equal_nan=True) for name in expected)


def test_all_seeds_are_kept(tmp_path, caplog):
    """More than the parts of one name that stay in a cache."""
    seeds = "simulation.seeds=1, 2, 3, 4, 5, 6", "simulation.runs=wave_fdm", "simulation.spectra=1"
    pipeline.run(config(tmp_path, *seeds))
    with caplog.at_level(logging.INFO):
        pipeline.run(config(tmp_path, *seeds))
    assert sum("taken from the cache" in message for message in caplog.messages) == 6


def test_epochs_that_are_not_resolved_are_marked_and_left_out(tmp_path):
    """Seed 12 turns 0.036 of its mass by more than pi/2 a cell at z = 9; seed 3 none."""
    box = "simulation.size=0.85, 0.9, 0.8", "simulation.cells=18, 20, 17"
    outcome = pipeline.run(config(tmp_path, "simulation.seeds=3, 12", *box, end=9))
    with h5py.File(outcome.result) as file:
        first, *_, last = (file[f"{PAIR}/{epoch}"] for epoch in "012")
        assert last["unresolved_each"][0] < 0.01 < last["unresolved_each"][1] == last.attrs["unresolved"]
        assert last["beyond_velocity"][:].all() and not first["beyond_velocity"][:].any()
        boosts = {boost.redshift: boost for boost in stored_boosts(file)}
    late = min(boosts)
    assert late == pytest.approx(9) and not boosts[late].good.any()
    assert boosts[late].limits.endswith("of an epoch that the cells do not resolve")
    lost, told = [line for line in outcome.summary if line.startswith("P of ")]
    assert "z = 9: not used: up to " in lost and "(seed 12) turns its phase by more than pi/2 a cell" in lost
    assert "mean of 2 seeds, z = 24.3: " in told


def test_a_run_whose_last_epochs_will_not_be_used_is_told_so():
    """The ratio of velocities falls as a^(3/2): at the redshift that the warning names it is 3, and nothing is told."""
    preset = REPOSITORY / "ini" / "simulation.ini"
    (warning,) = check_simulation(read_config(preset, ["simulation.redshift_end=1.9", "simulation.seeds=6, 2"]))
    found = re.search(r"seed 2: redshift_end = 1.9: cells resolve (\S+) times .*\(end at z = (\S+), or take", warning)
    ratio, until = map(float, found.groups())
    assert ratio == pytest.approx(3 * (2.9 / (1 + until)) ** 1.5, rel=0.01)
    assert not check_simulation(
        read_config(preset, [f"simulation.redshift_end={until + 0.05}", "simulation.seeds=6, 2"])
    )
