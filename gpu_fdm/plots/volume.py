"""A volume rendering of the density in a box, which shines where it is dense; needs pyvista (extra `volume`)."""

from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
from matplotlib.image import imsave

from ..errors import InputError
from ..io.atomic import atomic_write
from ..io.hdf5 import open_result
from ..io.ownership import FIGURE_MARK, PROGRAM, require_own
from ..io.schema import DENSITY
from . import figure_path

MOST_CELLS = 256  # a side; finer boxes are averaged over blocks of cells
DECADES = 3.0  # of density below the brightest, which one cell in 10^4 exceeds
BRIGHTEST = 99.99  # percentile of the density
BACKGROUND, LINES = "#0b0b14", "white"
PIXELS = 1400, 900
FIRST_DENSITY = ""


def draw_volume(
    path: Path, density: str = FIRST_DENSITY, pixels: tuple[int, int] = PIXELS, target: Path | None = None
) -> Path:
    """Draw a density of a result or of a snapshot of this program into a PNG in its folder; returns its path.

    density  its path in the file, such as density/fdm; FIRST_DENSITY takes the first that the file holds
    pixels   width and height
    target   path of the PNG instead of one beside the result
    Raises InputError where the file has no such density, pyvista is not installed, or the PNG would replace a file of
    others.
    """
    path = Path(path)
    if target is not None and target.suffix.lower() != ".png":
        raise InputError(f"{target}: a volume must end in .png")
    try:
        import pyvista
    except ImportError as error:
        raise InputError(f"a volume needs pyvista: pip install pyvista ({error})") from None
    with open_result(path) as file:
        known = _densities(file)
        density = density or next(iter(known), DENSITY)
        dataset = file.get(density)
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 3:
            there = f"must be one of {', '.join(known)}" if known else "the file has none"
            raise InputError(f"{path}: no density {density}: {there}")
        grid = averaged(dataset)
        size = np.broadcast_to(dataset.attrs.get("box_size", file[DENSITY].attrs["box_size"]), 3)
    shown = np.log10(np.maximum(grid, np.finfo(np.float32).tiny))
    brightest = float(np.percentile(shown, BRIGHTEST))
    target = target or figure_path(path, f"volume_{density.removeprefix(DENSITY + '/').replace('/', '_')}.png")
    require_own(target, FIGURE_MARK)
    picture = _picture(pyvista, shown, size, (brightest - DECADES, brightest), density, pixels)
    with atomic_write(target) as part:
        imsave(part, picture, format="png", metadata={"Software": PROGRAM})
    return target


def averaged(stored: h5py.Dataset) -> np.ndarray:
    """A grid of at most MOST_CELLS cells a side: means over blocks of cells, in single precision.

    The dataset is read plane by plane. Cells beyond the last complete block are left out.
    """
    block = [-(-cells // MOST_CELLS) for cells in stored.shape]
    cells = [side // length for side, length in zip(stored.shape, block, strict=True)]
    grid = np.empty(cells, np.float32)
    for number in range(cells[0]):
        planes = stored[number * block[0] : (number + 1) * block[0], : cells[1] * block[1], : cells[2] * block[2]]
        grid[number] = planes.reshape(-1, cells[1], block[1], cells[2], block[2]).mean(axis=(0, 2, 4))
    return grid


def _densities(file: h5py.File) -> list[str]:
    """Paths of the datasets below /density."""
    found: list[str] = []
    if DENSITY in file:
        file[DENSITY].visititems(
            lambda name, item: found.append(f"{DENSITY}/{name}") if isinstance(item, h5py.Dataset) else None
        )
    return found


def _picture(
    pyvista: ModuleType,
    shown: np.ndarray,
    size: np.ndarray,
    limits: tuple[float, float],
    title: str,
    pixels: tuple[int, int],
) -> np.ndarray:
    """Pixels of the volume, shape (height, width, 3)."""
    from vtkmodules.vtkCommonCore import vtkLogger

    # without a display VTK warns, and draws in memory
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)
    grid = pyvista.ImageData(dimensions=np.array(shown.shape) + 1, spacing=np.asarray(size) / shown.shape)
    grid.cell_data["density"] = np.clip(shown, *limits).ravel(order="F")
    plotter = pyvista.Plotter(off_screen=True, window_size=pixels)
    plotter.set_background(BACKGROUND)
    bar = {
        "title": f"log10 of {title}, in mean matter densities",
        "color": LINES,
        "n_labels": 4,
        "fmt": "%.1f",
        "width": 0.4,
        "position_x": 0.3,
        "position_y": 0.02,
    }
    plotter.add_volume(grid, scalars="density", cmap="inferno", opacity="linear", clim=limits, scalar_bar_args=bar)
    plotter.add_mesh(grid.outline(), color=LINES, line_width=1)
    sides = " x ".join(f"{side:g}" for side in size)
    plotter.add_text(f"{sides} cMpc/h", position="upper_left", font_size=10, color=LINES)
    longest = int(np.argmax(size))
    across = [axis for axis in range(3) if axis != longest]
    # from the side, a little above, with the longest side horizontal
    view, up = np.zeros(3), np.zeros(3)
    view[longest], view[across[0]], view[across[1]] = 0.5, 1.0, 0.5
    up[across[1]] = 1.0
    plotter.view_vector(view, viewup=up)
    plotter.camera.zoom(1.3)
    picture = plotter.screenshot(return_img=True)
    plotter.close()
    return picture
