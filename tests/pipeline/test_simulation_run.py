"""gpu-fdm run with [simulation]: spectra against linear theory and against their snapshots, checkpoints bit for bit."""

import logging
import os
import signal
import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pytest
from rank_runs import MPIEXEC, needs_mpi
from source_copy import source_copy

from gpu_fdm.commands.main import main
from gpu_fdm.config.config import parse_config
from gpu_fdm.cosmology.transfer import transfer
from gpu_fdm.errors import InputError, RunError
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.plan import BASE, plan
from gpu_fdm.pipeline.simulation import checkpoint, dynamics, evolve, record
from gpu_fdm.pipeline.simulation.needs import run_steps
from gpu_fdm.pipeline.simulation.setup import Setup, check_simulation
from gpu_fdm.pipeline.snapshot import snapshot_power
from gpu_fdm.pipeline.stages import stages_of
from gpu_fdm.simulation.initial_conditions import contrast_from_modes
from gpu_fdm.simulation.schroedinger_poisson import Alarms
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.snapshots.registry import open_snapshot
from gpu_fdm.spectra.particles import particle_spectrum
from gpu_fdm.spectra.power import power_spectrum

INI = """
[run]
output = {output}
backend = cpu
threads = 1
precision = {precision}
seed = 12
[simulation]
size = 0.85, 0.9, 0.8
cells = 16, 15, 18
redshift_end = {end}
spectra = 3
runs = {runs}
{more}
"""


def config(output, *overrides, runs="wave_fdm, particles_fdm", more="", precision="double", end=50):
    text = INI.format(output=output, runs=runs, more=more, precision=precision, end=end)
    return parse_config(text, "box.ini", overrides)


