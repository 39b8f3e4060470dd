"""What whole runs take on a card, each in a process of its own: a gas up to P(k), and a wave of jaxion beside ours.

A run needs astropy, jaxion is a package of PyPI: without them these lines say so.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from card_registry import Line, card_benchmark, require

HERE = Path(__file__).resolve().parent
INI = HERE.parent / "ini/filament_gas.ini"


def _seconds(card, folder, *command):
    """Time of a command of this Python in a folder; raises RuntimeError with its last words where it fails."""
    card.xp.get_default_memory_pool().free_all_blocks()
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    start = perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=folder, check=False, **output)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-500:]}")
    return perf_counter() - start


@card_benchmark
def run_of_1024(card):
    """ini/filament_gas.ini with 1024^3 cells without files of densities, after a run that compiles."""
    require("astropy")
    run = ["-m", "gpu_fdm", "run", str(INI)]
    for key in ("box.cells=1024", "box.store=no", f"run.backend={card.backend.name}"):
        run += ["--set", key]
    with TemporaryDirectory() as folder:
        first, again = (_seconds(card, folder, *run, "--set", f"run.output={number}") for number in range(2))
    method = f"by the clock, with the start of Python; the first run took {first:.1f} s, where kernels are compiled"
    return [Line("gas of 1024^3 from the prompt to P(k)", again, None, method)]


@card_benchmark
def beside_jaxion(card):
    """A step of the wave from the same psi, ours and that of jaxion, at 256^3 and 512^3 in both precisions."""
    require("jax")
    require("jaxion")
    with TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.json"
        _seconds(card, folder, str(HERE / "jaxion_pair.py"), "--backend", card.backend.name, "--json", str(rows))
        pairs = json.loads(rows.read_text())
    return [Line(f"step of a wave, {each['work']}", each["seconds"], None, each["words"]) for each in pairs]
