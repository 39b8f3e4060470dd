"""Bessel functions J_0 ... J_M of many arguments at once, by downward recurrence.

    J_{m-1}(x) = (2m/x) J_m(x) - J_{m+1}(x),     1 = J_0 + 2 (J_2 + J_4 + ...)

Stable downward (Miller's algorithm; Abramowitz & Stegun 9.12): one multiplication and one subtraction an order, where a
library call for each order costs a hundred. It starts where J has fallen below 1e-20; above that J is set to zero.
The CUDA kernel is in bessel.cu.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.special import j0

from ..parallel.backend import CPU, GPU
from .compiled import njit

DEGREE = 9  # of splines through a transform
STEP = 0.15  # of k, times the largest radius, between rows of such a spline: good to round-off
LANES = 8  # arguments that go through the recurrence side by side, a cache line of the table
SMALL = 1e-6  # below it J_0 = 1 - x^2/4, J_1 = x/2, and the rest is below 2e-13


def bessel_table(order_max: int, argument: Any, backend: CPU | GPU | None = None) -> Any:
    """J_m(x) for m = 0 ... order_max, shape (order_max + 1, *argument.shape), where the backend wants it.

    argument  x >= 0, finite, any shape; rounding it makes the largest error, 1e-16 x. On a GPU an array of CuPy, or one
              that is copied there
    backend   its threads share the arguments; the numbers of a GPU are those of the CPU to round-off
    Raises ValueError for negative arguments, infinite ones and NaN.
    """
    backend = backend or CPU()
    argument = backend.xp.asarray(argument, dtype=float)
    if not bool(backend.xp.all((argument >= 0) & (argument < np.inf))):
        worst = float(argument.min()), float(argument.max())
        raise ValueError(
            f"argument of a Bessel function: must be finite and not negative, got {worst[0]} to {worst[1]}"
        )
    x = argument.ravel()
    if backend.name == "gpu":
        table = backend.xp.empty((order_max + 1, x.size))
        backend.launch("bessel", "bessel_table", np.float64, x.size, (x, x.size, order_max, table))
    else:
        table = np.zeros((order_max + 1, x.size))
        edges = np.linspace(0, -(-x.size // LANES), 8 * backend.threads + 1).astype(int) * LANES
        backend.for_each(pairwise(edges), lambda part: _recur(x, part[0], min(part[1], x.size), table))
    return table.reshape(order_max + 1, *argument.shape)


def spherical_bessel_table(order_max: int, argument: Any, backend: CPU | GPU | None = None) -> Any:
    """j_L(x) for L = 0 ... order_max, shape (order_max + 1, *argument.shape), where the backend wants it.

    The same downward recurrence, j_{L-1} = ((2L+1)/x) j_L - j_{L+1}, scaled to j_0 and j_1, in array operations.

    argument  x >= 0, finite, any shape
    Raises ValueError for negative arguments, infinite ones and NaN.
    """
    backend = backend or CPU()
    xp = backend.xp
    argument = xp.asarray(argument, dtype=float)
    if not bool(xp.all((argument >= 0) & (argument < np.inf))):
        worst = float(argument.min()), float(argument.max())
        raise ValueError(
            f"argument of a Bessel function: must be finite and not negative, got {worst[0]} to {worst[1]}"
        )
    x = xp.maximum(argument.ravel(), SMALL)
    # where the asymptotic form has fallen to 1e-20, see _recur
    start = (x + 13.5 * x ** (1 / 3)).astype(np.int64) + 20
    table = xp.zeros((order_max + 1, x.size))
    above, here, inverse = xp.zeros(x.size), xp.zeros(x.size), 1 / x
    for order in range(int(start.max()) if x.size else 0, -1, -1):  # CuPy's max takes no initial
        here = xp.where(start == order, 1e-150, here)
        if order <= order_max:
            table[order] = here
        if order:
            above, here = here, (2 * order + 1) * inverse * here - above
    # j_0 and j_1, of which one is not small; j_1 without the cancellation of its closed form at small x
    j_0 = xp.sin(x) * inverse
    j_1 = xp.where(x > 0.5, (j_0 - xp.cos(x)) * inverse, x / 3 * (1 - x**2 / 10 * (1 - x**2 / 28 * (1 - x**2 / 54))))
    by_j_0 = xp.abs(j_0) >= xp.abs(j_1)
    table *= xp.where(by_j_0 | (x <= 0.5), j_0 / xp.where(here == 0, 1, here), j_1 / xp.where(above == 0, 1, above))
    small = xp.flatnonzero(argument.ravel() < SMALL)
    table[:, small] = 0
    table[0, small] = 1 - argument.ravel()[small] ** 2 / 6
    if order_max > 0:
        table[1, small] = argument.ravel()[small] / 3
    return table.reshape(order_max + 1, *argument.shape)


def transform_0(k: np.ndarray, radius: np.ndarray, shares: np.ndarray, values: int, backend: CPU | GPU) -> np.ndarray:
    """sum over radii of J_0(k R) share, shape of k; all NumPy, summed where the backend is.

    k       not negative, any shape;  radius, shares  shape (radii,)
    values  of J_0 in memory at a time, which are the library's on the CPU, and by recurrence on a GPU
    It has no faster waves than those of the largest radius: on the CPU many k are interpolated from equal steps, to
    round-off.
    """
    rows = max(1, values // len(radius))
    parts = np.split(k.ravel(), range(rows, k.size, rows))
    if backend.name == "gpu":
        radius, shares = backend.to_device(radius), backend.to_device(shares)
        sums = [bessel_table(0, backend.to_device(part)[:, None] * radius, backend)[0] @ shares for part in parts]
        return backend.to_host(backend.xp.concatenate(sums)).reshape(k.shape)
    step = STEP / float(radius.max())
    steps = float(k.max(initial=0.0)) / step + DEGREE
    if 2 * steps < k.size:
        at = step * np.arange(int(steps) + 1)
        of_steps = transform_0(at, radius, shares, values, backend)
        # it is even
        mirrored = slice(DEGREE, 0, -1)
        both = np.concatenate([-at[mirrored], at]), np.concatenate([of_steps[mirrored], of_steps])
        return make_interp_spline(*both, k=DEGREE)(k)
    return np.concatenate([j0(part[:, None] * radius) @ shares for part in parts]).reshape(k.shape)


@njit(nogil=True, error_model="numpy")
def _recur(x, first, last, table):
    """Fill columns first ... last - 1 of table, shape (orders, arguments), zero before."""
    highest = table.shape[0] - 1
    start = np.empty(LANES, np.int64)
    two_over_x, above, here, total = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for column in range(first, last, LANES):
        lanes = min(LANES, last - column)
        top = 0
        for lane in range(LANES):
            value = max(x[column + lane] if lane < lanes else 1.0, SMALL)
            two_over_x[lane] = 2 / value
            # where the asymptotic form, Ai(2^(1/3) c) at order x + c x^(1/3), has fallen to 1e-20
            start[lane] = np.int64(value + 13.5 * value ** (1 / 3)) + 20
            top = max(top, start[lane])
            above[lane] = here[lane] = total[lane] = 0
        for order in range(top, -1, -1):
            for lane in range(LANES):
                # small enough that 1e20 times as much, or (2/x)^20 as much at a small x, is still a number
                here[lane] = 1e-150 if order == start[lane] else here[lane]
            if order % 2 == 0:
                for lane in range(LANES):
                    total[lane] += here[lane]
            if order <= highest:
                for lane in range(lanes):
                    table[order, column + lane] = here[lane]
            for lane in range(LANES):
                below = order * two_over_x[lane] * here[lane] - above[lane]
                above[lane] = here[lane]
                here[lane] = below
        for lane in range(LANES):
            total[lane] = 1 / (2 * total[lane] - above[lane])  # above holds J_0 now, which counts once
        for order in range(min(top, highest) + 1):
            for lane in range(lanes):
                table[order, column + lane] *= total[lane]
        for lane in range(lanes):
            value = x[column + lane]
            if value < SMALL:
                for order in range(min(top, highest) + 1):
                    table[order, column + lane] = 0
                table[0, column + lane] = 1 - value * value / 4
                if highest > 0:
                    table[1, column + lane] = value / 2
