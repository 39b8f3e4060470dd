"""The collapse of a homogeneous ellipsoid, followed until its axes freeze, on the CPU alone.

Callers check the arguments.
State y = (a_1, a_2, a_3, a_1', a_2', a_3', g): the axes, their derivatives with respect to the scale factor a, and the
growing mode g, which obeys an equation of first order, g' = Om(a) (5/2 - 3/2 g/a).
"""

import math
from typing import Any

import numpy as np

from .compiled import njit

VIRIAL, BOND_MYERS = 0, 1
MOST_STEPS = 100_000  # a hundred suffice
_STATE = 7
_FRACTION_TOLERANCE = 1e-13  # of a step, for the moment at which an axis freezes
_SMALLEST_STEP = 1e-14  # over the scale factor; below it round-off rules
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}

# Dormand & Prince 1980: order 5, with an error estimate of order 4; the last stage is the first of the next step
_NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
_STAGES = (
    (0.0, 0.0, 0.0, 0.0, 0.0),
    (1 / 5, 0.0, 0.0, 0.0, 0.0),
    (3 / 40, 9 / 40, 0.0, 0.0, 0.0),
    (44 / 45, -56 / 15, 32 / 9, 0.0, 0.0),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0.0),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
)
_WEIGHTS = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
_ERRORS = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


@njit(**_OPTIONS)
def carlson_rd_three(x, y, z):
    """R_D(y, z, x), R_D(z, x, y) and R_D(x, y, z) by duplication, to 1e-14; x, y, z > 0.

    All three share the sequence x -> (x + c)/4, c = sqrt(xy) + sqrt(yz) + sqrt(zx). Source: Carlson 1995.
    """
    start = (x, y, z)
    means = np.empty(3)
    sums = np.zeros(3)
    spread = 0.0
    for i in range(3):
        means[i] = (x + y + z + 2 * start[i]) / 5
        for j in range(3):
            spread = max(spread, abs(means[i] - start[j]))
    spread *= 400  # (1e-15/4)^(-1/6): the series below ends at the fifth order
    scale = 1.0
    # the smallest of the arguments, which is below each of the three means, in place of them
    while scale * spread > min(x, y, z):
        root_x, root_y, root_z = math.sqrt(x), math.sqrt(y), math.sqrt(z)
        common = root_x * root_y + root_y * root_z + root_z * root_x
        sums[0] += scale / (root_x * (x + common))
        sums[1] += scale / (root_y * (y + common))
        sums[2] += scale / (root_z * (z + common))
        scale *= 0.25
        x, y, z = 0.25 * (x + common), 0.25 * (y + common), 0.25 * (z + common)
    end = (x, y, z)
    for i in range(3):
        mean = (x + y + z + 2 * end[i]) / 5
        first = (means[i] - start[(i + 1) % 3]) * scale / mean
        second = (means[i] - start[(i + 2) % 3]) * scale / mean
        third = -(first + second) / 3
        product, square = first * second, third * third
        e2 = product - 6 * square
        e3 = (3 * product - 8 * square) * third
        e4 = 3 * (product - square) * square
        e5 = product * square * third
        series = 1 - 3 * e2 / 14 + e3 / 6 + 9 * e2 * e2 / 88 - 3 * e4 / 22 - 9 * e2 * e3 / 52 + 3 * e5 / 26
        sums[i] = 3 * sums[i] + scale * series / (mean * math.sqrt(mean))
    return sums[0], sums[1], sums[2]


@njit(**_OPTIONS)
def _attraction(a, y, tide, omega_m, out):
    """Write [(3 Om/(2a^3)) C_i - (1 - Om)] / (aE)^2 of the three axes into out: the pull on an axis over its length.

    C_i = (1 + D)/3 + b_i D/2 + g tide_i,  D = a^3/(a_1 a_2 a_3) - 1,
    b_i = (2/3)(a_1 a_2 a_3 R_D(a_j^2, a_k^2, a_i^2) - 1)
    """
    volume = y[0] * y[1] * y[2]
    contrast = a * a * a / volume - 1
    depolarisation = carlson_rd_three(y[0] * y[0], y[1] * y[1], y[2] * y[2])
    hubble_squared = omega_m / a + (1 - omega_m) * a * a
    for i in range(3):
        b = 2 / 3 * (volume * depolarisation[i] - 1)
        total = (1 + contrast) / 3 + b * contrast / 2 + y[6] * tide[i]
        out[i] = (1.5 * omega_m / (a * a * a) * total - (1 - omega_m)) / hubble_squared


