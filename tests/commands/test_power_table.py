"""gpu-fdm power --table: a table of P(k) that other commands read, and what is refused."""

import h5py
import numpy as np
import pytest
from snapshot_files import MPC_CM, write_gadget

from gpu_fdm import InputError, read_measured
from gpu_fdm.commands.main import main
from gpu_fdm.spectra.tables import read_spectrum

GIVEN = ("--box-size", "4", "--redshift", "1", "--dpi", "0")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("rho.npy", np.random.default_rng(1).random((10, 8, 8)) + 0.1)
    header = {"UnitLength_in_cm": MPC_CM, "HubbleParam": 0.7, "Omega0": 0.3}
    points = 4 * np.random.default_rng(2).random((700, 3))
    write_gadget(tmp_path, points, box_size=4.0, redshift=1.0, header=header, name="snap")
    return tmp_path


def power(capsys, *arguments):
    code = main(["power", *arguments])
    return code, capsys.readouterr()


@pytest.mark.parametrize("name", ["p.csv", "p.ecsv"])
def test_the_table_has_the_numbers_of_the_result(files, capsys, name):
    code, told = power(capsys, "snap.hdf5", "--table", name, "--dpi", "0")
    assert code == 0 and f"\ntable: {name}\n" in told.out, told.err
    read = read_spectrum(name)
    with h5py.File("snap_power.hdf5") as file:
        stored = file["power/PartType1"]
        for ours, theirs in ((read.k, "k"), (read.power, "power"), (read.error, "error"), (read.modes, "modes")):
            np.testing.assert_array_equal(ours, stored[theirs][1:])
    assert (read.of, read.redshift, read.box_size) == ("PartType1", 1.0, (4.0, 4.0, 4.0))
    assert read.shot_noise == "subtracted" and read.edges.shape == (2, len(read.k))
    assert read.nyquist == pytest.approx(np.pi / 4 * 9)  # 9 cells a side, for 700 particles
    assert power(capsys, "snap.hdf5", "--table", name, "--dpi", "0")[0] == 0  # which replaces its own


def test_the_table_is_fitted_where_its_name_is_fdm(files, capsys):
    assert power(capsys, "rho.npy", *GIVEN, "--table", "p.csv", "--of", "fdm")[0] == 0
    measured, spectrum = read_measured("p.csv"), read_spectrum("p.csv")
    within = spectrum.k <= spectrum.nyquist
    np.testing.assert_array_equal(measured.values, spectrum.power[within])
    np.testing.assert_allclose(measured.errors, (spectrum.error / spectrum.power)[within], rtol=1e-14)
    with pytest.raises(InputError, match=r"rho_power\.hdf5: must be a table, as gpu-fdm power --table"):
        read_measured("rho_power.hdf5")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--table", "p.txt"), "--table p.txt: must end in .csv or .ecsv"),
        (("--table", "others.csv"), "others.csv: is a file that gpu-fdm did not write: it is not replaced"),
        (("--table", "none/p.csv", "--of", "a/b"), "--of = 'a/b': must be a short name in one line, without /"),
        (("--of", "fdm"), "--of fdm: is the name of what --table is of, which is not given"),
        (("--table", "p.csv", "--cross", "other.npy"), "--table p.csv: must not be given with --cross"),
    ],
)
def test_wrong_options_are_one_line(files, capsys, arguments, says):
    (files / "others.csv").write_text("mine\n")
    np.save("other.npy", np.random.default_rng(3).random((10, 8, 8)) + 0.1)
    code, told = power(capsys, "rho.npy", *GIVEN, *arguments)
    assert code == 2 and says in told.err and told.err.count("\n") == 1, told.err
    assert (files / "others.csv").read_text() == "mine\n" and not list(files.glob("*_power.hdf5"))
