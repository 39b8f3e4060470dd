"""gpu-fdm filament: a list, a profile, an ini that runs, a figure and a cut-out; wrong input is one line."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from drawn_filaments import Drawn, mean_density, particles, write_particles
from rank_runs import MPIEXEC, needs_mpi

from gpu_fdm import open as open_result
from gpu_fdm.commands.main import main
from gpu_fdm.config.config import read_config
from gpu_fdm.io.schema import MEASURED_FILAMENT
from gpu_fdm.io.tables import read_columns

SIDE = 1.0
FILAMENT = Drawn((0.97, 0.02, 0.99), (1.0, 0.7, -0.4), 0.8, 0.0037, 3e9)
MEAN = f"{mean_density([FILAMENT], SIDE):.8g}"
OPTIONS = ("--smooth", "0.02", "--mean-density", MEAN, "--slices", "12", "--m22", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A snapshot of particles with velocities, and of a grid."""
    folder = tmp_path_factory.mktemp("snapshots")
    positions = particles([FILAMENT], 20_000, SIDE)
    path = write_particles(folder, positions, SIDE, "snap")
    with h5py.File(path, "r+") as file:
        file["PartType1/Velocities"] = np.random.default_rng(1).normal(10, 5, positions.shape).astype(np.float32)
    x = (np.arange(32) + 0.5) / 32
    tube = np.exp(-((x[:, None, None] - 0.5) ** 2 + (x[:, None] - 0.5) ** 2) / (2 * 0.06**2))
    noise = np.random.default_rng(2).standard_normal((2, 32, 32, 32))
    np.save(folder / "psi.npy", np.sqrt(tube) * (noise[0] + 1j * noise[1]))
    return folder


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return folder


def filament(*words, code=0, capsys=None):
    assert main(["--quiet", "filament", *map(str, words)]) == code
    return capsys.readouterr() if capsys else None


def test_from_snapshot_to_ini(here, capsys):
    printed = filament(here / "snap.hdf5", "--find", 1, *OPTIONS, "--dpi", 60, capsys=capsys).out
    names = ["snap_filament_0.csv", "snap_filament_0.hdf5", "snap_filament_0.ini", "snap_filament_0_measured.png"]
    assert sorted(path.name for path in Path().iterdir()) == [*names, "snap_filaments.csv"]
    words = "1 ridge of the density", "densities of the box times", "axis ratio b/a", "cylinder: r0 =", "dispersion"
    assert all(word in printed for word in words)
    table = read_columns("snap_filament_0.csv", ("radius", "density", "error"))
    assert len(table["radius"]) >= 8 and np.all(table["error"] > 0)
    config = read_config("snap_filament_0.ini")
    assert config.dark_matter.m22 == 2 and config.cosmology.redshift == 4
    assert 0.9 < config.wavefunction.energy_cut <= 0.99  # of a filament whose mass lies within the shells
    assert config.filament.r0 == pytest.approx(FILAMENT.r0, rel=0.05)
    assert config.filament.sigma == pytest.approx(FILAMENT.sigma, rel=0.05)
    assert config.filament.length == pytest.approx(FILAMENT.length, rel=0.05)
    with h5py.File("snap_filament_0.hdf5") as file:
        about = file["measured"].attrs
        assert abs(about["r0"] - FILAMENT.r0) < 3 * about["r0_error"]
        assert about["dispersion_along"] == pytest.approx(5 / np.sqrt(5), rel=0.05)  # over the root of 1 + z
        assert len(file["cut_out/position"]) == about["particles"]
        file.visit(lambda name: MEASURED_FILAMENT.dataset(f"/{name}") if isinstance(file[name], h5py.Dataset) else None)
        # the figure has the line mass that is printed, less the background
        slices, mean = open_result("snap_filament_0.hdf5")["measured"].plot()["measured"].axes[-1].get_lines()
        assert mean.get_ydata()[0] == about["line_mass"] == pytest.approx(slices.get_ydata().mean(), rel=0.02)
    assert main(["--quiet", "plot", "snap_filament_0.hdf5", "--dpi", "60", "--overwrite"]) == 0
    assert main(["--quiet", "run", "snap_filament_0.ini", "--dry-run"]) == 0


