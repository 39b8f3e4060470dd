"""Initial conditions: the same Gaussian modes as a wave or as particles.

Linear modes are drawn one by one from (seed, integer mode), so that a finer grid has the same large modes and ranks do
not matter. With the growing mode D of cold matter, H and f = dln D/dln a at the start, code units:

    contrast     delta(x) = D sum_k A_k exp(i k x),     <|A_k|^2> = P(k) T(k)^2 / volume
    wave         psi = sqrt(1 + delta) exp(i S),        laplacian S = -a^2 f H delta, so that u = grad S = a^2 dx/dt
    particles    x = q + D Psi_1 + D_2 Psi_2,           p = a^2 H (f D Psi_1 + f_2 D_2 Psi_2)
                 div Psi_1 = -delta/D,                  div Psi_2 = sum_{i<j} (phi_ii phi_jj - phi_ij^2)

with Psi_1 = -grad phi (Zel'dovich), D_2 = -3/7 D^2 Om(a)^(-1/143) and f_2 = 2 Om(a)^(6/11) (Bouchet et al. 1995,
A&A 296, 575). The velocity of the wave is that of the particles: continuity, d delta/dt = -div u/a^2. The quantum
pressure slows growth below the Jeans scale, where fuzzy dark matter has no power: give its transfer function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..cosmology.background import Background
from ..errors import InputError
from ..fields.box import Box
from ..kernels.particle_mesh import move
from ..kernels.random_modes import gaussian_modes
from ..parallel.domain import Domain, domain_of
from ..parallel.exchange import neighbour_plane
from ..parallel.fft import Transform, inverse, mode_blocks, plane_blocks, transform
from ..parallel.ranks import on_all_ranks
from ..units import CodeUnits
from ..vectors import three
from .grid import Grid, Wavenumbers, cells_for_velocity, largest_velocity
from .integrator import Expanding

LARGEST_RMS = 0.2  # of a linear contrast: at five times that psi would need a negative density


@dataclass(frozen=True, eq=False)
class LinearModes:
    """The modes of a linear contrast at z = 0, of which every rank holds all of x and z for its lines along y.

    amplitude      A_k, complex, (nx, lines, nz // 2 + 1); k = 0 and the Nyquist planes of even sizes are 0
    domain         ranks that share the modes, and where they are;  box  [cMpc/h]
    variance       sum |A_k|^2 over all modes of the grid: mean square of the contrast
    displacement   sum |A_k|^2 / k^2 likewise: mean square displacement, all directions together [(Mpc/h)^2]
    """

    amplitude: Any
    domain: Domain
    box: Box
    variance: float
    displacement: float

    def rms(self, a: float, background: Background) -> float:
        """Root mean square of the linear contrast on the grid at scale factor a."""
        return float(background.growth(a)) * sqrt(self.variance)

    def rms_velocity(self, a: float, background: Background) -> float:
        """Root mean square of the linear peculiar velocity, a f H D Psi, in all directions [km/s]."""
        speed = 100 * a * float(background.growth_rate(a) * background.expansion(a))
        return speed * float(background.growth(a)) * sqrt(self.displacement)


def linear_modes(
    box: Box,
    power: Callable,
    seed: int,
    *,
    transfer: Callable | None = None,
    dtype: DTypeLike = np.float64,
    domain: Domain | None = None,
) -> LinearModes:
    """Draw the linear modes of a box.

    power     linear P(k) at z = 0 [(Mpc/h)^3] of an array of k > 0 [h/Mpc]
    seed      in [0, 2^64)
    transfer  T(k), which multiplies amplitudes: the same numbers with and without it
    dtype     float32 or float64
    domain    ranks that share the modes, and where they come to be; one rank's on the CPU by default. They are drawn on
              the CPU, the same for all backends
    Raises InputError for seeds out of range and for P or T that are not finite, or P < 0, at a mode of the box.
    """
    if not 0 <= seed < 2**64:
        raise InputError(f"seed = {seed}: must be in [0, 2^64)")
    domain = domain_of(box.cells, domain)
    grid = Grid.of(box)
    modes = [np.rint(grid.wavenumbers(axis, axis == 2) * grid.sides[axis] / (2 * np.pi)) for axis in range(3)]
    modes = [numbers.astype(np.int64) for numbers in modes]
    modes[1] = modes[1][domain.lines]
    k = Wavenumbers(grid, domain.on_host)
    amplitude = np.empty(domain.transposed_shape(len(modes[2])), np.result_type(dtype, np.complex64))
    cells = np.array(box.cells)
    # a mode stands for its conjugate too, but where kz = 0
    weight = np.where(modes[2] > 0, 2, 1)
    sums = np.empty((2, len(modes[0])))

    def draw(i: int) -> None:
        numbers = np.empty((1, *amplitude.shape[1:]), np.complex128)
        gaussian_modes(modes[0][i : i + 1], modes[1], modes[2], cells, np.uint64(seed), numbers)
        drawn = numbers[0] != 0
        plane = slice(i, i + 1)
        if drawn.any():
            numbers[0][drawn] *= _size(np.sqrt(k.squared(plane)[0][drawn]), power, transfer, box.volume)
        amplitude[i] = numbers[0]
        squares = weight * np.abs(numbers[0]) ** 2
        sums[:, i] = np.sum(squares), np.sum(squares / k.squared(plane, 1.0)[0])

    domain.backend.host.for_each(range(len(modes[0])), draw)
    # one number a mode along x, in their order: on another number of ranks it differs by round-off
    variance, displacement = map(float, np.sum(domain.ranks.allreduce(sums), axis=1))
    return LinearModes(domain.backend.to_device(amplitude), domain, box, variance, displacement)


def require_small(modes: LinearModes, a: float, background: Background, largest: float = LARGEST_RMS) -> None:
    """Raise InputError, with the value, where the linear contrast at scale factor a is not small."""
    rms = modes.rms(a, background)
    if rms > largest:
        message = (
            f"initial redshift {1 / a - 1:.4g}: the linear contrast on the grid has an rms of {rms:.3g}: "
            f"must be at most {largest:g}, start earlier"
        )
        raise on_all_ranks(InputError(message))


def wave_from_modes(modes: LinearModes, a: float, background: Background, units: CodeUnits) -> Any:
    """psi at scale factor a, this rank's planes along x, complex, (planes, ny, nz), where the modes are.

    Raises InputError where the linear contrast is not small, its rms exceeds LARGEST_RMS or 1 + delta < 0 somewhere,
    and where the cells are too wide for the boson: S changes by more than pi from one to the next. As u grows, this
    may happen to a run later: see rms_velocity and grid.require_resolved. ValueError for more ranks than planes.
    """
    modes.domain.require_planes()
    require_small(modes, a, background)
    growth, velocity = growth_and_velocity(a, background)
    contrast = contrast_from_modes(modes, a, background)
    lowest = min(modes.domain.ranks.allgather(float(contrast.min())))
    if lowest < -1:
        message = f"initial redshift {1 / a - 1:.4g}: the linear contrast falls to {lowest:.3g}: start earlier"
        raise on_all_ranks(InputError(message))
    size = growth * velocity / units.length**2  # 1/k^2 [L^2] from [(Mpc/h)^2]
    phase = _field(modes, lambda k, rows: size / k.squared(rows, 1.0) * k.to_centres(rows) * modes.amplitude[rows])
    _require_resolved(phase, modes, a, units)
    xp = modes.domain.backend.xp
    psi = xp.empty(contrast.shape, modes.amplitude.dtype)

    def work(planes: slice) -> None:
        modulus = xp.sqrt(1 + contrast[planes])
        psi[planes].real = modulus * xp.cos(phase[planes])
        psi[planes].imag = modulus * xp.sin(phase[planes])

    modes.domain.backend.for_each(plane_blocks(modes.domain, 4 * psi.itemsize), work)
    return psi


def contrast_from_modes(modes: LinearModes, a: float, background: Background) -> Any:
    """The linear contrast at scale factor a at the centres of this rank's cells, (planes, ny, nz)."""
    growth = float(background.growth(a))
    return _field(modes, lambda k, rows: growth * k.to_centres(rows) * modes.amplitude[rows])


def particles_from_modes(
    modes: LinearModes, a: float, background: Background, units: CodeUnits, *, order: int = 2
) -> tuple[Any, Any, Any]:
    """One particle a cell, displaced from its lower corner.

    Corners, because on a mesh of the same cells a particle that rests at a corner is shared by neighbours in equal
    parts, which change in proportion to its displacement, while from the centre mass moves as the displacement's size.
    order  of Lagrangian perturbation theory: 1 (Zel'dovich) or 2
    Returns position, in [0, side), and momentum a^2 dx/dt, both (3, n), double [L, L/T], and identity, the number of
    the cell in the whole grid, (n,), of this rank's planes along x, where the modes are. (Positions may lie beyond
    these planes.)
    Raises InputError where the rms of the linear contrast exceeds LARGEST_RMS, or for another order.
    """
    if order not in (1, 2):
        raise InputError(f"order = {order}: must be 1 or 2")
    require_small(modes, a, background)
    growth, velocity = growth_and_velocity(a, background)
    grid = Grid.of(modes.box, units)
    domain, backend = modes.domain, modes.domain.backend
    planes, shape, xp = domain.planes, domain.shape, domain.backend.xp
    position = xp.empty((3, prod(shape)))
    for axis, (width, number) in enumerate(zip(grid.spacing, grid.cells, strict=True)):
        corners = backend.to_device(width * np.arange(number)[planes if axis == 0 else slice(None)])
        along = [-1 if other == axis else 1 for other in range(3)]
        position[axis].reshape(shape)[...] = corners.reshape(along)
    momentum = xp.zeros_like(position)
    # (modes of -div Psi, growth of Psi, its rate as `velocity`), one order after the other
    orders = [(modes.amplitude, growth, velocity)]
    if order == 2:
        matter = float(background.matter_fraction(a))
        second = -3 / 7 * growth**2 * matter ** (-1 / 143)
        faster = 2 * matter ** (6 / 11) / float(background.growth_rate(a))
        orders.append((-_second_order_source(modes), second, velocity * faster))
    for amplitude, size, rate in orders:
        for axis in range(3):
            gradient = _field(
                modes,
                lambda k, rows, axis=axis, amplitude=amplitude: (
                    1j * k.along(axis, rows) / k.squared(rows, 1.0) * amplitude[rows]
                ),
            )
            shift = size / units.length * gradient.reshape(-1)
            position[axis] += shift
            momentum[axis] += rate * shift
    move(position, momentum, 0.0, three(map(float, grid.sides)), backend)
    first, last = (number * grid.cells[1] * grid.cells[2] for number in (planes.start, planes.stop))
    return position, momentum, xp.arange(first, last, dtype=np.int64)


def _require_resolved(phase: Any, modes: LinearModes, a: float, units: CodeUnits) -> None:
    """InputError where the phase of psi changes by more than pi from a cell to the next."""
    box, following, xp = modes.box, neighbour_plane(phase[:1], modes.domain, 1), modes.domain.backend.xp
    steps = (
        xp.diff(phase, axis=0, append=following),
        *(xp.roll(phase, -1, axis) - phase for axis in (1, 2)),
    )
    turns = np.max(modes.domain.ranks.allgather([float(abs(step).max()) for step in steps]), axis=0)
    worst = int(np.argmax(turns))
    if turns[worst] > np.pi:
        velocity = turns[worst] / np.pi * largest_velocity(float(box.spacing[worst]), units, a)
        needed = cells_for_velocity(float(box.size[worst]), velocity, units, a)
        message = (
            f"cells = {box.cells[worst]} along {'xyz'[worst]}: the initial velocities, up to {velocity:.4g} km/s, turn "
            f"the phase by {turns[worst]:.3g} rad a cell for m22 = {units.m22:g}: must be at least {needed}"
        )
        raise on_all_ranks(InputError(message))


def growth_and_velocity(a: float, background: Background) -> tuple[float, float]:
    """D, and a^2 f H, the momentum over the displacement of the growing mode [1/T]."""
    velocity = a**2 * float(background.growth_rate(a)) * float(Expanding(background).hubble(a))
    return float(background.growth(a)), velocity


def _second_order_source(modes: LinearModes) -> Any:
    """Modes of sum_{i<j} (phi_ii phi_jj - phi_ij^2) with laplacian phi = delta at D = 1, as modes.amplitude."""

    def second(one: int, two: int) -> Any:
        # phi_ij = k_i k_j / k^2 delta_k
        return _field(
            modes,
            lambda k, rows: k.along(one, rows) * k.along(two, rows) / k.squared(rows, 1.0) * modes.amplitude[rows],
        )

    xx, yy = second(0, 0), second(1, 1)
    source = xx * yy
    xx += yy
    source += xx * second(2, 2)
    del xx, yy
    for one, two in combinations(range(3), 2):
        source -= second(one, two) ** 2
    domain, number = modes.domain, np.prod(modes.box.cells, dtype=float)
    values, k = transform(source, domain).values, Wavenumbers(Grid.of(modes.box), domain)

    def work(rows: slice) -> None:
        values[rows] *= k.inside(rows) / number

    domain.backend.for_each(mode_blocks(domain, 2 * values.itemsize), work)
    return values


def _field(modes: LinearModes, values_at: Callable) -> Any:
    """The real field at the lower corners of this rank's cells whose modes are values_at(k, rows).

    values_at  function of Wavenumbers and of a slice of the planes of constant kx
    """
    k, number = Wavenumbers(Grid.of(modes.box), modes.domain), np.prod(modes.box.cells, dtype=float)
    return field_of_modes(lambda rows: values_at(k, rows) * number, modes.amplitude, modes.domain)


def field_of_modes(values_at: Callable[[slice], Any], like: Any, domain: Domain) -> Any:
    """The real field of modes that are made some planes of constant kx at a time; like: an array of their shape."""
    values = domain.backend.xp.empty_like(like)

    def work(rows: slice) -> None:
        values[rows] = values_at(rows)

    domain.backend.for_each(mode_blocks(domain, 64), work)
    return inverse(Transform(values, domain))


def _size(k: np.ndarray, power: Callable, transfer: Callable | None, volume: float) -> np.ndarray:
    """sqrt(P / volume) T at modes k [h/Mpc], checked."""
    size = np.sqrt(_checked("power", k, power(k), lowest=0) / volume)
    return size if transfer is None else size * _checked("transfer", k, transfer(k), lowest=-np.inf)


def _checked(name: str, k: np.ndarray, values: ArrayLike, lowest: float) -> np.ndarray:
    values = np.asarray(values, float)
    bad = ~(np.isfinite(values) & (values >= lowest))
    if bad.any():
        allowed = "finite and >= 0" if lowest == 0 else "finite"
        worst = int(np.argmax(bad))
        raise InputError(f"{name} at k = {k[worst]:.6g} h/Mpc is {values[worst]:.6g}: must be {allowed}")
    return values
