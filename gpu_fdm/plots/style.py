"""Sizes, colours, settings, first lines and marks that figures share.

Figures are as wide as one or two columns of a journal, with texts of 8 points at this size.

A boson mass has one colour in all figures of a file: orange for light bosons, vermilion for m22 = 1, navy for heavy
ones, which come close to CDM, which is black. Lightness falls with the mass, so that the order is visible in grey too.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import h5py
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import (
    LogFormatterSciNotation,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
)
from scipy.optimize import isotonic_regression

from ..errors import printable
from ..io.atomic import atomic_write
from ..io.ownership import PROGRAM, figure_mark, require_own
from ..io.schema import COLLAPSE, FILAMENTS, GAS, HALOES, MASS_FUNCTION, ONE_FILAMENT, STEADY_STATE, filament

Look = dict[str, Any]  # how a line is drawn: keywords of matplotlib
Panels = Sequence[Axes] | np.ndarray  # an array as Figure.subplots makes it

VERMILION, GREEN, YELLOW, SKY, GREY = "#D55E00", "#009E73", "#F0E442", "#56B4E9", "#6F6F6F"  # Okabe & Ito
POSITION_OF_ONE = 0.25  # of m22 = 1 in the sequence
BOSONS = LinearSegmentedColormap.from_list(
    "bosons", [(0, "#F2B134"), (POSITION_OF_ONE, VERMILION), (0.5, "#B52A6E"), (0.75, "#5F44C8"), (1, "#0A2A80")]
)
EPOCHS = colormaps["plasma_r"]  # late epochs are dark
FIRST_COLOUR, LAST_COLOUR = 0.15, 0.95  # in that map
LIGHT, HEAVY = 0.5, 8.0  # m22 at the ends of the sequence unless a file goes beyond, so that files compare
LEAST_CONTRAST = 0.08  # of the sequence, between neighbours; closer masses are spread evenly over it
CDM: Look = {"color": "black"}
BAND: Look = {"color": "#6F6F6F", "alpha": 0.3, "linewidth": 0}  # what errors of a measured profile leave
SMOOTH: Look = {"color": "black", "linestyle": (0, (4, 2))}

COLUMN, PAGE = 88 / 25.4, 180 / 25.4  # widths of figures: a column of a journal, and two [inch]
POINTS = 8  # size of all texts
STYLE: dict[str, Any] = {  # on top of matplotlib's defaults: a user's settings neither change figures nor are changed
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize", "figure.titlesize", "legend.fontsize"), POINTS),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), POINTS),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
    **dict.fromkeys(("xtick.minor.width", "ytick.minor.width", "hatch.linewidth"), 0.4),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 3),
    **dict.fromkeys(("xtick.minor.size", "ytick.minor.size"), 1.6),
    **dict.fromkeys(("xtick.direction", "ytick.direction"), "in"),
    **dict.fromkeys(("xtick.top", "ytick.right"), True),
    **dict.fromkeys(("figure.constrained_layout.h_pad", "figure.constrained_layout.w_pad"), 0.03),
    "axes.labelpad": 2,
    "axes.titlepad": 4,
    "image.origin": "lower",
    "legend.borderaxespad": 0.6,
    "legend.columnspacing": 1.2,
    "legend.edgecolor": "none",
    "legend.fancybox": False,
    "legend.framealpha": 0.75,  # lines at scales go on below names
    "legend.handlelength": 1.8,
    "legend.handletextpad": 0.6,
    "legend.labelspacing": 0.3,
    "lines.linewidth": 1.1,
    "lines.markersize": 4,
    "pdf.fonttype": 42,  # editable text
    "svg.hashsalt": PROGRAM,  # the same figure twice is the same file
}
SMALL = POINTS  # size of names and notes inside panels
MANY_DECADES = 7
ROOM_BELOW = 0.03  # a figure [inch]
DOUBTED_LINE = (0, (4, 2))  # dashes of models whose modes do not describe some of the filaments
DOUBTED = "modes do not describe some of the filaments"
LETTER = 0.54  # mean width of a letter over its size
MAP_TICKS: dict[str, Any] = {"direction": "out", "top": False, "right": False}  # inward ticks are lost on a dark map

FIRST_FILAMENT, FIRST_HALO = f"{FILAMENTS}/{filament(0)}", f"{HALOES}/{filament(0)}"
LABELS = {"fdm": r"fuzzy dark matter, $|\psi|^2$", "smooth": r"smooth, $\langle|\psi|^2\rangle$"}
KPC, MPC, MSUN = r"h^{-1}\,\mathrm{ckpc}", r"h^{-1}\,\mathrm{cMpc}", r"h^{-1}M_\odot"
WAVENUMBER = r"$k\;\;[h\,\mathrm{cMpc}^{-1}]$"

OVER_SMOOTH = "over the smooth filament, not over CDM"

ON_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.75}  # of texts that marks would cross
SCALE: Look = {"color": GREY, "linestyle": ":", "linewidth": 0.8}  # lines at scales
METHODS = {"wkb": "WKB", "poisson": r"$\ell_1$-Poisson"}

POWER_DECADES = 12.0  # shown of spectra; somewhat below, a smooth one is the interpolation error of the box
NAME_WIDTH = 0.44  # width of the name of a scale [inch]


def save_figure(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure in the format that its name ends with, see FIGURE_MARKS; it appears when it is complete.

    dpi  resolution of a PNG, and of pictures in the other formats [1/inch]
    Raises InputError for a file of others, which is not replaced, RunError where it cannot be written.
    """
    require_own(path, figure_mark(path))
    kind = path.suffix[1:].lower()
    _thin_out_ticks(figure)
    with atomic_write(path) as part:
        if kind == "png":
            figure.dpi = dpi
            # savefig draws twice
            FigureCanvasAgg(figure).print_png(part, metadata={"Software": PROGRAM})
        else:
            date = "Date" if kind == "svg" else "CreationDate"  # none: the same figure twice is the same file
            figure.savefig(part, dpi=dpi, format=kind, metadata={"Creator": PROGRAM, date: None})


