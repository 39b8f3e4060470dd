"""Time predictions of spectra: a call, its parts, and what a new epoch takes."""

import os
import resource
import subprocess
import sys
import tempfile
from itertools import count
from statistics import median
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
def prediction_with_haloes():
    """All matter with its haloes, 200 k; tables of haloes from the cache, or made before."""
    import numpy as np

    from gpu_fdm import Prediction, parse_config

    text = "[wavefunction]\n[population]\nellipticity = collapse\n[one_filament]\n{}[halo]\n[total_power]\n"
    k, times = np.geomspace(1, 300, 200), []
    for window in ("", "mass_min = 1e9\nmass_max = 1e12\n"):
        prediction = Prediction.of(parse_config(text.format(window)), 4.0, k, total=True)
        times += [_times(lambda x: prediction(2 * x).total_fdm, 100)]  # noqa: B023
        times += [_times(lambda x: prediction(2 * x, ln10As=3.05 * x).total_boost("cdm"), 100)]  # noqa: B023
    remark = "boost over cdm {:.2g} ms; filaments of 1e9 to 1e12 Msun/h {:.2g} and {:.2g} ms"
    return times[0], 1, "calls/s", remark.format(*(1e3 * each for each in times[1:]))


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


def _shell(options, folder):
    """Wall and processor time of gpu-fdm predict of four boson masses with an empty cache [s]."""
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        command = [sys.executable, "-m", "gpu_fdm", "predict", "--m22", "0.5,1,2,4", "--redshift", "5.5", *options]
        command += ["--output", os.path.join(folder, "prediction.csv")]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"XDG_CACHE_HOME": cache})
        seconds, after = perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@benchmark
def predict_from_the_shell():
    """gpu-fdm predict with its figure in cold processes: the default cosmology and a new one in turn, medians of 5."""
    both = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(6):
            for times, options in zip(both, ([], ["--cosmology", "Planck18"]), strict=True):
                times.append(_shell(options, folder))
    (default, of_default), (new, of_new) = (
        (median(column) for column in zip(*times[1:], strict=True)) for times in both
    )
    remark = f"a new cosmology {new:.2f} s; processor time {of_default:.2f} and {of_new:.2f} s; empty cache"
    return default, None, "", remark