def contents(path):
    """All datasets of a file by name."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, node: found.update({name: node[()]} if isinstance(node, h5py.Dataset) else {}))
    return found


def assert_same(first, second, **tolerance):
    assert first.keys() == second.keys()
    for name, values in first.items():
        if tolerance:
            assert second[name] == pytest.approx(values, nan_ok=True, **tolerance), name
        else:
            assert np.array_equal(values, second[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of everything, not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    everything = "wave_fdm, particles_fdm, particles_cdm, wave_cdm"
    outcome = pipeline.run(config(folder, runs=everything, more="content = full\nsnapshots = 63, 55, 50"))
    assert outcome.result == folder / "result.hdf5"
    assert sum(line.startswith("P of ") for line in outcome.summary) == 4
    return folder


def test_steps_that_a_dry_run_counts(whole):
    setup = Setup.of(config(whole))
    with h5py.File(whole / "result.hdf5") as file:
        for run in ("wave_fdm", "particles_fdm"):
            counted, taken = run_steps(setup, run), int(file[f"simulation/{run}"].attrs["steps"])
            assert taken - 2 <= counted <= taken + 1, run


def test_what_a_result_holds(whole):
    with h5py.File(whole / "result.hdf5") as file:
        about = dict(file["simulation"].attrs)
        assert {"m22", "transfer", "linear_power", "largest_velocity_end"} <= about.keys()
        assert about["redshift_start"] == 63 and list(about["cells"]) == [16, 15, 18]
        for run in ("wave_fdm", "particles_fdm", "particles_cdm", "wave_cdm"):
            group = file[f"simulation/{run}"]
            assert group.attrs["rms_contrast_end"] > group.attrs["rms_contrast"] > 0.02
            epochs = [group[str(epoch)] for epoch in range(3)]
            a = [epoch.attrs["scale_factor"] for epoch in epochs]
            assert a == pytest.approx([1 / 64, np.sqrt(1 / 64 / 51), 1 / 51], rel=1e-12)
            for epoch in epochs:
                assert epoch["modes"][:].sum() == 16 * 15 * 18 and epoch["power"][0] == 0
            assert ("shot_noise" in epochs[0]) == ("health" not in group) == run.startswith("particles")
        health = file["simulation/wave_fdm/health"]
        assert list(health["step"][:2]) == [0, 6] and np.all(np.diff(health["scale_factor"]) > 0)
        # round-off
        assert np.abs(health["mass_error"]).max() < 1e-12 and np.abs(health["energy_error"]).max() < 1e-3
        # V/N at small k; the particles' noise on the grid is that of particles at random
        white = 0.85 * 0.9 * 0.8 / (16 * 15 * 18)
        assert file["simulation/particles_cdm/0/shot_noise"][1] == pytest.approx(white, rel=1e-3)
        assert file["simulation/particles_cdm"].attrs["force_wavenumber"] == pytest.approx(2 * np.pi / 8 / (0.9 / 15))


def test_boosts_are_ratios_and_say_of_what(whole):
    with h5py.File(whole / "result.hdf5") as file:
        assert set(file["boost"]) == {
            "wave_fdm_over_particles_fdm",
            "wave_fdm_over_particles_cdm",
            "wave_cdm_over_particles_cdm",
            "particles_fdm_over_particles_cdm",
        }
        for name in file["boost"]:
            above, below = name.split("_over_")
            for epoch in "012":
                boost, top, bottom = (
                    file[f"{place}/{epoch}"]
                    for place in (f"boost/{name}", *(f"simulation/{r}" for r in (above, below)))
                )
                rows = np.isin(bottom["k"][:], boost["k"][:])
                assert np.array_equal(top["k"][rows], boost["k"][:]) and not rows[0]
                assert boost["boost"][:] == pytest.approx(top["power"][rows] / bottom["power"][rows], rel=1e-13)
                k = boost["k"][:]
                assert np.array_equal(boost["beyond_nyquist"][:], k > np.pi * 15 / 0.9)
                assert np.array_equal(boost["beyond_force"][:], k > bottom.parent.attrs["force_wavenumber"])
                assert boost.attrs["redshift"] == pytest.approx(top.attrs["redshift"])
        fdm, cdm = (
            dict(file[f"boost/{name}/2"].attrs)
            for name in ("wave_fdm_over_particles_fdm", "wave_fdm_over_particles_cdm")
        )
        assert fdm["numerator"] == cdm["numerator"] == "wave, FDM initial power"
        assert fdm["denominator"] == "particles, FDM initial power (same initial conditions)"
        assert cdm["denominator"] == "particles, CDM initial power"
        assert 0 <= fdm["unresolved"] < 1e-3


def test_the_initial_spectra_are_those_of_the_modes(whole):
    """The same numbers with and without the cut-off, in the wave and in the particles."""
    setup = Setup.of(config(whole))
    amplitude = {}
    for cold, name in ((False, "fdm"), (True, "cdm")):
        modes = setup.modes(cold, np.float64)
        amplitude[name] = modes.amplitude
        density = 1 + contrast_from_modes(modes, setup.start, setup.background)
        linear = power_spectrum(density, setup.box.size).power
        with h5py.File(whole / "result.hdf5") as file:
            wave, particles = (file[f"simulation/{run}_{name}"] for run in ("wave", "particles"))
            assert wave.attrs["initial_order"] == particles.attrs["initial_order"] == 2
            # second order in a contrast of 3 %, and in one of 5 %
            tolerance = 5e-3 if name == "fdm" else 0.02
            assert wave["0/power"][1] == pytest.approx(linear[1], rel=tolerance)
            assert particles["0/power"][1] == pytest.approx(wave["0/power"][1], rel=tolerance)
            # a quarter of FDM's here is of second order
            assert particles["0/power"][2] == pytest.approx(wave["0/power"][2], rel=0.05)
            assert (linear[2] < 0.8 * wave["0/power"][2]) == (name == "fdm")
    k = [
        np.abs(2 * np.pi * np.fft.fftfreq(n, side / n)) for n, side in zip((16, 15, 18), (0.85, 0.9, 0.8), strict=True)
    ]
    k = np.sqrt(k[0][:, None, None] ** 2 + k[1][:, None] ** 2 + k[2][:10] ** 2)
    cut_off = transfer("hu00", 1.0, h=0.6731)(k)
    assert np.abs(amplitude["fdm"] - cut_off * amplitude["cdm"]).max() < 1e-14 * np.abs(amplitude["cdm"]).max()
    assert np.count_nonzero(amplitude["cdm"]) == 15 * 15 * 9 - 1


def test_long_waves_grow_as_linear_theory_has_it(whole):
    setup = Setup.of(config(whole))
    growth = [float(setup.background.growth(a)) for a in (setup.start, setup.end)]
    expected = (growth[1] / growth[0]) ** 2
    with h5py.File(whole / "result.hdf5") as file:
        for run, tolerance in (("particles_fdm", 0.01), ("particles_cdm", 0.01), ("wave_fdm", 0.02)):
            first, last = (file[f"simulation/{run}/{epoch}/power"][1] for epoch in (0, 2))
            # second order, and for the wave quantum pressure: (k/k_J)^4 = 1e-3 at the start
            assert last / first == pytest.approx(expected, rel=tolerance), run


@pytest.mark.parametrize("run", ["wave_fdm", "particles_cdm"])
def test_snapshots_are_read_again(whole, run):
    path = whole / f"result_{run}_z50.hdf5"
    measured = snapshot_power(path, options=SnapshotOptions(field=run))
    snapshot = measured.snapshot
    assert (snapshot.format, snapshot.redshift, snapshot.m22) == ("gpu_fdm", 50.0, 1.0)
    assert snapshot.box_size == (0.85, 0.9, 0.8)
    with h5py.File(whole / "result.hdf5") as file:
        power = file[f"simulation/{run}/2/power"][:]
    if run.startswith("wave"):
        assert measured.spectrum.power == pytest.approx(power, rel=1e-12)
        options = SnapshotOptions(dataset=("psi",), box_size=(0.85, 0.9, 0.8), redshift=50.0)
        again = snapshot_power(path, "hdf5", options).spectrum.power
        assert again == pytest.approx(power, rel=1e-12)
    else:
        # the window of clouds is not divided out of a density
        assert measured.spectrum.power[1] == pytest.approx(power[1], rel=0.05)
        snapshot = open_snapshot(path, "gadget")
        assert (snapshot.number, snapshot.redshift, snapshot.h) == (16 * 15 * 18, pytest.approx(50), 0.6731)
        total = snapshot.particle_mass * 1e10 * snapshot.number
        assert total == pytest.approx(2.775e11 * 0.314649 * 0.85 * 0.9 * 0.8, rel=1e-3)
        again = particle_spectrum(snapshot.batches(), Setup.of(config(whole)).box).spectrum.power
        assert again == pytest.approx(power, rel=1e-10, abs=1e-20)


def test_projections_are_those_of_the_snapshots(whole):
    with h5py.File(whole / "result.hdf5") as file:
        for run in ("wave_fdm", "particles_cdm"):
            names = list(file[f"simulation/{run}"].attrs["snapshots"])
            assert names == [f"result_{run}_z{z}.hdf5" for z in (63, 55, 50)]
            with h5py.File(whole / names[-1]) as snapshot:
                density = snapshot[f"density/{run}"][:]
            for axis, name in enumerate("xyz"):
                picture = file[f"simulation/{run}/2/projection_{name}"]
                assert picture.dtype == np.float32
                # single precision
                assert picture[:] == pytest.approx(density.mean(axis=axis), rel=1e-7)
                assert picture[:].mean(dtype=float) == pytest.approx(1, rel=1e-6)
        # both dynamics show the same modes at the same places, with the power of CDM also later on
        wave, particles = (file[f"simulation/{run}/2/projection_y"][:] - 1.0 for run in ("wave_cdm", "particles_cdm"))
        assert np.corrcoef(wave.ravel(), particles.ravel())[0, 1] > 0.98
        wave, particles = (file[f"simulation/{run}/0/projection_y"][:] - 1.0 for run in ("wave_fdm", "particles_fdm"))
        assert np.corrcoef(wave.ravel(), particles.ravel())[0, 1] > 0.999


def test_large_projections_have_fewer_pixels(monkeypatch):
    monkeypatch.setattr(record, "PIXELS", 4)
    density = np.arange(6.0)[:, None, None] + 10 * np.arange(4.0)[:, None] + np.array([-1.0, 1.0])
    along = record.projected(density, Domain(density.shape))
    # pixels of a cell and a half: (0 + 1/2)/1.5, (1/2 + 2)/1.5, ...
    sixth, fourth, second = np.array([1, 5, 10, 14]) / 3, 10 * np.arange(4.0), np.array([-1.0, 1.0])
    assert along["projection_z"] == pytest.approx(sixth[:, None] + fourth)
    assert along["projection_y"] == pytest.approx(sixth[:, None] + 15 + second)
    assert along["projection_x"] == pytest.approx(2.5 + fourth[:, None] + second)


def test_velocities_of_a_snapshot(whole):
    """GADGET's are v/sqrt(a): their rms is that of linear theory, to second order."""
    setup = Setup.of(config(whole))
    expected = setup.modes(True, np.float64).rms_velocity(setup.start, setup.background)
    with h5py.File(whole / "result_particles_cdm_z63.hdf5") as file:
        velocity = file["PartType1/Velocities"][:] * np.sqrt(1 / 64)
        assert np.sqrt(np.mean(np.sum(velocity**2, axis=1))) == pytest.approx(expected, rel=0.02)
        assert np.array_equal(np.sort(file["PartType1/ParticleIDs"][:]), np.arange(16 * 15 * 18))


