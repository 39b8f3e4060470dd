"""A stand-in for CuPy without a card: arrays that NumPy does not take for its own, and copies that end only when told.

A copy on a stream takes place when somebody waits for the stream, or for an event after it: a result that is read too
early is wrong. Kernels, here slicing and arithmetic, run at once on the current stream, after what it waits for.
"""

import ctypes
import sys
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np


class CUDARuntimeError(RuntimeError):
    """As CuPy raises it."""


class OutOfMemoryError(MemoryError):
    """As CuPy raises it."""


CUDARuntimeError.__module__, OutOfMemoryError.__module__ = "cupy_backends.cuda.api.runtime", "cupy.cuda.memory"


class Event:
    """The place in a stream where it was recorded."""

    def __init__(self, stream):
        self.stream, self.place = stream, len(stream.work)

    def synchronize(self):
        """Do what was asked for before it."""
        self.stream.advance(self.place)


class Stream:
    """Work that is done when it is waited for."""

    current = None
    by_ptr: ClassVar[dict] = {}

    def __init__(self, non_blocking=False):
        self.work, self.done, self.ptr = [], 0, id(self)
        Stream.by_ptr[self.ptr] = self

    def advance(self, place):
        """Do the work up to a place."""
        while self.done < place:
            self.done += 1
            self.work[self.done - 1]()

    def synchronize(self):
        """Do all work."""
        self.advance(len(self.work))

    def record(self):
        """An event here."""
        return Event(self)

    def wait_event(self, event):
        """What is asked for from now on comes after the event."""
        self.work.append(event.synchronize)

    def __enter__(self):
        self.before, Stream.current = Stream.current, self

    def __exit__(self, *error):
        Stream.current = self.before


def launch(work):
    """Run a kernel: at once on the first stream, where arrays are made and read; later on others."""
    if Stream.current.done is None:
        work()
    else:
        Stream.current.work.append(work)


class Array:
    """An array of the card: it has no conversion to NumPy but get()."""

    __array__ = __iter__ = None

    def __init__(self, values):
        self._values = values
        self.device = SimpleNamespace(id=0)

    shape = property(lambda self: self._values.shape)
    dtype = property(lambda self: self._values.dtype)
    size = property(lambda self: self._values.size)
    nbytes = property(lambda self: self._values.nbytes)
    ndim = property(lambda self: self._values.ndim)
    data = property(lambda self: SimpleNamespace(ptr=self._values.ctypes.data))

    def __len__(self):
        return len(self._values)

    @property
    def __cuda_array_interface__(self):
        assert self._values.flags.c_contiguous
        return self._values.__array_interface__ | {"version": 3, "strides": None}

    def __getitem__(self, key):
        return Array(self._values[key._values if isinstance(key, Array) else key])

    def __setitem__(self, key, values):
        assert isinstance(values, Array)
        target = self._values[key]
        launch(lambda: np.copyto(target, values._values))

    def reshape(self, *shape):
        """A view."""
        reshaped = self._values.reshape(*shape)
        assert reshaped.size == 0 or np.shares_memory(reshaped, self._values)
        return Array(reshaped)

    def get(self):
        """A copy on the host."""
        Stream.current.synchronize()
        return self._values.copy()


class _First(Stream):
    """The stream of the kernels of this stand-in, which runs at once."""

    def __init__(self):
        super().__init__()
        self.done = None

    def advance(self, place):
        pass

    def wait_event(self, event):
        """Kernels run at once: what they wait for must be done now."""
        event.synchronize()

    def record(self):
        """An event: all is done."""
        return SimpleNamespace(synchronize=lambda: None)


def install(monkeypatch, copies=None, **runtime):
    """Put the stand-in in the place of CuPy; it has one card.

    copies   list to which the sizes of copies through pinned memory are added [bytes]
    runtime  functions of cupy.cuda.runtime to replace
    """
    Stream.current = _First()
    pinned = []

    def memcpy(target, source, size, kind, stream):
        host = target if kind == "to host" else source
        assert any(start <= host < start + length for start, length in pinned), "memory that is not pinned"
        if copies is not None:
            copies.append(size)
        Stream.by_ptr[stream].work.append(lambda: ctypes.memmove(target, source, size))

    def alloc_pinned_memory(size):
        memory = np.zeros(size, np.uint8)
        pinned.append((memory.ctypes.data, size))
        return memory

    class Device:
        def __init__(self, index=0):
            self.id = index

        def use(self):
            """Nothing."""

        __enter__ = use

        def __exit__(self, *error):
            """Nothing."""

    functions = {
        "getDeviceCount": lambda: 1,
        "getDeviceProperties": lambda index: {"name": b"Stand-in", "totalGlobalMem": 80 << 30},
        "memGetInfo": lambda: (60 << 30, 80 << 30),
        "driverGetVersion": lambda: 13000,
        "runtimeGetVersion": lambda: 13000,
        **runtime,
    }
    cupy, cuda, runtime = ModuleType("cupy"), ModuleType("cupy.cuda"), ModuleType("cupy.cuda.runtime")
    runtime.__dict__.update(functions, CUDARuntimeError=CUDARuntimeError, memcpyAsync=memcpy)
    runtime.memcpyHostToDevice, runtime.memcpyDeviceToHost = "to card", "to host"
    cuda.__dict__.update(runtime=runtime, Device=Device, Stream=Stream, alloc_pinned_memory=alloc_pinned_memory)
    cuda.get_current_stream = lambda: Stream.current
    pool = SimpleNamespace(total_bytes=lambda: 5 << 30, free_bytes=lambda: 1 << 30)
    cupy.__dict__.update(cuda=cuda, ndarray=Array, get_default_memory_pool=lambda: pool)
    cupy.get_default_pinned_memory_pool = lambda: SimpleNamespace(free_all_blocks=lambda: None)
    cupy.empty = lambda shape, dtype: Array(np.full(shape, 77, dtype))
    cupy.ascontiguousarray = lambda array: Array(np.ascontiguousarray(array._values))
    cupy.asarray = lambda array: array if isinstance(array, Array) else Array(np.array(array))
    cupy.asnumpy = lambda array: array if isinstance(array, np.ndarray) else array.get()
    cupy.concatenate = lambda arrays: Array(np.concatenate([array._values for array in arrays]))
    for module in (cupy, cuda, runtime):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return cupy
