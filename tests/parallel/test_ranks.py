"""The same results on any number of MPI ranks, and clear ends when something fails on one."""

import subprocess
import sys
from itertools import pairwise

import h5py
import numpy as np
import pytest
from rank_runs import MPIEXEC, needs_mpi

from gpu_fdm.commands.main import main
from gpu_fdm.errors import RunError
from gpu_fdm.parallel.choice import choose_on_ranks
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.ranks import LAUNCHERS, SERIAL, Ranks, launched

EARLIER = b"\x89HDF\r\n\x1a\n git_revision"  # a damaged result, which may be replaced

GAS = """
[dark_matter]
m22 = 0.3
[gas]
number = 3
mass_max = 6e9
[wavefunction]
[box]
size = 1.9
cells = {cells}
sampling = average
tolerance = 1e-3
{more}
[power]
[run]
backend = cpu
threads = 1
precision = {precision}
"""


def run(ranks, ini, output, *overrides, timeout=300):
    """gpu-fdm run under mpiexec."""
    command = [MPIEXEC, "-n", str(ranks), sys.executable, "-m", "gpu_fdm", "run", str(ini)]
    for override in (f"run.output={output}", *overrides):
        command += ["--set", override]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def run_alone(ini, output):
    """gpu-fdm run in this process."""
    assert main(["--quiet", "run", str(ini), "--set", f"run.output={output}"]) == 0


def write_ini(path, cells="48, 40, 36", precision="double", more=""):
    path.write_text(GAS.format(cells=cells, precision=precision, more=more))
    return path


@needs_mpi
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("power small.npy --bin-width 0", "--bin-width 0: must be in [0.1, 1e+04]"),
        ("power small.npy --box-size 1 --redshift 0", "small.npy: more ranks (2) than planes along x (1)"),
        ("boost result.hdf5:x b.csv", "result.hdf5:x: no such file"),
        ("compare a.csv published --dpi 0", "--dpi 0: must be in [20, 1200]"),
    ],
)
def test_one_rank_says_what_is_wrong(tmp_path, words, said):
    """What all ranks find is said once, and they end by themselves."""
    np.save(tmp_path / "small.npy", np.ones((1, 4, 4)))
    command = [MPIEXEC, "-n", "2", sys.executable, "-m", "gpu_fdm", "--quiet", *words.split()]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "") and finished.stderr == f"gpu-fdm: error: {said}\n"


