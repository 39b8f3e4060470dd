"""Hostile tables give numbers or one clear line, and nothing in them is executed."""

import gzip

import numpy as np
import pytest
from attrs import fields
from hostile_inputs import NUMBERS, limits, spoiled
from locations import TESTS
from spectrum_tables import write_spectrum_table

from gpu_fdm.config.config import parse_config
from gpu_fdm.config.sections import SECTIONS
from gpu_fdm.cosmology.linear_power import linear_power
from gpu_fdm.cosmology.transfer import transfer
from gpu_fdm.errors import InputError
from gpu_fdm.filament.weights import weights_from_table
from gpu_fdm.io.kinds import InputFile
from gpu_fdm.pipeline.cut_out import read_cut_out
from gpu_fdm.pipeline.gas_haloes import read_haloes
from gpu_fdm.pipeline.model import filaments, profile_of
from gpu_fdm.spectra.boost import Boost, boost_of
from gpu_fdm.spectra.spectrum import Spectrum
from gpu_fdm.spectra.tables import read_boost, read_spectrum, write_boost

K = np.geomspace(0.1, 300, 12)


@pytest.fixture(autouse=True, scope="module")
def bounds():
    with limits():
        yield


def csv(header, *columns):
    rows = [",".join(f"{value:.6g}" for value in row) for row in zip(*columns, strict=True)]
    return "\n".join([*header, *rows, ""])


def of_config(text, path):
    """The filaments of a config that names a file."""
    config = parse_config(text.format(path), "x.ini")
    return [profile_of(config, filament) for filament in filaments(config)]


def weights(path, library):
    """Errors of a table of weights as a run reports them."""
    try:
        return weights_from_table(path, library)
    except ValueError as error:
        assert str(path) in str(error)
        raise InputError(str(error)) from None


def boost(path):
    """A boost."""
    read = read_boost(path)
    return read.k


def spectrum(path):
    """The ratio of a spectrum and theory."""
    read = read_spectrum(path)
    if len(read.k) > 1 and read.units == "(Mpc/h)^3":
        boost_of(read, Spectrum(read.k, 1 / read.k, "cdm"))
    return read.k


GOOD_BOOST = Boost(K, 1 + K, "fdm", "cdm", 0.1 * K, 4.0, 1.0, "a run", K > 100)
GOOD_SPECTRUM = Spectrum(K, 1 / K, "fdm", modes=K**2, error=0.1 / K, box_size=(1.0,) * 3, nyquist=100.0, redshift=4.0)
GAS = csv(
    ["mass,length,r0,sigma,cx,cy,cz,dx,dy,dz,ox,oy,oz"],
    *([5e9, 4e9], [1.1, 1.0], [0.004, 0.003], [6.8, 6.0], *([[0.1, 0.7]] * 3), *([[1, 0], [0, 1], [0, 0]] * 2)),
).replace("1,0,0,1,0,0", "1,0,0,0,1,0")
GAS = GAS.replace("0,1,0,0,1,0", "0,1,0,0,0,1")
WITH_GAS = "[wavefunction]\n[box]\nsize = 3\n[gas]\n"
TABLES = {
    "boost.csv": (boost, lambda path: write_boost(GOOD_BOOST, path)),
    "boost.ecsv": (boost, lambda path: write_boost(GOOD_BOOST, path)),
    "spectrum.csv": (spectrum, lambda path: write_spectrum_table(GOOD_SPECTRUM, path)),
    "spectrum.ecsv": (spectrum, lambda path: write_spectrum_table(GOOD_SPECTRUM, path)),
    "transfer.csv": (
        lambda path: transfer("table", table=path, m22=1.0, h=0.7),
        lambda path: path.write_text(csv(["k,transfer"], K, 1 / (1 + (K / 50) ** 4))),
    ),
    "linear_power.csv": (
        lambda path: linear_power("table", table=path),
        lambda path: path.write_text(csv(["k,power"], K, 1e4 * K**-2.5)),
    ),
    "profile.csv": (
        lambda path: of_config("[filament]\nprofile_table = {}\n[wavefunction]", path),
        lambda path: path.write_text(csv(["radius,density"], K / 300, 100 / (1 + (K / 20) ** 2) ** 2)),
    ),
    "gas.csv": (lambda path: of_config(WITH_GAS + "table = {}", path), lambda path: path.write_text(GAS)),
    "haloes.csv": (
        lambda path: read_haloes(parse_config(WITH_GAS + f"haloes = {path}", "x.ini")),
        lambda path: path.write_text(csv(["mass,cx,cy,cz"], [1e9, 2e9], *[[0.1, 0.7]] * 3)),
    ),
    "mass_function.csv": (
        lambda path: of_config(WITH_GAS + "number = 2\nmass_max = 1e10\nmass_function = {}", path),
        lambda path: path.write_text(csv(["mass,dn_dlnm"], 1e10 * K, 1 / K)),
    ),
}


