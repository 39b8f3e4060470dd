"""A hundred runs of all kinds are ended at any moment, on one to three ranks: nothing is lost, and bits are the same.

A run is started, ended, started again and ended again, a few times in all; at last it may finish. Its result must be
that of a run without a stop. Ranks are ended at moments between their lock of the result and what is left of the run
then. A stop that comes after the end of a run is not counted, and is repeated; the last lines of the suite have the
counts. GPU_FDM_FAULTS_SEED chooses other moments.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import psutil
import pytest
from fault_runs import assert_same, command, contents, hidden, kill_all, ranks_of
from rank_runs import MPIEXEC, needs_mpi

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("GPU_FDM_FAULTS_SEED", "1"))
STOPS = 5  # of each run, until it may finish
LONGEST = 60  # seconds in which a run must end
KILLS = f"kills of a run that was alive (0 lost, 0 other bits, 0 hangs beyond {LONGEST} s, 0 tracebacks)"

RUN = "[run]\nbackend = cpu\nthreads = 1\noutput = {output}\n"
KINDS = {
    "box": RUN + "[dark_matter]\nm22 = 0.4\n[filament]\n[wavefunction]\n[cross_section]\npoints = 16\n"
    "[single_power]\npoints = 20\ndraws = 2\n[box]\nsize = 0.7, 0.7, 1.5\ncells = 16\ntolerance = 1e-3\n"
    "frames = 0, 10\n[power]\n[correlation]\n[figures]\ndpi = 20\n",
    "gas": RUN
    + "[dark_matter]\nm22 = 0.3\n[gas]\nnumber = 5\nmass_max = 6e9\n[wavefunction]\n[single_power]\npoints = 20\n"
    "[box]\nsize = 3\ncells = 20\ntolerance = 1e-3\n[power]\ncross = yes\n",
    "population": RUN + "[wavefunction]\n[population]\nm22 = 0.5, 1\nmasses = 20\n[one_filament]\nshape = published\n"
    "mass_function = published\nmethod = direct\nmass_max = 6e9\npoints = 9\nk_max = 100\ntolerance = 0.5\n",
    "steady_state": RUN + "[dark_matter]\nm22 = 0.5\n[filament]\n[wavefunction]\n[steady_state]\nweights = wkb\n"
    "outputs = 5\nframes = 3\n",
    "simulation": RUN + "[simulation]\nsize = 0.85\ncells = 12\nredshift_end = 25\nspectra = 2\ncontent = full\n"
    "checkpoint_minutes = 0\n",
}


def child(ini, said, *options):
    """The run of an ini in a process of its own."""
    return command(said, ["run", str(ini), *options])


def end(process, how):
    """End a process by a way."""
    if how == "SIGINT twice":
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.05)
        how = "SIGINT"
    try:
        os.kill(process.pid, getattr(signal, how))
    except ProcessLookupError:  # it has finished
        return


def files_of(folder):
    """Names of results and figures; parts are not counted, since a fresh start that is ended has deleted them."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def check_finished(folder, expected, files, said):
    assert_same(folder / "result.hdf5", expected)
    assert hidden(folder) == []
    assert files_of(folder) == files
    assert "Traceback" not in said and "Exception ignored" not in said and "damaged" not in said, said


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_ended_at_any_moment(tmp_path, kind, counted):
    moments, ways = random.Random(f"{SEED} {kind}"), Counter()
    undisturbed, said = tmp_path / "undisturbed", tmp_path / "said"
    for name in ("first", "undisturbed"):  # the first compiles, and fills caches of the process
        ini = tmp_path / f"{name}.ini"
        ini.write_text(KINDS[kind].format(output=tmp_path / name))
        began = time.perf_counter()
        process = child(ini, said)
        process.join(120)
        seconds = time.perf_counter() - began
        assert process.exitcode == 0, said.read_text()
    expected, files = contents(undisturbed / "result.hdf5"), files_of(undisturbed)
    for number in range(2):
        folder, said = tmp_path / str(number), tmp_path / f"said{number}"
        ini = tmp_path / f"{number}.ini"
        ini.write_text(KINDS[kind].format(output=folder))
        stops, options = 0, []
        while stops < STOPS:
            how = moments.choice(["SIGKILL", "SIGKILL", "SIGTERM", "SIGINT twice"])
            process = child(ini, said, *options)
            process.join(moments.uniform(0, 0.9) * seconds)
            running = process.exitcode is None
            if running:
                end(process, how)
            process.join(LONGEST)
            assert process.exitcode is not None, "a run did not end"
            options = [] if process.exitcode else ["--fresh"]  # what is complete is begun anew
            if process.exitcode:
                assert running, said.read_text()
                ways[how] += 1
                stops += 1
            if (folder / "result.hdf5").exists():
                assert_same(folder / "result.hdf5", expected)
        process = child(ini, said)
        process.join(LONGEST)
        assert process.exitcode == 0, said.read_text()
        check_finished(folder, expected, files, said.read_text())
    counted(KILLS, f"{kind}, one rank, seed {SEED}", ways)


