"""Movies of a result that holds several times: of a simulation's runs, or of frames of a box or of a cross-section.

They are MP4 where there is ffmpeg, else animated GIF, which needs nothing beyond matplotlib.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.animation import FFMpegWriter, PillowWriter
from matplotlib.figure import Figure

from ..errors import InputError, RunError
from ..io.atomic import atomic_write
from ..io.hdf5 import open_result
from ..io.ownership import MOVIE_COMMENT, MOVIE_MARK, require_own
from ..io.schema import DENSITY, SIMULATION
from . import figure_path
from .box import COLUMN_DECADES, Side
from .filament import DENSITY_DECADES, DENSITY_LABEL, show_density
from .projections import View
from .simulation import about_simulation, epochs_of, first_seed, runs_of
from .style import COLUMN, FIRST_FILAMENT, LABELS, MPC, PAGE, STYLE, filament_figure, log_range, new_figure

CROSS_SECTION = f"{FIRST_FILAMENT}/cross_section"
SECONDS = 8.0  # length of a movie, within these rates
SLOWEST, FASTEST = 2, 25  # [frames/s]
NEEDED = (
    "a movie needs two or more: [simulation] spectra = 2 or more, or several times in [box] frames or "
    "[cross_section] frames"
)


@dataclass(frozen=True)
class Scene:
    """A figure, the number of its frames, and show(frame), which changes the figure to one of them."""

    figure: Figure
    frames: int
    show: Callable[[int], None]


def movies_in(path: Path) -> list[str]:
    """Names of the movies that a result holds two or more times for, the names of the figures that move.

    Raises InputError where it holds none, or is no result.
    """
    with open_result(path) as file:
        numbers = {name: kind.count(file) for name, kind in MOVIES.items()}
        found = [name for name, number in numbers.items() if number > 1]
        if not found:
            single = next((MOVIES[name].what for name, number in numbers.items() if number), "")
            holds = f"holds one picture, that of {single}" if single else "holds no pictures of several times"
            raise InputError(f"{file.filename}: {holds}: {NEEDED}")
    return found


def movie(path: Path, dpi: int = 200, target: Path | None = None, name: str = "") -> Path:
    """Make a movie of a result file, in its folder; returns its path, .mp4 where ffmpeg is on PATH, else .gif.

    For result.hdf5 it is movie.mp4, of a cross-section cross_section_movie.mp4; for another NAME.hdf5 NAME_movie.mp4.
    dpi     resolution [1/inch]
    target  its path, .mp4 or .gif, instead of this
    name    one of movies_in(path), the first where not given
    Raises InputError for fewer than two frames, for a file that is no result or is damaged, and where the movie would
    replace a file of others; RunError where it cannot be written.
    """
    path = Path(path)
    name = name or movies_in(path)[0]
    target, kind = movie_target(path, f"{MOVIES[name].stem}movie", target)
    with open_result(path) as file, matplotlib_style.context(["default", STYLE]):
        write_movie(scene_of(file, name), target, kind, dpi)
    return target


def movie_target(path: Path, stem: str, target: Path | None) -> tuple[Path, str]:
    """Path and format of a movie of a result; InputError for another ending, or where it would replace one of others.

    stem  of its name, where there is no target
    """
    kind = "mp4" if shutil.which("ffmpeg") else "gif"
    if target is None:
        target = figure_path(path, f"{stem}.{kind}")
    elif target.suffix.lower() not in (".gif", f".{kind}"):
        allowed = ".gif" if kind == "gif" else ".mp4 or .gif"
        raise InputError(f"{target}: a movie must end in {allowed}{' without ffmpeg on PATH' if kind == 'gif' else ''}")
    require_own(target, MOVIE_MARK)
    return target, target.suffix.lower()[1:]


def scene_of(file: h5py.File, name: str) -> Scene:
    """The scene of one of the movies of an open result, laid out."""
    scene = MOVIES[name].make(file, MOVIES[name].count(file))
    scene.show(0)
    for _ in range(2):
        scene.figure.draw_without_rendering()
    scene.figure.set_layout_engine("none")  # nothing moves from frame to frame, and no time is spent on it
    return scene


def _simulation_epochs(file: h5py.File) -> int:
    """The number of epochs of the runs of a simulation."""
    return len(epochs_of(first_seed(file)[runs_of(file)[0]])) if SIMULATION in file else 0


def _simulation_scene(file: h5py.File, number: int) -> Scene:
    """All runs side by side, on one colour scale."""
    runs, view, folder = runs_of(file), View.of(file), first_seed(file)
    pictures = [[view.picture(epoch) for epoch in epochs_of(folder[run])] for run in runs]
    redshifts = [float(epoch.attrs["redshift"]) for epoch in epochs_of(folder[runs[0]])]
    width = PAGE if len(runs) > 1 else COLUMN
    height = 0.8 + (width - 1.1) / len(runs) / view.flatness
    figure = new_figure(width, height, about_simulation(file, of_first=True), ["$z=99.99$"])
    panels = figure.subplots(1, len(runs), sharex=True, sharey=True, squeeze=False)[0]
    norm = view.norm([picture for of_run in pictures for picture in of_run])
    lowest, images = float(norm.vmin or 0), []
    for panel, run, of_run in zip(panels, runs, pictures, strict=True):
        images.append(view.show(panel, of_run[0], norm))
        panel.set_title(str(folder[run].attrs["title"]))
        panel.label_outer()
    figure.colorbar(images[0], ax=panels, label=view.label, extend="min", pad=0.02, aspect=30)
    top = figure.get_suptitle().removesuffix("\n$z=99.99$")

    title = figure.suptitle(f"{top}\n$z={redshifts[0]:.2f}$")

    def show(frame: int) -> None:
        title.set_text(f"{top}\n$z={redshifts[frame]:.2f}$")
        for image, of_run in zip(images, pictures, strict=True):
            image.set_data(np.maximum(of_run[frame].T, lowest))  # an empty pixel is dark, not missing

    return Scene(figure, number, show)


def _box_frames(file: h5py.File) -> int:
    """The number of times at which the box of a result is stored."""
    if DENSITY not in file:
        return 0
    group = next((file[DENSITY][name] for name in LABELS if name in file[DENSITY]), None)
    return len(group) if isinstance(group, h5py.Group) else int(group is not None)


def _box_scene(file: h5py.File, number: int) -> Scene:
    """Column densities of the box, with and without fringes, on one colour scale."""
    group, side = file[DENSITY], Side.of(file)
    names = [name for name in LABELS if name in group]
    # a smooth density may be stored once for all times
    frames = {name: [group[name][str(frame)] for frame in range(number)] for name in names}
    pictures = {name: [side.column(frame).astype(np.float32) for frame in frames[name]] for name in names}
    norm = log_range([max(float(column.max()) for column in pictures[name]) for name in names], COLUMN_DECADES)
    rows, columns, width, height = side.layout(len(names))
    figure = filament_figure(file, width, height + 0.15, of_box=True)
    top = figure.get_suptitle()
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    images = [side.show(panel, name, pictures[name][0], norm) for panel, name in zip(panels.flat, names, strict=True)]
    label = rf"column density  $[\bar\rho_\mathrm{{m}}\,{MPC}]$"
    figure.colorbar(images[0], ax=panels, label=label, extend="min", pad=0.02, aspect=30)
    times = [float(frame.attrs["time"]) for frame in frames[names[0]]]

    title = figure.suptitle(f"{top}\n{times[0]:.4g} Myr")

    def show(frame: int) -> None:
        title.set_text(f"{top}\n{times[frame]:.4g} Myr")
        for image, name in zip(images, names, strict=True):
            image.set_data(np.maximum(pictures[name][frame], norm.vmin))

    return Scene(figure, number, show)


def _cross_section_frames(file: h5py.File) -> int:
    """The number of frames of a cross-section."""
    return len(file[CROSS_SECTION]["frame_time"]) if f"{CROSS_SECTION}/frames" in file else 0


def _cross_section_scene(file: h5py.File, number: int) -> Scene:
    """|psi|^2 across the filament, on one colour scale."""
    group = file[CROSS_SECTION]
    frames, times = group["frames"], group["frame_time"][:]
    norm = log_range([float(np.max(frames[frame])) for frame in range(number)], DENSITY_DECADES)
    coherence = group.attrs.get("coherence_time")
    figure = filament_figure(file, COLUMN, 3.2)
    top, panel = figure.get_suptitle(), figure.subplots()
    image = show_density(file, panel, frames[0], norm)
    figure.colorbar(image, ax=panel, label=DENSITY_LABEL, extend="min", pad=0.02, aspect=25)

    def when(frame: int) -> str:
        passed = "" if coherence is None else f", {(times[frame] - times[0]) / coherence:.2f} coherence times passed"
        return f"{top}\n{times[frame]:.4g} Myr{passed}"

    title = figure.suptitle(when(0))

    def show(frame: int) -> None:
        title.set_text(when(frame))
        image.set_data(np.maximum(frames[frame], norm.vmin))

    return Scene(figure, number, show)


@dataclass(frozen=True)
class Movie:
    """A kind of movie: how many frames a result has for it, its scene, what a single picture is of, and its name."""

    count: Callable[[h5py.File], int]
    make: Callable[[h5py.File, int], Scene]
    what: str
    stem: str = ""


# by the figures that move
MOVIES = {
    "simulation_frames": Movie(_simulation_epochs, _simulation_scene, "a spectrum"),
    "projection": Movie(_box_frames, _box_scene, "a frame"),
    "cross_section": Movie(_cross_section_frames, _cross_section_scene, "a frame", "cross_section_"),
}


def write_movie(scene: Scene, target: Path, kind: str, dpi: int) -> None:
    """Write a movie, which appears under its name when it is complete."""
    rate = int(np.clip(round(scene.frames / SECONDS), SLOWEST, FASTEST))
    writer = FFMpegWriter(fps=rate, metadata={"comment": MOVIE_COMMENT}) if kind == "mp4" else PillowWriter(fps=rate)
    try:
        with atomic_write(target) as part:
            named = part.with_name(f"{part.name}.{kind}")  # writers choose the format by the ending
            try:
                with writer.saving(scene.figure, str(named), dpi):
                    for frame in range(scene.frames):
                        scene.show(frame)
                        writer.grab_frame()
                if kind == "gif":
                    _add_comment(named)
                os.replace(named, part)
            finally:
                named.unlink(missing_ok=True)
    except subprocess.CalledProcessError as error:
        said = " ".join(str(error.stderr or error).split())[-300:]
        raise RunError(f"{target}: ffmpeg failed: {said} (without ffmpeg on PATH the movie is a GIF)") from None


def _add_comment(gif: Path) -> None:
    """Put the mark of this program before the end of a GIF, which is one byte: Pillow's writer has no way to."""
    with open(gif, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!\xfe" + bytes([len(MOVIE_MARK)]) + MOVIE_MARK + b"\0;")
