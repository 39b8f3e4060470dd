"""Checks that spectra and boosts share; each raises InputError naming the spectrum, the value and what is allowed."""

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError


def check_name(what: str, name: str) -> None:
    """InputError for a name that could not stand in a table's header or in "a/b"."""
    good = isinstance(name, str) and name.strip() and name == name.strip() and "/" not in name and name.isprintable()
    if not good:
        raise InputError(f"{what} = {name!r}: must be a short name in one line, without /")


def check_line(what: str, text: str) -> None:
    """InputError for text that could not stand in a line of a table's header."""
    if text != text.strip() or "\n" in text or "\r" in text:
        raise InputError(f"{what} = {text!r}: must be one line, without blanks at its ends")


def check_epoch(of: str, redshift: float | None, m22: float | None) -> None:
    """InputError for a redshift that is not above -1, and for a boson mass [1e-22 eV] that is not positive."""
    if redshift is not None and not -1 < redshift < np.inf:
        raise InputError(f"{of}: redshift = {redshift:g}: must be above -1, and finite")
    if m22 is not None and not 0 < m22 < np.inf:
        raise InputError(f"{of}: m22 = {m22:g}: must be positive, and finite")


def check_wavenumbers(of: str, k: NDArray) -> None:
    """InputError unless k is a list of positive, increasing numbers [h/Mpc]."""
    if k.ndim != 1 or len(k) == 0:
        raise InputError(f"{of}: k of shape {k.shape}: must be a list of one or more")
    for value in k[~((k > 0) & np.isfinite(k))][:1]:
        raise InputError(f"{of}: k = {value:g} h/Mpc: must be positive and finite")
    for row in np.flatnonzero(np.diff(k) <= 0)[:1]:
        raise InputError(f"{of}: k = {k[row + 1]:g} h/Mpc after {k[row]:g}: must increase")


def check_rows(of: str, k: NDArray, name: str, values: NDArray, good: NDArray, allowed: str) -> None:
    """InputError for the first of the values that is not finite or not good, naming its k."""
    if values.shape != k.shape:
        raise InputError(f"{of}: {name} of shape {values.shape}: must be that of k, {k.shape}")
    for row in np.flatnonzero(~(good & np.isfinite(values)))[:1]:
        raise InputError(f"{of}: {name} = {values[row]:g} at k = {k[row]:g} h/Mpc: must be {allowed}")
