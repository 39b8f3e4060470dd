"""Whatever is in a snapshot: its spectrum, or one clear line; nothing outside of it is read, no memory is taken."""

import io
import struct
import zipfile
import zlib
from functools import cache

import h5py
import numpy as np
import pytest
from hostile_inputs import limits, spoiled
from snapshot_files import (
    write_axionyx,
    write_axirepo,
    write_fuzzylli,
    write_gadget,
    write_gamer,
    write_pyultralight,
    write_result,
    write_ultradark,
)

from gpu_fdm.errors import InputError, RunError
from gpu_fdm.pipeline.snapshot import Measurement, snapshot_power
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.snapshots.registry import open_snapshot

RANDOM = np.random.default_rng(5)
DENSITY = RANDOM.random((8, 8, 8)) + 0.5
PSI = RANDOM.standard_normal((6, 6, 6)) + 1j * RANDOM.standard_normal((6, 6, 6))
REPOSITORY = RANDOM.random((16, 16, 16)) + 0.5
POINTS = RANDOM.random((300, 3))
NOTHING, GIVEN = SnapshotOptions(), SnapshotOptions(box_size=7.0, redshift=1.5)
UNIT = SnapshotOptions(unit_length=1.0)
PARTICLES = {"box_size": 1.0, "parameters": {"HubbleParam": 0.7, "Omega0": 0.3, "UnitLength_in_cm": 3.085678e24}}
FILES = {
    "gpu_fdm": (lambda at: write_result(at / "r.hdf5", {"fdm": DENSITY}, (7.0, 7.0, 7.0)), NOTHING),
    "fuzzylli": (lambda at: write_fuzzylli(at / "b.h5", {"fdm/0": DENSITY, "cdm": DENSITY}), NOTHING),
    "axirepo": (lambda at: write_axirepo(at, PSI, box_size=10.0), NOTHING),
    "gadget": (lambda at: write_gadget(at, POINTS, RANDOM.random(300), **PARTICLES), NOTHING),
    "gadget parts": (lambda at: write_gadget(at, POINTS, files=3, box_size=1.0), UNIT),
    "hdf5": (lambda at: write_pyultralight(at / "rho_#1.hdf5", DENSITY), GIVEN),
    "h5 of julia": (lambda at: write_ultradark(at / "psi_1.h5", PSI), GIVEN),
    "npy": (lambda at: write_pyultralight(at / "rho_#1.npy", DENSITY), GIVEN),
    "npz": (lambda at: write_pyultralight(at / "rho_#1.npz", DENSITY), GIVEN),
    "gamer": (lambda at: write_gamer(at / "Data_000001", REPOSITORY, REPOSITORY, 1.0), NOTHING),
    "axionyx": (lambda at: write_axionyx(at / "plt00001", REPOSITORY, 1.0), NOTHING),
}
IN_HDF5 = [name for name in FILES if name not in ("npy", "npz", "axionyx")]
# part of the inputs, for what takes long: many attributes, files in parts, and yt
PART = {"gpu_fdm": 0.12, "fuzzylli": 0.15, "axirepo": 0.08, "gadget": 0.08, "gadget parts": 0.06, "gamer": 0.01}
SPOILED = {"gamer": 4, "axionyx": 4}
HOW = Measurement(cells=8, mu_bins=2, multipoles=True)


@pytest.fixture(autouse=True, scope="module")
def bounds(tmp_path_factory):
    # compiled loops and yt are loaded first: they are not what a file takes
    for write, options in FILES.values():
        snapshot_power(write(tmp_path_factory.mktemp("warm")), None, options, HOW)
    with limits():
        yield


def measured(path, options, format_name=None):
    """P(k) of a snapshot, whose errors name it."""
    try:
        found = snapshot_power(path, format_name, options, HOW)
    except (InputError, RunError) as error:
        assert str(path.parent) in str(error) or path.name in str(error), error
        raise
    assert np.all(np.isfinite(found.spectrum.power[1:][found.spectrum.modes[1:] > 0]))
    return found


