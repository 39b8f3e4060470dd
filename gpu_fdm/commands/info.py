"""gpu-fdm info: print versions, and the devices, the MPI library and the memory of this machine; or what files are."""

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import InputError, reason, require_file
from .shared import file_name
from .terminal import show

if TYPE_CHECKING:
    import h5py

PARALLEL = False
LIBRARIES = ("numpy", "scipy", "numba", "h5py", "astropy", "matplotlib", "mpi4py")
CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")  # names under which it may be installed


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "result, snapshot, chain or cached part that the program wrote: print of which run it is once its bytes are "
    text += "checked; table, figure or emulator: what made it; ini: its sections, and the command that runs it; of a "
    text += "snapshot of any code, or a folder of its parts: print what headers tell, and the command that reads it"
    parser.add_argument("file", nargs="*", type=file_name, help=text)


def execute(options: Namespace) -> None:
    """Print them, one a line."""
    for handler in logging.getLogger("gpu_fdm").handlers:
        handler.addFilter(_Once())
    for name in options.file:
        _print_file(Path(name))
    if not options.file:
        _print_machine()


class _Once(logging.Filter):
    """Lets a message pass once: headers are read several times."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        known = text in self._seen
        self._seen.add(text)
        return not known


def _print_file(path: Path) -> None:
    """Print what a file is: one of this program, a snapshot of another, or neither. Raises InputError for damage."""
    from ..snapshots import arrays, gadget, result
    from ..snapshots.registry import recognise
    from ..snapshots.survey import survey
    from .made_files import told
    from .snapshot_lines import head, rows

    if (what := told(path)) is not None:
        show(f"{path}: {what}")
        return
    if _is_own(path):
        _print_origin(path)
        _print_rows(_measured(path))
        if _has_fields(path):
            also = survey(path, (gadget.READER,)) if gadget.READER.detect(path) else None
            _print_rows(rows(path, survey(path, (result.READER,)), also))
        return
    if (path / "result.hdf5").is_file():
        require_file(path)
    reader = recognise(path)
    if reader is None:
        _refuse_text(path)
        _print_origin(path)
        return
    if reader is arrays.HDF5 and (lacks := _without_arrays(path)):
        show(f"{path}: HDF5 that gpu-fdm did not write; {lacks}")
        return
    found = survey(path)
    show(head(path, found))
    _print_rows(rows(path, found))


def _refuse_text(path: Path) -> None:
    """InputError for a text, which is none that this program knows."""
    from ..io.tables import beginning

    if path.is_file() and beginning(path):
        known = "an ini of gpu-fdm, which begins with a section, [run] say, nor a table of numbers below their names"
        raise InputError(f"{path}: not an HDF5 file, but a text that is neither {known}")


def _print_rows(rows: Iterable[str]) -> None:
    for row in rows:
        show(f"  {row}")


def _measured(path: Path) -> list[str]:
    """What spectra of snapshots a file of this program has; none where it does not say what became of shot noise."""
    import h5py

    from ..io.hdf5 import find, opened, text
    from ..io.schema import POWER
    from ..io.shot_noise import SUBTRACTED, stored_subtraction

    rows: list[str] = []

    def add(name: str, node: object) -> None:
        if isinstance(node, h5py.Group) and (says := SUBTRACTED[stored_subtraction(node)]):
            of = "cross power" if "correlation" in node else text(node, "of")
            rows.append(f"{POWER}/{name}: {of and f'{of}, '}shot noise {says}")

    with opened(path) as file:
        folder = find(file, POWER)
        if isinstance(folder, h5py.Group):
            folder.visititems(add)
    return rows


def _is_own(path: Path) -> bool:
    """Whether this program wrote a file."""
    from ..io.hdf5 import is_hdf5, opened
    from ..io.result_file import has_digest

    if not is_hdf5(path):
        return False
    with opened(path) as file:
        return has_digest(path) or "key" in file.attrs or {"version", "git_revision"} <= set(file.attrs)


def _has_fields(path: Path) -> bool:
    """Whether a file of this program has densities, or psi."""
    from ..io.hdf5 import find, grid_fields, opened
    from ..io.schema import DENSITY

    with opened(path) as file:
        return bool(grid_fields(file, DENSITY)) or find(file, "psi") is not None


def _without_arrays(path: Path) -> str:
    """What is said of a file of HDF5 without arrays that may be a field; empty for another."""
    from ..io.hdf5 import list_grids, opened
    from ..snapshots.arrays import without_grids

    with opened(path) as file:
        return "" if list_grids(file) else without_grids(file)


def _print_origin(path: Path) -> None:
    """Print who wrote a file and when. Raises InputError where it is damaged."""
    from ..io.hdf5 import open_result, text
    from ..io.result_file import has_digest

    require_file(path)
    with open_result(path) as file:
        checked = "whole by the digest of its bytes" if has_digest(path) else "without a digest of its bytes"
        version, created = text(file, "version"), text(file, "created")
        by = "a cached part" if "key" in file.attrs else "not a file that gpu-fdm wrote"
        by = f"written by gpu_fdm {version}" if version else by
        by = _chain(file) or by
        show(f"{path}: {by}{created and f' on {created}'}, {checked}")


def _chain(file: "h5py.File") -> str:
    """What a chain of gpu-fdm fit is; empty for another file."""
    from ..io.hdf5 import find, text

    group = find(file, "mcmc")
    shape: tuple[int, ...] = () if group is None else getattr(find(file, "mcmc/chain"), "shape", ())
    if group is None or not text(group, "settings") or len(shape) != 3:
        return ""
    version = text(file, "version")
    by = f", written by gpu_fdm {version}" if version else ""
    return f"a chain of gpu-fdm fit, {shape[0]} steps of {shape[1]} walkers{by}"


def _print_machine() -> None:
    import platform
    from importlib.metadata import version

    from ..io.result_file import git_revision
    from ..parallel import memory
    from ..parallel.backend import GPU, cpu_count
    from ..parallel.cards import count_cards
    from ..pipeline.progress import in_words

    show(f"gpu_fdm {__version__} {git_revision()}".rstrip())
    show(f"Python {platform.python_version()}, {platform.platform()}")
    for name in LIBRARIES:
        show(f"{name} {version(name)}")
    show(f"cupy: {_cupy()}")
    show(f"CPUs: {cpu_count()}")
    show(f"memory available: {in_words(memory.available())}")
    devices, why = count_cards()
    show(f"CUDA devices: {devices or 'none'}{why and f' ({why})'}")
    for index in range(devices):
        show(f"  {GPU(index).device}")
    show(f"MPI: {_mpi()}")
    show(f"messages between cards: {_buffers()}")


def _cupy() -> str:
    from importlib.metadata import PackageNotFoundError, version

    for name in CUPY:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "not installed (pip install cupy-cuda12x or cupy-cuda13x)"


def _mpi() -> str:
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        return f"none ({reason(error)})"
    return MPI.Get_library_version().splitlines()[0].strip("\0 ")


def _buffers() -> str:
    from ..parallel.mpi_buffers import reads_cards

    try:
        reads, why = reads_cards()
    except (ImportError, RuntimeError):
        return "none, without MPI"
    return f"from {'their memory' if reads else 'pinned memory of the host'} ({why})"
