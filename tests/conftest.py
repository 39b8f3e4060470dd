"""Fixtures shared by the suite: the published filament, solved once."""

import gc
import logging
import os
import signal
import sys

import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu
from filaments import published_cylinder
from hostile_inputs import Hostile

from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.wavefunction import WaveFunction, random_phases
from gpu_fdm.parallel.backend import CPU, GPU, gpu_count

HOSTILE = pytest.StashKey[Hostile]()
ENVIRONMENT = {
    # ranks that wait for others sleep, instead of taking the processors that those would compute on: MPICH, Open MPI
    "MPIR_CVAR_ENABLE_HEAVY_YIELD": "1",
    "MPIR_CVAR_POLLS_BEFORE_YIELD": "10",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    # networks of tests are small: JAX takes longer to optimise them than they run
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
}


def pytest_configure(config):
    """Hostile inputs are counted over all test files. Signals interrupt, also in a suite that a script began with &."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # images of containers set it: then every program that a test starts would compile 250 modules again
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    config.stash[HOSTILE] = Hostile()


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Python looks for garbage among what tests make, not among modules and tests, which stay: that takes seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_sessionfinish(session):
    """Each process of several sends its counts to the first."""
    hostile, output = session.config.stash[HOSTILE], getattr(session.config, "workeroutput", None)
    if output is not None:
        output["tried"], output["tracebacks"] = hostile.tried, hostile.tracebacks


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """The first process adds them up."""
    output, hostile = getattr(node, "workeroutput", {}), node.config.stash[HOSTILE]
    hostile.tried += output.get("tried", 0)
    hostile.tracebacks += output.get("tracebacks", 0)


def pytest_terminal_summary(terminalreporter, config):
    """Prints the counts, and those of `counted` with their sums."""
    hostile = config.stash[HOSTILE]
    if hostile.tried:
        terminalreporter.write_line(f"hostile inputs tried: {hostile.tried}, tracebacks: {hostile.tracebacks}")
    properties = [pair for report in terminalreporter.stats.get("passed", ()) for pair in report.user_properties]
    found = sorted(value for name, value in properties if name == "counted")
    for what in dict.fromkeys(what for what, _, _ in found):
        of_one = [(of, dict(counts)) for each, of, counts in found if each == what]
        for of, counts in of_one:
            terminalreporter.write_line(f"{of}: {', '.join(f'{number} {name}' for name, number in counts.items())}")
        terminalreporter.write_line(f"{what}: {sum(sum(counts.values()) for _, counts in of_one)}")


@pytest.fixture(scope="session")
def hostile(request):
    """Runs hostile inputs, and counts them."""
    return request.config.stash[HOSTILE]


@pytest.fixture
def counted(record_property):
    """counted(what, of, numbers by name): what the last lines of the suite print, if the test passes, and add up."""
    return lambda what, of, numbers: record_property("counted", (what, of, sorted(numbers.items())))


@pytest.fixture(autouse=True)
def logging_as_at_start():
    """Commands set up logging for their process: the next test starts without."""
    yield
    ours = logging.getLogger("gpu_fdm")
    ours.handlers.clear()
    ours.propagate = True
    ours.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def cylinder():
    """The published filament of 5e9 Msun/h at z = 4 for m22 = 1, in code units."""
    return published_cylinder(1.0)


@pytest.fixture(scope="session")
def library(cylinder):
    """Its 188 eigenstates."""
    return eigenstates(cylinder)


@pytest.fixture(scope="session")
def wave(cylinder, library):
    """Its wave function with WKB weights and the phases of seed 1."""
    weight = (2 * np.pi) ** 2 * cylinder.distribution(library.energy, library.l) / library.line_mass
    return WaveFunction(library, weight, random_phases(library, 1))


@pytest.fixture(params=["cuda on cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def cuda(request):
    """What runs the CUDA kernels."""
    if request.param == "cuda on cpu":
        return CudaOnCpu()
    if gpu_count() == 0:
        pytest.skip("no CUDA device that CuPy can use")
    return GPU()


@pytest.fixture(params=["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def backend(request):
    """Every backend that this machine has."""
    if request.param == "cpu":
        return CPU()
    if gpu_count() == 0:
        pytest.skip("no CUDA device that CuPy can use")
    return GPU()
