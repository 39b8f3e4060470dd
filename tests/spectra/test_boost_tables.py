"""Tables of boosts and spectra: what is written is read back exactly, and a table without units or names is refused."""

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from locations import DATA
from spectrum_tables import write_spectrum_table

from gpu_fdm.errors import InputError, RunError
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.grid_spectrum import grid_spectrum
from gpu_fdm.spectra.power import power_spectrum
from gpu_fdm.spectra.spectrum import NORMALISED, Spectrum
from gpu_fdm.spectra.tables import published_boosts, read_boost, read_spectrum, write_boost

SUFFIXES = pytest.mark.parametrize("suffix", [".csv", ".ecsv"])
HEADER = "# numerator: fdm\n# denominator: smooth\n# k: h/Mpc\n"


def same(first, second):
    """Whether all fields are equal, arrays bit by bit."""
    for name, value in attrs.asdict(first).items():
        other = getattr(second, name)
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, other), name
            assert value.dtype == other.dtype
        else:
            assert value == other, name


positive = st.floats(1e-300, 1e300)


@SUFFIXES
@settings(max_examples=25, deadline=None)
@given(
    k=st.lists(positive, min_size=1, max_size=6, unique=True).map(sorted),
    value=positive,
    m22=st.none() | positive,
    errors=st.booleans(),
)
def test_boosts_are_read_back_exactly(tmp_path_factory, suffix, k, value, m22, errors):
    beyond = np.arange(len(k)) > 2
    error = np.full(len(k), value / 3) if errors else None
    source = "a: b, # c = \"d\" 'e' [f]; $\\psi$ é"
    boost = Boost(k, np.full(len(k), value), "fdm", "n-body", error, 4.0, m22, source, beyond)
    path = tmp_path_factory.mktemp("table") / f"boost{suffix}"
    write_boost(boost, path)
    same(boost, read_boost(path))


@SUFFIXES
def test_spectra_are_read_back_exactly(tmp_path, suffix):
    density = 1 + 0.3 * np.random.default_rng(2).standard_normal((12, 10, 8))
    measured = grid_spectrum(
        power_spectrum(density, (1.2, 1.0, 0.7)), "n-body", redshift=0.3, m22=None, source="snapshot"
    )
    single = Spectrum([1.0, 3.0], [1 / 3, 0.0], "fdm", NORMALISED, error=[0.1, 0.0], m22=2.0, floor=1e-19)
    for number, spectrum in enumerate((measured, single)):
        path = tmp_path / f"{number}{suffix}"
        write_spectrum_table(spectrum, path)
        same(spectrum, read_spectrum(path))


def test_what_is_written(tmp_path):
    boost = Boost([1.0, 2.5], [3.0, 0.1], "fdm", "smooth", [0.5, 0.01], 4.0, 1.0, "a run", [False, True])
    write_boost(boost, tmp_path / "boost.csv")
    assert (tmp_path / "boost.csv").read_text() == (
        "# numerator: fdm\n# denominator: smooth\n# redshift: 4.0\n# m22: 1.0\n# source: a run\n"
        "# errors: standard deviation, the halves of the ratio taken as uncorrelated; of several seeds from their "
        "scatter\n# k: h/Mpc\n# boost: 1\n"
        "k,boost,error,beyond_nyquist\n1.0,3.0,0.5,0\n2.5,0.1,0.01,1\n"
    )
    write_boost(boost, tmp_path / "boost.ecsv")
    text = (tmp_path / "boost.ecsv").read_text()
    assert "{name: k, unit: littleh / Mpc, datatype: float64}" in text
    assert "{numerator: fdm}" in text
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_ecsv_of_others(tmp_path):
    """Units with the columns, h/Mpc as astropy spells it, and no units in the meta data."""
    lines = ["%ECSV 1.0", "---", "datatype:", "- {name: k, unit: h / Mpc, datatype: float64}"]
    lines += ["- {name: boost, datatype: float32}", "meta: !!omap", "- {numerator: fdm}", "- {denominator: cdm}"]
    path = tmp_path / "boost.ecsv"
    path.write_text("".join(f"# {line}\n" for line in [*lines, "- {redshift: 3}"]) + "k boost\n1.0 2.0\n2.0 4.0\n")
    boost = read_boost(path)
    assert (boost.name, boost.redshift, boost.m22, boost.error) == ("fdm/cdm", 3.0, None, None)
    assert boost.boost.tolist() == [2, 4]