def _thin_out_ticks(figure: Figure) -> None:
    """Minor ticks of logarithmic axes at 2 and 5 alone, of many decades none: each tick takes a millisecond."""
    for panel in figure.axes:
        for axis, limits in ((panel.xaxis, panel.get_xlim()), (panel.yaxis, panel.get_ylim())):
            decades = float(np.ptp(np.log10(limits))) if axis.get_scale() == "log" else 0.0
            if decades > 1 and len(axis.get_minorticklocs()):
                axis.set_minor_locator(LogLocator(subs=(2, 5)) if decades < MANY_DECADES else NullLocator())


def new_figure(width: float, height: float, *lines: Sequence[str]) -> Figure:
    """An empty figure of a size in inches.

    lines  its first lines, each of several parts, which go on in a new line where they have no room
    """
    # panels of equal aspect grow a little below what the layout gave them
    layout = ConstrainedLayoutEngine(rect=(0, ROOM_BELOW / height, 1, 1 - ROOM_BELOW / height))
    figure = Figure(figsize=(width, height), layout=layout)
    letters = int(72 * (width - 0.1) / (LETTER * POINTS))
    figure.suptitle("\n".join(row for parts in lines for row in _rows(parts, letters)))
    return figure


def _rows(parts: Sequence[str], letters: int) -> list[str]:
    """Parts in as few rows of so many letters as possible; a part without formulae is broken between words."""
    rows: list[str] = []
    for part in parts:
        pieces = wrap(part, letters) if "$" not in part and len(part) > letters else [part]
        for number, piece in enumerate(pieces):
            joined = f"{rows[-1]},  {piece}" if rows and not number else piece
            if rows and not number and _letters(joined) <= letters:
                rows[-1] = joined
            else:
                rows.append(piece)
    return rows


def _letters(text: str) -> int:
    """About how many letters a text is wide: a command of a formula is one, its braces are none."""
    return len(re.sub(r"\\[a-zA-Z]+|\\.", "x", text).translate(str.maketrans("", "", "${}^_")))


