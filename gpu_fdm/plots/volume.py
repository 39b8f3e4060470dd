"""A volume rendering of the density in a box, which shines where it is dense, still or turning around.

It needs pyvista (extra `volume`).
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave

from ..errors import InputError
from ..io.atomic import atomic_write
from ..io.hdf5 import open_result
from ..io.ownership import FIGURE_MARK, PROGRAM, require_own
from ..io.schema import DENSITY
from . import figure_path
from .movie import Scene, movie_target, write_movie

MOST_CELLS = 256  # a side; finer boxes are averaged over blocks of cells
DECADES = 3.0  # of density below the brightest, which one cell in 10^4 exceeds
BRIGHTEST = 99.99  # percentile of the density
BACKGROUND, LINES = "#0b0b14", "white"
PIXELS = 1400, 900
MOVIE_PIXELS, FRAMES = (960, 640), 72
PIXELS_AN_INCH = 100
ZOOM = 1.3
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
    pyvista, density, grid, size = _read(path, density)
    target = target or figure_path(path, f"{_stem(density)}.png")
    require_own(target, FIGURE_MARK)
    plotter = _plotter(pyvista, grid, size, density, pixels)
    picture = plotter.screenshot(return_img=True)
    plotter.close()
    with atomic_write(target) as part:
        imsave(part, picture, format="png", metadata={"Software": PROGRAM})
    return target


def turn_volume(
    path: Path,
    density: str = FIRST_DENSITY,
    pixels: tuple[int, int] = MOVIE_PIXELS,
    target: Path | None = None,
    frames: int = FRAMES,
) -> Path:
    """Make a movie of a density that turns once around; returns its path, .mp4 where ffmpeg is on PATH, else .gif.

    frames   number of pictures, in equal angles around the upright axis; the rest and the errors are as for draw_volume
    """
    path = Path(path)
    pyvista, density, grid, size = _read(path, density)
    target, kind = movie_target(path, f"{_stem(density)}_movie", target)
    plotter = _plotter(pyvista, grid, size, density, pixels)
    plotter.camera.zoom(1 / ZOOM)  # its corners stay in the picture
    figure = Figure(figsize=(pixels[0] / PIXELS_AN_INCH, pixels[1] / PIXELS_AN_INCH), dpi=PIXELS_AN_INCH)
    image = figure.figimage(plotter.screenshot(return_img=True), origin="upper")

    def show(frame: int) -> None:
        if frame:
            plotter.camera.azimuth += 360 / frames
            plotter.render()
        image.set_data(plotter.screenshot(return_img=True))

    write_movie(Scene(figure, frames, show), target, kind, PIXELS_AN_INCH)
    plotter.close()
    return target


def _read(path: Path, density: str) -> tuple[ModuleType, str, np.ndarray, np.ndarray]:
    """pyvista, the path of a density in a file, its grid, and the sides of the box [cMpc/h]."""
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
        size = np.broadcast_to(dataset.attrs.get("box_size", file[DENSITY].attrs["box_size"]), 3)
        return pyvista, density, averaged(dataset), size


def _stem(density: str) -> str:
    """The name of a figure of a density."""
    return f"volume_{density.removeprefix(DENSITY + '/').replace('/', '_')}"


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


def _plotter(pyvista: ModuleType, density: np.ndarray, size: np.ndarray, title: str, pixels: tuple[int, int]) -> Any:
    """A plotter of pyvista with the volume, seen from the side, whose screenshots have so many pixels."""
    from vtkmodules.vtkCommonCore import vtkLogger

    # without a display VTK warns, and draws in memory
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)
    shown = np.log10(np.maximum(density, np.finfo(np.float32).tiny))
    brightest = float(np.percentile(shown, BRIGHTEST))
    limits = brightest - DECADES, brightest
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
    plotter.camera.zoom(ZOOM)
    return plotter
