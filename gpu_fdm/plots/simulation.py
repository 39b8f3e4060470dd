"""Figures of a simulation: boosts and power of its runs at several epochs, and the health of the solver.

Of several seeds boosts and power are means with bands.
"""

import itertools
from collections.abc import Sequence

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..io.schema import BOOST, SIMULATION, seed
from .style import (
    COLUMN,
    GREEN,
    GREY,
    MPC,
    PAGE,
    SKY,
    VERMILION,
    WAVENUMBER,
    Look,
    epoch_colours,
    few_log_ticks,
    mark_line,
    mark_scales,
    new_figure,
    note_in_corner,
)

RUNS: dict[str, Look] = {  # in the order of rows and legends: how their lines are drawn
    "wave_fdm": {"color": VERMILION},
    "particles_fdm": {"color": SKY, "linestyle": (0, (5, 2))},
    "wave_cdm": {"color": GREEN},
    "particles_cdm": {"color": "black", "linestyle": (0, (5, 2))},
}
SCALES = {
    r"$k_\mathrm{J}$": "quantum Jeans scale",
    r"$k_\mathrm{force}$": "forces of particles",
    r"$k_\mathrm{Nyquist}$": "of the cells",
}
MOST_LINES = 8  # epochs shown of a ratio
MOST_SPECTRA = 3  # epochs shown of spectra
FAINT = 0.45  # opacity of less reliable rows
BAND = 0.18  # opacity of errors
LOST = (0, (1, 1))  # line where the particles have less power than shot noise
LOWEST = 3e-4  # least ratio shown
NOISE_MOST = 0.9  # fraction of the power that may be noise for the rest to be shown
SAME = "same initial conditions"  # in the name of a denominator
LEAST_POWER = 1e-10  # shown of k^3 P/(2 pi^2), over its largest value
SCALE_FACTORS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1)  # with ticks


def boost(file: h5py.File) -> Figure:
    """Ratios of the power of two runs, a panel for each pair, at epochs from the start to the end."""
    folder = file[BOOST]
    names = list(folder)
    figure = new_figure(PAGE, 0.7 + 2.3 * len(names), about_simulation(file))
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    chosen = spread([epoch.attrs["redshift"] for epoch in epochs_of(first_seed(file)[runs_of(file)[0]])], MOST_LINES)
    every = [epoch for name in names for epoch in epochs_of(folder[name])]
    first, last = min(epoch["k"][0] for epoch in every), max(epoch["k"][-1] for epoch in every)
    panels[0].set(xscale="log", xlim=(0.9 * first, 1.1 * last))
    for panel, name in zip(panels, names, strict=True):
        _draw_ratio(panel, folder[name], chosen)
    end = max(every, key=lambda epoch: epoch.attrs["scale_factor"]).attrs
    keys = dict(zip(SCALES, ("jeans_wavenumber", "force_wavenumber", "nyquist"), strict=True))
    places = {name: float(end[key]) for name, key in keys.items()}
    mark_scales(panels, places, 0.58 * PAGE)
    marked = [name for name, k in places.items() if panels[0].get_xlim()[0] < k < panels[0].get_xlim()[1]]
    panels[-1].set_xlabel(WAVENUMBER)
    few_log_ticks(panels[-1].xaxis)
    handles: list[Line2D | Patch] = [Line2D([], [], color=_colour(z, chosen), label=f"$z={z:.3g}$") for z in chosen]
    faint = r"$k>k_\mathrm{force}$: forces too weak"
    if any(_is_lost(epoch) for epoch in every):
        faint = r"$k>k_\mathrm{force}$, or unresolved"
    handles += [
        Line2D([], [], color=GREY, alpha=FAINT, label=faint),
        Line2D([], [], color=GREY, linestyle=LOST, label="particles below random noise"),
    ]
    if "scatter" in every[0]:
        handles += [
            Patch(color=GREY, alpha=2 * BAND, linewidth=0, label="error of the mean"),
            Patch(color=GREY, alpha=BAND, linewidth=0, label="scatter of seeds"),
        ]
    elif "error" in every[0]:
        handles.append(Patch(color=GREY, alpha=BAND, linewidth=0, label="error of independent halves"))
    handles.append(Patch(facecolor="none", edgecolor=GREY, hatch="////", label="less random noise, at the end"))
    handles += [Line2D([], [], label=f"{name}: {SCALES[name]}", linestyle="none") for name in marked]
    figure.legend(handles=handles, loc="outside right center")
    return figure


