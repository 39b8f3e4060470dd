"""numba's njit for all loops. Its cache on disk is a convenience: where it cannot be kept, loops are compiled again.

numba is imported when the first loop runs: what needs none starts a quarter of a second earlier.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache, update_wrapper
from pickle import PickleError
from threading import RLock
from typing import Any

from ..parallel.signals import signals_after

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


_compiling = RLock()


class _Loop:
    """A function that numba compiles when it is first called, or when a loop that calls it is compiled."""

    def __init__(self, function: Callable, options: dict[str, Any]) -> None:
        self._function, self._options = function, options
        update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        return self.dispatcher(*arguments)

    @property
    def _numba_type_(self) -> Any:
        """What numba asks of a function that a loop calls."""
        return self.dispatcher._numba_type_

    def __getattr__(self, name: str) -> Any:
        # __call__ and numba find it in the instance from the first call on
        if name != "dispatcher":
            raise AttributeError(name)
        with _compiling:
            if "dispatcher" not in self.__dict__:
                self.dispatcher = _dispatcher(self._function, self._options)
        return self.__dict__["dispatcher"]


def njit(**options: Any) -> Callable[[Callable], Any]:
    """Compile a function when it is first called; the options are those of numba.njit, all functions are cached."""
    return lambda function: _Loop(function, options)


def _dispatcher(function: Callable, options: dict[str, Any]) -> Any:
    import numba
    from numba.core.caching import FunctionCache

    class Cache(FunctionCache):
        """numba's cache of a function, whose failures are not the function's."""

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            """The compiled code; None where it is not cached, or cannot be read: then the index begins anew."""
            found = None
            try:
                found = super().load_overload(sig, target_context)
            except _FAILURES as error:
                _warn(str(error))
                with suppress(OSError):
                    self.flush()
            if found is None:
                _tell()
            return found

        def save_overload(self, sig: Any, data: Any) -> None:
            """Cache compiled code, where that is possible."""
            try:
                super().save_overload(sig, data)
            except _FAILURES as error:
                _warn(str(error))

    dispatcher = numba.njit(**{**options, "cache": False})(function)
    try:
        dispatcher._cache = Cache(function)
    except RuntimeError as error:  # neither the package's folder nor the user's cache can be written
        _warn(str(error))
    compile_now = dispatcher.compile

    def compile_undisturbed(signature: Any) -> Any:
        """Signals wait: LLVM goes on after an exception in the callback that stores its code, then misses the code."""
        with signals_after():
            return compile_now(signature)

    dispatcher.compile = compile_undisturbed
    return dispatcher


@cache
def _tell() -> None:
    """Say once that loops are compiled: a run waits for seconds."""
    log.info(
        "compiling loops, once after an installation or an update: some seconds, now and at the first use of others"
    )


def _warn(why: str) -> None:
    """Say the first failure."""
    if not _warned():
        _warned().append(why)
        log.warning("compiled loops are not cached but compiled again ($NUMBA_CACHE_DIR names another folder): %s", why)


@cache
def _warned() -> list[str]:
    """The failure that this process has told."""
    return []
