"""A step of the wave beside one of jaxion (PyPI) from the same psi, on a card or on the CPU: `python jaxion_pair.py`.

Both solve i dpsi/dt = [-laplacian/2 + Phi] psi, laplacian Phi = |psi|^2 - <|psi|^2>, in a periodic box by kick, drift,
kick. A step of jaxion has six complex transforms: two of the drift, two of each of its kicks. This program keeps the
potential for the next step, and its transforms are real. jaxion has units of kpc, km/s and Msun; here hbar = m = 1.
The waves differ little where nothing is wrong: without gravity psi is another after 20 steps, by as much as its size.

It needs jaxion, jax, jaxdecomp, chex, optax and orbax-checkpoint. jaxdecomp transforms over several devices. Where it
is not installed, jax.numpy.fft takes its place, as jaxdecomp itself does on one device, and the first line says so.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from types import ModuleType

import numpy as np

from gpu_fdm.parallel.choice import choose
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.integrator import Static, Times
from gpu_fdm.simulation.schroedinger_poisson import Alarms, WaveLimits, WaveState, evolve_wave

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # both share the memory of the card
STEPS = 20
KINETIC, POTENTIAL = 2.0, 0.05  # phases of the fastest mode, and of the potential of a contrast of one, in a step [rad]


def import_jaxion():
    """jax and jaxion, and a remark about the transforms."""
    import jax

    remark = ""
    try:
        import jaxdecomp

        remark = f"jaxdecomp {jaxdecomp.__version__}"
    except ImportError as error:
        remark = f"jax.numpy.fft in place of jaxdecomp ({error})"
        stand_in = ModuleType("jaxdecomp")
        stand_in.fft = ModuleType("jaxdecomp.fft")
        # jaxdecomp has the axes of modes in the order y, z, x
        stand_in.fft.pfft3d = lambda field: jax.numpy.fft.fftn(field).transpose(1, 2, 0)
        stand_in.fft.pifft3d = lambda modes: jax.numpy.fft.ifftn(modes.transpose(2, 0, 1))
        sys.modules |= {"jaxdecomp": stand_in, "jaxdecomp.fft": stand_in.fft}
    import jaxion

    return jax, jaxion, f"jaxion {jaxion.__version__}, jax {jax.__version__} on {jax.devices()[0]}, {remark}"


def begin(cells, backend):
    """The grid, a step [T], and a wave of random large modes whose mean density is one, complex128."""
    xp, some = backend.xp, max(cells // 16, 2)
    # of a step both phases are given: of k^2/2 at the corner of the grid, and of a contrast at the largest modes
    side = (POTENTIAL / KINETIC * 1.5 * (2 * np.pi) ** 2 * (np.pi * cells) ** 2) ** 0.25
    step = KINETIC / (1.5 * (np.pi * cells / side) ** 2)
    random = np.random.default_rng(1)
    modes = xp.zeros((cells,) * 3, "complex128")
    part = slice(0, some)
    modes[part, part, part] = backend.to_device(
        random.standard_normal((some,) * 3) + 1j * random.standard_normal((some,) * 3)
    )
    psi = xp.fft.ifftn(modes)
    psi /= xp.sqrt((abs(psi) ** 2).mean())
    return Grid((cells,) * 3, (side,) * 3), step, psi


def evolve(psi, grid, step, steps, backend, gravity=1.0):
    """psi after some steps of this program, and the time of one [s]."""
    times = []

    def on_step(state):
        backend.to_host(state.psi[0, 0, :1])  # waits for the card
        times.append(perf_counter())

    options = {"limits": WaveLimits(1e9, 1e9), "alarms": Alarms(np.inf, np.inf, np.inf), "watch": 0}
    options |= {"on_step": on_step, "domain": Domain(grid.cells, backend=backend), "gravity": gravity}
    (last,) = evolve_wave(WaveState(psi.copy(), Times.start(0.0)), grid, Static(1.0, step), [steps * step], **options)
    # the first step prepares, and the last is measured too
    return last.psi, median(after - before for before, after in pairwise(times[:-1]))


def evolve_jaxion(psi, grid, step, steps, backend, jax, jaxion):
    """The same with jaxion: psi in the units and with the memory of this program."""
    side, cells = grid.sides[0], grid.cells[0]
    constants = jaxion.constants
    mass = 1e-22 * constants["electron_volt"] / constants["speed_of_light"] ** 2 / constants["reduced_planck_constant"]
    # with lengths in kpc: m/hbar, the unit of time, and that of density, in which 4 pi G rho = 1/T^2
    time = mass
    density = 1 / (4 * np.pi * constants["gravitational_constant"] * time**2)
    width = side / cells
    with redirect_stdout(io.StringIO()):
        simulation = jaxion.Simulation(
            {
                "domain": {"box_size": side, "resolution_base": cells},
                "time": {"end": steps * step * time, "safety_factor": step * time / (mass / 6 * width**2)},
                "output": {"save": False, "num_checkpoints": 1},
            }
        )
        if simulation.nt != steps:
            sys.exit(f"jaxion would make {simulation.nt} steps, not {steps}")
        times = []

        def on_step(number, state):
            jax.debug.callback(lambda value: times.append(perf_counter()), state["psi"][0, 0, 0])

        simulation.callback = on_step
        simulation.state["psi"] = jax.numpy.sqrt(density) * jax.numpy.from_dlpack(psi)
        simulation.run()
        jax.effects_barrier()
    last = backend.xp.from_dlpack(simulation.state["psi"] / jax.numpy.sqrt(density))
    return last, median(after - before for before, after in pairwise(times))


def difference(one, other):
    """Largest difference of two psi over the largest size of psi."""
    return float(abs(one - other).max() / abs(other).max())


@dataclass(frozen=True)
class Pair:
    """A step of this program beside one of jaxion: cells and precision, seconds of ours, and the rest in words."""

    work: str
    seconds: float
    words: str


def pairs(cells, steps, backend, jax, jaxion) -> Iterator[Pair]:
    """Both precisions, from the same psi of cells^3."""
    grid, step, psi = begin(cells, backend)
    reference = None
    for dtype in ("complex128", "complex64"):
        jax.config.update("jax_enable_x64", dtype == "complex128")
        given = psi.astype(dtype)
        ours, seconds = evolve(given, grid, step, steps, backend)
        theirs, beside = evolve_jaxion(given, grid, step, steps, backend, jax, jaxion)
        words = (
            f"jaxion {1e3 * beside:.4g} ms, {beside / seconds:.2f} times as long; psi differs by "
            f"{difference(theirs, ours):.1e} of its largest after {steps} steps"
        )
        if reference is None:
            reference = ours
        else:
            errors = (difference(each, reference) for each in (ours, theirs))
            words += "; from double precision by {:.1e} and {:.1e} (jaxion)".format(*errors)
        yield Pair(f"{cells}^3 {dtype}", seconds, words)


def main() -> None:
    """Print a line for each number of cells and precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[256, 512], help="along each side")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--backend", choices=["auto", "cpu", "gpu"], default="auto")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    arguments = parser.parse_args()
    backend = choose(arguments.backend)
    jax, jaxion, versions = import_jaxion()
    print(f"{backend.device}; {versions}", flush=True)
    rows = []
    for cells in arguments.cells:
        for pair in pairs(cells, arguments.steps, backend, jax, jaxion):
            print(f"{pair.work}: {1e3 * pair.seconds:.4g} ms a step, {pair.words}", flush=True)
            rows.append(vars(pair))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
