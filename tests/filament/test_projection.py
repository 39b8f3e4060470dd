"""psi made of known amplitudes gives them back; phases that are uniform and independent are told from others."""

from dataclasses import replace

import numpy as np
import pytest
from cut_outs import model, slices
from scipy.special import jv

from gpu_fdm.filament.alignment import offsets
from gpu_fdm.filament.phases import phase_tests
from gpu_fdm.filament.projection import project, psi_on_lattice, rings_for
from gpu_fdm.filament.rings import Rings
from gpu_fdm.filament.slices import Correlation, at_rest, drift
from gpu_fdm.filament.weights import wkb_weights

COUNT = 16


@pytest.fixture(scope="module")
def one():
    return model()


@pytest.fixture(scope="module")
def side(one):
    return 2.6 * float(one.profile.radius_enclosing(0.9))


def points_for(one, side, per_wave):
    return int(side * one.library.wavenumber_max * per_wave / (2 * np.pi))


def test_a_plane_wave_on_rings():
    """e^{ikx} = sum_l i^l J_l(kR) e^{il phi}, with 6 points a wave: good to 2e-4, but near the edge of the lattice."""
    k, points, side = 9.0, 30, 3.4
    rings = Rings(points, side, k, 12)
    line = ((np.arange(points) + 0.5) / points - 0.5) * side
    wave = np.exp(1j * k * line)[:, None, None] * np.ones((1, points, 2))
    factors = np.fft.fft(rings.of_lattice(wave), axis=2) / rings.angles
    for l in (0, 1, 5, -3):
        error = np.abs(factors[1, :, l] - 1j**l * jv(l, k * rings.radius))
        assert error.max() < 5e-3 and error[rings.radius < 0.8 * rings.outer].max() < 2e-4
    assert 2 * np.pi * rings.weight.sum() == pytest.approx(np.pi * rings.outer**2, rel=1e-12)


@pytest.mark.parametrize(("per_wave", "error"), [(4, 2e-3), (6, 1e-4)])
def test_weights_and_phases_come_back(one, side, per_wave, error):
    psi, amplitude, _ = slices(one, points_for(one, side, per_wave), side, 3)
    found = project(psi.astype(np.complex64), (side, side, 3 * side), one.library)
    assert np.abs(found.amplitude - amplitude).max() < error * np.abs(amplitude).max()
    big = one.weights.weight > 1e-3 * one.weights.weight.max()
    assert np.allclose(found.weight[big], one.weights.weight[big], rtol=2 * error)
    assert found.held == pytest.approx(1, abs=error) and found.mass < one.weights.weight_sum * 1.2
    assert found.momentum is None and found.centre is None


def test_psi_of_amplitudes_is_that_of_the_fields(one, side):
    """Sums of states on a lattice against the tabulated cross-section."""
    psi, amplitude, _ = slices(one, 20, side, 2)
    assert np.allclose(psi_on_lattice(one.library, amplitude, 20, side), psi, atol=1e-5 * np.abs(psi).max())
    assert np.allclose(
        one.wave.amplitudes(np.zeros(2))[:, 0, 0], one.weights.weight**0.5 * np.exp(1j * one.wave.phase[:, 0])
    )


def test_what_moves_and_bends_as_a_whole_is_subtracted(one, side):
    """Weights come back but for what chance moves; what is subtracted is what was put in."""
    boost, bend = np.array([0.2, -0.1]) * one.library.wavenumber_max, 0.08 * side
    psi, _, centres = slices(one, points_for(one, side, 6), side, COUNT, momentum=boost, bend=bend)
    still, moved = (project(psi, (side, side, side), one.library, some) for some in (None, centres))
    for found in (still, moved):
        assert np.allclose(found.momentum.mean(axis=0), boost, atol=0.06 * one.library.wavenumber_max)
    assert np.allclose(moved.centre, centres, atol=1e-9 * side)
    assert np.abs(still.centre - centres).max() < 0.4 * bend  # by the states alone
    as_it_is = project(np.repeat(psi[:, :, :1], 3, axis=2), (side, side, side), one.library)
    share = one.library.multiplicity * one.weights.weight

    def off(found):
        return np.sum(share * np.abs(found.weight / one.weights.weight - 1)) / share.sum()

    assert off(moved) < 0.05 and off(still) < 0.08 and off(as_it_is) > 0.1


