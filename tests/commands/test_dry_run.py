"""What a dry run says of ranks and disks that are not there, and of a boson that changes nothing."""

import re

import pytest

from gpu_fdm.commands.main import main

POPULATION = "[population]\nm22 = 1, 2\nmasses = 8\n"
BOX = "[dark_matter]\nm22 = 0.4\n[filament]\n[wavefunction]\n[box]\ncells = 32\n"


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def say(text, *options):
        (tmp_path / "one.ini").write_text(text)
        code = main(["run", "one.ini", "--dry-run", *options])
        return code, *capsys.readouterr()

    return say


def test_ranks_that_are_not_there(said):
    """16 ranks have a sixteenth of the planes each: less memory, and less time."""
    one, many = said(BOX)[1], said(BOX, "--ranks", "16")[1]
    assert "a rank, 1 rank\n" in one and "a rank, 16 ranks\n" in many
    assert re.search(
        r"time: about \S+ s on two cores, to a factor of two; at best \S+ s on 16 ranks$", many, re.MULTILINE
    )
    assert "at best" not in one
    code, _, error = said(BOX, "--ranks", "33")
    assert code == 2 and "more ranks (33) than planes along x (32)" in error
    assert "--ranks 0: must be in [1, 1000000], with --dry-run" in said(BOX, "--ranks", "0")[2]


def test_figures_of_many_dots(said):
    figures = said(BOX + "[figures]\ndpi = 1200\n")[1]
    assert "memory, figures: 1.57 GiB a rank" in figures and "peak memory: 1.57 GiB" in figures
    assert "memory, figures" not in said(BOX + "[figures]\n")[1]


def test_where_the_output_has_no_room(said, tmp_path):
    assert "are free on the disk of" in said(BOX, "--set", "box.cells=60000")[1]
    (tmp_path / "taken").write_text("")
    code, lines, _ = said(BOX, "--set", "run.output=taken/new")
    assert code == 0 and "taken/new: output folder cannot be written: taken is a file" in lines
    assert "are free" not in lines


@pytest.mark.parametrize(
    ("text", "options", "warns"),
    [
        (POPULATION, (), False),
        (POPULATION, ("--set", "dark_matter.m22=2"), True),
        (POPULATION + "[dark_matter]\nm22 = 3\n", (), True),
        (BOX, ("--set", "dark_matter.m22=0.3"), False),
    ],
)
def test_a_boson_that_changes_nothing(said, text, options, warns):
    out = said(text, *options)[1]
    assert ("is not used: the bosons are those of [population] m22 = 1, 2" in out) == warns
