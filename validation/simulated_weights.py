"""How well states describe filaments of simulated waves: runs of the ini that gpu-fdm filament wrote for each.

Every filament has the equilibrium that `profile_fit = smooth` finds for its measured rows. Its weights are those of
wkb, of adaptive_lasso, and of the simulated psi (projection). Rows are compared within the radius that holds 95 % of
the mass.
"""

import logging
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

import gpu_fdm
from gpu_fdm.filament.rings import MARGIN

FITTED = ("wkb", "adaptive_lasso")
_GROUP = "filaments/00"


def run_with(measured: Path, weights: str, folder: Path) -> gpu_fdm.Result:
    """The result of the ini beside a measured filament with other weights; computed once.

    folder  where results go, in one folder for each filament
    """
    values = {"filament.profile_table": measured.with_suffix(".csv").absolute(), "filament.profile_fit": "smooth"}
    values |= {"filament.r0": "", "filament.sigma": "", "wavefunction.weights": "wkb", "wavefunction.energy_cut": 0.99}
    values["run.output"] = folder / measured.parent.name / measured.stem / weights

    def config() -> gpu_fdm.Config:
        overrides = [f"{key}={value}" for key, value in values.items()]
        return gpu_fdm.read_config(measured.with_suffix(".ini"), overrides)

    if weights == "projection":
        values["wavefunction.energy_cut"] = _share_within(measured, config())
        values["wavefunction.cut_out"] = measured.absolute()
    values["wavefunction.weights"] = weights
    stages = replace(config(), cross_section=None, single_power=None, figures=None)
    return gpu_fdm.open(gpu_fdm.run(stages).result)


def _share_within(measured: Path, config: gpu_fdm.Config) -> float:
    """The share of the equilibrium's mass in the part of the cut-out that is projected, less a little."""
    model = gpu_fdm.build_model(config)
    with h5py.File(measured) as file:
        width, points = file["cut_out"].attrs["sides"][0], len(file["cut_out/psi"])
    radius = width / 2 * (1 - 2 * MARGIN / points) / model.units.length
    share = float(model.profile.enclosed_line_mass(radius)) / model.profile.line_mass
    return min(np.floor(1e3 * share), 999) / 1e3  # all of it is within where the rows end


def of_fit(result: gpu_fdm.Result) -> dict[str, float]:
    """Shares and residuals of the rows of a filament whose weights follow from its profile."""
    group = result[_GROUP]
    profile, fit, modes = group["profile"], group["profile_fit"], group["modes"].attributes
    rows = np.asarray(fit["radius"]) <= profile.attributes["r95"]
    radius, density, error = (np.asarray(fit[name])[rows] for name in ("radius", "density", "error"))
    made = np.interp(radius, np.asarray(profile["radius"]), np.asarray(profile["density_modes"]))
    pull = (made - density) / error
    return {
        "smooth": fit.attributes["chi_squared"],
        "rows": len(pull),
        "states": len(group["modes/weight"]),
        "bound": modes["library_modes"],
        "share": modes["weight_sum"],
        "log": modes["rms_log_density"],
        "chi_squared": np.mean(pull**2),
        "one": np.mean(np.abs(pull) < 1),
        "two": np.mean(np.abs(pull) < 2),
    }


def of_projection(result: gpu_fdm.Result) -> dict[str, float]:
    """Shares by angular momentum, and statistics of the amplitudes, of a filament whose weights are those of psi."""
    group = result[f"{_GROUP}/projection"]
    l, n, weight = (np.asarray(group[name]) for name in ("l", "n", "weight"))
    mass = weight * np.where(l > 0, 2, 1) / np.sum(weight * np.where(l > 0, 2, 1))
    names = "bound_share", "relative_scatter", "rms_log_wkb", "rms_log_chance", "p_uniform", "p_independent"
    about = {name: group.attributes[name] for name in (*names, "tested_slices")}
    return about | {"states": len(l), "low": mass[l <= 2].sum(), "first": mass[(l == 0) & (n < 5)]}


def print_weights(cases: list[tuple[str, float, Path]], folder: Path) -> None:
    """Print a table of the fitted weights and one of the projected; cases  name, redshift and file of each."""
    logging.getLogger("gpu_fdm").setLevel(logging.ERROR)
    print("\n| filament | z | weights | chi^2 of smooth | states | line mass | rms of ln | chi^2 a row | within 1, 2 |")
    for name, redshift, path in cases:
        for weights in FITTED:
            it = of_fit(run_with(path, weights, folder))
            print(
                f"| {name} | {redshift:g} | {weights} | {it['smooth']:.2f} | {it['states']} of {it['bound']} | "
                f"{it['share']:.2f} | {it['log']:.2f} | {it['chi_squared']:.2g} of {it['rows']} | {it['one']:.0%}, "
                f"{it['two']:.0%} |"
            )
    print("\n| filament | z | states | line mass | l <= 2 | n < 5 of l = 0 | scatter | ln(weight/wkb) | slices | p |")
    for name, redshift, path in cases:
        it = of_projection(run_with(path, "projection", folder))
        first = " ".join(f"{share:.2f}" for share in it["first"])
        print(
            f"| {name} | {redshift:g} | {it['states']} | {it['bound_share']:.2f} | {it['low']:.2f} | {first} | "
            f"{it['relative_scatter']:.2f} | {it['rms_log_wkb']:.2f} ({it['rms_log_chance']:.2f}) | "
            f"{it['tested_slices']} | {it['p_uniform']:.2g}, {it['p_independent']:.2g} |"
        )
