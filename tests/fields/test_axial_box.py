"""Filaments with momentum along their axis in boxes, against plain sums over states and waves, and exact spectra."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from scipy.special import erf

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.fields import axial as tables
from gpu_fdm.fields.axial import tabulate_axial
from gpu_fdm.fields.box import Box, Placement
from gpu_fdm.fields.cross_section import psi_at, tabulate
from gpu_fdm.fields.extruded import tabulate_extruded
from gpu_fdm.fields.fill import fill, tabulate_direct
from gpu_fdm.filament.axial import AxialModes, axial_dispersion
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.pipeline.model import build_model
from gpu_fdm.pipeline.run import run
from gpu_fdm.spectra.single_filament import single_power

UNIT = 0.0137  # cMpc/h for the code unit of length
BOX = Box((0.70, 0.65, 0.45), (13, 11, 9))
TILTED = Placement((0.1, 0.6, 0.3), (0.3, 0.2, 1.0), (1.0, 0.0, 0.0), 0.35)
LIGHT = "[run]\nbackend = cpu\n[dark_matter]\nm22 = 0.5\n[filament]\n[wavefunction]\naxial = {}\n"


@pytest.fixture(scope="module")
def thermal(wave):
    """The wave of the fixture with momentum along its axis."""
    waves = AxialModes.of_segment(axial_dispersion(wave.library), TILTED.axial_reach / UNIT, seed=3)
    return replace(wave, axial=waves)


def plain_density(wave, radius, phi, z, time=0.0):
    """|psi|^2 at points [L], by the sum over states and plane waves."""
    library, waves = wave.library, wave.axial
    psi = np.zeros(len(radius), complex)
    radial = library.radial_at(radius)
    along = np.exp(1j * np.outer(waves.wavenumbers, z))
    for l in range(int(library.l.max()) + 1):
        chosen = np.flatnonzero(library.l == l)
        phases = waves.phases(l, len(chosen))
        energies = library.energy[chosen, None] + waves.wavenumbers**2 / (2 * library.scale_factor**2)
        root = np.sqrt(library.line_mass / (2 * np.pi) * wave.weight[chosen])
        for sign, turn in ((0, 1), (1, -1))[: 2 if l else 1]:
            amplitude = (np.sqrt(waves.shares) * np.exp(1j * (phases[:, sign] - energies * time))) @ along
            psi += np.sum(root[:, None] * radial[chosen] * amplitude, axis=0) * np.exp(1j * turn * l * phi)
    return np.abs(psi) ** 2


def filled(source, backend=None, dtype=np.float64, box=BOX, placement=TILTED):
    backend = backend or CPU(2)
    fields = backend.to_device(np.zeros((2, *box.cells), dtype))
    fill(fields[0], fields[1], box, placement, source, UNIT, backend=backend)
    return backend.to_host(fields)


@pytest.fixture(scope="module")
def reference(thermal):
    axes = [(np.arange(n) + 0.5) * s / n - c for n, s, c in zip(BOX.cells, BOX.size, TILTED.centre, strict=True)]
    position = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    total = np.zeros(BOX.cells)
    for shift in np.ndindex(3, 3, 3):
        u, v, z = np.moveaxis((position - (np.array(shift) - 1) * BOX.size) @ TILTED.basis.T, -1, 0)
        near = (np.hypot(u, v) < thermal.library.radius_max * UNIT) & (np.abs(z) < TILTED.axial_reach)
        end = (1 + erf(TILTED.end_sharpness * (TILTED.length / 2 - np.abs(z[near])))) / 2
        if near.any():
            at = np.hypot(u[near], v[near]) / UNIT, np.arctan2(v[near], u[near]), z[near] / UNIT
            total[near] += end * plain_density(thermal, *at)
    return total


def test_boxes_are_the_definition(thermal, reference, backend):
    for tolerance, dtype in ((1e-6, np.float64), (1e-4, np.float32)):
        fields = filled(tabulate_axial(thermal, tolerance=tolerance, dtype=dtype), backend, dtype)
        assert np.max(np.abs(fields[0] - reference)) < 10 * tolerance * reference.max()


def test_mean_is_that_of_the_coherent_filament(wave, thermal):
    thermal_mean, mean = (
        filled(make(of, tolerance=1e-4))[1] for make, of in ((tabulate_axial, thermal), (tabulate_direct, wave))
    )
    assert thermal_mean == pytest.approx(mean, rel=1e-12, abs=1e-14 * mean.max())


def test_pieces_slabs_and_threads_make_no_difference(thermal, monkeypatch):
    source = tabulate_axial(thermal, tolerance=1e-4)
    whole = filled(source)
    parts = np.zeros_like(whole)
    for first, last in ((0, 1), (1, 8), (8, 13)):
        slab = np.zeros((2, last - first, *BOX.cells[1:]))
        fill(slab[0], slab[1], BOX, TILTED, source, UNIT, first, CPU(threads=3))
        parts[:, first:last] = slab
    assert np.array_equal(parts, whole)
    assert len(source.pieces(TILTED.axial_reach / UNIT)) == 1
    monkeypatch.setattr(tables, "TABLE_BYTES", 4 << 20)
    assert len(source.pieces(TILTED.axial_reach / UNIT)) > 2
    assert filled(source) == pytest.approx(whole, abs=1e-3 * whole.max())


def test_at_another_time(thermal):
    x, y, time = np.array([0.5, -2.0, 3.0]), np.array([0.1, 1.0, -4.0]), 0.02
    expected = plain_density(thermal, np.hypot(x, y), np.arctan2(y, x), np.zeros(3), time)
    assert np.abs(psi_at(tabulate(thermal, time), x, y)) ** 2 == pytest.approx(expected, rel=1e-6)
    before = plain_density(thermal, np.hypot(x, y), np.arctan2(y, x), np.zeros(3))
    assert np.all(np.abs(expected / before - 1) > 1e-3)


def test_tables_of_the_other_kind_are_refused(wave, thermal):
    for make in (tabulate_extruded, tabulate_direct):
        with pytest.raises(ValueError, match="momentum along the axis"):
            make(thermal)
    for make in (tabulate_axial, lambda wave: wave.azimuthal_terms(0, np.zeros((1, 1)))):
        with pytest.raises(ValueError, match="the same all along the axis"):
            make(wave)


def test_extruded_boxes_are_refused(tmp_path):
    config = parse_config(LIGHT.format("thermal") + "[box]\n", overrides=[f"run.output={tmp_path}"])
    with pytest.raises(
        InputError, match=r"\[box\] method = extruded: must be direct where \[wavefunction\] axial = th"
    ):
        run(config)


def test_boxes_agree_with_exact_spectra(tmp_path):
    """P(k) of boxes over several seeds, within their scatter; the mean line mass along the axis is uniform."""
    seeds, size, powers, lines = 5, (0.64, 0.64, 1.8), [], []
    for seed in range(1, seeds + 1):
        box = "[box]\nmethod = direct\ntolerance = 1e-3\nsize = 0.64, 0.64, 1.8\ncells = 40, 40, 112\n[power]\n"
        overrides = [f"run.seed={seed}", f"run.output={tmp_path}/{seed}.hdf5"]
        config = parse_config(LIGHT.format("thermal") + box, overrides=overrides)
        with h5py.File(run(config).result) as file:
            k, power = file["power/fdm/k"][1:], file["power/fdm/power"][1:]
            lines.append(file["density/fdm"][:].sum(axis=(0, 1))[40:72])  # far from the soft ends
        powers.append(power)
    model = build_model(config)
    rows = (k > 20) & (k < 150)
    exact = np.prod(size) * single_power(model, k[rows]).fdm / model.weights.weight_sum**2
    ratio = np.array(powers)[:, rows] / exact
    groups = np.array([part.mean(axis=1) for part in np.array_split(ratio, 6, axis=1)])
    error = groups.std(axis=1, ddof=1) / np.sqrt(seeds)
    assert np.all(error < 0.1)
    assert np.all(np.abs(groups.mean(axis=1) - 1) < 4 * error + 0.02), (groups.mean(axis=1), error)
    scatter = np.std(lines, axis=0, ddof=1) / np.sqrt(seeds) / np.mean(lines)
    assert 0.01 < scatter.mean() < 0.2
    assert np.abs(np.mean(lines, axis=0) / np.mean(lines) - 1).max() < 5 * scatter.max()
