"""Sampling of a posterior by emcee's ensemble of walkers, written to a file as it goes, and resumed bit for bit."""

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from ..errors import InputError, RunError
from ..io.lock import only_run
from ..io.result_file import require_writable
from ..parallel.blas import on_one_thread
from ..quantities import takes
from .chain import Chain, read_chain, require_same, write_chain
from .posterior import Posterior

log = logging.getLogger(__name__)

EVERY = 100  # steps after which autocorrelation times are computed
WRITE_EVERY = 5.0  # seconds between writes of the chain
WRITING = 0.02  # largest share of the time that writing takes
LOG_EVERY = 15.0  # seconds between lines of progress


def require_emcee() -> None:
    """RunError where emcee is not installed."""
    if find_spec("emcee") is None:
        raise RunError("emcee is not installed, which samples the posterior: pip install emcee")


@takes()
@on_one_thread  # matrices are small, and bits then do not depend on the number of cores
def sample(
    posterior: Posterior, path: str | Path, settings: dict[str, str], walkers: int, steps: int, times: float, seed: int
) -> Chain:
    """Sample a posterior, from where the file of a chain ends if there is one.

    path      of the chain, which is written every few seconds, and when the sampling ends or is stopped
    settings  of the chain, all that its points depend on but their number; another chain is refused
    steps     largest number;  times  number of autocorrelation times after which it ends before
    Returns the whole chain. Raises InputError for the file of another chain, which is left as it is; RunError while
    another process samples into it.
    """
    path = Path(path)
    require_writable(path.parent)
    with only_run(path, option="--output"):
        return _sampled(posterior, path, settings, walkers, steps, times, seed)


def _sampled(
    posterior: Posterior, path: Path, settings: dict[str, str], walkers: int, steps: int, times: float, seed: int
) -> Chain:
    shape = 0, walkers, len(posterior.names)
    if path.exists():
        chain = read_chain(path)
        require_same(chain, settings, path)
        log.info("%s: resumed after step %d", path, chain.steps)
    else:
        random: Any = np.random.RandomState(seed).get_state()
        chain = Chain(posterior.names, np.empty(shape), np.empty(shape[:2]), np.zeros(walkers), 0, random, settings)
    recorder = _Recorder(chain, path, times)
    try:
        if not recorder.is_long_enough(steps):
            for step in _taken(posterior, chain, seed):
                recorder.add(step)
                if recorder.is_long_enough(steps):
                    break
    finally:  # stopped too
        recorder.write()
    return recorder.chain


@frozen(eq=False)
class _Step:
    """One step of all walkers: points, ln of their density, who moved, proposals refused so far, random numbers."""

    points: NDArray
    log_density: NDArray
    accepted: NDArray
    refused: int
    random: tuple


def _taken(posterior: Posterior, chain: Chain, seed: int) -> Iterator[_Step]:
    """Steps that follow a chain, without end; those of an empty one start from the Gaussian approximation."""
    from emcee import EnsembleSampler, State

    refused = chain.refused

    def log_densities(points: NDArray) -> NDArray:
        nonlocal refused
        found = np.full(len(points), -np.inf)
        for number, point in enumerate(points):
            try:
                found[number] = posterior.log_density(point)
            except InputError as error:
                if not refused:
                    log.warning("proposals beyond what can be predicted are refused, and counted: the first: %s", error)
                refused += 1
        return found

    _, walkers, parameters = chain.points.shape
    start = State(posterior.best.cloud(walkers, seed), random_state=chain.random)
    if chain.steps:
        start = State(chain.points[-1], log_prob=chain.log_density[-1], random_state=chain.random)
    before = start.coords.copy()
    sampler = EnsembleSampler(walkers, parameters, log_densities, vectorize=True)
    for state in sampler.sample(start, iterations=None, store=False, skip_initial_state_check=bool(chain.steps)):
        points = state.coords.copy()
        yield _Step(points, state.log_prob.copy(), np.any(points != before, axis=1), refused, state.random_state)
        before = points


class _Recorder:
    """A chain that grows by steps, its file, and lines of progress."""

    def __init__(self, chain: Chain, path: Path, times: float):
        self._chain, self._path, self._times = chain, path, times
        self._taken: list[_Step] = []
        self._began = self._logged = self._written = perf_counter()
        self._began_at, self._unwritten, self._pause = chain.steps, not path.exists(), WRITE_EVERY
        self._longest = chain.longest

    @property
    def chain(self) -> Chain:
        """The chain with all steps."""
        if taken := self._taken:
            chain, last = self._chain, taken[-1]
            self._chain = evolve(
                chain,
                points=np.concatenate([chain.points, [step.points for step in taken]]),
                log_density=np.concatenate([chain.log_density, [step.log_density for step in taken]]),
                accepted=chain.accepted + np.sum([step.accepted for step in taken], axis=0),
                refused=last.refused,
                random=last.random,
            )
            self._taken = []
        return self._chain

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self._chain.steps + len(self._taken)

    def add(self, step: _Step) -> None:
        """Add a step; write the chain and log lines as it is time for them."""
        self._taken.append(step)
        self._unwritten, now = True, perf_counter()
        if now - self._written > self._pause:
            self.write()
        if self.steps % EVERY == 0:
            self._longest = self.chain.longest
        if now - self._logged > LOG_EVERY:
            self._logged = now
            each = (now - self._began) / (self.steps - self._began_at)
            about = "no autocorrelation time yet"
            if np.isfinite(self._longest):
                left = max(self._times * self._longest - self.steps, 0) * each
                about = f"autocorrelation time {self._longest:.3g}, about {left:.0f} s left"
            log.info("step %d: %s, %.3g ms a step", self.steps, about, 1e3 * each)

    def is_long_enough(self, steps: int) -> bool:
        """Whether a chain ends: asked at fixed steps alone, however often it was stopped between them."""
        at = self.steps
        return at >= steps or (at > 0 and at % EVERY == 0 and at >= self._times * self._longest)

    def write(self) -> None:
        """Write the chain, unless its file has it."""
        if self._unwritten:
            started = perf_counter()
            write_chain(self.chain, self._path)
            self._written, self._unwritten = perf_counter(), False
            self._pause = max(WRITE_EVERY, (self._written - started) / WRITING)
