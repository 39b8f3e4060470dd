"""Filaments of simulated waves: one row for each file of gpu-fdm filament, and a figure of their growth.

    python -m validation.simulated_filaments FILE.hdf5 ... --figure FIGURE.png --weights FOLDER

Files of the same folder are one filament at several redshifts; the first folder has its profiles drawn. --weights runs
the ini of every file with several weights, into FOLDER.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np

from gpu_fdm.cosmic_web.cylinder import Cylinder
from gpu_fdm.units import mean_matter_density

from .simulated_weights import print_weights


def row(path: Path) -> dict:
    """What a file has measured, and the cylinder that was fitted."""
    with h5py.File(path) as file:
        group = file["measured"]
        about = dict(group.attrs)
        about |= {name: group[f"profile/{name}"][:] for name in ("radius", "density", "error")}
        about["slices"] = group["slices/line_mass"][:]
    scale = about["r0"] * (1 + about["redshift"])
    about["cylinder"] = Cylinder(scale, about["total_line_mass"] / mean_matter_density(about["omega_m"]), 0.0)
    fitted = about["cylinder"].density(about["radius"])
    about["misses"] = np.sqrt(np.mean(np.log(fitted / about["density"]) ** 2))
    about["within"] = np.mean(np.abs(fitted - about["density"]) < about["error"])
    about["moving"] = about["dispersion_across"] / about["sigma"]
    return about


def name_of(path: Path) -> str:
    """The folder of a file, and the number of its ridge where that is not the first."""
    number = path.stem.rpartition("_")[2]
    return path.parent.name if number == "0" else f"{path.parent.name}, ridge {number}"


def draw(groups: dict[str, list[dict]], path: Path) -> None:
    """Profiles and line masses of the first filament, and the dispersion across all of them over sigma."""
    from gpu_fdm.plots.style import MPC, MSUN, new_figure

    figure = new_figure(7.1, 2.9, [])
    left, middle, right = figure.subplots(1, 3)
    first = next(iter(groups.values()))
    for number, about in enumerate(first):
        colour = f"C{number}"
        label = rf"$z={about['redshift']:g}$"
        left.errorbar(about["radius"], about["density"], about["error"], fmt=".", color=colour, label=label)
        radius = np.geomspace(about["radius"].min(), about["radius"].max(), 100)
        left.loglog(radius, about["cylinder"].density(radius), color=colour, linewidth=0.8)
        place = (np.arange(len(about["slices"])) + 0.5) / len(about["slices"])
        middle.plot(place, about["slices"] / 1e9, color=colour)
    left.set(xlabel=rf"$R\;\;[{MPC}]$", ylabel=r"$\rho\,/\,\bar\rho_\mathrm{m}$")
    left.set_ylim(bottom=0.02)
    left.legend(loc="lower left", fontsize=8)
    middle.set(xlabel="place along the axis", ylabel="line mass\n" + rf"$[10^9\,{MSUN}/({MPC})]$")
    middle.set_ylim(bottom=0)
    for (name, abouts), mark in zip(groups.items(), "osv^Dx", strict=False):
        right.plot([a["redshift"] for a in abouts], [a["moving"] for a in abouts], f"{mark}-", label=name)
    right.axhline(1, color="black", linewidth=0.8, linestyle="dashed")
    right.set(xlabel=r"$z$", ylabel=r"dispersion across / $\sigma$")
    right.set_ylim(0, 1.7 * max(about["moving"] for abouts in groups.values() for about in abouts))
    right.invert_xaxis()
    right.legend(loc="upper left", fontsize=7)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print tables; draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--weights", type=Path, help="folder for runs with the weights of WKB, adaptive_lasso and psi")
    options = parser.parse_args()
    groups: dict[str, list[dict]] = {}
    print(
        "| filament | z | length | line mass | r0/a | sigma | moving/sigma | b/a | along the axis | off the axis | "
        "cylinder misses rows by (rms of ln) | within their errors |"
    )
    for path in options.files:
        about = row(path)
        groups.setdefault(name_of(path), []).append(about)
        numbers = (
            f"{about['redshift']:g} | {about['length']:.2f} | {about['line_mass']:.3g} | "
            f"{about['cylinder'].scale:.3f} | "
            f"{about['sigma']:.1f} | {about['moving']:.2f} | {about['axis_ratio']:.2f} | {about['variation']:.0%} | "
            f"{about['scatter']:.1g} | {about['misses']:.3f} | {about['within']:.0%}"
        )
        print(f"| {name_of(path)} | {numbers} |")
    if options.weights:
        print_weights([(name_of(path), row(path)["redshift"], path) for path in options.files], options.weights)
    if options.figure:
        draw(groups, options.figure)


if __name__ == "__main__":
    main()
