"""A wrong, cut or malicious file is an InputError of one line that names it: never a traceback, never made-up data."""

import errno
import io
import os
import pickle
import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from snapshot_files import (
    write_axirepo,
    write_fuzzylli,
    write_gadget,
    write_gadget_binary,
    write_pyultralight,
    write_result,
    write_ultradark,
)

from gpu_fdm.errors import InputError
from gpu_fdm.snapshots.options import OptionNeeded, SnapshotOptions
from gpu_fdm.snapshots.registry import READERS, open_snapshot

CELLS = (7, 6, 5)
GIVEN = SnapshotOptions(box_size=7.0, redshift=1.5)
NAMED = SnapshotOptions(box_size=7.0, redshift=1.5, dataset=("f",))


def density(cells=CELLS):
    return np.random.default_rng(5).random(cells)


def psi(n=6):
    random = np.random.default_rng(6)
    return random.standard_normal((n, n, n)) + 1j * random.standard_normal((n, n, n))


FILES = {
    "gpu_fdm": (lambda tmp: write_result(tmp / "r.hdf5", {"fdm": density()}, (7.0, 6.0, 5.0)), SnapshotOptions()),
    "fuzzylli": (lambda tmp: write_fuzzylli(tmp / "b.h5", {"fdm/0": density((6, 6, 6))}), SnapshotOptions()),
    "axirepo": (lambda tmp: write_axirepo(tmp, psi()), SnapshotOptions()),
    "gadget": (lambda tmp: write_gadget(tmp, density((300, 3))), SnapshotOptions(unit_length=1.0)),
    "gadget_binary": (
        lambda tmp: write_gadget_binary(tmp, density((300, 3)), box_size=1.0),
        SnapshotOptions(unit_length=1.0),
    ),
    "hdf5": (lambda tmp: write_pyultralight(tmp / "rho_#1.hdf5", density()), GIVEN),
    "h5 of julia": (lambda tmp: write_ultradark(tmp / "psi_1.h5", psi()), GIVEN),
    "npy": (lambda tmp: write_pyultralight(tmp / "rho_#1.npy", density()), GIVEN),
    "npz": (lambda tmp: write_pyultralight(tmp / "rho_#1.npz", density()), GIVEN),
}


def read_all(path, options, format_name=None):
    """The values of a snapshot, or the InputError; anything else fails the test."""
    try:
        opened = open_snapshot(path, format_name, options)
        if opened.kind == "particles":
            return np.concatenate([x for x, _ in opened.batches()])
        return opened.slab(0, opened.cells[0])
    except InputError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        return error


@pytest.mark.parametrize("name", FILES)
def test_truncated_files(tmp_path, name):
    """Nothing is read from truncated files, unless only bytes after the data are missing."""
    write, options = FILES[name]
    path = write(tmp_path)
    octets, complete = path.read_bytes(), read_all(path, options)
    assert isinstance(complete, np.ndarray)
    for length in [0, 1, 7, 8, 9, 100, 600, *range(1000, len(octets), 501), len(octets) - 1]:
        path.write_bytes(octets[:length])
        found = read_all(path, options)
        assert isinstance(found, InputError) or (np.array_equal(found, complete) and length > 0.5 * len(octets)), length
    path.write_bytes(b"")
    assert str(read_all(path, options)) == f"{path}: an empty file"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("format_name", [reader.name for reader in READERS if reader.name not in ("gamer", "axionyx")])
def test_files_of_another_format(tmp_path, name, format_name):
    """Read by name as what they are not: either that works, or one line says what is wrong."""
    write, _ = FILES[name]
    path = write(tmp_path)
    reader = next(known for known in READERS if known.name == format_name)
    values = {"box_size": 7.0, "redshift": 1.5, "unit_length": 1.0}
    read_all(path, SnapshotOptions(**{key: values[key] for key in values if key in reader.options}), format_name)


