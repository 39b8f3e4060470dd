"""Cached densities of the box: they are not copied, the cache stores where in a result file they are.

They are written once, into the file that becomes the result. The cache stores its name, where in it they begin, and
the hash of their bytes: a run that resumes reads them from the file that a stopped run left, or the earlier result.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..config.cache_keys import key_of
from ..errors import reason
from ..fields.box import Box
from ..io.atomic import is_temporary
from ..io.cache import Cache
from ..io.digest import hash_of_bytes
from ..parallel.card_room import held_on_card
from ..parallel.domain import Domain
from .model import dtype_of
from .slab import BOTH, DensitySlab, density_keys, density_path, frames, stored_fields
from .stage import Context

log = logging.getLogger(__name__)


def store_densities(context: Context, suffix: str, time: float, masses: Mapping[str, float]) -> None:
    """Cache where the densities of a time [Myr] are, once they are written; all ranks call this.

    masses  of both in the box [Msun/h], whether or not they are in the file
    """
    if not stored_fields(context.config):
        return
    file, arrays = context.file, {f"mass_{name}": np.array(mass) for name, mass in masses.items()}
    for name in stored_fields(context.config):
        temporary, offset, found = file.location(density_path(name, suffix))
        arrays |= {"written_to": np.array(temporary), name: np.array(offset), f"hash_{name}": np.array(found)}
    context.ranks.on_root(lambda: context.cache.store(_name(time), _key(context, time), arrays))
    file.keep_on_error()


def load_densities(
    context: Context, time: float, needed: tuple[str, ...]
) -> tuple[DensitySlab, dict[str, float]] | None:
    """The slab and the masses [Msun/h] of an earlier run at a time [Myr], or None; all ranks call this.

    needed  densities without which they are of no use
    """
    config, ranks = context.config, context.ranks
    cached = ranks.on_root(lambda: context.cache.load(_name(time), _key(context, time)))
    if cached is None or any(name not in cached for name in needed):
        return None
    path = ranks.on_root(lambda: _file_of(context.result, cached))
    if path is None:
        return None
    box = Box(config.box.size, config.box.cells)
    domain = Domain(box.cells, ranks, context.backend)
    # NaN where a density is not needed, so that it is never used
    densities = np.full((2, *domain.shape), np.nan, dtype_of(config))
    why = ""
    try:
        for name in needed:
            planes, begin = densities[BOTH.index(name)], int(cached[name])
            size = planes[0].nbytes * box.cells[0]
            if hash_of_bytes(path, begin, begin + size, ranks) != str(cached[f"hash_{name}"]):
                raise EOFError(f"its density {name} is not what was written")
            _read_planes(path, begin + domain.planes.start * planes[0].nbytes, planes)
    except (OSError, EOFError) as error:
        why = reason(error)
    if reasons := [text for text in ranks.allgather(why) if text]:
        if ranks.is_root:
            log.warning("%s is damaged (%s): the box is filled again", path, reasons[0])
        return None
    if held_on_card(domain, densities.dtype):
        densities = context.backend.to_device(densities)
    else:
        domain = domain.through_card
    return DensitySlab(box, densities, domain), {name: float(cached[f"mass_{name}"]) for name in BOTH}


def _read_planes(path: Path, begin: int, planes: np.ndarray) -> None:
    with open(path, "rb") as file:
        file.seek(begin)
        for plane in planes:
            if file.readinto(plane) != plane.nbytes:
                raise EOFError("it is shorter than it was")


def unfinished_results(cache: Cache) -> frozenset[str]:
    """Names of temporary result files that hold cached densities, as the cache has them."""
    return frozenset(str(arrays.get("written_to", "")) for _, arrays in cache.items("density-*"))


def remove_stale(context: Context) -> None:
    """Delete from the cache the densities that are not in the result, which is complete; one rank calls this."""
    config, cache = context.config, context.cache
    stored = {cache.path(_name(time), _key(context, time)) for _, time in frames(config) if stored_fields(config)}
    for path in cache.paths("density-*"):
        if path not in stored:
            path.unlink(missing_ok=True)


def _name(time: float) -> str:
    """Name of the part; its key has the time with all digits."""
    return f"density-{time:.10g}"


def _key(context: Context, time: float) -> dict:
    return key_of(
        context.config, "density", density_keys(context.config), time=time, backend=context.backend.arithmetic
    )


def _file_of(result: Path, cached: Mapping[str, np.ndarray]) -> Path | None:
    """The file that holds the densities: a temporary one of a stopped run, or the result; None where neither exists."""
    name = str(cached["written_to"])
    paths = [result.with_name(name)] if is_temporary(result, name) else []
    return next((path for path in (*paths, result) if path.is_file()), None)
