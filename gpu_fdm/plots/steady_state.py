"""Figures of a cross-section evolved in its own gravity: drifts, fluctuations of the potential, and density."""

from typing import Any

import h5py
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..io.schema import STEADY_AXIS, STEADY_STATE
from .style import (
    GREY,
    KPC,
    MAP_TICKS,
    MSUN,
    PAGE,
    Look,
    Panels,
    boson_groups,
    boson_looks,
    boson_name,
    log_range,
    mass_in_words,
    method_in_words,
    new_figure,
)

DENSITY_DECADES = 4.5  # shown in frames; <|psi|^2> falls by 4 decades out to R_99
UNDER_LEGEND = 0.87  # fraction of the height of a panel
MOST_FRAMES, LARGEST_FRAME = 6, 1.9  # of a row, and the side of one [inch]
PERIODS: tuple[Any, Any] = ((0, (4, 2)), "-")  # lines of the first and of the last period
MOMENTA = {"coherent": "C0", "thermal": "C1"}
GRAVITIES = {"own": "own gravity", "completed": "own gravity and that of the mass beyond the energy cut"}


def steady_state(file: h5py.File) -> Figure:
    """Change of the line mass within a radius, and rms fluctuation of the potential; a column for each method."""
    looks, groups = boson_looks(file), boson_groups(file[STEADY_STATE])
    methods = list(dict.fromkeys(name for _, group in groups for name in group))
    methods.sort(key=lambda name: name != "wkb")
    age = float(file[STEADY_STATE].attrs["age"])
    figure = _figure(file, PAGE, 5.2)
    panels = figure.subplots(2, len(methods), squeeze=False, sharey="row", sharex="row")
    for column, method in zip(panels.T, methods, strict=True):
        for m22, group in groups:
            if method in group:
                _draw_case(column, group[method], looks[m22], boson_name(m22))
        column[0].set_title(method_in_words(method))
        column[0].axhline(0, color="black", linewidth=0.6)
        column[0].set(xlabel=r"$R\,/\,R_{99}$", xscale="log", xlim=(column[0].dataLim.xmin, 1))
        column[1].axvline(age, ymax=UNDER_LEGEND, color=GREY, linestyle=":", linewidth=0.6)
        column[1].set(xlabel=r"$t\;\;[\mathrm{Gyr}]$", ylim=(0, None), xlim=(0, None))
    panels[0, 0].set_ylabel(r"$\Delta M(<R)\,/\,M(<R_{99})\;\;[\%]$")
    panels[1, 0].set_ylabel(r"rms $\delta V\,/\,V(R_{99})\;\;[\%]$")
    low, high = panels[0, 0].get_ylim()
    panels[0, 0].set_ylim(low - 0.38 * (high - low), high)  # room for the legend
    panels[1, 0].set_ylim(0, 1.3 * panels[1, 0].get_ylim()[1])
    at: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    panels[1, 0].annotate(
        f"age of the universe, {age:.2f} Gyr", (age, UNDER_LEGEND), (4, 0), va="top", color=GREY, **at
    )
    number = len(next(iter(groups[0][1].values())).attrs["drift_own"])
    last = {2: "second", 3: "third"}.get(number, f"{number}th")
    marks = [Line2D([], [], color="black", linestyle=line) for line in PERIODS]
    marks.append(Line2D([], [], color="black", linewidth=0.5))
    names = ["mean of the first period", f"mean of the {last} period", f"{last}, in the modes' own potential"]
    panels[0, 0].legend(marks, names, loc="lower left", borderaxespad=0.2)
    panels[1, -1].legend(loc="upper right", ncols=min(3, len(groups)))
    figure.align_ylabels()
    return figure


def axis(file: h5py.File) -> Figure:
    """Amplitude of a modulation of the line mass against time, a panel for each wavelength."""
    cases: dict[float, list[tuple[str, str, h5py.Group]]] = {}
    for boson in file[STEADY_AXIS].values():
        for method, kinds in boson.items():
            for momentum, runs in kinds.items():
                for run in runs.values():
                    name = f"{boson_name(float(run.attrs['m22']))}, {method_in_words(method)}"
                    cases.setdefault(float(run.attrs["wavelength"]), []).append((momentum, name, run))
    figure = _figure(file, PAGE, 3.9)
    panels = figure.subplots(1, len(cases), squeeze=False, sharey=True, sharex=True)[0]
    for panel, (wavelength, runs) in zip(panels, sorted(cases.items()), strict=True):
        _draw_axis(panel, runs)
        panel.set(yscale="log", xlabel=r"$t\;\;[\mathrm{Gyr}]$", title=rf"wavelength {wavelength:g} $h^{{-1}}$cMpc")
        age = float(file[STEADY_STATE].attrs["age"])
        panel.axvline(age, color=GREY, linestyle=":", linewidth=0.8, label=f"age of the universe, {age:.2f} Gyr")
    least = min(float(run["amplitude"][0]) for runs in cases.values() for _, _, run in runs)
    panels[0].set(ylabel="amplitude of the line mass", ylim=(least / 5, 2))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=1)
    return figure


