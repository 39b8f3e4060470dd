"""The spread of momentum along and across filaments that are made of waves of known momenta."""

import numpy as np
import pytest

from gpu_fdm.fields.box import Box
from gpu_fdm.fields.momentum import momentum_spread

BOX = Box((20.0, 21.0, 22.0), (48, 50, 54))
ACROSS = 1.5


def tube(along, seed=1, waves=150):
    """psi of a tube of dispersion 2.5 along z, of waves with Gaussian momenta; those along z are periodic."""
    random = np.random.default_rng(seed)
    x, y, z = ((np.arange(n) + 0.5) * side / n - side / 2 for n, side in zip(BOX.cells, BOX.size, strict=True))
    step = 2 * np.pi / BOX.size[2]
    psi = np.zeros(BOX.cells, complex)
    for _ in range(waves):
        kx, ky, kz = random.normal(0, [ACROSS, ACROSS, along])
        phase = np.exp(1j * (random.uniform(0, 2 * np.pi) + np.round(kz / step) * step * z))
        psi += np.multiply.outer(np.multiply.outer(np.exp(1j * kx * x), np.exp(1j * ky * y)), phase)
    return psi * np.exp(-(x[:, None, None] ** 2 + y[:, None] ** 2) / (4 * 2.5**2))


@pytest.mark.parametrize(("along", "ratio"), [(0.0, 0.0), (0.75, 0.25), (1.5, 1.0)])
def test_ratio_of_the_dispersions(along, ratio):
    found = [momentum_spread(tube(along, seed), BOX, 2.0, overdensity=3.0) for seed in (1, 2)]
    assert np.mean([spread.ratio for spread in found]) == pytest.approx(ratio, abs=0.01 + 0.15 * ratio)
    across = np.average(found[0].across, weights=found[0].weight)
    assert across == pytest.approx(ACROSS**2, rel=0.3)
    assert 0.05 < found[0].mass_fraction < 0.9


def test_the_axis_may_point_anywhere_and_flow(along=0.75):
    """A tube along x that moves: the mean flow does not count."""
    psi = tube(along)
    turned = Box(BOX.size[::-1], BOX.cells[::-1])
    still = momentum_spread(psi, BOX, 1.2, overdensity=3.0)
    x = (np.arange(turned.cells[0]) + 0.5) * turned.spacing[0]
    moving = psi.transpose(2, 1, 0) * np.exp(2j * np.pi * 2 * x / turned.size[0])[:, None, None]
    found = momentum_spread(moving, turned, 1.2, overdensity=3.0)
    assert found.ratio == pytest.approx(still.ratio, rel=1e-6)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"psi has shape \(2, 2, 2\): must be \(48, 50, 54\)"):
        momentum_spread(np.zeros((2, 2, 2), complex), BOX, 1.0)
    with pytest.raises(ValueError, match="no cell denser than 10 means belongs to a filament"):
        momentum_spread(np.ones(BOX.cells, complex), BOX, 1.0)
