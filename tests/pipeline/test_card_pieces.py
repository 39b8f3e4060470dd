"""Boxes larger than their card: the same densities in the same bits, the same statistics to round-off."""

from dataclasses import dataclass, field

import h5py
import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu
from rank_runs import agree, needs_mpi, run_here

from gpu_fdm.config.config import parse_config
from gpu_fdm.parallel.backend import GPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.ranks import Ranks
from gpu_fdm.pipeline import box
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.box import fill_slab
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.models import Models
from gpu_fdm.pipeline.slab import pieces_on_device
from gpu_fdm.pipeline.snapshot import Measurement, snapshot_power
from gpu_fdm.snapshots.options import SnapshotOptions

GAS = (
    "[dark_matter]\nm22 = 0.4\n[gas]\nnumber = 3\nmass_max = 4e9\n[wavefunction]\n"
    "[box]\nsize = 3\ncells = 12, 11, 10\ntolerance = 1e-3\n"
)
BOX = "[dark_matter]\nm22 = 0.4\n[filament]\n[wavefunction]\n[box]\ncells = 10, 12, 15\ntolerance = 1e-3\n"
STATISTICS = "[power]\nmu_bins = 4\ncross = yes\n[correlation]\nbin_width = 2\n"
LARGE = 2**40


@dataclass(frozen=True)
class Card(CudaOnCpu):
    """A card of so many bytes; copies to the host are counted."""

    total_memory: int = LARGE
    device_memory: int = LARGE
    threads: int = 1
    device: str = "Stand-in"
    arithmetic: str = "gpu"
    mpi_buffers: str = "host"
    copied: list = field(default_factory=list, hash=False)

    @property
    def provenance(self):
        """Attributes of a result file."""
        return {"backend": "gpu", "device": self.device}

    def to_device(self, array):
        """A copy, as a card has it."""
        return np.array(array, order="C")

    def to_host(self, array, out=None):
        """The array; those that are copied into one of the host are counted."""
        if out is not None:
            self.copied.append(array.shape)
        return super().to_host(array, out)


def filled(backend, ranks, text=GAS):
    config = parse_config(text)
    models = Models(config, Inputs(config).filaments, ranks=ranks, threads=1)
    return fill_slab(models, 0.0, backend)


def check_same_bits(ranks):
    """Every piece is copied to the host once; where the tables do not fit together, once for a batch of them."""
    expected, copied = filled(Card(), ranks), []
    assert np.all(ranks.allreduce(expected.densities.max(axis=(1, 2, 3))) > 1)
    for free in (5 * 2 * 110 * 4, 3 * 2 * 110 * 4):  # room for two planes of both densities, and for one
        card = Card(1, free)
        slab = filled(card, ranks)
        pieces = pieces_on_device(Domain(slab.box.cells, ranks, card), np.float32)
        assert len(pieces) > 1
        assert slab.domain.card is card
        np.testing.assert_array_equal(slab.densities, expected.densities)
        copied.append(len(card.copied) / (2 * len(pieces)))
    assert copied == [3, 3]  # no table fits beside another one
    card = Card(1, LARGE)  # the transforms do not fit, the densities do
    np.testing.assert_array_equal(filled(card, ranks).densities, expected.densities)
    assert card.copied == 2 * [expected.densities.shape[1:]]


def test_same_bits():
    check_same_bits(Ranks())


class SmallGPU(GPU):
    """A card with room for a plane of both densities."""

    total_memory = 1
    device_memory = 3 * 2 * 110 * 4


def test_same_bits_on_a_card(backend):
    if backend.name == "cpu":
        pytest.skip("no card")
    expected = backend.to_host(filled(backend, Ranks()).densities)
    slab = filled(SmallGPU(), Ranks())
    assert isinstance(slab.densities, np.ndarray) and slab.domain.card is not None
    np.testing.assert_array_equal(slab.densities, expected)


def spectra(folder, monkeypatch, backend, *overrides):
    """All numbers of the statistics of a run."""
    config = parse_config(f"[run]\noutput = {folder}.hdf5\n{BOX}{STATISTICS}", overrides=overrides)
    monkeypatch.setattr(pipeline, "choose_on_ranks", lambda *arguments: backend)
    found = {}
    with h5py.File(pipeline.run(config).result) as file:
        for group in ("density", "power", "correlation"):
            file[group].visititems(
                lambda name, item, group=group: (
                    found.update({f"{group}/{name}": item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            )
    return found


def test_statistics(tmp_path, monkeypatch):
    expected = spectra(tmp_path / "whole", monkeypatch, Card())
    found = spectra(tmp_path / "pieces", monkeypatch, Card(1, 2 * 12 * 15 * 4 * 4))
    assert found.keys() == expected.keys()
    assert {name.split("/")[0] for name in found} == {"density", "power", "correlation"}
    for name, values in found.items():
        if name.startswith("density"):
            np.testing.assert_array_equal(values, expected[name])
        else:
            scale = np.nanmax(np.abs(expected[name]))
            np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6 * scale, err_msg=name)


def test_stored_densities_are_measured_again(tmp_path, monkeypatch):
    first = spectra(tmp_path / "a", monkeypatch, Card(1), "power.bin_width=2")
    monkeypatch.setattr(box, "fill_slab", None)
    again = spectra(tmp_path / "a", monkeypatch, Card(1), "power.bin_width=3")
    np.testing.assert_array_equal(again["density/fdm"], first["density/fdm"])
    for name in ("correlation/fdm/xi", "correlation/smooth/xi"):
        np.testing.assert_array_equal(again[name], first[name])
    assert len(again["power/fdm/power"]) < len(first["power/fdm/power"])


@pytest.mark.parametrize("how", [Measurement(), Measurement(mu_bins=3), Measurement(mu_bins=3, multipoles=True)])
def test_a_snapshot(tmp_path, how):
    np.save(tmp_path / "rho_1.npy", 1 + np.random.default_rng(3).random((12, 10, 9)))
    options = SnapshotOptions(box_size=2.0, redshift=0.5)
    of_cpu, found = (
        snapshot_power(tmp_path / "rho_1.npy", options=options, how=how, backend=backend) for backend in (None, Card(1))
    )
    pairs = [
        (of_cpu.spectrum, found.spectrum),
        (of_cpu.of_angle, found.of_angle),
        (of_cpu.multipoles, found.multipoles),
    ]
    assert [pair[1] is not None for pair in pairs] == [True, how.mu_bins is not None, how.multipoles]
    for expected, measured in pairs:
        if expected is not None:
            np.testing.assert_array_equal(measured.modes, expected.modes)
            np.testing.assert_allclose(
                measured.power, expected.power, rtol=1e-10, atol=1e-13 * np.nanmax(expected.power)
            )


@needs_mpi
def test_ranks():
    agree(__file__, 3)


if __name__ == "__main__":
    run_here(check_same_bits)