def _draw_ratio(panel: Axes, group: h5py.Group, chosen: list[float]) -> None:
    """Draw a ratio at the chosen redshifts, the last that is resolved with its error and the effect of shot noise."""
    known = epochs_of(group)
    epochs = [epoch for epoch in known if epoch.attrs["redshift"] in chosen] or known[-1:]
    reliable = [1.0]
    for epoch in epochs:
        k, ratio, noise = (epoch[name][:] for name in ("k", "boost", "shot_noise"))
        faint = (epoch["beyond_force"][:] > 0) | (epoch["beyond_nyquist"][:] > 0) | _is_lost(epoch)
        for rows, look in (
            ((noise < 1) & ~faint, {}),
            ((noise < 1) & faint, {"alpha": FAINT}),
            (noise >= 1, {"alpha": FAINT, "linestyle": LOST}),
        ):
            panel.plot(*_joined(rows, k, ratio), color=_colour(epoch.attrs["redshift"], chosen), **look)
        reliable += ratio[(noise < 0.5) & (epoch["beyond_nyquist"][:] == 0) & (not _is_lost(epoch))].tolist()
    last = ([epoch for epoch in epochs if not _is_lost(epoch)] or epochs)[-1]
    k, ratio, noise = (last[name][:] for name in ("k", "boost", "shot_noise"))
    some = noise < 1
    for name in ("error", "scatter"):
        if name in last:
            low, high = np.maximum(ratio - last[name][:], 0), ratio + last[name][:]
            panel.fill_between(k[some], low[some], high[some], color=GREY, alpha=BAND, linewidth=0, zorder=0)
    some = (noise > 0) & (noise < NOISE_MOST) & (last["beyond_nyquist"][:] == 0)
    hatched: Look = {"facecolor": "none", "edgecolor": GREY, "hatch": "////", "linewidth": 0, "zorder": 1}
    panel.fill_between(k[some], ratio[some], (ratio / (1 - noise))[some], **hatched)
    panel.axhline(1, color="black", linewidth=0.8)
    numerator, denominator = (str(epochs[-1].attrs[name]) for name in ("numerator", "denominator"))
    if SAME in denominator:
        panel.set_ylim(0, 1.6 * max(reliable))
        denominator = denominator.replace(f" ({SAME})", f"\n({SAME})")
    else:  # a cut-off takes decades of power away
        panel.set(yscale="log", ylim=(max(min(reliable) / 2, LOWEST), 30 * max(reliable)))
    panel.set_ylabel("ratio of power")
    note_in_corner(panel, f"{numerator} /\n{denominator}")


def _is_lost(epoch: h5py.Group) -> bool:
    """Whether the cells do not resolve the wave of a boost at an epoch; not stored by earlier versions."""
    return "beyond_velocity" in epoch and bool(epoch["beyond_velocity"][:].any())