def test_wavenumbers_per_megaparsec(tmp_path):
    path = tmp_path / "boost.csv"
    path.write_text("# numerator: fdm\n# denominator: cdm\n# k: 1/Mpc\n# h: 0.5\nk,boost\n1,2\n3,4\n")
    assert read_boost(path).k.tolist() == [2, 6]
    path.write_text("# of: cdm\n# k: Mpc^-1\n# power: Mpc^3\n# h: 0.5\n# nyquist: 4\nk,power,error,modes\n1,16,8,2\n")
    spectrum = read_spectrum(path)
    assert (spectrum.k[0], spectrum.power[0], spectrum.error[0], spectrum.nyquist) == (2, 2, 1, 8)
    path.write_text("# of: cdm\n# k: h/Mpc\n# power: (Mpc/h)^3\n# box_size: 2\nk,power\n1,16\n")
    assert read_spectrum(path).box_size == (2, 2, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "# numerator: fdm\n# denominator: cdm\nk,boost\n1,1\n",
            "no unit of k: add '# k: UNIT' to the header, UNIT one of h/Mpc, 1/Mpc",
        ),
        (
            "# numerator: fdm\n# denominator: cdm\n# k: kpc\nk,boost\n1,1\n",
            "k: kpc in the header: must be one of h/Mpc, 1/Mpc",
        ),
        (
            "# numerator: fdm\n# denominator: cdm\n# k: 1/Mpc\nk,boost\n1,1\n",
            "k in 1/Mpc: add '# h: 0.7', the H0 / (100 km/s/Mpc) of the table",
        ),
        (
            "# denominator: cdm\n# k: h/Mpc\nk,boost\n1,1\n",
            "no numerator: add '# numerator: fdm' to the header, the field of the spectrum in the numerator",
        ),
        (
            "# numerator: fdm\n# k: h/Mpc\nk,boost\n1,1\n",
            "no denominator: add '# denominator: smooth, classical, n-body or cdm' to the header, "
            "the field of the spectrum in the denominator",
        ),
        (HEADER + "# redshift: late\nk,boost\n1,1\n", "redshift = late in the header: must be a finite number"),
        (
            HEADER + "k,boost\n2,1\n1,1\n",
            "fdm/smooth: k = 1 h/Mpc after 2: must increase",
        ),
        (
            HEADER + "k,boost\n2,-1\n",
            "fdm/smooth: boost = -1 at k = 2 h/Mpc: must be finite and not negative",
        ),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    path = tmp_path / "boost.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_boost(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "k,boost\n1,nan\n", ", line 5: boost = nan: must be a finite number"),
        (HEADER + "k,ratio\n1,2\n", ", line 4: no column boost; the header must hold k, boost (found k, ratio)"),
        (HEADER, ": empty, must have a header row with columns k, boost"),
        (HEADER + "k,boost,error\n1,2\n", ", line 5: 2 values, must be 3"),
    ],
)
def test_rows_that_are_refused(tmp_path, text, message):
    path = tmp_path / "boost.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_boost(path)
    assert str(caught.value) == f"{path}{message}"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "# k: h/Mpc\n# of: fdm\n",
            "no unit of power: add '# power: UNIT' to the header, UNIT one of (Mpc/h)^3, Mpc^3, 1",
        ),
        (
            "# k: h/Mpc\n# power: (Mpc/h)^3\n",
            "no of: add '# of: fdm' to the header, the field of the spectrum",
        ),
        (
            "# k: h/Mpc\n# power: (Mpc/h)^3\n# of: fdm\n# box_size: 1 2\n",
            "box_size = 1 2 in the header: must be one or three positive numbers",
        ),
    ],
)
def test_spectra_that_are_refused(tmp_path, header, message):
    path = tmp_path / "power.csv"
    path.write_text(f"{header}k,power\n1,1\n")
    with pytest.raises(InputError) as caught:
        read_spectrum(path)
    assert str(caught.value) == f"{path}: {message}"


