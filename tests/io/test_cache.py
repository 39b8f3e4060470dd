"""Cached parts: what is stored comes back, on any number of ranks; what is not used is said, with reason and cost."""

import json
import logging

import h5py
import numpy as np
import pytest
from rank_runs import agree, needs_mpi, run_here
from source_copy import source_copy

from gpu_fdm.errors import RunError
from gpu_fdm.io.cache import Cache, fingerprint, key_differences, key_text

KEY = {"part": "model", "dark_matter.m22": 1.0, "box.cells": (64, 64, 180), "filament.profile_table": None}
ARRAYS = {
    "real": np.linspace(0, 1, 7),
    "single": np.ones((2, 3), np.float32),
    "complex": np.array([1 + 2j, 3]),
    "whole/number": np.array(7),
    "flags": np.array([True, False]),
    "text": "wkb, |ψ|²",
    "nothing": np.empty((0, 4)),
    "infinite": np.inf,
}


def test_what_is_stored_comes_back(tmp_path):
    cache = Cache(tmp_path / "new")
    assert cache.load("part", KEY) is None and not cache.folder.exists()
    cache.store("part", KEY, ARRAYS)
    found = cache.load("part", KEY)
    assert found.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        expected = np.asarray(values)
        assert found[name].dtype == expected.dtype and np.array_equal(found[name], expected), name
    assert cache.load("part", {**KEY, "dark_matter.m22": 2.0}) is None
    assert cache.load("other", KEY) is None
    assert [path for path, _ in cache.items("part")] == [cache.path("part", KEY)] == cache.paths("p*")
    cache.remove("part", KEY)
    cache.remove("part", KEY)
    assert cache.load("part", KEY) is None


def test_equal_keys_have_equal_texts():
    assert key_text({"b": (1, 2.5), "a": None}) == key_text({"a": None, "b": [1, 2.5]})
    assert fingerprint(KEY) == fingerprint(dict(reversed(KEY.items())))
    assert fingerprint({"x": 0.1}) != fingerprint({"x": 0.1 + 1e-17 * 2})


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file/kept")
    with pytest.raises(RunError) as caught:
        cache.store("part", KEY, ARRAYS)
    assert str(caught.value) == f"{cache.path('part', KEY)}: cannot be written: Not a directory"


@pytest.mark.parametrize("change", ["array", "key", "name", "cut", "empty"])
def test_damage_is_told_and_the_part_is_not_used(tmp_path, caplog, change):
    cache = Cache(tmp_path)
    cache.store("part", KEY, ARRAYS)
    path = cache.path("part", KEY)
    if change in ("cut", "empty"):
        path.write_bytes(path.read_bytes()[: -9 if change == "cut" else 0])
    else:
        with h5py.File(path, "r+") as file:
            if change == "array":
                file["arrays/real"][3] = np.nextafter(file["arrays/real"][3], 2)
            elif change == "key":
                file.attrs["key"] = key_text({**KEY, "dark_matter.m22": 2.0})
            else:
                file.move("arrays/real", "arrays/unreal")
    assert cache.load("part", KEY) is None and list(cache.items("part")) == []
    assert cache.load("part", KEY, instead="the run starts at step 0") is None
    first, second = caplog.messages
    assert first.startswith(f"{path} is damaged (") and first.endswith("): it is not used but computed again")
    assert second.endswith("): it is not used, the run starts at step 0")


def test_differences_are_told_with_both_values():
    new = json.loads(key_text(KEY))
    for change, said in (
        ({"dark_matter.m22": 0.25}, ["dark_matter.m22 = 0.25, now 1"]),
        ({"box.cells": [32, 32, 90]}, ["box.cells = 32, 32, 90, now 64, 64, 180"]),
        ({"filament.profile_table": "a" * 64}, ["filament.profile_table = table aaaaaaaa, now (empty)"]),
        ({"code": "a", "part": "x"}, ["other numerical code", "part = x, now model"]),
        ({"run.old": 3}, ["run.old, which no longer matters"]),
    ):
        assert key_differences({**new, **change}, new) == said
    tables = [{**new, "filament.profile_table": letter * 64} for letter in "ab"]
    assert key_differences(*tables) == ["filament.profile_table = table aaaaaaaa, now table bbbbbbbb"]
    assert key_differences({"x": 0.1}, {"x": 0.1 + 2e-17}) == ["x = 0.1, now 0.10000000000000002"]
    assert key_differences({name: value for name, value in new.items() if name != "box.cells"}, new) == ["no box.cells"]