# yt leaves files open when it stumbles
yt_leaves_files_open = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@yt_leaves_files_open
@pytest.mark.parametrize("name", FILES)
def test_spoiled_files(hostile, tmp_path, name):
    """Bytes changed, cut out and put in: most of them where the structure is, before the data."""
    write, options = FILES[name]
    path, random = write(tmp_path), np.random.default_rng(6)
    of_this = sorted(each for each in tmp_path.rglob("*") if each.is_file())
    octets, errors = {each: each.read_bytes() for each in of_this}, 0
    for number in range(SPOILED.get(name, 50)):
        spoilt = of_this[random.integers(len(of_this))]
        before = octets[spoilt]
        end = 2048 if number % 2 else None
        made = spoiled(before, random, end=end)
        heap = before.find(b"GCOL")
        if heap >= 0:  # HDF5 2.0 itself can loop for ever in a damaged heap of texts
            made = before[: heap + 4096] + spoiled(before[heap + 4096 :], random) if number % 2 else before[:heap]
        spoilt.unlink()  # yt may still have it open
        spoilt.write_bytes(made)
        errors += isinstance(hostile(measured, path, options), (InputError, RunError))
        spoilt.write_bytes(before)
    assert errors


def wrong_values():
    """For an attribute or a dataset: what others do not expect there."""
    text, compound = h5py.string_dtype(), np.dtype([("a", "f8"), ("b", "i4")])
    yield from (np.nan, np.inf, -np.inf, -1, 0, 1e300, -1e300, 5e-324, 2**31, 2**62, -(2**62), np.uint64(2**64 - 1))
    yield from (0.5, -1e-9, True, "1", "nan", b"1\xff", "x" * 10_000, np.float16(np.inf), np.longdouble("1e4000"))
    for value in (np.nan, -1, 2**62, b"1"):
        yield np.full(6, value)
    for value in (0.0, True, 1e300, np.float32(1e38), 5e-324, np.inf, 2**63 - 1, 1e300 + 1e300j):
        yield np.full((8, 8, 8), value)
    for value in (1e300, np.nan, np.int8(1)):
        yield np.full((300, 3), value)
    for value in (1e308, -1.0, 0.0):
        yield np.full(300, value)
    yield from (np.zeros(0), np.zeros((0, 3)), np.arange(5000.0), np.zeros((2, 3, 4)), np.ones(216, ">f4"), 1 + 2j)
    yield from (np.zeros(3, compound), np.zeros((), compound), np.array(["a", "b"], object), np.array("é", text))
    yield from (h5py.Empty("f8"), h5py.Empty(text), np.array(b"\0\1", "V2"), np.ones((2, 2), "S300"))
    yield np.array([1, 2], h5py.enum_dtype({"A": 1, "B": 2}))
    yield np.array([np.arange(3.0), np.arange(2.0)], object).astype(h5py.vlen_dtype(np.float64))


@cache
def packed():
    """68 MiB that take a thousandth of it in a file."""
    return zlib.compress(bytes(68 << 20))


def large_chunk(file, name):
    """Cells of which few are used."""
    chunks = (68, 1024, 128)
    made = file.create_dataset(name, (8,) * 3, "f8", chunks=chunks, maxshape=(None,) * 3, compression="gzip")
    made.id.write_direct_chunk((0, 0, 0), packed())


