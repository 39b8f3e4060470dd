"""Names of files: decimals are no numbers of parts, other files of a folder no snapshots, and no result is lost."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from snapshot_files import KPC_CM, write_axirepo, write_gadget, write_result

from gpu_fdm.commands.main import main
from gpu_fdm.errors import InputError
from gpu_fdm.snapshots.registry import open_snapshot

UNITS = {"UnitLength_in_cm": KPC_CM, "HubbleParam": 0.7, "Omega0": 0.3}
GIVEN = ("--box-size", "1", "--redshift", "0", "--dpi", "0")


def snapshot(folder, name, files=1, number=100, **more):
    folder.mkdir(exist_ok=True)
    positions = 75_000 * np.random.default_rng(number).random((number, 3))
    return write_gadget(folder, positions, files=files, name=name, box_size=75_000.0, header=UNITS, **more)


class TestDecimals:
    """snap_z0.5.hdf5 is no fifth part."""

    def test_in_a_folder(self, tmp_path):
        for redshift in (0.5, 0.9):
            snapshot(tmp_path, f"snap_z{redshift}", redshift=redshift)
        message = f"{tmp_path}: a folder with several snapshots, must be one of them: snap_z0.5.hdf5, snap_z0.9.hdf5"
        with pytest.raises(InputError, match=re.escape(message)):
            open_snapshot(tmp_path)
        with pytest.raises(InputError, match="snap_z0: no such file"):
            open_snapshot(tmp_path / "snap_z0")
        assert (
            open_snapshot(tmp_path / "snap_z0.9").redshift == open_snapshot(tmp_path / "snap_z0.9.hdf5").redshift == 0.9
        )

    def test_of_a_result(self, tmp_path):
        (tmp_path / "result.hdf5").touch()
        with pytest.raises(InputError, match=f"a folder: give {tmp_path}/result.hdf5"):
            open_snapshot(tmp_path)

    def test_alone_in_a_folder(self, tmp_path):
        snapshot(tmp_path, "snap_z0.5", redshift=0.5)
        assert open_snapshot(tmp_path).redshift == 0.5

    def test_of_parts(self, tmp_path):
        snapshot(tmp_path, "snap_z0.5", files=3, redshift=0.5)
        snapshot(tmp_path, "snap_z0.9", files=2, redshift=0.9)
        assert open_snapshot(tmp_path / "snap_z0.9").redshift == 0.9
        with pytest.raises(
            InputError, match=r"several snapshots, must be one of them: snap_z0\.5\.0\.hdf5, snap_z0\.9\.0"
        ):
            open_snapshot(tmp_path)

    def test_parts_that_do_not_say_so(self, tmp_path):
        for number in range(2):
            path = snapshot(tmp_path, f"snap.{number}")
            with h5py.File(path, "r+") as file:
                del file["Header"].attrs["NumFilesPerSnapshot"]
        with pytest.raises(InputError, match=r"several snapshots, must be one of them: snap\.0\.hdf5, snap\.1\.hdf5"):
            open_snapshot(tmp_path)


def test_one_name_of_two_snapshots(tmp_path):
    """In one file and in two, or in files of two endings."""
    snapshot(tmp_path, "snap_007"), snapshot(tmp_path, "snap_007", files=2, number=50)
    message = f"{tmp_path}/snap_007: the name of several snapshots, must be one of them: snap_007.0.hdf5, snap_007.hdf5"
    with pytest.raises(InputError, match=re.escape(message)):
        open_snapshot(tmp_path / "snap_007")
    assert open_snapshot(tmp_path / "snap_007.hdf5").number == 100
    assert open_snapshot(tmp_path / "snap_007.1.hdf5").number == 50


class TestOtherFiles:
    """A folder holds one snapshot, whatever else lies in it."""

    @pytest.fixture(params=["gadget", "axirepo"])
    def folder(self, request, tmp_path):
        if request.param == "gadget":
            snapshot(tmp_path, "snap_012", files=2)
        else:
            write_axirepo(tmp_path, np.ones((6, 6, 6)) + 0j, files=2)
        return tmp_path

    def test_hidden_files(self, folder):
        (folder / "._snap_012.hdf5").write_bytes(b"\0\5\x16\7" + b"\0" * 100)
        (folder / ".snap_012.0.hdf5.Xy12").write_bytes(b"part of a transfer")
        open_snapshot(folder)

    def test_own_results(self, folder, monkeypatch):
        monkeypatch.chdir(folder)
        write_result(folder / "result.hdf5", {"fdm": np.ones((6, 6, 6))}, (1.0, 1.0, 1.0))
        for _ in range(2):
            assert main(["power", ".", "--cells", "8", "--dpi", "0"]) == 0
        assert Path(f"{folder.name}_power.hdf5").is_file()

    def test_tables_of_groups(self, folder):
        with h5py.File(folder / "fof_subhalo_tab_012.hdf5", "w") as file:
            file.create_group("Header").attrs.update({"Ngroups_ThisFile": 3, "BoxSize": 75_000.0})
            file["Group/GroupPos"] = np.zeros((3, 3))
        open_snapshot(folder)

    def test_a_damaged_file_may_be_a_snapshot(self, folder):
        (folder / "snap_011.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n and then no more")
        with pytest.raises(
            InputError, match=r"several snapshots, must be one of them: snap_0.*snap_011\.hdf5|snap_011"
        ):
            open_snapshot(folder)


def measured(*arguments):
    return main(["power", *map(str, arguments), *GIVEN])


def source(path, name="array"):
    with h5py.File(path) as file:
        return file[f"power/{name}"].attrs["source"]


class TestResults:
    """Every snapshot has a result of its own, or is refused without --output."""

    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    @staticmethod
    def density(path, seed=0):
        Path(path).parent.mkdir(exist_ok=True)
        np.save(path, np.random.default_rng(seed).random((6, 6, 6)))

    def test_dots(self, tmp_path):
        names = "m22_0.5", "m22_0.8", "z0.5.final", "v1.0"
        for name in names:
            self.density(f"{name}.npy")
            assert measured(f"{name}.npy") == 0
        assert {path.name for path in tmp_path.glob("*_power.hdf5")} == {f"{name}_power.hdf5" for name in names}

    def test_the_same_name_in_two_folders(self, capsys):
        self.density("a/rho_4.npy"), self.density("b/rho_4.npy", seed=1)
        assert measured("a/rho_4.npy") == measured("a/rho_4.npy") == 0
        before = Path("rho_4_power.hdf5").read_bytes()
        assert measured("b/rho_4.npy") == 2
        message = (
            "rho_4_power.hdf5: is there already, with power/array of a/rho_4.npy: must not be replaced by "
            "power/array of b/rho_4.npy: give --output"
        )
        assert message in capsys.readouterr().err and Path("rho_4_power.hdf5").read_bytes() == before
        assert measured("b/rho_4.npy", "--output", "other.hdf5") == 0 and source("other.hdf5") == "b/rho_4.npy"
        assert measured("b/rho_4.npy", "--output", "rho_4_power.hdf5") == 0  # as asked for
        assert source("rho_4_power.hdf5") == "b/rho_4.npy"

    def test_the_same_file_by_another_path(self, tmp_path):
        self.density("rho_4.npy")
        assert measured("rho_4.npy") == measured(tmp_path / "rho_4.npy") == measured("./rho_4.npy") == 0

    def test_another_field_of_the_same_file(self, capsys):
        values = np.random.default_rng(1).random((6, 6, 6))
        write_result(Path("box.hdf5"), {"fdm": values, "smooth": values}, (1.0, 1.0, 1.0))
        assert main(["power", "box.hdf5", "--dpi", "0"]) == 0
        assert main(["power", "box.hdf5", "--dpi", "0", "--field", "smooth"]) == 2
        assert "box_power.hdf5: is there already, with no power/smooth: must not be" in capsys.readouterr().err

    def test_endings_that_differ(self):
        self.density("rho.npy")
        np.savez("rho.npz", np.ones((6, 6, 6)))
        assert measured("rho.npy") == 0 and measured("rho.npz") == 2

    @pytest.mark.parametrize("octets", [b"some text", b""])
    def test_a_file_that_is_no_result(self, octets, capsys):
        self.density("rho.npy")
        Path("rho_power.hdf5").write_bytes(octets)
        assert measured("rho.npy") == 2 and Path("rho_power.hdf5").read_bytes() == octets
        assert "rho_power.hdf5: is " in capsys.readouterr().err


class TestBoosts:
    """boost.csv is the name of all: what it replaces is said."""

    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for number, name in enumerate("abc"):
            np.save(f"{name}.npy", np.random.default_rng(number).random((6, 6, 6)))

    @staticmethod
    def boost(above, below, *more):
        names = ("--numerator", "above", "--denominator", "below")
        return main(["boost", above, below, *names, *GIVEN, *more])

    def test_another_ratio(self, capsys):
        assert self.boost("a.npy", "b.npy") == self.boost("a.npy", "b.npy") == 0
        assert "replaces" not in capsys.readouterr().err
        assert self.boost("a.npy", "c.npy") == 0
        assert "boost.csv: replaces the table of above/below, z = 0, a.npy over b.npy" in capsys.readouterr().err

    def test_a_file_that_is_no_table(self, capsys):
        Path("boost.csv").write_text("mine")
        assert self.boost("a.npy", "b.npy") == 2 and Path("boost.csv").read_text() == "mine"
        assert "boost.csv: is a file that gpu-fdm did not write: it is not replaced" in capsys.readouterr().err

    @pytest.mark.parametrize("ending", ["csv", "ecsv"])
    def test_files_of_others_are_not_replaced(self, capsys, ending):
        """Nor a table of somebody else, of which a boost can be read; a table of this program and an empty file are."""
        table = Path(f"table.{ending}")
        table.touch()
        assert self.boost("a.npy", "b.npy", "--output", str(table)) == 0
        ours = table.read_text()
        assert self.boost("a.npy", "b.npy", "--output", str(table)) == 0
        assert table.read_text() == ours and "replaces" not in capsys.readouterr().err
        assert self.boost("a.npy", "c.npy", "--output", str(table)) == 0
        assert f"{table}: replaces the table of above/below" in capsys.readouterr().err
        of_others = {
            "csv": (
                "# k: h/Mpc\n# numerator: a\n# denominator: b\nk,boost\n1,2\n2,3\n",
                "mine",
                "\n".join(ours.split("\n")[1:]),
            ),
            "ecsv": (ours.replace("beyond_nyquist", "beyond"), "mine", ours[: len(ours) // 2]),
        }
        for text in of_others[ending]:
            table.write_text(text)
            assert self.boost("a.npy", "b.npy", "--output", str(table)) == 2 and table.read_text() == text
            said = capsys.readouterr().err
            assert said.endswith(
                f"{table}: is a file that gpu-fdm did not write: it is not replaced, take another name\n"
            )
        table.unlink()
        table.mkdir()
        assert self.boost("a.npy", "b.npy", "--output", str(table)) == 2
        assert f"{table}: is a folder: it is not replaced" in capsys.readouterr().err
