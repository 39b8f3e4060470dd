"""Pinned host memory between a card and the host: a card copies to and from it at the speed of the link.

From pageable memory CUDA copies at a fraction of it, and the host waits. Large arrays go in pieces through a few pinned
buffers, on a stream of their own: the next piece is copied while the host uses the one before.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .slices import slices_of

Copy = Callable[[NDArray, Any], None]

PIECE = 1 << 26  # bytes of a piece
LEAST = 1 << 22  # bytes below which an array is copied at once: a stream and events take longer than they save
_KEPT = 4  # buffers that stay allocated for the next copy


def host_pieces(array: Any) -> Generator[NDArray, None, None]:
    """Consecutive parts of an array, flat and contiguous, on the host; of a NumPy array the array itself.

    A part of a card's array is there until the next one is asked for, which is copied meanwhile. Close the generator
    where it is not exhausted (contextlib.closing).
    """
    if isinstance(array, np.ndarray):
        yield np.ascontiguousarray(array).reshape(-1)
    elif array.nbytes < LEAST:
        yield array.get().reshape(-1)
    else:
        for _, piece in staging_of(array.device.id).pieces(array):
            yield piece


def staging_of(index: int) -> "Staging":
    """The pinned buffers of a card, for the life of the process."""
    import cupy

    return _staging(cupy, index)


@cache
def _staging(cupy: Any, index: int) -> "Staging":
    return Staging(cupy, index)


@dataclass(frozen=True, eq=False)
class Staging:
    """Pinned buffers of one card, and the stream on which they are filled and emptied.

    cupy  CuPy;  index  of the card
    """

    cupy: Any
    index: int
    _free: list[NDArray[np.uint8]] = field(default_factory=list, repr=False)

    @cached_property
    def stream(self) -> Any:
        """The stream of the copies, which does not wait for that of the kernels unless it is told to."""
        with self.cupy.cuda.Device(self.index):
            return self.cupy.cuda.Stream(non_blocking=True)

    @contextmanager
    def buffers(self, number: int, size: int) -> Iterator[list[NDArray[np.uint8]]]:
        """So many pinned buffers of `size` bytes; at the end all copies are complete."""
        taken = [self._taken(size) for _ in range(number)]
        try:
            yield [buffer[:size] for buffer in taken]
        finally:
            self.stream.synchronize()
            self._free.extend(taken[: max(0, _KEPT - len(self._free))])

    def _taken(self, size: int) -> NDArray[np.uint8]:
        for number, buffer in enumerate(self._free):
            if len(buffer) >= size:
                return self._free.pop(number)
        if self._free:  # too small: it makes room
            self._free.pop()
            self.cupy.get_default_pinned_memory_pool().free_all_blocks()
        size = max(size, PIECE)
        return np.frombuffer(self.cupy.cuda.alloc_pinned_memory(size), np.uint8, size)

    def follow_kernels(self) -> None:
        """Have the copies that are asked for from now on wait for the kernels that were launched so far."""
        self.stream.wait_event(self.cupy.cuda.get_current_stream().record())

    def copy_to_host(self, target: NDArray, source: Any) -> Any:
        """Begin a copy of a contiguous array of the card into pinned memory; returns an event at its end."""
        return self._copy(target.ctypes.data, source.data.ptr, source.nbytes, "memcpyDeviceToHost")

    def copy_to_card(self, target: Any, source: NDArray) -> Any:
        """Begin a copy of pinned memory into a contiguous array of the card; returns an event at its end."""
        return self._copy(target.data.ptr, source.ctypes.data, target.nbytes, "memcpyHostToDevice")

    def _copy(self, target: int, source: int, size: int, kind: str) -> Any:
        runtime = self.cupy.cuda.runtime
        if size:
            runtime.memcpyAsync(target, source, size, getattr(runtime, kind), self.stream.ptr)
        return self.stream.record()

    def pieces(self, array: Any) -> Generator[tuple[slice, NDArray], None, None]:
        """Consecutive parts of a card's array, flat: which items, and their values until the next part is asked for."""
        flat = self.cupy.ascontiguousarray(array).reshape(-1)
        parts, size = _parts(flat)
        with self.buffers(2, size) as buffers:
            self.follow_kernels()
            following = None
            for number, part in enumerate(parts):
                copied = following or self._begin(flat[part], buffers[number % 2])
                more = number + 1 < len(parts)
                following = self._begin(flat[parts[number + 1]], buffers[(number + 1) % 2]) if more else None
                values, event = copied
                event.synchronize()
                yield part, values

    def _begin(self, source: Any, buffer: NDArray[np.uint8]) -> tuple[NDArray, Any]:
        values = buffer[: source.nbytes].view(source.dtype)
        return values, self.copy_to_host(values, source)

    def fill(self, array: Any) -> Generator[tuple[slice, NDArray], None, None]:
        """Consecutive parts of a contiguous array of the card, flat: which items, and pinned memory for their values.

        The caller writes the values; they are copied to the card while the caller writes those of the next part.
        """
        flat = array.reshape(-1)
        parts, size = _parts(flat)
        with self.buffers(2, size) as buffers:
            self.follow_kernels()
            events: list[Any] = [None, None]
            for number, part in enumerate(parts):
                if events[number % 2] is not None:
                    events[number % 2].synchronize()
                values = buffers[number % 2][: flat[part].nbytes].view(flat.dtype)
                yield part, values
                events[number % 2] = self.copy_to_card(flat[part], values)

    def each_to_card(self, arrays: Sequence[NDArray], copy: Copy) -> Generator[Any, None, None]:
        """Arrays of the host on the card, one after the other: the next is copied while one is used.

        copy  function of (target, source), both on the host
        """
        begun: list[tuple[Any, Any]] = []

        def begin(number: int) -> None:
            values = arrays[number]
            if number >= len(buffers):
                begun[number - len(buffers)][1].synchronize()
                begun[number - len(buffers)] = None, None
            pinned = _as(buffers[number % len(buffers)], values)
            copy(pinned, values)
            on_card = self.cupy.empty(values.shape, values.dtype)
            self.follow_kernels()  # its memory may be in use until now
            begun.append((on_card, self.copy_to_card(on_card, pinned)))

        with self.buffers(2, max((array.nbytes for array in arrays), default=0)) as buffers:
            for number in range(len(arrays)):
                while len(begun) < min(number + 2, len(arrays)):
                    begin(len(begun))
                on_card, event = begun[number]
                self.cupy.cuda.get_current_stream().wait_event(event)
                yield on_card

    @contextmanager
    def later_to_host(self, size: int, copy: Copy) -> Iterator[Copy]:
        """A function of (target on the host, source on the card) that copies contiguous arrays of `size` bytes at most.

        It returns while the card copies: targets are complete at the end of the block. A source must not be changed.
        copy  as for each_to_card
        """
        begun: list[tuple[NDArray, Any, NDArray, Any]] = []

        def finish() -> None:
            target, _, pinned, event = begun.pop()
            event.synchronize()
            copy(target, pinned)

        with self.buffers(2, size) as buffers:

            def begin(target: NDArray, source: Any) -> None:
                buffers.reverse()  # the other one
                pinned = _as(buffers[0], source)
                self.follow_kernels()
                event = self.copy_to_host(pinned, source)
                if begun:
                    finish()
                begun.append((target, source, pinned, event))

            yield begin
            if begun:
                finish()


def _as(buffer: NDArray[np.uint8], values: Any) -> NDArray:
    """The beginning of a buffer as an array of the shape and type of another one."""
    return buffer[: values.nbytes].view(values.dtype).reshape(values.shape)


def _parts(flat: Any) -> tuple[list[slice], int]:
    """The parts of a flat array, and the size of the largest [bytes]."""
    length = max(1, PIECE // flat.dtype.itemsize)
    return slices_of(flat.size, length), min(length, flat.size) * flat.dtype.itemsize