def wrong_nodes(path):
    """What takes the place of a dataset or a group: a function of the open file and the name."""
    other = path.with_name("secret.raw")
    other.write_bytes(bytes(8 * 8**3))
    with h5py.File(path.with_name("secret.hdf5"), "w") as file:
        file["density/fdm"], file["a"] = DENSITY, DENSITY

    def virtual(file, name):
        layout = h5py.VirtualLayout((8, 8, 8), np.float64)
        layout[...] = h5py.VirtualSource("secret.hdf5", "a", (8, 8, 8))
        file.create_virtual_dataset(name, layout)

    yield lambda file, name: file.create_group(name)
    yield lambda file, name: file.__setitem__(name, np.dtype("f8"))
    yield lambda file, name: file.__setitem__(name, h5py.SoftLink("/nowhere"))
    yield lambda file, name: file.__setitem__(name, h5py.SoftLink(f"/{name}"))
    yield lambda file, name: file.__setitem__(name, h5py.SoftLink("/"))
    yield lambda file, name: file.__setitem__(name, file["/"])
    yield lambda file, name: file.__setitem__(name, h5py.ExternalLink("secret.hdf5", "/a"))
    yield lambda file, name: file.__setitem__(name, h5py.ExternalLink("secret.hdf5", "/"))
    yield lambda file, name: file.__setitem__(name, h5py.ExternalLink("/etc/passwd", "/"))
    yield virtual
    yield large_chunk
    yield lambda file, name: file.create_dataset(name, (8,) * 3, "f8", external=[(str(other), 0, h5py.h5f.UNLIMITED)])
    yield lambda file, name: file.create_dataset(name, (2**20, 2**20, 1), "f8")
    yield lambda file, name: file.create_dataset(name, (2**40,), "f4", chunks=(2**20,), fillvalue=1)
    yield lambda file, name: file.create_dataset(name, (2**20, 2**10, 2**10), "f8", chunks=(64,) * 3, fillvalue=1)
    yield lambda file, name: file.create_dataset(name, (2**40, 3), "f8", chunks=(2**16, 3))
    yield lambda file, name: file.create_dataset(name, (4,), h5py.ref_dtype)
    yield lambda file, name: file.create_dataset(name, (), h5py.regionref_dtype)
    yield lambda file, name: None


def nodes(file):
    """Names of all objects, and (name, attribute) of all attributes."""
    found = []
    file.visit(found.append)
    return found, [(name, key) for name in ["/", *found] for key in file[name].attrs]


@yt_leaves_files_open
@pytest.mark.parametrize("name", IN_HDF5)
def test_other_types_and_numbers(hostile, tmp_path, name):
    """Every attribute and every dataset in turn is what it should not be, or is not there."""
    write, options = FILES[name]
    path, random = write(tmp_path), np.random.default_rng(7)
    octets = path.read_bytes()
    with h5py.File(path) as file:
        datasets, attributes = nodes(file)
    keep = PART.get(name, 1.0)
    for place, key in attributes:
        for value in [None, *wrong_values()]:
            if random.random() > keep:
                continue
            path.unlink()  # yt may still have it open
            path.write_bytes(octets)
            with h5py.File(path, "r+") as file:
                del file[place].attrs[key]
                if value is not None:
                    file[place].attrs[key] = value
            hostile(measured, path, options)
    for place in datasets:
        for value in [*wrong_values(), *wrong_nodes(path)]:
            if random.random() > keep:
                continue
            path.unlink()  # yt may still have it open
            path.write_bytes(octets)
            with h5py.File(path, "r+") as file:
                kept = dict(file[place].attrs)
                del file[place]
                if callable(value):
                    value(file, place)
                else:
                    file[place] = value
                if isinstance(file.get(place, getlink=True), h5py.HardLink):
                    file[place].attrs.update(kept)
            hostile(measured, path, options)


def header(descr="<f8", shape="(8, 8, 8)", fortran="False", version=b"\1\0", length=None):
    """An npy file whose header says this."""
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(text) if length is None else length) + text


