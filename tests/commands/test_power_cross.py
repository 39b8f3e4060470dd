"""gpu-fdm power --cross: what it reads, prints, writes and draws, and what it refuses in one line."""

import h5py
import numpy as np
import pytest
from snapshot_files import MPC_CM, add_gas, write_fuzzylli, write_gadget, write_gadget_binary

from gpu_fdm.commands.main import main
from gpu_fdm.comparison.sources import read_source
from gpu_fdm.io.hdf5 import open_result
from gpu_fdm.pipeline.result_spectra import spectrum_paths
from gpu_fdm.spectra.tables import read_boost

HEADER = {"UnitLength_in_cm": MPC_CM, "HubbleParam": 0.7, "Omega0": 0.3}
GIVEN = ("--box-size", "4", "--redshift", "1")
QUIET = ("--dpi", "0")


def places(number, seed):
    return 4 * np.random.default_rng(seed).random((number, 3))


def density(seed, cells=(8, 8, 8)):
    return np.random.default_rng(seed).random(cells) + 0.1


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A snapshot with gas beside dark matter, two grids, and a box with two fields."""
    monkeypatch.chdir(tmp_path)
    path = write_gadget(tmp_path, places(700, 1), box_size=4.0, redshift=1.0, header=HEADER, name="snap")
    gas = write_gadget(tmp_path, places(500, 2), box_size=4.0, redshift=1.0, header=HEADER, name="gas", kind=0)
    add_gas(path, gas)
    np.save("rho.npy", density(3))
    np.save("hole.npy", 1.3 - density(3))
    write_fuzzylli(tmp_path / "box.h5", {"cdm": density(4), "fdm/0": density(5)}, side=4.0, redshift=1.0)
    write_gadget_binary(tmp_path, places(400, 6) / 2, box_size=2.0, redshift=1.0, name="old")
    return tmp_path


def run(capsys, *arguments):
    code = main(["power", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_types_of_particles(files, capsys):
    code, out, error = run(capsys, "snap.hdf5", "--cross-particle-type", 0, "--dpi", 20)
    assert code == 0, error
    assert "700 particles of PartType1; left out: 500 of PartType0" in out
    assert "500 particles of PartType0; left out: 700 of PartType1" in out
    assert "1: shot noise, subtracted: 0.0914" in out and "2: shot noise, subtracted: 0.128" in out
    assert "r = P_12/sqrt(P_1 P_2) of PartType1 of snap.hdf5 and PartType0 of snap.hdf5: " in out
    assert "result: snap_cross.hdf5\nfigure: snap_cross_power.png" in out and (files / "snap_cross_power.png").exists()
    assert main(["plot", "snap_cross.hdf5", "--overwrite", "--dpi", "20"]) == 0
    assert "snap_cross_power.png" in capsys.readouterr().out
    with open_result("snap_cross.hdf5") as file:
        first, second, cross = (file[f"power/PartType1{name}"] for name in ("", "_other", "_cross"))
        assert (first.attrs["of"], second.attrs["of"]) == ("PartType1", "PartType0")
        assert (
            list(cross.attrs["of"]) == ["PartType1", "PartType0"] and list(cross.attrs["source"]) == ["snap.hdf5"] * 2
        )
        says = [group.attrs["shot_noise_subtracted"] for group in (first, second, cross)]
        assert says == ["yes", "yes", "no"] and cross.attrs["redshift"] == 1
        np.testing.assert_array_equal(cross["modes"], second["modes"])
        raw = [group["power"][1:] + group["shot_noise"][1:] for group in (first, second)]
        error = np.sqrt((cross["power"][1:] ** 2 + raw[0] * raw[1]) / cross["modes"][1:])
        np.testing.assert_allclose(cross["error"][1:], error, rtol=1e-12)
        positive = (first["power"][:] > 0) & (second["power"][:] > 0)
        np.testing.assert_array_equal(np.isfinite(cross["correlation"]), positive)
        assert spectrum_paths(file) == ["power/PartType1", "power/PartType1_other"]
    spectrum = read_source("snap_cross.hdf5:power/PartType1_other")
    assert (spectrum.of, spectrum.shot_noise) == ("PartType0", "subtracted")
    assert main(["info", "snap_cross.hdf5"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert rows == [
        "  power/PartType1: PartType1, shot noise subtracted",
        "  power/PartType1_cross: cross power, shot noise not subtracted",
        "  power/PartType1_other: PartType0, shot noise subtracted",
    ]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("box.h5", "--cross-field", "cdm"), ("fdm/0", "cdm")),
        (("box.h5", "--field", "cdm", "--cross", "box.h5"), ("cdm", "fdm/0")),
        (("rho.npy", "--cross", "hole.npy", *GIVEN), ("array", "array")),
        (("box.h5", "--cross", "rho.npy", *GIVEN), ("fdm/0", "array")),
        (("snap.hdf5", "--cross", "gas.hdf5", "--cross-particle-type", 0), ("PartType1", "PartType0")),
        (("snap.hdf5", "--particle-type", 0, "--cross", "snap.hdf5"), ("PartType0", "PartType1")),
        (("box.h5", "--cross", "snap.hdf5", "--cross-particle-type", 0), ("fdm/0", "PartType0")),
        (("snap.hdf5", "--cross", "old", "--cross-unit-length", 2), ("PartType1", "PartType1")),
        (("old", "--unit-length", 2, "--cross", "box.h5"), ("PartType1", "fdm/0")),
        (("snap.hdf5", "--h", 0.7, "--cross", "box.h5", "--cross-field", "cdm"), ("PartType1", "cdm")),
        (("snap.hdf5", "--format", "gadget", "--cross-particle-type", 0), ("PartType1", "PartType0")),
    ],
)
def test_what_is_crossed(files, capsys, arguments, names):
    """Options of one's own, and those of both."""
    code, _, error = run(capsys, *arguments, "--output", "c.hdf5", *QUIET)
    assert code == 0, error
    with open_result("c.hdf5") as file:
        assert tuple(file[f"power/{names[0]}_cross"].attrs["of"]) == names
        assert file[f"power/{names[0]}_other"].attrs["of"] == names[1]


