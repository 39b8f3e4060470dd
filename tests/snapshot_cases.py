"""A small file in every format of grids, and what a reader must return for it."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from attrs import evolve
from snapshot_files import (
    jaxion_psi,
    write_axionyx,
    write_axirepo,
    write_fuzzylli,
    write_gamer,
    write_jaxion,
    write_pyultralight,
    write_result,
    write_ultradark,
)

from gpu_fdm.snapshots.options import SnapshotOptions

CELLS = (7, 6, 5)  # all different, so that transposed axes are noticed
GIVEN = SnapshotOptions(box_size=(7.0, 6.0, 5.0), redshift=1.5)


@dataclass
class Case:
    """A file, and the snapshot that it holds."""

    path: Path
    density: np.ndarray
    box_size: tuple = (7.0, 6.0, 5.0)
    redshift: float = 1.5
    format: str = ""
    options: SnapshotOptions = field(default_factory=SnapshotOptions)
    kind: str = "density"
    others: tuple = (None, None, None, None)  # h, omega_m, m22, time
    fields: tuple | None = None
    units: str = "units of the file"


def density(cells=CELLS, dtype=np.float64):
    return np.random.default_rng(5).random(cells).astype(dtype)


def psi(cells=CELLS):
    random = np.random.default_rng(6)
    return random.standard_normal(cells) + 1j * random.standard_normal(cells)


def squared(values):
    """|psi|^2 in double precision, whatever that of psi."""
    values = values.astype(complex)
    return values.real**2 + values.imag**2


def result(tmp):
    fdm, smooth = density(dtype=np.float32), np.ones(CELLS, np.float32)
    path = write_result(tmp / "result.hdf5", {"fdm": fdm, "smooth": smooth}, (7.0, 6.0, 5.0), redshift=1.5)
    others = (0.6731, 0.314649, 2.0, 3.5)
    return Case(path, fdm, others=others, fields=("fdm", "smooth"), units="mean matter densities")


def result_frame(tmp):
    frames = {f"fdm/{i}": density() + i for i in range(11)}
    path = write_result(tmp / "result.hdf5", frames, (7.0, 6.0, 5.0), redshift=1.5)
    options, others = SnapshotOptions(field="fdm/10"), (0.6731, 0.314649, 2.0, 3.5)
    return Case(
        path, density() + 10, options=options, others=others, fields=tuple(frames), units="mean matter densities"
    )


def fuzzylli(tmp):
    fdm = density((6, 6, 6))
    path = write_fuzzylli(tmp / "box.h5", {"fdm/0": fdm, "cdm": fdm + 1, "wdm": fdm + 2}, side=2.0, redshift=4.0)
    fields, units = ("cdm", "fdm/0", "wdm"), "mean matter densities"
    return Case(path, fdm, (2.0, 2.0, 2.0), 4.0, others=(None, None, 1.0, 0.0), fields=fields, units=units)


def axirepo(tmp):
    # 343 cells over 4 files: cuts in the middle of planes and rows
    values = psi((7, 7, 7))
    path = write_axirepo(tmp, values, files=4, dtype=np.float64)
    return Case(
        path, squared(values), (10.0, 10.0, 10.0), 3.0, kind="psi", others=(0.7, 0.3, None, None), fields=("psi",)
    )


def axirepo_single_precision(tmp):
    values = psi((5, 5, 5)).astype(np.complex64)
    case = Case(write_axirepo(tmp, values), squared(values), (10.0, 10.0, 10.0), 3.0, kind="psi")
    return replace(case, others=(0.7, 0.3, None, None))


def gamer(tmp):
    pytest.importorskip("yt", reason="the extra yt is not installed")
    values = density((16, 16, 32), np.float32)
    path = write_gamer(tmp / "Data_000003", values, density((16, 16, 16)), side=1.4, m22=0.8)
    others = (0.7, 0.3, pytest.approx(0.8, rel=1e-8), None)  # digits of the constants
    box_size = (1.4, 1.4, 2.8)
    return Case(
        path, values.astype(float), box_size, 3.0, others=others, fields=("Dens",), units="mean matter densities"
    )


def axionyx(tmp):
    pytest.importorskip("yt", reason="the extra yt is not installed")
    values = density((8, 8, 16))
    path = write_axionyx(tmp / "plt00010", values, side=2.0, redshift=3.0, h=0.7)
    box_size = pytest.approx((1.4, 1.4, 2.8), rel=1e-15)
    case = Case(path, values, box_size, pytest.approx(3.0, rel=1e-14), others=(0.7, 0.3, None, None))
    return replace(case, fields=("AxDens", "AxRe"), units="Msun/cMpc^3")


def jaxion(tmp):
    pytest.importorskip("tensorstore", reason="the extra jaxion is not installed")
    path = write_jaxion(tmp / "checkpoints")
    box_size = pytest.approx((1.4, 0.7, 0.7), rel=1e-15)
    case = Case(path, squared(jaxion_psi()), box_size, 3.0, kind="psi", others=(0.7, 0.3, 0.8, None))
    return replace(case, fields=("psi",), units="Msun/ckpc^3")


def pyultralight(name, values):
    def make(tmp):
        kind = "psi" if values.dtype.kind == "c" else "density"
        expected = squared(values) if kind == "psi" else values
        return Case(write_pyultralight(tmp / name, values), expected, options=GIVEN, kind=kind)

    return make


def ultradark(name, values):
    def make(tmp):
        kind = "psi" if values.dtype.kind == "c" else "density"
        expected = squared(values) if kind == "psi" else values
        return Case(write_ultradark(tmp / name, values), expected, options=GIVEN, kind=kind)

    return make


def hdf5_complex(tmp):
    with h5py.File(tmp / "any.h5", "w") as file:
        file.create_dataset("a/psi", data=psi().astype(np.complex64), chunks=(3, 2, 5), compression="gzip")
        file.create_dataset("a/other", data=density())
    options = evolve(GIVEN, dataset=("a/psi",), h=0.7)
    others = (0.7, None, None, None)
    return Case(tmp / "any.h5", squared(psi().astype(np.complex64)), options=options, kind="psi", others=others)


def hdf5_two_parts(tmp):
    with h5py.File(tmp / "any.hdf5", "w") as file:
        file["re"], file["im"] = psi().real.astype(">f4"), psi().imag.astype(np.float32)
    options = evolve(GIVEN, dataset=("re", "im"))
    return Case(tmp / "any.hdf5", squared(psi().astype(np.complex64)), options=options, kind="psi")


def numpy_pairs(name, fortran=False):
    def make(tmp):
        pairs = np.empty(CELLS, [("real", ">f8"), ("imag", ">f8")], order="F" if fortran else "C")
        pairs["real"], pairs["imag"] = psi().real, psi().imag
        (np.savez if name.endswith("npz") else np.save)(tmp / name, pairs)
        return Case(tmp / name, squared(psi()), options=GIVEN, kind="psi")

    return make


def hdf5_pairs(tmp, members=("re", "im"), dtype=np.float32):
    """Pairs of real numbers, in chunks, as other languages write complex ones."""
    pairs = np.empty(CELLS, [(name, dtype) for name in members])
    pairs[members[0]], pairs[members[1]] = psi().real, psi().imag
    with h5py.File(tmp / "pairs.h5", "w") as file:
        file.create_dataset("a/psi", data=pairs, chunks=(3, 2, 5), compression="gzip")
    expected = squared(pairs[members[0]] + 1j * pairs[members[1]])
    return Case(tmp / "pairs.h5", expected, options=GIVEN, kind="psi", fields=("a/psi",))


def hdf5_of_matlab(tmp, values=None):
    """MATLAB 7.3: after a user block, axes reversed, complex numbers as real and imag."""
    values = psi() if values is None else values
    pairs = np.empty(values.T.shape, [("real", "f8"), ("imag", "f8")] if values.dtype.kind == "c" else values.dtype)
    if values.dtype.kind == "c":
        pairs["real"], pairs["imag"] = values.T.real, values.T.imag
    else:
        pairs[...] = values.T
    with h5py.File(tmp / "box.mat", "w", userblock_size=512) as file:
        file["rho"] = pairs
        file["rho"].attrs["MATLAB_class"] = np.bytes_("double")
    with open(tmp / "box.mat", "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
    kind = "psi" if values.dtype.kind == "c" else "density"
    return Case(tmp / "box.mat", squared(values) if kind == "psi" else values, options=GIVEN, kind=kind)


def hdf5_density_of_matlab(tmp):
    return hdf5_of_matlab(tmp, density())


def hdf5_integers(tmp):
    counts = np.arange(np.prod(CELLS)).reshape(CELLS)
    with h5py.File(tmp / "counts", "w") as file:
        file["only"] = counts
    return Case(tmp / "counts", counts.astype(float), options=GIVEN, fields=("only",))


def numpy_compressed(tmp):
    np.savez_compressed(tmp / "x.npz", rho=density(dtype=np.float16), psi=psi())
    return Case(tmp / "x.npz", density(dtype=np.float16).astype(np.float32), options=evolve(GIVEN, dataset=("rho",)))


def numpy_fortran_in_zip(tmp):
    np.savez(tmp / "x.npz", rho=np.asfortranarray(density()))
    return Case(tmp / "x.npz", density(), options=GIVEN, fields=("rho",))


def numpy_plain(tmp):
    np.save(tmp / "field.npy", density(dtype=">f8"))
    return Case(tmp / "field.npy", density(), options=GIVEN)


CASES = {
    "gpu_fdm": [result, result_frame],
    "fuzzylli": [fuzzylli],
    "axirepo": [axirepo, axirepo_single_precision],
    "gamer": [gamer],
    "axionyx": [axionyx],
    "jaxion": [jaxion],
    "pyultralight": [
        pyultralight("rho_#3.npy", density()),
        pyultralight("psi_#3.npy", psi()),
        pyultralight("rho_#0.npz", density()),
        pyultralight("psi_#12.npz", psi()),
        pyultralight("rho_#3.hdf5", density()),
        pyultralight("psi_#3.hdf5", psi()),
    ],
    "ultradark": [
        ultradark("rho_3.npy", density()),
        ultradark("psi_3.npy", psi()),
        ultradark("rho_10.h5", density()),
        ultradark("psi_10.h5", psi()),
    ],
    "numpy": [
        numpy_plain,
        numpy_compressed,
        numpy_fortran_in_zip,
        numpy_pairs("a.npy"),
        numpy_pairs("a.npy", fortran=True),
        numpy_pairs("a.npz"),
    ],
    "hdf5": [
        hdf5_complex,
        hdf5_two_parts,
        hdf5_integers,
        hdf5_pairs,
        hdf5_of_matlab,
        hdf5_density_of_matlab,
    ],
}
