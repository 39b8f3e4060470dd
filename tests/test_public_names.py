"""What is public is documented, and listed in the order in which data flows."""

import ast
import inspect
from importlib import import_module
from itertools import pairwise

import pytest
from locations import PACKAGE

import gpu_fdm

# of where the public names live
ORDER = [
    "config",
    "units",
    "cosmology",
    "population",
    "filament",
    "haloes",
    "fields",
    "spectra",
    "simulation",
    "learn",
    "snapshots",
]
ORDER += ["pipeline", "inference", "parallel", "errors"]
EXPORTED = [name for name in gpu_fdm.__all__ if name != "__version__"]


def listed():
    """The names in the docstring of the package: before the two blanks of each line that is set in."""
    lines = [line for line in gpu_fdm.__doc__.splitlines() if line.startswith("    ")]
    return [name for line in lines for name in line.strip().split("  ")[0].split(", ")]


def public_definitions(body, prefix=""):
    """Public classes and functions of a module, and methods of its public classes, with their names."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{prefix}{node.name}.")


@pytest.mark.parametrize("name", EXPORTED)
def test_exported_names_are_documented(name):
    assert getattr(gpu_fdm, name).__doc__.strip()


def test_the_package_lists_what_it_exports():
    assert sorted(listed()) == sorted(EXPORTED)


def test_names_are_in_the_order_of_the_data():
    for homes in (list(gpu_fdm._HOMES), [gpu_fdm._HOME_OF[name] for name in listed()]):
        for before, after in pairwise(homes):
            assert ORDER.index(before.split(".")[0]) <= ORDER.index(after.split(".")[0]), f"{after} after {before}"


def inherited(path, name):
    """The docstring of the method that one overrides."""
    owner = import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
    for part in name.split("."):
        owner = getattr(owner, part)
    return inspect.getdoc(owner)


def test_everything_public_is_documented():
    found = set()
    for path in sorted({*PACKAGE.rglob("*.py")} - {PACKAGE / "_version.py"}):  # which a build writes
        module = ast.parse(path.read_text())
        assert ast.get_docstring(module), path
        for name, node in public_definitions(module.body):
            assert ast.get_docstring(node) or inherited(path, name), f"{path.relative_to(PACKAGE)}: {name}"
            found.add(name)
    assert {*EXPORTED, "Placement.basis", "Ranks.share"} <= found  # functions, classes and their methods