def filament_figure(file: h5py.File, width: float, height: float, *about: str, of_box: bool = False) -> Figure:
    """An empty figure whose first line is that of every figure of a filament, or of a gas of filaments.

    about   what follows in that line, where it is not empty
    of_box  whether the figure shows a whole box, with its haloes
    """
    parts = list(filter(None, about))
    if FIRST_FILAMENT in file:
        attributes = file[FIRST_FILAMENT].attrs
        # the mass of the ini sets the shape, but not where a table gives the profile
        what = f"$M={mass_in_words(attributes['mass' if 'sigma' in attributes else 'segment_mass'])}\\,{MSUN}$"
        if GAS in file:
            what = _count(len(file[f"{GAS}/mass"]), "filament", "filaments")
        if of_box and HALOES in file:
            what += f" and {_count(len(file[HALOES]), 'halo', 'haloes')}"
        parts = [rf"$m_{{22}}={attributes['m22']:.4g}$", what, f"$z={attributes['redshift']:.4g}$", *parts]
    elif FIRST_HALO in file:
        attributes, what = file[FIRST_HALO].attrs, _count(len(file[HALOES]), "halo", "haloes")
        parts = [rf"$m_{{22}}={attributes['m22']:.4g}$", what, f"$z={attributes['redshift']:.4g}$", *parts]
    return new_figure(width, height, parts)


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def mass_in_words(number: float) -> str:
    """A mass as mathematical text such as 5 x 10^9."""
    mantissa, exponent = f"{number:.2e}".split("e")
    power = f"10^{{{int(exponent)}}}"
    return power if float(mantissa) == 1 else rf"{float(mantissa):g}\times {power}"


def words(known: dict[str, str], name: object) -> str:
    """The words for a choice; its name where there are none."""
    return known.get(str(name), str(name))


def method_in_words(name: object) -> str:
    """The method of weights."""
    return METHODS.get(str(name), str(name).replace("_", " "))


def literal(text: str) -> str:
    """A text of a user for matplotlib: `$`, which begins mathematics, and what cannot be printed are escaped."""
    return printable(text).replace("$", r"\$")


def boson_groups(folder: h5py.Group) -> list[tuple[float | None, h5py.Group]]:
    """m22, None for CDM, and group of every case in a folder of the file: CDM first, then bosons by mass."""
    groups = [(float(group.attrs["m22"]) if "m22" in group.attrs else None, group) for group in folder.values()]
    return sorted(groups, key=lambda pair: (pair[0] is not None, pair[0] or 0.0))


def boson_name(m22: float | None) -> str:
    """The name in a legend."""
    return "CDM" if m22 is None else f"$m_{{22}}={m22:.4g}$"


def boson_looks(file: h5py.File) -> dict[float | None, Look]:
    """How lines are drawn, by m22, None for CDM, for all bosons of a file."""
    names = (MASS_FUNCTION, COLLAPSE, ONE_FILAMENT, STEADY_STATE)
    folders = [file[name] for name in names if name in file]
    known = {m22 for folder in folders for m22, _ in boson_groups(folder) if m22 is not None}
    if FIRST_FILAMENT in file:
        known.add(float(file[FIRST_FILAMENT].attrs["m22"]))
    return {None: CDM} | {m22: {"color": colour} for m22, colour in boson_colours(known).items()}


def boson_colours(bosons: Iterable[float]) -> dict[float, Any]:
    """The colour of each m22."""
    bosons = sorted(bosons)
    low, high = min([*bosons, LIGHT]), max([*bosons, HEAVY])
    positions = np.interp(np.log(bosons), np.log([low, 1, high]), [0, POSITION_OF_ONE, 1])
    if np.any(np.diff(positions) < LEAST_CONTRAST):
        positions = np.linspace(0, 1, len(bosons))
    return dict(zip(bosons, map(BOSONS, positions), strict=True))


def epoch_colours(redshifts: Iterable[float]) -> dict[float, Any]:
    """The colour of each redshift: the lower, the darker."""
    falling = sorted(redshifts, reverse=True)
    positions = np.linspace(FIRST_COLOUR, LAST_COLOUR, len(falling)).tolist()
    return dict(zip(falling, map(EPOCHS, positions), strict=True))


