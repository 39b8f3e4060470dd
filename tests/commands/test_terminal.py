"""What a terminal shows: lines wrapped between words, help, names that were meant, quiet runs."""

import logging
import re

import pytest

from gpu_fdm.commands.environment import printable_output
from gpu_fdm.commands.main import _start_logging, main
from gpu_fdm.commands.terminal import show, wrapped
from gpu_fdm.pipeline.progress import progress


def test_lines_are_wrapped_between_words():
    line = "gpu-fdm: error: " + " ".join(["words"] * 30) + " " + "x" * 100
    rows = wrapped(line, 80).split("\n")
    assert " ".join(row.strip() for row in rows) == line
    assert all(len(row) <= 80 or row.strip() == "x" * 100 for row in rows)
    assert all(row.startswith("    ") for row in rows[1:])
    assert wrapped("short", 80) == "short"


def test_only_a_terminal_wraps(capsys, monkeypatch):
    import sys

    line = "word " * 40 + "end"
    show(line, sys.stdout)
    assert capsys.readouterr().out == line + "\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    show(line, sys.stdout)
    assert max(map(len, capsys.readouterr().out.split("\n"))) <= 60


def test_no_command_shows_the_help(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    assert "usage: gpu-fdm" in (shown := capsys.readouterr()).out and not shown.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["runn", "x.ini"], "runn: unknown command (did you mean run?); known: run, predict"),
        (["run", "x.ini", "--dryrun"], "unknown argument: --dryrun (did you mean --dry-run?) (gpu-fdm run --help)"),
        (["run", "x.ini", "--m22", "2"], "unknown arguments: --m22 2 (did you mean --set dark_matter.m22=2 or --set "),
        (
            ["run", "x.ini", "--output=here"],
            "unknown argument: --output=here (did you mean --set run.output=here or --set ",
        ),
        (
            ["fit", "x.csv", "--mass-min"],
            "unknown argument: --mass-min (did you mean --set gas.mass_min=VALUE or --set ",
        ),
        (
            ["run", "x.ini", "--threads", "--fo"],
            "--threads --fo (did you mean --set run.threads=VALUE?)",
        ),
        (["run", "x.ini", "--seed", "2"], "unknown arguments: --seed 2 (did you mean --set run.seed=2 or --set "),
        (["run", "x.ini", "--nothing", "2"], "unknown arguments: --nothing 2 (gpu-fdm run --help)"),
        (["completion", "bsh"], "bsh: must be one of bash, zsh, fish (did you mean bash?)"),
    ],
)
def test_what_was_meant(arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("wavefunction.weights=lasso", "--set: [wavefunction] weights = lasso: must be one of wkb, adaptive_lasso"),
        ("wavefunction.weights=lasso", "(did you mean adaptive_lasso?)"),
        (
            "dark_matter.m22=1e-22",
            "--set: [dark_matter] m22 = 1e-22: must be a number in [1e-06, 1e+06] (unit: 1e-22 eV)",
        ),
        ("filament.radius=", "unknown key"),
        ("n_s=0.96", "--set n_s=0.96: must be section.key=value (did you mean cosmology.n_s=0.96 or "),
        ("nothing=1", "--set nothing=1: must be section.key=value\n"),
    ],
)
def test_an_override_is_named_as_such(override, says, capsys):
    assert main(["run", "ini/single_filament.ini", "--set", override]) == 2
    assert says in capsys.readouterr().err


def test_a_result_is_no_ini(tmp_path, capsys):
    path = tmp_path / "result.hdf5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert main(["run", str(path)]) == 2
    assert "is a result file (HDF5), must be an ini file: gpu-fdm plot draws a result" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--quiet", "run"], ["run", "--quiet"]])
def test_quiet_before_and_after(arguments, tmp_path, capsys):
    ini = tmp_path / "small.ini"
    ini.write_text("[cosmology]\nredshift = 4\n[filament]\n[wavefunction]\n")
    last = arguments.pop() if arguments[-1] == "--quiet" else None
    assert main([*arguments, str(ini), "--set", f"run.output={tmp_path / 'r'}", *([last] if last else [])]) == 0
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err == ""
    assert (tmp_path / "r" / "result.hdf5").is_file()


def test_log_lines_go_where_standard_error_is_when_they_are_logged(capsys, monkeypatch):
    """A progress bar replaces sys.stderr while it is there, so that lines are put above it."""
    import io
    import sys

    with pytest.raises(SystemExit):
        main([])
    main(["run", "missing.ini"])
    capsys.readouterr()
    other = io.StringIO()
    monkeypatch.setattr(sys, "stderr", other)
    logging.getLogger("gpu_fdm.pipeline").warning("a line")
    assert re.fullmatch("warning: a line\n", other.getvalue())


def test_a_bar_on_a_terminal(monkeypatch):
    """Its control characters reach the terminal as they are, those of log lines do not; its total may grow."""
    import io
    import sys

    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with printable_output():
        _start_logging(False, True)
        with progress("filaments", 5) as bar:
            bar(4)
            logging.getLogger("gpu_fdm.pipeline").info("name\x1b[2J of a file")
            bar.add(3)
            bar(4)
    shown = terminal.getvalue()
    assert "\x1b[2K" in shown and "\\x1b[2K" not in shown
    assert "name\\x1b[2J of a file\n" in shown and "\x1b[2J" not in shown
    assert "8/8" in shown
    assert all(len(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", row)) <= 80 for row in re.split("[\r\n]", shown))
