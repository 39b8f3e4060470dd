"""Epochs that took half a second to compute are kept in the user's cache folder."""

from pathlib import Path

from ..population.collapse import CollapseModel
from ..population.epoch import Epoch
from .kept import Kept

FOLDER = "epochs"  # in the user's cache folder
NAME = "epoch"
NOT_KEPT = "the barrier of this redshift is not cached: the next call computes it again"


def cached_epoch(model: CollapseModel, ellipticity: str, variance_max: float, folder: Path | None = None) -> Epoch:
    """The epoch of these rules: computed where that is quick, else from the cache or computed now and stored.

    Arguments are those of Epoch.of.

    folder  the user's cache folder where not given; where it cannot be written a warning says so
    """
    if Epoch.is_quick(model, ellipticity, variance_max):
        return Epoch.of(model, ellipticity, variance_max)
    kept = Kept.of(FOLDER, NOT_KEPT, folder)
    key = {
        "omega_m": model.background.omega_m,
        "scale_factor": model.scale_factor,
        "freeze_out": model.freeze_out,
        "ellipticity": ellipticity,
        "variance_max": variance_max,
    }
    if (arrays := kept.load(NAME, key)) is not None:
        return Epoch.from_arrays(arrays, model, ellipticity)
    epoch = Epoch.of(model, ellipticity, variance_max)
    kept.store(NAME, key, epoch.arrays)
    return epoch