# keys of an ini that name a file, and where it is tried
TABLES_OF_KEYS = {
    "linear_power_table": "linear_power.csv",
    "profile_table": "profile.csv",
    "table": "gas.csv",
    "haloes": "haloes.csv",
    "mass_function": "mass_function.csv",
    "transfer_table": "transfer.csv",
    "weights_table": "test_weights",
    "cut_out": "test_cut_outs",
}


def test_every_table_of_an_ini_is_tried():
    keys = [item for section in SECTIONS.values() for item in fields(section)]
    files = {item.name for item in keys if isinstance(getattr(item.metadata["kind"], "kind", None), InputFile)}
    assert files == set(TABLES_OF_KEYS)
    assert set(TABLES_OF_KEYS.values()) <= {*TABLES, "test_weights", "test_cut_outs"}


@pytest.mark.parametrize("name", TABLES)
def test_valid_tables(tmp_path, name):
    """The tables that are damaged below are read without an error."""
    read, write = TABLES[name]
    write(tmp_path / name)
    read(tmp_path / name)


@pytest.mark.parametrize("name", TABLES)
def test_spoiled_tables(hostile, tmp_path, name):
    """Bytes changed, cut out and put in."""
    read, write = TABLES[name]
    path, random = tmp_path / name, np.random.default_rng(2)
    write(path)
    octets, errors = path.read_bytes(), 0
    for _ in range(40 if name == "profile.csv" else 100):
        path.write_bytes(spoiled(octets, random))
        errors += isinstance(hostile(read, path), InputError)
    assert errors


@pytest.mark.parametrize("name", TABLES)
def test_every_number_in_a_table(hostile, tmp_path, name):
    """In a row, in the header of comments, and as the name of a column."""
    read, write = TABLES[name]
    path, random = tmp_path / name, np.random.default_rng(3)
    write(path)
    lines = path.read_text().splitlines()
    separator = " " if name.endswith(".ecsv") else ","
    for value in NUMBERS:
        for _ in range(2):
            spoilt = list(lines)
            number = int(random.integers(len(lines)))
            if ": " in lines[number]:
                spoilt[number] = f"{lines[number].partition(': ')[0]}: {value}"
            else:
                cells = lines[number].split(separator)
                cells[random.integers(len(cells))] = value
                spoilt[number] = separator.join(cells)
            path.write_bytes("\n".join(spoilt).encode(errors="surrogatepass"))
            hostile(read, path)


def test_weights(hostile, tmp_path, library):
    path, random = tmp_path / "weights.csv", np.random.default_rng(4)
    good = csv(["n,l,amplitude"], library.n[:20], library.l[:20], np.linspace(1, 0.1, 20)).encode()
    path.write_bytes(good)
    weights(path, library)
    for _ in range(150):
        path.write_bytes(spoiled(good, random))
        hostile(weights, path, library)
    for value in NUMBERS:
        for row in (f"{value},0,1", f"0,{value},1", f"0,0,{value}"):
            path.write_bytes(f"n,l,amplitude\n{row}\n".encode(errors="surrogatepass"))
            hostile(weights, path, library)


def test_cut_outs(hostile, tmp_path):
    path, random = tmp_path / "cut_out.hdf5", np.random.default_rng(5)
    good = (TESTS / "data/cut_out.hdf5").read_bytes()
    path.write_bytes(good)
    read_cut_out(path)
    for _ in range(40):
        path.write_bytes(spoiled(good, random))
        hostile(read_cut_out, path)


def ecsv(columns, meta, rows="1.0 2.0\n2.0 3.0"):
    lines = ["%ECSV 1.0", "---", "datatype:", *columns, *meta]
    return "".join(f"# {line}\n" for line in lines) + f"k boost\n{rows}\n"


