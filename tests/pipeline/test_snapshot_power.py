"""gpu-fdm power: the same P(k) of every format on any number of ranks, and what the command says and writes."""

import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.image import imread
from rank_runs import MPIEXEC, needs_mpi
from snapshot_cases import CASES, density, psi, squared
from snapshot_files import write_gadget

import gpu_fdm
from gpu_fdm.commands.main import main
from gpu_fdm.errors import InputError
from gpu_fdm.pipeline.snapshot import Measurement, snapshot_power
from gpu_fdm.plots import box
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.spectra.power import power_spectrum

HEADER = {"UnitLength_in_cm": 3.0856775814913673e24, "HubbleParam": 0.7, "Omega0": 0.3}
MEASURE = """
import pickle, sys
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.ranks import start_ranks
from gpu_fdm.pipeline.snapshot import Measurement, snapshot_power
ranks = start_ranks()
assert ranks.size == 3
asked = pickle.load(open(sys.argv[1], "rb"))
found = {name: snapshot_power(*what, ranks, CPU(1)) for name, what in asked.items()}
if ranks.is_root:
    pickle.dump({name: (m.spectrum.k, m.spectrum.power, m.spectrum.modes, m.multipoles.power)
                 for name, m in found.items()}, open(sys.argv[1] + ".out", "wb"))
"""


@needs_mpi
def test_same_spectrum_on_one_and_three_ranks(tmp_path):
    asked = {}
    for name, cases in CASES.items():
        for number, make in enumerate(cases):
            folder = tmp_path / f"{name}{number}"
            folder.mkdir()
            case = make(folder)
            asked[f"{name}{number}"] = (case.path, None, case.options, Measurement(multipoles=True))
    positions = 75 * np.random.default_rng(8).random((5001, 3))
    path = write_gadget(tmp_path, positions, files=4, header=HEADER)
    asked["gadget"] = (path, None, SnapshotOptions(), Measurement(cells=20, multipoles=True))
    (tmp_path / "asked").write_bytes(pickle.dumps(asked))
    (tmp_path / "measure.py").write_text(MEASURE)
    command = [MPIEXEC, "-n", "3", sys.executable, tmp_path / "measure.py", tmp_path / "asked"]
    subprocess.run(command, check=True, timeout=300)
    found = pickle.loads((tmp_path / "asked.out").read_bytes())
    assert set(found) == set(asked)
    for name, what in asked.items():
        alone = snapshot_power(*what)
        k, power, modes, multipoles = found[name]
        assert np.array_equal(modes, alone.spectrum.modes) and k == pytest.approx(alone.spectrum.k, rel=1e-12), name
        largest = np.max(np.abs(alone.spectrum.power))
        tolerance = 2e-6 if "float32" in str(getattr(alone.snapshot, "dtype", "")) else 1e-11  # transforms in single
        assert power == pytest.approx(alone.spectrum.power, rel=tolerance, abs=tolerance * largest), name
        assert multipoles == pytest.approx(alone.multipoles.power, rel=tolerance, abs=20 * tolerance * largest), name


def test_psi_and_its_density_agree(tmp_path):
    values = psi((12, 10, 8))
    np.save(tmp_path / "psi_#1.npy", values)
    np.save(tmp_path / "rho_#1.npy", squared(values))
    options = SnapshotOptions(box_size=(3.0, 2.0, 2.0), redshift=0.5)
    waves, densities = (snapshot_power(tmp_path / f"{name}_#1.npy", options=options) for name in ("psi", "rho"))
    assert np.array_equal(waves.spectrum.power, densities.spectrum.power)
    direct = power_spectrum(squared(values), (3.0, 2.0, 2.0))
    assert np.array_equal(waves.spectrum.power, direct.power)
    assert np.array_equal(waves.error, direct.error)


def test_multipoles_and_angles(tmp_path):
    np.save(tmp_path / "rho_1.npy", density((12, 10, 8)))
    options = SnapshotOptions(box_size=2.0, redshift=0.5)
    how = Measurement(mu_bins=3, multipoles=True, axis=0)
    measured = snapshot_power(tmp_path / "rho_1.npy", options=options, how=how)
    assert measured.multipoles.power[:, 0] == pytest.approx(measured.spectrum.power, rel=1e-12, abs=1e-18)
    assert measured.of_angle.power.shape == (len(measured.of_angle.k), 3) and measured.of_angle.bins.mu_axis == 0


