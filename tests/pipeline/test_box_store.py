"""Densities that are measured and not stored: [box] store = no."""

import h5py
import numpy as np
import pytest
from fault_runs import contents, ini, run

from gpu_fdm.errors import InputError

MEASURED = "power", "correlation"


def test_what_is_measured_does_not_depend_on_what_is_stored(tmp_path):
    stored, measured = (run(ini(tmp_path / store), f"box.store={store}").result for store in ("yes", "no"))
    expected, found = contents(stored), contents(measured)
    names = [name for name in expected if name.startswith(MEASURED) and "@" not in name]
    assert len(names) >= 12
    for name in names:
        np.testing.assert_array_equal(found[name], expected[name])
    with h5py.File(measured) as file, h5py.File(stored) as other:
        assert list(file["density"]) == [] and list(other["density"]) == ["fdm", "smooth"]
        assert dict(file["density"].attrs)["mass_fdm"] == dict(other["density"].attrs)["mass_fdm"]
    assert measured.stat().st_size < stored.stat().st_size


def test_densities_that_are_wanted_later_are_stored_then(tmp_path):
    text, expected = ini(tmp_path / "result"), contents(run(ini(tmp_path / "other")).result)
    for store in ("yes", "no", "yes"):
        result = run(text, f"box.store={store}").result
        with h5py.File(result) as file:
            assert ("fdm" in file["density"]) == (store == "yes")
    found = contents(result)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_nothing_to_measure(tmp_path):
    text = ini(tmp_path / "result", power="").replace("[correlation]\n", "")
    with pytest.raises(InputError, match=r"\[box\] store = no: must be yes where neither \[power\] nor"):
        run(text, "box.store=no")