def test_single_precision_and_a_single_spectrum(tmp_path, whole):
    more = "content = none"
    pipeline.run(config(tmp_path, "simulation.spectra=1", runs="wave_fdm", more=more, precision="single"))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["result.hdf5", "result_kept"]
    with h5py.File(tmp_path / "result.hdf5") as single, h5py.File(whole / "result.hdf5") as double:
        assert "boost" not in single and list(single["simulation/wave_fdm"]) == ["0", "health"]
        power, expected = single["simulation/wave_fdm/0/power"][:], double["simulation/wave_fdm/2/power"][:]
        # round-off of psi, 1e-7, and other steps; of the power that is not round-off itself
        large = expected > 1e-8 * expected.max()
        assert power[large] == pytest.approx(expected[large], rel=2e-3)


def test_a_mesh_in_single_precision(tmp_path, whole):
    """Particles go the same way to 1e-5 of their power; what is written has the precision of the run."""
    more = "content = full\nmesh_precision = single"
    pipeline.run(config(tmp_path, "simulation.spectra=1", runs="particles_fdm", more=more))
    with h5py.File(tmp_path / "result.hdf5") as single, h5py.File(whole / "result.hdf5") as double:
        power, expected = (
            each[f"simulation/particles_fdm/{epoch}/power"][1:] for each, epoch in ((single, 0), (double, 2))
        )
        assert not np.array_equal(power, expected)
        np.testing.assert_allclose(power, expected, rtol=1e-5, atol=1e-9 * expected.max())