HEADERS = [
    *(
        header(descr)
        for descr in ("|O", "|S8", "<U2147483647", "<M8[ns]", "|V8", "?", ">f8", "<f2", "<c32", "<f16", "f", "")
    ),
    *(header(descr) for descr in ([("a", "<f8")], [("a", "O")], ("<f8", (10**9,)), ("<f8", (2, 2)), None, 8, b"<f8")),
    *(header(shape=shape) for shape in ("()", "(0, 8, 8)", "(8, 8)", "(-8, -8, 8)", "(True, 1, 1)", "(8.0, 8, 8)")),
    *(header(shape=shape) for shape in (f"({2**62}, 1, 1)", f"({2**20},) * 3", f"({10**4000}, 1, 1)", "(8, 8, 8", "8")),
    *(header(shape=shape) for shape in (f"({2**21}, {2**21}, {2**21})", "-" * 5000 + "1", "(" * 180 + ")" * 180)),
    *(header(shape=shape) for shape in ("__import__('os')", "print(1)", "[x for x in (8, 8, 8)]", "(8, 8, 8), 'a': 1")),
    *(header(fortran=fortran) for fortran in ("2", "None", "'x'", "[]", "True")),
    *(header(version=version) for version in (b"\0\0", b"\2\0", b"\3\0", b"\xff\xff")),
    *(header(length=length) for length in (0, 1, 65535)),
    b"\x93NUMPY\x02\0\xff\xff\xff\xff{}",
]


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_headers_of_numpy(hostile, tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    for begin in HEADERS:
        for data in (b"", DENSITY.tobytes(), b"\x80\x04\x95" + bytes(93)):
            if kind == "npy":
                path.write_bytes(begin + data)
            else:
                with zipfile.ZipFile(path, "w") as archive:
                    archive.writestr("f.npy", begin + data)
            hostile(measured, path, GIVEN)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_spoiled_zips(hostile, tmp_path, method):
    stream, path, random = io.BytesIO(), tmp_path / "x.npz", np.random.default_rng(8)
    np.save(stream, DENSITY)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("f.npy", stream.getvalue())
    octets = path.read_bytes()
    for _ in range(50):
        path.write_bytes(spoiled(octets, random))
        hostile(measured, path, GIVEN)


def test_a_zip_that_unpacks_to_much(hostile, tmp_path, monkeypatch):
    """A plane of 128 MiB in a few octets: what it takes is counted before it is unpacked."""
    path, begin = tmp_path / "x.npz", header(shape="(1, 4096, 4096)")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("f.npy", "w") as stream:
        stream.write(begin)
        for _ in range(4096):
            stream.write(bytes(8 * 4096))
    assert path.stat().st_size < 1 << 18
    monkeypatch.setattr("gpu_fdm.snapshots.snapshot.available", lambda: 200 << 20)
    opened = open_snapshot(path, options=GIVEN)
    found = hostile(opened.slab, 0, 1)
    assert isinstance(found, RunError) and "planes 0..1 take 0.2 GiB of memory, 0.2 GiB are available" in str(found)


def test_large_chunks(tmp_path):
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w") as file:
        large_chunk(file, "f")
    with pytest.raises(
        InputError, match=r"f: chunks of 71303168 bytes, of shape \(68, 1024, 128\): larger than the arr"
    ):
        open_snapshot(path, options=GIVEN)


@pytest.mark.parametrize(("file", "word"), [("Header", "Level_0/Cell"), ("Level_0/Cell_H", "Cell_D_00000")])
@pytest.mark.parametrize("other", ["../secret", "/etc/passwd", "Level_0/../../secret"])
def test_plotfiles_that_name_files_outside(tmp_path, file, word, other):
    path = write_axionyx(tmp_path / "plt00001", REPOSITORY, 1.0)
    spoilt = path / file
    spoilt.write_text(spoilt.read_text().replace(word, other))
    with pytest.raises(InputError, match=f": {other}: leads out of the snapshot, which is not followed$"):
        open_snapshot(path)


@pytest.mark.parametrize("place", ["GridData/Dens", "Tree/Son", "Info/KeyInfo", "Extra"])
def test_gamer_with_links_outside(tmp_path, place):
    """Before yt follows them."""
    path = write_gamer(tmp_path / "Data_000001", REPOSITORY, REPOSITORY, 1.0)
    with h5py.File(path, "r+") as file:
        if place in file:
            del file[place]
        file[place] = h5py.ExternalLink("secret.hdf5", "/a")
    with pytest.raises(InputError, match=f"{place}: a link into another file, secret.hdf5, is not followed"):
        open_snapshot(path, "gamer")