# not this program's own: HDF5 2.0 itself can loop for ever in a damaged heap of texts
@pytest.mark.parametrize("name", [name for name in FILES if name != "gpu_fdm"])
def test_files_with_wrong_bytes(tmp_path, name):
    """Bytes of the structure, before the data, are replaced at random: only InputErrors are raised."""
    write, options = FILES[name]
    path = write(tmp_path)
    octets, random = path.read_bytes(), np.random.default_rng(11)
    errors = 0
    for _ in range(60):
        spoiled = bytearray(octets)
        for _ in range(3):
            spoiled[random.integers(min(len(octets), 4096))] = random.integers(256)
        path.write_bytes(spoiled)
        errors += isinstance(read_all(path, options), InputError)
    assert errors


def with_file(tmp_path, fill):
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def other_file(tmp_path):
    with h5py.File(tmp_path / "secret.hdf5", "w") as file:
        file["f"] = density()
        file["density/fdm"] = density()
    return "secret.hdf5"


class TestNothingOutsideTheFile:
    """Links to other files are refused, links inside are followed, circles end."""

    def test_external_link(self, tmp_path):
        other = other_file(tmp_path)
        path = with_file(tmp_path, lambda file: file.__setitem__("f", h5py.ExternalLink(other, "/f")))
        message = f"{path}: f: a link into another file, secret.hdf5, is not followed"
        with pytest.raises(InputError, match=re.escape(message)):
            open_snapshot(path, options=NAMED)

    @pytest.mark.parametrize("link", ["/d", "d"])
    def test_external_link_on_the_way(self, tmp_path, link):
        def fill(file):
            file["d"] = h5py.ExternalLink(other_file(tmp_path), "/density")
            file["f"] = h5py.SoftLink(f"{link}/fdm")

        path = with_file(tmp_path, fill)
        with pytest.raises(InputError, match=r"f: a link into another file, secret\.hdf5, is not followed"):
            open_snapshot(path, options=NAMED)

    @pytest.mark.parametrize("format_name", ["gpu_fdm", "fuzzylli", None])
    def test_external_link_in_a_group(self, tmp_path, format_name):
        def fill(file):
            file.attrs.update({"config": "", "git_revision": "", "L_Mpc_div_h": 2.0, "z": 1.0})
            file["density/fdm"] = h5py.ExternalLink(other_file(tmp_path), "/density/fdm")

        path = with_file(tmp_path, fill)
        with pytest.raises(InputError, match="density/fdm: a link into another file"):
            open_snapshot(path, format_name)

    def test_soft_links_inside(self, tmp_path):
        def fill(file):
            file["g/h/data"] = density()
            file["g/here"] = h5py.SoftLink("h/data")
            file["f"] = h5py.SoftLink("/g/here")

        opened = open_snapshot(with_file(tmp_path, fill), options=NAMED)
        assert np.array_equal(opened.slab(0, 7), density())

    def test_circles(self, tmp_path):
        def fill(file):
            file["f"] = h5py.SoftLink("/g")
            file["g"] = h5py.SoftLink("/f")
            group = file.create_group("h")
            group["again"] = group
            file["h/again/again/data"] = density()

        path = with_file(tmp_path, fill)
        with pytest.raises(InputError, match="f: links that run in a circle"):
            open_snapshot(path, options=NAMED)
        # a group inside itself: its array is found once
        assert np.array_equal(open_snapshot(path, options=GIVEN).slab(0, 7), density())

    def test_virtual_and_external_storage(self, tmp_path):
        def virtual(file):
            layout = h5py.VirtualLayout(CELLS, np.float64)
            layout[...] = h5py.VirtualSource(tmp_path / "secret.hdf5", "f", CELLS)
            file.create_virtual_dataset("f", layout)

        def external(file):
            file.create_dataset("f", CELLS, np.float64, external=[(tmp_path / "secret.raw", 0, h5py.h5f.UNLIMITED)])

        other_file(tmp_path)
        for fill in (virtual, external):
            path = with_file(tmp_path, fill)
            with pytest.raises(InputError) as error:
                open_snapshot(path, options=NAMED)
            assert str(error.value) == (
                f"{path}: f: lies in other files (virtual or external storage), which are not followed"
            )


