"""A wave to second order in its contrast, as particles are to second order in their displacements.

A wave that begins with the linear contrast alone lacks the power that its modes have made in one another by then. What
is lacking decays against what grows as 1/a only, and beyond the cut-off of fuzzy dark matter all power is made so: see
docs/simulation.md. With laplacian phi = delta and t = sum_ij (phi_ij)^2, particles of Lagrangian perturbation theory
have, where their streams have not crossed, the contrast delta + delta_2 and div u = -a^2 f H (delta + theta_2),

    delta_2 = delta^2/2 + grad phi . grad delta + t/2 + c (delta^2 - t)/2
    theta_2 =             grad phi . grad delta + t   + c (delta^2 - t)/2 f_2/f

to second order, with c = 0 for the Zel'dovich approximation and c = -D_2/D^2 for second order (initial_conditions).
In a universe of matter c = 3/7 and f_2 = 2 f make them the kernels of standard perturbation theory, 5/7, 1, 2/7 and
3/7, 1, 4/7 of delta^2, grad phi . grad delta and t (Bernardeau et al. 2002, Phys. Rep. 367, 1).
"""

from collections.abc import Callable
from itertools import combinations_with_replacement
from math import sqrt
from typing import Any

import numpy as np

from ..cosmology.background import Background
from ..errors import InputError
from ..parallel.fft import inverse, mode_blocks, plane_blocks, transform
from ..parallel.ranks import on_all_ranks
from ..units import CodeUnits
from .grid import Grid, Wavenumbers
from .initial_conditions import LinearModes, contrast_from_modes, field_of_modes, growth_and_velocity

LARGEST_RATIO = 0.3  # rms of delta_2 over that of delta: beyond it flows carry modes by their length, terms do not fall


def to_second_order(
    psi: Any, modes: LinearModes, a: float, background: Background, units: CodeUnits, *, order: int = 2
) -> float:
    """Bring psi = wave_from_modes(modes, a, ...) to second order, in place; returns rms of delta_2 over that of delta.

    order  of the Lagrangian theory that it agrees with, 1 (Zel'dovich) or 2
    psi is left as it is where that ratio is more than LARGEST_RATIO: in boxes whose flows carry their smallest modes by
    more than their length, the series does not converge.
    Memory: eight real arrays of this rank's part of the grid, two more over ranks.
    Raises InputError where the density would be negative.
    """
    ranks, box = modes.domain.ranks, modes.box
    contrast = contrast_from_modes(modes, a, background)
    second, divergence = _second_order(contrast, modes, a, background, order)
    sums = [[float(field.sum(dtype=float)), float((field**2).sum(dtype=float))] for field in (contrast, second)]
    (_, first), (mean, square) = ranks.allreduce(np.array(sums)) / np.prod(box.cells, dtype=float)
    ratio = sqrt(square / first) if first > 0 else 0.0
    if ratio > LARGEST_RATIO:
        return ratio
    # mass is conserved: a mean comes from products of the highest modes, and from round-off
    second -= mean
    lowest = min(ranks.allgather(float((contrast + second).min())))
    if lowest <= -1:
        message = f"initial redshift {1 / a - 1:.4g}: the contrast falls to {lowest:.3g}: start earlier"
        raise on_all_ranks(InputError(message))
    phase = _potential(divergence, modes, a, background, units)
    xp = modes.domain.backend.xp

    def work(planes: slice) -> None:
        modulus = xp.sqrt((1 + contrast[planes] + second[planes]) / (1 + contrast[planes]))
        psi[planes] *= modulus * xp.exp(1j * phase[planes])

    modes.domain.backend.for_each(plane_blocks(modes.domain, 4 * psi.itemsize), work)
    return ratio


def _second_order(contrast: Any, modes: LinearModes, a: float, background: Background, order: int) -> tuple[Any, Any]:
    """delta_2 and theta_2 on this rank's planes."""
    domain, backend = modes.domain, modes.domain.backend
    xp, made = backend.xp, transform(contrast, domain)
    k = Wavenumbers(Grid.of(modes.box), domain, slopes=True)

    def field(factor: Callable) -> Any:
        """The field of modes delta_k factor(planes of constant kx)."""
        return field_of_modes(lambda rows: made.values[rows] * factor(rows), made.values, domain)

    carried = xp.zeros_like(contrast)
    for i in range(3):
        # phi_k = -delta_k/k^2
        product = field(lambda rows, i=i: -1j * k.along(i, rows) / k.squared(rows, 1.0))
        product *= field(lambda rows, i=i: 1j * k.along(i, rows))
        carried += product
    tides = xp.zeros_like(contrast)
    for i, j in combinations_with_replacement(range(3), 2):
        tide = field(lambda rows, i=i, j=j: k.along(i, rows) * k.along(j, rows) / k.squared(rows, 1.0))
        tide *= tide
        for _ in range(1 if i == j else 2):
            tides += tide
    share, faster = 0.0, 1.0
    if order == 2:
        matter = float(background.matter_fraction(a))
        share = 3 / 7 * matter ** (-1 / 143)
        faster = 2 * matter ** (6 / 11) / float(background.growth_rate(a))

    def combine(planes: slice) -> None:
        square, tide, both = contrast[planes] ** 2, tides[planes], carried[planes]
        own = 0.5 * share * (square - tide)
        tide[...], both[...] = 0.5 * (square + tide) + both + own, both + tide + faster * own

    backend.for_each(plane_blocks(domain, 8 * contrast.itemsize), combine)
    return tides, carried


def _potential(divergence: Any, modes: LinearModes, a: float, background: Background, units: CodeUnits) -> Any:
    """S of laplacian S = -a^2 f H theta, on this rank's planes; like particles without Nyquist modes.

    These have no velocity, and where a k^2 without their part divides them, it makes them as large as the box's modes.
    """
    domain = modes.domain
    k, made = Wavenumbers(Grid.of(modes.box), domain, slopes=True), transform(divergence, domain)
    rate = growth_and_velocity(a, background)[1] / units.length**2

    def work(rows: slice) -> None:
        made.values[rows] *= rate / k.squared(rows, 1.0) * k.inside(rows)

    domain.backend.for_each(mode_blocks(domain, 64), work)
    if domain.has_first_line:
        made.values[0, 0, 0] = 0
    return inverse(made)
