"""Figures of a result file, as PNGs beside it; the only module that needs matplotlib.

Each figure is a function of the open file; `draw` makes those for which the file holds data. Of several filaments
the first is shown where a figure is about one. Colours are safe for the colour blind (Okabe & Ito), maps are
perceptually uniform.
"""

import os
from pathlib import Path

import h5py
import numpy as np
from matplotlib import colormaps, style
from matplotlib.colors import ListedColormap, LogNorm, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator

from .errors import RunError

VERMILION, GREEN, YELLOW, GREY = "#D55E00", "#009E73", "#F0E442", "#6F6F6F"
FRINGES, SMOOTH = {"color": VERMILION}, {"color": "black", "linestyle": (0, (4, 2))}  # as lines look everywhere

STYLE = {  # upon matplotlib's defaults, so that a user's settings neither change a figure nor are changed
    "font.size": 11,
    "axes.titlesize": 11,
    "figure.titlesize": 11,
    "image.origin": "lower",
    "legend.fontsize": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "xtick.direction": "in",
    "xtick.labelsize": 10,
    "xtick.top": True,
    "ytick.direction": "in",
    "ytick.labelsize": 10,
    "ytick.right": True,
}
INTEGERS = {"nbins": 8, "integer": True, "steps": [1, 2, 5, 10]}
MAP_TICKS = {"direction": "out", "top": False, "right": False}  # inside they are lost on a dark map

FILAMENT = "filaments/00"
LABELS = {"fdm": r"fuzzy dark matter, $|\psi|^2$", "smooth": r"smooth filament, $\langle|\psi|^2\rangle$"}
METHODS = {"wkb": "WKB", "poisson": r"$\ell_1$-Poisson"}
KPC, MPC = r"h^{-1}\,\mathrm{ckpc}", r"h^{-1}\,\mathrm{cMpc}"

DENSITY_DECADES = 4.5  # that a density map shows; <|psi|^2> falls by 4 decades out to R_99
COLUMN_DECADES = 4.0  # that a map of column density shows
WEIGHT_DECADES = 8.0  # that the figure of the weights shows at most
POWER_DECADES = 12.0  # that spectra show; some below, a smooth one is the interpolation error of the box
LOG_CONTRAST = 1.0  # that the map of log10 |psi|^2/<|psi|^2> shows; at nodes of psi it has no lower bound
SLAB_BYTES = 2**26  # of a density that are in memory at a time


def draw(path: Path, dpi: int = 150) -> list[Path]:
    """Draw every figure for which a result file holds data, as PNGs in its folder; returns their paths, maybe none.

    For result.hdf5 they are cross_section.png and so on, for another NAME.hdf5 NAME_cross_section.png and so on.
    dpi  resolution [1/inch]
    Raises OSError or KeyError for a file that is no result, RunError where a figure cannot be written.
    """
    path = Path(path)
    prefix = "" if path.stem == "result" else f"{path.stem}_"
    drawn = []
    with h5py.File(path, "r") as file, style.context(["default", STYLE]):
        for name, (figure_of, *sources) in FIGURES.items():
            if any(source in file for source in sources):
                target = path.with_name(f"{prefix}{name}.png")
                _save(figure_of(file), target, dpi)
                drawn.append(target)
    return drawn


