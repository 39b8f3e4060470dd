"""Runs the CUDA kernels on the CPU: for tests, a backend in place of gpu_fdm.parallel.backend.GPU."""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from locations import REPOSITORY
from scipy import fft

from gpu_fdm.parallel.backend import (
    CPU,
    CUDA_STANDARD,
    THREADS_PER_BLOCK,
    kernel_arguments,
    kernel_options,
    kernel_source,
)
from gpu_fdm.parallel.cufft import lines_of

_HEADER = Path(__file__).with_name("cuda_on_cpu.h")
_COMPILER = "g++"
_LIBRARIES = REPOSITORY / "build" / "cuda_on_cpu"  # of sources by their hash; make clean removes them
# CUDA knows no strict aliasing either; #pragma unroll is for nvcc; memory of a template is not that of another size
_FLAGS = ("-O1", "-shared", "-fPIC", "-fno-strict-aliasing", "-fno-gnu-unique", "-Wall", "-Wextra", "-Werror")
_ALLOWED = ("-Wno-unknown-pragmas", "-Wno-unused-parameter")
_GUARD = 4096  # bytes before and after each array
_READ_GUARD = 0xFF  # a NaN in both precisions
_WRITE_GUARD = 0x3F  # of order one and smaller: a NaN would hide what is added to it
_TURNS = re.compile(r"__syncthreads|__syncwarp|_sync\(")  # threads of a block take turns
_KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\s*\(')


class LaunchError(RuntimeError):
    """A launch that would fail, or go wrong in silence, on a GPU."""


@dataclass(frozen=True)
class CudaOnCpu:
    """Answers the calls of gpu_fdm.parallel.backend.GPU with NumPy arrays and the CUDA sources compiled by g++.

    Every launch checks what a GPU does not: the number and types of the arguments, reads and writes past the
    end of an array (NaN comes back from the first, LaunchError from the second), reads of shared memory that the
    block has not written (NaN), and barriers that not all threads of a block reach. Skips the test that launches where
    g++ is missing.
    """

    name = "gpu"
    xp = np
    fft = fft
    host = CPU(1)
    device_memory = 16 << 30
    total_memory = 2**40

    @property
    def plans(self):
        """Fourier transforms in place, by scipy."""
        return _Transforms()

    def for_each(self, parts, work):
        """Call work(part) for every part."""
        for part in parts:
            work(part)

    def to_device(self, array):
        """The array, contiguous."""
        return np.ascontiguousarray(array)

    def to_host(self, array, out=None):
        """The array, in `out` where one is given."""
        if out is None:
            return array
        out[...] = array
        return out

    def each_to_device(self, arrays):
        """The arrays, one after the other."""
        return map(self.to_device, arrays)

    @contextmanager
    def later_to_host(self, size):
        """A function that copies at once arrays of `size` bytes at most."""

        def copy(target, source):
            assert source.nbytes <= size and source.flags.c_contiguous
            target[...] = source

        yield copy

    def launch(self, source: str, name: str, dtype, threads: int, arguments: tuple, block=THREADS_PER_BLOCK, size=None):
        """Run a kernel of kernels/<source>.cu, as GPU.launch does."""
        if threads:
            self.launch_text(kernel_source(source), name, dtype, threads, arguments, block, size)

    def prepare(self, source: str, name: str, dtype, threads: int, arguments: tuple, *rest):
        """A function of the last arguments, as GPU.prepare."""
        return lambda *last: self.launch(source, name, dtype, threads, (*arguments, *last), *rest)

    def launch_text(
        self, text: str, name: str, dtype, threads: int, arguments: tuple, block=THREADS_PER_BLOCK, size=None
    ):
        """Run a kernel of a source given as text; the rest as launch."""
        if threads < 1:
            raise LaunchError(f"{name}: {threads} threads make an empty grid")
        dtype = np.dtype(dtype)
        arguments = kernel_arguments(arguments, dtype)
        expected, run = _kernels(text, dtype.name, size)[name]
        _check(name, expected, arguments)
        guards = (_WRITE_GUARD if kind.startswith("*") else _READ_GUARD for kind in expected)
        copies = [
            _Guarded(a, guard) if isinstance(a, np.ndarray) else None
            for a, guard in zip(arguments, guards, strict=True)
        ]
        values = [np.array(c.address if c else a) for c, a in zip(copies, arguments, strict=True)]
        pointers = (ctypes.c_void_p * len(values))(*(value.ctypes.data for value in values))
        error = run(-(-threads // block), block, pointers)
        if error:
            raise LaunchError(f"{name}: {error.decode()}")
        for number, (kind, argument, copy) in enumerate(zip(expected, arguments, copies, strict=True)):
            if copy is None:
                continue
            if not copy.intact:
                raise LaunchError(f"{name}: wrote outside of argument {number}, shape {argument.shape}")
            if kind.startswith("*"):
                argument[...] = copy.values


class _Transforms:
    """Answers the calls of gpu_fdm.parallel.cufft.CardTransforms."""

    def transform(self, values, axes, inverse=False):
        """Transform complex numbers in place, not normalised."""
        values[...] = fft.ifftn(values, axes=axes, norm="forward") if inverse else fft.fftn(values, axes=axes)

    def from_real(self, values, length, axes):
        """Transform the real numbers in the memory of `values` in place."""
        values[...] = fft.rfftn(lines_of(values)[..., :length].copy(), axes=axes)

    def to_real(self, values, length, axes):
        """The inverse, not normalised."""
        sizes = (*(values.shape[axis] for axis in axes[:-1]), length)
        lines = lines_of(values)
        lines[..., :length] = fft.irfftn(values, s=sizes, axes=axes, norm="forward")
        lines[..., length:] = np.nan  # cuFFT leaves what it likes


class _Guarded:
    """A copy of an array between two stretches of memory that nobody may touch."""

    def __init__(self, array, guard):
        size = -(-array.nbytes // 16) * 16
        memory = np.full(size + 2 * _GUARD + 16, guard, np.uint8)
        start = -memory.ctypes.data % 16  # kernels load 16 bytes at once
        self._bytes = memory[start : start + size + 2 * _GUARD]
        self._size, self._guard = array.nbytes, guard
        self.address = self._bytes.ctypes.data + _GUARD
        self.values = self._bytes[_GUARD : _GUARD + array.nbytes].view(array.dtype).reshape(array.shape)
        self.values[...] = array

    @property
    def intact(self):
        """Whether the guards are as they were."""
        before, after = self._bytes[:_GUARD], self._bytes[_GUARD + self._size :]
        return bool(np.all(before == self._guard) and np.all(after == self._guard))


def _check(name, expected, arguments):
    """Arguments against the kernel's parameters, spelled as in cuda_on_cpu.h."""
    if len(expected) != len(arguments):
        raise LaunchError(f"{name}: {len(arguments)} arguments, it takes {len(expected)}")
    for number, (kind, argument) in enumerate(zip(expected, arguments, strict=True)):
        given = f"{argument.dtype.kind}{argument.dtype.itemsize}"
        if isinstance(argument, np.ndarray):
            if not argument.flags.c_contiguous:
                raise LaunchError(f"{name}: argument {number} is not contiguous")
            given = kind[0] + given
        if given != kind:
            raise LaunchError(f"{name}: argument {number} is {given}, the kernel takes {kind}")


def kernel_names(text: str) -> list[str]:
    """Names of the kernels in a CUDA source."""
    return _KERNEL.findall(text)


def _compiled(compiler, options, text, name):
    """The file `name` that g++ makes of a text, made unless any process did so before: ranks, and other test files."""
    about = [os.stat(compiler).st_mtime_ns, *options, _HEADER.read_text(), text, name]
    target = _LIBRARIES / hashlib.sha256(repr(about).encode()).hexdigest() / name
    if target.exists():
        return target
    _LIBRARIES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_LIBRARIES) as folder:
        source, made = Path(folder) / "source", Path(folder) / name
        source.write_text(text)
        run = subprocess.run([compiler, *options, source, "-o", made], capture_output=True, text=True)
        if run.returncode:
            raise LaunchError(f"{_COMPILER} failed:\n{run.stderr}")
        target.parent.mkdir(exist_ok=True)
        made.replace(target)
    return target


@cache
def _kernels(text, dtype, size):
    """The kernels of a source, compiled and loaded: name -> (parameters, function to launch it)."""
    compiler = shutil.which(_COMPILER)
    if compiler is None:
        pytest.skip(f"{_COMPILER} is not installed: it runs the CUDA kernels on the CPU")
    names = kernel_names(text)
    exports = "".join(f"CUDA_ON_CPU_EXPORT({name})\n" for name in names)
    turns = ["-DCUDA_ON_CPU_FIBERS"] if _TURNS.search(text) else []
    # g++ takes <header>.gch, the header as it was compiled with the same options, in place of <header>
    common = [CUDA_STANDARD, *_FLAGS, *_ALLOWED, *turns]
    header = _compiled(compiler, [*common, "-x", "c++-header"], _HEADER.read_text(), f"{_HEADER.name}.gch")
    options = [
        *kernel_options(dtype, size),
        *_FLAGS,
        *_ALLOWED,
        *turns,
        "-x",
        "c++",
        "-include",
        header.with_suffix(""),
    ]
    library = ctypes.CDLL(str(_compiled(compiler, options, f"{text}\n{exports}", "kernels.so")))
    kernels = {}
    for name in names:
        signature, launch = library[f"signature_{name}"], library[f"launch_{name}"]
        signature.restype = launch.restype = ctypes.c_char_p
        kernels[name] = signature().decode().split(), launch
    return kernels
