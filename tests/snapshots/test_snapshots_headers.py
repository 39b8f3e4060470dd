"""Headers as codes really write them: what is given comes before what makes no sense, and nothing is passed over."""

import re

import h5py
import numpy as np
import pytest
from attrs import evolve
from snapshot_files import KPC_CM, MPC_CM, write_fuzzylli, write_gadget, write_result

from gpu_fdm.errors import InputError
from gpu_fdm.io.schema import SNAPSHOT
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.snapshots.registry import open_snapshot

UNITS = {"UnitLength_in_cm": KPC_CM, "HubbleParam": 0.7, "Omega0": 0.3}
ISOLATED = {"ComovingIntegrationOn": 0}


def positions(side=75_000.0, number=200):
    return side * np.random.default_rng(8).random((number, 3))


def write(folder, header, without=(), **more):
    path = write_gadget(folder, positions(), box_size=75_000.0, header=UNITS | header, **more)
    with h5py.File(path, "r+") as file:
        for name in without:
            del file["Header"].attrs[name]
    return path


@pytest.mark.parametrize(
    ("header", "given", "says"),
    [
        ({"HubbleParam": 0.0}, {"h": 0.7}, "h = 0 in the file: must be a number in [0.01, 10]; --h 0.7 is taken"),
        ({"HubbleParam": 0.0}, {}, "h = 0 in the file: must be a number in [0.01, 10]; it is not used"),
        (
            {"Redshift": np.nan},
            {"redshift": 2.0},
            "redshift = nan in the file: must be a number in (-1, 10000]; --redsh",
        ),
        (
            {"UnitLength_in_cm": 0.0},
            {"unit_length": 0.001},
            "UnitLength_in_cm = 0: must be positive; --unit-length 0.001",
        ),
        (
            {"UnitLength_in_cm": "kpc"},
            {"unit_length": 0.001},
            "is of type object: must be a number; --unit-length 0.001",
        ),
        (
            {"BoxSize": -1.0},
            {"box_size": 75.0},
            "box_size = -0.001,-0.001,-0.001 [cMpc/h] in the file: must be one or 3",
        ),
        (
            {"BoxSize": "large"},
            {"box_size": 75.0},
            "BoxSize of /Header: is of type object: must be a number; --box-size",
        ),
        ({"BoxSize": 0.0, "Omega0": 0.0, "HubbleParam": 1.0}, {"box_size": 75.0}, ""),
    ],
)
@pytest.mark.parametrize("files", [1, 3])
def test_a_given_value_replaces_one_that_makes_no_sense(tmp_path, caplog, header, given, says, files):
    opened = open_snapshot(write(tmp_path, header, files=files), options=SnapshotOptions(**given))
    assert opened.box_size == pytest.approx((75.0,) * 3, rel=1e-14) and opened.redshift == 2.0
    assert says in caplog.text and len(caplog.records) == bool(says)


def test_given_values_in_other_formats(tmp_path, caplog):
    """Of a result of this program and of fuzzylli alike."""
    density = np.random.default_rng(1).random((6, 6, 6))
    options = SnapshotOptions(box_size=3.0, redshift=1.0)
    path = write_result(tmp_path / "r.hdf5", {"fdm": density}, (7.0, 7.0, 7.0))
    with h5py.File(path, "r+") as file:
        file["density/fdm"].attrs["box_size"] = "wide"
        del file.attrs["digest"]  # as changed on purpose
    other = write_fuzzylli(tmp_path / "b.h5", {"fdm/0": density}, side=np.nan, redshift=-3.0)
    for name in (path, other):
        opened = open_snapshot(name, options=options)
        assert opened.box_size == (3.0, 3.0, 3.0) and opened.redshift == 1.0
    assert "is of type object: must be a number; --box-size 3,3,3 is taken" in caplog.text
    assert "redshift = -3 in the file: must be a number in (-1, 10000]; --redshift 1 is taken" in caplog.text