def cross_section(file: h5py.File) -> Figure:
    """|psi|^2 across the filament, its log ratio to the phase average, and the phase of psi with its vortices."""
    group, profile = file[f"{FILAMENT}/cross_section"], file[f"{FILAMENT}/profile"]
    line, r95 = 1e3 * group["coordinate"][:], 1e3 * float(profile.attrs["r95"])
    density = group["density"][:].astype(float)
    figure = _figure(file, 10.0, 4.6)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    half_step = (line[1] - line[0]) / 2
    placed = {"extent": [line[0] - half_step, line[-1] + half_step] * 2, "aspect": "equal"}

    norm = _log_range(density, DENSITY_DECADES)
    image = panels[0].imshow(np.maximum(density, norm.vmin), norm=norm, cmap="magma", **placed)
    _bar_below(figure, image, r"$|\psi|^2\,/\,\bar\rho_\mathrm{m}$", "min")

    mean = _phase_average(profile, np.hypot(line, line[:, None]) / 1e3)
    contrast = np.ma.masked_all(density.shape)
    known = (mean > 0) & (density > 0)
    contrast[known] = np.log10(density[known] / mean[known])
    image = panels[1].imshow(contrast, vmin=-LOG_CONTRAST, vmax=LOG_CONTRAST, cmap="RdBu_r", **placed)
    _bar_below(figure, image, r"$\log_{10}\;|\psi|^2\,/\,\langle|\psi|^2\rangle$", "both")

    # colours, not phases, are averaged where pixels are few: the mean of pi and -pi is not 0
    limits = {"vmin": -np.pi, "vmax": np.pi, "cmap": "twilight", "interpolation_stage": "rgba"}
    image = panels[2].imshow(np.ma.masked_where(density == 0, group["phase"]), **limits, **placed)
    bar = _bar_below(figure, image, r"$\arg\psi$")
    bar.set_ticks([-np.pi, 0, np.pi], labels=[r"$-\pi$", "0", r"$\pi$"])
    _mark_vortices(panels[2], group["vortices"])

    for panel, colour in zip(panels, ("white", "black", "black"), strict=True):
        panel.add_patch(Circle((0, 0), r95, fill=False, edgecolor=colour, linestyle="--", linewidth=1))
        panel.set(xlabel=rf"$u\;\;[{KPC}]$", ylabel=rf"$v\;\;[{KPC}]$")
        panel.tick_params(**MAP_TICKS)
        panel.label_outer()
    white = {"textcoords": "offset points", "color": "white"}
    panels[0].annotate("$R_{95}$", (0, r95), (0, 3), ha="center", **white)
    length = de_broglie_length(file)
    if length is not None:
        left, right, low = 0.9 * line[0], 0.9 * line[0] + 1e3 * length, 0.9 * line[0]
        panels[0].plot([left, right], [low, low], color="white", linewidth=2.5, solid_capstyle="butt")
        panels[0].annotate(rf"$\lambda_\mathrm{{dB}}={1e3 * length:.3g}$", (left, low), (0, 4), **white)
    return figure


