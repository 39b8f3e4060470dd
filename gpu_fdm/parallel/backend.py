"""Where the hot loops run: numba threads on the CPU, or CUDA kernels through CuPy on a GPU.

Both answer the same calls. Everything else in the program is plain NumPy.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import control_group
from .cards import count_cards
from .cufft import CardTransforms, clear_plans
from .mpi_buffers import Buffers
from .slices import slices_of
from .staging import LEAST, Copy, staging_of

Part = TypeVar("Part")

THREADS_PER_BLOCK = 256
CUDA_STANDARD = "--std=c++17"
_COPY_BYTES = 1 << 22  # of a copy on the host that a thread does at a time


def cpu_count() -> int:
    """CPUs that this process may use: those of its affinity mask, and no more than its control groups grant."""
    granted = control_group.cpus()
    own = len(own_cpus())
    return own if granted is None else max(1, min(own, int(granted)))


def own_cpus() -> frozenset[int]:
    """Numbers of the CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


@dataclass(frozen=True)
class CPU:
    """NumPy and numba on `threads` threads."""

    threads: int = field(default_factory=cpu_count)
    name: ClassVar[Literal["cpu"]] = "cpu"
    xp = np
    arithmetic: ClassVar[str] = name  # what decides the last bits of a result: part of the keys of caches
    device_memory: ClassVar[None] = None  # there is none besides the host's
    mpi_buffers: ClassVar[Buffers] = "host"

    @property
    def device(self) -> str:
        """The processor, in words."""
        return f"CPU, {self.threads} threads"

    @property
    def provenance(self) -> dict[str, str]:
        """Attributes of a result file that say where it was computed."""
        return {"backend": self.name, "device": self.device}

    @property
    def host(self) -> "CPU":
        """The backend of what runs on the CPU only: this one."""
        return self

    @property
    def fft(self) -> Any:
        """scipy.fft."""
        from scipy import fft

        return fft

    @cached_property
    def _helpers(self) -> ThreadPoolExecutor:
        """Threads that stay: a step of a simulation hands out work six times, and starting them takes a twentieth."""
        return ThreadPoolExecutor(self.threads)

    def for_each(self, parts: Iterable[Part], work: Callable[[Part], object]) -> None:
        """Call work(part) for every part, in threads, of which this one is the first.

        After an error no further part is begun; the error of the first part that has one is raised once threads rest.
        """
        parts = list(parts)
        queue, errors = enumerate(parts), {}

        def take() -> None:
            for number, part in queue:
                try:
                    work(part)
                except BaseException as error:  # noqa: BLE001 - it is raised below
                    errors[number] = error
                    leave()

        def leave() -> None:
            for _ in queue:
                pass

        helpers = [self._helpers.submit(take) for _ in range(min(self.threads, len(parts)) - 1)]
        try:
            take()
        finally:
            leave()
            wait([helper for helper in helpers if not helper.cancel()])
        if errors:
            raise errors[min(errors)]

    def to_device(self, array: Any) -> Any:
        """The array where the loops want it: here."""
        return np.ascontiguousarray(self.to_host(array))

    def to_host(self, array: Any) -> Any:
        """The array as NumPy."""
        return array.get() if on_card(array) else array

    def synchronize(self) -> None:
        """Nothing: loops return when they are done."""