def test_what_is_not_used_is_told_in_one_line(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    cache = Cache(tmp_path)
    other = {**KEY, "dark_matter.m22": 0.5}
    for number in range(3):
        cache.store(f"model-{number:02d}", {**other, "filament": number}, {})
    cache.store("power", {**other, "part": "power", "power.bin_width": 1.0}, {})
    cache.store("run", other, {}, title="wave_fdm: the checkpoint at step 120 (z = 3.2)")
    for number in range(3):
        assert cache.load(f"model-{number:02d}", {**KEY, "filament": number}) is None
    assert cache.load("power", {**KEY, "part": "power", "power.bin_width": 1.0}) is None
    assert caplog.messages == [
        f"{tmp_path}: model-00 and 3 more parts were made with dark_matter.m22 = 0.5, now 1: they are not used but "
        "computed again"
    ]
    caplog.clear()
    assert cache.load("run", KEY, report=False) is None and not caplog.messages
    cache.report_unused(["none", "run"], KEY, "the run starts at step 0")
    assert caplog.messages == [
        "wave_fdm: the checkpoint at step 120 (z = 3.2) was made with dark_matter.m22 = 0.5, now 1: it is not used, "
        "the run starts at step 0"
    ]


def test_the_nearest_part_is_told(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    cache = Cache(tmp_path)
    cache.store("part", {**KEY, "dark_matter.m22": 0.5, "box.cells": (1, 1, 1)}, {})
    cache.store("part", {**KEY, "dark_matter.m22": 2.0}, {})
    cache.load("part", KEY)
    assert caplog.messages == [
        f"{tmp_path}: part was made with dark_matter.m22 = 2, now 1: it is not used but computed again"
    ]
    many = {f"section.key{number}": number for number in range(9)}
    cache.store("many", many, {})
    cache.load("many", {name: 0.5 for name in many})
    assert "section.key3 = 3, now 0.5; 5 more keys that differ: it is" in caplog.messages[-1]


def test_other_code_is_a_warning(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    cache = Cache(tmp_path / "cache")
    with source_copy(tmp_path / "gpu_fdm") as copy:
        cache.store("part", KEY, {})
        copy.edit("simulation/grid.py", "\nfrom", "\n# a comment\nfrom")
        assert cache.load("part", KEY) == {}
        copy.edit("simulation/grid.py", "\nfrom", "\nCELLS = 3\nfrom")
        assert cache.load("part", KEY) is None
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert (
        record.getMessage()
        == f"{tmp_path}/cache: part was made with other numerical code: it is not used but computed again"
    )


def test_parts_of_earlier_versions_are_told(tmp_path, caplog):
    (tmp_path / "model-00-0123456789ab.npz").write_bytes(b"old")
    (tmp_path / "wave_fdm-0123456789ab.checkpoint.hdf5").write_bytes(b"old")
    (tmp_path / ".part-0123456789ab.hdf5.part-here-1").write_bytes(b"unfinished")
    cache = Cache(tmp_path)
    cache.remove_abandoned()
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path}: 2 parts are of an earlier version (")
    assert len(list(tmp_path.iterdir())) == 2
    cache.clear()
    assert not tmp_path.exists()


def slabs(ranks):
    """Rows of a few arrays that do not divide evenly; one has fewer rows than there are ranks."""
    rows = {"psi": np.arange(35.0).reshape(7, 5) * (1 + 1j), "few": np.arange(2), "none": np.empty((0, 3))}
    cut = {name: slice(*ranks.share(len(values))) for name, values in rows.items()}
    return rows, {name: values[cut[name]] for name, values in rows.items()}


def check(ranks):
    import tempfile
    from pathlib import Path

    folder = Path(ranks.bcast(tempfile.mkdtemp() if ranks.is_root else None))
    cache = Cache(folder / "cache")
    rows, own = slabs(ranks)
    cache.store("part", KEY, {"number": 3.5}, slabs=own, ranks=ranks)
    found = cache.load("part", KEY, ranks)
    assert found["number"] == 3.5
    assert all(np.array_equal(found[name], values) for name, values in own.items())
    # and on one rank
    alone = ranks.on_root(lambda: Cache(folder / "cache").load("part", KEY))
    assert all(np.array_equal(alone[name], values) for name, values in rows.items())

    def flip():
        with h5py.File(cache.path("part", KEY), "r+") as file:
            file["slabs/psi"][6, 4] = 0

    ranks.on_root(flip)
    assert cache.load("part", KEY, ranks) is None


@needs_mpi
@pytest.mark.parametrize("number", [1, 3])
def test_slabs_over_ranks(number):
    agree(__file__, number)


if __name__ == "__main__":
    run_here(check)