def test_powers_that_are_not_positive_are_told(files, capsys):
    """Of particles close to a lattice, whose power less shot noise is negative."""
    for name, seed in (("one", 1), ("two", 2)):
        lattice = (np.stack(np.indices((8, 8, 8)), -1).reshape(-1, 3) + 0.5) / 2
        jitter = 0.02 * np.random.default_rng(seed).standard_normal(lattice.shape)
        write_gadget(files, (lattice + jitter) % 4, box_size=4.0, redshift=1.0, header=HEADER, name=name)
    code, out, error = run(capsys, "one.hdf5", "--cross", "two.hdf5", "--cells", 8, *QUIET)
    assert code == 0, error
    assert "of PartType1 of one.hdf5 and PartType1 of two.hdf5: not known, P_1 or P_2 is not positive\n" in out


def test_anti_correlation_is_told(files, capsys):
    code, out, error = run(capsys, "rho.npy", "--cross", "hole.npy", *GIVEN, *QUIET)
    assert code == 0 and "7 of 7 bins are anti-correlated: P_12 < 0" in out and ": -1 +- " in out, error + out
    with open_result("rho_cross.hdf5") as file:
        group = file["power/array_cross"]
        assert np.all(group["power"][1:] < 0) and "shot_noise_subtracted" not in group.attrs


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("snap.hdf5", "--cross", "snap.hdf5"),
            "snap.hdf5: PartType1 crossed with itself: --cross must be of PartType0",
        ),
        (("snap.hdf5", "--cross-particle-type", 1), "snap.hdf5: PartType1 crossed with itself"),
        (("rho.npy", "--cross", "./rho.npy", *GIVEN), "array crossed with itself: --cross must be of another file"),
        (("snap.hdf5", "--cross-particle-type", 4), "found: PartType0, PartType1 (--cross-particle-type)"),
        (("snap.hdf5", "--cross-particle-type", "x"), "--cross-particle-type x: must be"),
        (("snap.hdf5", "--cross", "gone.npy"), "gone.npy: no such file"),
        (("snap.hdf5", "--cross", "old"), "has no unit_length: give --cross-unit-length [cMpc/h]"),
        (
            ("snap.hdf5", "--cross", "old", "--cross-unit-length", 1),
            "old: box of 2 x 2 x 2 cMpc/h: must be that of snap",
        ),
        (("box.h5", "--cross-field", "smooth"), "box.h5: --cross-field smooth: no such field; found: "),
        (
            ("snap.hdf5", "--cross", "rho.npy", *GIVEN, "--cells", 9),
            "--cells 9: must be the 8 x 8 x 8 cells of rho.npy",
        ),
        (("box.h5", "--cross", "rho.npy", "--box-size", 4), "rho.npy: the file has no redshift: give --redshift"),
        (("box.h5", "--cross", "snap.hdf5", "--cross-format", "x"), "--cross-format x: unknown"),
        (
            ("snap.hdf5", "--cross", "old", "--cross-unit-length", 8, "--box-size", 4),
            "(--box-size or --cross-unit-length, if the units are wrong)",
        ),
        (
            ("snap.hdf5", "--cross", "rho.npy", "--cross-dataset", "a", *GIVEN),
            "--cross-dataset a: an npy file holds one",
        ),
        (
            ("snap.hdf5", "--cross", "rho.npy", *(3 * ["--cross-dataset", "a"])),
            "--cross-dataset a,a,a: must be one array",
        ),
        (
            ("rho.npy", *GIVEN, "--cross", "snap.hdf5", "--cross-field", "x"),
            "--cross-field has no meaning for format gadg",
        ),
        (("rho.npy", *GIVEN, "--dataset", "a", "--cross", "snap.hdf5"), "rho.npy: --dataset a: an npy file holds one"),
        (("box.h5", "--cross-field", "cdm", "--mu-bins", 3), "--mu-bins 3: must not be given with --cross"),
        (("box.h5", "--cross-field", "cdm", "--multipoles"), "--multipoles: must not be given with --cross"),
        (("box.h5", "--cross", "snap.hdf5", "--output", "snap.hdf5"), "--output snap.hdf5: must not be a file that is"),
    ],
)
def test_refusals(files, capsys, arguments, says):
    before = sorted(files.iterdir())
    code, _, error = run(capsys, *arguments, *QUIET)
    lines = [line for line in error.splitlines() if line.startswith("gpu-fdm: error:")]
    assert code == 2 and len(lines) == 1 and says in lines[0], error
    assert sorted(files.iterdir()) == before


