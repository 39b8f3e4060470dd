"""A config with what it names and what follows from it, before anything is solved."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import h5py
import numpy as np

from ..config.config import Config, parse_config
from ..cosmology.camb_power import camb_table
from ..filament.model import Filament
from ..haloes.draw import DrawnHaloes
from ..io.input_content import WithContent, content_of
from ..io.schema import INPUTS
from ..population.population import Population
from .drawn_haloes import draw_of
from .gas_haloes import HaloSize, read_haloes, sizes_of
from .linear_power import cosmological_parameters
from .model import filaments, needs_linear_power, population_of
from .result_spectra import stored_ini
from .sizes import ModelSize, largest_of

_LINEAR_POWER = "cosmology", "linear_power"  # whose content is CAMB's table


@dataclass(frozen=True, eq=False)
class Inputs:
    """A config, its filaments and its population: each is found when it is first asked for, once.

    Rank 0 checks a config and sends its Inputs to the others. What is wrong is raised as an InputError.
    """

    config: Config

    @cached_property
    def filaments(self) -> list[Filament]:
        """Filaments of [filament] or [gas], in their order; none of haloes alone."""
        return filaments(self.config)

    @cached_property
    def sizes(self) -> list[ModelSize]:
        """The states of each filament, counted; ranks do not send them to each other."""
        return [ModelSize.of(self.config, filament) for filament in self.filaments]

    @cached_property
    def largest(self) -> ModelSize:
        """The states of the filament with the largest line mass; there must be one."""
        return largest_of(self.sizes)

    @cached_property
    def haloes(self) -> list[HaloSize]:
        """Haloes beside filaments, and what each needs."""
        rows = None if self.drawn is None else self.drawn.rows
        return sizes_of(self.config, read_haloes(self.config, rows))

    @cached_property
    def drawn(self) -> DrawnHaloes | None:
        """The haloes that are drawn; None where a table has them, or nothing."""
        return draw_of(self.config)

    @property
    def states_memory(self) -> int:
        """Memory of the states of the largest filament or halo [bytes]."""
        haloes = [int(8 * size.states * size.points) for size in self.haloes]
        return max([0, *haloes, *([self.largest.states] if self.filaments else [])])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("sizes", "largest")}

    @cached_property
    def population(self) -> Population:
        """The population of [population], with barrier and variances that reach to the masses of [one_filament]."""
        window = self.config.one_filament
        population = population_of(self.config, () if window is None else (window.mass_min, window.mass_max))
        with self.config.errors_in("population"):
            return population.prepared(self.config.population.m22)


def read_inputs(config: Config) -> Config:
    """The config with the contents of all that it names: its tables, and CAMB's table where linear power is needed.

    Rank 0 calls this; what was read before is not read again. CAMB takes a second for a new cosmology.
    Raises InputError that names the key, for a file that is absent or cannot be read.
    """
    for section, key, name in config.input_files():
        if isinstance(name, WithContent):
            continue
        if not Path(name).is_file():
            raise config.error(section, key, "is no file that can be read" if Path(name).exists() else "no such file")
        try:
            with config.errors_in(section):
                config = _with_content(config, section, key, content_of(name))
        except OSError as error:
            raise config.error(section, key, f"cannot be read: {error.strerror}") from None
    power = config.cosmology.linear_power
    if power == "camb" and not isinstance(power, WithContent) and needs_linear_power(config):
        with config.errors_in("cosmology"):
            table = camb_table(cosmological_parameters(config))
        config = _with_content(config, *_LINEAR_POWER, table.encode())
    return config


def contents(config: Config) -> dict[str, np.ndarray]:
    """The contents that read_inputs put into a config, by section.key, as bytes of shape (bytes,)."""
    named = [*config.input_files(), (*_LINEAR_POWER, config.cosmology.linear_power)]
    return {
        f"{section}.{key}": np.frombuffer(value.content, np.uint8)
        for section, key, value in named
        if isinstance(value, WithContent) and value.content is not None
    }


def stored_config(file: h5py.File) -> Config:
    """The config of a result with the contents of its inputs that the result holds.

    Tables that it names but does not hold are not opened: a result of somebody else may name any file.
    """
    config = parse_config(stored_ini(file), f"config of {file.filename}")
    held = file.get(INPUTS, {})
    for section, key, _ in config.input_files():
        name = f"{section}.{key}"
        config = _with_content(config, section, key, held[name][()].tobytes() if name in held else None)
    if (name := ".".join(_LINEAR_POWER)) in held:
        config = _with_content(config, *_LINEAR_POWER, held[name][()].tobytes())
    return config


def _with_content(config: Config, section: str, key: str, content: bytes | None) -> Config:
    owner = getattr(config, section)
    value = WithContent(getattr(owner, key), content)
    return replace(config, **{section: attrs.evolve(owner, **{key: value})})
