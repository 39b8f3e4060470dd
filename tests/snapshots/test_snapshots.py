"""Every grid format returns exactly what was written, in one slab or in those of any number of ranks."""

import json
import pickle
import re
import shutil
import sys
import tracemalloc

import h5py
import numpy as np
import pytest
from attrs import evolve, fields
from locations import REPOSITORY
from snapshot_cases import (
    CASES,
    GIVEN,
    density,
    hdf5_complex,
    numpy_compressed,
    numpy_plain,
    psi,
    result_frame,
    squared,
)
from snapshot_files import (
    jaxion_psi,
    write_axionyx,
    write_axirepo,
    write_gamer,
    write_jaxion,
    write_pyultralight,
    write_result,
    write_ultradark,
)

from gpu_fdm.commands.main import main
from gpu_fdm.errors import InputError, RunError
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.ranks import Ranks
from gpu_fdm.snapshots import snapshot as snapshot_module
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.snapshots.registry import READERS, open_snapshot
from gpu_fdm.spectra.power import power_spectrum


class Communicator:
    """A stand-in for MPI where only the distribution of planes matters."""

    def __init__(self, size):
        self.size = size

    def Get_size(self):
        return self.size

    def Get_rank(self):
        return 0


ALL = [pytest.param(name, make, id=f"{name}-{i}") for name, cases in CASES.items() for i, make in enumerate(cases)]


def test_every_grid_reader_is_here():
    assert {*CASES, "gadget", "gadget_binary"} == {reader.name for reader in READERS}
    assert len({reader.name for reader in READERS}) == len(READERS)


@pytest.mark.parametrize("name, make", ALL)
class TestGrid:
    """The contract of a reader of grids."""

    def test_headers(self, name, make, tmp_path):
        case = make(tmp_path)
        opened = open_snapshot(case.path, options=case.options)
        assert opened.format == name and opened.kind == case.kind
        assert opened.cells == case.density.shape
        assert opened.box_size == case.box_size and opened.redshift == case.redshift
        assert (opened.h, opened.omega_m, opened.m22, opened.time) == case.others
        assert opened.density_units == case.units
        assert opened.field in opened.fields
        assert case.fields is None or opened.fields == case.fields
        assert opened == open_snapshot(case.path, name, case.options)

    def test_values_on_any_number_of_ranks(self, name, make, tmp_path, monkeypatch):
        """|psi|^2 is exact too: one product, one product and one sum in double precision."""
        case = make(tmp_path)
        received = pickle.loads(pickle.dumps(open_snapshot(case.path, options=case.options)))  # as by MPI
        slab = received.slab(0, received.cells[0])
        assert slab.dtype == case.density.dtype == received.dtype and slab.flags.c_contiguous
        assert np.array_equal(slab, case.density)
        for ranks in (2, 3):
            of_ranks = Domain(received.cells, Ranks(Communicator(ranks))).planes_of_ranks
            slabs = [received.slab(planes.start, planes.stop) for planes in of_ranks]
            assert np.array_equal(np.concatenate(slabs), case.density)
        # and where the file is read plane by plane
        monkeypatch.setattr(snapshot_module, "PIECE", 1000)
        assert np.array_equal(received.slab(1, received.cells[0]), case.density[1:])
        assert received.slab(2, 2).shape == (0, *received.cells[1:])
        for planes in ((-1, 2), (3, 2), (0, received.cells[0] + 1)):
            with pytest.raises(ValueError, match="must be in 0"):
                received.slab(*planes)

    def test_errors_of_what_is_done_with_it_are_not_of_the_file(self, name, make, tmp_path):
        source = open_snapshot((case := make(tmp_path)).path, options=case.options).source
        for error in (ValueError, TypeError, KeyError, RuntimeError, OSError):
            with pytest.raises(error, match="a defect") as found, source.arrays():
                raise error("a defect")
            assert found.type is error

    def test_options_override_the_file(self, name, make, tmp_path, caplog):
        case = make(tmp_path)
        opened = open_snapshot(case.path, options=evolve(case.options, box_size=9.0, redshift=0.25))
        assert opened.box_size == (9.0, 9.0, 9.0) and opened.redshift == 0.25
        warned = "--box-size 9,9,9 overrides " in caplog.text
        assert warned == (name in ("gpu_fdm", "fuzzylli", "axirepo", "gamer", "axionyx", "jaxion"))


BAD_CELL = (4, 3, 2)


def bad_hdf5(tmp, values):
    with h5py.File(tmp / "x.hdf5", "w") as file:
        file.create_dataset("f", data=values, chunks=(2, 3, 5), compression="gzip")
    return tmp / "x.hdf5", "f"