@njit(**_OPTIONS)
def _slope(a, y, frozen, tide, omega_m, out):
    """Write dy/da into out. A frozen axis keeps its comoving size: a_i' is constant."""
    matter = omega_m / (omega_m + (1 - omega_m) * a * a * a)
    _attraction(a, y, tide, omega_m, out[3:])
    for i in range(3):
        # 1/a + E'/E = (1 - 3 Om(a)/2)/a
        acceleration = -(1 - 1.5 * matter) / a * y[3 + i] - out[3 + i] * y[i]
        out[i] = y[3 + i]
        out[3 + i] = 0.0 if frozen[i] else acceleration
    out[6] = matter * (2.5 - 1.5 * y[6] / a)


@njit(**_OPTIONS)
def _step(a, h, y, slopes, frozen, tide, omega_m, new):
    """Write the state at a + h into new, and slopes[1:]; slopes[0] is given. Returns the estimated relative error.

    The error of a derivative is measured against |a_i'| + a_i/a, since a_i' itself passes zero.
    """
    for stage in range(1, 6):
        for c in range(_STATE):
            total = 0.0
            for earlier in range(stage):
                total += _STAGES[stage][earlier] * slopes[earlier, c]
            new[c] = y[c] + h * total
        _slope(a + _NODES[stage] * h, new, frozen, tide, omega_m, slopes[stage])
    for c in range(_STATE):
        total = 0.0
        for stage in range(6):
            total += _WEIGHTS[stage] * slopes[stage, c]
        new[c] = y[c] + h * total
    _slope(a + h, new, frozen, tide, omega_m, slopes[6])
    worst = 0.0
    for c in range(_STATE):
        total = 0.0
        for stage in range(7):
            total += _ERRORS[stage] * slopes[stage, c]
        scale = abs(y[c])
        if 3 <= c < 6:
            scale += y[c - 3] / a
        error = abs(h * total) / scale
        if not error <= worst:  # NaN too, where an axis passed zero within the step
            worst = error
    return worst


@njit(**_OPTIONS)
def _until_frozen(a, y, i, rule, tide, omega_m, work):
    """A function that is positive until axis i freezes, which happens only after turn-around."""
    if y[3 + i] >= 0:
        return 1.0
    if rule == VIRIAL:
        _attraction(a, y, tide, omega_m, work)
        rate = y[3 + i] / y[i]
        return a * a * (work[i] - rate * rate)
    below_one = omega_m / (omega_m + (1 - omega_m) * a * a * a) - 1
    # Bryan & Norman 1998 divide by Om(a), to be over the mean density; the published thresholds do not
    overdensity = 18 * math.pi**2 + 82 * below_one - 39 * below_one * below_one
    return y[i] / a * overdensity ** (1 / 3) - 1


@njit(**_OPTIONS)
def _fraction_of_step(i, a, h, y, new, slopes, frozen, rule, tide, omega_m, trial, work):
    """Fraction of the step from y to new at which axis i freezes; 2 if it does not.

    The Illinois method varies the length of the step: every trial is a step of its own, of full order.
    Source: Dowell & Jarratt 1971.
    """
    low, high = 0.0, 1.0
    at_high = _until_frozen(a + h, new, i, rule, tide, omega_m, work)
    if at_high > 0:
        return 2.0
    at_low = _until_frozen(a, y, i, rule, tide, omega_m, work)
    if at_low <= 0:  # at once, together with the axis that froze last
        return 0.0
    last = 0
    while high - low > _FRACTION_TOLERANCE and at_high < 0:
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        if not low < middle < high:
            break
        _step(a, middle * h, y, slopes, frozen, tide, omega_m, trial)
        at_middle = _until_frozen(a + middle * h, trial, i, rule, tide, omega_m, work)
        if at_middle > 0:
            low, at_low = middle, at_middle
            at_high *= 0.5 if last == 1 else 1.0
            last = 1
        else:
            high, at_high = middle, at_middle
            at_low *= 0.5 if last == -1 else 1.0
            last = -1
    return high


