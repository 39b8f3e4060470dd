"""Compare the peak memory of every ini in ini/ with that predicted by --dry-run: `make memory` (minutes)."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = [sys.executable, "-m", "gpu_fdm", "--quiet", "run"]
MEBI = {"MiB": 1.0, "GiB": 1024.0}


def planned(ini, *settings):
    """The peak memory that the dry run predicts [MiB]."""
    told = subprocess.run([*PROGRAM, ini, *settings, "--dry-run"], capture_output=True, text=True, check=True).stdout
    size, unit = re.search(r"^peak memory: (\S+) (\S+) a rank", told, re.MULTILINE).groups()
    return float(size) * MEBI[unit]


def measured(ini, *settings):
    """The largest resident size of a run [MiB], and its time [s]."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*PROGRAM, ini, *settings, "--set", f"run.output={folder}"]
        started = perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")
    return usage.ru_maxrss / 1024, perf_counter() - started


def main(arguments):
    """Print a line for every named ini, or for all; --set SECTION.KEY=VALUE is that of gpu-fdm run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="INI", help="single_filament, ... (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options = parser.parse_args(arguments)
    settings = [part for each in options.set for part in ("--set", each)]
    print(f"{'ini':<24}{'predicted':>12}{'measured':>12}{'ratio':>8}{'time':>10}")
    for path in [ROOT / "ini" / f"{name}.ini" for name in options.names] or sorted((ROOT / "ini").glob("*.ini")):
        said, (taken, seconds) = planned(str(path), *settings), measured(str(path), *settings)
        print(f"{path.stem:<24}{said:>8.0f} MiB{taken:>8.0f} MiB{taken / said:>8.2f}{seconds:>8.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