COLUMNS = "- {name: k, unit: littleh / Mpc, datatype: float64}", "- {name: boost, datatype: float64}"
META = "meta: {numerator: fdm, denominator: cdm}"
LAUGHS = ["a0: &a0 lol", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
MERGED = ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10))]


@pytest.mark.parametrize(
    "text",
    [
        ecsv(COLUMNS, ["meta: !!python/object/apply:os.system ['touch exploded']"]),
        ecsv(COLUMNS, ["meta: !!python/object/apply:subprocess.check_call [['touch', 'exploded']]"]),
        ecsv(COLUMNS, ["meta: {numerator: !!python/name:os.system '', denominator: cdm}"]),
        ecsv(COLUMNS, ["meta: {numerator: !!python/module:os '', denominator: cdm}"]),
        ecsv(COLUMNS, ["meta:", "  __serialized_columns__:", "    k: {__class__: os.system, command: touch exploded}"]),
        ecsv(COLUMNS, ["meta:", *(f"  {line}" for line in LAUGHS)]),
        ecsv(COLUMNS, ["meta:", *(f"  {line}" for line in MERGED)]),
        ecsv(COLUMNS, [f"meta: {'[' * 5000}"]),
        ecsv(COLUMNS, [f"meta: {'{a: ' * 2000}"]),
        ecsv(["- {name: k, datatype: 'float64', subtype: 'float64[1099511627776]'}", COLUMNS[1]], [META]),
        ecsv(["- {name: k, datatype: string, subtype: 'float64[4294967296,null]'}", COLUMNS[1]], [META]),
        ecsv(["- {name: k, datatype: object}", COLUMNS[1]], [META]),
        ecsv(["- {name: k, datatype: complex128, unit: littleh / Mpc}", COLUMNS[1]], [META]),
        ecsv(["- {name: k, unit: m**1000000000, datatype: float64}", COLUMNS[1]], [META]),
        ecsv(["- {name: k, unit: 10**1000000000 m, datatype: float64}", COLUMNS[1]], [META]),
        ecsv([f"- {{name: k, unit: '{'(' * 500}m{')' * 500}', datatype: float64}}", COLUMNS[1]], [META]),
        ecsv(COLUMNS, [META], '"[1,2]" x'),
        ecsv(COLUMNS, [META], f"{'9' * 200_000} 1"),
    ],
    ids=lambda text: text.split("datatype:\n")[1][:70],
)
def test_headers_of_ecsv(hostile, tmp_path, monkeypatch, text):
    """YAML that would run a command, or be much once it is unfolded."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.ecsv"
    path.write_text(text)
    # astropy's tags are not of use here, and stand for nothing
    assert isinstance(hostile(read_boost, path), InputError) or "__class__" in text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["x.csv", "x.ecsv"])
def test_texts_that_are_none(hostile, tmp_path, name):
    """Packed ones are not unpacked, and files without an end are not read to it."""
    path = tmp_path / name
    path.write_bytes(gzip.compress(bytes(1 << 20)))
    assert ": not a text file in UTF-8 (byte 1 is 0x" in str(hostile(read_boost, path))
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    assert str(hostile(read_boost, path)) == f"{path}: too large a text, must have at most 256 MiB"


def test_a_column_twice(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("# numerator: fdm\n# denominator: cdm\n# k: h/Mpc\nk,boost,k\n1,2,3\n")
    with pytest.raises(InputError, match=r"x\.csv, line 4: column k is there 2 times$"):
        read_boost(path)


def test_a_cell_without_an_end(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"# numerator: fdm\n# denominator: cdm\n# k: h/Mpc\nk,boost\n{'1' * 200_000},2\n")
    with pytest.raises(InputError, match=r"x\.csv, line 5: field larger than field limit"):
        read_boost(path)


@pytest.mark.parametrize("h", ["1e200", "0", "-1", "1e-200"])
def test_h_of_no_universe(hostile, tmp_path, h):
    """Its powers overflow."""
    path = tmp_path / "x.csv"
    path.write_text(f"# of: cdm\n# k: Mpc^-1\n# power: Mpc^3\n# h: {h}\nk,power\n1,16\n")
    assert str(hostile(read_spectrum, path)) == f"{path}: h = {float(h):g} in the header: must be in [0.01, 10]"
