"""What a chain is made with, by name, so that it is resumed with nothing else."""

import attrs

from ..config.config import Config
from ..config.sections import TotalPowerSection
from ..config.shared_sections import HaloSection
from ..io.digest import digest_of
from .posterior import Posterior

SECTIONS = ("cosmology", "population", "wavefunction", "one_filament")  # that a prediction depends on
WITHOUT = {("cosmology", "redshift"), ("population", "m22")}  # these are the tables' and the walkers'
_DIGITS = 8


def settings_of(config: Config, posterior: Posterior, walkers: int, seed: int) -> dict[str, str]:
    """Priors, fixed parameters, tables, keys of the ini, walkers, seed; and chi-squared at the best fit.

    The last one changes with whatever else a prediction depends on: the program, tables that an ini names.
    """
    settings = {f"prior of {name}": str(prior) for name, prior in posterior.priors.items()}
    settings |= {f"value of {name}": f"{value:.12g}" for name, value in posterior.fixed.items()}
    for number, table in enumerate(posterior.likelihood.tables, 1):
        content = b"".join(array.tobytes() for array in (table.k, table.values, table.root))
        about = f"{table.name} at z = {table.redshift:g}, {'ln' if table.ln else 'linear'}"
        settings[f"table {number}"] = f"{about}, {digest_of(content)[:12]}"
    settings |= {"walkers": str(walkers), "seed": str(seed)}
    sections = {name: getattr(config, name) for name in SECTIONS}
    if any(table.total for table in posterior.likelihood.tables):
        sections |= {"halo": config.halo or HaloSection(), "total_power": config.total_power or TotalPowerSection()}
    for name, section in sections.items():
        for item in () if section is None else attrs.fields(type(section)):
            if (name, item.name) not in WITHOUT:
                settings[f"[{name}] {item.name}"] = item.metadata["kind"].format(getattr(section, item.name))
    return settings | {"chi-squared of the best fit": f"{posterior.best.chi_squared:.{_DIGITS}g}"}
