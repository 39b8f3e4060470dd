"""All packages are installed, and a source tree that is not installed says so."""

import shutil
import subprocess
import sys
from configparser import ConfigParser

import pytest
from locations import PACKAGE, REPOSITORY

SENTENCE = "gpu_fdm is not installed: run `pip install -e .` or `make run` in its source tree"


def test_all_packages_are_installed():
    settings = ConfigParser()
    settings.read(REPOSITORY / "setup.cfg")
    folders = [path.parent.relative_to(REPOSITORY) for path in PACKAGE.rglob("__init__.py")]
    packages = {".".join(folder.parts) for folder in folders} | {"gpu_fdm.kernels"}
    assert set(settings["options"]["packages"].split()) == packages


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The package without its kernels."""
    folder = tmp_path_factory.mktemp("tree")
    shutil.copytree(PACKAGE, folder / "gpu_fdm", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run(tree, *arguments):
    """Python without installed packages, in the tree: exit code, and what it printed to both streams."""
    done = subprocess.run([sys.executable, "-S", *arguments], cwd=tree, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_says_so_in_one_line(tree):
    assert run(tree, "-m", "gpu_fdm", "run", "a.ini") == (1, "", f"{SENTENCE}\n")


@pytest.mark.parametrize("name", ["run", "Box", "linear_power"])
def test_public_names_say_so(tree, name):
    code, printed, errors = run(tree, "-c", f"import gpu_fdm; gpu_fdm.{name}")
    assert (code, printed) == (1, "") and errors.splitlines()[-1] == f"ImportError: {SENTENCE}"
