"""P(k) and xi(r) of a box on a card, and their parts."""

from functools import partial

import numpy as np
from card_registry import Line, card_benchmark

from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.fft import inverse, transform
from gpu_fdm.spectra.correlation import correlation_function
from gpu_fdm.spectra.modes import contrast_modes
from gpu_fdm.spectra.power import Bins, bin_modes, power_spectrum

PASSES = 3  # of a transform of three dimensions over memory, at least: one an axis


def _field(card, cells, dtype):
    """Positive numbers that differ from cell to cell."""
    random = card.xp.random.default_rng(1)
    return 1 + random.random((cells,) * 3, dtype=dtype)


def _binning(card, density, domain, name):
    """Lines of the bins alone."""
    values = transform(density, domain).values
    for words, bins in (("", Bins(domain.cells, 1.0)), (" in 10 bins of mu", Bins(domain.cells, 1.0, mu_bins=10))):
        seconds = card.time(partial(bin_modes, values, None, 0, bins, backend=card.backend))
        yield Line(f"binning of {name}{words}", seconds, values.nbytes / card.bandwidth, "its bytes, once")


def _lines(card, cells, dtype):
    density, domain = _field(card, cells, dtype), Domain((cells,) * 3, backend=card.backend)
    field, name = density.nbytes, f"{cells}^3 {dtype}"
    whole = 2 * PASSES * field / card.bandwidth
    yield Line(
        f"transform of {name}",
        card.time(partial(transform, density, domain)),
        whole + 2 * field / card.bandwidth,
        "a copy, and three passes there and back",
    )
    yield Line(
        f"mean, contrast and transform of {name}",
        card.time(partial(contrast_modes, density, domain)),
        whole + 2 * field / card.bandwidth,
        "the same: the contrast takes the place of the copy",
    )
    yield from _binning(card, density, domain, name)
    yield Line(
        f"P(k) of {name}",
        card.time(partial(power_spectrum, density, 1.0, domain=domain)),
        whole + 3 * field / card.bandwidth,
        "contrast, three passes, bins",
    )
    first, second = (power_spectrum(density, 1.0, domain=domain) for _ in range(2))
    if not np.array_equal(first.power, second.power):
        raise AssertionError("P(k) of the same numbers differs")


@card_benchmark
def power(card):
    """P(k) and its parts."""
    return [*_lines(card, 1024, "float32"), *_lines(card, 512, "float64")]


@card_benchmark
def correlation(card):
    """xi(r), and the transform back."""
    cells = 512
    density, domain = _field(card, cells, "float32"), Domain((cells,) * 3, backend=card.backend)
    field = density.nbytes
    modes = transform(density, domain)
    back = Line(
        f"inverse transform of {cells}^3 float32",
        card.time(lambda: inverse(modes)),
        (2 * PASSES + 2) * field / card.bandwidth,
        "three passes there and back, and a copy",
    )
    seconds = card.time(partial(correlation_function, density, 1.0, domain=domain))
    floor = (2 * 2 * PASSES + 2 + 2 + 2 + 1) * field / card.bandwidth
    method = "contrast, two transforms, product, copy, bins"
    return [back, Line(f"xi(r) of {cells}^3 float32", seconds, floor, method)]
