"""What a stage writes into a result, held so that it can be kept, sent to another rank, and written again.

It answers the same calls as store.Writer; a stage whose part is kept writes the very same.
"""

import json

import numpy as np


class DeferredWrites:
    """Calls of `attributes` and `dataset`, in their order.

    from_cache  whether they were read from the cache
    """

    def __init__(self):
        self._calls, self._values = [], []
        self.from_cache = False

    def attributes(self, path: str, **values):
        """As store.Writer's."""
        self._calls.append(["attributes", path, _plain(values)])

    def dataset(self, path: str, values, units: str, description: str, **attributes):
        """As store.Writer's."""
        self._calls.append(["dataset", path, units, description, _plain(attributes)])
        self._values.append(np.array(values))

    def write(self, file):
        """Make all calls to a Writer."""
        values = iter(self._values)
        for name, path, *arguments, attributes in self._calls:
            if name == "attributes":
                file.attributes(path, **attributes)
            else:
                file.dataset(path, next(values), *arguments, **attributes)

    def attributes_of(self, path: str) -> dict:
        """Attributes of a group."""
        found = [call[2] for call in self._calls if call[:2] == ["attributes", path]]
        return {name: value for values in found for name, value in values.items()}

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as a part to be kept."""
        return {"calls": np.array(json.dumps(self._calls)), **{f"v{i}": each for i, each in enumerate(self._values)}}

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> "DeferredWrites":
        """From a part that was kept."""
        recorded = cls()
        recorded.from_cache = True
        recorded._calls = json.loads(str(arrays["calls"]))
        recorded._values = [arrays[f"v{i}"] for i in range(len(arrays) - 1)]
        return recorded


def _plain(attributes):
    """Numbers, texts and lists of them, as JSON has them; a float comes back with all its digits."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in attributes.items()}