@njit(**_OPTIONS)
def _copy(values, out):
    """out[:] = values, whose message of other shapes numba would compile for seconds."""
    for i in range(len(out)):
        out[i] = values[i]


@njit(**_OPTIONS)
def follow(start, stop, y, tide, omega_m, rule, needed, tolerance, longest, freeze, path):
    """Follow an ellipsoid from the scale factor `start` to `stop`, or until `needed` axes are frozen.

    y         state at the start, (7,); the last state on return
    tide      (lambda_i - sum lambda/3)/g at the start, (3,)
    rule      VIRIAL or BOND_MYERS
    tolerance of a step, relative;  longest  step allowed
    freeze    (3,), written: the scale factor at which an axis froze; axes that did not are left alone
    path      (rows, 4), written: a and the axes at the start and after each step, as far as there are rows
    Returns the number of rows of the complete path, or -1 where the steps became too small or too many.
    """
    frozen = np.zeros(3, np.bool_)
    slopes = np.empty((7, _STATE))
    new, trial, work = np.empty(_STATE), np.empty(_STATE), np.empty(3)
    a, h = start, 0.01 * start
    _slope(a, y, frozen, tide, omega_m, slopes[0])
    number, row = 0, 0
    for _ in range(MOST_STEPS):
        if row < len(path):
            path[row, 0] = a
            _copy(y, path[row, 1:])
        if number >= needed or a >= stop:
            return row + 1
        h = min(h, longest, stop - a)
        error = _step(a, h, y, slopes, frozen, tide, omega_m, new)
        if not (error <= tolerance and min(new[0], new[1], new[2]) > 0):
            h *= min(0.5, max(0.1, 0.9 * (tolerance / error) ** 0.2)) if error > 0 else 0.1
            if h < _SMALLEST_STEP * a:
                return -1
            continue
        row += 1
        first, which = 2.0, -1
        for i in range(3):
            if not frozen[i]:
                fraction = _fraction_of_step(i, a, h, y, new, slopes, frozen, rule, tide, omega_m, trial, work)
                if fraction < first:
                    first, which = fraction, i
        if which < 0:
            a = stop if h >= stop - a else a + h
            _copy(new, y)
            _copy(slopes[6], slopes[0])
            h *= min(5.0, max(0.2, 0.9 * (tolerance / max(error, 1e-30)) ** 0.2))
            continue
        _step(a, first * h, y, slopes, frozen, tide, omega_m, new)
        a += first * h
        _copy(new, y)
        y[3 + which] = y[which] / a
        frozen[which] = True
        freeze[which] = a
        number += 1
        _slope(a, y, frozen, tide, omega_m, slopes[0])
    return -1


@njit(**_OPTIONS)
def begin(shear, start, growth, y, tide):
    """Write the state at the start into y and the external tide into tide, as `follow` takes them.

    shear   lambda_i at the start: a_i = start (1 - lambda_i), a_i' = 1 - 2 lambda_i;  growth  g there
    """
    mean = (shear[0] + shear[1] + shear[2]) / 3
    for i in range(3):
        y[i] = start * (1 - shear[i])
        y[3 + i] = 1 - 2 * shear[i]
        tide[i] = (shear[i] - mean) / growth
    y[6] = growth


@njit(**_OPTIONS)
def first_frozen(overdensities, isotropic, fixed, start, scale_factor, stop, growth, omega_m, rule, needed, tolerance):
    """Index of the first overdensity that has `needed` axes frozen at a scale factor.

    Returns the number of overdensities if none has, and -1 where `follow` fails.

    isotropic, fixed   (3,), the shear at the start is overdensity * isotropic + fixed
    stop               scale factor up to which to follow, >= scale_factor
    """
    y, tide, freeze, path = np.empty(_STATE), np.empty(3), np.empty(3), np.empty((0, 4))
    for index in range(len(overdensities)):
        freeze[:] = np.inf
        begin(overdensities[index] * isotropic + fixed, start, growth, y, tide)
        if follow(start, stop, y, tide, omega_m, rule, needed, tolerance, np.inf, freeze, path) < 0:
            return -1
        if np.sum(freeze <= scale_factor) >= needed:
            return index
    return len(overdensities)
