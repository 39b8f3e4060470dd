"""The power of all matter with its parts, and its ratios to what it may be compared with."""

import h5py
from matplotlib.figure import Figure

from ..io.schema import MARKS_OF_TOTAL, TOTAL_POWER
from .style import (
    COLUMN,
    GREEN,
    GREY,
    MPC,
    MSUN,
    PAGE,
    SKY,
    VERMILION,
    WAVENUMBER,
    boson_groups,
    boson_name,
    mass_in_words,
    new_figure,
)

PARTS = {  # datasets: label, colour, line
    "power_fdm": ("all matter", "black", "-"),
    "linear": ("linear power", GREY, "-"),
    "haloes_smooth": ("haloes, smooth", GREEN, (0, (4, 2))),
    "haloes_fringes": ("haloes, fringes", GREEN, "-"),
    "filaments_smooth": ("filaments, smooth", SKY, (0, (4, 2))),
    "filaments_fringes": ("filaments, fringes", SKY, "-"),
}
RATIOS = {  # attribute of the mark: label, colour
    "k_detach_filaments": ("filaments alone / smooth", SKY),
    "k_detach_smooth": ("all matter / smooth", "black"),
    "k_detach_cdm": ("all matter / CDM", VERMILION),
}
DECADES, LEAST, LARGEST = 9.0, 0.05, 30.0  # shown of power, and of ratios
MOST = 3  # bosons, a column each


def total_power(file: h5py.File) -> Figure:
    """A column for each of the first three bosons: parts above, and the three ratios with their marks below."""
    groups = [pair for pair in boson_groups(file[TOTAL_POWER]) if pair[0] is not None][:MOST]
    attributes = groups[0][1].attrs
    ends = (mass_in_words(attributes[f"halo_mass_{end}"]) for end in ("min", "max"))
    window = "haloes of ${}$ to ${}\\,{}$".format(*ends, MSUN)
    about = [f"power of all matter at $z={attributes['redshift']:.4g}$", window]
    marks = [f"dots: the ratio passes {attributes['detach_threshold']:g}"]
    figure = new_figure(PAGE if len(groups) > 1 else COLUMN, 5.0 if len(groups) > 1 else 5.4, about, marks)
    panels = figure.subplots(2, len(groups), sharex=True, sharey="row", squeeze=False, height_ratios=(3, 2))
    for number, (m22, group) in enumerate(groups):
        upper, lower = panels[:, number]
        k, top = group["k"][:], max(float(other["power_fdm"][:].max()) for _, other in groups)
        upper.set(xscale="log", xlim=(k[0], k[-1]))
        for name, (label, colour, line) in PARTS.items():
            values = group[name][:]
            some = values > 0
            upper.loglog(
                k[some], values[some], color=colour, linestyle=line, label=label, zorder=3 - 2 * (name != "power_fdm")
            )
        upper.set_ylim(top / 10**DECADES, 5 * top)
        upper.text(0.97, 0.95, boson_name(m22), ha="right", va="top", transform=upper.transAxes)
        for row, (attribute, (label, colour)) in enumerate(RATIOS.items()):
            over, under = (group[name][:] for name in MARKS_OF_TOTAL[attribute])
            some = under > 1e-12 * under.max()
            lower.loglog(k[some], over[some] / under[some], color=colour, label=label)
            text = "nowhere"
            if attribute in group.attrs:
                text = rf"${float(group.attrs[attribute]):.0f}\,h\,\mathrm{{cMpc}}^{{-1}}$"
                lower.plot(group.attrs[attribute], attributes["detach_threshold"], "o", color=colour, markersize=3.5)
            lower.text(0.04, 0.29 - 0.11 * row, text, color=colour, transform=lower.transAxes)
        lower.axhline(1, color="black", linewidth=0.6)
        lower.set_ylim(LEAST, LARGEST)
        lower.set_xlabel(WAVENUMBER)
    panels[0, 0].set_ylabel(rf"$P(k)\;\;[({MPC})^3]$")
    panels[1, 0].set_ylabel("ratio")
    handles = [handle for panel in panels[:, 0] for handle in panel.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if len(groups) > 1 else 2)
    figure.align_ylabels()
    return figure
