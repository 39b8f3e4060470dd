"""Parts of the benchmarks of a card: the registry, the card with what it can do at most, and a line of the table."""

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from statistics import median
from typing import Any

from gpu_fdm.parallel.backend import GPU

CARD_BENCHMARKS: dict = {}


def card_benchmark(function):
    """Register a benchmark of a card: a function of a Card that returns a list of lines."""
    CARD_BENCHMARKS[function.__name__] = function
    return function


class NotInstalledError(Exception):
    """A benchmark needs a library that is not there: the others do not."""


def require(library: str) -> None:
    """Raise NotInstalledError where a library is missing."""
    if find_spec(library) is None:
        raise NotInstalledError(f"not measured: {library} is not installed")


@dataclass(frozen=True)
class Line:
    """A row of the table.

    work      in words, with sizes and precision
    seconds   measured
    floor     the least time that the bytes or operations of the work take on this card [s], None where there is none
    method    how the floor is counted, and what else is worth saying
    """

    work: str
    seconds: float
    floor: float | None
    method: str


@dataclass(frozen=True)
class Card:
    """A card, and what it can do at most: measured, not taken from a datasheet."""

    backend: GPU

    @property
    def xp(self) -> Any:
        """CuPy."""
        return self.backend.xp

    def time(self, function, repeats: int = 5) -> float:
        """Median time of a few runs after one that is not counted, by the card's own events [s]."""
        events = self.xp.cuda.Event
        function()
        times = []
        for _ in range(repeats):
            start, end = events(), events()
            start.record()
            function()
            end.record()
            end.synchronize()
            times.append(1e-3 * self.xp.cuda.get_elapsed_time(start, end))
        return median(times)

    @cached_property
    def bandwidth(self) -> float:
        """Bytes read and written in a second by a copy of 4 GiB on the card."""
        source = self.xp.ones(2**30, "f4")
        target = self.xp.empty_like(source)
        return 2 * source.nbytes / self.time(lambda: self.xp.copyto(target, source))

    @cached_property
    def single(self) -> float:
        """Floating-point operations in a second in single precision, by fused multiply-adds in registers."""
        return self._operations("float32")

    @cached_property
    def double(self) -> float:
        """Floating-point operations in a second in double precision, outside the matrix units."""
        return self._operations("float64")

    def _operations(self, dtype: str) -> float:
        kind = {"float32": "float", "float64": "double"}[dtype]
        text = f"""
extern "C" __global__ void multiply_add({kind} factor, {kind}* out)
{{
    {kind} sum[8];
    for (int i = 0; i < 8; ++i) sum[i] = threadIdx.x + i;
#pragma unroll 16
    for (int step = 0; step < 4096; ++step)
        for (int i = 0; i < 8; ++i) sum[i] = sum[i] * factor + ({kind})1;
    {kind} total = 0;
    for (int i = 0; i < 8; ++i) total += sum[i];
    out[blockIdx.x * blockDim.x + threadIdx.x] = total;
}}
"""
        blocks, threads = 132 * 16, 256
        kernel = self.xp.RawKernel(text, "multiply_add")
        out = self.xp.empty(blocks * threads, dtype)
        seconds = self.time(lambda: kernel((blocks,), (threads,), (out.dtype.type(0.999), out)))
        return 2 * 8 * 4096 * blocks * threads / seconds
