"""Time predictions of spectra: a call, its parts, and what a new epoch takes."""

import os
import tempfile
from itertools import count
from time import perf_counter

from registry import benchmark


def _times(work, calls=300):
    """Shortest time of many calls, each with another value [s]."""
    times = []
    for number in range(calls):
        started = perf_counter()
        work(1 + 1e-4 * number)
        times.append(perf_counter() - started)
    return min(times)


def _prediction():
    import numpy as np

    from gpu_fdm import Prediction, parse_config

    return Prediction.of(parse_config(""), 4.0, np.geomspace(1, 300, 200))


@benchmark
def prediction_of_one_boson():
    """200 k, 24 masses, another boson mass, A_s and n_s at every call."""
    prediction = _prediction()
    seconds = _times(lambda x: prediction(2 * x, ln10As=3.05 * x, n_s=0.96 * x).one_filament_fdm)
    window = _times(lambda x: prediction(2 * x, mass_min=3e9 * x).one_filament_fdm)
    warm = _times(lambda x: prediction(2 * x).boost("wdm"))
    remark = f"with another window of masses {1e3 * window:.2g} ms, boost over wdm {1e3 * warm:.2g} ms"
    return seconds, 1, "calls/s", remark


@benchmark
def prediction_of_a_new_epoch():
    """Barrier and first crossing of a redshift that is not in the cache."""
    redshift = count(4001)
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            import numpy as np

            from gpu_fdm import Prediction, parse_config

            config, k = parse_config(""), np.geomspace(1, 300, 200)
            Prediction.of(config, 3.9, k)
            seconds = _times(lambda _: Prediction.of(config, next(redshift) / 1000, k), 3)
            again = _times(lambda _: Prediction.of(config, 4.001, k), 20)
        finally:
            os.environ.pop("XDG_CACHE_HOME")
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before
    return seconds, None, "", f"{1e3 * again:.2g} ms where it is"
