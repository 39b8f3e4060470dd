"""The pages of docs/: generated parts are up to date; the site builds without warnings and needs no network."""

import pkgutil
import re
import runpy
import shutil
import subprocess
import sys
import tomllib

import attrs
import pytest
from locations import PACKAGE, REPOSITORY

from gpu_fdm.config.sections import SECTIONS

DOCS = REPOSITORY / "docs"
LARGEST_FIGURE = 300_000  # bytes; a repository keeps every version of it


def build(root, folder):
    """Build the site of a checkout in a process of its own. With --quiet mkdocs would count no warnings."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    built = build(REPOSITORY, folder)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def generator():
    return runpy.run_path(str(DOCS / "generate.py"))


def test_every_page_is_built(site):
    built = {path.stem for path in site.glob("*.html")} - {"404"}
    assert built == {path.stem for path in DOCS.glob("*.md")}
    assert "overlap_mass_fraction" in (site / "ini.html").read_text()
    assert (site / "notebooks" / "look_at_a_result.ipynb").is_file()


def test_a_warning_ends_the_build(tmp_path):
    """Each of three counts."""
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(REPOSITORY / "mkdocs.yml", tmp_path)
    cases = [
        ("gas.md", "[x](boosts.md#nowhere)", "does not contain an anchor '#nowhere'"),
        ("gas.md", "[x](nothing.md)", "'nothing.md', but the target is not found"),
        ("new.md", "in no menu", 'not included in the "nav" configuration:\n  - new.md'),
    ]
    for page, text, _ in cases:
        with (tmp_path / "docs" / page).open("a") as file:
            file.write(f"\n{text}\n")
    built = build(tmp_path, tmp_path / "site")
    printed = built.stdout + built.stderr
    assert built.returncode == 1 and "Aborted with 3 warnings in strict mode" in printed
    for _, _, said in cases:
        assert said in printed


def test_the_site_needs_no_network(site):
    loaded = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=[\"']?(https?:)?//[^>]*>")
    for page in site.glob("*.html"):
        found = [match[0] for match in loaded.finditer(page.read_text()) if 'rel="canonical"' not in match[0]]
        assert not found, f"{page.name}: {found}"


def test_generated_pages_are_up_to_date(generator):
    for path, text in generator["generated"]().items():
        assert path.read_text() == text, f"docs/{path.name} is out of date: run python docs/generate.py"


def test_every_key_is_in_the_reference():
    page = (DOCS / "ini.md").read_text()
    for name, section in SECTIONS.items():
        part = page.split(f"## [{name}]\n")[1].split("\n## ")[0]
        documented = dict(re.findall(r"^\| `(\w+)` \|(?: `([^`]*)`)? \|", part, re.MULTILINE))
        keys = attrs.fields_dict(section)
        assert list(documented) == list(keys)
        # parsing a default returns it
        for key, text in documented.items():
            assert keys[key].metadata["kind"].parse(text) == keys[key].default


def test_cells_of_tables_are_escaped(generator):
    made = generator["table"](("a", "b"), [("`|x|`", "<|psi|^2> of psi* & co"), ("", "1")])
    assert made.splitlines()[2] == "| `|x|` | &lt;\\|psi\\|^2> of psi\\* &amp; co |"
    assert made.splitlines()[3] == "| | 1 |"


def test_a_page_without_comments_is_an_error(generator):
    with pytest.raises(SystemExit, match=r"docs/x\.md: must have <!-- begin"):
        generator["with_part"]("no comments", "text", "x.md")


def test_links_hold_on_github():
    """Relative links and figures of the README and all pages lead to files and headings that exist."""
    for page in [REPOSITORY / "README.md", *DOCS.glob("*.md")]:
        text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith(("http://", "https://")):
                continue
            name, _, anchor = target.partition("#")
            linked = page.parent / name if name else page
            assert linked.is_file(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)", linked.read_text(), re.MULTILINE)
                anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
                assert anchor in anchors, f"{page.name}: {target}"


def test_paths_and_modules_exist():
    """Paths of the repository and dotted names of the package exist where pages and sources mention them."""
    pages = [*REPOSITORY.glob("*.md"), *DOCS.glob("*.md"), *PACKAGE.rglob("*.py"), *REPOSITORY.glob("kernels/*.*")]
    for page in set(pages) - {REPOSITORY / "CHANGELOG.md", DOCS / "validation.md"}:  # which name files of the past
        text = page.read_text()
        for path in re.findall(r"(?<![\w/.-])(?:gpu_fdm|kernels|tests|docs|ini|benchmarks|validation)/[\w./]*\w", text):
            made = path.endswith("__pycache__")  # by runs
            assert made or (REPOSITORY / path).exists(), f"{page.name}: {path}"
        for name in re.findall(r"(?<![\w/.-])gpu_fdm(?:\.[a-z]\w*)+(?![\w/(])", text):
            assert pkgutil.resolve_name(name), f"{page.name}: {name}"


def test_names_of_the_guide_are_in_their_files():
    """`NAME` in `file`, or of it or to it, as docs/development.md says where a new part goes."""
    guide = " ".join((DOCS / "development.md").read_text().split())
    found = re.findall(r"`(\w+)` (?:in|of|to) `([\w/]+\.py)`", guide)
    assert len(found) > 5
    for name, path in found:
        assert re.search(rf"\b{name}\b", (REPOSITORY / path).read_text()), f"{name} in {path}"


def test_floors_are_those_of_the_imports():
    """The drawing of docs/development.md has the layers of import-linter, from the top down, and all packages."""
    drawing = (DOCS / "development.md").read_text().split("```text\n")[1].split("```")[0]
    drawn = [re.split(r"  +", line)[0] for line in drawing.splitlines()]
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    floors = [", ".join(part.strip() for part in re.split("[:|]", layer)) for layer in layers]
    assert drawn == [floor for floor in floors if floor != "__main__"]
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} | {"kernels"}
    assert packages <= set(drawn)


def test_figures_are_small_and_used():
    pages = "".join(page.read_text() for page in [REPOSITORY / "README.md", *DOCS.glob("*.md")])
    for figure in DOCS.glob("figures/*"):
        assert figure.stat().st_size <= LARGEST_FIGURE, figure
        assert f"figures/{figure.name}" in pages, f"{figure} is in no page"