def lower(library):
    """Its states but the highest, and which these are."""
    kept = library.energy < 0.98 * library.energy_cut
    return replace(library, **{name: getattr(library, name)[kept] for name in ("n", "l", "energy", "radial")}), kept


@pytest.mark.parametrize("count", [1, 3])
def test_the_axis_is_where_states_hold_psi(one, side, count):
    """One slice that is a cell off, or three that bend by one, have all of psi in the states around their own axis."""
    points = points_for(one, side, 6)
    cell = side / points
    psi, _, centres = slices(one, points, side, 3, bend=cell)
    found = project(psi[:, :, :count], (side, side, side), one.library)
    weight = one.weights.weight
    large = weight > 1e-3 * weight.max()
    assert np.abs(found.centre - centres[:count]).max() < 1e-3 * cell
    assert np.allclose(found.weight[large], weight[large], rtol=2e-4)
    assert found.axis_told and found.outside[1] < 1e-6 and found.outside[0] > 1e-3
    fewer, kept = lower(one.library)
    alone, beside = (project(psi[:, :, :count], (side, side, side), fewer, None, some) for some in (None, one.library))
    assert not alone.axis_told and beside.axis_told
    assert np.allclose(beside.weight[large[kept]], weight[kept & large], rtol=1e-3)


def test_the_axis_is_where_states_are_independent(one, side):
    """Slices an eighth of a wave off make several times of weak states what they are: they are found there.

    psi has states beyond those that it is projected on, so that what is left out does not tell the axis.
    """
    library, points, count = one.library, points_for(one, side, 6), 48
    weight = one.weights.weight * np.where(library.l % 2, 1e-2, 1)
    phase = 2 * np.pi * np.random.default_rng(1).random((len(library), 2, count))
    amplitude = np.sqrt(weight)[:, None, None] * np.exp(1j * phase)
    amplitude[library.l == 0, 1] = 0
    moved = np.array([0.1, -0.08]) * 2 * np.pi / library.wavenumber_max
    psi = at_rest(psi_on_lattice(library, amplitude, points, side), (side, side), None, np.tile(-moved, (count, 1)))
    fewer, kept = lower(library)
    found, few = (project(some, (side, side, side), fewer) for some in (psi, psi[:, :, :3]))
    assert not found.axis_told and not few.axis_told
    assert np.allclose(found.centre.mean(axis=0), moved, rtol=0.05)
    assert np.allclose(found.weight, weight[kept], rtol=0.1)
    off = offsets(found.amplitude, weight[kept], fewer, rings_for(fewer, points, side))
    assert np.abs(off.mean(axis=0)).max() < 0.1 * moved[0]
    assert few.centre is None and few.weight[fewer.l == 1].max() > 3 * weight[library.l == 1].max()


def test_weights_of_few_slices_are_told_from_others_within_their_errors(one, side):
    psi, _, _ = slices(one, points_for(one, side, 5), side, COUNT, seed=2)
    found = project(psi, (side, side, side), one.library)
    rms, chance = found.log_ratio(wkb_weights(one.profile, one.library))
    wkb = wkb_weights(one.profile, one.library)
    assert np.allclose(found.ratio_by_energy(wkb, one.library.energy), 1, atol=1e-2)
    steep = wkb * np.where(one.library.energy < np.quantile(one.library.energy, 0.8), 2, 1)
    first, middle, last = found.ratio_by_energy(steep, one.library.energy)
    assert [first, middle] == pytest.approx([0.5, 0.5], abs=0.01) and 0.51 < last < 1
    assert rms < 1e-2 and found.relative_scatter < 1e-2 and chance < 1e-2  # |a| is the same in all slices
    gauss = found.amplitude * np.random.default_rng(1).rayleigh(np.sqrt(0.5), found.amplitude.shape)
    found = type(found)(gauss, *(getattr(found, name) for name in list(found.__annotations__)[1:]))
    assert found.relative_scatter == pytest.approx(1, abs=0.15)
    rms, chance = found.log_ratio(wkb_weights(one.profile, one.library))
    assert chance == pytest.approx(1 / np.sqrt(2 * COUNT), rel=0.3) and rms == pytest.approx(chance, rel=0.4)
    assert found.phase_tests().uniform > 1e-3 and found.phase_tests().independent > 1e-3


