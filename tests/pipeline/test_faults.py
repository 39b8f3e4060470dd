"""Whatever ends a run, at any moment: no half file under a final name, and the same run goes on to the same bits."""

import errno
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import psutil
import pytest
from fault_runs import (
    assert_same,
    contents,
    finished,
    hidden,
    ini,
    kill_all,
    ranks_of,
    run,
    start,
    start_ranks,
)
from rank_runs import MPIEXEC, needs_mpi

from gpu_fdm.errors import InputError, RunError
from gpu_fdm.io.cache import Cache
from gpu_fdm.io.lock import only_run
from gpu_fdm.io.opening import is_intact
from gpu_fdm.parallel.signals import NOTHING_WRITTEN, RESUME, signals_as_exceptions
from gpu_fdm.pipeline import box, models, placement
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.correlation import CorrelationStage
from gpu_fdm.pipeline.power import PowerStage

SEED = int(os.environ.get("GPU_FDM_FAULTS_SEED", "1"))
KILLS, KILLS_OF_RANKS = 12, 8


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an uninterrupted run makes, and how long it takes in a process of its own [s]."""
    folder = tmp_path_factory.mktemp("whole")
    code, error, _ = finished(ini(folder))  # starts the server
    assert code == 0, error
    expected = contents(folder / "result.hdf5")
    _, _, seconds = finished(ini(folder / "again"))
    assert_same(folder / "again/result.hdf5", expected)
    assert hidden(folder) == []
    return expected, seconds, (folder / "result.hdf5").read_bytes()


def never(*arguments, **keywords):
    raise AssertionError("computed again")


class Stop(Exception):
    """Stands for whatever ends a run."""


def stop(*arguments, **keywords):
    raise Stop


def size_of_kept(folder):
    return sum(path.stat().st_size for path in folder.glob("result_kept/*"))


def told(capfd, text):
    with capfd.disabled():
        sys.stdout.write(f"{text}\n")


# killed


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path, whole, capfd):
    expected, seconds, _ = whole
    moments = random.Random(SEED)
    went_on = 0
    for number in range(KILLS):
        text, result = ini(tmp_path / str(number)), tmp_path / str(number) / "result.hdf5"
        child, _ = start(text)
        child.join(moments.uniform(0, seconds))
        child.kill()
        child.join()
        if result.exists():
            assert_same(result, expected)
        went_on += result.with_name("result_kept").exists()
        run(text)
        assert_same(result, expected)
        assert hidden(result.parent) == []
    told(capfd, f"seed {SEED}: killed at {KILLS} moments of {seconds:.1f} s, {went_on} times with something kept")


@pytest.mark.slow
@needs_mpi
def test_ranks_killed_at_any_moment(tmp_path, capfd):
    inis = [tmp_path / f"{number}.ini" for number in range(KILLS_OF_RANKS + 1)]
    for path in inis:
        path.write_text(ini(path.with_suffix("")))
    moments, went_on = random.Random(SEED), 0
    began = time.perf_counter()
    launcher = start_ranks(MPIEXEC, inis[0])
    output, _ = launcher.communicate(timeout=120)
    assert launcher.returncode == 0, output
    seconds = time.perf_counter() - began
    expected = contents(tmp_path / "0/result.hdf5")
    for number, path in enumerate(inis[1:]):
        launcher = start_ranks(MPIEXEC, path)
        # the first third is Python's start
        time.sleep(moments.uniform(0.3, 1) * seconds)
        running = ranks_of(launcher) if launcher.poll() is None else []
        if running and number % 4 == 3:
            # one of them alone: the others do not wait for it
            moments.choice(running).kill()
            assert launcher.wait(timeout=20) != 0
            assert psutil.wait_procs(running, timeout=20)[1] == []
        elif launcher.poll() is None:
            kill_all(launcher)
        launcher.stdout.close()
        result = path.with_suffix("") / "result.hdf5"
        if result.exists():
            assert_same(result, expected)
        went_on += result.with_name("result_kept").exists()
    # the one with most that is kept goes on with another number of ranks
    shutil.copytree(max((path.with_suffix("") for path in inis[1:]), key=size_of_kept), tmp_path / "one")
    run(ini(tmp_path / "one"))
    found = contents(tmp_path / "one/result.hdf5")
    for name, values in expected.items():
        if name.startswith(("power", "correlation")) and values.dtype.kind == "f":
            # sums over the slabs of the transform: round-off
            assert found[name] == pytest.approx(values, rel=1e-11, abs=1e-11 * np.abs(values).max()), name
        else:
            assert np.array_equal(found[name], values, equal_nan=values.dtype.kind == "f"), name
    # the others, and that one, go on in one job
    again = start_ranks(MPIEXEC, *inis[1:])
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    for path in inis[1:]:
        assert_same(path.with_suffix("") / "result.hdf5", expected)
        assert hidden(path.with_suffix("")) == []
    told(capfd, f"seed {SEED}: 2 ranks killed at {KILLS_OF_RANKS} moments, {went_on} times with something kept")


@needs_mpi
@pytest.mark.parametrize("target", ["launcher", "rank"])
def test_ranks_end_within_seconds_of_a_signal(tmp_path, target):
    path = tmp_path / "box.ini"
    path.write_text(ini(tmp_path / "out").replace("cells = 24", "cells = 384").replace("tolerance = 1e-3", ""))
    launcher = start_ranks(MPIEXEC, path)
    kept = tmp_path / "out/result_kept"
    deadline = time.perf_counter() + 60
    while not list(kept.glob("exact_spectrum-*.hdf5")) and time.perf_counter() < deadline:
        time.sleep(0.05)
    running = ranks_of(launcher)
    assert len(running) == 2
    began = time.perf_counter()
    (launcher if target == "launcher" else running[1]).send_signal(signal.SIGTERM)
    output, _ = launcher.communicate(timeout=30)
    psutil.wait_procs(running, timeout=10)
    # grace, and what the launcher takes, on a busy machine
    assert time.perf_counter() - began < 15
    assert launcher.returncode != 0 and "Traceback" not in output
    assert f"stopped by SIGTERM: finished parts are cached in {kept}; run the same command again to resume" in output
    assert not (tmp_path / "out/result.hdf5").exists()
    assert {each.name.split("-")[0] for each in kept.iterdir()} >= {"cross_section", "exact_spectrum", "model"}


# what is done is not done again


def forbid(monkeypatch, *places):
    for module, name in places:
        monkeypatch.setattr(module, name, never)


def test_stopped_in_the_power_spectrum_the_box_is_not_filled_again(tmp_path, whole, monkeypatch, caplog):
    text = ini(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(PowerStage, "measure", stop)
        with pytest.raises(Stop):
            run(text)
    (left,) = tmp_path.glob(".result.hdf5.part-*")
    with monkeypatch.context() as patch, caplog.at_level("INFO"):
        forbid(patch, (models, "solve"))
        filled = []
        fill = placement.fill
        patch.setattr(placement, "fill", lambda *arguments: filled.append(1) or fill(*arguments))
        run(text)
    # the first of two frames was there
    assert filled == [1] and "box: taken from the cache" in caplog.text
    assert_same(tmp_path / "result.hdf5", whole[0])
    assert hidden(tmp_path) == [] and not left.exists()


def test_stopped_again_and_again_nothing_is_lost(tmp_path, whole, monkeypatch):
    """Densities move on from one unfinished file to the next, and there are never more than two of those."""
    text, fill_slab = ini(tmp_path), box.fill_slab
    first = box, "fill_slab", lambda models, time, *more: stop() if time else fill_slab(models, time, *more)
    second = box, "fill_slab", lambda models, time, *more: fill_slab(models, time, *more) if time else never()
    power, correlation = (PowerStage, "measure", stop), (CorrelationStage, "measure", stop)
    for places in ([power], [correlation, first], [first], [correlation]):
        with monkeypatch.context() as patch:
            for place in places:
                patch.setattr(*place)
            with pytest.raises(Stop):
                run(text)
        assert 1 <= len(list(tmp_path.glob(".result.hdf5.part-*"))) <= 2
    with monkeypatch.context() as patch:
        patch.setattr(*second)
        run(text)
    assert_same(tmp_path / "result.hdf5", whole[0])
    assert hidden(tmp_path) == []


def test_a_section_added_to_a_finished_run(tmp_path, whole, monkeypatch):
    run(ini(tmp_path, power=""))
    forbid(monkeypatch, (models, "solve"), (placement, "fill"), (CorrelationStage, "measure"))
    run(ini(tmp_path))
    assert_same(tmp_path / "result.hdf5", whole[0])
    # and again, from the new one
    run(ini(tmp_path), "power.bin_width=2")
    run(ini(tmp_path))
    assert_same(tmp_path / "result.hdf5", whole[0])


def test_a_whole_result_is_left_alone(tmp_path, whole, monkeypatch):
    text = ini(tmp_path)
    run(text)
    before = (tmp_path / "result.hdf5").stat()
    forbid(monkeypatch, (pipeline, "check"), (pipeline, "atomic_result"))
    outcome = run(text, "run.threads=2")
    assert outcome.summary[0] == (
        f"nothing to compute: {tmp_path}/result.hdf5 is whole and of these settings (--fresh computes it again)"
    )
    shutil.rmtree(tmp_path / "result_kept")
    # figures are drawn, and nothing else is done
    monkeypatch.setattr(pipeline, "draw", lambda path, figures, dpi, *more, **named: [(path, dpi)])
    assert run(text + "[figures]\n", "figures.dpi=20").figures == ((tmp_path / "result.hdf5", 20),)
    after = (tmp_path / "result.hdf5").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_fresh(tmp_path, whole, monkeypatch):
    text = ini(tmp_path)
    run(text)
    (tmp_path / "result_kept/notes.txt").write_text("the user's")
    with monkeypatch.context() as patch:
        patch.setattr(CorrelationStage, "measure", stop)
        with pytest.raises(Stop):
            run(text, "run.seed=3")
        forbid(patch, (models, "solve"))
        with pytest.raises(AssertionError, match="computed again"):
            run(text, fresh=True)
    assert os.listdir(tmp_path / "result_kept") == ["notes.txt"]
    assert_same(tmp_path / "result.hdf5", whole[0])
    run(text, fresh=True)
    assert_same(tmp_path / "result.hdf5", whole[0])
    assert hidden(tmp_path) == []


# damage


def damages(path, moments, flips):
    """The file cut short, empty, and with single bytes flipped; each time put right again."""
    good = path.read_bytes()
    for length in (0, 1, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        yield f"cut to {length}"
    for _ in range(flips):
        place = moments.randrange(len(good))
        bad = bytearray(good)
        bad[place] ^= 1 << moments.randrange(8)
        path.write_bytes(bad)
        yield f"flipped in byte {place}"
    path.write_bytes(good)


def test_a_damaged_result_is_told_and_not_used(tmp_path, whole, caplog):
    path = run(ini(tmp_path)).result
    with h5py.File(path) as file:
        key = file.attrs["key"]
    assert is_intact(path, key)
    caplog.clear()
    noticed = set()
    for damage in damages(path, random.Random(SEED), 60):
        caplog.clear()
        if is_intact(path, key):
            # in room that HDF5 does not use
            assert damage.startswith("flipped")
            assert_same(path, whole[0])
        elif caplog.text:
            noticed.add(damage.split()[0])
            (message,) = caplog.messages
            assert message.startswith(f"{path} is ") and message.endswith(": it will be replaced"), damage
    assert noticed == {"cut", "flipped"}
    assert is_intact(path, key)
    cut = path.read_bytes()[:-1]
    path.write_bytes(cut)
    run(ini(tmp_path))
    assert_same(path, whole[0])


def test_damaged_densities_are_told_and_made_again(tmp_path, whole, caplog):
    path = run(ini(tmp_path, power="")).result
    with h5py.File(path) as file:
        offset = file["density/smooth/1"].id.get_offset()
    with open(path, "r+b") as file:
        file.seek(offset + 777)
        (value,) = file.read(1)
        file.seek(offset + 777)
        file.write(bytes([value ^ 4]))
    run(ini(tmp_path))
    assert f"{path} is damaged (its density smooth is not what was written): the box is filled again" in caplog.text
    assert_same(path, whole[0])


def test_damaged_parts_are_told_and_made_again(tmp_path, whole, caplog):
    result = run(ini(tmp_path)).result
    moments, noticed = random.Random(SEED), 0
    for path in sorted((tmp_path / "result_kept").iterdir()):
        cache, name, before = Cache(path.parent), path.stem.rpartition("-")[0], path.read_bytes()
        with h5py.File(path) as file:
            key = json.loads(file.attrs["key"])
        good = cache.load(name, key)
        for damage in damages(path, moments, 10):
            caplog.clear()
            arrays = cache.load(name, key)
            if arrays is not None:
                # in room that HDF5 does not use
                assert damage.startswith("flipped") and arrays.keys() == good.keys()
                assert all(np.array_equal(arrays[each], values) for each, values in good.items())
                continue
            noticed += 1
            (message,) = caplog.messages
            assert message.startswith(f"{path} is damaged (") and message.endswith(
                "): it is not used but computed again"
            )
        assert path.read_bytes() == before
    assert noticed > 30
    for path in (tmp_path / "result_kept").iterdir():
        path.write_bytes(path.read_bytes()[:-7])
    result.unlink()
    run(ini(tmp_path))
    assert_same(result, whole[0])


# disks and folders


def test_a_full_disk_at_any_moment(tmp_path, whole):
    """A limit on the size of files stands for it: one line, the result of before untouched, and then it goes on."""
    moments = random.Random(SEED)
    size = sum(values.nbytes for values in whole[0].values())
    for number in range(4):
        out = tmp_path / str(number)
        out.mkdir()
        earlier = whole[2][:-1] if number % 2 else b""  # a damaged result may be replaced
        (out / "result.hdf5").write_bytes(earlier)
        code, error, _ = finished(ini(out), limit=moments.randrange(100, size))
        assert code == 1 and ": cannot be written: " in error and "\n" not in error
        assert (out / "result.hdf5").read_bytes() == earlier
        run(ini(out))
        assert_same(out / "result.hdf5", whole[0])
        assert hidden(out) == []


def test_folders_that_refuse(tmp_path):
    with pytest.raises(RunError, match=r"/proc/no: output folder cannot be written: "):
        run(ini("/proc/no"))
    (tmp_path / "result_kept").write_text("a file")
    with pytest.raises(RunError, match=rf"{tmp_path}/result_kept/model-00-\w+.hdf5: cannot be written: "):
        run(ini(tmp_path))
    assert (tmp_path / "result_kept").read_text() == "a file" and hidden(tmp_path) == []
    (tmp_path / "folder/result.hdf5").mkdir(parents=True)
    with pytest.raises(InputError, match=r"result.hdf5: is a folder: it is not replaced, take another name"):
        run(ini(tmp_path / "folder"))


def test_a_result_that_is_being_read(tmp_path, whole):
    """HDF5 locks what it has open; the reader keeps its file, the run puts another in its place."""
    path = run(ini(tmp_path), "run.seed=5").result
    with h5py.File(path, "r", locking=True) as reader:
        before = reader["density/fdm/0"][:]
        assert finished(ini(tmp_path))[0] == 0
        assert np.array_equal(reader["density/fdm/0"][:], before)
    assert_same(path, whole[0])


# two runs at once


def test_two_runs_of_one_result(tmp_path, whole, monkeypatch):
    text = ini(tmp_path)
    first, _ = start(text)
    lock = tmp_path / ".result.hdf5.lock"
    while first.is_alive() and not (lock.exists() and lock.read_text()):
        time.sleep(0.001)
    os.kill(first.pid, signal.SIGSTOP)
    says = (
        rf"^{tmp_path}/result.hdf5: another run is writing it \(process {first.pid} on \S+\): wait until it is done, "
    )
    with pytest.raises(RunError, match=says):
        run(text)
    os.kill(first.pid, signal.SIGCONT)
    first.join()
    assert first.exitcode == 0
    assert_same(tmp_path / "result.hdf5", whole[0])
    assert hidden(tmp_path) == []


def test_the_lock_goes_with_its_holder(tmp_path):
    result = tmp_path / "result.hdf5"
    with only_run(result):
        lock = tmp_path / ".result.hdf5.lock"
        assert lock.read_text().startswith(f"process {os.getpid()} on ")
        with pytest.raises(RunError, match=f"process {os.getpid()} on"), only_run(result):
            never()
        with only_run(tmp_path / "other.hdf5"):
            assert sorted(hidden(tmp_path)) == [".other.hdf5.lock", ".result.hdf5.lock"]
    assert hidden(tmp_path) == []
    # what a process that was killed left does not hold
    lock.write_text("process 1 on nowhere")
    with only_run(result):
        assert lock.read_text().startswith(f"process {os.getpid()} on ")
    assert hidden(tmp_path) == []


def test_a_lock_that_is_about_to_go_is_waited_for(tmp_path):
    """A process that was killed may have been starting another, which holds the lock until it has started."""
    began = threading.Event()

    def hold():
        with only_run(tmp_path / "result.hdf5"):
            began.set()
            time.sleep(0.2)

    thread = threading.Thread(target=hold)
    thread.start()
    began.wait()
    with only_run(tmp_path / "result.hdf5"):
        thread.join()
    assert hidden(tmp_path) == []


def test_a_file_system_without_locks(tmp_path, monkeypatch, caplog):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with only_run(tmp_path / "result.hdf5"):
        assert caplog.messages == [
            f"{tmp_path}/.result.hdf5.lock cannot be locked (No locks available): "
            "make sure that no other run writes this result"
        ]


# signals


@pytest.mark.parametrize("outcome", [RESUME, NOTHING_WRITTEN])
def test_a_signal_in_the_middle_of_a_long_loop(outcome):
    """Compiled code that runs for minutes: the process ends all the same."""
    code = f"""
