"""Runs for tests/pipeline/test_faults.py: tiny configs, and processes that run one until it ends or is killed."""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import psutil

from gpu_fdm.commands.main import main
from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import RunError
from gpu_fdm.pipeline import run as pipeline

INI = """
[run]
output = {output}
backend = cpu
threads = 1
[dark_matter]
m22 = 0.4
[filament]
[wavefunction]
[cross_section]
points = 16
[single_power]
points = 20
draws = 2
[box]
size = 0.7, 0.7, 1.5
cells = 16
tolerance = 1e-3
frames = 0, 10
sampling = average
{power}
[correlation]
"""


def ini(output, power="[power]"):
    return INI.format(output=output, power=power)


def run(text, *overrides, fresh=False):
    return pipeline.run(parse_config(text, "tiny.ini", overrides), fresh=fresh)


def contents(path):
    """All datasets of a file, and its attributes but for those of the occasion."""
    found = {}
    occasion = {"created", "config", "ranks", "git_revision"}

    def add(name, node):
        for key in set(node.attrs) - occasion:
            found[f"{name}@{key}"] = np.array(node.attrs[key])
        if isinstance(node, h5py.Dataset):
            found[name] = node[()]

    with h5py.File(path, "r") as file:
        add("", file)
        file.visititems(add)
    return found


def assert_same(path, expected):
    """Bit by bit."""
    found = contents(path)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].dtype == values.dtype and np.array_equal(found[name], values, equal_nan=_real(values)), name


def _real(values):
    return values.dtype.kind == "f"


def hidden(folder):
    """Files that no run should leave when all is well."""
    return [path.name for path in folder.rglob(".*")]


def server():
    """A process that has done a run, and is forked for each of those that follow: a start takes no time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fault_server"])
    here = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    with mock.patch.dict(os.environ, {"PYTHONPATH": here}):
        forkserver.ensure_running()
    return context


def in_process(text, says, limit):
    """What the child does; an error goes to a pipe. limit: of the size of files [bytes], in place of a full disk."""
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        run(text)
    except RunError as error:
        says.send(str(error))
        sys.exit(1)


def start(text, limit=None):
    """A run in a process of its own, and the pipe on which it tells an error."""
    context = server()
    hears, says = context.Pipe(duplex=False)
    child = context.Process(target=in_process, args=(text, says, limit))
    child.start()
    says.close()
    return child, hears


def _execute(said, arguments):
    """What a child does: a command, with what it prints in a file."""
    with open(said, "ab", buffering=0) as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    try:
        code = main(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:  # as it returns: there is nothing left to end
        code = 130
    os._exit(code)


def command(said, arguments):
    """A command in a forked process, so that its start takes no time; what it prints is added to the file `said`."""
    process = server().Process(target=_execute, args=(said, arguments))
    process.start()
    return process


def finished(text, limit=None):
    """Exit code of a run in a process of its own, its error, and how long it took [s]."""
    began = time.perf_counter()
    child, hears = start(text, limit)
    child.join(120)
    error = hears.recv() if hears.poll() and child.exitcode == 1 else ""
    return child.exitcode, error, time.perf_counter() - began


RUNS = "import sys; from gpu_fdm.commands.main import main; sys.exit(max(main(['run', path]) for path in sys.argv[1:]))"


def start_ranks(mpiexec, *paths):
    """Two ranks that run inis, one after the other."""
    command = [mpiexec, "-n", "2", sys.executable, "-c", RUNS, *map(str, paths)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ranks_of(launcher):
    """The processes of the ranks, in any order."""
    found = psutil.Process(launcher.pid).children(recursive=True)
    return [each for each in found if "gpu_fdm" in " ".join(_command(each)) and _is_python(each)]


def _command(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _is_python(process):
    return _command(process)[:1] == [sys.executable]


def kill_all(launcher):
    """SIGKILL to a launcher and everything below it, as the power going off."""
    below = psutil.Process(launcher.pid).children(recursive=True)
    launcher.kill()
    for each in below:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(below, timeout=30)
    launcher.wait()
