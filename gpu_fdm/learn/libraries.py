"""Libraries of the extra `learn`, imported where they are used. JAX is set to double precision."""

from importlib import import_module
from typing import Any

from ..errors import RunError

_USES = {
    "jax": "differentiates networks",
    "optax": "trains networks",
    "networkx": "finds modules",
}


def library(name: str) -> Any:
    """The module jax, optax or networkx. Raises RunError that says what to install."""
    try:
        module = import_module(name)
    except ModuleNotFoundError:
        raise RunError(f"{name} is not installed, which {_USES[name]}: pip install jax optax networkx") from None
    if name == "jax":
        module.config.update("jax_enable_x64", True)
    return module