# what is kept, and runs that are stopped


class Killed(Exception):
    """Stands for whatever ends a run."""


def scale_factor_of_checkpoint(folder, run):
    """Of the only checkpoint of a run."""
    (path,) = folder.glob(f"result_kept/{run}-checkpoint-*.hdf5")
    with h5py.File(path) as file:
        return file["arrays/numbers/epoch"][()]


def stop_after(monkeypatch, saves):
    """The run ends after so many checkpoints."""
    save, count = checkpoint.Checkpoint.save, [0]

    def counted(self, *arguments):
        save(self, *arguments)
        count[0] += 1
        if count[0] == saves:
            raise Killed

    monkeypatch.setattr(checkpoint.Checkpoint, "save", counted)


# 12 steps in all; the spectra of 3 epochs are taken at the start, after the sixth, and at the end
@pytest.mark.parametrize("run", ["wave_fdm", "particles_fdm"])
@pytest.mark.parametrize("saves", [6, 8, 12])
def test_a_run_that_was_stopped_goes_on_with_the_same_bits(tmp_path, monkeypatch, caplog, run, saves):
    choice = {"runs": run, "precision": "single", "more": "checkpoint_minutes = 0"}
    pipeline.run(config(tmp_path / "whole", **choice))
    with monkeypatch.context() as patch:
        stop_after(patch, saves)
        with pytest.raises(Killed):
            pipeline.run(config(tmp_path / "stopped", **choice))
    kept = tmp_path / "stopped/result_kept"
    assert [each.name.split("-")[0] for each in kept.iterdir()] == [run]
    with caplog.at_level(logging.INFO):
        pipeline.run(config(tmp_path / "stopped", **choice))
    assert f"resumes at step {saves}, " in caplog.text
    for name in ("result.hdf5", f"result_{run}_z50.hdf5"):
        assert_same(contents(tmp_path / "whole" / name), contents(tmp_path / "stopped" / name))
    # what is left is the record, not the checkpoint
    assert ["checkpoint" in each.name for each in kept.iterdir()] == [False]