def test_the_result_of_another_pair_is_not_replaced(files, capsys):
    for other in ("hole.npy", "hole.npy"):
        assert run(capsys, "rho.npy", "--cross", other, *GIVEN, *QUIET)[0] == 0
    code, _, error = run(capsys, "rho.npy", "--cross", "box.h5", *GIVEN, *QUIET)
    says = "rho_cross.hdf5: is there already, with power/array_other of hole.npy: must not be replaced"
    assert code == 2 and says in error
    assert run(capsys, "snap.hdf5", "--cross-particle-type", 0, *QUIET)[0] == 0
    assert run(capsys, "snap.hdf5", "--particle-type", 0, "--cross", "snap.hdf5", *QUIET)[0] == 2


class TestShotNoise:
    """Whether it was subtracted is stored, in results of earlier versions it is not known."""

    @pytest.mark.parametrize(
        ("option", "word", "text"), [((), "yes", "subtracted"), (("--shot-noise",), "no", "not subtracted")]
    )
    def test_of_one_snapshot(self, files, capsys, option, word, text):
        code, _, error = run(capsys, "snap.hdf5", "--mu-bins", 2, "--multipoles", *option, *QUIET)
        assert code == 0, error
        with open_result("snap_power.hdf5") as file:
            for name in ("PartType1", "PartType1_mu", "PartType1_multipoles"):
                assert file[f"power/{name}"].attrs["shot_noise_subtracted"] == word
        assert main(["info", "snap_power.hdf5"]) == 0
        assert f"power/PartType1: PartType1, shot noise {text}" in capsys.readouterr().out
        assert read_source("snap_power.hdf5:power/PartType1").shot_noise == text

    def test_of_grids_there_is_none(self, files, capsys):
        assert run(capsys, "rho.npy", *GIVEN, *QUIET)[0] == 0
        with open_result("rho_power.hdf5") as file:
            assert "shot_noise_subtracted" not in file["power/array"].attrs
        assert read_source("rho_power.hdf5").shot_noise == ""

    def test_of_boosts(self, files, capsys):
        boost = ["boost", "snap.hdf5", "box.h5", "--above", "particle-type=0", "--cells", "8", "--shot-noise", *QUIET]
        assert main([*boost, "--numerator", "gas", "--denominator", "cdm", "--bin-width", "2"]) == 0, (
            capsys.readouterr()
        )
        assert read_boost("boost.csv").shot_noise == "not subtracted from gas"
        assert "# shot_noise: not subtracted from gas\n" in (files / "boost.csv").read_text()

    def test_results_of_earlier_versions(self, files, capsys):
        assert run(capsys, "snap.hdf5", *QUIET)[0] == 0
        with h5py.File("snap_power.hdf5", "r+") as file:
            del file["power/PartType1"].attrs["shot_noise_subtracted"]
            del file.attrs["digest"]
        assert read_source("snap_power.hdf5:power/PartType1").shot_noise == ""
        for command in (["plot", "snap_power.hdf5", "--dpi", "20"], ["info", "snap_power.hdf5"]):
            assert main(command) == 0
        assert "shot noise" not in capsys.readouterr().out.splitlines()[-1]
