"""Writes the parts of docs/*.md that follow from the code: keys of an ini, public names, what result files hold.

    python docs/generate.py          (make docs does it)

Each part stands between two comments in its page, everything else in a page is written by hand. tests/docs/test_docs.py
holds the pages to this.
"""

import ast
import inspect
import sys
import textwrap
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import attrs

import gpu_fdm
from gpu_fdm.config.config import Config
from gpu_fdm.config.section import Section
from gpu_fdm.config.sections import SECTIONS
from gpu_fdm.io.schema import MEASURED_FILAMENT, MEASUREMENT, SNAPSHOT
from gpu_fdm.io.schema.entries import ASTROPY, PLACEHOLDERS, Group
from gpu_fdm.pipeline.stages import result_schema

PAGES = Path(__file__).parent
BEGIN, END = "<!-- begin: written by docs/generate.py -->", "<!-- end: written by docs/generate.py -->"


def generated() -> dict[Path, str]:
    """Path and text of every page that has a part written here, as it ought to be."""
    parts = {"ini.md": ini_tables, "api.md": api, "files.md": file_tables}
    return {PAGES / name: with_part((PAGES / name).read_text(), write(), name) for name, write in parts.items()}


def with_part(page: str, part: str, name: str) -> str:
    """A page with its part between the comments replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"docs/{name}: must have {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{part.strip()}\n\n{END}{after}"


def table(head, rows) -> str:
    """A table of Markdown; what is special to it is escaped in the cells."""
    lines = [head, ["---"] * len(head), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join("|" + "".join(f" {cell} |" if cell else " |" for cell in line) for line in lines)


def escaped(text: str) -> str:
    """Text as Markdown shows it; code between backticks stays."""
    if text.startswith("`"):
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")


def ini_tables() -> str:
    """A table for each section: its keys, what is allowed, and what they are without one."""
    always = [item.name for item in fields(Config) if item.name in SECTIONS and item.default is not None]
    lines = []
    for name, section in SECTIONS.items():
        lines += [f"## [{name}]", "", section.__doc__.strip(), ""]
        lines += ["Its defaults hold where it is absent.", ""] if name in always else []
        rows = [
            (
                f"`{item.name}`",
                f"`{item.metadata['kind'].format(item.default)}`" if item.default is not None else "",
                item.metadata["unit"],
                item.metadata["kind"].allowed,
                item.metadata["description"],
            )
            for item in attrs.fields(section)
        ]
        lines += [table(("key", "default", "unit", "allowed", "meaning"), rows), ""]
    return "\n".join(lines)


def api() -> str:
    """Every public name with its signature and docstring, by module."""
    lines = []
    for module, names in gpu_fdm._HOMES.items():
        home = import_module(f"gpu_fdm.{module}")
        about = home.__doc__.split("\n\n")[0].replace("\n", " ").strip()
        lines += [f"## gpu_fdm.{module}", "", escaped(about if about.endswith(".") else f"{about} ..."), ""]
        for name in names:
            thing = getattr(home, name)
            language = "text" if inspect.isclass(thing) and issubclass(thing, Section) else "py"
            lines += [f"### {name}", "", f"```{language}", signature(thing), "```", "", *docstring(thing)]
            if inspect.isclass(thing) and issubclass(thing, Section):
                section = next(key for key, kind in SECTIONS.items() if kind is thing)
                lines += [f"The keys of [[{section}]](ini.md#{section}), as keywords.", ""]
            elif inspect.isclass(thing):
                rows = [(f"`{member}`", text) for member, text in members(thing)]
                lines += [table(("member", "what"), rows), ""] if rows else []
    return "\n".join(lines)


def signature(thing) -> str:
    """As the source has it, a field or an argument a line where they are many."""
    if inspect.isclass(thing) and issubclass(thing, Section):
        keys = (f"{item.name}={item.default!r}" for item in attrs.fields(thing))
        return "\n".join(textwrap.wrap(f"{thing.__name__}({', '.join(keys)})", 100, subsequent_indent="    "))
    node = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    if isinstance(node, ast.ClassDef):
        arguments = [ast.unparse(part) for base in bodies(thing) for part in base if isinstance(part, ast.AnnAssign)]
        initial = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
        if initial:
            arguments = split_arguments(initial[0].args)[1:]  # without self
        returns = ""
    else:
        arguments = split_arguments(node.args)
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{node.name}({', '.join(filter(None, arguments))}){returns}"
    if len(line) <= 100:
        return line
    return "\n".join([f"{node.name}(", *(f"    {argument}," for argument in arguments), f"){returns}"])


def bodies(thing) -> list[list[ast.stmt]]:
    """The bodies of a dataclass and of those that it inherits from, the first ancestor first."""
    ours = [base for base in reversed(thing.__mro__) if is_dataclass(base) or base is thing]
    return [ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body for base in ours]


def split_arguments(arguments: ast.arguments) -> list[str]:
    """Each argument with its annotation and default."""
    required = [None] * (len(arguments.args) - len(arguments.defaults))
    pairs = [*zip(arguments.args, required + arguments.defaults, strict=True)]
    texts = [told_argument(*pair) for pair in pairs]
    if arguments.kwonlyargs:
        texts += ["*", *(told_argument(*p) for p in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))]
    return texts


def told_argument(argument: ast.arg, default) -> str:
    """name: annotation = default."""
    equals = " = " if argument.annotation else "="
    return ast.unparse(argument) + (f"{equals}{ast.unparse(default)}" if default is not None else "")


def docstring(thing) -> list[str]:
    """Its first line as text, and what follows as it stands."""
    first, _, rest = (inspect.getdoc(thing) or "").partition("\n")
    return [escaped(first), "", *(["```text", rest.strip("\n"), "```", ""] if rest.strip() else [])]


def members(thing) -> list[tuple[str, str]]:
    """Public methods and properties of a class of ours, with the first lines of their docstrings."""
    of_all = {}
    for each in reversed(thing.__mro__):
        of_all |= vars(each) if each.__module__.startswith("gpu_fdm.") else {}
    found = []
    for name, member in of_all.items():
        function = getattr(member, "func", None) or getattr(member, "fget", None) or getattr(member, "__func__", member)
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        call = "()" if inspect.isfunction(member) or isinstance(member, (classmethod, staticmethod)) else ""
        found.append((name + call, (inspect.getdoc(function) or "").partition("\n")[0]))
    return found


def file_tables() -> str:
    """What the schema of files describes: the units, and every kind of file with its groups."""
    names = [(f"`<{name}>`", meaning) for name, (_, meaning) in PLACEHOLDERS.items()]
    units = [(text, f"`{astropy}`" if astropy else "(dimensionless)") for text, astropy in ASTROPY.items()]
    lines = [table(("in a path", "stands for"), names), "", table(("`units_text`", "`units`"), units), ""]
    for kind in (result_schema(), MEASUREMENT, MEASURED_FILAMENT, SNAPSHOT):
        lines += [f"## {kind.title}", ""]
        for group in kind.groups:
            lines += [f"### `{group.path}`", "", *group_tables(group)]
    return "\n".join(lines)


def group_tables(group: Group) -> list[str]:
    """The datasets and attributes of a group."""
    lines = []
    if group.datasets:
        rows = [
            (f"`{name}`", each.dtype, each.shape, each.units, each.description) for name, each in group.datasets.items()
        ]
        lines += [table(("dataset", "type", "shape", "units", "what"), rows), ""]
    of_datasets = {name: each for entry in group.datasets.values() for name, each in entry.attributes.items()}
    for of, attributes in (("", group.attributes), (" of the datasets", of_datasets)):
        if attributes:
            rows = [(f"`{name}`", each.units, each.description) for name, each in attributes.items()]
            lines += [table((f"attribute{of}", "units", "what"), rows), ""]
    return lines


def main():
    """Write every page that differs; name them."""
    for path, text in generated().items():
        if path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