def test_a_wave_along_a_given_axis(here, capsys):
    about = ("--box-size", 1, "--redshift", 1, "--smooth", 0.0625, "--radius", 0.25, "--slices", 8, "--dpi", 0)
    axis = ("--from", "0.52,0.5,0.05", "--to", "0.5,0.49,0.45")
    printed = filament(here / "psi.npy", *axis, *about, "--radius", 0.2, "--shells", 10, capsys=capsys).out
    assert "h/cMpc, dispersion" in printed
    keys = [line for line in Path("psi_filament.ini").read_text().splitlines() if line.startswith("# ")][-3:]
    assert keys == ["# weights = projection", "# cut_out = psi_filament.hdf5", "# axial = thermal"]
    with h5py.File("psi_filament.hdf5") as file:
        cut, end = file["cut_out/psi"][:], file["measured"].attrs["end"]
    assert cut.dtype == np.complex64 and cut.shape[0] == cut.shape[1] and end[2] == pytest.approx(0.45, abs=0.01)
    real = np.abs(np.load(here / "psi.npy")) ** 2
    np.save("rho.npy", real)
    printed = filament("rho.npy", *axis, *about, "--radius", 0.2, "--shells", 10, capsys=capsys).out
    assert "no phases in array: streaming and dispersion are not measured" in printed


@needs_mpi
def test_two_ranks_print_the_same(here, capsys):
    words = ["filament", here / "snap.hdf5", "--find", "1", *OPTIONS, "--dpi", "0", "--overdensity", "10"]
    command = [MPIEXEC, "-n", "2", sys.executable, "-m", "gpu_fdm", "--quiet", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == filament(*words[1:], capsys=capsys).out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--from", "0.1,0.2,0.3"), "--from and --to: must be given together"),
        (("--from", "0,0,0", "--to", "a,0,0"), "--to a,0,0: must be three numbers, X,Y,Z [cMpc/h]"),
        (("--from", "0,0,0", "--to", "2,0,0"), "--to 2,0,0: must be in the box, 0 to 1, 0 to 1, 0 to 1 cMpc/h"),
        (("--from", "0,0,0", "--to", "0.1,0,0"), "an axis of 0.1 cMpc/h, the shortest way through the periodic box"),
        (("--from", "0,0,0", "--to", "0.5,0,0", "--find", "2"), "--from: must not be given with --find"),
        (("--from", "0.2,0.5,0.5", "--to", "0.6,0.5,0.5"), "particles around the axis 0.2,0.5,0.5 to 0.6,0.5,0.5"),
        (("--find", "0"), "--find 0: must be in [1, 1000]"),
        (("--slices", "2"), "--slices 2: must be in [8, 1000]"),
        (("--smooth", "1"), "--smooth 1: must be in"),
        (("--radius", "0.7"), "--radius 0.7: must be in"),
        (("--overdensity", "1e5"), "no straight ridge of 0.16 cMpc/h or more"),
        (("--skeleton", "other"), "other: no such file"),
        (("--output", "x.csv"), "--output x.csv: must end in .hdf5 or .h5"),
        (("--mask-overdensity", "0"), "--mask-overdensity 0: must be in"),
        (("--beta", "1"), "--beta 1: must be in [0, 1)"),
    ],
)
def test_wrong_input(here, capsys, words, message):
    words = [*(("--smooth", "0.02") if "--smooth" not in words else ()), *words]
    error = filament(here / "snap.hdf5", *words, code=2, capsys=capsys).err
    assert message in error and error.count("\n") == 1


def test_files_of_others_stay(here, capsys):
    Path("snap_filament_0.ini").write_text("mine")
    error = filament(here / "snap.hdf5", "--find", 1, *OPTIONS, "--dpi", 0, code=2, capsys=capsys).err
    assert "snap_filament_0.ini: is a file that gpu-fdm did not write" in error
    assert Path("snap_filament_0.ini").read_text() == "mine" and not Path("snap_filament_0.csv").exists()


def test_a_grid_too_coarse_for_ridges(tmp_path, capsys):
    np.save(tmp_path / "rho.npy", np.ones((8, 8, 8)))
    words = (tmp_path / "rho.npy", "--box-size", 1, "--redshift", 1, "--output", tmp_path / "f.hdf5")
    message = "rho.npy: two of its cells, 0.25 cMpc/h, must be at most an eighth of its shortest side, 0.125 cMpc/h"
    assert message in filament(*words, code=2, capsys=capsys).err
