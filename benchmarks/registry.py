"""Parts of all benchmarks: the registry, timers, the published filament."""

from time import perf_counter

BENCHMARKS = {}


def benchmark(function):
    """Register a benchmark: it returns (seconds, items or None, unit of the rate, remark)."""
    BENCHMARKS[function.__name__] = function
    return function


def best_of(work, repeats=3):
    """Shortest time of a few runs, after one that is not counted [s]."""
    work()
    times = []
    for _ in range(repeats):
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return min(times)


def best_of_both(first, second, repeats=6):
    """Shortest times of two functions, run in turn so that other load on the machine affects both [s]."""
    pairs = [(best_of(first, 1), best_of(second, 1)) for _ in range(repeats)]
    return tuple(min(times) for times in zip(*pairs, strict=True))


def published(m22):
    """The config of the published filament for a boson mass, without box and figures."""
    from gpu_fdm.config.config import parse_config

    return parse_config(f"[dark_matter]\nm22 = {m22}\n[filament]\n[wavefunction]\n")


def build(m22):
    """The model of the published filament with WKB weights."""
    from gpu_fdm.pipeline.model import build_model

    return build_model(published(m22))
