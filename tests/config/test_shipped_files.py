"""The inis that gpu-fdm init prints are read anywhere: tables that they name come with the program."""

from pathlib import Path

import pytest

from gpu_fdm.config.config import read_config
from gpu_fdm.config.presets import PRESETS, preset_ini


@pytest.mark.parametrize("kind", PRESETS)
def test_presets_work_outside_a_checkout(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.ini").write_text(preset_ini(kind))
    for _, _, name in read_config("mine.ini").input_files():
        assert Path(name).is_file()


def test_a_file_of_the_same_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "inis"
    folder.mkdir()
    (folder / "mine.ini").write_text(preset_ini("filament_gas"))
    (folder / "filament_gas.csv").write_text("mine")
    assert read_config(folder / "mine.ini").gas.table == str(folder / "filament_gas.csv")
