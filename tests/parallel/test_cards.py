"""Cards that cannot be used, are full, or of several kinds, and MPI libraries that do not read them: one line each."""

import logging
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from fake_cupy import CUDARuntimeError, OutOfMemoryError, install
from rank_runs import agree, needs_mpi, run_here

from gpu_fdm.commands import info
from gpu_fdm.commands.main import main
from gpu_fdm.errors import RunError
from gpu_fdm.parallel import cards, mpi_buffers
from gpu_fdm.parallel.backend import CPU, GPU
from gpu_fdm.parallel.choice import BackendError, choose, choose_on_ranks

TOO_OLD = "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"
FULL = "cudaErrorMemoryAllocation: out of memory"


def raising(message):
    def fail(*arguments):
        raise CUDARuntimeError(message)

    return fail


def said_by(caplog, name):
    """The level and text of the one line that choose logs, and what it returns."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        backend = choose(name)
    (record,) = caplog.records
    return record.levelname, record.getMessage(), backend


@pytest.mark.parametrize(
    ("driver", "wheel", "remedy"),
    [
        (12020, 13000, "it is for CUDA 12.2, CuPy for 13.0 (update it, or pip install cupy-cuda12x)"),
        (11080, 12060, "it is for CUDA 11.8, CuPy for 12.6 (update it)"),
    ],
)
def test_a_driver_too_old_for_the_wheel(monkeypatch, caplog, driver, wheel, remedy):
    versions = {"driverGetVersion": lambda: driver, "runtimeGetVersion": lambda: wheel}
    install(monkeypatch, getDeviceCount=raising(TOO_OLD), **versions)
    level, text, backend = said_by(caplog, "auto")
    assert backend == CPU() and level == "WARNING"
    assert text == f"no CUDA device that CuPy can use: the driver is too old: {remedy}: running on the CPU"
    with pytest.raises(BackendError, match=r"^backend gpu: no CUDA device .* too old"):
        choose("gpu")


@pytest.mark.parametrize("message", [TOO_OLD, "cudaErrorNoDevice: no CUDA-capable device is detected"])
def test_a_machine_without_a_card(monkeypatch, caplog, message):
    """CUDA calls the driver too old where there is none: that is no reason for a warning."""
    install(monkeypatch, getDeviceCount=raising(message), driverGetVersion=lambda: 0)
    assert said_by(caplog, "auto")[:2] == ("INFO", "no CUDA device that CuPy can use: running on the CPU")


def test_a_card_that_cuda_cannot_start(monkeypatch, caplog):
    install(monkeypatch, getDeviceCount=raising("cudaErrorSystemNotReady: system not yet initialized"))
    level, text, _ = said_by(caplog, "auto")
    assert level == "WARNING" and "CUDA says cudaErrorSystemNotReady: system not yet initialized: running" in text


def test_a_card_without_cupy(monkeypatch, caplog, tmp_path):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(cards, "DRIVER_CARDS", tmp_path)
    assert said_by(caplog, "auto")[0] == "INFO"
    (tmp_path / "0000:01:00.0").mkdir()
    level, text, _ = said_by(caplog, "auto")
    assert level == "WARNING" and "there is a card, but CuPy is not installed (pip install cupy-cuda12x" in text


def test_a_cupy_that_cannot_be_imported(monkeypatch, caplog, tmp_path):
    banner = "\n=====\nFailed to import CuPy.\n\nOriginal error:\n  ImportError: libcudart.so.13: no such file\n=====\n"
    (tmp_path / "cupy.py").write_text(f"raise ImportError({banner!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    _, text, _ = said_by(caplog, "auto")
    assert "can use: CuPy cannot be imported: ImportError: libcudart.so.13: no such file: running on" in text


@pytest.mark.parametrize("name", ["auto", "gpu"])
def test_a_card_that_another_process_fills_or_holds(monkeypatch, name):
    install(monkeypatch, memGetInfo=raising(FULL))
    with pytest.raises(BackendError, match=r"^out of memory on card 0: cudaErrorMemory.* \(or run.backend = cpu\)$"):
        choose(name)
    install(monkeypatch, memGetInfo=raising("cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy"))
    with pytest.raises(BackendError, match=r"^card 0 cannot be used: cudaErrorDevicesUnavailable"):
        choose(name)


def test_what_did_not_fit_on_a_card(monkeypatch):
    install(monkeypatch, memGetInfo=lambda: (3 << 30, 80 << 30))
    allocation = "Out of memory allocating 8,589,934,592 bytes (allocated so far: 5,368,709,120 bytes)."
    assert cards.out_of_memory(OutOfMemoryError(allocation)) == (
        "out of memory on card 0 (Stand-in): 8 GiB more are needed, 3 GiB of 80 GiB are free: arrays of this run hold "
        "5 GiB, CUDA and other processes 72 GiB (nvidia-smi lists them; fewer cells, run.precision = single, or more "
        "ranks with cards need less on each)"
    )
    assert cards.out_of_memory(CUDARuntimeError(FULL)).startswith("out of memory on card 0 (Stand-in): 3 GiB of 80")
    for other in (MemoryError("host"), RuntimeError(FULL), CUDARuntimeError("cudaErrorIllegalAddress: illegal")):
        assert cards.out_of_memory(other) == ""


@pytest.mark.parametrize("error", [OutOfMemoryError("Out of memory allocating 4,096 bytes"), CUDARuntimeError(FULL)])
def test_a_command_that_runs_out_of_a_card_ends_in_one_line(monkeypatch, capfd, error):
    install(monkeypatch)

    def execute(options):
        raise error

    monkeypatch.setattr(info, "execute", execute)
    assert main(["info"]) == 1
    said = capfd.readouterr().err
    assert said.startswith("gpu-fdm: error: out of memory on card 0 (Stand-in): ") and said.count("\n") == 1


LIBRARIES = [
    # text, what the function returns (None: there is none), environment, whether it reads cards, sign
    (
        "Open MPI v5.0.6, package: Open MPI",
        1,
        {},
        True,
        "MPIX_Query_cuda_support of Open MPI v5.0.6, package: Open MPI",
    ),
    ("Open MPI v4.1.6", 1, {"OMPI_MCA_opal_cuda_support": "0"}, False, "OMPI_MCA_opal_cuda_support is 0"),
    ("MPICH Version:      5.0.2\nmore", 0, {}, False, "MPIX_Query_cuda_support of MPICH Version: 5.0.2 returns 0"),
    ("Intel(R) MPI Library 2021.13", None, {}, False, "has no function MPIX_Query_cuda_support"),
    ("MVAPICH2 Version : 2.3.7", 1, {}, False, "MV2_USE_CUDA or MVP_USE_CUDA is not 1"),
    ("MVAPICH2 Version : 2.3.7", 1, {"MV2_USE_CUDA": "1"}, True, "MV2_USE_CUDA is 1"),
    ("MPI VERSION : CRAY MPICH version 8.1.30", 0, {}, False, "MPICH_GPU_SUPPORT_ENABLED is not 1"),
    ("MPI VERSION : CRAY MPICH version 8.1.30", 0, {"MPICH_GPU_SUPPORT_ENABLED": "1"}, True, "ENABLED is 1"),
]


@pytest.mark.parametrize(("text", "answer", "environment", "reads", "sign"), LIBRARIES)
def test_signs_of_a_library_that_reads_cards(monkeypatch, tmp_path, text, answer, environment, reads, sign):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed")
    function = "" if answer is None else f'extern "C" int MPIX_Query_cuda_support() {{ return {answer}; }}'
    (tmp_path / "mpi.cpp").write_text(function)
    subprocess.run([compiler, "-shared", "-fPIC", tmp_path / "mpi.cpp", "-o", tmp_path / "mpi.so"], check=True)
    library = SimpleNamespace(Get_library_version=lambda: text, __file__=str(tmp_path / "mpi.so"))
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=library))
    for name in ("OMPI_MCA_opal_cuda_support", "MV2_USE_CUDA", "MVP_USE_CUDA", "MPICH_GPU_SUPPORT_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found, why = mpi_buffers.reads_cards()
    assert (found, sign in why) == (reads, True), why
    assert mpi_buffers.chosen_buffers("auto") == ("device" if reads else "host", why)
    assert mpi_buffers.chosen_buffers("host")[0] == "host"
    if not reads:
        with pytest.raises(RunError, match=r"^run.mpi_buffers = device: the MPI library must read .* \(use auto\)$"):
            mpi_buffers.chosen_buffers("device")


def test_conda_switches_open_mpi_off(monkeypatch, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "openmpi-mca-params.conf").write_text("# conda\nopal_warn = 0\nopal_cuda_support = 0\n")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    test_signs_of_a_library_that_reads_cards(
        monkeypatch, tmp_path, "Open MPI v4.1.6", 1, {}, False, "conf has opal_cuda"
    )


def check_ranks(ranks):
    """Cards of two kinds are said once; all ranks refuse what MPI does not offer, and a card that is full on one."""
    said = []
    logging.getLogger("gpu_fdm").addHandler(SimpleNamespace(level=0, handle=lambda record: said.append(record)))
    with pytest.MonkeyPatch.context() as patch:
        name = b"Small" if ranks.rank else b"Large"
        properties = {"name": name, "totalGlobalMem": 40 << 30}
        install(patch, getDeviceProperties=lambda index: properties)
        backend = choose_on_ranks("gpu", 1, ranks)
        assert backend == GPU(0, 1, "host", ("Large, 40 GiB", "Small, 40 GiB"), sharers=ranks.local_size)
        assert backend.provenance["device"] == "Large, 40 GiB; Small, 40 GiB"
        assert backend.provenance["mpi_buffers"] == "host"
        assert [r.getMessage() for r in said if r.levelname == "WARNING"] == [
            "ranks have different cards (Large, 40 GiB; Small, 40 GiB): last bits depend on which of them computes what"
        ]
        with pytest.raises(RunError, match=r"run.mpi_buffers = device: the MPI library must read .*rank 0") as caught:
            choose_on_ranks("auto", 1, ranks, "device")
        assert caught.value.on_all_ranks
        install(patch, **({"memGetInfo": raising(FULL)} if ranks.rank == 1 else {}))
        with pytest.raises(RunError, match=r"^out of memory on card 0.*\(rank 1\)$") as caught:
            choose_on_ranks("auto", 1, ranks)
        assert caught.value.on_all_ranks


@needs_mpi
def test_ranks_end_together():
    agree(__file__, 3)


if __name__ == "__main__":
    run_here(check_ranks)
