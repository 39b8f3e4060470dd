"""What the benchmarks share: the registry, the stopwatch, the published filament."""

from time import perf_counter

BENCHMARKS = {}


def benchmark(function):
    """Register a benchmark: it returns (seconds, items or None, unit of the rate, remark)."""
    BENCHMARKS[function.__name__] = function
    return function


def best_of(work, repeats=3):
    """Shortest of a few times, after one run that is not counted [s]."""
    work()
    times = []
    for _ in range(repeats):
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return min(times)


def best_of_both(first, second, repeats=6):
    """Shortest times of two pieces of work in turn, so that both meet the same moods of the machine [s]."""
    pairs = [(best_of(first, 1), best_of(second, 1)) for _ in range(repeats)]
    return tuple(min(times) for times in zip(*pairs, strict=True))


def published(m22):
    """The config of the published filament for a boson mass, box and figures left out."""
    from gpu_fdm.config.config import parse_config

    return parse_config(f"[dark_matter]\nm22 = {m22}\n[filament]\n[wavefunction]\n")


def build(m22):
    """Its model with WKB weights."""
    from gpu_fdm.pipeline.run import build_model

    return build_model(published(m22))