def test_all_that_is_missing_is_asked_for_at_once(tmp_path):
    path = write(tmp_path, {"BoxSize": 0.0}, ("UnitLength_in_cm", "Redshift"))
    with pytest.raises(InputError) as error:
        open_snapshot(path)
    assert str(error.value) == (
        f"{path}: the file has no redshift and no unit_length and no box_size: give --redshift and --unit-length "
        "[cMpc/h] (0.001 for kpc/h, 1 for Mpc/h) and --box-size [cMpc/h]"
    )


GIZMO = ("UnitLength_in_cm", "Omega0")


@pytest.mark.parametrize(
    ("header", "factor", "warns"),
    [
        # GIZMO writes kpc/h over h, from its first version with the attribute on; UNIT_LENGTH_IN_CGS in its allvars.h
        ({"UnitLength_In_CGS": KPC_CM / 0.7, "GIZMO_version": 2022}, 1e-3, False),
        ({"UnitLength_In_CGS": KPC_CM / 0.7}, 1e-3, False),
        # a kiloparsec that is none over h: only GIZMO's own files can mean it
        ({"UnitLength_In_CGS": KPC_CM, "GIZMO_version": 2022}, 0.7e-3, False),
        ({"UnitLength_In_CGS": KPC_CM}, 1e-3, True),
        ({"UnitLength_In_CGS": 3 * KPC_CM}, 3 * 0.7e-3 * KPC_CM / 3.0856775814913673e21, False),
        # without expansion: physical, at z = 2
        ({"UnitLength_In_CGS": KPC_CM / 0.7, "GIZMO_version": 2022, **ISOLATED}, 3e-3, False),
    ],
)
def test_units_of_gizmo(tmp_path, caplog, header, factor, warns):
    opened = open_snapshot(write(tmp_path, {**header, "Omega_Matter": 0.31}, GIZMO))
    assert opened.box_size == pytest.approx((75_000 * factor,) * 3, rel=1e-12) and opened.omega_m == 0.31
    assert ("is taken as per h; GIZMO would have divided it by h = 0.7" in caplog.text) == warns
    assert next(opened.batches())[0] == pytest.approx(positions() * factor, rel=1e-12)


def test_units_of_gizmo_without_h(tmp_path):
    path = write(tmp_path, {"UnitLength_In_CGS": KPC_CM / 0.7}, (*GIZMO, "HubbleParam"))
    with pytest.raises(InputError, match="lengths are not per h, and the file has no h: give --h"):
        open_snapshot(path)
    assert open_snapshot(path, options=SnapshotOptions(h=0.7)).box_size == pytest.approx((75.0,) * 3, rel=1e-12)


def test_scale_factor_of_swift(tmp_path):
    """An array of one number, as SWIFT writes it."""
    path = write(tmp_path, {"Scale-factor": np.array([0.25])}, ("Redshift",))
    assert open_snapshot(path).redshift == 3.0
    path = write(tmp_path, {"Scale-factor": np.array([0.0])}, ("Redshift",))
    with pytest.raises(InputError, match="Scale-factor = 0: must be positive"):
        open_snapshot(path)


class TestMasses:
    """Masses of particles and MassTable."""

    own = np.exp(np.random.default_rng(1).normal(size=200))

    @pytest.mark.parametrize("table", [0.5, 7.0])
    def test_masses_count(self, tmp_path, caplog, table):
        path = write(tmp_path, {"MassTable": np.full(6, table)}, masses=self.own, files=2)
        opened = open_snapshot(path)
        assert opened.particle_mass is None
        assert np.array_equal(np.concatenate([mass for _, mass in opened.batches()]), self.own)
        (record,) = caplog.records
        assert f"MassTable has {table:g} for PartType1, whose Masses differ" in record.getMessage()

    def test_equal_masses(self, tmp_path, caplog):
        path = write(tmp_path, {"MassTable": np.full(6, 0.1)}, masses=np.full(200, 0.1, np.float32))
        assert np.all(np.concatenate([mass for _, mass in open_snapshot(path).batches()]) == np.float32(0.1))
        assert not caplog.records