import hashlib, os, signal, threading
from gpu_fdm.parallel.signals import signals_as_exceptions
with signals_as_exceptions({outcome!r}, grace=0.3):
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 130 and time.perf_counter() - began < 20
    assert ended.stderr == f"gpu-fdm: error: stopped by SIGTERM, in the middle of a long loop: {outcome}\n"


@pytest.mark.parametrize("again", [False, True])
def test_a_loop_that_saves_its_state_is_waited_for(again):
    """However long a step takes; a second signal ends the process without that."""
    code = f"""
import hashlib, os, signal, threading
from gpu_fdm.parallel.signals import deferred_signals, signals_as_exceptions
with signals_as_exceptions(grace=0.1), deferred_signals() as noted:
    for after in [0.05, 0.06] + [0.5] * {again}:
        threading.Timer(after, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    while not noted():
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000 if {again} else 1_500_000)
    print("saved", noted())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    warned, *others = ended.stderr.splitlines()
    assert warned == "SIGUSR1: the state is saved after this step; a second signal ends the run without that"
    assert (ended.returncode, ended.stdout, len(others)) == ((130, "", 1) if again else (0, "saved SIGUSR1\n", 0))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGUSR1"])
def test_signals_become_exceptions(name):
    before = signal.getsignal(getattr(signal, name))
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt) as caught, signals_as_exceptions(grace=30):
        os.kill(os.getpid(), getattr(signal, name))
        time.sleep(10)
    # Python's own of Ctrl-C has no text
    assert str(caught.value) == ("" if name == "SIGINT" else name)
    assert signal.getsignal(getattr(signal, name)) == before and threading.active_count() == threads


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_signals_that_are_ignored_at_the_start_stay_ignored(name):
    """Those of nohup, and of jobs in the background of a script."""
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with signals_as_exceptions(grace=0.05):
            os.kill(os.getpid(), number)
            time.sleep(0.2)  # longer than the grace
    finally:
        signal.signal(number, before)


def test_a_signal_within_a_callback_is_not_lost(capfd):
    """An exception in __del__ or in a callback of a weak reference goes nowhere: it is raised again after it."""

    class Deleted:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(1000):  # the handler runs between two bytecodes here
                pass

    with pytest.raises(KeyboardInterrupt) as caught, signals_as_exceptions(grace=30):
        Deleted()
        for _ in range(1000):  # a single long sleep is not interrupted by it
            time.sleep(0.01)
    assert str(caught.value) == "SIGTERM"
    assert capfd.readouterr().err == ""


def test_another_thread_may_call_a_command():
    outcome = []

    def work():
        with signals_as_exceptions():
            outcome.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert outcome == [1]


# folders that others prepared


@pytest.mark.parametrize("name", ["thesis.tex", "../thesis.tex", "", "/etc/passwd", "other_result.hdf5"])
def test_a_forged_note_of_densities_removes_nothing(tmp_path, name):
    for other in ("thesis.tex", "other_result.hdf5"):
        (tmp_path / other).write_text("precious")
    cache = Cache(tmp_path / "result_kept")
    cache.store("density-0", {"forged": True}, {"written_to": np.array(name)})
    cache.store("density-10", {"forged": True}, {"nothing": 1})
    run(ini(tmp_path, power=""))
    assert (tmp_path / "thesis.tex").read_text() == (tmp_path / "other_result.hdf5").read_text() == "precious"
    assert hidden(tmp_path) == []


def test_two_results_of_one_stem(tmp_path):
    path = run(ini(tmp_path / "a.h5", power="")).result
    kept = set(os.listdir(tmp_path / "a_kept"))
    with pytest.raises(
        InputError, match=r"output = .*a.hdf5: a.h5 is there: both would have the same cache and figures"
    ):
        run(ini(tmp_path / "a.hdf5", power=""), fresh=True)
    assert path.is_file() and kept == set(os.listdir(tmp_path / "a_kept"))


def test_leftovers_of_a_whole_result(tmp_path):
    """Also where nothing is left to compute; and nothing is needed where nothing can be written."""
    text = ini(tmp_path, power="")
    run(text)
    number = 2**22 - 3
    for name in (".result.hdf5", ".result_wave_fdm_z9.hdf5", ".power.png"):
        (tmp_path / f"{name}.part-{os.uname().nodename}-{number}-1").write_bytes(b"half")
    (tmp_path / ".result.hdf5.lock").write_text("process 1 on nowhere")
    assert run(text).summary[0].startswith("nothing to compute")
    assert hidden(tmp_path) == []
    # a fresh start was killed before anything but a part of it was there
    (tmp_path / "result_kept" / f".model-04-0123456789ab.hdf5.part-elsewhere-{number}-1").write_bytes(b"half")
    assert run(text).summary[0].startswith("nothing to compute")
    assert hidden(tmp_path) == []