def test_sigkill(tmp_path):
    code = f"""
import os, signal, sys
from gpu_fdm.commands import main as cli
from gpu_fdm.io.result_file import atomic_hdf5
from gpu_fdm.pipeline.simulation import checkpoint
save, count = checkpoint.Checkpoint.save, [0]
def counted(self, *arguments):
    count[0] += 1
    if count[0] == 4:
        # in the middle of writing
        half = atomic_hdf5(self.cache.path(self.name, self.key), None)
        half.__enter__()
        os.kill(os.getpid(), {int(signal.SIGKILL)})
    save(self, *arguments)
checkpoint.Checkpoint.save = counted
sys.exit(cli.main())
"""
    ini = tmp_path / "box.ini"
    text = config(tmp_path / "out", runs="wave_fdm", more="checkpoint_minutes = 0").to_ini()
    ini.write_text(text)
    ended = subprocess.run([sys.executable, "-c", code, "run", str(ini)], capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL
    left = sorted(os.listdir(tmp_path / "out/result_kept"))
    assert len(left) == 2 and all("wave_fdm-checkpoint-" in name for name in left)
    pipeline.run(parse_config(text))
    pipeline.run(config(tmp_path / "whole", runs="wave_fdm"))
    assert_same(contents(tmp_path / "out/result.hdf5"), contents(tmp_path / "whole/result.hdf5"))
    assert ["checkpoint" in each for each in os.listdir(tmp_path / "out/result_kept")] == [False]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("run", ["wave_fdm", "particles_fdm"])
def test_a_signal_leaves_a_checkpoint(tmp_path, monkeypatch, capsys, run, name):
    """Whatever checkpoint_minutes says; the same command then ends with the same bits."""
    ini, steps = tmp_path / "box.ini", [0]
    ini.write_text(config(tmp_path / "out", runs=run, more="checkpoint_minutes = 1e5").to_ini())
    note = evolve.RunInProgress.note_health

    def counted(self, state):
        steps[0] += 1
        if steps[0] == 5:
            os.kill(os.getpid(), getattr(signal, name))
        note(self, state)

    with monkeypatch.context() as patched:
        patched.setattr(evolve.RunInProgress, "note_health", counted)
        assert main(["run", str(ini)]) == 130
    told = capsys.readouterr().err
    assert "finished parts are cached in" in told and steps == [5]
    (left,) = (tmp_path / "out/result_kept").iterdir()
    assert left.name.startswith(f"{run}-checkpoint-") and left.suffix == ".hdf5"
    assert main(["run", str(ini)]) == 0
    assert f"{run}: resumes at step " in capsys.readouterr().err
    pipeline.run(config(tmp_path / "whole", runs=run))
    assert_same(contents(tmp_path / "out/result.hdf5"), contents(tmp_path / "whole/result.hdf5"))


def cut(path):
    path.write_bytes(path.read_bytes()[:-3000])


def flip_a_bit_of_psi(path):
    with h5py.File(path, "r+") as file:
        psi = file["slabs/state/psi"]
        psi[3, 4, 5] = np.nextafter(psi[3, 4, 5].real, 9) + 1j * psi[3, 4, 5].imag


def change_a_number(path):
    with h5py.File(path, "r+") as file:
        file["arrays/numbers/work"][()] *= 2


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip_a_bit_of_psi, change_a_number, empty])
def test_a_damaged_checkpoint_is_told_and_not_used(tmp_path, monkeypatch, caplog, whole, damage):
    choice = {"runs": "wave_fdm", "more": "checkpoint_minutes = 0\nsnapshots = 63, 55, 50"}
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Killed):
            pipeline.run(config(tmp_path, **choice))
    (path,) = (tmp_path / "result_kept").iterdir()
    damage(path)
    with caplog.at_level(logging.INFO):
        pipeline.run(config(tmp_path, **choice))
    (warning,) = (each.getMessage() for each in caplog.records if "damaged" in each.getMessage())
    assert warning.startswith(f"{path} is damaged (") and warning.endswith(
        "): it is not used, the run starts at step 0"
    )
    assert "resumes" not in caplog.text
    first, second = contents(whole / "result.hdf5"), contents(tmp_path / "result.hdf5")
    assert np.array_equal(first["simulation/wave_fdm/2/power"], second["simulation/wave_fdm/2/power"])