class TestNothingMadeUp:
    """HDF5 reads zeros where nothing was written: that is no density."""

    def test_never_written(self, tmp_path):
        path = with_file(tmp_path, lambda file: file.create_dataset("f", (2000, 2000, 2000), np.float64))
        with pytest.raises(InputError) as error:
            open_snapshot(path, options=NAMED)
        assert str(error.value) == f"{path}: f: 0 of 64000000000 bytes were written: the file is not complete"

    def test_partly_written(self, tmp_path):
        def fill(file):
            file.create_dataset("f", CELLS, np.float64, chunks=(2, 3, 5))[:5] = 1.0

        path = with_file(tmp_path, fill)
        with pytest.raises(InputError) as error:
            open_snapshot(path, options=NAMED)
        assert str(error.value) == f"{path}: f: 6 of 8 chunks were written: the file is not complete"

    def test_changed_after_opening(self, tmp_path):
        path = with_file(tmp_path, lambda file: file.__setitem__("f", density()))
        opened = open_snapshot(path, options=NAMED)
        with_file(tmp_path, lambda file: file.__setitem__("f", density((9, 6, 5))))
        with pytest.raises(InputError, match="f: has changed since it was opened"):
            opened.slab(0, 1)
        path.unlink()
        with pytest.raises(InputError, match=re.escape(f"{path}: no such file")):
            opened.slab(0, 1)


@pytest.mark.parametrize(
    "value, message",
    [
        (density((7, 6)), "has shape (7, 6): must have 3 dimensions, none of them empty"),
        (density((7, 0, 5)), "has shape (7, 0, 5): must have 3 dimensions, none of them empty"),
        (np.full(CELLS, b"x"), "holds values of type |S1: must be real or complex numbers"),
        (np.zeros(CELLS, bool), "holds values of type bool: must be real or complex numbers"),
        (np.zeros(CELLS, [("a", float), ("b", int)]), "holds values of type"),
    ],
)
def test_arrays_that_are_no_grid(tmp_path, value, message):
    path = with_file(tmp_path, lambda file: file.__setitem__("f", value))
    with pytest.raises(InputError, match=re.escape(f"{path}: f: {message}")):
        open_snapshot(path, options=NAMED)


def test_real_and_imaginary_parts_that_do_not_fit(tmp_path):
    def fill(file):
        file["re"], file["im"], file["psi"] = density(), density((7, 5, 6)), density() + 1j

    path = with_file(tmp_path, fill)
    for names, message in (
        (("re", "im"), f"{path}: re has shape (7, 6, 5), im (7, 5, 6): must be the same"),
        (("re", "psi"), f"{path}: psi: holds values of type complex128: must be real numbers"),
        (("re", "no"), f"{path}: no: no such dataset; found: im, psi, re"),
    ):
        with pytest.raises(InputError) as error:
            open_snapshot(path, options=SnapshotOptions(box_size=7.0, redshift=1.5, dataset=names))
        assert str(error.value) == message


