"""All packages are installed, a source tree that is not installed says so, and tests of a card need little else."""

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser

import pytest
from locations import PACKAGE, REPOSITORY

SENTENCE = "gpu_fdm is not installed: run `pip install -e .` or `make run` in its source tree"

# what a node with a card may lack; erfa comes with astropy, unyt with yt
LACKING = "astropy erfa camb cobaya colossus emcee jax nbformat optax platformdirs shtab tensorstore unyt xarray yt"
COLLECT = """
import sys
from importlib.machinery import PathFinder
import pytest

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, *rest):
        return None if name.split(".")[0] in sys.argv[1:] else super().find_spec(name, *rest)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
sys.exit(pytest.main(["-m", "gpu", "--collect-only", "-qq", "-o", "pythonpath=tests", "-p", "no:cacheprovider"]))
"""


def test_all_packages_are_installed():
    settings = ConfigParser()
    settings.read(REPOSITORY / "setup.cfg")
    folders = [path.parent.relative_to(REPOSITORY) for path in PACKAGE.rglob("__init__.py")]
    packages = {".".join(folder.parts) for folder in folders} | {"gpu_fdm.kernels"}
    assert set(settings["options"]["packages"].split()) == packages


def test_the_recipe_of_conda_asks_for_the_same_libraries():
    settings = ConfigParser()
    settings.read(REPOSITORY / "setup.cfg")
    required = settings["options"]["install_requires"].split("\n")
    recipe = (REPOSITORY / "packaging/meta.yaml").read_text()
    asked = re.findall(r"    - (.*)\n", recipe.partition("  run:\n")[2].partition("\ntest:")[0])
    assert asked.pop(0) == f"python {settings['options']['python_requires']}"
    of_conda = {"matplotlib": "matplotlib-base", "PyYAML": "pyyaml"}
    libraries = [line.replace(">= ", ">=").split() for line in required if line]
    assert asked == sorted(f"{of_conda.get(name, name)} {bound}" for name, bound in libraries)


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


def test_tests_of_a_card_are_collected_without_other_libraries():
    """make test-gpu: the same tests as where all libraries are."""
    found = []
    for lacking in (LACKING.split(), []):
        command = [sys.executable, "-c", COLLECT, *lacking]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        found.append(done.stdout)
    assert found[0] == found[1]
