"""Time the stages on this machine: `make bench`.

Every line runs in a process of its own, which has its own peak memory. Unless the line says cold, compiled loops are
cached on disk and the stage has run once before it is timed. Nothing here is a test.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile

import haloes  # noqa: F401 - registers its benchmarks
import prediction  # noqa: F401 - likewise
import ridges  # noqa: F401 - likewise
import simulation  # noqa: F401 - likewise
import snapshots  # noqa: F401 - likewise
import spectra  # noqa: F401 - likewise
from registry import BENCHMARKS, benchmark, best_of, best_of_both, build, published


def _model(m22, repeats):
    seconds = best_of(lambda: build(m22), repeats)
    return seconds, len(build(m22).library), "modes/s", "profile to wkb weights"


@benchmark
def model_m22_1():
    return _model(1, 3)


@benchmark
def model_m22_2():
    return _model(2, 3)


@benchmark
def model_m22_4():
    return _model(4, 3)


@benchmark
def model_m22_8():
    return _model(8, 1)


@benchmark
def adaptive_lasso_m22_2():
    from gpu_fdm.filament.weights import choose_weights

    model = build(2)
    seconds = best_of(lambda: choose_weights(model.profile, model.library, "adaptive_lasso"), 1)
    kept = choose_weights(model.profile, model.library, "adaptive_lasso").kept
    return seconds, None, "", f"{kept} of {len(model.library)} modes have a weight"


def _points(count):
    """A square of points across the filament."""
    import numpy as np

    side = int(count**0.5)
    line = np.linspace(-0.99, 0.99, side) * 13.5 / 2**0.5
    return np.broadcast_to(line, (side, side)).ravel(), np.repeat(line, side)


@benchmark
def plain_mode_sum_188_modes():
    """The definition of psi, as a reference: one interpolation and one exponential a mode and a point."""
    import numpy as np

    model = build(1)
    library, wave = model.library, model.wave
    x, y = _points(10_000)
    grid = np.linspace(0, library.radius_max, 2000)
    radial = library.radial_at(grid)
    amplitude = np.sqrt(library.line_mass / (2 * np.pi) * wave.weight)

    def work():
        radius, phi = np.hypot(x, y), np.arctan2(y, x)
        psi = np.zeros(len(x), complex)
        for j in range(len(library)):
            l = library.l[j]
            angular = np.exp(1j * (wave.phase[j, 0] + l * phi))
            if l:
                angular += np.exp(1j * (wave.phase[j, 1] - l * phi))
            psi += amplitude[j] * np.interp(radius, grid, radial[j]) * angular
        return psi

    return best_of(work), len(x), "points/s", "NumPy, one term a mode"


def _direct(dtype):
    from gpu_fdm.fields.cross_section import psi_at, tabulate

    table = tabulate(build(1).wave, dtype=dtype)
    x, y = _points(4_000_000)
    return best_of(lambda: psi_at(table, x, y)), len(x), "points/s", "all 188 modes at every point, error 1e-8"


@benchmark
def direct_188_modes_double():
    return _direct("float64")


@benchmark
def direct_188_modes_single():
    return _direct("float32")


def _box(method, precision="single"):
    from dataclasses import replace

    from gpu_fdm.config.sections import BoxSection
    from gpu_fdm.config.shared_sections import Run
    from gpu_fdm.pipeline.box import fill_box

    box = BoxSection(size=(0.7, 0.7, 1.2), cells=(256, 256, 256), method=method)
    config = replace(published(1), box=box, run=Run(precision=precision))
    model = build(1)
    densities = fill_box(config, model)
    inside = int((densities.fdm != 0).sum())
    seconds = best_of(lambda: fill_box(config, model))
    return seconds, inside, "cells/s", f"256^3, both densities, {precision}; {inside / 256**3:.0%} of cells inside"


@benchmark
def box_extruded():
    return _box("extruded")


@benchmark
def box_extruded_double():
    return _box("extruded", "double")


@benchmark
def box_direct():
    return _box("direct")


GAS = os.path.join(os.path.dirname(__file__), "..", "ini", "filament_gas.ini")


def _gas():
    """The published gas in 512^3 cells, single precision."""
    from gpu_fdm.config.config import read_config

    return read_config(GAS)


@benchmark
def gas_512_fill():
    """Eigenstates, cross-sections and the fill of both densities."""
    from gpu_fdm.parallel.backend import CPU
    from gpu_fdm.parallel.ranks import SERIAL
    from gpu_fdm.pipeline.box import fill_slab
    from gpu_fdm.pipeline.model import filaments
    from gpu_fdm.pipeline.models import Models

    config, cpu = _gas(), CPU()
    table = filaments(config)
    inside = []

    def work():
        slab = fill_slab(Models(config, table, ranks=SERIAL, threads=cpu.threads, remember=False), 0.0, cpu)
        inside[:] = [int((plane != 0).sum()) for plane in slab.fdm]

    seconds = best_of(work, 2)
    share = sum(inside) / 512**3
    return (
        seconds,
        sum(inside),
        "cells/s",
        f"published gas, single, with the solver; {share:.0%} of cells inside",
    )


@benchmark
def gas_512_inside():
    """The fill of the planes with most of one filament, from a tabulated section."""
    import numpy as np

    from gpu_fdm.fields.fill import fill
    from gpu_fdm.parallel.backend import CPU
    from gpu_fdm.parallel.ranks import SERIAL
    from gpu_fdm.pipeline.model import filaments
    from gpu_fdm.pipeline.models import Models
    from gpu_fdm.pipeline.placement import cross_sections, place

    config, cpu = _gas(), CPU()
    table = filaments(config)
    rates = []
    for number in (0, 6):
        models = Models(config, [table[number]], ranks=SERIAL, threads=cpu.threads)
        placement, source = next(cross_sections(models, 0.0, cpu))
        box, _ = place(config, table[number])
        first = int(placement.centre[0] / box.spacing[0]) - 64
        fields = np.zeros((2, 128, 512, 512), np.float32)
        unit = models.model(0).units.length
        seconds = best_of(lambda: fill(*fields, box, placement, source, unit, first))  # noqa: B023
        rates.append((seconds, int((fields[0] != 0).sum())))
    text = ", ".join(f"{cells / seconds / 1e6:.0f}" for seconds, cells in rates)
    return rates[0][0], rates[0][1], "cells/s", f"5e9 and 2.7e10 Msun/h: {text} million cells/s in filaments"


@benchmark
def gas_512_two_ranks():
    """The box stage on one and on two MPI ranks, one thread each, from the times that the program logs."""
    mpiexec = shutil.which("mpiexec", path=os.path.dirname(sys.executable)) or shutil.which("mpiexec")
    if mpiexec is None:
        return float("nan"), None, "", "no mpiexec"
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for ranks in (1, 2, 1, 2, 1, 2):
            command = [mpiexec, "-n", str(ranks), sys.executable, "-m", "gpu_fdm", "run", GAS, "--fresh"]
            command += ["--set", f"run.output={folder}/r.hdf5", "--set", "run.threads=1", "--set", "run.backend=cpu"]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
            lines = dict(line.split(": ", 1) for line in told.splitlines() if line.endswith(" s") and ": " in line)
            box = float(lines["box"].split()[0])
            seconds[ranks] = min(box, seconds.get(ranks, box))
    return (
        seconds[2],
        None,
        "",
        f"fill on one rank {seconds[1]:.2f} s: {seconds[1] / seconds[2]:.2f} times as fast on two",
    )


@benchmark
def power_spectrum_512():
    import numpy as np
    from scipy import fft

    from gpu_fdm.spectra.power import power_spectrum

    density = np.random.default_rng(1).random((512, 512, 512), dtype=np.float32)
    alone, seconds = best_of_both(
        lambda: fft.rfftn(density, workers=os.cpu_count()), lambda: power_spectrum(density, 1.0)
    )
    return seconds, density.size, "cells/s", f"{seconds / alone:.2f} times the FFT alone"


@benchmark
def command_line_help():
    command = [sys.executable, "-m", "gpu_fdm", "--help"]
    return best_of(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)), None, "", "cold process"


def main():
    """Run the named benchmarks, or all, and print a table with the ratio to the plain mode sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--one", choices=BENCHMARKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        seconds, items, unit, remark = BENCHMARKS[options.one]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps([seconds, items, unit, remark, peak]))
        return
    machine = f"{platform.machine()}, {_processor()}, {os.cpu_count()} CPUs, {_memory_gib():.0f} GiB"
    print(f"{machine}, Python {platform.python_version()}")
    print(f"{'stage':28} {'time [s]':>9} {'rate':>22} {'peak [MiB]':>11}  remark")
    plain = None
    for name in options.names or BENCHMARKS:
        command = [sys.executable, __file__, "--one", name]
        finished = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds, items, unit, remark, peak = json.loads(finished.stdout)
        rate = f"{items / seconds:.3g} {unit}" if items else ""
        if name.startswith("plain"):
            plain = items / seconds
        elif plain and unit in ("points/s", "cells/s") and "mode" not in unit and not name.startswith("power"):
            remark += f"; {items / seconds / plain:.0f} times the plain sum"
        print(f"{name:28} {seconds:9.3f} {rate:>22} {peak:11.0f}  {remark}", flush=True)


def _processor():
    try:
        with open("/proc/cpuinfo") as text:
            return next(line.split(":")[1].strip() for line in text if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


if __name__ == "__main__":
    main()
