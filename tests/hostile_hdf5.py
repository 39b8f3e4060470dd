"""Values and objects that do not belong into an HDF5 file of others: types, numbers, sizes, links, external storage."""

import zlib
from functools import cache

import h5py
import numpy as np


def wrong_values():
    """Values that no reader expects in an attribute or a dataset."""
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
    """68 MiB in a thousandth of the bytes."""
    return zlib.compress(bytes(68 << 20))


def large_chunk(file, name):
    """A chunk much larger than its array."""
    chunks = (68, 1024, 128)
    made = file.create_dataset(name, (8,) * 3, "f8", chunks=chunks, maxshape=(None,) * 3, compression="gzip")
    made.id.write_direct_chunk((0, 0, 0), packed())


def wrong_nodes(path):
    """Functions of an open file and a name that put another object there."""
    other = path.with_name("secret.raw")
    other.write_bytes(bytes(8 * 8**3))
    with h5py.File(path.with_name("secret.hdf5"), "w") as file:
        file["density/fdm"], file["a"] = np.ones((8, 8, 8)), np.ones((8, 8, 8))

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
