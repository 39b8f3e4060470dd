"""Rules that import-linter cannot hold (pyproject.toml has those that it can): start-up, sizes, and who asks what."""

import re
import subprocess
import sys

from locations import PACKAGE

KERNELS = PACKAGE.parent / "kernels"


def test_start_up_imports_little():
    code = "import sys, gpu_fdm.commands.main; gpu_fdm.commands.main.build_parser(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"attr", "numpy", "scipy", "numba", "h5py", "astropy", "matplotlib", "mpi4py"} & set(loaded)


def test_modules_are_short():
    for path in [*PACKAGE.rglob("*.py"), *KERNELS.glob("*.py"), *KERNELS.glob("*.cu*")]:
        assert path.read_text().count("\n") <= 500, path


def test_kernels_alone_know_the_backend():
    """Whoever asks for the name of the backend chooses between two ways of one loop: that is done in kernels."""
    asking = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]
    asking = [name for name in asking if re.search(r"backend\.name\b", (PACKAGE / name).read_text())]
    assert not {name for name in asking if not name.startswith("parallel/")}