class TestNumpyFiles:
    """Nothing is unpickled, nothing is made of what a header claims."""

    def test_pickles_are_not_opened(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return Path.touch, (tmp_path / "exploded",)

        array = np.array([[[Bomb()]]], dtype=object)
        np.save(tmp_path / "a.npy", array, allow_pickle=True)
        np.savez(tmp_path / "a.npz", array, allow_pickle=True)
        for name in ("a.npy", "a.npz"):
            with pytest.raises(InputError, match=re.escape(f"{tmp_path}/{name}: ")):
                open_snapshot(tmp_path / name, "numpy", options=GIVEN)
        assert not (tmp_path / "exploded").exists()

    @staticmethod
    def header(shape):
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
        return stream.getvalue()

    @pytest.mark.parametrize("shape", [(10**6, 10**6, 10**6), (2**40, 2**40, 2**40), (7, 6, 6), (-7, 6, 5)])
    def test_headers_that_lie(self, tmp_path, shape):
        octets = self.header(shape) + density().tobytes()
        (tmp_path / "a.npy").write_bytes(octets)
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("arr_0.npy", octets)
        for name in ("a.npy", "a.npz"):
            with pytest.raises(InputError, match=re.escape(f"{tmp_path}/{name}: ")):
                open_snapshot(tmp_path / name, options=GIVEN)

    def test_a_name_where_there_is_none(self, tmp_path):
        np.save(tmp_path / "a.npy", density())
        with pytest.raises(InputError, match=r"a\.npy: --dataset f: an npy file holds one array, without a name"):
            open_snapshot(tmp_path / "a.npy", options=NAMED)

    def test_a_name_that_is_not_there(self, tmp_path):
        np.savez(tmp_path / "a.npz", density())
        with pytest.raises(InputError, match=r"a\.npz: --dataset f: no such array; found: arr_0"):
            open_snapshot(tmp_path / "a.npz", options=NAMED)

    def test_damage_inside_a_zip(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez_compressed(path, density())
        octets = bytearray(path.read_bytes())
        octets[400:500] = bytes(100)
        path.write_bytes(octets)
        with pytest.raises(InputError, match=re.escape(f"{path}: not a NumPy file, or damaged or cut: ")):
            open_snapshot(path, options=GIVEN).slab(0, 7)


def test_damaged_chunks_are_found_when_they_are_read(tmp_path):
    path = with_file(
        tmp_path, lambda file: file.create_dataset("f", data=density(), chunks=(2, 3, 5), compression="gzip")
    )
    octets = path.read_bytes()
    with h5py.File(path) as file:
        chunk = file["f"].id.get_chunk_info(3)
    path.write_bytes(octets[: chunk.byte_offset] + bytes(chunk.size) + octets[chunk.byte_offset + chunk.size :])
    opened = open_snapshot(path, options=NAMED)
    with pytest.raises(InputError, match=re.escape(f"{path}: not an HDF5 file, or damaged or cut: ")):
        opened.slab(0, 7)


def test_files_that_cannot_be_opened(tmp_path, monkeypatch):
    path = with_file(tmp_path, lambda file: file.__setitem__("f", density()))
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read all
        monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match=re.escape(f"{path}: cannot be read: Permission denied")):
        open_snapshot(path, options=NAMED)
    name = "x" * 5000
    with pytest.raises(InputError, match="xx: cannot be read: File name too long"):
        open_snapshot(tmp_path / name)


def refuse(*arguments, **keywords):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_folder_or_a_device_is_no_snapshot(tmp_path):
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(InputError, match="no known format"):
            open_snapshot(path)
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        open_snapshot(tmp_path, "hdf5", NAMED)
    for name in ("gadget", "axirepo"):
        message = f"{tmp_path}: a folder without NAME.hdf5 or NAME.0.hdf5: no snapshot of this format"
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            open_snapshot(tmp_path, name)


def test_an_option_that_is_needed_is_known_on_all_ranks(tmp_path):
    """It travels between ranks, which then raise it too; it says in what way the option is needed."""
    path = write_fuzzylli(tmp_path / "b.h5", {"a": density((6, 6, 6)), "b": density((6, 6, 6))})
    with pytest.raises(OptionNeeded) as raised:
        open_snapshot(path)
    for error in (raised.value, pickle.loads(pickle.dumps(raised.value))):
        assert str(error) == f"{path}: {error.what}" and "give --field" in error.what
        assert (error.options, error.choices) == (("field",), ("a", "b"))
