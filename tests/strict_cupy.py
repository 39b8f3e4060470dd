"""A stand-in for CuPy that refuses what CuPy refuses: arrays of NumPy among its own, and options that NumPy alone has.

Arrays are NumPy's beneath, kernels those of cuda_on_cpu. The card has a number of its own, for caches know cards by it.
"""

import sys
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace

import numpy as np
from cuda_on_cpu import CudaOnCpu
from scipy import fft

from gpu_fdm.parallel import choice
from gpu_fdm.parallel.backend import GPU

CARD = 99
REDUCTIONS = {
    **dict.fromkeys(("max", "min", "any", "all"), ("axis", "out", "keepdims")),
    **dict.fromkeys(("sum", "prod", "mean", "argmax"), ("axis", "dtype", "out", "keepdims")),
}
FROM_HOST = {"array", "asarray", "ascontiguousarray"}


def host(values):
    """The same numbers as NumPy's, of arrays, and of those in tuples and lists."""
    if isinstance(values, (tuple, list)):
        return type(values)(map(host, values))
    return values.view(np.ndarray) if isinstance(values, StrictArray) else values


def strict(values):
    """What NumPy returned as CuPy has it, with arrays of no dimensions in place of numbers."""
    if isinstance(values, (tuple, list)):
        return type(values)(map(strict, values))
    return np.asarray(values).view(StrictArray) if isinstance(values, (np.ndarray, np.generic)) else values


def refuse_numpy(name, values):
    """TypeError for an array of NumPy, also in tuples and lists."""
    for value in values:
        if isinstance(value, (tuple, list)):
            refuse_numpy(name, value)
        elif type(value) is np.ndarray:
            raise TypeError(f"{name}: an array of NumPy, {value.shape}, among those of CuPy")


class StrictArray(np.ndarray):
    """An array of a card."""

    device = SimpleNamespace(id=CARD)
    __cuda_array_interface__ = ()

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        refuse_numpy(ufunc.__name__, (*inputs, *out))
        if method != "__call__" or not {"dtype", "casting"}.issuperset(options):
            raise TypeError(f"{ufunc.__name__}: CuPy has no {method} with {sorted(options)}")
        values = ufunc(*host(inputs), **options, **({"out": host(out)} if out else {}))
        return out[0] if len(out) == 1 else strict(values)

    def __array_function__(self, function, types, arguments, options):
        return getattr(sys.modules["cupy"], function.__name__)(*arguments, **options)

    def __getitem__(self, key):
        return strict(host(self)[host(key)])

    def __setitem__(self, key, value):
        refuse_numpy("setting", [value])
        host(self)[host(key)] = host(value)

    def __iter__(self):
        return (self[number] for number in range(len(self)))

    def get(self):
        """A copy, as NumPy's."""
        return host(self).copy()


def _reduction(name):
    def reduce(self, *arguments, **options):
        return getattr(sys.modules["cupy"], name)(self, *arguments, **options)

    return reduce


for _name in REDUCTIONS:
    setattr(StrictArray, _name, _reduction(_name))


class StrictModule(ModuleType):
    """The functions of a module of NumPy, for arrays of a card alone."""

    def __init__(self, name, numpy_module):
        super().__init__(name)
        self._numpy = numpy_module

    def __getattr__(self, name):
        found = getattr(self._numpy, name)
        if isinstance(found, ModuleType):
            return StrictModule(name, found)
        if not callable(found) or isinstance(found, type) or name == "result_type":
            return found

        def function(*arguments, **options):
            if name not in FROM_HOST:
                refuse_numpy(name, (*arguments, *options.values()))
            if not set(options).issubset(REDUCTIONS.get(name, options)):
                raise TypeError(f"cupy.{name} takes no {sorted(options)}")
            return strict(found(*host(arguments), **{key: host(value) for key, value in options.items()}))

        return function


class StrictPlans:
    """The transforms of cuda_on_cpu."""

    def __getattr__(self, name):
        work = getattr(CudaOnCpu().plans, name)
        return lambda values, *arguments, **options: work(host(values), *arguments, **options)


def strict_card(monkeypatch, total_memory=2**40, device_memory=2**34):
    """A card of such arrays; GPU is that of cuda_on_cpu until monkeypatch undoes it."""
    cupy = StrictModule("cupy", np)
    cupy.ndarray, cupy.asnumpy = StrictArray, lambda values: host(values).copy()
    cupy.cuda = SimpleNamespace(Device=lambda index: nullcontext())
    monkeypatch.setitem(sys.modules, "cupy", cupy)

    def launch(self, source, name, dtype, threads, arguments, *rest):
        refuse_numpy(name, arguments)
        CudaOnCpu().launch(source, name, dtype, threads, host(arguments), *rest)

    def prepare(self, source, name, dtype, threads, arguments, *rest):
        return lambda *last: launch(self, source, name, dtype, threads, (*arguments, *last), *rest)

    def to_host(self, values, out=None):
        if out is None:
            return host(values).copy()
        out[...] = host(values)
        return out

    changes = {
        "launch": launch,
        "prepare": prepare,
        "plans": StrictPlans(),
        "fft": StrictModule("cupyx.scipy.fft", fft),
        "to_device": lambda self, values: strict(np.array(host(values), order="C")),
        "to_host": to_host,
        "total_memory": total_memory,
        "device_memory": device_memory,
        "device": "strict",
    }
    for name, value in changes.items():
        monkeypatch.setattr(GPU, name, value)
    return GPU(CARD, 1)


def choose_strict_card(monkeypatch):
    """Have run.backend = gpu choose such a card."""
    card = strict_card(monkeypatch)
    monkeypatch.setattr(choice, "count_cards", lambda: (1, ""))
    monkeypatch.setattr(choice, "_started", lambda gpu: card)