def bad_ultradark(tmp, values):
    return write_ultradark(tmp / "rho_1.h5", values), "rho"


def bad_npy(tmp, values):
    np.save(tmp / "x.npy", values)
    return tmp / "x.npy", "array"


def bad_fortran_npy(tmp, values):
    return write_ultradark(tmp / "rho_1.npy", values), "array"


def bad_npz(tmp, values):
    return write_pyultralight(tmp / "rho_#1.npz", values), "arr_0"


@pytest.mark.parametrize("piece", [snapshot_module.PIECE, 100])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1e-9])
@pytest.mark.parametrize("write", [bad_hdf5, bad_ultradark, bad_npy, bad_fortran_npy, bad_npz])
def test_cells_that_are_no_density(tmp_path, monkeypatch, write, bad, piece):
    """The first of several is named, as [x, y, z] of the grid; slabs without them are read."""
    monkeypatch.setattr(snapshot_module, "PIECE", piece)
    values = density()
    values[BAD_CELL] = values[6, 5, 4] = bad
    path, name = write(tmp_path, values)
    opened = open_snapshot(path, options=GIVEN)
    for first in (0, 3):
        with pytest.raises(InputError) as error:
            opened.slab(first, 7)
        assert (
            str(error.value) == f"{path}: {name}: density = {bad:g} in cell [4, 3, 2]: must be finite and not negative"
        )
    assert np.array_equal(opened.slab(0, 4), values[:4])


@pytest.mark.parametrize("piece", [snapshot_module.PIECE, 100])
@pytest.mark.parametrize("write", [bad_hdf5, bad_npy, bad_fortran_npy])
def test_negative_densities_of_round_off_are_zero(tmp_path, monkeypatch, caplog, write, piece):
    """Beside the largest of the slab; one line tells of them."""
    monkeypatch.setattr(snapshot_module, "PIECE", piece)
    values = density()
    values[BAD_CELL], values[6, 5, 4] = -1e-19, -1e-13
    path, name = write(tmp_path, values)
    opened = open_snapshot(path, options=GIVEN)
    for _ in range(2):
        assert np.array_equal(opened.slab(0, 7), np.maximum(values, 0))
    assert caplog.messages == [f"{path}: {name}: cells are negative by round-off, down to -1e-13: taken as zero"]
    values[0] = -1e-11
    write(tmp_path, values)
    with pytest.raises(InputError, match=r"density = -1e-11 in cell \[0, 0, 0\]: must be finite and not negative"):
        open_snapshot(path, options=GIVEN).slab(0, 7)


def test_round_off_in_an_empty_plane(tmp_path, caplog):
    """The mean of a density of this program is known: planes far from all filaments are below its round-off too."""
    values = density()
    values[3] = -1e-19
    path = write_result(tmp_path / "r.hdf5", {"fdm": values}, (7.0, 6.0, 5.0))
    assert np.array_equal(open_snapshot(path).slab(3, 4), np.zeros((1, *values.shape[1:])))
    assert len(caplog.messages) == 1
    assert main(["power", str(path), "--output", str(tmp_path / "p.hdf5"), "--dpi", "0"]) == 0
    values[3, 0, 0] = -1e-6
    path = write_result(tmp_path / "r.hdf5", {"fdm": values}, (7.0, 6.0, 5.0))
    with pytest.raises(InputError, match=r"density = -1e-06 in cell \[3, 0, 0\]"):
        open_snapshot(path).slab(3, 4)


def test_psi_that_is_not_finite(tmp_path):
    """In a later file of several, and a square that overflows where psi does not."""
    values = psi((7, 7, 7))
    values[BAD_CELL] = 1e200
    path = write_axirepo(tmp_path, values, files=4, dtype=np.float64)
    message = f"{path}: FuzzyDM/PsiRe, FuzzyDM/PsiIm: |psi|^2 = inf in cell [4, 3, 2]: must be finite and not negative"
    with pytest.raises(InputError, match=re.escape(message)):
        open_snapshot(path).slab(2, 6)


