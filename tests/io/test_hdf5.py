"""What is said to be wrong with an HDF5 file is wrong with it: other errors stay what they are."""

import h5py
import numpy as np
import plot_files
import pytest

from gpu_fdm.errors import InputError
from gpu_fdm.io.digest import append_digest
from gpu_fdm.io.hdf5 import list_grids, open_result, opened
from gpu_fdm.pipeline.stages import figures
from gpu_fdm.plots import draw, spectra


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["rho"] = np.ones((2, 2, 2))
    return tmp_path / "a.hdf5"


@pytest.mark.parametrize("error", [OSError, KeyError, RuntimeError, ValueError, TypeError])
def test_errors_of_the_block_stay(path, error):
    with pytest.raises(error, match="a defect") as found, opened(path):
        raise error("a defect")
    assert found.type is error


def test_errors_of_arithmetic_and_of_what_h5py_calls_stay(path, monkeypatch):
    with pytest.raises(ValueError, match="cannot reshape") as found, opened(path) as file:
        file["rho"][()].reshape(3)
    assert found.type is ValueError

    def defect(node):
        raise ValueError("a defect")

    monkeypatch.setattr("gpu_fdm.io.hdf5._dtype", defect)
    with pytest.raises(ValueError, match=r"^a defect$"), opened(path) as file:
        list_grids(file)  # h5py calls the function that looks at each


@pytest.mark.parametrize(
    "read",
    [
        lambda file: file["nothing"],
        lambda file: file.attrs["nothing"],
        lambda file: file["rho"][:, :, :, 0],
        lambda file: np.asarray(file["rho"].id.get_chunk_info(0)),
    ],
)
def test_what_h5py_raises_is_of_the_file(path, read):
    with pytest.raises(InputError, match=f"^{path}: not an HDF5 file, or damaged or cut: "), opened(path) as file:
        read(file)


def test_defects_of_drawing_are_not_laid_on_the_result(tmp_path, monkeypatch):
    """Where the digest says that the program wrote the bytes; a file without one may hold anything."""
    path = tmp_path / "result.hdf5"
    with plot_files.result(path, plot_files.write_single_power):
        pass

    def defect(file):
        return {}["a defect"]

    shown = [figure for figure in figures() if figure.name == "single_power"]
    monkeypatch.setattr(spectra, "single_power", defect)
    what = "not what gpu-fdm writes, or changed, for it has no digest"
    with pytest.raises(InputError, match=f"^{path}: {what}: 'a defect'$") as found:
        draw(path, shown)
    assert isinstance(found.value.__cause__, KeyError)
    append_digest(path)
    with pytest.raises(KeyError, match="a defect") as found:
        draw(path, shown)
    assert found.type is KeyError
    says = r"is as gpu-fdm wrote it, but lacks what is read here \(another version wrote it\?\): .*nothing"
    with pytest.raises(InputError, match=f"^{path}: {says}"), open_result(path) as file:
        _ = file["nothing"]
