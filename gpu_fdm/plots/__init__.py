"""Figures of a result file, as PNGs beside it; the only package that needs matplotlib.

Each figure is a function of the open file; `draw` makes those for which the file holds data. Of several filaments
the first is shown where a figure is about one. Colours are safe for the colour blind, maps are perceptually uniform.
"""

from pathlib import Path

from matplotlib import style as matplotlib_style

from ..io.hdf5 import open_result
from . import box, filament, population, simulation, spectra, steady_state
from .style import FILAMENT, STYLE, figure_path, save_png

# what draws each figure, what it shows, and where the file holds data for it
FIGURES: dict[str, tuple] = {
    "cross_section": (
        filament.cross_section,
        "density, contrast and phase with vortices across the filament",
        f"{FILAMENT}/cross_section",
    ),
    "profile": (filament.profile, "density of the modes beside that of the equilibrium", f"{FILAMENT}/profile"),
    "weights": (filament.weights, "which modes carry how much mass", f"{FILAMENT}/modes"),
    "single_power": (spectra.single_power, "exact spectrum of one filament and its scales", spectra.SINGLE_POWER),
    "projection": (box.projection, "column density of the box", "density/fdm", "density/smooth"),
    "power": (box.power, "P(k) of the box", "power"),
    "mass_function": (population.mass_function, "filaments of each mass, cut off for each boson", "mass_function"),
    "collapse": (population.collapse, "axes of a collapsing ellipsoid", "collapse"),
    "one_filament": (spectra.one_filament, "one-filament spectra of the population", "one_filament_power"),
    "simulation_boost": (simulation.boost, "P(k) of waves over particles, and where it can be trusted", "boost"),
    "simulation_power": (simulation.power, "P(k) of all runs", "simulation"),
    "simulation_frames": (simulation.frames, "column density of all runs against time", "simulation"),
    "simulation_health": (
        simulation.health,
        "what the solver watched: mass, energy, unresolved velocities",
        "simulation/wave_fdm/health",
        "simulation/wave_cdm/health",
    ),
    "steady_state": (
        steady_state.steady_state,
        "how far the line mass drifts, and how the potential fluctuates",
        "steady_state",
    ),
    "steady_state_frames": (steady_state.frames, "density across the filament against time", "steady_state"),
}


def shown_in(path: Path) -> str:
    """What a figure of `draw` shows, in words; empty for another file."""
    # the longest name that fits: of NAME.hdf5 figures are called NAME_power.png
    names = sorted((name for name in FIGURES if f"_{path.stem}".endswith(f"_{name}")), key=len)
    return FIGURES[names[-1]][1] if names else ""


def draw(path: Path, dpi: int = 150) -> list[Path]:
    """Draw every figure for which a result file holds data, as PNGs in its folder; returns their paths, maybe none.

    For result.hdf5 they are cross_section.png and so on, for another NAME.hdf5 NAME_cross_section.png and so on.
    dpi  resolution [1/inch]
    Raises InputError for a file that is no result or is damaged, RunError where a figure cannot be written.
    """
    path = Path(path)
    drawn = []
    with open_result(path) as file, matplotlib_style.context(["default", STYLE]):
        for name, (figure_of, _, *sources) in FIGURES.items():
            if any(source in file for source in sources):
                target = figure_path(path, f"{name}.png")
                save_png(figure_of(file), target, dpi)
                drawn.append(target)
    return drawn
