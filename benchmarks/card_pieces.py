"""P(k) and xi(r) of a slab in the memory of the host that goes through the card in pieces, beside 16 threads or so."""

from functools import partial

import numpy as np
from card_copies import SIZE, host_time, link
from card_registry import Line, card_benchmark

from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.through_card import lines_along_x
from gpu_fdm.spectra.correlation import correlation_function
from gpu_fdm.spectra.modes import contrast_modes
from gpu_fdm.spectra.power import power_spectrum


def _exhaust(iterator):
    for _ in iterator:
        pass


@card_benchmark
def pieces(card):
    """1024^3 float32 on the host: planes there and back, lines there, and all of P(k)."""
    backend, cells = card.backend, (1024, 1024, 1024)
    there, back = (seconds / SIZE for seconds in link(card))
    density = np.tile(np.random.default_rng(1).random((8, 1024, 1024), np.float32), (128, 1, 1))
    domain = Domain(cells, backend=backend).through_card
    size, modes = density.nbytes, contrast_modes(density, domain)
    method = "the link, full duplex"
    planes, lines = size * max(there, back), size * there
    along_x = partial(lines_along_x, [modes.transform], there=True)
    return [
        Line(
            "planes of 1024^3 float32 there and back",
            host_time(partial(contrast_modes, density, domain), repeats=1),
            planes,
            method,
        ),
        Line("lines of 1024^3 float32 along x there", host_time(lambda: _exhaust(along_x())), lines, method),
        Line(
            "P(k) of 1024^3 float32 in pieces",
            host_time(partial(power_spectrum, density, 1.0, domain=domain), repeats=1),
            planes + lines,
            method,
        ),
        Line(
            f"P(k) of 1024^3 float32, {backend.threads} host threads",
            host_time(partial(power_spectrum, density, 1.0, domain=domain.on_host), repeats=1),
            None,
            "without the card",
        ),
        Line(
            "xi(r) of 1024^3 float32 in pieces",
            host_time(partial(correlation_function, density, 1.0, domain=domain), repeats=1),
            2 * planes + lines,
            method,
        ),
    ]
