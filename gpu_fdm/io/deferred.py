"""What a stage writes into a result, deferred, so that it can be cached, sent to another rank, and written again."""

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from .result_file import GroupWriter, Writer


class DeferredWrites(GroupWriter):
    """Calls of `attributes` and `dataset` in their order; a stage writes the same into it as into a Writer.

    from_cache  whether the part was in the cache
    """

    def __init__(self) -> None:
        self._calls: list[list] = []
        self._values: list[np.ndarray] = []
        self.from_cache = False

    def attributes(self, path: str, **values: object) -> None:
        """Defer attributes of a group."""
        self._calls.append([path, None, _plain(values)])

    def dataset(self, path: str, values: ArrayLike, scale: float = 1.0, **attributes: object) -> None:
        """Defer a dataset."""
        self._calls.append([path, scale, _plain(attributes)])
        self._values.append(np.array(values))

    def write(self, file: Writer) -> None:
        """Make all calls to a Writer."""
        values = iter(self._values)
        for path, scale, attributes in self._calls:
            if scale is None:
                file.attributes(path, **attributes)
            else:
                file.dataset(path, next(values), scale, **attributes)

    def attributes_of(self, path: str) -> dict:
        """Attributes of a group."""
        return {
            k: v for where, scale, values in self._calls if (where, scale) == (path, None) for k, v in values.items()
        }

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The calls and values as a part for the cache."""
        return {"calls": np.array(json.dumps(self._calls)), **{f"v{i}": v for i, v in enumerate(self._values)}}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "DeferredWrites":
        """The writes of a cached part."""
        writes = cls()
        writes.from_cache = True
        writes._calls = json.loads(str(arrays["calls"]))
        writes._values = [arrays[f"v{i}"] for i in range(len(arrays) - 1)]
        return writes


def _plain(attributes: Mapping[str, object]) -> dict:
    """Numbers, texts and lists of them, as JSON has them; a float keeps all its digits."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in attributes.items()}
