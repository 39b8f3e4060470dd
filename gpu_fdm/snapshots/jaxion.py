"""Checkpoints of jaxion: psi in folders 0, 1, ... beside params.json, written by orbax and read with tensorstore.

The wave function is [x, y, z]; the box is in kpc, not per h, and comoving in runs with expansion; else the user gives
what it stands for. Source: Simulation of jaxion.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, reason
from ..io.tables import read_text
from ..vectors import three
from .options import SnapshotOptions
from .reader import Reader
from .snapshot import GridSnapshot

PSI = "psi"
_MANIFEST = Path("default") / "manifest.ocdbt"
_PARAMETERS = "params.json"


class _Stored:
    """An array of a checkpoint, to be read in parts; InputError where tensorstore is missing or cannot read it."""

    def __init__(self, path: str | Path, name: str):
        try:
            import tensorstore
        except ImportError:
            raise InputError(f"{path}: format jaxion is read with tensorstore: pip install tensorstore") from None
        store = {"driver": "ocdbt", "base": (Path(path).resolve() / "default").as_uri() + "/", "path": f"{name}/"}
        self._path, self._name = path, name
        with self._readable():
            array = tensorstore.open({"driver": "zarr", "kvstore": store}, open=True, read=True).result()
        self._array, self.shape, self.dtype = array, tuple(array.shape), np.dtype(array.dtype.numpy_dtype)
        self.chunks = array.chunk_layout.read_chunk.shape

    def __getitem__(self, part: Any) -> NDArray:
        with self._readable():
            return self._array[part].read().result()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - tensorstore raises errors of several types
            raise InputError(f"{self._path}: {self._name} cannot be read: {reason(error)[:200]}") from None


@dataclass(frozen=True)
class Checkpoint:
    """The wave function of a checkpoint."""

    path: str
    cells: tuple[int, int, int]
    dtype: str
    names = (PSI,)
    axes_reversed = False

    @contextmanager
    def arrays(self) -> Iterator[list[_Stored]]:
        """Psi, to be sliced along x."""
        yield [_Stored(self.path, PSI)]


def _checkpoints(path: Path) -> list[Path]:
    """The checkpoint that a folder is, or those in it."""
    if (path / _MANIFEST).is_file():
        return [path]
    if not (path / _PARAMETERS).is_file():
        return []
    return [found.parent.parent for found in sorted(path.glob(str(Path("*") / _MANIFEST)))]


def detect(path: Path) -> bool:
    """Whether a folder is a checkpoint of jaxion, or holds some."""
    found = _checkpoints(path)
    return bool(found) and (found[0].parent / _PARAMETERS).is_file()


def read(path: Path, options: SnapshotOptions) -> GridSnapshot:
    """The wave function of a checkpoint, or of the only one in a folder."""
    found = _checkpoints(path)
    if len(found) != 1:
        names = ", ".join(checkpoint.name for checkpoint in found[:20]) or "there are none"
        raise InputError(f"{path}: must be one checkpoint: {names}")
    checkpoint = found[0]
    parameters = _parameters(checkpoint.resolve().parent / _PARAMETERS)
    psi = _Stored(checkpoint, PSI)
    if len(psi.shape) != 3 or psi.dtype.kind != "c" or 0 in psi.shape:
        kind = f"{psi.dtype.name} of shape {psi.shape}"
        raise InputError(f"{checkpoint}: psi is {kind}: must be complex, of three dimensions")
    cells = three(map(int, psi.shape))
    comoving = parameters("physics", "cosmology") == 1
    options.require(path, box_size=comoving, redshift=comoving)
    h = options.resolve("h", lambda: parameters("cosmology", "little_h") if comoving else None, path, needed=False)

    def box_size() -> tuple[float, ...]:
        side = parameters("domain", "box_size") * 1e-3 * h  # along y and z; cells are cubes
        return tuple(side * number / cells[1] for number in cells)

    return GridSnapshot(
        path=str(checkpoint),
        format=READER.name,
        box_size=options.resolve("box_size", box_size if comoving and h else None, path),
        redshift=options.resolve("redshift", lambda: _number(checkpoint, "redshift") if comoving else None, path),
        fields=(PSI,),
        field=PSI,
        h=h,
        omega_m=parameters("cosmology", "omega_matter") if comoving else None,
        m22=parameters("quantum", "m_22"),
        cells=cells,
        density_units="Msun/ckpc^3" if comoving else "Msun/kpc^3",
        source=Checkpoint(str(checkpoint), cells, psi.dtype.str),
    )


def _parameters(path: Path) -> Callable[[str, str], float]:
    """The numbers of a params.json, by section and name; InputError, which names it, for one that is not there."""
    try:
        sections = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read: {reason(error)[:200]}") from None

    def number(section: str, name: str) -> float:
        inside = sections.get(section) if isinstance(sections, dict) else None
        value = inside.get(name) if isinstance(inside, dict) else None
        if not isinstance(value, int | float):
            raise InputError(f"{path}: {section}.{name} = {value}: must be a number")
        return float(value)

    return number


def _number(checkpoint: Path, name: str) -> float:
    """A single number of a checkpoint."""
    stored = _Stored(checkpoint, name)
    if stored.shape != () or stored.dtype.kind not in "iuf":
        raise InputError(f"{checkpoint}: {name} is {stored.dtype.name} of shape {stored.shape}: must be one number")
    return float(stored[()])


READER = Reader(
    name="jaxion",
    description="jaxion checkpoint (needs tensorstore)",
    options=("box_size", "redshift", "h"),
    detect=detect,
    read=read,
)
