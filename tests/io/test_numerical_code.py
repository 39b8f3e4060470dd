"""Cache keys depend on the code that makes the numbers, not on comments, docstrings or other code."""

import ast
import io
import re
import tokenize

import pytest
from source_copy import source_copy

from gpu_fdm.io.numerical_code import WITHOUT, numerical_code_hash, numerical_sources, without_comments

LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    with source_copy(tmp_path_factory.mktemp("copy") / "gpu_fdm") as copy:
        yield copy


def docstrings(source):
    """Where the docstrings of a source begin, as (line, column)."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return {
        (node.body[0].lineno, node.body[0].col_offset) for node in nodes if ast.get_docstring(node, False) is not None
    }


def tokens(source, left_out=frozenset()):
    """The tokens of a source but for its layout, its comments, and those that begin at some places."""
    found = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.string for token in found if token.type not in LAYOUT and token.start not in left_out]


def test_python_loses_comments_and_docstrings_and_nothing_else():
    seen = 0
    for path, file in numerical_sources():
        if path.endswith(".py"):
            source, seen = file.read_text(), seen + 1
            assert tokens(without_comments(path, source)) == tokens(source, docstrings(source)), path
    assert seen


def test_cuda_loses_comments_and_nothing_else():
    source = """// head
__global__ void f(float* x) {  // one
    /* two
       lines */ x[0] = 1.f / 2.f;

    printf("// no comment /* either */");
}
"""
    kept = '__global__ void f(float* x) {\nx[0] = 1.f / 2.f;\nprintf("// no comment /* either */");\n}\n'
    assert without_comments("a.cu", source) == kept
    for path, file in numerical_sources():
        if path.endswith((".cu", ".cuh")):
            left, source = without_comments(path, file.read_text()), file.read_text()
            assert "//" not in left and "/*" not in left and "\n\n" not in left
            assert len(re.findall(r"[{};]", left)) >= 0.9 * len(re.findall(r"[{};]", re.sub("//.*", "", source)))


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("commands/run.py", "def execute", "# a comment\nCOLOUR = 1\n\n\ndef execute"),
        ("plots/style.py", '"""\n', '"""\n\nCOLOUR = 1\n'),
        ("errors.py", '"""\n', '"""\n\nLENGTH = 3\n'),
        ("io/result_file.py", "_PIECE = 1 << 30", "_PIECE = 1 << 29"),
        ("pipeline/run.py", '"""\n', '"""\n\nCOLOUR = 1\n'),
        ("simulation/grid.py", '"""', '"""A word more. '),
        ("simulation/grid.py", "\nfrom", "\n# a comment\nfrom"),
        ("simulation/schroedinger_poisson.py", "\nimport", "\n\n# a comment  \n\nimport"),
        ("kernels/wave.cu", "{\n", "{  // a comment\n\n"),
        ("kernels/wave.cu", "extern", "/* a comment\n*/\nextern"),
        ("kernels/wave.cu", "return", "/* a\n comment */ return"),
        ("kernels/wave.py", '"""', '"""A word more. '),
    ],
)
def test_what_leaves_the_hash(copy, path, old, new):
    before = copy.hash()
    copy.edit(path, old, new)
    assert copy.hash() == before


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("units.py", " = ", " = 1 + "),
        ("simulation/schroedinger_poisson.py", "2", "3"),
        ("pipeline/simulation/record.py", "PIXELS = 512", "PIXELS = 256"),
        ("pipeline/model.py", "import", "import sys\nimport"),
        ("io/tables.py", "import csv", "import csv\nimport sys"),
        ("kernels/wave.cu", "AHEAD = 4", "AHEAD = 2"),
        ("kernels/common.cuh", "\n#", "\n#define A 1\n#"),
        ("kernels/wave.py", "import", "import sys\nimport"),
    ],
)
def test_what_changes_the_hash(copy, path, old, new):
    before = copy.hash()
    source = copy.folder / path
    text = source.read_text()
    stripped = without_comments(path, text)
    assert old in stripped
    source.write_text(stripped.replace(old, new, 1))
    assert copy.hash() != before
    source.write_text(text)
    assert copy.hash() == before


def test_tables_and_new_modules_count_and_what_python_leaves_does_not(copy):
    hashes = [copy.hash()]
    for path in ("cosmology/data/new.csv", "filament/new.py", "kernels/new.cu", "plots/new.py", "filament/new.pyc"):
        (copy.folder / path).write_text("1")
        hashes.append(copy.hash())
    assert len(set(hashes)) == 4 and len(set(hashes[3:])) == 1


def test_modules_that_are_left_out_exist(copy):
    for path in WITHOUT:
        assert (copy.folder / path).is_file(), path


def test_it_is_taken_once_a_process():
    assert numerical_code_hash() is numerical_code_hash() and len(numerical_code_hash()) == 64
