"""Figures of a result file, as PNGs beside it; the only package that needs matplotlib.

Each figure is a function of the open file; `draw` makes those for which the file holds data. Of several filaments
the first is shown where a figure is about one. Colours are safe for the colour blind, maps are perceptually uniform.
"""

from pathlib import Path

from matplotlib import style as matplotlib_style

from ..snapshots.hdf5 import opened_whole
from ..whole import whole_file
from . import box, filament, population, simulation, spectra, steady_state
from .style import FILAMENT, STYLE

# what draws each figure, and where the file holds data for it
FIGURES: dict[str, tuple] = {
    "cross_section": (filament.cross_section, f"{FILAMENT}/cross_section"),
    "profile": (filament.profile, f"{FILAMENT}/profile"),
    "weights": (filament.weights, f"{FILAMENT}/modes"),
    "single_power": (spectra.single_power, spectra.SINGLE_POWER),
    "projection": (box.projection, "density/fdm", "density/smooth"),
    "power": (box.power, "power/fdm", "power/smooth"),
    "mass_function": (population.mass_function, "mass_function"),
    "collapse": (population.collapse, "collapse"),
    "one_filament": (spectra.one_filament, "one_filament_power"),
    "simulation_boost": (simulation.boost, "boost"),
    "simulation_power": (simulation.power, "simulation"),
    "simulation_frames": (simulation.frames, "simulation"),
    "simulation_health": (simulation.health, "simulation/wave_fdm/health", "simulation/wave_cdm/health"),
    "steady_state": (steady_state.steady_state, "steady_state"),
    "steady_state_frames": (steady_state.frames, "steady_state"),
}


def draw(path: Path, dpi: int = 150) -> list[Path]:
    """Draw every figure for which a result file holds data, as PNGs in its folder; returns their paths, maybe none.

    For result.hdf5 they are cross_section.png and so on, for another NAME.hdf5 NAME_cross_section.png and so on.
    dpi  resolution [1/inch]
    Raises InputError for a file that is no result or is damaged, RunError where a figure cannot be written.
    """
    path = Path(path)
    prefix = "" if path.stem == "result" else f"{path.stem}_"
    drawn = []
    with opened_whole(path) as file, matplotlib_style.context(["default", STYLE]):
        for name, (figure_of, *sources) in FIGURES.items():
            if any(source in file for source in sources):
                target = path.with_name(f"{prefix}{name}.png")
                _save(figure_of(file), target, dpi)
                drawn.append(target)
    return drawn


def _save(figure, target, dpi):
    """A PNG that appears under its name only when it is whole."""
    with whole_file(target) as part:
        figure.savefig(part, dpi=dpi, format="png")