class TestNumbers:
    """A header without NumPart_ThisFile, and tables of groups."""

    def test_arrays_say_how_many(self, tmp_path, caplog):
        path = write(tmp_path, {}, ("NumPart_ThisFile", "NumPart_Total"))
        with h5py.File(path, "r+") as file:
            file["PartType4/Coordinates"] = np.zeros((5, 3))
        for format_name in (None, "gadget"):
            opened = open_snapshot(path, format_name)
            assert opened.number == 200 and opened.fields == ("PartType1", "PartType4")
            assert "no NumPart_ThisFile in its header: the numbers of particles are those of the arrays" in caplog.text

    def test_neither_header_nor_arrays(self, tmp_path):
        path = write(tmp_path, {}, ("NumPart_ThisFile", "NumPart_Total"))
        with h5py.File(path, "r+") as file:
            del file["PartType1"]
        with pytest.raises(InputError, match="no NumPart_ThisFile in its header, and no PartTypeN/Coordinates"):
            open_snapshot(path, "gadget")

    @pytest.mark.parametrize(
        "names", [("Ngroups_ThisFile", "Nsubgroups_ThisFile"), ("Ngroups_Total", "Nsubhalos_Total")]
    )
    def test_tables_of_groups(self, tmp_path, names):
        path = tmp_path / "fof_subhalo_tab_004.hdf5"
        with h5py.File(path, "w") as file:
            file.create_group("Header").attrs.update(dict.fromkeys(names, 3) | {"BoxSize": 75.0, "Redshift": 0.0})
            file["Group/GroupPos"] = np.zeros((3, 3))
        message = f"{path}: a table of the groups of FOF or SUBFIND, without particles: must be the snapshot in which"
        for format_name in (None, "gadget"):
            with pytest.raises(InputError, match=re.escape(message)):
                open_snapshot(path, format_name)


def test_the_only_field_is_taken(tmp_path):
    """A snapshot of a simulation, whose name is not fdm; two fields are still asked for."""
    density = np.random.default_rng(1).random((6, 6, 6))
    for name in ("wave_fdm", "particles_cdm"):
        path = write_result(tmp_path / "r.hdf5", {name: density}, (7.0, 7.0, 7.0), schema=SNAPSHOT)
        assert open_snapshot(path).field == name
    path = write_result(
        tmp_path / "r.hdf5", {"wave_fdm": density, "particles_cdm": density}, (7.0, 7.0, 7.0), schema=SNAPSHOT
    )
    with pytest.raises(InputError, match="no field chosen: give --field; found: particles_cdm, wave_fdm"):
        open_snapshot(path)


class TestArraysOfNpz:
    """The only array of three dimensions is taken."""

    given = SnapshotOptions(box_size=1.0, redshift=0.0)

    def test_beside_others(self, tmp_path):
        psi = np.random.default_rng(1).normal(size=(5, 5, 5)) + 1j
        np.savez(tmp_path / "x.npz", time=3.0, psi=psi, k=np.arange(4.0), label=np.array("a"), mask=psi.real > 0)
        opened = open_snapshot(tmp_path / "x.npz", options=self.given)
        assert opened.field == "psi" and opened.cells == (5, 5, 5)

    @pytest.mark.parametrize(
        "arrays", [{"a": np.ones((5, 5, 5)), "b": np.ones((5, 5, 5))}, {"k": np.ones(3), "z": 1.0}]
    )
    def test_none_or_several(self, tmp_path, arrays):
        np.savez(tmp_path / "x.npz", **arrays)
        with pytest.raises(InputError, match=f"no array chosen: give --dataset; found: {', '.join(arrays)}"):
            open_snapshot(tmp_path / "x.npz", options=self.given)

    def test_two_at_a_time(self, tmp_path):
        np.savez(tmp_path / "x.npz", re=np.ones((5, 5, 5)), im=np.ones((5, 5, 5)))
        with pytest.raises(InputError, match="--dataset re,im: must be one array in an npz file, complex where"):
            open_snapshot(tmp_path / "x.npz", options=evolve(self.given, dataset=("re", "im")))


def test_a_result_without_grids(tmp_path):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file.attrs.update(config="", git_revision="")
    with pytest.raises(InputError, match="holds no density and no psi on a grid"):
        open_snapshot(tmp_path / "x.hdf5")


def test_of_what_a_megaparsec_is(tmp_path):
    assert open_snapshot(write(tmp_path, {"UnitLength_in_cm": MPC_CM})).box_size == (75_000.0,) * 3
