"""A run with the weights of a snapshot's psi: from the cut-out to weights, phases and the summary; wrong cut-outs."""

import h5py
import numpy as np
import pytest
from cut_outs import model, slices, write_cut_out

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.pipeline.run import run

INI = """[run]
threads = 1
backend = cpu
output = {folder}/result.hdf5
[dark_matter]
m22 = {m22}
[filament]
[wavefunction]
weights = projection
cut_out = {path}
energy_cut = {cut}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The model, psi, its amplitudes and the side of its lattice."""
    one = model(0.7)
    side = 3.2 * float(one.profile.radius_enclosing(0.9))
    return (one, *slices(one, 28, side, 60)[:2], side)


def config(folder, path, m22=0.7, cut=0.9):
    return parse_config(INI.format(folder=folder, path=path, m22=m22, cut=cut), "x.ini")


def test_weights_of_a_run_are_those_of_psi(made, tmp_path):
    one, psi, amplitude, side = made
    path = write_cut_out(tmp_path / "cut.hdf5", one, psi, side, 4 * side)
    outcome = run(config(tmp_path, path))
    expected = np.sum(np.mean(np.abs(amplitude) ** 2, axis=2), axis=1) / one.library.multiplicity
    with h5py.File(outcome.result) as file:
        modes, group = file["filaments/00/modes"], file["filaments/00/projection"]
        assert modes.attrs["weights"] == "projection"
        assert np.allclose(modes["weight"], expected, rtol=0.01, atol=1e-5 * expected.max())
        assert np.allclose(group["weight"], modes["weight"][:]) and np.allclose(group["wkb"], one.weights.weight)
        assert np.allclose(group["energy"], one.library.energy)
        assert group.attrs["tested_slices"] >= 5 and group.attrs["p_uniform"] > 1e-3 < group.attrs["p_independent"]
        polar, box = group["polar"], group["box"]
        assert np.all(np.abs(polar["mean"][:] - polar["model"]) < 4 * polar["error"][:] + 0.01 * polar["model"][:])
        assert np.allclose(polar["wkb"], polar["model"], rtol=1e-2)
        assert len(box["k"]) > 10 and box["modes"][:].min() > 0
    text = "\n".join(outcome.summary)
    assert "100.0% of its line mass" in text and "subtracted from slices: nothing" in text
    assert "rms of ln(weight/wkb)" in text and "are uniform (p = " in text
    again = run(config(tmp_path, path))
    assert "nothing to compute" in again.summary[0]


@pytest.mark.parametrize(
    ("about", "keys", "message"),
    [
        ({"name": "density"}, {}, "has a density, without phases: must have psi, of a snapshot with a wave function"),
        ({"m22": 1.0}, {}, "x.ini: [dark_matter] m22 = 0.7: must be that of the snapshot in cut_out, 1"),
        ({"redshift": 3.0}, {}, "x.ini: [cosmology] redshift = 4: must be that of the snapshot in cut_out, 3"),
        ({}, {"cut": 0.99}, "[wavefunction] energy_cut = 0.99: states reach to 0.1854 cMpc/h and the cut-out to 0.0"),
    ],
)
def test_wrong_cut_outs(made, tmp_path, about, keys, message):
    one, psi, _, side = made
    path = write_cut_out(tmp_path / "cut.hdf5", one, psi[:, :, :4], side, side, **about)
    with pytest.raises(InputError) as caught:
        run(config(tmp_path, path, **keys))
    assert message in str(caught.value) and str(caught.value).startswith("x.ini: [")


def test_other_files_are_no_cut_outs(tmp_path):
    for content, message in ((b"mine", "not an HDF5 file"), (None, "no such file")):
        path = tmp_path / "other.hdf5"
        if content:
            path.write_bytes(content)
        else:
            path.unlink()
        with pytest.raises(InputError, match=f"cut_out = .*other.hdf5: .*{message}"):
            run(config(tmp_path, path))
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="must be a file that gpu-fdm filament wrote around a filament"):
        run(config(tmp_path, path))
