"""Densities of filaments and psi on a card: boxes from cross-sections and directly, points, and the cross-sections.

The eight filaments are those of ini/filament_gas.csv, in their box of 2 cMpc/h; cells are averaged over, as in a run.
"""

from functools import partial
from pathlib import Path

import numpy as np
from card_registry import Line, card_benchmark

from gpu_fdm.fields.box import Box, Placement, averaged_ends
from gpu_fdm.fields.cross_section import psi_at, tabulate
from gpu_fdm.fields.extruded import tabulate_extruded
from gpu_fdm.fields.fill import fill, tabulate_direct
from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.filament.wavefunction import WaveFunction, random_phases
from gpu_fdm.population.shapes import published_shape
from gpu_fdm.units import CodeUnits

GAS = Path(__file__).parents[1] / "ini" / "filament_gas.csv"
SIDE = 2.0  # of the box [cMpc/h]
SIDES_OF_DIRECT = 0.7, 0.7, 1.2
POINTS = 50_000_000


def _units(m22):
    return CodeUnits(m22, 0.6731, 0.314649)


def _wave(m22, r0, sigma, number=0):
    """A filament at z = 4 with WKB weights; r0 [Mpc/h], sigma [km/s]."""
    units = _units(m22)
    profile = SteadyStateCylinder(r0 / units.length, sigma / units.velocity, 0.0, 0.2)
    library = eigenstates(profile)
    weight = (2 * np.pi) ** 2 * profile.distribution(library.energy, library.l) / library.line_mass
    return WaveFunction(library, weight, random_phases(library, 1, number))


def _published(m22):
    """The published filament of 5e9 Msun/h, and its length [cMpc/h]."""
    length, r0, sigma = published_shape(5e9, 0.0)
    return _wave(m22, r0, sigma), length


def _gas(card, box, dtype):
    """Placement and cross-section of the eight filaments."""
    for number, row in enumerate(np.genfromtxt(GAS, delimiter=",", names=True, skip_header=3)):
        centre = tuple(SIDE * row[name] for name in ("cx", "cy", "cz"))
        direction, orientation = (tuple(row[o + name] for name in "xyz") for o in "do")
        placement = Placement(centre, direction, orientation, row["length"])
        cell = np.diag(box.spacing) @ placement.basis[:2].T / _units(1).length
        wave = _wave(1, row["r0"], row["sigma"], number)
        section = tabulate_extruded(wave, 0.0, 1e-5, dtype, cell, card.backend)
        yield averaged_ends(placement, box), section


@card_benchmark
def fill_extruded(card):
    """Eight filaments, both densities."""
    lines = []
    for cells, dtype in ((1024, "float32"), (512, "float32"), (512, "float64")):
        box, unit = Box((SIDE,) * 3, (cells,) * 3), _units(1).length
        filaments = list(_gas(card, box, dtype))
        slab = card.xp.zeros((2, *box.cells), dtype)

        def work(filaments=filaments, slab=slab, box=box, unit=unit):
            for placement, section in filaments:
                fill(slab[0], slab[1], box, placement, section, unit)

        seconds, inside = card.time(work), 0
        for placement, section in filaments:
            slab[...] = 0
            fill(slab[0], slab[1], box, placement, section, unit)
            inside += int(card.xp.count_nonzero(slab[1]))
        size = 4 * inside * slab.itemsize
        method = f"both densities read and written in {inside / 1e6:.0f} million cells inside, {size / 2**30:.2g} GiB"
        lines.append(Line(f"fill, 8 filaments, {cells}^3, {dtype}", seconds, size / card.bandwidth, method))
    return lines


def _flops(table):
    """Operations of psi at a point: four splines of six taps, the sums, and the next angle, for every l."""
    return 2 * table.coefficients.shape[2] * (4 * 6 + 4 + 4)


@card_benchmark
def fill_direct(card):
    """One filament of 188 modes, psi in every cell."""
    wave, length = _published(1)
    lines, box, unit = [], Box(SIDES_OF_DIRECT, (256,) * 3), _units(1).length
    placement = Placement(tuple(side / 2 for side in box.size), (0, 0, 1), (1, 0, 0), length)
    for dtype, peak in (("float32", card.single), ("float64", card.double)):
        source = tabulate_direct(wave, 0.0, 1e-6, dtype, card.backend)
        slab = card.xp.zeros((2, *box.cells), dtype)
        seconds = card.time(partial(fill, slab[0], slab[1], box, placement, source, unit))
        inside = int(card.xp.count_nonzero(slab[1]))
        flops = inside * _flops(source.psi)
        method = f"{flops / 1e9:.3g} Gflop in {inside / 1e6:.3g} million cells inside"
        lines.append(Line(f"fill directly, 188 modes, 256^3, {dtype}", seconds, flops / peak, method))
    return lines


@card_benchmark
def psi_on_points(card):
    """psi of 188 modes at points that are on the card."""
    wave, _ = _published(1)
    lines, xp = [], card.xp
    for dtype, peak in (("float32", card.single), ("float64", card.double)):
        table = tabulate(wave, 0.0, 1e-8, dtype, backend=card.backend)
        side = int(POINTS**0.5)
        line = xp.linspace(-0.7, 0.7, side, dtype=dtype) * table.radius_max
        x, y = xp.tile(line, side), xp.repeat(line, side)
        seconds = card.time(partial(psi_at, table, x, y))
        flops = len(x) * _flops(table)
        method = f"{flops / 1e9:.3g} Gflop; {len(x) / seconds / 1e6:.0f} million points a second"
        lines.append(
            Line(f"psi at {len(x) / 1e6:.0f} million points, 188 modes, {dtype}", seconds, flops / peak, method)
        )
    return lines


@card_benchmark
def cross_sections(card):
    """The table of a cross-section from its modes, averaged over cells."""
    lines, cell = [], ((0.1, 0.0), (0.0, 0.1), (0.05, 0.05))
    for m22 in (1, 4):
        wave, _ = _published(m22)
        make = partial(tabulate_extruded, wave, 0.0, 1e-5, "float32", cell, card.backend)
        points, modes = len(make().coefficients), len(wave.library)
        method = "the sum over modes of one l and the mean density are prepared on the host"
        lines.append(Line(f"cross-section, {modes} modes, {points}^2 points", card.time(make), None, method))
    return lines