def test_the_mixing_gives_back_multipoles_that_unevenly_filled_bins_mix(tmp_path, monkeypatch):
    """In an oblong box P_4 of bins of hundreds of modes is off by a tenth of P_0 and more."""
    monkeypatch.chdir(tmp_path)
    cells, sides, beta = (24, 30, 40), (80.0, 80.0, 120.0), 0.6
    waves = [2 * np.pi * np.fft.fftfreq(n, side / n) for n, side in zip(cells, sides, strict=True)]
    k = np.stack(np.meshgrid(*waves, indexing="ij"))
    power = (1 + beta * k[0] ** 2 / np.maximum(np.sum(k**2, axis=0), 1e-300)) ** 2  # along x, at all k
    white = np.fft.fftn(np.random.default_rng(1).standard_normal(cells))
    white *= 1e-6 / np.abs(white)  # of modes that do not scatter
    np.save("kaiser.npy", 1 + np.fft.ifftn(white * np.sqrt(power)).real)
    words = ["--box-size", "80,80,120", "--redshift", "0", "--multipoles", "--axis", "x", "--dpi", "0"]
    assert main(["--quiet", "power", "kaiser.npy", *words]) == 0
    with h5py.File("kaiser_power.hdf5") as file:
        (group,) = (file[f"power/{name}"] for name in file["power"] if name.endswith("_multipoles"))
        rows = (group["k"][:] < group.attrs["nyquist"]) & (group["modes"][:] > 100)
        found, mixing = group["power"][:][rows], group["mixing"][:][rows]
    true = np.array([1 + 2 * beta / 3 + beta**2 / 5, 4 * beta / 3 + 4 * beta**2 / 7, 8 * beta**2 / 35])
    level = np.prod(sides) / np.prod(cells) ** 2 * 1e-12
    assert np.max(np.abs(found[:, 2] / level - true[2])) > 0.1 * true[0]
    solved = np.linalg.solve(mixing, found[..., None])[..., 0]
    assert solved / level == pytest.approx(np.broadcast_to(true, solved.shape), abs=1e-5)


def test_shot_noise(tmp_path):
    """Particles at random: what is left when the shot noise is taken off is zero within its errors."""
    number = 40_000
    path = write_gadget(tmp_path, 75 * np.random.default_rng(4).random((number, 3)), header=HEADER)
    clean = snapshot_power(path, how=Measurement(cells=32, multipoles=True))
    raw = snapshot_power(path, how=Measurement(cells=32, multipoles=True, shot_noise=True))
    assert raw.spectrum.power[1:] - raw.shot_noise[1:] == pytest.approx(clean.spectrum.power[1:], rel=1e-12)
    assert raw.shot_noise[1] == pytest.approx(75**3 / number, rel=1e-3)
    # the shot noise of the multipoles: that of white noise on the modes of the bins, (2 l + 1) <L_l>
    noise = raw.multipoles.power[1:] - clean.multipoles.power[1:]
    assert clean.multipoles.power[1:, 0] == pytest.approx(clean.spectrum.power[1:], rel=1e-9, abs=1e-9)
    assert noise[:2] == pytest.approx(raw.shot_noise[1] * raw.multipoles.mixing[1:3, :, 0], rel=1e-3, abs=1e-3)
    within = (clean.spectrum.k < 0.7 * clean.spectrum.nyquist) & (clean.spectrum.k > 0)
    score = clean.spectrum.power[within] / clean.error[within]
    assert abs(score.sum()) < 4 * len(score) ** 0.5 and np.mean(score**2) < 2


def test_what_is_not_known_of_cells_is_not_said(tmp_path):
    """Particles are not at the centres of cells, nor need densities be values there."""
    path = write_gadget(tmp_path, 75 * np.random.default_rng(4).random((500, 3)), header=HEADER)
    assert main(["power", str(path), "--cells", "8", "--dpi", "0", "--output", str(tmp_path / "power.hdf5")]) == 0
    with h5py.File(tmp_path / "power.hdf5") as file:
        (group,) = file["power"].values()
        assert group.attrs["sampling"] == "snapshot"


def test_figure_of_particles(tmp_path, monkeypatch):
    """A curve with gaps where it is not positive, its band, and the shot noise, in the range of k that was measured."""
    monkeypatch.chdir(tmp_path)
    path = write_gadget(tmp_path, 75 * np.random.default_rng(4).random((4000, 3)), header=HEADER, name="snap$_1$")
    assert main(["power", str(path), "--output", "p.hdf5", "--dpi", "0", "--mu-bins", "2", "--multipoles"]) == 0
    with h5py.File("p.hdf5") as file:
        figure, measured = box.power(file), file["power/PartType1"]
        curve, noise = figure.axes[0].get_lines()[:2]
        values = measured["power"][1:]
        assert 0 < np.count_nonzero(values <= 0) < len(values)  # random particles: as often below as above
        assert curve.get_ydata() == pytest.approx(np.where(values > 0, values, np.nan), nan_ok=True)
        assert noise.get_ydata() == pytest.approx(measured["shot_noise"][1:])
        assert figure.axes[0].get_xlim()[1] == pytest.approx(measured["k"][-1])
    assert figure.get_suptitle() == r"PartType1 of snap\$_1\$.hdf5,  $z=2$"