def _draw_axis(panel: Any, runs: list[tuple[str, str, h5py.Group]]) -> None:
    """Draw what one wavelength does, and linear theory of fluids and of particles from the same start."""
    for momentum, name, run in runs:
        time, colour = run["time"][:], MOMENTA[momentum]
        panel.plot(time, run["amplitude"][:], color=colour, label=f"{name}, {momentum}")
        if momentum == "thermal":
            panel.plot(time, run["chance"][:], color=colour, linestyle=":", label="by chance, without modulation")
        first, collisionless = float(run["amplitude"][0]), float(run.attrs["growth_collisionless"])
        label = f"linear theory: particles, {momentum}, whose cross-section stays as it is"
        panel.plot(time, first * np.cosh(collisionless * time), color=colour, linestyle=(0, (4, 2)), label=label)
    fluid = float(runs[0][2].attrs["growth_fluid"])
    first = float(runs[0][2]["amplitude"][0])
    panel.plot(time, first * np.cosh(fluid * time), color=GREY, linewidth=1, label="linear theory: isothermal fluid")


def frames(file: h5py.File) -> Figure:
    """|psi|^2 in the plane at several times, six at most, a row for each case, on one logarithmic scale."""
    cases = [
        (f"{boson_name(m22)}\n{method_in_words(method)}", group[method])
        for m22, group in boson_groups(file[STEADY_STATE])
        for method in sorted(group, key=lambda name: name != "wkb")
    ]
    stored, width = len(cases[0][1]["frame_time"]), PAGE
    shown = np.round(np.linspace(0, stored - 1, min(stored, MOST_FRAMES))).astype(int)
    number = len(shown)
    figure = _figure(file, width, 0.95 + len(cases) * min(LARGEST_FRAME, (width - 1.4) / number))
    panels = figure.subplots(len(cases), number, squeeze=False, sharex=True, sharey=True)
    norm = log_range([np.max(case["frames"]) for _, case in cases], DENSITY_DECADES)
    for index, (row, (name, case)) in enumerate(zip(panels, cases, strict=True)):
        line, half_side = 1e3 * case["coordinate"][:], 1e3 * float(case["edges"][-1])
        half_step = (line[1] - line[0]) / 2
        placed = {"extent": [line[0] - half_step, line[-1] + half_step] * 2, "aspect": "equal", "cmap": "magma"}
        for panel, density, time in zip(row, case["frames"][shown], case["frame_time"][shown], strict=True):
            image = panel.imshow(np.maximum(density, norm.vmin), norm=norm, **placed)
            panel.tick_params(**MAP_TICKS)
            if index == 0:
                panel.set_title(rf"$t={time:.2f}\,\mathrm{{Gyr}}$")
            if index == len(cases) - 1:
                panel.set_xlabel(rf"$u\;\;[{KPC}]$")
            panel.set(xlim=(-half_side, half_side), ylim=(-half_side, half_side))
        row[0].set_ylabel(f"{name}\n$v\\;\\;[{KPC}]$")
    label = r"$|\psi|^2\,/\,\bar\rho_\mathrm{m}$"
    figure.colorbar(image, ax=panels, label=label, extend="min", pad=0.01, fraction=0.03, aspect=12 * len(cases))
    return figure


def _figure(file: h5py.File, width: float, height: float) -> Figure:
    """An empty figure with the line of all figures of steady states."""
    attributes = file[STEADY_STATE].attrs
    parts = [f"$M={mass_in_words(attributes['mass'])}\\,{MSUN}$", f"$z={attributes['redshift']:.4g}$"]
    name = GRAVITIES[str(attributes["gravity"])]
    return new_figure(width, height, [*parts, f"evolved in its {name}"])


def _draw_case(column: Panels, case: h5py.Group, look: Look, name: str) -> None:
    """Draw both panels of one method: the change of the enclosed mass, and the fluctuations."""
    radius, expected = case["edges"][1:] / case["edges"][-1], np.cumsum(case["expected"])
    time, period = case["time"][:], float(case.attrs["period"])
    last = len(case.attrs["drift_own"])
    for which, number, line in (
        ("fixed", last, look | {"linewidth": 0.5}),
        ("own", 1, look | {"linestyle": PERIODS[0]}),
        ("own", last, look | {"linestyle": PERIODS[1]}),
    ):
        rows = (time > (number - 1 + 1e-9) * period) & (time < (number + 1e-9) * period)
        enclosed = np.cumsum(np.mean(case[which][rows], axis=0))
        column[0].plot(radius, 100 * (enclosed - expected), **line)
    column[1].plot(time, 100 * case["fluctuation"][:], label=name, **look)