@pytest.mark.parametrize("unit", [1e-25, 1e-20, 1.0, 1e18, 1e25])
def test_psi_of_single_precision_in_any_unit(tmp_path, unit):
    """Squares below and above what single precision holds: the same density but for the unit."""
    values = psi().astype(np.complex64)
    np.save(tmp_path / "psi_#1.npy", (unit * values.astype(complex)).astype(np.complex64))
    slab = open_snapshot(tmp_path / "psi_#1.npy", options=GIVEN).slab(0, 7)
    assert slab / slab.mean() == pytest.approx(squared(values) / squared(values).mean(), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_contrast_is_told_as_one(tmp_path, dtype):
    """A few negative cells are none: interpolation leaves some in a density."""
    values = density(dtype=dtype)
    np.save(tmp_path / "delta.npy", values / values.mean() - 1)
    with pytest.raises(
        InputError, match=r"not negative, but \d\d% of the cells are: give the density, not the contrast"
    ):
        open_snapshot(tmp_path / "delta.npy", options=GIVEN).slab(0, 7)


@pytest.mark.parametrize("stored", ["npy", "fortran npy", "hdf5"])
def test_a_plane_of_two_gigabytes(tmp_path, stored):
    """A sparse file: memory is taken for a plane, 0.5 MB, and a read buffer only."""
    shape = (1024, 256, 512)
    path = tmp_path / ("big.hdf5" if stored == "hdf5" else "big.npy")
    if stored == "hdf5":
        with h5py.File(path, "w") as file:
            layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            space = h5py.h5s.create_simple(shape)
            h5py.h5d.create(file.id, b"big", h5py.h5t.py_create(np.dtype(np.float64)), space, layout)
            file["big"][700, 3, 4] = 5.0
        options = evolve(GIVEN, dataset=("big",))
    else:
        fortran = stored != "npy"
        if fortran:
            shape = (2**20, 16, 16)  # a plane along x is a stride through all of the file: 256 pages
        mapped = np.lib.format.open_memmap(path, "w+", np.float64, shape, fortran_order=fortran)
        mapped[700, 3, 4] = 5.0
        del mapped
        options = GIVEN
    assert path.stat().st_size >= 2**30 > path.stat().st_blocks * 512
    opened = open_snapshot(path, options=options)
    tracemalloc.start()
    plane = opened.slab(700, 701)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert plane.shape == (1, *shape[1:]) and plane[0, 3, 4] == plane.sum() == 5.0
    assert peak < 4e6


def test_a_slab_that_does_not_fit(tmp_path, monkeypatch):
    opened = open_snapshot(numpy_plain(tmp_path).path, options=GIVEN)
    monkeypatch.setattr(snapshot_module, "available", lambda: 2000)
    message = f"{tmp_path}/field.npy: planes 0..7 take 0.0 GiB of memory, 0.0 GiB are available: use more ranks"
    with pytest.raises(RunError, match=re.escape(message)):
        opened.slab(0, 7)
    assert opened.slab(0, 4).shape == (4, 6, 5)  # 960 bytes, and as many as they are read


def test_power_of_a_plane_wave(tmp_path):
    """|psi|^2 = 1 + A cos(2 pi 3 x/L) has P = V A^2/4 at k = 3 (2 pi/L) and nothing elsewhere: units are right."""
    side, n, amplitude = 10.0, 16, 0.3
    contrast = amplitude * np.cos(2 * np.pi * 3 * np.arange(n) / n)
    values = np.sqrt(1 + contrast)[:, None, None] * np.exp(1j * np.arange(n))[None, :, None] * np.ones(n)
    opened = open_snapshot(write_axirepo(tmp_path, values, files=3, box_size=1e3 * side, dtype=np.float64))
    spectrum = power_spectrum(opened.slab(0, n), opened.box_size)
    row = np.argmax(spectrum.power)
    # two of the modes in the bin are the wave
    assert 2 * np.pi * 2.5 / side < spectrum.k[row] < 2 * np.pi * 3.5 / side
    assert spectrum.power[row] * spectrum.modes[row] == pytest.approx(2 * side**3 * amplitude**2 / 4, rel=1e-12)
    assert np.delete(spectrum.power, row).max() < 1e-24 * side**3


@pytest.mark.parametrize("format_name", [None, "gamer"])
def test_a_refined_level(tmp_path, format_name):
    pytest.importorskip("yt", reason="the extra yt is not installed")
    root, refined = density((16, 16, 32), np.float32), density((16, 16, 16), np.float32)
    path = write_gamer(tmp_path / "Data_000003", root, refined, side=1.4)
    opened = open_snapshot(path, format_name, SnapshotOptions(level=1))
    assert opened.cells == (32, 32, 64)
    expected = root.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    expected[:16, :16, :16] = refined
    assert np.array_equal(opened.slab(0, 32), expected)
    with pytest.raises(InputError, match=r"--level 2: must be in 0\.\.1, the levels of this snapshot"):
        open_snapshot(path, format_name, SnapshotOptions(level=2))


def test_gamer_without_expansion_needs_options(tmp_path):
    pytest.importorskip("yt", reason="the extra yt is not installed")
    grids = density((16, 16, 16), np.float32), density((16, 16, 16), np.float32)
    path = write_gamer(tmp_path / "Data_000003", *grids, side=1.4, comoving=False)
    message = "the file has no box_size and no redshift: give --box-size [cMpc/h] and --redshift"
    with pytest.raises(InputError, match=re.escape(message)):
        open_snapshot(path)
    opened = open_snapshot(path, options=SnapshotOptions(box_size=0.5, redshift=0.0))
    assert opened.box_size == (0.5, 0.5, 0.5) and opened.density_units == "units of the file" and opened.h is None


def test_without_yt(tmp_path, monkeypatch):
    """The formats are recognised all the same."""
    monkeypatch.setitem(sys.modules, "yt", None)
    files = {
        "gamer": write_gamer(tmp_path / "Data_000003", density((16, 16, 16)), density((16, 16, 16)), side=1.4),
        "axionyx": write_axionyx(tmp_path / "plt00010", density((8, 8, 16)), side=2.0),
    }
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(InputError, match=r"format jaxion is read with tensorstore: pip install tensorstore$"):
        open_snapshot(write_jaxion(tmp_path / "checkpoints"))
    for name, path in files.items():
        with pytest.raises(InputError) as error:
            open_snapshot(path)
        assert str(error.value) == f"{path}: format {name} is read with yt: pip install yt"


class TestJaxion:
    """A folder of checkpoints, and what is missing in it."""

    @pytest.fixture
    def path(self, tmp_path):
        pytest.importorskip("tensorstore", reason="the extra jaxion is not installed")
        return write_jaxion(tmp_path / "checkpoints").parent

    def test_the_only_checkpoint_of_a_folder(self, path):
        assert open_snapshot(path) == open_snapshot(path / "1")
        shutil.copytree(path / "1", path / "2")
        with pytest.raises(InputError, match=r"checkpoints: must be one checkpoint: 1, 2$"):
            open_snapshot(path)

    @pytest.mark.parametrize(
        ("section", "name", "value", "message"),
        [
            ("domain", "box_size", None, "params.json: domain.box_size = None: must be a number"),
            ("domain", "box_size", -1.0, "box_size = -0.0014,-0.0007,-0.0007 [cMpc/h] in the file: must be"),
            ("cosmology", "omega_matter", "many", "params.json: cosmology.omega_matter = many: must be a number"),
            ("physics", "cosmology", 0, "the file has no box_size and no redshift: give --box-size [cMpc/h] and"),
        ],
    )
    def test_parameters(self, path, section, name, value, message):
        parameters = json.loads((path / "params.json").read_text())
        parameters[section][name] = value
        (path / "params.json").write_text(json.dumps(parameters))
        with pytest.raises(InputError, match=re.escape(message)):
            open_snapshot(path)

    def test_damage(self, path):
        for found in [path / "params.json", *(file for file in path.rglob("*") if file.is_file())]:
            octets = found.read_bytes()
            found.write_bytes(octets[: len(octets) // 2])
            try:
                opened = open_snapshot(path)
                assert np.array_equal(opened.slab(0, 16), squared(jaxion_psi()))
            except InputError as error:
                assert str(path) in str(error)
            found.write_bytes(octets)


def test_a_missing_value_names_its_option(tmp_path):
    path = numpy_plain(tmp_path).path
    with pytest.raises(InputError) as error:
        open_snapshot(path, options=SnapshotOptions(redshift=1.0))
    assert str(error.value) == f"{path}: the file has no box_size: give --box-size [cMpc/h]"
    with pytest.raises(InputError) as error:
        open_snapshot(path, options=SnapshotOptions(box_size=1.0))
    assert str(error.value) == f"{path}: the file has no redshift: give --redshift"
    with pytest.raises(InputError) as error:
        open_snapshot(path)
    both = "the file has no box_size and no redshift: give --box-size [cMpc/h] and --redshift"
    assert str(error.value) == f"{path}: {both}"


@pytest.mark.parametrize(
    "values, message",
    [
        ({"box_size": -1.0}, "--box-size -1: must be one or 3 values, each a number in [1e-06, 1e+06] [cMpc/h]"),
        (
            {"box_size": (1.0, 2.0)},
            "--box-size 1,2: must be one or 3 values, each a number in [1e-06, 1e+06] [cMpc/h]",
        ),
        ({"redshift": -1.0}, "--redshift -1: must be a number in (-1, 10000]"),
        ({"h": float("nan")}, "--h nan: must be a number in [0.01, 10]"),
        ({"unit_length": 0.0}, "--unit-length 0: must be a number > 0 [cMpc/h]"),
        ({"particle_type": 1.5}, "--particle-type 1.5: must be an integer in [0, 63]"),
        ({"level": -1}, "--level -1: must be an integer in [0, 30]"),
        ({"dataset": ("a", "b", "c")}, "--dataset a,b,c: must be one array, or two for Re psi and Im psi"),
    ],
)
def test_options_out_of_range(values, message):
    with pytest.raises(InputError) as error:
        SnapshotOptions(**values)
    assert str(error.value) == message


def test_options_from_the_command_line():
    texts = {"box_size": "1, 2,3", "level": "2", "dataset": ["re", "im"], "h": None, "field": "fdm/0"}
    assert SnapshotOptions.from_text(texts) == SnapshotOptions(("re", "im"), "fdm/0", (1.0, 2.0, 3.0), level=2)
    with pytest.raises(InputError, match=r"--unit-length 1 kpc: must be a number > 0"):
        SnapshotOptions.from_text({"unit_length": "1 kpc"})


def test_the_docs_name_all_formats_and_options():
    text = (REPOSITORY / "docs" / "snapshots.md").read_text()
    formats = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert formats == {reader.name for reader in READERS}
    options = {name.replace("-", "_") for name in re.findall(r"^\| `--([\w-]+) ", text, re.MULTILINE)}
    assert options == {"format", *(item.name for item in fields(SnapshotOptions))}
    assert all(set(reader.options) <= options for reader in READERS)


def test_options_without_meaning(tmp_path):
    path = numpy_plain(tmp_path).path
    with pytest.raises(InputError) as error:
        open_snapshot(path, options=evolve(GIVEN, particle_type=2))
    assert str(error.value) == (
        f"{path}: --particle-type has no meaning for format numpy, which takes --dataset, --box-size, --redshift, --h"
    )


def test_fields_are_listed(tmp_path):
    path = result_frame(tmp_path).path
    found = "found: " + ", ".join(f"fdm/{i}" for i in range(11))
    with pytest.raises(InputError, match=re.escape(f"{path}: no field chosen: give --field; {found}")):
        open_snapshot(path)
    with pytest.raises(InputError, match=re.escape(f"{path}: --field smooth: no such field; {found}")):
        open_snapshot(path, options=SnapshotOptions(field="smooth"))
    path = hdf5_complex(tmp_path).path
    with pytest.raises(InputError, match=re.escape(f"{path}: no array chosen: give --dataset; found: a/other, a/psi")):
        open_snapshot(path, options=GIVEN)
    with pytest.raises(InputError, match=re.escape(f"{path}: psi: no such dataset; found: a/other, a/psi")):
        open_snapshot(path, options=evolve(GIVEN, dataset=("psi",)))
    path = numpy_compressed(tmp_path).path
    with pytest.raises(InputError, match=re.escape(f"{path}: no array chosen: give --dataset; found: rho, psi")):
        open_snapshot(path, options=GIVEN)


def test_formats_are_listed(tmp_path):
    (tmp_path / "notes.txt").write_text("no snapshot at all, but long enough to be looked at")
    known = f"known: {', '.join(reader.name for reader in READERS)}"
    with pytest.raises(InputError) as error:
        open_snapshot(tmp_path / "notes.txt")
    assert str(error.value) == f"{tmp_path}/notes.txt: no known format; {known} (--format)"
    with pytest.raises(InputError) as error:
        open_snapshot(tmp_path / "notes.txt", "gadjet")
    assert str(error.value) == f"--format gadjet: unknown; {known}"
    with pytest.raises(InputError) as error:
        open_snapshot(tmp_path / "nothing")
    assert str(error.value) == f"{tmp_path}/nothing: no such file"


def test_the_example_of_the_docs(tmp_path):
    """The complete reader in docs/snapshots.md works."""
    text = (REPOSITORY / "docs" / "snapshots.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    module = {"__name__": "gpu_fdm.snapshots.raw_cube", "__package__": "gpu_fdm.snapshots"}
    exec(compile(code, "docs/snapshots.md", "exec"), module)
    values = density((6, 6, 6), np.float32)
    (tmp_path / "density.raw").write_bytes(values.tobytes())
    opened = open_snapshot(tmp_path / "density.raw", options=GIVEN, readers=(module["READER"], *READERS))
    assert opened.format == "raw" and np.array_equal(opened.slab(1, 5), values[1:5])
    (tmp_path / "density.raw").write_bytes(values.tobytes()[:-1])
    with pytest.raises(InputError, match=r"density\.raw: 863 bytes: must be 4 N\^3 for N\^3 cells"):
        open_snapshot(tmp_path / "density.raw", options=GIVEN, readers=(module["READER"],))