def test_p_values_are_uniform_and_see_what_is_not():
    random = np.random.default_rng(3)
    for count, slices_ in ((20, 5), (100, 12)):
        tests = [phase_tests(np.exp(2j * np.pi * random.random((count, slices_)))) for _ in range(400)]
        for name in ("uniform", "independent"):
            values = np.array([getattr(test, name) for test in tests])
            assert abs(np.mean(values < 0.5) - 0.5) < 0.08 and np.mean(values < 0.01) < 0.03
        assert np.mean([np.mean(test.rayleigh < 0.1) for test in tests]) == pytest.approx(0.1, abs=0.01)
    phase = 2 * np.pi * random.random((100, 12))
    phase[:25] = phase[0] + 0.5 * random.standard_normal((25, 12))
    alike = phase_tests(np.exp(1j * phase))
    assert alike.independent < 1e-6 < 1e-3 < alike.uniform
    assert (
        alike.text.endswith("are uniform (p = 1), but not independent of each other (p = 0)") or "but not" in alike.text
    )
    still = phase_tests(np.exp(1j * (0.3 * phase[:, :1] + random.standard_normal((100, 12)))))
    assert still.uniform < 1e-6 and "not uniform" in still.text
    assert "too few to tell" in phase_tests(np.exp(1j * phase[:, :3])).text


def test_correlation_of_a_thermal_psi():
    """|C| = exp(-(q z)^2/2): sum |C|^2 is sqrt(pi)/q, and |C| is 2 % at 2.8/q."""
    random, count, q = np.random.default_rng(4), 400, 0.3
    k = 2 * np.pi * np.fft.fftfreq(count)
    noise = random.standard_normal((2, 300, count))
    psi = np.fft.ifft((noise[0] + 1j * noise[1]) * np.exp(-0.25 * ((k - 0.5) / q) ** 2))
    found = Correlation.of(psi, 2.0)
    assert found.momentum == pytest.approx(0.25, abs=0.005)
    assert found.length == pytest.approx(2 * np.sqrt(np.pi) / q, rel=0.05)
    assert found.spacing == pytest.approx(2.8 / q, abs=2)
    same = Correlation.of(np.ones((2, 5)), 1.0)
    assert same.effective == pytest.approx(1) and same.spacing == 5 and same.independent == 1


def test_chance_is_no_drift():
    random = np.random.default_rng(5)
    noise = [random.standard_normal((40, 2)) for _ in range(100)]
    assert sum(drift(values, 40.0) is not None for values in noise) <= 2
    z = np.linspace(-1, 1, 40)
    curve = np.stack([3 * z**2, z], axis=-1)
    assert np.allclose(drift(curve + 0.5 * noise[0], 40.0), curve, atol=0.5)
    assert np.allclose(drift(curve + 5, 6.0), (curve + 5).mean(axis=0)) and drift(curve + 5, 3.0) is None


@pytest.mark.parametrize(
    ("psi", "sides", "message"),
    [
        (np.zeros((20, 20, 2)), (1, 1, 1), "must be finite, and not zero everywhere"),
        (np.full((20, 20, 2), np.nan), (1, 1, 1), "must be finite"),
        (np.ones((20, 21, 2)), (1, 1, 1), "must be on a lattice with a square across"),
        (np.ones((20, 20, 2)), (1, 2, 1), "must be on a lattice with a square across"),
        (np.ones((12, 12, 2)), (1, 1, 1), "a lattice of 12 points across: must have more than 16"),
    ],
)
def test_no_psi(one, psi, sides, message):
    with pytest.raises(ValueError, match=message):
        project(psi, sides, one.library)
