"""What a measurement says about its particles: where they are, what is left out, and which rows are unsure."""

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from rank_runs import MPIEXEC, needs_mpi
from snapshot_files import MPC_CM, write_gadget, write_result

from gpu_fdm.commands.main import main
from gpu_fdm.io.schema import SNAPSHOT
from gpu_fdm.pipeline.snapshot import Measurement, snapshot_power
from gpu_fdm.snapshots.options import SnapshotOptions

UNITS = {"UnitLength_in_cm": MPC_CM, "HubbleParam": 0.7, "Omega0": 0.3}
HOW = Measurement(cells=16)
SIDE = 75.0


def points(number=4000, seed=1):
    return np.random.default_rng(seed).random((number, 3))


def write(folder, positions, **more):
    return write_gadget(folder, positions, header=UNITS, **{"box_size": SIDE, **more})


def lattice(n=16, displacement=0.05, seed=3):
    """Particles a little off a lattice, in a unit box."""
    places = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n] * 3, indexing="ij"), -1).reshape(-1, 3)
    waves = 2 * np.pi * np.random.default_rng(seed).integers(1, 3, (6, 3))
    moved = np.sin(places @ waves.T) @ waves / np.abs(waves).max()
    return (places + displacement / n * moved) % 1


class TestOutside:
    """Positions in another unit than the box, or around another origin, are told of above 1 %."""

    @pytest.mark.parametrize(
        ("positions", "says"),
        [
            (
                SIDE / 0.7 * points(),
                "6\\d% of the particles are outside of the box, and are wrapped into it: they are at ",
            ),
            (SIDE * (points() - 0.5), "8\\d% of the particles are outside of the box"),
            (
                SIDE * np.where(np.arange(4000)[:, None] < 50, 1 + points() / 9, points()),
                "1% of the particles are outside",
            ),
            (SIDE * np.where(np.arange(4000)[:, None] < 30, 1 + points() / 9, points()), None),
            (SIDE * points(), None),
            # the other way round: they are in a corner
            (0.7 * SIDE * points(), "the particles fill only a part of the box: they are at 0.\\d+ to 52.\\d+, "),
            (SIDE * points() * (1, 1, 0.1), None),
            (0.5 * SIDE * points(20), None),
        ],
    )
    @pytest.mark.parametrize("files", [1, 3])
    def test_where_particles_are(self, tmp_path, caplog, positions, says, files):
        snapshot_power(write(tmp_path, positions, files=files), how=HOW)
        found = [
            record.getMessage() for record in caplog.records if "in a box of 75 x 75 x 75 cMpc/h" in record.getMessage()
        ]
        assert len(found) == (says is not None)
        assert says is None or re.search(says, found[0])

    def test_they_are_wrapped_all_the_same(self, tmp_path):
        """Around the origin, or beyond an edge: the same particles."""
        inside, around = (
            snapshot_power(write(tmp_path, SIDE * x), how=HOW) for x in (points(), points() - (points() > 0.4))
        )
        assert around.spectrum.power == pytest.approx(inside.spectrum.power, rel=1e-6, abs=1e-9)


class TestShotNoise:
    """Particles close to a lattice have none."""

    def test_rows_below_it_are_counted(self, tmp_path, caplog):
        found = snapshot_power(write(tmp_path, SIDE * lattice()), how=HOW)
        rows = found.spectrum.power[(found.spectrum.k > 0) & (found.spectrum.k <= found.spectrum.nyquist)]
        negative = np.count_nonzero(rows < 0)
        assert (
            f"{negative} of {len(rows)} rows up to the Nyquist wavenumber have less power than shot noise"
            in caplog.text
        )
        assert negative > 2 and "(--shot-noise leaves it in)" in caplog.text

    def test_as_many_as_chance_leaves_there(self, tmp_path, caplog):
        snapshot_power(write(tmp_path, SIDE * points()), how=HOW)
        assert "half of the rows of particles at random have, by chance" in caplog.text
        assert "lattice" not in caplog.text

    def test_not_where_it_is_left_in(self, tmp_path, caplog):
        snapshot_power(write(tmp_path, SIDE * lattice()), how=Measurement(cells=16, shot_noise=True))
        assert "less power than shot noise" not in caplog.text


class TestImages:
    """Rows that other modes may have filled."""

    def test_rows_are_told(self, tmp_path, caplog):
        found = snapshot_power(write(tmp_path, SIDE * lattice()), how=HOW)
        (first,) = re.findall(
            r"rows from k = (\S+) h/Mpc on, \S+ of the Nyquist wavenumber, are not to be trusted", caplog.text
        )
        assert np.isclose(found.spectrum.k, float(first), rtol=1e-3).sum() == 1

    @pytest.mark.parametrize("interlaced", [True, False])
    def test_not_of_random_particles(self, tmp_path, caplog, interlaced):
        found = snapshot_power(write(tmp_path, SIDE * points()), how=Measurement(cells=16, interlaced=interlaced))
        assert "not to be trusted" not in caplog.text and (found.images is None) == (not interlaced)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_power_says_what_is_measured(here, capsys):
    """Numbers and types of particles, and those that are left out."""
    path = write(here, SIDE * points())
    with h5py.File(path, "r+") as file:
        numbers = np.array([7, 4000, 0, 0, 12, 0], np.int32)
        file["Header"].attrs.update({"NumPart_ThisFile": numbers, "NumPart_Total": numbers.astype(np.uint32)})
    assert main(["power", str(path), "--dpi", "0"]) == 0
    assert "4000 particles of PartType1; left out: 7 of PartType0, 12 of PartType4\n" in capsys.readouterr().out
    with h5py.File("snap_007_power.hdf5") as file:
        group = file["power/PartType1"]
        assert group["images"].shape == group["power"].shape


