"""Data flows one way: each layer imports only from those before it, and start-up stays light."""

import ast
import subprocess
import sys

from locations import PACKAGE

# a module belongs to the first layer whose prefix it has
LAYERS = [
    ("errors", "units", "vectors"),
    ("parallel",),
    ("io",),
    ("cosmology",),
    ("config",),
    ("population",),
    ("filament",),
    ("fields",),
    ("spectra",),
    ("simulation",),
    ("snapshots",),
    ("plots",),
    ("pipeline",),
    ("commands",),
    ("__main__", "__init__"),
]


def layer(module):
    for level, names in enumerate(LAYERS):
        if module.split(".")[0] in names:
            return level
    raise AssertionError(f"{module} is in no layer: put it into LAYERS")


def imports(path):
    """Modules of this package that a file imports, at any depth, without the package's name."""
    here = path.relative_to(PACKAGE.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = here[: -node.level] if node.level else ()
            full = ".".join((*base, *([node.module] if node.module else [])))
            if full == "gpu_fdm":
                yield from (alias.name for alias in node.names if not alias.name.startswith("__version"))
            elif full.startswith("gpu_fdm."):
                yield full.removeprefix("gpu_fdm.")
        elif isinstance(node, ast.Import):
            yield from (a.name.removeprefix("gpu_fdm.") for a in node.names if a.name.startswith("gpu_fdm."))


def test_one_way():
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for imported in imports(path):
            assert layer(imported) <= layer(module), f"{module} imports {imported}, which comes after it"


def test_matplotlib_is_imported_by_plots_alone():
    for path in PACKAGE.rglob("*.py"):
        allowed = path.parent.name == "plots" or path.parent.name == "commands"
        assert allowed or "matplotlib" not in path.read_text(), path


def test_start_up_imports_little():
    code = "import sys, gpu_fdm.commands.main; gpu_fdm.commands.main._parser(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "scipy", "numba", "h5py", "astropy", "matplotlib", "mpi4py"} & set(loaded)


def test_modules_are_short():
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.parent.glob("kernels/*.cu*")]:
        assert path.read_text().count("\n") <= 500, path