@needs_mpi
@pytest.mark.parametrize(("precision", "numbers"), [("double", (1, 2, 3)), ("single", (4,))])
def test_same_box_on_any_number_of_ranks(tmp_path, precision, numbers):
    ini = write_ini(tmp_path / "gas.ini", precision=precision)
    run_alone(ini, tmp_path / "0.hdf5")
    for ranks in numbers:
        finished = run(ranks, ini, tmp_path / f"{ranks}.hdf5")
        assert finished.returncode == 0, finished.stderr
    with h5py.File(tmp_path / "0.hdf5") as one:
        assert one["power/fdm/modes"][:].sum() == 48 * 40 * 36
        assert one["density/fdm"].shape == (48, 40, 36) and one["density/fdm"][:].max() > 5
        for ranks in numbers:
            with h5py.File(tmp_path / f"{ranks}.hdf5") as other:
                assert other.attrs["ranks"] == ranks
                for name in ("density/fdm", "density/smooth", "power/fdm/modes", "gas/centre"):
                    assert np.array_equal(one[name][:], other[name][:]), (ranks, name)
                for name in ("power/fdm/power", "power/smooth/power", "power/fdm/k"):
                    assert other[name][:] == pytest.approx(one[name][:], rel=1e-12, abs=0), (ranks, name)
                for number in range(3):
                    modes = f"filaments/{number:02d}/modes"
                    for name in ("energy", "phase"):
                        assert np.array_equal(one[f"{modes}/{name}"][:], other[f"{modes}/{name}"][:])
    left = [*(f"{r}.hdf5" for r in (0, *numbers)), *(f"{r}_kept" for r in (0, *numbers)), "gas.ini"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(left)


@needs_mpi
def test_sizes_that_do_not_divide_and_frames(tmp_path):
    ini = write_ini(tmp_path / "gas.ini", cells="7, 13, 10", more="frames = 0, 40, -3.5")
    run_alone(ini, tmp_path / "1.hdf5")
    finished = run(3, ini, tmp_path / "3.hdf5")
    assert finished.returncode == 0, finished.stderr
    with h5py.File(tmp_path / "1.hdf5") as one, h5py.File(tmp_path / "3.hdf5") as three:
        assert list(one["density/fdm"]) == ["0", "1", "2"]
        for frame in "012":
            for name in (f"density/fdm/{frame}", f"density/smooth/{frame}"):
                assert np.array_equal(one[name][:], three[name][:])
            power = f"power/fdm/{frame}/power"
            assert three[power][:] == pytest.approx(one[power][:], rel=1e-12)
        # time moves the fringes, not the phase average
        assert not np.allclose(one["density/fdm/0"][:], one["density/fdm/1"][:], rtol=1e-2)
        assert np.array_equal(one["density/smooth/0"][:], one["density/smooth/1"][:])
        assert one["density/fdm/1"].attrs["time"] == 40


@needs_mpi
def test_wrong_input_is_said_once(tmp_path):
    ini = write_ini(tmp_path / "gas.ini")
    finished = run(3, ini, tmp_path / "out", "box.cels=3")
    assert finished.returncode == 2
    assert finished.stderr.count("unknown key") == 1 and "Traceback" not in finished.stderr
    finished = run(2, ini, tmp_path / "out", "box.cells=200000")
    assert finished.returncode == 1 and finished.stderr.count("too little memory") == 1
    assert "on 2 ranks of a node" in finished.stderr
    finished = run(3, ini, tmp_path / "out", "box.cells=2,10,10")
    assert finished.returncode == 2 and "more ranks (3) than planes" in finished.stderr
    assert not (tmp_path / "out").exists()


FAILING = """
import sys
from importlib import import_module
from gpu_fdm.commands import main as cli
from gpu_fdm.errors import RunError
from gpu_fdm.parallel.ranks import start_ranks
rank, (module, where) = start_ranks().rank, sys.argv.pop(1).split(".")
stage = import_module(f"gpu_fdm.pipeline.{{module}}")
def fail(*arguments, **keywords):
    if rank == 1:
        raise {error}
    return original(*arguments, **keywords)
original = getattr(stage, where)
setattr(stage, where, fail)
sys.exit(cli.main())
"""


@needs_mpi
@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("placement.fill", "RunError('the card caught fire')"),
        ("models.solve", "RunError('the card caught fire')"),
        ("power.powers_of_modes", "RunError('the card caught fire')"),
        ("models.solve", "ZeroDivisionError('a defect')"),
        ("placement.fill", "RuntimeError('cudaErrorIllegalAddress')"),  # as CuPy's are
    ],
)
def test_a_rank_that_fails_stops_all(tmp_path, where, error):
    ini = write_ini(tmp_path / "gas.ini", cells="12, 10, 9")
    script = tmp_path / "failing.py"
    script.write_text(FAILING.format(error=error))
    out = tmp_path / "out"
    out.mkdir()
    (out / "result.hdf5").write_bytes(EARLIER)
    command = [MPIEXEC, "-n", "3", sys.executable, str(script), where, "run", str(ini), "--set", f"run.output={out}"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert finished.returncode != 0
    said = error.split("'")[1]
    assert said in finished.stderr
    if "RunError" in error:
        assert "Traceback" not in finished.stderr and f"{said} (rank 1)" in finished.stderr
        assert finished.stderr.count("gpu-fdm: error") == 1 == finished.stderr.count(said)
    else:
        assert finished.stderr.count("Traceback") == 1
    # hidden ones: the lock, which no longer holds, and densities that were done
    assert {p.name for p in out.iterdir() if not p.name.startswith(".")} <= {"result.hdf5", "result_kept"}
    assert any(".part-" in p.name for p in out.iterdir()) == (where == "power.powers_of_modes")
    assert (out / "result.hdf5").read_bytes() == EARLIER


def test_slabs_cover_all_planes():
    class Communicator:
        def __init__(self, size):
            self.size = size

        def Get_size(self):
            return self.size

        def Get_rank(self):
            return 0

    for size in (1, 2, 3, 7):
        for planes in (7, 8, 64, 65):
            domain = Domain((planes, 1, 1), Ranks(Communicator(size)))
            slabs = domain.planes_of_ranks
            assert (slabs[0], slabs[0].start, slabs[-1].stop) == (domain.planes, 0, planes)
            assert all(a.stop == b.start for a, b in pairwise(slabs))
            widths = [slab.stop - slab.start for slab in slabs]
            assert max(widths) - min(widths) <= 1


def test_no_launcher_no_mpi(monkeypatch):
    for name in (*LAUNCHERS, "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    assert not launched() and SERIAL.size == 1 and SERIAL.share(5) == (0, 5)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    assert launched()


def test_a_launcher_without_mpi_is_an_error(tmp_path):
    """Several copies that know nothing of each other would overwrite each other's results."""
    code = "import sys; sys.modules['mpi4py'] = None; from gpu_fdm.commands import main; "
    code += "sys.exit(main.main(['run', 'x.ini']))"
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PMI_RANK": "0", "PMI_SIZE": "2"}
    )
    assert finished.returncode == 1 and "MPI cannot be had" in finished.stderr


FULL_DISK = """
import resource, signal, sys
from mpi4py import MPI  # makes files of its own when it starts
from gpu_fdm.commands import main as cli
MPI.COMM_WORLD.allreduce(1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writes then fail, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
sys.exit(cli.main())
"""


@needs_mpi
def test_a_full_disk_over_ranks(tmp_path):
    """Whichever rank meets it, all end with one line, and what was there before is untouched."""
    ini = write_ini(tmp_path / "gas.ini", cells="48, 40, 36")
    script = tmp_path / "full.py"
    script.write_text(FULL_DISK.format(size=600_000))  # the two densities take 1.1 MB
    out = tmp_path / "out"
    out.mkdir()
    (out / "result.hdf5").write_bytes(EARLIER)
    command = [MPIEXEC, "-n", "3", sys.executable, str(script), "run", str(ini), "--set", f"run.output={out}"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert finished.returncode != 0
    assert "cannot be written" in finished.stderr and "Traceback" not in finished.stderr, finished.stderr
    assert {p.name for p in out.iterdir() if p.suffix != ".lock"} == {"result.hdf5", "result_kept"}
    assert (out / "result.hdf5").read_bytes() == EARLIER


def test_a_gpu_on_some_ranks_only_is_an_error():
    class Mixed:
        local_rank, local_size = 0, 3
        allgather = staticmethod(lambda value: ["gpu", "cpu", "cpu"])
        on_root = staticmethod(lambda work: work())
        raise_first = staticmethod(lambda error: None)

    with pytest.raises(RunError, match=r"no CUDA device that CuPy can use on rank 1, 2, but on others \(or use"):
        choose_on_ranks("cpu", 1, Mixed())