class TestBoost:
    """Of particles, and of a wave over particles."""

    def test_rows_below_shot_noise(self, here, capsys):
        """Of both halves, measured or stored: they are left out, and the others stay."""
        for number, name in enumerate("ab"):
            write(here, SIDE * points(seed=number) ** 1.1, name=name)
        names = ("--numerator", "fdm", "--denominator", "cdm", "--dpi", "0")
        assert main(["boost", "a.hdf5", "b.hdf5", *names, "--output", "measured.csv"]) == 0
        told = capsys.readouterr()
        assert told.err.count("running on the CPU") <= 1  # of both halves
        left_out = int(
            re.search(r"fdm/cdm: (\d+) rows are left out, where the power is round-off, or not", told.err)[1]
        )
        rows = int(re.search(r"fdm/cdm, z = 2: (\d+) rows", told.out)[1])
        assert left_out > 0 and rows > 5
        for name in "ab":
            assert main(["power", f"{name}.hdf5", "--dpi", "0"]) == 0
        with h5py.File("a_power.hdf5") as above, h5py.File("b_power.hdf5") as below:
            power = [file["power/PartType1/power"][1:] for file in (above, below)]
        assert rows == np.count_nonzero((power[0] > 0) & (power[1] > 0)) == len(power[0]) - left_out
        assert main(["boost", "a_power.hdf5", "b_power.hdf5", *names, "--output", "stored.csv"]) == 0
        numbers = [
            np.loadtxt(f"{name}.csv", delimiter=",", comments=("#", "k"))[:, :2] for name in ("measured", "stored")
        ]
        assert np.array_equal(*numbers)

    def test_a_wave_over_particles(self, here):
        """Every half has options of its own: field and format."""
        density = np.random.default_rng(1).random((16, 16, 16))
        write_result(Path("wave.hdf5"), {"fdm": density, "smooth": density + 1}, (SIDE,) * 3, redshift=2.0)
        write_result(Path("particles.hdf5"), {"particles_fdm": density}, (SIDE,) * 3, redshift=2.0, schema=SNAPSHOT)
        write(here, SIDE * points() ** 1.3, name="as_gadget")
        with h5py.File("particles.hdf5", "r+") as file, h5py.File("as_gadget.hdf5") as gadget:
            for name in ("Header", "PartType1"):
                gadget.copy(name, file)
            del file.attrs["digest"]  # as changed on purpose
        names = ("--numerator", "wave", "--denominator", "particles", "--dpi", "0", "--output", "b.csv")
        both = ("boost", "wave.hdf5", "particles.hdf5", *names)
        assert main([*both, "--above", "field=smooth", "--below", "format=gadget", "--below", "particle-type=1"]) == 0
        ratio = np.loadtxt("b.csv", delimiter=",", comments=("#", "k"))
        above = snapshot_power("wave.hdf5", options=SnapshotOptions(field="smooth")).spectrum
        below = snapshot_power("particles.hdf5", "gadget").spectrum
        row = ratio[0]
        assert row[1] == pytest.approx(above.power[1] / below.power[1], rel=1e-6)

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            (
                ["--above", "field"],
                "--above field: must be NAME=VALUE, with one of dataset, field, box-size, redshift, h",
            ),
            (["--below", "cells=3"], "--below cells=3: must be NAME=VALUE, with one of dataset, field, "),
            (["--below", "redshift=x"], "--redshift x: must be a number in (-1, 10000]"),
            (["--below", "particle-type=1"], "b.npy: --particle-type has no meaning for format numpy"),
        ],
    )
    def test_options_that_make_no_sense(self, here, capsys, given, says):
        for name in "ab":
            np.save(f"{name}.npy", np.random.default_rng(1).random((6, 6, 6)))
        assert main(["boost", "a.npy", "b.npy", "--box-size", "1", "--redshift", "0", *given]) == 2
        assert says in capsys.readouterr().err

    def test_not_with_over(self, here, capsys):
        assert main(["boost", "a.hdf5", "--over", "smooth", "--above", "field=fdm"]) == 2
        assert "--above and --below are for snapshots: must not be given with --over" in capsys.readouterr().err


@needs_mpi
def test_round_off_that_another_rank_finds_is_told_once(tmp_path):
    density = np.random.default_rng(1).random((9, 4, 4))
    density[8, 1, 2] = -1e-15
    np.save(tmp_path / "rho.npy", density)
    command = [MPIEXEC, "-n", "3", sys.executable, "-m", "gpu_fdm", "power", "rho.npy", "--dpi", "0"]
    command += ["--box-size", "1", "--redshift", "4", "--output", "p.hdf5"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr.count("rho.npy: array: cells are negative by round-off, down to -1e-15: taken as zero") == 1
