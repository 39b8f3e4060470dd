"""What a chain is made with, by name, so that it is resumed with nothing else."""

from ..config.config import Config
from ..io.digest import digest_of
from .model_keys import keys_of_model
from .posterior import Posterior

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
    total = any(table.total for table in posterior.likelihood.tables)
    for name, keys in keys_of_model(config, total).items():
        settings |= {f"[{name}] {key}": text for key, text in keys.items()}
    return settings | {"chi-squared of the best fit": f"{posterior.best.chi_squared:.{_DIGITS}g}"}
