"""Haloes that [gas] draws from their mass function: what is drawn, in words, and as the table to give back."""

from dataclasses import replace
from pathlib import Path

from ..config.config import Config
from ..errors import InputError
from ..haloes.draw import DrawnHaloes, draw_haloes
from ..haloes.table import HaloRow
from ..io.atomic import atomic_write
from ..io.ownership import PROGRAM, require_own
from ..plots import figure_path
from .gas_haloes import halo_of
from .model import population_of

_MARK = f"# haloes drawn by {PROGRAM}"


def draw_of(config: Config) -> DrawnHaloes | None:
    """The haloes that [gas] draws, None where it draws none.

    Raises InputError that names the keys, where the lightest is smaller than its core or the heaviest larger than the
    box, where there is no mass function, too many haloes are expected, or a box of haloes alone got none.
    """
    gas = config.gas
    if gas is None or gas.halo_mass_min is None or gas.halo_mass_max is None:
        return None
    window = gas.halo_mass_min, gas.halo_mass_max
    for mass in window:
        halo_of(config, 0, HaloRow(1, mass, (0.0, 0.0, 0.0)))
    population = replace(population_of(config, window), mass_min=window[0], mass_max=window[1])
    x, y, z = config.box.size
    try:
        drawn = draw_haloes(x * y * z, population.halo_mass_function(config.dark_matter.m22), window, config.run.seed)
    except InputError as error:
        raise InputError(f"{config.source}: [gas] halo_mass_min, halo_mass_max: {error}") from None
    if not drawn.rows and (gas.table, gas.number) == (None, None):
        few = f"none was drawn, {drawn.number:.3g} are expected: must be a wider window, a larger box or another seed"
        raise config.error("gas", "halo_mass_min", few)
    return drawn


def describe_draw(drawn: DrawnHaloes) -> str:
    """One line: number and mass of the haloes, and what is expected."""
    mass, count = sum(row.mass for row in drawn.rows), len(drawn.rows)
    return (
        f"drawn {count} halo{'' if count == 1 else 'es'}, {drawn.number:.3g} expected, of {mass:.4g} Msun/h together, "
        f"{drawn.mass:.3g} +- {drawn.scatter:.2g} expected"
    )


def drawn_path(result: Path) -> Path:
    """The table of the drawn haloes of a result; InputError where a file of others has its name."""
    path = figure_path(result, "drawn_haloes.csv")
    require_own(path, _MARK.encode())
    return path


def write_drawn(drawn: DrawnHaloes, path: Path) -> None:
    """Write the haloes as a table that [gas] haloes takes: the same masses, places and phases to the last bit."""
    lines = [f"{row.mass!r},{','.join(map(repr, row.centre))},{row.seed}" for row in drawn.rows]
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join([_MARK, "mass,cx,cy,cz,seed", *lines, ""]))
