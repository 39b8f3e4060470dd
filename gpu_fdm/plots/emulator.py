"""Figures of an emulator: interactions in three bases, importance of features, and combinations of inputs."""

from typing import Any

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from ..io.schema import EMULATOR, INTERACTION_BASIS
from .style import GREEN, GREY, PAGE, SKY, SMALL, VERMILION, YELLOW, new_figure

COLOURS = (VERMILION, "#0072B2", GREEN, YELLOW, SKY, "#CC79A7")  # of modules, and of combinations
PANELS = {"edges_neurons": "neurons", "edges_principal": "principal components", "edges": "interaction basis"}
SYMBOLS = {"k": "$k$", "m22": "$m_{22}$", "mass": "$M$", "redshift": "$1+z$"}
LEAST_WIDTH, MOST_WIDTH = 0.1, 1.6  # of lines of interactions [points]


def interactions(file: h5py.File) -> Figure:
    """Interactions of the nodes of successive layers above the cut, in the order of their importance."""
    group = file[INTERACTION_BASIS]
    cut, layers = float(group.attrs["cut"]), _layers(group)
    figure = new_figure(PAGE, 3.1, [_about(file), f"interactions above {cut:g} of the largest of their layer"])
    for panel, (name, title) in zip(figure.subplots(1, 3), PANELS.items(), strict=True):
        edges = [layer[name][:] for layer in layers[:-1]]
        labels = [layer["module"][:] for layer in layers] if name == "edges" else None
        number = _graph(panel, edges, cut, labels)
        panel.set_title(f"{title}: {number}")
        if name == "edges_neurons":  # their inputs alone are those of the network
            symbols = [SYMBOLS[each] for each in file[EMULATOR].attrs["inputs"]]
            for symbol, height in zip(symbols, _heights(len(symbols)), strict=True):
                panel.text(-0.07, height, symbol, ha="right", va="center")
    return figure


def _heights(nodes: int) -> NDArray:
    """Heights of the nodes of a layer, the first on top."""
    heights = (nodes - 1) / 2 - np.arange(nodes)
    return np.asarray(heights / max(1.0, float(heights.max(initial=0.0))) * min(1.0, 0.12 * nodes))


def _graph(panel: Axes, edges: list[NDArray], cut: float, labels: list[NDArray] | None) -> int:
    """Nodes in a column a layer, and lines as wide as ln E; returns the number of lines."""
    widths = [edges[0].shape[1], *(each.shape[0] for each in edges)]
    heights = [_heights(width) for width in widths]
    touched = [np.zeros(width, bool) for width in widths]
    number = 0
    for layer, each in enumerate(edges):
        strength = np.log10(np.maximum(each / (cut * each.max()), 1e-300)) / -np.log10(cut)
        pairs = np.argwhere(strength > 0)
        number += len(pairs)
        touched[layer + 1][pairs[:, 0]] = touched[layer][pairs[:, 1]] = True
        lines = [[(layer, heights[layer][j]), (layer + 1, heights[layer + 1][i])] for i, j in pairs]
        strong = strength[pairs[:, 0], pairs[:, 1]]
        colours: Any = GREY if labels is None else [COLOURS[labels[layer][j] % len(COLOURS)] for _, j in pairs]
        widths_of = LEAST_WIDTH + MOST_WIDTH * strong**2
        panel.add_collection(LineCollection(lines, linewidths=widths_of, colors=colours, alpha=0.6))
    for layer, height in enumerate(heights):
        used = touched[layer]
        panel.plot(np.full(np.count_nonzero(~used), layer), height[~used], "o", color="0.85", markersize=1.2)
        dots: Any = "black" if labels is None else [COLOURS[label % len(COLOURS)] for label in labels[layer][used]]
        panel.scatter(np.full(np.count_nonzero(used), layer), height[used], s=6, c=dots, zorder=3)
    names = ["inputs", *(f"layer {layer}" for layer in range(1, len(widths) - 1)), "output"]
    panel.set(xlim=(-0.6, len(widths) - 0.7), ylim=(-1.1, 1.1), yticks=[], xticks=range(len(widths)), xticklabels=names)
    panel.tick_params(top=False, right=False)
    return number


def importance(file: h5py.File) -> Figure:
    """Lambda of each layer with its effective rank, and the error of networks of the first features of each layer."""
    group = file[INTERACTION_BASIS]
    layers, emulator = _layers(group), file[EMULATOR].attrs
    figure = new_figure(PAGE, 3.0, [_about(file)])
    left, right = figure.subplots(1, 2)
    for number, layer in enumerate(layers[:-1]):
        values, rank = layer["importance"][:], int(layer.attrs["effective_rank"])
        name = f"layer {number}" if number else "inputs"
        colour = COLOURS[number % len(COLOURS)]
        left.semilogy(
            np.arange(1, len(values) + 1),
            values / values[0],
            "o-",
            color=colour,
            markersize=2.5,
            label=f"{name}, rank {rank}",
        )
    left.axhline(group.attrs["cut"], color=GREY, linestyle=":", linewidth=1.2)
    left.set(xlabel="feature", ylabel=r"$\Lambda_i/\Lambda_1$")
    left.legend()
    right.loglog(
        group["pruned_to"][:], group["error"][:], "o-", color=VERMILION, markersize=2.5, label="interaction basis"
    )
    right.loglog(
        group["pruned_to"][:],
        group["error_principal"][:],
        "s--",
        color=GREY,
        markersize=2.5,
        label="principal components",
    )
    right.axhline(emulator["error"], color="black", linewidth=0.8)
    right.set(xlabel="features of each hidden layer", ylabel=f"rms error of ln {emulator['output']}")
    right.xaxis.set_major_locator(FixedLocator([2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]))
    right.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    right.xaxis.set_minor_formatter(NullFormatter())
    right.legend()
    return figure


def combinations(file: h5py.File) -> Figure:
    """Powers of the inputs in each combination, beside those of similarity."""
    group, inputs = file[INTERACTION_BASIS], list(file[EMULATOR].attrs["inputs"])
    found, expected = group["combinations"][:], group["similarity"][:]
    rows = max(len(found), len(expected))
    figure = new_figure(PAGE, 0.7 + 0.9 * rows, [_about(file)])
    for number, panel in enumerate(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]):
        places = np.arange(len(inputs))
        for shift, name, powers, look in (
            (-0.18, "emulator", found, {"color": VERMILION}),
            (0.18, "similarity", expected, {"color": "0.75"}),
        ):
            if number < len(powers):
                bars = panel.bar(places + shift, powers[number], 0.34, label=name, **look)
                panel.bar_label(
                    bars,
                    [f"{round(power, 3) + 0.0:.3f}" for power in powers[number].tolist()],
                    fontsize=SMALL,
                    padding=2,
                )
        panel.axhline(0, color="black", linewidth=0.8)
        panel.margins(y=0.35)
        panel.set(ylabel=f"power in {number + 1}", xticks=places, xticklabels=[SYMBOLS[name] for name in inputs])
        panel.tick_params(top=False)
        if number == 0:
            figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _layers(group: h5py.Group) -> list[h5py.Group]:
    """Groups of the layers, in their order."""
    return [group[name] for name in sorted((name for name in group if name.isdigit()), key=int)]


def _about(file: h5py.File) -> str:
    attributes = file[EMULATOR].attrs
    output, points = attributes["output"], attributes["points"]
    return f"emulator of {output}, {points} points, rms error of ln {output} {attributes['error']:.2g}"
