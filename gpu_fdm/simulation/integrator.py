"""When to kick and when to drift: clocks, splitting schemes, and the way from one output to the next.

Both dynamics have the same two parts. With momentum p = a^2 dx/dt (for a wave k, hbar = m = 1) and the potential
Phi = a V, for which laplacian Phi = rho - <rho>,

    drift: dx/dt = p/a^2           or   i dpsi/dt = -laplacian psi/(2 a^2)     depends on int dt/a^2
    kick:  dp/dt = -grad Phi/a     or   i dpsi/dt = Phi psi/a                  depends on int dt/a

(Quinn et al. 1997, arXiv:astro-ph/9710043). Both parts are solved exactly, with a clock of their own, so that a
splitting has the order in the expanding universe that it has in a static one: in the space enlarged by the two clocks
nothing depends on time.

Between steps the kick clock lags behind: the last kick of a step and the first of the next are one. Positions, or
|psi|^2, always belong to the drift clock.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import ceil, exp, inf, isfinite, log, sqrt
from typing import Protocol, TypeVar

import numpy as np

from ..cosmology.background import EARLIEST, Background
from ..errors import InputError, RunError
from ..parallel.ranks import on_all_ranks

Number = TypeVar("Number", float, np.ndarray)

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_ROUND_OFF = 1e-9  # in steps: what may be left of an interval that steps of the largest length fill


@dataclass(frozen=True)
class Expanding:
    """The clock of an expanding universe: an epoch is a scale factor, a length of a step is in ln a.

    longest  largest length of a drift or a kick [ln a]
    """

    background: Background
    longest: float = 0.02

    def scale_factor(self, epoch: float) -> float:
        """The epoch itself."""
        return epoch

    def hubble(self, a: Number) -> Number:
        """H = E(a) / sqrt(3/2 Om) [1/T]."""
        return self.background.expansion(a) / sqrt(1.5 * self.background.omega_m)

    def drift_rate(self, epoch: Number) -> Number:
        """d(int dt/a^2) / dln a = 1/(a^2 H) [T]."""
        return 1 / (epoch**2 * self.hubble(epoch))

    def kick_rate(self, epoch: Number) -> Number:
        """d(int dt/a) / dln a = 1/(a H) [T]."""
        return 1 / (epoch * self.hubble(epoch))

    def drift(self, begin: float, end: float) -> float:
        """int dt/a^2 from one scale factor to another [T], to round-off over a unit of ln a."""
        return self._integral(self.drift_rate, begin, end)

    def kick(self, begin: float, end: float) -> float:
        """int dt/a from one scale factor to another [T], to round-off over a unit of ln a."""
        return self._integral(self.kick_rate, begin, end)

    def after(self, epoch: float, length: float) -> float:
        """The epoch a step later."""
        return epoch * exp(length)

    def between(self, begin: float, end: float) -> float:
        """Length of the step from one epoch to another."""
        return log(end / begin)

    def check(self, epoch: float) -> None:
        """Raise InputError for scale factors at which radiation, which is left out, matters."""
        if not (isfinite(epoch) and epoch >= EARLIEST):
            raise InputError(f"scale factor {epoch:g}: must be at least {EARLIEST:g} (radiation is left out)")

    @staticmethod
    def _integral(rate: Callable[[np.ndarray], np.ndarray], begin: float, end: float) -> float:
        """Gauss-Legendre quadrature in ln a: the rates are smooth, close to powers of a."""
        half = 0.5 * log(end / begin)
        return float(half * (_WEIGHTS @ rate(begin * np.exp(half * (1 + _NODES)))))


@dataclass(frozen=True)
class Static:
    """The clock of a universe that stands still at scale factor a: an epoch is a time, so is a length [T].

    longest  largest length of a drift or a kick [T]
    """

    a: float = 1.0
    longest: float = inf

    def scale_factor(self, epoch: float) -> float:
        """Scale factor, the same at all times."""
        return self.a

    def drift_rate(self, epoch: float) -> float:
        """1/a^2."""
        return 1 / self.a**2

    def kick_rate(self, epoch: float) -> float:
        """1/a."""
        return 1 / self.a

    def drift(self, begin: float, end: float) -> float:
        """int dt/a^2 [T]."""
        return (end - begin) / self.a**2

    def kick(self, begin: float, end: float) -> float:
        """int dt/a [T]."""
        return (end - begin) / self.a

    def after(self, epoch: float, length: float) -> float:
        """The epoch a step later."""
        return epoch + length

    def between(self, begin: float, end: float) -> float:
        """Length of the step from one epoch to another."""
        return end - begin

    def check(self, epoch: float) -> None:
        """Raise InputError unless the time is finite."""
        if not isfinite(epoch):
            raise InputError(f"time {epoch}: must be finite")


Clock = Expanding | Static


@dataclass(frozen=True)
class Scheme:
    """A symmetric splitting of a step: kick, drift, kick, ..., drift, kick, as fractions of the step.

    kicks  one more than drifts; both sum to one
    """

    order: int
    kicks: tuple[float, ...]
    drifts: tuple[float, ...]

    @property
    def stages(self) -> int:
        """Drifts in a step, and kicks, the two where steps meet being one: what a step costs."""
        return len(self.drifts)


def _symmetric(order: int, kicks: tuple[float, ...], drifts: tuple[float, ...]) -> Scheme:
    """A scheme of an even number of drifts from the first half of its fractions."""
    drifts = (*drifts, 0.5 - sum(drifts))
    kicks = (*kicks, 1 - 2 * sum(kicks))
    return Scheme(order, kicks + kicks[-2::-1], drifts + drifts[::-1])


# kick-drift-kick (Strang 1968), and the six drifts of Blanes & Moan 2002 (J. Comput. Appl. Math. 142, 313, SRKN_6^b),
# which require that kicks commute with their commutators with drifts: they do, forces and Phi depend on positions only
SCHEMES = {
    2: Scheme(2, (0.5, 0.5), (1.0,)),
    4: _symmetric(
        4,
        (0.0829844064174052, 0.396309801498368, -0.0390563049223486),
        (0.245298957184271, 0.604872665711080),
    ),
}


def scheme_of_order(order: int) -> Scheme:
    """The scheme of an order; InputError where there is none."""
    if order not in SCHEMES:
        raise InputError(f"order = {order}: must be one of {', '.join(map(str, SCHEMES))}")
    return SCHEMES[order]


@dataclass(frozen=True)
class Times:
    """How far a run has come.

    epoch   of the drift clock: scale factor, or time [T];  kicked  epoch of the kick clock, which lags behind
    step    number of steps done
    """

    epoch: float
    kicked: float
    step: int = 0

    @classmethod
    def start(cls, epoch: float) -> "Times":
        """The times at the first epoch."""
        return cls(float(epoch), float(epoch))

    @property
    def synchronised(self) -> bool:
        """Whether kicks have come as far as drifts."""
        return self.kicked == self.epoch


class Dynamics(Protocol):
    """What is integrated: a state and its forces."""

    def update_forces(self) -> None:
        """Find the forces at the present positions."""

    def kick(self, factor: float, growth: float) -> None:
        """Kick by int dt/a = factor, while a grows by `growth`."""

    def drift(self, factor: float) -> None:
        """Drift by int dt/a^2 = factor."""

    def longest_stage(self, drift_rate: float, kick_rate: float) -> float:
        """Largest length of a drift, or of a kick, at these rates of int dt/a^2 and int dt/a; may be inf."""

    def measure(self, times: Times, scale_factor: float) -> None:
        """Measure the synchronised state; may change it by round-off."""


def integrate(
    dynamics: Dynamics,
    times: Times,
    clock: Clock,
    scheme: Scheme,
    stops: Iterable[float],
    watch: int = 0,
    on_step: Callable[[Times], None] | None = None,
) -> Iterator[Times]:
    """Advance to one stop after the other; yields there, kicks and drifts synchronised.

    stops    epochs in ascending order; stops that are not after times.epoch are skipped
    watch    the state is synchronised and measured after so many steps, as it is at the start and at every stop; 0:
             only there
    on_step  called after every step, when the state may be saved: a run that resumes from it with the same arguments
             ends with the same bits, since nothing but the state and the times decides what happens next
    Raises InputError for stops that do not ascend or are out of the clock's range.
    """
    stops = [float(stop) for stop in stops]
    if not clock.longest > 0:
        raise InputError(f"longest = {clock.longest}: must be > 0")
    for stop in (times.epoch, *stops):
        clock.check(stop)
    for before, after in pairwise(stops):
        if after <= before:
            raise InputError(f"stops {before:g}, {after:g}: must ascend")
    return _integrate(dynamics, times, clock, scheme, stops, watch, on_step)


def _integrate(
    dynamics: Dynamics,
    times: Times,
    clock: Clock,
    scheme: Scheme,
    stops: list[float],
    watch: int,
    on_step: Callable[[Times], None] | None,
) -> Iterator[Times]:
    dynamics.update_forces()
    if times.step == 0:
        times = _synchronise(dynamics, times, clock)
        dynamics.measure(times, clock.scale_factor(times.epoch))
        dynamics.update_forces()
    for stop in stops:
        while times.epoch < stop:
            times = _step(dynamics, times, clock, scheme, stop)
            arrived = times.epoch == stop
            if arrived or (watch and times.step % watch == 0):
                times = _synchronise(dynamics, times, clock)
                dynamics.measure(times, clock.scale_factor(times.epoch))
                # the state that may be saved now has what measuring and kicking changed by round-off
                dynamics.update_forces()
            if on_step is not None:
                on_step(times)
            if arrived:
                yield times


def _step(dynamics: Dynamics, times: Times, clock: Clock, scheme: Scheme, stop: float) -> Times:
    """One step towards a stop, in as many equal ones as it takes from here."""
    begin = times.epoch
    remaining = clock.between(begin, stop)
    # on average over the stages of a step, so that steps of any order cost the same
    stage = min(clock.longest, dynamics.longest_stage(clock.drift_rate(begin), clock.kick_rate(begin)))
    longest = scheme.stages * stage
    steps = max(1, ceil(remaining / longest - _ROUND_OFF))
    length = remaining / steps
    end = stop if steps == 1 else clock.after(begin, length)
    if not end > begin:
        raise on_all_ranks(RunError(f"the steps have become too short at {begin:.6g}: {length:.3g} of {remaining:.3g}"))
    drifted = begin
    drift_ends = [clock.after(begin, length * fraction) for fraction in accumulate(scheme.drifts[:-1])] + [end]
    kick_ends = [clock.after(begin, length * fraction) for fraction in accumulate(scheme.kicks[:-1])]
    for kick_end, drift_end in zip(kick_ends, drift_ends, strict=True):
        times = _kick(dynamics, times, clock, kick_end)
        dynamics.drift(clock.drift(drifted, drift_end))
        drifted = drift_end
        dynamics.update_forces()
    return Times(end, times.kicked, times.step + 1)


def _synchronise(dynamics: Dynamics, times: Times, clock: Clock) -> Times:
    return _kick(dynamics, times, clock, times.epoch)


def _kick(dynamics: Dynamics, times: Times, clock: Clock, epoch: float) -> Times:
    growth = clock.scale_factor(epoch) - clock.scale_factor(times.kicked)
    dynamics.kick(clock.kick(times.kicked, epoch), growth)
    return Times(times.epoch, epoch, times.step)