def stop(launcher, running, how, moments):
    """End ranks by a way."""
    if how == "all":
        kill_all(launcher)
    elif how == "one rank":  # the others do not wait for it
        moments.choice(running).kill()
    elif how == "launcher":
        launcher.kill()
    else:
        launcher.send_signal(signal.SIGINT)


def begun(launcher, folder, since):
    """Wait until a run that was started at a time [ns] has locked its result, or has ended; returns when [s]."""
    lock = folder / ".result.hdf5.lock"
    while launcher.poll() is None:
        with suppress(FileNotFoundError):
            if lock.stat().st_mtime_ns > since:
                break
        time.sleep(0.01)
    return time.perf_counter()


@needs_mpi
@pytest.mark.parametrize("number_of_ranks", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_ranks_ended_at_any_moment(tmp_path, kind, number_of_ranks, counted):
    moments, ways = random.Random(f"{SEED} {kind} {number_of_ranks}"), Counter()
    said = tmp_path / "said"

    def start(ini, *options):
        with open(said, "ab") as file:
            command = [MPIEXEC, "-n", str(number_of_ranks), sys.executable, "-m", "gpu_fdm", "run", str(ini), *options]
            return subprocess.Popen(command, stdout=file, stderr=file)

    folders = tmp_path / "undisturbed", tmp_path / "stopped"
    for folder in folders:
        folder.with_suffix(".ini").write_text(KINDS[kind].format(output=folder))
    since = time.time_ns()
    launcher = start(folders[0].with_suffix(".ini"))
    began = begun(launcher, folders[0], since)
    assert launcher.wait(120) == 0, said.read_text()
    seconds = left = time.perf_counter() - began
    expected, files = contents(folders[0] / "result.hdf5"), files_of(folders[0])
    ini, options = folders[1].with_suffix(".ini"), []
    for how in ("all", "one rank", "launcher", "SIGINT", "all"):
        for latest in (1, 0.7, 0.5, 0.3):  # sooner, where a stop came after the end
            since = time.time_ns()
            launcher = start(ini, *options)
            began = begun(launcher, folders[1], since)
            time.sleep(moments.uniform(0, latest) * left)
            taken = time.perf_counter() - began
            running = ranks_of(launcher) if launcher.poll() is None else []
            if running:
                stop(launcher, running, how, moments)
            alive = launcher.wait(LONGEST) != 0
            options = [] if alive else ["--fresh"]  # what is complete is begun anew
            left = max(left - taken, 0.2 * seconds) if alive else seconds  # of the next, which has what is cached
            assert psutil.wait_procs(running, timeout=LONGEST)[1] == [], f"{how}: ranks did not end"
            assert running or not alive, said.read_text()
            if (folders[1] / "result.hdf5").exists():
                assert_same(folders[1] / "result.hdf5", expected)
            if alive:
                break
        assert alive, f"{how}: each of four stops came after the end"
        ways[how] += 1
    assert start(ini).wait(LONGEST) == 0, said.read_text()
    check_finished(folders[1], expected, files, said.read_text())
    counted(KILLS, f"{kind}, {number_of_ranks} ranks, seed {SEED}", ways)
