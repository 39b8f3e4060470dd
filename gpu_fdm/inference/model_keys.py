"""The keys of an ini that a prediction depends on, for chains and for headers of tables."""

from dataclasses import replace
from typing import Any

import attrs

from ..config.config import Config
from ..config.sections import SECTIONS, OneFilamentSection, TotalPowerSection
from ..config.shared_sections import HaloSection

OF_PREDICTIONS = ("cosmology", "population", "wavefunction", "one_filament")
WITHOUT = {("cosmology", "redshift"), ("population", "m22")}  # these are the tables' and the walkers'
# of runs alone: a table has rows of its own, and predictions are of the table of similarity
_OF_RUNS = {"one_filament": ("k_min", "k_max", "points", "method", "tolerance", "budget")}
_NOT_BESIDE_TABLE = "omega_b_h2", "omega_c_h2", "m_nu", "n_s", "ln10As"  # of linear power, which has its own


def filaments_of(config: Config) -> OneFilamentSection:
    """[one_filament], or its defaults; spectra are then relative to all matter, to whose power they add."""
    return config.one_filament or OneFilamentSection(normalisation="matter")


def keys_of_model(config: Config, total: bool) -> dict[str, dict[str, str]]:
    """Keys and values as an ini has them, by section, of those sections that there are.

    total  whether the prediction has haloes, whose sections then count
    """
    sections = {name: getattr(config, name) for name in OF_PREDICTIONS}
    if total:
        sections |= {"halo": config.halo or HaloSection(), "total_power": config.total_power or TotalPowerSection()}
    return {
        name: {
            item.name: item.metadata["kind"].format(getattr(section, item.name))
            for item in attrs.fields(type(section))
            if (name, item.name) not in WITHOUT
        }
        for name, section in sections.items()
        if section is not None
    }


def model_in_words(config: Config, total: bool = False) -> dict[str, str]:
    """The model in one line for each section, absent ones with their defaults, for the header of a table.

    Keys that do not count are left out.
    """
    absent: dict[str, Any] = {name: SECTIONS[name]() for name in OF_PREDICTIONS if getattr(config, name) is None}
    absent |= {"one_filament": filaments_of(config)}
    without: dict[str, tuple[str, ...]] = dict(_OF_RUNS)
    if config.cosmology.of_table:
        without["cosmology"] = _NOT_BESIDE_TABLE
    return {
        name: ", ".join(f"{key} = {text}" for key, text in keys.items() if text and key not in without.get(name, ()))
        for name, keys in keys_of_model(replace(config, **absent), total).items()
    }