def profile(file: h5py.File) -> Figure:
    """Target density and the sum over modes against radius, and their relative difference."""
    group = file[f"{FILAMENT}/profile"]
    radius, target, modes = (group[name][:] for name in ("radius", "density", "density_modes"))
    edges = {share: float(group.attrs[f"r{share}"]) for share in (50, 95, 99)}
    shown = (radius >= edges[50] / 20) & (radius <= 1.6 * edges[99]) & (target > 0)
    radius, target, modes = radius[shown], target[shown], modes[shown]
    difference = modes / target - 1

    figure = _figure(file, 6.6, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    upper.loglog(radius, target, label=r"equilibrium, $\rho$", **SMOOTH)
    upper.loglog(radius[modes > 0], modes[modes > 0], label=r"modes, $\langle|\psi|^2\rangle$", **FRINGES)
    upper.set(xlim=(radius[0], radius[-1]), ylim=(target.min() / 3, 5 * max(target.max(), modes.max())))
    upper.set_ylabel(r"$\rho\,/\,\bar\rho_\mathrm{m}$")
    upper.legend(loc="lower left")
    lower.plot(radius, difference, **FRINGES)
    lower.axhline(0, color="black", linewidth=0.8)
    # the energy cut takes everything away outside, which must not hide how well the modes do inside
    limit = float(np.clip(1.4 * np.max(np.abs(difference[radius <= edges[95]]), initial=0), 0.05, 1.05))
    lower.set(ylim=(-limit, limit), ylabel=r"$\langle|\psi|^2\rangle\,/\,\rho\;-\;1$", xlabel=rf"$R\;\;[{MPC}]$")
    for share, edge in edges.items():
        _mark_line((upper, lower), edge, f"$R_{{{share}}}$")
    figure.align_ylabels()
    return figure


def weights(file: h5py.File) -> Figure:
    """Weight of each mode against its energy, and the modes in the plane of their quantum numbers."""
    group = file[f"{FILAMENT}/modes"]
    energy, weight, n, l = (group[name][:] for name in ("energy", "weight", "n", "l"))
    speed = float(file[FILAMENT].attrs["velocity_unit"])
    cut = float(group.attrs["energy_cut"]) * speed**2
    method = str(group.attrs["weights"])
    method = METHODS.get(method, method.replace("_", " "))
    about = rf"{method}: {len(weight)} of {group.attrs['library_modes']} modes, $E<({cut**0.5:.3g}\,\mathrm{{km/s}})^2$"
    norm = _log_range(weight, WEIGHT_DECADES)
    norm.vmin = max(norm.vmin, weight.min())

    figure = _figure(file, 10.0, 4.3, about)
    left, right = figure.subplots(1, 2)
    size = float(np.clip(6e3 / len(weight), 5, 30))
    of_l = PowerNorm(0.5, 0, max(l.max(), 1))
    points = left.scatter(energy * speed**2, weight, size, l, norm=of_l, cmap="viridis", linewidths=0)
    figure.colorbar(points, ax=left, label="angular quantum number $l$", pad=0.02, ticks=MaxNLocator(**INTEGERS))
    _mark_line((left,), cut, "energy cut")
    left.set(yscale="log", xlim=(0, 1.04 * cut), ylim=(norm.vmin / 2, norm.vmax * 4))
    left.set(xlabel=r"$E_{nl}\;\;[(\mathrm{km/s})^2]$", ylabel=r"weight $w_{nl}=|a_{nl}|^2$")
    not_pale = ListedColormap(colormaps["magma_r"](np.linspace(0.15, 1, 256)))  # pale is lost on white
    points = right.scatter(l, n, size, weight, norm=norm, cmap=not_pale, linewidths=0, marker="s")
    figure.colorbar(points, ax=right, label="weight $w_{nl}$", pad=0.02)
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_locator(MaxNLocator(**INTEGERS))
    right.set(xlabel="angular quantum number $l$", ylabel="radial quantum number $n$")
    return figure


def projection(file: h5py.File) -> Figure:
    """Column densities of the box, seen from the side of the filament."""
    group, attributes = file["density"], file[FILAMENT].attrs
    names = [name for name in LABELS if name in group]
    size = np.broadcast_to(np.asarray(group.attrs["box_size"], float), 3)
    direction = np.abs(attributes["direction"])
    along = int(np.argmin(direction))
    # the longer side of the picture lies horizontally; of two equal ones, that nearer to the filament's axis
    upward, right = sorted({0, 1, 2} - {along}, key=lambda axis: (size[axis], direction[axis], -axis))
    maps = []
    for name in names:
        density = _first_frame(group[name])
        column = project(density, along) * size[along] / density.shape[along]
        maps.append(column if upward < right else column.T)
    norm = _log_range(maps, COLUMN_DECADES)

    flatness = size[right] / size[upward]
    rows = len(names) if flatness > 2 else 1
    columns = len(names) // rows
    width = 10.0 if flatness > 2 or columns > 1 else 6.6
    # a picture flatter than 6 to 1 is stretched: there would be no room for its labels
    height = max(2.8, 0.85 + rows * (((width - 1.45) / columns - 0.3) / min(flatness, 6) + 0.3))
    figure = _figure(file, width, height, rf"$L={attributes['length']:.3g}\,{MPC}$", of_box=True)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    placed = {"extent": (0, size[right], 0, size[upward]), "aspect": "equal" if flatness <= 6 else "auto"}
    for panel, name, column in zip(panels.flat, names, maps, strict=True):
        image = panel.imshow(np.maximum(column, norm.vmin), norm=norm, cmap="magma", **placed)
        panel.set(xlabel=rf"${'xyz'[right]}\;\;[{MPC}]$", ylabel=rf"${'xyz'[upward]}\;\;[{MPC}]$")
        panel.set_title(LABELS[name])
        panel.tick_params(**MAP_TICKS)
        panel.label_outer()
    label = rf"column density  $[\bar\rho_\mathrm{{m}}\,{MPC}]$"
    figure.colorbar(image, ax=panels, label=label, extend="min", pad=0.02, aspect=30)
    return figure


def power(file: h5py.File) -> Figure:
    """P(k) of the densities in the box, and the ratio of the interfering to the smooth one."""
    group = file["power"]
    names = [name for name in LABELS if name in group]
    groups = {name: _first_frame(group[name]) for name in names}
    spectra = {name: of_field["power"][1:] for name, of_field in groups.items()}
    k = groups[names[0]]["k"][1:]  # the first row is k = 0
    nyquist = float(groups[names[0]].attrs["nyquist"])
    first, last = min(k[0], nyquist / 2), max(1.4 * nyquist, 2 * k[0])  # wide bins may begin beyond
    lowest = min(values[(k <= last) & (values > 0)].min() for values in spectra.values())
    floor = max(lowest / 3, max(values.max() for values in spectra.values()) / 10**POWER_DECADES)

    figure = _figure(file, 6.6, 5.8 if len(names) == 2 else 4.2, of_box=True)
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False, height_ratios=(2, 1)[: len(names)])[:, 0]
    for name, values in spectra.items():
        look = FRINGES if name == "fdm" else SMOOTH
        panels[0].loglog(k[values > 0], values[values > 0], label=LABELS[name], **look)
    panels[0].set(xlim=(first, last), ylabel=rf"$P(k)\;\;[({MPC})^3]$")
    panels[0].set_ylim(bottom=floor)
    panels[0].legend(loc="lower left")
    if len(names) == 2:
        meant = (k <= nyquist) & (np.minimum(spectra["fdm"], spectra["smooth"]) > floor)
        ratio = spectra["fdm"][meant] / spectra["smooth"][meant]
        panels[1].loglog(k[meant], ratio, **FRINGES)
        panels[1].set(ylim=(np.min(ratio / 2, initial=0.3), np.max(5 * ratio, initial=10)))
        panels[1].set_ylabel(r"$P_\mathrm{FDM}\,/\,P_\mathrm{smooth}$")
        panels[1].axhline(1, color="black", linewidth=0.8)
        panels[1].text(0.03, 0.88, "over the smooth filament, not over CDM", va="top", transform=panels[1].transAxes)
    for panel in panels:
        panel.axvspan(nyquist, 2 * last, color=GREY, alpha=0.2, linewidth=0)
    _mark_line(panels, nyquist, "Nyquist")
    panels[-1].set_xlabel(r"$k\;\;[h\,\mathrm{cMpc}^{-1}]$")
    figure.align_ylabels()
    return figure


