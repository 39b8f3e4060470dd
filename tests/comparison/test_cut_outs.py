"""gpu-fdm compare with a cut-out: numbers of known weights and of a run with projected ones; wrong pairs."""

import csv

import h5py
import numpy as np
import pytest
from cut_outs import model, slices, write_cut_out
from plot_files import result as made

from gpu_fdm.commands.main import main
from gpu_fdm.comparison.cut_outs import compare_cut_out, compare_cut_outs, draw_cut_outs
from gpu_fdm.comparison.drawn import pairs_by_figure
from gpu_fdm.config.config import parse_config
from gpu_fdm.pipeline.run import run

INI = """[run]
threads = 1
backend = cpu
output = {folder}/{weights}.hdf5
[dark_matter]
m22 = 0.7
[filament]
[wavefunction]
weights = {weights}
energy_cut = 0.9
{more}[single_power]
points = 20
"""
PARTS = "polar", "box"
OTHERS = {"gas": "[wavefunction]\n[box]\n[gas]\nnumber = 2\n", "none": "[population]\n"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cut-out of psi with WKB weights; results with WKB's, and with those of a file that has another psi by now."""
    folder, one = tmp_path_factory.mktemp("cut_outs"), model(0.7)
    side = 3.2 * float(one.profile.radius_enclosing(0.9))
    psi = slices(one, 28, side, 24)[0]
    for name in ("cut", "again"):
        write_cut_out(folder / f"{name}.hdf5", one, psi, side, 4 * side)
    for name, about in (("density", {"name": "density"}), ("boson", {"m22": 1.0}), ("epoch", {"redshift": 3.0})):
        write_cut_out(folder / f"{name}.hdf5", one, psi[:, :, :4], side, side, **about)
    for name, ini in OTHERS.items():
        with made(folder / f"{name}.hdf5") as file:
            file.attrs["config"] = parse_config(ini).to_ini()
    for weights, more in (("wkb", ""), ("projection", f"cut_out = {folder}/again.hdf5\n")):
        run(parse_config(INI.format(folder=folder, weights=weights, more=more)))
    write_cut_out(folder / "again.hdf5", one, 2 * psi, side, 4 * side)
    return folder


def compare(folder, output, first, second, *words):
    paths = folder / f"{first}.hdf5", folder / f"{second}.hdf5"
    return main(["--quiet", "compare", *map(str, paths), *words, "--output", str(output), "--dpi", "20"])


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_known_weights_beside_a_table(folder, tmp_path, capsys):
    assert compare(folder, tmp_path, "wkb", "cut", "published", "--over", "classical", "--backend", "cpu") == 0
    printed = capsys.readouterr().out
    assert "detaches" in printed and "cut.hdf5 beside" in printed and "weights = wkb, axial = coherent" in printed
    assert "are uniform (p = " in printed and "polar spectrum of the model over that of the slices: " in printed
    names = {f"comparison.{kind}" for kind in ("png", "csv", "html")}
    assert {path.name for path in tmp_path.iterdir()} == names | {"cut_out.png", "cut_out.csv", "cut_out_spectra.csv"}
    (row,) = rows(tmp_path / "cut_out.csv")
    assert row["weights"] == "wkb" and float(row["left_out"]) == 0
    assert float(row["model_line_mass"]) == pytest.approx(float(row["line_mass"]), rel=1e-3)
    assert float(row["rms_log_model"]) == float(row["rms_log_wkb"]) < 1e-3 > float(row["relative_scatter"])
    polar, box = ([row for row in rows(tmp_path / "cut_out_spectra.csv") if row["spectrum"] == part] for part in PARTS)
    mean, error, wkb = (np.array([float(row[name]) for row in polar]) for name in ("measured", "error", "wkb"))
    assert np.all(np.abs(mean - wkb) < 4 * error + 0.01 * wkb) and len(box) > 10
    text = (tmp_path / "comparison.html").read_text()
    assert "cut.hdf5 beside" in text and "Power in the box of the cut-out" in text


def test_a_figure_for_a_paper(folder, tmp_path):
    assert compare(folder, tmp_path, "wkb", "cut", "--figure-format", "svg") == 0
    assert (tmp_path / "cut_out.svg").read_bytes().startswith(b"<?xml") and not (tmp_path / "cut_out.png").exists()
    assert (tmp_path / "comparison.html").read_text().count("data:image/png;base64,") == 1


def test_numbers_are_those_of_a_run_with_projected_weights(folder, tmp_path):
    cut = folder / "cut.hdf5"
    pairs = pairs_by_figure(tmp_path, "cut_out", [folder / "projection.hdf5", folder / "gas.hdf5"], [cut])
    found, error = compare_cut_outs(pairs).values()
    lines = draw_cut_outs({tmp_path / "cut_out_2.png": error}, tmp_path, 20).lines
    assert lines == [
        f"not compared: {folder}/gas.hdf5: is of a gas of filaments: {cut} is compared with the result of one filament"
    ]
    columns = {"k": "k", "measured": "mean", "scatter": "scatter", "error": "error"}
    columns |= {"model_power": "model", "projection": "model", "wkb": "wkb"}
    in_box = {"k": "k", "modes": "modes", "measured": "cut_out", "model_power": "reconstruction"}
    with h5py.File(folder / "projection.hdf5") as file:
        group = file["filaments/00/projection"]
        for part, names in zip(PARTS, (columns, in_box), strict=True):
            table = [row for row in found.spectra if row["spectrum"] == part]
            for column, name in names.items():
                stored = group[f"{part}/{name}"][:]
                assert np.allclose([row[column] for row in table], stored, rtol=1e-12, atol=1e-20 * stored.max())
        for name in ("radius", "line_mass", "bound_share", "relative_scatter", "effective_slices", "tested_slices"):
            assert found.row[name] == pytest.approx(group.attrs[name], rel=1e-12)
        for name in ("rms_log_wkb", "rms_log_chance", "p_uniform", "p_independent"):
            assert found.row[name] == pytest.approx(group.attrs[name], rel=1e-9)


def test_a_file_that_changed_is_not_taken_for_that_in_the_result(folder):
    row = compare_cut_out(folder / "projection.hdf5", folder / "again.hdf5").row
    assert row["line_mass"] == pytest.approx(4 * row["model_line_mass"], rel=1e-3)
    assert row["rms_log_model"] == pytest.approx(np.log(4), rel=1e-2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("wkb", "density"), "density.hdf5: has a density, without phases: must have psi"),
        (("wkb", "boson"), "boson.hdf5: [dark_matter] m22 = 0.7: must be that of the snapshot in cut_out, 1"),
        (("wkb", "epoch"), "epoch.hdf5: [cosmology] redshift = 4: must be that of the snapshot in cut_out, 3"),
        (("gas", "cut"), "gas.hdf5: is of a gas of filaments"),
        (("none", "cut"), "none.hdf5: has no [filament] with a [wavefunction]"),
        (("cut", "wkb"), "cut.hdf5: is what gpu-fdm filament wrote: name the result of gpu-fdm run first, then this"),
        (("wkb", "cut", "--fit", "0.5,2"), "--fit 0.5,2: is about boosts: needs a table of one"),
    ],
)
def test_wrong_pairs(folder, tmp_path, capsys, words, message):
    assert compare(folder, tmp_path, *words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
