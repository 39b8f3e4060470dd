"""What predictions have made for later ones, kept in the user's cache folder."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen
from numpy.typing import NDArray

from ..cosmology.camb_power import user_cache
from ..errors import RunError

if TYPE_CHECKING:
    from ..io.cache import Cache

log = logging.getLogger(__name__)


@frozen(eq=False)
class Kept:
    """A folder in the user's cache folder, or none; where it cannot be written a warning says so.

    otherwise  what that means, for the warning
    """

    cache: "Cache | None"
    otherwise: str

    @classmethod
    def of(cls, name: str, otherwise: str, folder: Path | None = None) -> "Kept":
        """The folder of a name in `folder`, the user's cache folder where not given."""
        from ..io.cache import Cache

        folder = user_cache() if folder is None else folder
        return cls(None if folder is None else Cache(folder / name), otherwise)

    def load(self, name: str, key: dict[str, Any], *, report: bool = False) -> dict[str, NDArray] | None:
        """As Cache.load."""
        return None if self.cache is None else self.cache.load(name, key, report=report)

    def store(self, name: str, key: dict[str, Any], arrays: dict[str, NDArray]) -> None:
        """As Cache.store."""
        if self.cache is not None:
            try:
                self.cache.store(name, key, arrays)
            except RunError as error:
                log.warning("%s (%s)", error, self.otherwise)

    def arrays(
        self, name: str, key: dict[str, Any], make: Callable[[], dict[str, NDArray]], what: str
    ) -> dict[str, NDArray]:
        """Those of a key, from the cache or made now and stored;  what  they are, for the log."""
        found = self.load(name, key)
        if found is None:
            log.info("%s: computed once and kept", what)
            found = make()
            self.store(name, key, found)
        return found
