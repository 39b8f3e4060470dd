"""Epochs that took half a second to compute are kept in the user's cache folder."""

import logging
from pathlib import Path

from ..cosmology.camb_power import user_cache
from ..errors import RunError
from ..population.collapse import CollapseModel
from ..population.epoch import Epoch

log = logging.getLogger(__name__)

FOLDER = "epochs"  # in the user's cache folder
NAME = "epoch"


def cached_epoch(model: CollapseModel, ellipticity: str, variance_max: float, folder: Path | None = None) -> Epoch:
    """The epoch of these rules: computed where that is quick, else from the cache or computed now and stored.

    Arguments are those of Epoch.of.

    folder  the user's cache folder where not given; where it cannot be written a warning says so
    """
    if Epoch.is_quick(model, ellipticity, variance_max):
        return Epoch.of(model, ellipticity, variance_max)
    from ..io.cache import Cache

    folder = user_cache() if folder is None else folder
    key = {
        "omega_m": model.background.omega_m,
        "scale_factor": model.scale_factor,
        "freeze_out": model.freeze_out,
        "ellipticity": ellipticity,
        "variance_max": variance_max,
    }
    cache = None if folder is None else Cache(folder / FOLDER)
    if cache is not None and (arrays := cache.load(NAME, key, report=False)) is not None:
        return Epoch.from_arrays(arrays, model, ellipticity)
    epoch = Epoch.of(model, ellipticity, variance_max)
    if cache is not None:
        try:
            cache.store(NAME, key, epoch.arrays)
        except RunError as error:
            log.warning("%s (the barrier of this redshift is not cached: the next call computes it again)", error)
    return epoch