@pytest.mark.parametrize("other", ["run.seed=13", "dark_matter.m22=1.1", "cosmology.h=0.68", "simulation.order=4"])
def test_what_other_parameters_left_is_not_used(tmp_path, monkeypatch, caplog, other):
    choice = {"runs": "wave_fdm", "more": "checkpoint_minutes = 0\ncontent = none"}
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Killed):
            pipeline.run(config(tmp_path, **choice))
    (path,) = (tmp_path / "result_kept").iterdir()
    before = path.read_bytes()
    override = other, "cosmology.linear_power=table", f"cosmology.linear_power_table={power_table(tmp_path)}"
    with caplog.at_level(logging.INFO):
        pipeline.run(config(tmp_path, *override, **choice))
    assert "resumes" not in caplog.text and path.read_bytes() == before


@pytest.mark.parametrize("run", ["wave_fdm", "particles_fdm"])
def test_an_edit_of_a_comment_does_not_matter_and_an_edit_of_the_numerics_is_told(tmp_path, monkeypatch, caplog, run):
    """A stopped run resumes after the first; after the second it starts over, and one line says why."""
    choice = {"runs": run, "more": "checkpoint_minutes = 0\ncontent = none"}

    def stopped(saves):
        caplog.clear()
        with monkeypatch.context() as patch, caplog.at_level(logging.INFO):
            stop_after(patch, saves)
            with pytest.raises(Killed):
                pipeline.run(config(tmp_path / "out", **choice))
        return [record.getMessage() for record in caplog.records if "checkpoint" in record.getMessage()]

    with source_copy(tmp_path / "gpu_fdm") as copy:
        assert stopped(3) == []
        edited = "commands/main.py", "simulation/integrator.py", "kernels/wave.py", "pipeline/simulation/evolve.py"
        for path in edited:
            copy.edit(path, '"""', '"""Another word. ')
        copy.edit("kernels/wave.cu", "constexpr", "// a comment\nconstexpr")
        assert stopped(3) == [] and f"{run}: resumes at step 3, " in caplog.text
        copy.edit("simulation/integrator.py", "_ROUND_OFF = 1e-9", "_ROUND_OFF = 1e-8")
        redshift = 1 / scale_factor_of_checkpoint(tmp_path / "out", run) - 1
        assert stopped(2) == [
            f"{run}: the checkpoint at step 6 (z = {redshift:.4g}) was made with other numerical code: it is not used, "
            "the run starts at step 0"
        ]
    # the sources are again those of the program
    other = config(tmp_path / "out", "simulation.redshift_end=49", **choice)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        pipeline.run(other)
    (told,) = [message for message in caplog.messages if "checkpoint at" in message]
    assert told.startswith(f"{run}: the checkpoint at step ")
    assert told.endswith("made with simulation.redshift_end = 50, now 49: it is not used, the run starts at step 0")
    # and what is complete is told likewise
    caplog.clear()
    with caplog.at_level(logging.INFO):
        pipeline.run(config(tmp_path / "out", "simulation.redshift_end=48", **choice))
    assert f"{run}: the complete run of " in caplog.text and "redshift_end = 49, now 48: it is not" in caplog.text


def test_snapshots_of_earlier_settings_are_told(tmp_path, caplog):
    pipeline.run(config(tmp_path, more="snapshots = 55, 50"))
    assert "earlier run" not in caplog.text
    caplog.clear()
    pipeline.run(config(tmp_path, "run.seed=2", more="snapshots = 50"))
    told = [record.getMessage() for record in caplog.records if "earlier run" in record.getMessage()]
    assert told == [
        f"{tmp_path}/result_particles_fdm_z55.hdf5 and 1 more: beside the result, but of an earlier run: it is not of "
        "these settings, remove it or rename it"
    ]
    assert (tmp_path / "result_wave_fdm_z55.hdf5").is_file()