def test_files_that_are_none(tmp_path):
    for name, message in (("none.csv", "no such file"), (".", "is no file")):
        with pytest.raises(InputError, match=f": {message}$"):
            read_boost(tmp_path / name)
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r": not a text file in UTF-8 \(byte 0 is 0x[0-9a-f]{2}\)$"):
        read_boost(tmp_path / "a.csv")
    (tmp_path / "a.ecsv").write_text("k,boost\n1,2\n")
    with pytest.raises(InputError, match=": not an ECSV table: "):
        read_boost(tmp_path / "a.ecsv")
    with pytest.raises(RunError, match=r": cannot be written: File exists$"):
        write_boost(published_boosts()[0], tmp_path / "a.csv" / "b.csv")


def test_ecsv_without_a_value(tmp_path):
    path = tmp_path / "a.ecsv"
    lines = ["%ECSV 1.0", "---", "datatype:", "- {name: k, unit: h / Mpc, datatype: float64}"]
    lines += ["- {name: boost, datatype: float64}", "meta: !!omap", "- {numerator: fdm}", "- {denominator: cdm}"]
    path.write_text("".join(f"# {line}\n" for line in lines) + 'k boost\n1.0 ""\n')
    with pytest.raises(InputError, match=r"fdm/cdm: boost = nan at k = 1 h/Mpc: must be finite and not negative$"):
        read_boost(path)


def test_published_tables_are_the_digitised_figure():
    """Ratios of the columns of the digitised figure wherever both have values, and their errors, from the same file."""
    lines = (DATA / "fig12_digitised.csv").read_text().splitlines()
    rows = np.array([[float(x or "nan") for x in line.split(",")] for line in lines if line[0].isdigit()])
    boosts = published_boosts()
    assert [boost.m22 for boost in boosts] == [1, 2, 4, 8]
    for boost, column in zip(boosts, rows[:, 2:].T, strict=True):
        legible = np.isfinite(rows[:, 1] * column)
        k, ratio = rows[legible, 0], column[legible] / rows[legible, 1]
        slope = np.gradient(np.log(ratio), np.log(k))
        error = ratio * np.sqrt(2 * 0.21**2 + (0.042 * slope) ** 2)
        assert np.array_equal(boost.k, k)
        assert boost.boost == pytest.approx(ratio, rel=1e-3)  # four digits
        assert boost.error == pytest.approx(error, rel=6e-3)  # three digits
        assert (boost.name, boost.object, boost.redshift) == ("fdm/classical", "one filament of 5e+09 Msun/h", 4.0)
        assert "A&A 696, A145" in boost.source
        assert "digitised" in boost.source


def test_a_table_as_numpy_writes_it_has_its_names_in_a_comment(tmp_path):
    path, rows = tmp_path / "boost.txt", np.array([[1.0, 1.1, 0.1], [2.0, 1.3, 0.2]])
    np.savetxt(path, rows, header="numerator: fdm\ndenominator: cdm\nk: h/Mpc\nk boost error")
    boost = read_boost(path)
    np.testing.assert_array_equal([boost.k, boost.boost, boost.error], rows.T)
    np.savetxt(path, rows, header="numerator: fdm\ndenominator: cdm\nk: h/Mpc\nk, boost, error", delimiter=",")
    np.testing.assert_array_equal(read_boost(path).error, rows[:, 2])