def _joined(rows: np.ndarray, k: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """k and the values of some rows and of the row before each, so that lines of neighbouring kinds join."""
    wanted = rows.copy()
    wanted[:-1] |= rows[1:]
    return k, np.where(wanted, values, np.nan)


def power(file: h5py.File) -> Figure:
    """k^3 P/(2 pi^2) of all runs at the first, a middle and the last epoch; of several seeds the mean and the range."""
    seeds, folder = seeds_of(file), first_seed(file)
    redshifts = spread([epoch.attrs["redshift"] for epoch in epochs_of(folder[runs_of(file)[0]])], MOST_SPECTRA)
    figure = new_figure(PAGE, 3.1, about_simulation(file))
    panels = figure.subplots(1, len(redshifts), sharex=True, sharey=True, squeeze=False)[0]
    peak, least, noises = 0.0, np.inf, False
    for panel, redshift in zip(panels, redshifts, strict=True):
        for run in runs_of(file):
            epoch = epoch_at(folder[run], redshift)
            k, each = epoch["k"][1:], np.array([epoch_at(of_seed[run], redshift)["power"][1:] for of_seed in seeds])
            values, cubed = each.mean(axis=0), k**3 / (2 * np.pi**2)
            rows = values > 0
            panel.loglog(k[rows], (cubed * values)[rows], label=str(folder[run].attrs["title"]), **RUNS[run])
            if len(seeds) > 1:
                low, high = (cubed * np.maximum(ends, 0) for ends in (each.min(axis=0), each.max(axis=0)))
                panel.fill_between(k, low, high, color=RUNS[run]["color"], alpha=BAND, linewidth=0)
            meant = rows & (k <= float(epoch.attrs["nyquist"]))
            peak = max(peak, float((cubed * values)[meant].max(initial=0)))
            least = min(least, float((cubed * values)[meant].min(initial=np.inf)))
            if "shot_noise" in epoch:
                noise = epoch["shot_noise"][1:]
                label = "particles at random (shot noise)" if not noises else None
                panel.loglog(k, cubed * noise, color=GREY, linestyle=":", linewidth=0.8, label=label)
                noises = True
        panel.set_title(f"$z={redshift:.4g}$")
        nyquist = float(epoch.attrs["nyquist"])
        panel.axvspan(nyquist, 2 * k[-1], color=GREY, alpha=0.2, linewidth=0)
        panel.set_xlabel(WAVENUMBER)
    panels[0].set(xlim=(k[0] / 1.2, 1.2 * k[-1]), ylim=(max(LEAST_POWER * peak, 1e-8, least / 2), 10 * peak))
    panels[0].set_ylabel(r"$k^3P(k)/2\pi^2$")
    few_log_ticks(panels[0].xaxis)
    mark_line(panels, nyquist, "Nyquist")
    handles = panels[0].get_legend_handles_labels()[0]
    if len(seeds) > 1:
        handles.append(Patch(color=GREY, alpha=BAND, linewidth=0, label="range of seeds"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4 if len(seeds) > 1 else 3)
    return figure


def health(file: h5py.File) -> Figure:
    """Errors of the balances of the waves, and the part of their mass that cells do not resolve, if there is one."""
    pairs = itertools.product(range(len(seeds_of(file))), runs_of(file))
    known = [(number, run) for number, run in pairs if "health" in seeds_of(file)[number][run]]
    some = any(seeds_of(file)[number][f"{run}/health/unresolved"][:].any() for number, run in known)
    figure = new_figure(COLUMN, 4.4 if some else 2.8, about_simulation(file), [] if some else ["all cells resolve psi"])
    panels = figure.subplots(1 + some, 1, sharex=True, squeeze=False)[:, 0]
    upper, lower = panels[0], panels[-1]
    for number, run in known:
        group = seeds_of(file)[number][run]
        a, mass, energy, part = (
            group[f"health/{name}"][:] for name in ("scale_factor", "mass_error", "energy_error", "unresolved")
        )
        look, title = RUNS[run], group.attrs["title"]
        names = [None, None] if number else [f"energy: {title}", f"mass: {title}"]  # seeds look alike
        upper.loglog(a[1:], np.abs(energy[1:]), label=names[0], **look)
        upper.loglog(a[1:], np.abs(mass[1:]), label=names[1], **look | {"linestyle": ":"})
        if some:
            lower.loglog(a[part > 0], part[part > 0], **look)
    upper.set_ylabel("error, relative")
    upper.legend(loc="upper left")
    low, high = upper.get_ylim()
    upper.set_ylim(low, high * (high / low) ** 0.5)
    for share, name in ((0.01, "beyond it an epoch is not used"), (1.0, "all of the mass")) if some else ():
        lower.axhline(share, color=GREY, linestyle=":", linewidth=0.8)
        note = {"xytext": (-4, -3), "textcoords": "offset points", "ha": "right", "va": "top"}
        lower.annotate(name, (1, share), xycoords=("axes fraction", "data"), color=GREY, **note)
    ticks = [tick for tick in SCALE_FACTORS if a[0] <= tick <= a[-1] * 1.001]
    lower.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    lower.minorticks_off()
    lower.set_xlabel("scale factor")
    if some:
        lower.set(ylim=(2e-5, 2), ylabel="part that turns its phase by\nmore than $\\pi/2$ a cell")
    figure.align_ylabels()
    return figure


def runs_of(file: h5py.File) -> list[str]:
    """Names of the runs in a file, waves and particles of the same initial power next to each other."""
    return [run for run in RUNS if run in first_seed(file)]


def seeds_of(file: h5py.File) -> list[h5py.Group]:
    """The group of every seed, in which its runs are; the simulation's own where there is one seed."""
    group = file[SIMULATION]
    names = [seed(int(number)) for number in np.atleast_1d(group.attrs.get("seeds", []))]
    return [group[name] for name in names if name in group] or [group]


def first_seed(file: h5py.File) -> h5py.Group:
    """The group of the first seed, of which there are pictures."""
    return seeds_of(file)[0]


def epochs_of(group: h5py.Group) -> list[h5py.Group]:
    """Groups 0, 1, ... of a run or a boost, in order; an epoch of a boost without rows is missing."""
    return [group[number] for number in sorted((name for name in group if name.isdigit()), key=int)]


def epoch_at(group: h5py.Group, redshift: float) -> h5py.Group:
    """The epoch nearest to a redshift."""
    return min(epochs_of(group), key=lambda epoch: abs(epoch.attrs["redshift"] - redshift))


def spread(values: Sequence[float], most: int) -> list[float]:
    """At most `most` of the values, evenly spread, with the first and the last among them."""
    chosen = np.unique(np.round(np.linspace(0, len(values) - 1, min(most, len(values)))).astype(int))
    return [float(values[index]) for index in chosen]


def _colour(redshift: float, chosen: list[float]) -> tuple[float, float, float, float]:
    """The colour of the one of the chosen redshifts that is nearest."""
    return epoch_colours(chosen)[min(chosen, key=lambda other: abs(other - redshift))]


def about_simulation(file: h5py.File, of_first: bool = False) -> list[str]:
    """Parts of the first line of a figure of a simulation; of_first: of its first seed alone."""
    about = file[SIMULATION].attrs
    cells, size = (np.atleast_1d(about[name]) for name in ("cells", "size"))
    cells_text, size_text = (
        f"{sides[0]:g}" if len(set(sides.tolist())) == 1 else r"\times ".join(f"{side:g}" for side in sides)
        for sides in (cells, size)
    )
    start, end = (float(about[f"redshift_{name}"]) for name in ("start", "end"))
    redshifts = f"$z={start:g}$ to ${end:g}$"
    return [
        rf"$m_{{22}}={float(about['m22']):.4g}$",
        rf"${size_text}\,{MPC}$",
        f"${cells_text}$ cells a side",
        redshifts,
        *_seeds_in_words(file, of_first),
    ]


def _seeds_in_words(file: h5py.File, of_first: bool) -> list[str]:
    number = len(seeds_of(file))
    if number == 1:
        return []
    return [f"seed {file[SIMULATION].attrs['seeds'][0]}, the first of {number}" if of_first else f"{number} seeds"]
