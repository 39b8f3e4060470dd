"""Nothing in the package runs, unpickles or loads what a user gave as if it were a program."""

import ast

import pytest
from locations import REPOSITORY

SOURCES = sorted(
    [path for folder in ("gpu_fdm", "kernels", "benchmarks") for path in (REPOSITORY / folder).rglob("*.py")]
)
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "code",
    "codeop",
    "pty",
}
# attributes of any name: os.system, yaml.load, numpy.load without the right argument ...
FORBIDDEN = {
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "np.frompyfunc"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.Loader", "yaml.UnsafeLoader"),
    *("yaml.FullLoader", "tempfile.mktemp", "shutil.unpack_archive", "tarfile.open", "sys.settrace"),
}


def problems(source: str) -> list[str]:
    """What is forbidden in a source, each with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and [each.name for each in node.names] != ["PickleError"]:
            names = [node.module or ""]
        found += [(node.lineno, name) for name in names if name.split(".")[0] in MODULES]
        if isinstance(node, ast.Attribute) and ast.unparse(node) in FORBIDDEN:
            found.append((node.lineno, ast.unparse(node)))
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {each.arg: each.value for each in node.keywords}
        if called in CALLS:
            found.append((node.lineno, called))
        if called.split(".")[-1] in ("load", "fromfile", "loadtxt", "genfromtxt") and called.split(".")[0] in (
            "np",
            "numpy",
        ):
            pickles = given.get("allow_pickle")
            if called.endswith(".load") and not (isinstance(pickles, ast.Constant) and pickles.value is False):
                found.append((node.lineno, f"{called} without allow_pickle=False"))
        if isinstance(given.get("allow_pickle"), ast.Constant) and given["allow_pickle"].value:
            found.append((node.lineno, "allow_pickle=True"))
        if "shell" in given and not (isinstance(given["shell"], ast.Constant) and given["shell"].value is False):
            found.append((node.lineno, f"{called} with shell"))
        # a program with arguments, never a text that a shell would take apart
        if called.startswith("subprocess.") and node.args and isinstance(node.args[0], (ast.JoinedStr, ast.Constant)):
            found.append((node.lineno, f"{called} of a text"))
    return [f"line {line}: {what}" for line, what in found]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_nothing_is_run_that_users_gave(path):
    assert problems(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "exec(text)",
        "import pickle",
        "from marshal import loads",
        "import os\nos.system(name)",
        "import subprocess\nsubprocess.run(name, shell=True)",
        "import subprocess\nsubprocess.run(f'ls {name}')",
        "import yaml\nyaml.load(text, yaml.Loader)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=allowed)",
        "f(path, allow_pickle=True)",
    ],
)
def test_it_would_be_found(source):
    assert problems(source)