@dataclass(frozen=True)
class GPU:
    """CuPy and the CUDA kernels on one device, and `threads` threads for what runs on the CPU only.

    mpi_buffers  where messages to other ranks leave from: the memory of the card (device), or pinned memory (host)
    cards        the kinds of cards of all ranks, in words, where there are several ranks
    sharers      ranks that share the card, and its memory
    """

    index: int = 0
    threads: int = field(default_factory=cpu_count)
    mpi_buffers: Buffers = "host"
    cards: tuple[str, ...] = ()
    sharers: int = 1
    name: ClassVar[Literal["gpu"]] = "gpu"
    arithmetic: ClassVar[str] = name  # what decides the last bits of a result: part of the keys of caches

    @cached_property
    def xp(self) -> Any:
        """CuPy."""
        import cupy

        return cupy

    @property
    def device(self) -> str:
        """The card, in words."""
        properties = self.xp.cuda.runtime.getDeviceProperties(self.index)
        return f"{properties['name'].decode()}, {properties['totalGlobalMem'] / 2**30:.0f} GiB"

    @property
    def provenance(self) -> dict[str, str]:
        """Attributes of a result file that say where it was computed."""
        device = "; ".join(self.cards) or self.device
        return {"backend": self.name, "device": device, "mpi_buffers": self.mpi_buffers}

    @cached_property
    def host(self) -> CPU:
        """The backend of what runs on the CPU only."""
        return CPU(self.threads)

    @cached_property
    def fft(self) -> Any:
        """cupyx.scipy.fft."""
        from cupyx.scipy import fft

        return fft

    @cached_property
    def plans(self) -> CardTransforms:
        """Fourier transforms of arrays on the card, in place."""
        return CardTransforms()

    @cached_property
    def total_memory(self) -> int:
        """Bytes of the card, of which this rank has its share."""
        return self.xp.cuda.runtime.getDeviceProperties(self.index)["totalGlobalMem"] // self.sharers

    def for_each(self, parts: Iterable[Part], work: Callable[[Part], object]) -> None:
        """Call work(part) for every part; the card is the one that runs in parallel."""
        for part in parts:
            work(part)

    def to_device(self, array: Any) -> Any:
        """The array on the card; a large one goes through pinned memory, see staging."""
        with self.xp.cuda.Device(self.index):
            if not isinstance(array, np.ndarray) or array.nbytes < LEAST:
                return self.xp.ascontiguousarray(self.xp.asarray(array))
            flat, on_card = np.ascontiguousarray(array).reshape(-1), self.xp.empty(array.shape, array.dtype)
            for part, pinned in staging_of(self.index).fill(on_card):
                self._copy(pinned, flat[part])
            return on_card

    def to_host(self, array: Any, out: NDArray | None = None) -> Any:
        """The array as NumPy; a large one goes through pinned memory, see staging.

        out  where to write it, contiguous; a new array by default
        """
        if out is None and (isinstance(array, np.ndarray) or array.nbytes < LEAST):
            return self.xp.asnumpy(array)
        on_host = np.empty(array.shape, array.dtype) if out is None else out
        flat = on_host.reshape(-1)
        for part, pinned in staging_of(self.index).pieces(array):
            self._copy(flat[part], pinned)
        return on_host

    def each_to_device(self, arrays: Sequence[NDArray]) -> Iterator[Any]:
        """Arrays of NumPy on the card, one after the other: the next is copied while one is used."""
        return staging_of(self.index).each_to_card(arrays, self._copy)

    def later_to_host(self, size: int) -> AbstractContextManager[Copy]:
        """A function of (target on the host, source) that copies while this goes on; see Staging.later_to_host."""
        return staging_of(self.index).later_to_host(size, self._copy)

    def _copy(self, target: NDArray, source: NDArray) -> None:
        """Copy on the host, in threads: one alone is slower than the card, most of all in memory that is new."""
        parts = slices_of(len(source), _COPY_BYTES * len(source) // max(1, source.nbytes))
        self.host.for_each(parts, lambda part: np.copyto(target[part], source[part]))

    def synchronize(self) -> None:
        """Wait for the kernels: what reads the memory of the card besides them, as MPI does, knows nothing of them."""
        self.xp.cuda.get_current_stream().synchronize()

    @property
    def device_memory(self) -> int:
        """Bytes free on the card for this rank, those in CuPy's pool included; plans of transforms are forgotten."""
        clear_plans()
        with self.xp.cuda.Device(self.index):
            free = self.xp.cuda.runtime.memGetInfo()[0] + self.xp.get_default_memory_pool().free_bytes()
        return free // self.sharers

    def launch(
        self,
        source: str,
        name: str,
        dtype: DTypeLike,
        threads: int,
        arguments: tuple,
        block: int = THREADS_PER_BLOCK,
        size: int | None = None,
    ) -> None:
        """Run a kernel; arguments as kernel_arguments makes them.

        source     file in kernels/ without its ending;  name  the kernel in it
        dtype      precision: sets the macro REAL
        threads    how many are needed: whole blocks run;  block  threads of one
        size       sets the macro SIZE, of a source that has one
        """
        if threads > 0:
            self.prepare(source, name, dtype, threads, arguments, block, size)()

    def prepare(
        self,
        source: str,
        name: str,
        dtype: DTypeLike,
        threads: int,
        arguments: tuple,
        block: int = THREADS_PER_BLOCK,
        size: int | None = None,
    ) -> Callable[..., None]:
        """A function of the last arguments of a kernel that runs it: all else is done when they come to be known.

        The rest as for launch; there is at least one thread.
        """
        kernel = _kernel(self.index, source, name, np.dtype(dtype), size)
        blocks, first = -(-threads // block), kernel_arguments(arguments, dtype)

        def run(*last: Any) -> None:
            with self.xp.cuda.Device(self.index):
                kernel((blocks,), (block,), (*first, *kernel_arguments(last, dtype)))

        return run


def on_card(array: Any) -> bool:
    """Whether an array is one of CuPy."""
    return hasattr(array, "__cuda_array_interface__")


def backend_of(*arrays: Any, backend: CPU | GPU | None = None) -> CPU | GPU:
    """The backend that computes on arrays: the card that holds one of them; `backend` where all are NumPy's.

    backend  the CPU where not given
    """
    cards = [array.device.id for array in arrays if on_card(array)]
    if not cards:
        return backend or CPU()
    if isinstance(backend, GPU) and backend.index == cards[0]:
        return backend
    return GPU(cards[0], backend.threads) if backend else GPU(cards[0])


class Double(float):
    """A real number that kernels take as double at both precisions."""


def kernel_arguments(arguments: tuple, dtype: DTypeLike) -> tuple:
    """Arguments as kernels take them: real numbers in `dtype` (Double in double), integers as long long."""
    real: Any = np.dtype(dtype).type

    def cast(argument: Any) -> Any:
        if not isinstance(argument, (int, float, np.generic)):
            return argument
        if isinstance(argument, (bool, np.bool_)):
            raise TypeError("kernels take no bool")
        if isinstance(argument, (int, np.integer)):
            return np.int64(argument)
        if isinstance(argument, Double):
            return np.float64(argument)
        return real(argument) if isinstance(argument, (float, np.floating)) else argument

    return tuple(map(cast, arguments))


@cache
def _kernel(device: int, source: str, name: str, dtype: np.dtype, size: int | None) -> Any:
    """A compiled kernel, kept for the life of the process (a CUDA context cannot be shared beyond it)."""
    import cupy

    with cupy.cuda.Device(device):
        return _module(device, source, dtype.name, size).get_function(name)


@cache
def _module(device: int, source: str, dtype: str, size: int | None) -> Any:
    """The compiled source of kernels; the device is a part of the key."""
    import cupy

    return cupy.RawModule(code=kernel_source(source), options=kernel_options(dtype, size))


def kernel_source(name: str) -> str:
    """Text of kernels/<name>.cu with the files that it includes put in their place."""
    folder = resources.files("gpu_fdm.kernels")
    text = (folder / f"{name}.cu").read_text()
    return re.sub(r'#include "(\w+\.cuh)"', lambda include: (folder / include[1]).read_text(), text)


def kernel_options(dtype: str, size: int | None = None) -> tuple[str, ...]:
    """Compiler options for a precision, 'float32' or 'float64', and a size."""
    sizes = () if size is None else (f"-DSIZE={size}",)
    return (CUDA_STANDARD, "-DREAL=" + {"float32": "float", "float64": "double"}[dtype], *sizes)


def gpu_count() -> int:
    """CUDA devices that CuPy can use; 0 without CuPy or without a driver."""
    return count_cards()[0]