def test_a_run_that_is_done_is_not_repeated(tmp_path, monkeypatch, caplog):
    pipeline.run(config(tmp_path, more="snapshots = 55"))
    first = contents(tmp_path / "result.hdf5")

    def never(*arguments, **options):
        raise AssertionError("evolved again")

    with monkeypatch.context() as patch:
        for name in ("evolve_wave", "evolve_particles"):
            patch.setattr(dynamics, name, never)
        # what only says how to run, or what else to run, is not what a run depends on
        override = "simulation.checkpoint_minutes=3", "simulation.runs=particles_fdm, wave_fdm"
        pipeline.run(config(tmp_path, *override, more="snapshots = 55"))
        assert_same(first, contents(tmp_path / "result.hdf5"))
        (tmp_path / "result_wave_fdm_z55.hdf5").unlink()
        with pytest.raises(AssertionError, match="evolved again"):
            pipeline.run(config(tmp_path, more="snapshots = 55"))
    pipeline.run(config(tmp_path, more="snapshots = 55"))
    assert (tmp_path / "result_wave_fdm_z55.hdf5").is_file()
    # a snapshot of another seed in the place of the own one is found out
    pipeline.run(config(tmp_path, "run.seed=2", more="snapshots = 55"))
    caplog.clear()
    with caplog.at_level(logging.INFO):
        pipeline.run(config(tmp_path, more="snapshots = 55"))
    assert "taken from the cache" not in caplog.text
    assert_same(first, contents(tmp_path / "result.hdf5"))


