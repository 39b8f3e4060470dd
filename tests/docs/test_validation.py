"""docs/validation.md: quick rows computed again, names of checks, and failures for wrong numbers."""

import re
from functools import lru_cache

import h5py
import numpy as np
import pytest

from validation import checks_figures, run, same
from validation.catalogue import STAGES
from validation.registry import ABSOLUTE, ERRORS, RELATIVE, Check, Erratum
from validation.report import rounded, row

CHECKS = [check for _, checks in STAGES for check in checks]
CHEAP = [check for check in CHECKS if check.cheap]
SIMPLE = Check("S", "2.0", lambda: 2.01, 0.02, ABSOLUTE, "someone 1999")
WRONG = Erratum("P", "0.5", lambda: 1.0, 1e-3, lambda: 0.501, 0.01, "half", "someone 1999")


@lru_cache
def written():
    """The lines of docs/validation.md."""
    return run.DOCUMENT.read_text(encoding="utf-8").splitlines()


def test_names_are_unique_and_all_in_the_document():
    names = [check.name.replace("|", "\\|") for check in CHECKS]
    assert len(set(names)) == len(names)
    in_document = [re.split(r" (?<!\\)\| ", line)[0].removeprefix("| ") for line in written() if line.startswith("| ")]
    assert [name for name in in_document if name != "quantity"] == names


def test_nothing_fails_in_the_document():
    assert f"{len(CHECKS)} rows; none fails." in written()
    assert "**" not in "\n".join(written())


@pytest.mark.parametrize("check", CHEAP, ids=[check.name for check in CHEAP])
def test_cheap_rows(check):
    """Cheap checks pass, and the document has their rows."""
    result = check.evaluate()
    assert result.passed, row(result)
    assert row(result) in written()


def test_figure_is_the_table():
    assert checks_figures.table_agrees()


# checks, errata and the document


def test_an_outcome():
    outcome = SIMPLE.evaluate()
    assert outcome.passed and outcome.difference == pytest.approx(0.01)
    assert row(outcome) == "| S | 2.0 | 2.010 | +0.01 | 0.02 absolute | someone 1999 |  |"


@pytest.mark.parametrize(
    ("measure", "errors", "expected"),
    [(ABSOLUTE, None, 0.5), (RELATIVE, None, 0.25), (ERRORS, lambda: [0.1, 1.0], 2.0), ("in ln", None, np.log(1.25))],
)
def test_the_largest_of_many_counts(measure, errors, expected):
    check = Check("x", lambda: [1.0, 2.0], lambda: [0.8, 2.5], 3.0, measure, "someone 1999", errors=errors)
    assert check.evaluate().difference == pytest.approx(expected)
    assert "| 2 values | 2 values |" in row(check.evaluate())


@pytest.mark.parametrize("ours", [2.03, np.nan, -2.0])
def test_a_wrong_number_fails(ours):
    outcome = Check("S", "2.0", lambda: ours, 0.02, ABSOLUTE, "someone 1999").evaluate()
    assert not outcome.passed
    assert row(outcome).startswith("| **S** | **2.0** | **") and row(outcome).endswith("**FAILS** |")


def test_an_error_is_a_failure():
    def broken():
        raise ValueError("no barrier")

    for check in (
        Check("S", "2.0", broken, 0.02, ABSOLUTE, "someone 1999"),
        Check("S", broken, float, 1, ABSOLUTE, "x"),
    ):
        outcome = check.evaluate()
        assert not outcome.passed and row(outcome).endswith("**FAILS: no barrier** |")
    assert not Erratum("P", "0.5", broken, 1e-3, None, 0, "half", "someone 1999").evaluate().passed


def test_an_erratum():
    verdict = WRONG.evaluate()
    assert verdict.passed
    assert row(verdict) == "| P | 0.5 | 1.0000 | -0.5 | 0.5010 | half | someone 1999 |"


