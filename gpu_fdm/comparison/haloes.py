"""What boosts of filaments leave out where most of the mass of their filaments is in haloes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py

from ..io.hdf5 import open_result
from ..io.schema import ONE_FILAMENT
from ..pipeline.result_spectra import object_of
from ..pipeline.window_haloes import WindowHaloes, halo_line
from ..spectra.boost import DIFFERENCES, Boost
from .models import holds


def halo_lines(files: Iterable[Path], boosts: Sequence[Boost]) -> list[str]:
    """One line for each result with a window of filaments that boosts are of and that has most of its mass in haloes.

    files  results that the boosts are from, among any others
    """
    lines = []
    for path in dict.fromkeys(files):
        if holds(str(path), ONE_FILAMENT):
            with open_result(path) as file:
                lines += _lines(file, boosts)
    return list(dict.fromkeys(lines))


def _lines(file: h5py.File, boosts: Sequence[Boost]) -> list[str]:
    found: dict[str, list[WindowHaloes]] = {}
    for name, group in file[ONE_FILAMENT].items():
        window, haloes = object_of(file, ONE_FILAMENT, name), WindowHaloes.stored(group.attrs)
        if window and haloes and any(window in boost.object and _of(haloes, boost) for boost in boosts):
            found.setdefault(window, []).append(haloes)
    return [line for window, haloes in found.items() if (line := halo_line(window, haloes))]


def _of(haloes: WindowHaloes, boost: Boost) -> bool:
    """Whether a boost has these filaments above or below the line."""
    if haloes.m22 is None:
        return boost.denominator == "cdm"
    return boost.m22 is None or abs(boost.m22 / haloes.m22 - 1) < DIFFERENCES["m22"]