@needs_mpi
def test_ranks_go_on_with_what_one_left(tmp_path, monkeypatch, whole):
    """16 planes on 3 ranks; checkpoints of one rank; snapshots of psi and of particles."""
    more = "checkpoint_minutes = 0\ncontent = full\nsnapshots = 63, 55, 50"
    runs = "wave_fdm", "particles_fdm"
    for run in runs:
        with monkeypatch.context() as patch:
            stop_after(patch, 7)
            with pytest.raises(Killed):
                pipeline.run(config(tmp_path, runs=run, more=more))
    ini = tmp_path / "box.ini"
    ini.write_text(config(tmp_path, more=more).to_ini())
    command = [MPIEXEC, "-n", "3", sys.executable, "-m", "gpu_fdm", "run", str(ini)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.count("resumes at step 7, ") == 2
    first, second = contents(whole / "result.hdf5"), contents(tmp_path / "result.hdf5")
    for run in runs:
        alone, shared = (contents(folder / f"result_{run}_z50.hdf5") for folder in (whole, tmp_path))
        if run == "particles_fdm":
            for each in (alone, shared):
                order = np.argsort(each["PartType1/ParticleIDs"])
                each.update({name: values[order] for name, values in each.items() if name.startswith("PartType1")})
        # round-off, of velocities in single precision
        assert_same(alone, shared, rel=1e-6, abs=1e-12)
        for epoch in range(3):
            place = f"simulation/{run}/{epoch}/power"
            assert second[place] == pytest.approx(first[place], rel=1e-9, abs=1e-18), place
            for axis in "xyz":
                place = f"simulation/{run}/{epoch}/projection_{axis}"
                assert second[place] == pytest.approx(first[place], rel=1e-6), place


@needs_mpi
def test_ranks_from_the_start_and_on_one_afterwards(tmp_path, whole):
    """Checkpoints of two ranks, read by one: the second run has nothing else than what a rank's failure left."""
    code = """
import sys
from gpu_fdm.commands import main as cli
from gpu_fdm.errors import RunError
from gpu_fdm.pipeline.simulation import checkpoint
save, count = checkpoint.Checkpoint.save, [0]
def counted(self, *arguments):
    save(self, *arguments)
    count[0] += 1
    if count[0] == 16:
        raise RunError("out of time")
checkpoint.Checkpoint.save = counted
sys.exit(cli.main())
"""
    ini = tmp_path / "box.ini"
    ini.write_text(config(tmp_path, more="checkpoint_minutes = 0").to_ini())
    command = [MPIEXEC, "-n", "2", sys.executable, "-c", code, "run", str(ini)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode != 0 and "particles_fdm: out of time" in ended.stderr
    left = sorted(path.name.split("-")[0] for path in (tmp_path / "result_kept").iterdir())
    assert left == ["particles_fdm", "wave_fdm"]
    pipeline.run(config(tmp_path, more="checkpoint_minutes = 0"))
    first, second = contents(whole / "result.hdf5"), contents(tmp_path / "result.hdf5")
    for run in ("wave_fdm", "particles_fdm"):
        place = f"simulation/{run}/2/power"
        # other stops than those of the whole run, which has snapshots: the scheme
        assert second[place][1:4] == pytest.approx(first[place][1:4], rel=1e-3), place


# what is refused, and what is planned


def power_table(folder, last=5000.0):
    path = folder / "power.csv"
    k = np.geomspace(1e-3, last, 200)
    path.write_text("k,power\n" + "\n".join(f"{each!r},{100 / (1 + (20 * each) ** 2.8)!r}" for each in k.tolist()))
    return path


@pytest.mark.parametrize(
    "overrides, message",
    [
        (
            ("simulation.redshift_end=1",),
            "box.ini: [simulation] cells = 15 along y resolve velocities up to 1.351 km/s for m22 = 1 at a = 0.5: must "
            "be at least 157, 167, 148 for 14.96 km/s, 1.9 times the rms linear velocity at redshift_end",
        ),
        (
            ("simulation.redshift_start=1", "simulation.redshift_end=0.9", "simulation.runs=particles_cdm"),
            "box.ini: [simulation] initial redshift 1: the linear contrast on the grid has an rms of 3.84: must be at "
            "most 0.2, start earlier",
        ),
        (
            ("simulation.snapshots=50.1, 50.1000001",),
            "--set: [simulation] snapshots = 50.1, 50.1000001: must differ in their first six digits, "
            "which name them in results (50.1 and 50.1000001 do not)",
        ),
        (
            ("simulation.redshift_end=63",),
            "--set: [simulation] redshift_end = 63: must be below redshift_start, 63",
        ),
    ],
)
def test_what_cannot_be_run(tmp_path, overrides, message):
    with pytest.raises(InputError) as raised:
        pipeline.run(config(tmp_path, *overrides))
    assert str(raised.value) == message
    assert not list(tmp_path.iterdir())


def test_power_must_be_known_for_all_modes_that_matter(tmp_path):
    table = "cosmology.linear_power=table", f"cosmology.linear_power_table={power_table(tmp_path, 90.0)}"
    # FDM has nothing beyond k = 90
    check_simulation(config(tmp_path, *table))
    with pytest.raises(InputError) as raised:
        check_simulation(config(tmp_path, *table, runs="wave_cdm"))
    assert str(raised.value) == (
        "box.ini: [simulation] cells = 16, 15, 18: modes reach k = 106 h/Mpc: must be at most 90, up to where the CDM "
        "power is known (fewer cells, or a larger box)"
    )


def test_what_is_told(tmp_path):
    (warning,) = check_simulation(config(tmp_path, "simulation.size=0.4", runs="wave_fdm"))
    assert warning.startswith("box.ini: [simulation] redshift_end = 50: the linear FDM contrast has an rms of ")
    (warning,) = check_simulation(config(tmp_path, runs="particles_fdm", end=10))
    assert warning == (
        "box.ini: [simulation] redshift_start = 63: particles begin 0.043 cells off their lattice (rms along an axis): "
        "below 0.5 the mesh misses part of what one mode makes of another (take more cells)"
    )
    (warning,) = check_simulation(config(tmp_path, "simulation.cells=128", runs="particles_fdm", end=5))
    assert warning.endswith(" of another (take more cells, or start later, at 37.8)")


def test_an_alarm_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(dynamics, "Alarms", lambda stop: Alarms(energy=1e-9, stop=stop))
    with pytest.raises(RunError, match=r"^wave_fdm: violation of the energy balance"):
        pipeline.run(config(tmp_path, runs="wave_fdm", more="alarms = stop"))


@pytest.mark.parametrize(
    "run, more",
    [("wave_fdm", ""), ("particles_fdm", ""), ("particles_fdm", "mesh_precision = single")],
)
def test_planned_memory_is_what_is_taken(tmp_path, run, more):
    options = {"runs": run, "more": f"content = none\n{more}", "end": 58}
    pipeline.run(config(tmp_path / "first", **options))  # loops are compiled
    large = config(tmp_path / "second", "simulation.cells=72", **options)
    planned = plan(stages_of(large), Inputs(large)).memory[run] - BASE
    tracemalloc.start()
    pipeline.run(large)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.6 * planned < taken < 1.1 * planned
