"""gpu-fdm completion: scripts that shells accept, and what bash completes with one."""

import shutil
import subprocess

import pytest

from gpu_fdm.commands.main import main
from gpu_fdm.config.presets import PRESETS

COMMANDS = {
    "run",
    "predict",
    "power",
    "filament",
    "boost",
    "compare",
    "fit",
    "forecast",
    "combinations",
    "plot",
    "tabulate",
    "init",
    "info",
}
COMMANDS |= {"completion"}


def script(capsys, shell):
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_name_all_commands(shell, capsys):
    text = script(capsys, shell)
    assert all(command in text for command in COMMANDS) and "dry-run" in text
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, text=True, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["gpu-fdm", ""], COMMANDS),
        (["gpu-fdm", "pl"], {"plot"}),
        (["gpu-fdm", "run", "mi"], {"mine.ini", "mine.csv"}),
        (["gpu-fdm", "run", "mine.ini", "--d"], {"--dry-run"}),
        (["gpu-fdm", "plot", "re"], {"result.hdf5"}),
        (["gpu-fdm", "compare", "result.hdf5", "mi"], {"mine.ini", "mine.csv"}),
        (["gpu-fdm", "power", "--output", "re"], {"result.hdf5"}),
        (["gpu-fdm", "power", "--axis", ""], {"x", "y", "z"}),
        (["gpu-fdm", "init", ""], set(PRESETS)),
    ],
)
def test_bash_completes(words, expected, capsys, tmp_path):
    for name in ("mine.ini", "mine.csv", "result.hdf5"):
        (tmp_path / name).touch()
    quoted = " ".join(f"'{word}'" for word in words)
    call = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _shtab_gpu_fdm; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    text = f"{script(capsys, 'bash')}\n{call}\n"
    done = subprocess.run(["bash"], input=text, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {word for word in done.stdout.split() if not word.startswith("-") or words[-1]} == expected


def test_an_unknown_shell(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["completion", "tcsh"])
    assert stop.value.code == 2 and "tcsh: must be one of bash, zsh, fish" in capsys.readouterr().err