# what draws each figure, and where the file holds data for it
FIGURES = {
    "cross_section": (cross_section, f"{FILAMENT}/cross_section"),
    "profile": (profile, f"{FILAMENT}/profile"),
    "weights": (weights, f"{FILAMENT}/modes"),
    "projection": (projection, "density/fdm", "density/smooth"),
    "power": (power, "power/fdm", "power/smooth"),
}


def project(density: h5py.Dataset, axis: int) -> np.ndarray:
    """Sum of a density over one axis, read in slabs of planes, so that a box larger than memory can be shown.

    density  shape (nx, ny, nz);  returns float64, the shape of the other two axes
    """
    planes = max(1, SLAB_BYTES // (density.dtype.itemsize * density.shape[1] * density.shape[2]))
    column = np.zeros([cells for i, cells in enumerate(density.shape) if i != axis])
    for first in range(0, density.shape[0], planes):
        part = column if axis == 0 else column[first : first + planes]
        part += density[first : first + planes].sum(axis=axis, dtype=np.float64)
    return column


def de_broglie_length(file: h5py.File) -> float | None:
    """2 pi hbar / (m a sigma), comoving [cMpc/h]; None for a filament without a sigma, from a table."""
    attributes = file[FILAMENT].attrs
    if "sigma" not in attributes:
        return None
    momentum = attributes["sigma"] / attributes["velocity_unit"] / (1 + attributes["redshift"])
    return float(2 * np.pi / momentum * attributes["length_unit"])


def _first_frame(item):
    """A dataset or a group as it is; the first of a time series."""
    return item["0"] if isinstance(item, h5py.Group) and "0" in item else item


def _figure(file, width, height, about="", of_box=False):
    """An empty figure of a size in inches, under the line that every figure begins with.

    about   what follows in that line;  of_box  the figure is of a whole box: of a gas it tells the number, not `about`
    """
    parts = [about] if about else []
    if FILAMENT in file:
        attributes = file[FILAMENT].attrs
        what = _mass_in_words(attributes)
        if "gas" in file:
            number = len(file["gas/mass"])
            what = f"{number} filaments" if of_box else f"the first of {number} filaments, {what}"
            parts = [] if of_box else parts
        parts = [rf"$m_{{22}}={attributes['m22']:.4g}$", what, f"$z={attributes['redshift']:.4g}$", *parts]
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(",  ".join(parts))
    return figure


def _mass_in_words(attributes):
    # the ini's mass sets the shape; where a table gives the profile it says nothing
    mass = attributes["mass" if "sigma" in attributes else "segment_mass"]
    mantissa, exponent = f"{mass:.2e}".split("e")
    return rf"$M={float(mantissa):g}\times 10^{{{int(exponent)}}}\,h^{{-1}}M_\odot$"


def _save(figure, target, dpi):
    """A PNG that appears under its name only when it is whole."""
    part = target.with_name(f".{target.name}.part-{os.getpid()}")
    try:
        figure.savefig(part, dpi=dpi, format="png")
        os.replace(part, target)
    except OSError as error:
        raise RunError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _log_range(values, decades):
    """A logarithmic colour scale from the peak down."""
    peak = float(np.max(values)) or 1.0
    return LogNorm(peak / 10**decades, peak)


def _phase_average(profile, radius):
    """<|psi|^2> at any radius from the stored table, zero where the table ends."""
    inside = profile["density_modes"][:] > 0
    tabulated, mean = profile["radius"][:][inside], profile["density_modes"][:][inside]
    log_mean = np.interp(np.log(np.maximum(radius, tabulated[0])), np.log(tabulated), np.log(mean))
    return np.where(radius <= tabulated[-1], np.exp(log_mean), 0.0)


def _bar_below(figure, image, label, extend="neither"):
    return figure.colorbar(image, location="bottom", label=label, extend=extend, pad=0.02, aspect=25, fraction=0.06)


def _mark_line(panels, x, name):
    """A vertical line through panels, its name in the first on the left of its upper end."""
    for panel in panels:
        panel.axvline(x, color=GREY, linestyle=":", linewidth=1.2)
    place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": "right", "va": "top"}
    panels[0].annotate(name, (x, 1), (-4, -6), color=GREY, **place)


def _mark_vortices(panel, vortices):
    """Positions by winding sign, their numbers in the legend."""
    x, y, winding = (vortices[name][:] for name in ("x", "y", "winding"))
    size = float(np.clip(2500 / max(len(x), 1), 0.3, 26))
    for sign, marker, colour, name in ((1, "o", YELLOW, "+"), (-1, "D", GREEN, "$-$")):
        chosen = np.sign(winding) == sign
        style = {"marker": marker, "color": colour, "edgecolors": "black", "linewidths": min(0.5, size / 12)}
        label = f"{np.count_nonzero(chosen)} vortices {name}"
        panel.scatter(1e3 * x[chosen], 1e3 * y[chosen], size, label=label, **style)
    tight = {"borderaxespad": 0.2, "handletextpad": 0.1, "columnspacing": 1.0}
    panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, markerscale=(26 / size) ** 0.5, **tight)
