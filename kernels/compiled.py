"""numba's njit for all loops. Its cache on disk is a convenience: where it cannot be kept, loops are compiled again."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pickle import PickleError
from typing import Any

import numba
from numba.core.caching import FunctionCache

log = logging.getLogger(__name__)

# a full disk, a folder that cannot be written, a file that was cut or is of another version
_FAILURES = (
    OSError,
    EOFError,
    PickleError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ImportError,
)


class _Cache(FunctionCache):
    """numba's cache of a function, whose failures are not the function's."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled code; None where it is not cached, or cannot be read: then the index begins anew."""
        try:
            return super().load_overload(sig, target_context)
        except _FAILURES as error:
            _warn(str(error))
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Cache compiled code, where that is possible."""
        try:
            super().save_overload(sig, data)
        except _FAILURES as error:
            _warn(str(error))


def njit(**options: Any) -> Callable[[Callable], Any]:
    """Compile a function; the options are those of numba.njit, all functions are cached."""

    def compiled(function: Callable) -> Any:
        dispatcher = numba.njit(**{**options, "cache": False})(function)
        try:
            dispatcher._cache = _Cache(function)
        except RuntimeError as error:  # neither the package's folder nor the user's cache can be written
            _warn(str(error))
        return dispatcher

    return compiled


def _warn(why: str) -> None:
    """Say the first failure."""
    if not _warned():
        _warned().append(why)
        log.warning("compiled loops are not cached but compiled again ($NUMBA_CACHE_DIR names another folder): %s", why)


@cache
def _warned() -> list[str]:
    """The failure that this process has told."""
    return []
