"""How far the power of all matter depends on haloes: each choice of [halo] in turn, tables and two figures.

.venv/bin/python benchmarks/total_range.py docs/figures       # z = 4, 3 and 6; 10 minutes
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CHOICES: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "concentration × ½": ("halo.concentration_factor=0.5",),
    "concentration × 2": ("halo.concentration_factor=2",),
    "core × ½": ("halo.core_factor=0.5",),
    "core × 1.5": ("halo.core_factor=1.5",),
    "Gaussian amplitudes": ("halo.statistics=gaussian",),
    "solitons": ("halo.soliton=yes",),
}
COLOURS = "black", "#56B4E9", "#0072B2", "#F0B000", "#D55E00", "#CC79A7", "#009E73"
MASSES = 3e8, 1e12  # of haloes [Msun/h]
L_MAX = 64  # of sums over states: a quarter of the time, and the first row 0.4 % lower
MARKS = "k_detach_smooth", "k_detach_cdm"
K = np.geomspace(20, 2500, 90)  # [h/Mpc]
BOSONS = 1.0, 2.0, 4.0
BELOW = ("power_smooth", "all matter / its smooth counterpart"), ("power_cdm", "all matter / CDM")
SHAPES = "as it is", "concentration × ½", "concentration × 2", "core × ½", "core × 1.5"  # at other redshifts
HEAVIEST = {6.0: "one_filament.mass_max=8e11"}  # filaments of 1e12 are too short there for the table of similarity
REDSHIFTS = {3.0: "#D55E00", 4.0: "0.3", 6.0: "#0072B2"}


def ratios(*overrides: str) -> dict[float, dict[str, Any]]:
    """Columns of the power of all matter by boson, for ini/total_power.ini with overrides, and where it detaches."""
    from gpu_fdm.config.config import read_config
    from gpu_fdm.pipeline.inputs import Inputs, read_inputs
    from gpu_fdm.pipeline.total_objects import Matter, table_of_haloes
    from gpu_fdm.pipeline.total_power import columns_of, detached

    config = read_inputs(read_config("ini/total_power.ini", overrides))
    population = Inputs(config).population
    table = table_of_haloes(config, BOSONS, MASSES, L_MAX, None)
    cold = Matter.of(config, population, K, None, MASSES, table)
    found = {}
    for m22 in BOSONS:
        columns = columns_of(Matter.of(config, population, K, m22, MASSES, table), cold)
        found[m22] = columns | {name: detached(columns, name) for name in MARKS}
    return found


def draw(found: dict[str, dict[float, dict[str, Any]]], path: Path) -> None:
    """The range of both ratios, and every choice."""

    def plot(panel: Any, m22: float, other: str) -> None:
        lines = {name: one[m22]["power_fdm"] / one[m22][other] for name, one in found.items()}
        panel.fill_between(K, *(end(list(lines.values()), axis=0) for end in (np.min, np.max)), color="0.9")
        for colour, (name, line) in zip(COLOURS, lines.items(), strict=False):
            panel.loglog(K, line, color=colour, linewidth=2 if name == "as it is" else 1.1, label=name)

    def legend(figure: Any, first: Any) -> None:
        figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=4)

    draw_panels(plot, legend, path)


def draw_redshifts(found: dict[float, dict[str, dict[float, dict[str, Any]]]], path: Path) -> None:
    """The range of both ratios with concentration and core at each redshift."""

    def plot(panel: Any, m22: float, other: str) -> None:
        for z, choices in found.items():
            lines = [choices[name][m22]["power_fdm"] / choices[name][m22][other] for name in SHAPES]
            ends = (end(lines, axis=0) for end in (np.min, np.max))
            panel.fill_between(K, *ends, color=REDSHIFTS[z], alpha=0.25, linewidth=0)
            panel.loglog(K, lines[0], color=REDSHIFTS[z], label=f"$z={z:g}$")

    draw_panels(plot, lambda _, first: first.legend(), path)


def draw_panels(plot: Callable[[Any, float, str], None], legend: Callable[[Any, Any], None], path: Path) -> None:
    """A column for each boson and a row for each ratio, filled by plot(panel, m22, other); legend(figure, first)."""
    from matplotlib import style
    from matplotlib.figure import Figure

    from gpu_fdm.plots.style import STYLE, WAVENUMBER

    with style.context(["default", STYLE]):
        figure = Figure(figsize=(11, 6), layout="constrained")
        panels = figure.subplots(2, len(BOSONS), sharex=True, sharey="row")
        for row, (other, label) in zip(panels, BELOW, strict=True):
            for panel, m22 in zip(row, BOSONS, strict=True):
                plot(panel, m22, other)
                panel.axhline(1, color="0.4", linewidth=0.6)
                panel.axhline(2, color="0.4", linewidth=0.6, linestyle=":")
            row[0].set(ylabel=label, xlim=(K[0], K[-1]), ylim=(0.9, 20) if other == "power_smooth" else (0.1, 20))
        for top, bottom, m22 in zip(*panels, BOSONS, strict=True):
            top.set_title(f"$m_{{22}}={m22:g}$")
            bottom.set_xlabel(WAVENUMBER)
        legend(figure, panels[0, 0])
        figure.savefig(path, dpi=110)


if __name__ == "__main__":
    folder, results = Path(sys.argv[1]), {}
    for redshift in (4.0, 3.0, 6.0):
        results[redshift] = of_redshift = {}
        for choice, settings in CHOICES.items():
            if redshift != 4 and choice not in SHAPES:
                continue
            heaviest = HEAVIEST.get(redshift, "one_filament.mass_max=1e12")
            of_redshift[choice] = ratios(f"cosmology.redshift={redshift:g}", heaviest, *settings)
            found = of_redshift[choice].values()
            marks = [[f"{one[name]:.0f}" if one[name] else "nowhere" for name in MARKS] for one in found]
            print(f"z = {redshift:g}, {choice}: {'; '.join(', '.join(each) for each in marks)}", flush=True)
    draw(results[4.0], folder / "total_range.png")
    draw_redshifts({z: results[z] for z in REDSHIFTS}, folder / "total_range_redshifts.png")
