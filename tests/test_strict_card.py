"""What runs on a card gives CuPy what CuPy takes: checked without a card, by arrays that refuse those of NumPy."""

from itertools import pairwise

import numpy as np
import pytest
from halo_cases import reference_halo
from locations import DATA
from strict_cupy import StrictArray, host, strict_card

from gpu_fdm.config.config import parse_config
from gpu_fdm.haloes.spectrum import exact_spectrum
from gpu_fdm.parallel.backend import CPU, GPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.pipeline.box import fill_slab
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.models import Models
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.integrator import Static, Times
from gpu_fdm.simulation.particle_mesh import ParticleState, evolve_particles
from gpu_fdm.simulation.schroedinger_poisson import WaveState, evolve_wave

GAS = (
    f"[gas]\nhaloes = {DATA / 'gas_haloes.csv'}\n[wavefunction]\n"
    "[box]\nsize = 0.3\ncells = 7, 6, 5\nsampling = point\ntolerance = 1e-3\n"
)


def test_it_refuses_what_cupy_refuses(monkeypatch):
    card = strict_card(monkeypatch)
    values = card.to_device(np.arange(3.0))
    assert isinstance(values.max(), StrictArray) and values.max().ndim == 0
    for wrong in (
        lambda: values + np.ones(3),
        lambda: values.max(initial=0),
        lambda: card.xp.stack([values, np.ones(3)]),
        lambda: values.__setitem__(0, np.ones(())),
    ):
        with pytest.raises(TypeError, match=r"NumPy|takes no"):
            wrong()


def test_a_step_of_particles_reads_once(monkeypatch):
    """The largest momentum and the largest force are one copy: a card has nothing to do until the host has them."""
    card, grid, reads, reads_after = strict_card(monkeypatch), Grid((8, 6, 5), (0.8, 0.6, 0.5)), [], []
    to_host = GPU.to_host

    def counted(self, values, out=None):
        reads.append(values.shape)
        return to_host(self, values, out)

    def refused(self):
        raise AssertionError("a number was read by itself")

    monkeypatch.setattr(GPU, "to_host", counted)
    for conversion in ("__float__", "__int__", "__bool__", "item", "tolist", "get"):
        monkeypatch.setattr(StrictArray, conversion, refused, raising=False)
    position = np.random.default_rng(1).uniform(0, 1, (3, 50)) * np.array(grid.sides)[:, None]
    particles = map(card.to_device, (position, 0 * position, np.arange(50)))
    state, domain = ParticleState(*particles, Times.start(0.0)), Domain(grid.cells, backend=card)
    steps = {"domain": domain, "on_step": lambda state: reads_after.append(len(reads))}
    list(evolve_particles(state, grid, Static(longest=1e-3), [4e-3], **steps))
    # the last step is synchronised, and measures the largest momentum anew
    assert [after - before for before, after in pairwise(reads_after)] == [1, 1, 2] and set(reads) == {(2,)}


def test_spectrum_of_a_halo(monkeypatch):
    _, states, weight = reference_halo()
    k = np.array([0.0, 3.0, 30.0])
    here, there = (exact_spectrum(states, weight, k, backend=it) for it in (CPU(1), strict_card(monkeypatch)))
    assert there.fixed == pytest.approx(here.fixed, rel=1e-11)


def test_haloes_in_a_box(monkeypatch):
    """Whole and in pieces, with the same bits."""
    config, plane = parse_config(GAS), 6 * 5 * 2 * 4

    def filled(backend):
        inputs = Inputs(config)
        models = Models(config, inputs.filaments, ranks=SERIAL, threads=1, haloes=inputs.haloes)
        return fill_slab(models, 3.0, backend).densities

    here, whole = filled(CPU(1)), filled(strict_card(monkeypatch))
    assert isinstance(whole, StrictArray) and whole.any()
    np.testing.assert_allclose(host(whole), here, rtol=0, atol=1e-6 * here.max())
    in_pieces = filled(strict_card(monkeypatch, total_memory=1, device_memory=8 * plane))
    assert not isinstance(in_pieces, StrictArray)
    np.testing.assert_array_equal(in_pieces, host(whole))


@pytest.mark.parametrize("cells", [(64, 6, 5), (64, 64, 64)], ids=str)
def test_simulations(monkeypatch, cells):
    """With lines along x, and all lines, that kernels transform."""
    grid, random = Grid(cells, tuple(0.1 * n for n in cells)), np.random.default_rng(1)
    position = random.uniform(0, 1, (3, 300)) * np.array(grid.sides)[:, None]
    psi = 1 + 0.1 * random.standard_normal(grid.cells) + 0j
    ends = []
    for backend in (CPU(1), strict_card(monkeypatch)):
        to_end = grid, Static(longest=1e-3), [3e-3]
        domain, start = Domain(grid.cells, backend=backend), Times.start(0.0)
        particles = map(backend.to_device, (position.copy(), 0 * position, np.arange(300)))
        (moved,) = evolve_particles(ParticleState(*particles, start), *to_end, domain=domain)
        (wave,) = evolve_wave(WaveState(backend.to_device(psi.copy()), start), *to_end, domain=domain)
        order = np.argsort(backend.to_host(moved.identity))
        ends.append((backend.to_host(moved.position)[:, order], backend.to_host(wave.psi)))
    for here, there in zip(*ends, strict=True):
        np.testing.assert_allclose(there, here, rtol=0, atol=1e-12)
