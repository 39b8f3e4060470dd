"""gpu-fdm info: print versions, and the devices, the MPI library and the memory of this machine; or what files are."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .. import __version__
from ..errors import reason, require_file
from .shared import file_name
from .terminal import show

PARALLEL = False
LIBRARIES = ("numpy", "scipy", "numba", "h5py", "astropy", "matplotlib", "mpi4py")
CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")  # names under which it may be installed


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "result, snapshot or cached part that the program wrote: print of which run it is once its bytes are checked"
    parser.add_argument("file", nargs="*", type=file_name, help=text)


def execute(options: Namespace) -> None:
    """Print them, one a line."""
    for name in options.file:
        _print_origin(Path(name))
    if not options.file:
        _print_machine()


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
        show(f"{path}: {by}{created and f' on {created}'}, {checked}")


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