def test_figure_of_a_density_without_structure(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("even.npy", np.ones((6, 6, 6)))
    code, out, error = run(capsys, "even.npy", "--box-size", "1", "--redshift", "0")
    assert code == 0 and "figure: even_power_power.png" in out, error
    np.save("cell.npy", np.ones((1, 1, 1)))
    code, out, error = run(capsys, "cell.npy", "--box-size", "1", "--redshift", "0")
    assert code == 2 and "cell.npy: a grid of one cell has no power" in error
    assert not list(tmp_path.glob("cell_power*"))


def run(capsys, *arguments):
    code = main(["power", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("psi_#7.npy", psi((12, 12, 12)))
    code, out, error = run(capsys, "psi_#7.npy", "--box-size", "4", "--redshift", "1", "--multipoles", "--mu-bins", 2)
    assert code == 0, error
    assert "pyultralight snapshot, psi: 4 x 4 x 4 cMpc/h at z = 1" in out and "12 x 12 x 12 cells" in out
    shown = {
        "power": "P(k) of the box",
        "power_mu": "P(k, mu) of the box, a line for each bin of mu",
        "multipoles": "monopole, quadrupole and hexadecapole of P(k, mu)",
    }
    for name, text in shown.items():
        assert f"figure: psi_#7_power_{name}.png  {text}\n" in out and imread(f"psi_#7_power_{name}.png").ndim == 3
    with h5py.File("psi_#7_power.hdf5") as file:
        (name,) = [each for each in file["power"] if "_" not in each]
        group = file[f"power/{name}"]
        assert group["modes"][:].sum() == 12**3 and group.attrs["redshift"] == 1.0
        assert group["error"].attrs["units_text"] == "(Mpc/h)^3"
        assert file[f"power/{name}_multipoles/power"].shape == (len(group["k"]), 3)
        assert file[f"power/{name}_mu/power"].shape[1] == 2 and file[f"power/{name}_mu"].attrs["axis"] == "z"
        for angles in ("mu", "multipoles"):
            of_angles = file[f"power/{name}_{angles}"]
            assert of_angles["error"].shape == of_angles["power"].shape
        assert file[f"power/{name}_multipoles/error"][:, 0] == pytest.approx(group["error"][:])
    with pytest.raises(InputError, match="has no config: it was measured, not run"):  # of another cosmology
        gpu_fdm.open("psi_#7_power.hdf5").config  # noqa: B018
    before = Path("psi_#7_power.hdf5").read_bytes()
    assert run(capsys, "psi_#7.npy", "--box-size", "4", "--redshift", "x")[0] == 2
    assert Path("psi_#7_power.hdf5").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gone.npy"], "gone.npy: no such file"),
        (["rho.npy"], "the file has no box_size and no redshift: give --box-size [cMpc/h] and --redshift"),
        (["rho.npy", "--box-size", "-1"], "--box-size -1: must be"),
        (["rho.npy", "--assignment", "best"], "--assignment best: must be one of ngp, cic, tsc, pcs"),
        (["rho.npy", "--cells", "1"], "--cells 1: must be in [2, 65536]"),
        (["rho.npy", "--bin-width", "nan"], "--bin-width nan: must be in [0.1, 1e+04]"),
        (["rho.npy", "--mu-bins", "0"], "--mu-bins 0: must be in [1, 1000]"),
        (["rho.npy", "--output", "power.txt"], "--output power.txt: must end in .hdf5 or .h5"),
        (["rho.npy", "--output", "rho.hdf5"], "--output rho.hdf5: must not be a file that is read"),
        (["rho.npy", "--dpi", "5"], "--dpi 5: must be 0, or in [20, 1200]"),
        (
            ["bad.npy", "--box-size", "1", "--redshift", "0"],
            "error: bad.npy: array: density = nan in cell [1, 2, 3]: must be finite and not negative",
        ),
    ],
)
def test_bad_input(tmp_path, capsys, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    values = density((6, 6, 6))
    np.save("rho.npy", values)
    values[1, 2, 3] = np.nan
    np.save("bad.npy", values)
    if "rho.hdf5" in arguments:
        with h5py.File("rho.hdf5", "w") as file:
            file["init"] = density((6, 6, 6))
        arguments = ["rho.hdf5", *arguments[1:]]
    code, _, error = run(capsys, *arguments)
    lines = [line for line in error.splitlines() if line.startswith("gpu-fdm: error:")]
    assert code == 2 and len(lines) == 1 and says in lines[0], error
    assert not list(tmp_path.glob("*_power*"))


def test_more_ranks_than_planes(tmp_path):
    class Three:
        size, rank, is_root, local_size = 9, 0, True, 1
        on_root = staticmethod(lambda work: work())

    np.save(tmp_path / "rho.npy", density((6, 6, 6)))
    with pytest.raises(InputError, match="more ranks \\(9\\) than planes along x \\(6\\)"):
        snapshot_power(tmp_path / "rho.npy", options=SnapshotOptions(box_size=1.0, redshift=0.0), ranks=Three())