@pytest.mark.parametrize(
    ("right", "mistaken"),
    [(lambda: 0.5001, lambda: 0.5), (lambda: 1.0, lambda: 0.52), (lambda: np.nan, lambda: 0.5)],
    ids=["we have the mistake", "the mistake does not explain it", "nothing"],
)
def test_errata_that_fail(right, mistaken):
    assert not Erratum("P", "0.5", right, 1e-3, mistaken, 0.01, "half", "someone 1999").evaluate().passed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": ""}, "S: source: must not be empty"),
        ({"name": ""}, "name: must not be empty"),
        ({"measure": "about"}, "S: measure = about: must be one of relative, absolute, in ln, standard errors"),
        ({"measure": ERRORS}, "S: errors must be given with the measure 'standard errors', and only then"),
        ({"errors": list}, "S: errors must be given with the measure 'standard errors', and only then"),
        ({"allowed": np.nan}, "S: allowed = nan: must be >= 0 and finite"),
        ({"allowed": -1}, "S: allowed = -1: must be >= 0 and finite"),
    ],
)
def test_a_check_is_complete(change, message):
    given = {"name": "S", "published": "2", "ours": float, "allowed": 1, "measure": ABSOLUTE, "source": "someone 1999"}
    with pytest.raises(ValueError, match=re.escape(message)):
        Check(**(given | change))


def test_an_erratum_says_why():
    with pytest.raises(ValueError, match="P: why: must say what is wrong"):
        Erratum("P", "0.5", float, 1e-3, None, 0, "", "someone 1999")


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (13.220544, 1.3e-5, "13.22054"),
        (108.18, 0.45, "108.2"),
        (0.2, 1e-3, "0.200"),
        (188.0, 0.0, "188"),
        (24.0, 0.3, "24"),
        (2.775366e11, 2.7e5, "2.775366e11"),
        (1.9e-8, 1e-9, "1.9e-8"),
        (3.2e-17, 1e-12, "0"),
        (0.0, 1e-5, "0"),
        (np.nan, 1.0, "nan"),
    ],
)
def test_rounding(value, unit, expected):
    assert rounded(value, unit) == expected


@pytest.mark.parametrize(("allowed", "status"), [(0.02, 0), (0.002, 1)])
def test_a_run(monkeypatch, tmp_path, capsys, allowed, status):
    """A run prints a line for every check and exits with 1 for failures; a rerun writes the same document."""
    path = tmp_path / "validation.md"
    check = Check("S", "2.0", lambda: 2.01, allowed, ABSOLUTE, "someone 1999")
    monkeypatch.setattr(run, "STAGES", (("Variance", (check,)), ("Errata", (WRONG,))))
    monkeypatch.setattr(run, "DOCUMENT", path)
    monkeypatch.chdir(tmp_path)
    assert run.main() == status
    first = path.read_text()
    assert run.main() == status and path.read_text() == first
    assert list(tmp_path.iterdir()) == [path]
    assert ("**1 of 2 rows fail; they are in bold.**" in first) == bool(status)
    assert ("2 rows; none fails." in first) == (not status)
    assert f"2 checks in 0 s, {status} failed: validation.md" in capsys.readouterr().out


def test_a_run_that_breaks_leaves_the_document(monkeypatch, tmp_path):
    path = tmp_path / "validation.md"
    path.write_text("before")
    monkeypatch.setattr(run, "DOCUMENT", path)
    monkeypatch.setattr(run.os, "replace", lambda *paths: (_ for _ in ()).throw(OSError("no space")))
    monkeypatch.setattr(run, "STAGES", (("Variance", (SIMPLE,)),))
    with pytest.raises(OSError, match="no space"):
        run.main()
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


# results compared bit for bit


def write(path, density=1.0, title="a", created="today", name="density"):
    """A result in miniature."""
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["created"] = created
        file.create_group("box").attrs["title"] = title
        file[f"box/{name}"] = np.array([density, np.nan, 0.0])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"created": "tomorrow"}, None),
        ({"density": np.nextafter(1.0, 2.0)}, "a.hdf5: box/density: values differ"),
        ({"density": np.float32(1)}, None),
        ({"title": "b"}, "a.hdf5: box: attribute title differs"),
        ({"name": "other"}, "a.hdf5: box/density: only in one of the files"),
    ],
)
def test_results_are_compared_bit_for_bit(change, told, tmp_path, capsys):
    write(tmp_path / "before" / "a.hdf5")
    write(tmp_path / "after" / "a.hdf5", **change)
    assert same.main([str(tmp_path / "before"), str(tmp_path / "after")]) == (told is not None)
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].startswith("1 files compared, ") and (told is None or told in printed)


def test_a_missing_result_differs(tmp_path, capsys):
    write(tmp_path / "before" / "a.hdf5")
    assert same.main([str(tmp_path / "before"), str(tmp_path)]) == 1
    assert same.main([str(tmp_path), str(tmp_path)]) == 1  # nothing was compared
    assert f"a.hdf5: not in {tmp_path}" in capsys.readouterr().out
