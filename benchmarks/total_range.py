"""How far the power of all matter depends on haloes: each choice of [halo] in turn, a table and a figure.

.venv/bin/python benchmarks/total_range.py docs/figures/total_range.png      # z = 4; a quarter of an hour
"""

import sys
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


def draw(found: dict[str, dict[float, dict[str, Any]]], path: str) -> None:
    """The range of both ratios, and every choice."""
    from matplotlib import style
    from matplotlib.figure import Figure

    from gpu_fdm.plots.style import STYLE, WAVENUMBER

    with style.context(["default", STYLE]):
        figure = Figure(figsize=(11, 6), layout="constrained")
        panels = figure.subplots(2, len(BOSONS), sharex=True, sharey="row")
        below = ("power_smooth", "all matter / its smooth counterpart"), ("power_cdm", "all matter / CDM")
        for row, (other, label) in zip(panels, below, strict=True):
            for panel, m22 in zip(row, BOSONS, strict=True):
                lines = {name: one[m22]["power_fdm"] / one[m22][other] for name, one in found.items()}
                panel.fill_between(K, *(end(list(lines.values()), axis=0) for end in (np.min, np.max)), color="0.9")
                for colour, (name, line) in zip(COLOURS, lines.items(), strict=False):
                    panel.loglog(K, line, color=colour, linewidth=2 if name == "as it is" else 1.1, label=name)
                panel.axhline(1, color="0.4", linewidth=0.6)
                panel.axhline(2, color="0.4", linewidth=0.6, linestyle=":")
            row[0].set(ylabel=label, xlim=(K[0], K[-1]), ylim=(0.9, 20) if other == "power_smooth" else (0.1, 20))
        for top, bottom, m22 in zip(*panels, BOSONS, strict=True):
            top.set_title(f"$m_{{22}}={m22:g}$")
            bottom.set_xlabel(WAVENUMBER)
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        figure.savefig(path, dpi=110)


if __name__ == "__main__":
    results = {}
    for choice, settings in CHOICES.items():
        results[choice] = ratios(*settings)
        marks = [[f"{one[name]:.0f}" if one[name] else "nowhere" for name in MARKS] for one in results[choice].values()]
        print(f"{choice}: {'; '.join(', '.join(each) for each in marks)}", flush=True)
        draw(results, sys.argv[1])
