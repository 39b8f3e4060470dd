"""A hash of the code that makes the numbers, without comments, docstrings and blank lines: part of every cache key.

It covers the physics packages, the kernels and their CUDA sources, the tables of the packages, what reads the user's
tables, and the stages of the pipeline, which decide what is computed with which settings and what is stored of it. The
command line, figures, comparisons, checks and texts of the ini (whose resolved values are in every key themselves),
readers of snapshots, messages and the writing of files change no number that is cached.
"""

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

# modules and packages of gpu_fdm, beside the kernels; deferred.py lays out what is cached
NUMERICAL = (
    "quadrature.py",
    "radial_states.py",
    "splines.py",
    "units.py",
    "vectors.py",
    "parallel",
    "io/deferred.py",
    "io/ecsv.py",
    "io/tables.py",
    "learn",
    "cosmology",
    "population",
    "filament",
    "haloes",
    "fields",
    "spectra",
    "simulation",
    "pipeline",
)
# modules of these packages that make no number that is cached
WITHOUT = (
    "parallel/control_group.py",
    "parallel/memory.py",
    "parallel/signals.py",
    "pipeline/measured_filament.py",
    "pipeline/plan.py",
    "pipeline/progress.py",
    "pipeline/result.py",
    "pipeline/result_spectra.py",
    "pipeline/run.py",
    "pipeline/simulation/checkpoint.py",
    "pipeline/simulation/needs.py",
    "pipeline/sizes.py",
    "pipeline/snapshot.py",
    "pipeline/snapshot_filament.py",
    "pipeline/snapshot_filament_files.py",
    "pipeline/snapshot_ridges.py",
    "pipeline/stage.py",
    "pipeline/stages.py",
    "pipeline/tasks.py",
)
ENDINGS = (".py", ".cu", ".cuh", ".csv")

_STRING = r'"""(?:[^\\]|\\.)*?"""|' + r"'''(?:[^\\]|\\.)*?'''|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'(?:[^'\\\n]|\\.)*'"
# a string; or else a line with nothing but a comment, another comment, blanks at the end of a line, blank lines
_PYTHON = re.compile(rf"({_STRING})|(?<![^\n])[ \t]*#[^\n]*\n|[ \t]*#[^\n]*|[ \t]+(?=\n)|(?<![^\n])\s*\n", re.DOTALL)
# the first statement of a module or of a block
_DOCSTRING = re.compile(rf"(?:\A|(?<=:\n))[ \t]*[rR]?(?:{_STRING})(?:\n|\Z)", re.DOTALL)
_CUDA = re.compile(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


@cache
def numerical_code_hash() -> str:
    """The hash, 64 hexadecimal digits; it takes 60 ms, once a process, when the first key is asked for."""
    digest = hashlib.sha256()
    for name, source in sorted(numerical_sources()):
        digest.update(f"{name}\n{without_comments(name, source.read_text(encoding='utf-8'))}\n".encode())
    return digest.hexdigest()


def numerical_sources() -> Iterator[tuple[str, Traversable]]:
    """Paths and files of all sources that enter the hash."""
    package = files("gpu_fdm")
    for name in NUMERICAL:
        yield from _below(package.joinpath(name), name)
    yield from _below(files("gpu_fdm.kernels"), "kernels")


def _below(node: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    if node.is_dir():
        for child in node.iterdir():
            yield from _below(child, f"{path}/{child.name}")
    elif path.endswith(ENDINGS) and path not in WITHOUT:
        yield path, node


def without_comments(name: str, source: str) -> str:
    """A source without comments, docstrings, blank lines and blanks at the ends of lines; a table as it is."""
    if name.endswith(".py"):
        return _DOCSTRING.sub("", _PYTHON.sub(_string, source))
    if name.endswith((".cu", ".cuh")):
        lines = (" ".join(line.split()) for line in _CUDA.sub(_string, source).splitlines())
        return "".join(f"{line}\n" for line in lines if line)
    return source


def _string(match: re.Match[str]) -> str:
    """The string that matched, or nothing for what is left out."""
    return match[1] or ""
