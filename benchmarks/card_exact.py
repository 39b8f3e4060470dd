"""Exact spectra on a card: Bessel functions, the spectrum in the plane, that over orientations, and eigenproblems."""

from functools import partial
from time import perf_counter

import numpy as np
from card_registry import Line, card_benchmark

from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.model import END_SHARPNESS, Filament, model_of
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.filament.weights import choose_weights
from gpu_fdm.kernels.bessel import bessel_table
from gpu_fdm.population.shapes import published_shape
from gpu_fdm.spectra.phase_average import points_needed, polar_spectrum
from gpu_fdm.spectra.single_filament import single_power
from gpu_fdm.units import CodeUnits

BATCH = 16  # matrices that are diagonalised


def _model(m22):
    """The published filament of 5e9 Msun/h at z = 4."""
    units = CodeUnits(m22, 0.6731, 0.314649)
    length, r0, sigma = published_shape(5e9, 0.0)
    profile = SteadyStateCylinder(r0 / units.length, sigma / units.velocity, 0.0, 0.2)
    axis, across, sharpness = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), END_SHARPNESS / length
    filament = Filament(0, 5e9, length, r0, sigma, 0.0, None, axis, across, sharpness, 4.0, m22)
    library = eigenstates(profile)
    return model_of(filament, profile, units, library, choose_weights(profile, library, "wkb"), seed=1)


def _wavenumbers(model):
    """As many in the plane as single_power takes: 200, and its table."""
    largest = 2 * model.library.wavenumber_max
    rows = int(0.93 * len(model.library.nodes)) + 30
    return np.concatenate([np.geomspace(largest / 500, largest, 200), np.linspace(1e-3, 1, rows) * largest])


def _flops(library, points, wavenumbers):
    angles = int(library.l.max()) + 1
    return points**2 / 2 * (2 * len(library) + 6 * angles**2 + 4 * angles * wavenumbers)


@card_benchmark
def exact_spectra(card):
    """m22 = 1, 4 and 8: in the plane, and over orientations too."""
    lines = []
    for m22 in (1, 4, 8):
        model = _model(m22)
        library, weight, k = model.library, model.weights.weight, _wavenumbers(model)
        points = points_needed(library, k.max())
        flops = _flops(library, points, len(k))
        method = f"{flops / 1e9:.3g} Gflop at the double rate; matrix units have twice that"
        work = f"m22 = {m22}: {len(library)} states, {points} radii, {len(k)} k"
        seconds = card.time(partial(polar_spectrum, library, weight, k, backend=card.backend))
        lines.append(Line(f"exact spectrum, {work}", seconds, flops / card.double, method))
        wanted = np.geomspace(1, model.fringe_wavenumber, 200)
        seconds = card.time(partial(single_power, model, wanted, backend=card.backend))
        remark = f"as above; {card.backend.threads} host threads interpolate and average"
        lines.append(Line(f"and over orientations, m22 = {m22}, 200 k", seconds, flops / card.double, remark))
    return lines


@card_benchmark
def bessel_functions(card):
    """J_0 ... J_374 of the exact spectrum of m22 = 8, and J_0 alone, as form factors take it."""
    lines = []
    for highest, count in ((374, 548 * 642), (0, 15_000_000)):
        argument = card.xp.linspace(0, 1200, count)
        seconds = card.time(partial(bessel_table, highest, argument, card.backend))
        size = 8 * count * (highest + 2)
        # 4 operations an order, once; the double rate counts a fused multiply-add as two
        steps = count * (600 + 13.5 * 600 ** (1 / 3) + 20)
        floor = max(size / card.bandwidth, 2 * 4 * steps / card.double)
        method = f"{size / 2**30:.2g} GiB read and written, or {4e-9 * steps:.3g} Gflop without fused multiply-adds"
        lines.append(
            Line(f"Bessel functions, orders to {highest}, {count / 1e6:.2g} million x", seconds, floor, method)
        )
    return lines


@card_benchmark
def eigenproblems(card):
    """Whether a card would solve for states faster than the host does: in a batch, and one after the other."""
    profile = _model(8).profile
    started = perf_counter()
    library = eigenstates(profile)
    host = perf_counter() - started
    size, matrices = len(library.nodes), int(library.l.max()) + 1
    matrix = card.xp.random.default_rng(0).standard_normal((BATCH, size, size))
    matrix += matrix.swapaxes(1, 2)

    def one_by_one():
        for one in matrix:
            card.xp.linalg.eigh(one)

    remark = f"beside {matrices} of them, smaller ones too, on {card.backend.threads} host threads in {host:.2g} s"
    work = f"{BATCH} eigenproblems of {size} x {size}"
    return [
        Line(f"{work}, in a batch", card.time(lambda: card.xp.linalg.eigh(matrix), 1), None, remark),
        Line(f"{work}, one by one", card.time(one_by_one, 1), None, remark),
    ]
