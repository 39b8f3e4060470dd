"""Densities of the box that are kept without a copy: where they are in the result in the making, or in the result.

They are written once, into the file that becomes the result. Its name, where in it they begin, and the sum of their
bits are noted as soon as they are there: a run that goes on reads them from the file that the stopped run left, or from
the result of the run before.
"""

import logging

import numpy as np
from attrs import evolve

from ..config.cache_keys import key_of
from ..errors import reason
from ..fields.box import Box
from ..io.cache import Cache
from ..io.digest import bit_sum
from ..parallel.domain import Domain
from .model import dtype_of
from .slab import BOTH, DensitySlab, density_keys, density_path, frames, pieces_on_device
from .stage import Context

log = logging.getLogger(__name__)

_NOTE = "density"


def note(context: Context, suffix: str, time: float, masses: dict[str, float]):
    """Note where the densities of this time are, once they are written; all ranks call this.

    masses  of both, whether they are in the file or not
    """
    file, arrays = context.file, {f"mass_{name}": np.array(mass) for name, mass in masses.items()}
    for name in context.config.box.fields:
        path = density_path(name, suffix)
        part, offset = file.location(path)
        arrays |= {"written_to": np.array(part), name: np.array([offset, file.bit_sum(path)], np.uint64)}
    context.ranks.on_root(lambda: context.cache.store(_NOTE, _key(context, time), arrays))
    file.keep_on_error()


def before(context: Context, time: float, needed: tuple[str, ...]) -> tuple[DensitySlab, dict[str, float]] | None:
    """The slab and the masses of a run before, None where they are not there any more; all ranks call this.

    needed  densities without which they are of no use
    """
    config, ranks = context.config, context.ranks
    noted = ranks.on_root(lambda: context.cache.load(_NOTE, _key(context, time)))
    if noted is None or any(name not in noted for name in needed):
        return None
    path = ranks.on_root(lambda: _place(context.result, noted))
    if path is None:
        return None
    box = Box(config.box.size, config.box.cells)
    domain = Domain(box.cells, ranks, context.backend)
    # a density that nobody asks for must not be taken for one
    densities = np.full((2, *domain.shape), np.nan, dtype_of(config))
    sums, why = {}, ""
    try:
        for name in needed:
            plane = densities[0, 0].nbytes
            with open(path, "rb") as file:
                file.seek(int(noted[name][0]) + domain.planes.start * plane)
                for values in densities[BOTH.index(name)]:
                    if file.readinto(values) != plane:
                        raise EOFError("it is shorter than it was")
            sums[name] = bit_sum(densities[BOTH.index(name)])
    except (OSError, EOFError) as error:
        why = reason(error)
    shares, reasons = ranks.allgather(sums), [each for each in ranks.allgather(why) if each]
    if not reasons:
        wrong = [name for name in sums if sum(each[name] for each in shares) % 2**64 != int(noted[name][1])]
        reasons = [f"its density {name} is not what was written" for name in wrong]
    if reasons:
        if ranks.is_root:
            log.warning("%s is damaged (%s): the box is filled again", path, reasons[0])
        return None
    if pieces_on_device(densities.shape, densities.dtype, context.backend) == 1:
        densities = context.backend.to_device(densities)
    domain = evolve(domain, backend=context.backend.holding(densities))
    return DensitySlab(box, densities, domain), {name: float(noted[f"mass_{name}"]) for name in BOTH}


def files_noted(cache: Cache) -> frozenset[str]:
    """Names of unfinished result files that hold densities."""
    return frozenset(str(arrays["written_to"]) for _, arrays in cache.items(f"{_NOTE}-"))


def forget_others(context: Context):
    """Remove notes of densities that are not in the result, which is whole."""
    config = context.config
    mine = {context.cache.path(_NOTE, _key(context, time)) for _, time in frames(config)}
    for path, _ in context.cache.items(f"{_NOTE}-"):
        if path not in mine:
            path.unlink(missing_ok=True)


def _key(context, time):
    return key_of(
        context.config, "density", density_keys(context.config), time=time, backend=context.backend.arithmetic
    )


def _place(result, noted):
    """The file in which they are: one that was left unfinished, or the result; None where there is none of them."""
    left = result.with_name(str(noted["written_to"]))
    return next((path for path in (left, result) if path.is_file()), None)