def fringes(file: h5py.File) -> Look:
    """How lines of |psi|^2 of the filaments are drawn: in the colour of their boson."""
    return (
        boson_looks(file)[float(file[FIRST_FILAMENT].attrs["m22"])] if FIRST_FILAMENT in file else {"color": VERMILION}
    )


def log_range(values: Any, decades: float) -> Any:
    """A LogNorm over some decades below the largest value.

    values  an array, or a list of numbers or of arrays of one shape
    Returns Any, since matplotlib's hints let the limits be None.
    """
    peak = float(np.max(values)) or 1.0
    return LogNorm(peak / 10**decades, peak)


def draw_excess(panel: Axes, lines: Iterable[tuple[np.ndarray, np.ndarray, Look]], note: str = OVER_SMOOTH) -> None:
    """Draw ratios of the interfering to the smooth power in a panel, with a note on what they are over.

    lines  k, ratio, and look of each
    """
    for k, ratio, look in lines:
        panel.loglog(k, ratio, **look)
    ratios = np.concatenate([ratio for _, ratio, _ in lines])
    panel.set(ylim=(np.min(ratios / 2, initial=0.3), np.max(30 * ratios, initial=30)))
    panel.set_ylabel(r"$P_\mathrm{FDM}\,/\,P_\mathrm{smooth}$")
    panel.axhline(1, color="black", linewidth=0.8)
    note_in_corner(panel, note)


def note_in_corner(panel: Axes, text: str, below: bool = False) -> None:
    """A note in the upper left corner of a panel, or in the lower one."""
    y, side = (0.06, "bottom") if below else (0.94, "top")
    panel.text(0.03, y, text, va=side, transform=panel.transAxes, bbox=ON_WHITE)


def percent(*values: float) -> str:
    """A percentage with its sign, or the range of several, without decimals."""
    low, high = (f"{100 * end:+.0f}".replace("-", "\N{MINUS SIGN}") for end in (min(values), max(values)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def few_log_ticks(axis: Axis) -> None:
    """Labels that do not collide, for a logarithmic axis with limits: below 2 decades fewer than matplotlib's."""
    decades = float(np.ptp(np.log10(axis.get_view_interval())))
    axis.set_minor_formatter(NullFormatter())
    if decades < 0.7:
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    elif decades < 2:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        low, high = axis.get_view_interval()
        plain = low > 1e-3 and high < 1e4
        words = StrMethodFormatter("{x:g}") if plain else LogFormatterSciNotation(minor_thresholds=(np.inf, np.inf))
        axis.set_major_formatter(words)


def mark_line(panels: Panels, x: float, name: str) -> None:
    """Draw a vertical line through panels; its name is in the first, on the left of its upper end."""
    for panel in panels:
        panel.axvline(x, **SCALE)
    at: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    panels[0].annotate(name, (x, 1), (-4, -6), color=GREY, ha="right", va="top", **at)


def mark_scales(panels: Panels, scales: dict[str, float], width: float) -> None:
    """Draw vertical lines through panels; names and values are side by side above the first, however close the lines.

    scales  name -> position on the logarithmic abscissa, whose limits are set;  width  of a panel [inch]
    """
    low, high = np.log(panels[0].get_xlim())
    marks = sorted((value, name) for name, value in scales.items() if low < np.log(value) < high)
    room = NAME_WIDTH / width * np.arange(len(marks))
    at = np.array([(np.log(value) - low) / (high - low) for value, _ in marks])
    # the shifts with the least sum of squares that keep the order and leave room for every name
    spread = isotonic_regression(at - room).x + room if marks else at
    for (value, name), position in zip(marks, spread, strict=True):
        for panel in panels:
            panel.axvline(value, **SCALE)
        leader = {"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0, "relpos": (0.5, 0)}
        panels[0].annotate(
            f"{name}\n{float(f'{value:.3g}'):g}",
            (value, 1),
            (position, 1.05),
            xycoords=("data", "axes fraction"),
            textcoords="axes fraction",
            ha="center",
            va="bottom",
            color=GREY,
            fontsize=SMALL,
            arrowprops=leader,
            annotation_clip=False,
        )
