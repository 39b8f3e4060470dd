"""The power of the model beside that of a simulation: P_lin T^2 + P_1f, of the same boson, cosmology and redshift.

The model is averaged over the modes of the box, bin by bin. A box lacks what the model has: waves and filaments longer
than its sides. The model lacks what is neither linear nor a filament of its window of masses.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import attrs
import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from ..config.config import Config
from ..fields.box import Box
from ..io import schema
from ..io.hdf5 import open_result
from ..pipeline.inputs import stored_config
from ..pipeline.model import population_of
from ..pipeline.population_filaments import Boson, classical_spectrum, shape_of
from ..pipeline.simulation.boosts import TRUSTED_NOISE, UNRESOLVED
from ..pipeline.simulation.record import force_wavenumber
from ..population.population import Population
from ..spectra.boost import DIFFERENCES
from ..spectra.box_modes import mean_over_modes
from ..spectra.linear_theory import linear_spectrum
from .drawn import Drawn, Pairs, picture_of
from .models import epoch_distance, over_matter

RUNS = "wave_fdm", "particles_fdm"
SHOWN = 5  # wavenumbers at which ratios are told


@dataclass(frozen=True, eq=False)
class SimulatedPower:
    """Power at an epoch in the bins of a box, P in (Mpc/h)^3.

    k, modes    mean k of each bin [h/Mpc] and number of its modes, shape (bins,)
    power       run -> power of each seed, shape (seeds, bins)
    shot_noise  of particles at random, shape (bins,); zero where there is no run of particles
    """

    box: Box
    redshift: float
    m22: float
    k: NDArray
    modes: NDArray
    power: dict[str, NDArray]
    shot_noise: NDArray

    def mean(self, run: str) -> NDArray:
        """Mean over seeds."""
        return self.power[run].mean(axis=0)

    def error(self, run: str) -> NDArray:
        """Standard deviation of the mean: from the scatter of seeds, of one seed from the number of modes."""
        power = self.power[run]
        if len(power) == 1:
            return np.sqrt(2 / self.modes) * power[0]
        return power.std(axis=0, ddof=1) / np.sqrt(len(power))

    @property
    def good(self) -> NDArray:
        """Mask of the bins below the limits of grid and forces in which little of the particles' power is noise."""
        good = self.k <= min(self.box.nyquist, force_wavenumber(self.box))
        return good & np.all([self.shot_noise < TRUSTED_NOISE * self.mean(run) for run in self.power], axis=0)


@dataclass(frozen=True, eq=False)
class ModelPower:
    """The model in the bins of a box, shape (bins,), P in (Mpc/h)^3; NaN where it is not known for all of a bin.

    linear     P_lin T^2;  filaments  P_1f of masses in window [Msun/h]
    fits       share of P_1f that filaments no longer than the box have, taken from those of particles
    heaviest   mass of a filament as long as the box [Msun/h]; infinite where all of the window fit
    """

    linear: NDArray
    filaments: NDArray
    fits: NDArray
    window: tuple[float, float]
    heaviest: float

    @property
    def total(self) -> NDArray:
        """P_lin T^2 + P_1f."""
        return self.linear + self.filaments

    @property
    def fitting(self) -> NDArray:
        """The same with those filaments alone that are no longer than the box."""
        return self.linear + self.fits * self.filaments


def power_of_both(model: Path, simulation: Path) -> tuple[ModelPower, SimulatedPower] | str:
    """The power of a model with [one_filament], and that of a simulation; or why there is no such pair, in words.

    Raises InputError for files that are no results or are damaged.
    """
    with open_result(model) as known, open_result(simulation) as file:
        config = stored_config(known)
        why = _differences(config, stored_config(file))
        simulated = why or _simulated_power(file, config.cosmology.redshift)
        if isinstance(simulated, str):
            return simulated
        group = f"{schema.ONE_FILAMENT}/{schema.boson(simulated.m22)}"
        if group not in known:
            return f"the model has no one-filament spectrum of m22 = {simulated.m22:g}, that of the simulation"
        filaments = over_matter(known, group, "fdm", config)
    population, box = population_of(config), simulated.box

    def in_bins(power: Callable[[NDArray], NDArray], low: float, high: float) -> NDArray:
        """Means over modes of a function that is known between two k."""

        def inside(k: NDArray) -> NDArray:
            return np.where((k >= low) & (k <= high), power(np.clip(k, low, high)), np.nan)

        return mean_over_modes(inside, box, simulated.k)

    cut_off, linear = population.cut_off(simulated.m22), population.power
    of_filaments = filaments.rows(filaments.above_floor)
    low, high = of_filaments.k[[0, -1]].tolist()
    fits, heaviest = _fitting(config, population, simulated.m22, of_filaments.k, min(box.size))
    return ModelPower(
        in_bins(
            lambda k: linear_spectrum(linear, k, simulated.redshift, cut_off).power,
            linear.k_min,
            min(linear.k_max, cut_off.k_max),
        ),
        in_bins(lambda k: of_filaments.at(k).power, low, high),
        np.interp(simulated.k, of_filaments.k, fits),
        (config.one_filament.mass_min, config.one_filament.mass_max),
        heaviest,
    ), simulated


def power_lines(model: ModelPower, simulated: SimulatedPower) -> list[str]:
    """What was found, in words: simulated over model at a few k, and what box and model lack."""
    shown = np.flatnonzero(simulated.good & np.isfinite(model.total))
    seeds = len(simulated.power[RUNS[0]])
    head = f"power of fdm, m22 = {simulated.m22:g}, z = {simulated.redshift:.4g}"
    if not len(shown):
        return [f"{head}: no k where box and model are both good"]
    k = simulated.k
    wanted = np.geomspace(k[shown[0]], k[shown[-1]], SHOWN)
    places = [int(shown[np.abs(np.log(k[shown] / at)).argmin()]) for at in wanted]
    mean, error = simulated.mean(RUNS[0]), simulated.error(RUNS[0])
    ratios = ", ".join(
        f"{mean[row] / model.total[row]:.3g} +- {error[row] / model.total[row]:.1g} at k = {k[row]:.4g}"
        for row in dict.fromkeys(places)
    )
    of = f", mean of {seeds} seeds" if seeds > 1 else ""
    low, high = model.window
    sides = " x ".join(f"{side:g}" for side in dict.fromkeys(simulated.box.size))
    lacks = (
        f"no filaments longer than its sides of {sides} cMpc/h fit into it; all of {low:.3g} to {high:.3g} Msun/h do"
    )
    if np.isfinite(model.heaviest):
        first = shown[0]
        lacks = (
            f"no filaments above {model.heaviest:.3g} Msun/h fit into its sides of {sides} cMpc/h, which make "
            f"{100 * (1 - model.fits[first]):.3g} % of P_1f at k = {k[first]:.4g}"
        )
    return [
        f"{head}: simulated{of} over P_lin T^2 + P_1f ({low:.3g} to {high:.3g} Msun/h): {ratios} h/Mpc",
        f"  the box has no waves below k = {2 * np.pi / max(simulated.box.size):.4g} h/Mpc; {lacks}",
    ]


def draw_powers(pairs: Pairs, dpi: int) -> Drawn:
    """Draw the power of models with [one_filament] beside that of simulations; a line says of a pair why not.

    Raises InputError where power_of_both does, and for a figure of others.
    """
    from ..plots.matter_power import draw_matter_power

    drawn = Drawn()
    for path, (model, simulation) in pairs.items():
        found = power_of_both(model, simulation)
        if isinstance(found, str):
            drawn.lines.append(f"power of {model} and {simulation}: not drawn: {found}")
            continue
        of_model, simulated = found
        seeds = len(next(iter(simulated.power.values())))
        draw = partial(
            draw_matter_power,
            k=simulated.k,
            simulated={run: (simulated.mean(run), simulated.error(run)) for run in simulated.power},
            model=(of_model.linear, of_model.filaments, of_model.total, of_model.fitting),
            good=simulated.good,
            about=[
                rf"$m_{{22}}={simulated.m22:.4g}$",
                f"$z={simulated.redshift:.4g}$",
                *([f"{seeds} seeds"] if seeds > 1 else []),
            ],
            dpi=dpi,
        )
        drawn.figures[path] = picture_of(draw, path, "Simulated power beside the model, over the same modes.")
        drawn.lines += [*power_lines(of_model, simulated), f"figure: {path}"]
    return drawn


def _differences(model: Config, simulation: Config) -> str:
    """Keys in which a model and a simulation differ that must be the same, in words; empty where there are none."""
    if not model.one_filament or not model.population or not simulation.simulation:
        return "the config that one of them holds does not say how it was made"
    pairs = [
        (f"cosmology.{item.name}", getattr(model.cosmology, item.name), getattr(simulation.cosmology, item.name))
        for item in attrs.fields(type(model.cosmology))
        if item.name not in ("redshift", "name")
    ]
    pairs += [
        (name, getattr(model.population, name), getattr(simulation.simulation, name))
        for name in ("transfer", "transfer_table")
    ]
    differ = [f"{name} = {first} and {second}" for name, first, second in pairs if first != second]
    return f"{'; '.join(differ)}: must be the same in the model and in the simulation" if differ else ""


def _simulated_power(file: h5py.File, redshift: float) -> SimulatedPower | str:
    """The power of the runs of RUNS at a redshift, or why there is none."""
    folder = file[schema.SIMULATION]
    seeds = [folder[name] for name in map(schema.seed, np.atleast_1d(folder.attrs.get("seeds", []))) if name in folder]
    seeds = seeds or [folder]
    if "wave_fdm" not in seeds[0]:
        return "the simulation has no run wave_fdm"
    epochs = {name: float(group.attrs["redshift"]) for name, group in seeds[0]["wave_fdm"].items() if name.isdigit()}
    epoch = min(epochs, key=lambda name: epoch_distance(epochs[name], redshift))
    if epoch_distance(epochs[epoch], redshift) > DIFFERENCES["redshift"]:
        return (
            f"the model is at z = {redshift:g}, and the nearest epoch of the simulation at {epochs[epoch]:.4g}: run "
            f"the model with --set cosmology.redshift={epochs[epoch]:.6g}"
        )
    a = 1 / (1 + epochs[epoch]) * (1 + 1e-9)
    for seed in seeds:
        health = seed["wave_fdm/health"]
        share = health["unresolved"][:][health["scale_factor"][:] <= a][-1]
        if share > UNRESOLVED:
            return f"{100 * share:.2g} % of the mass of the simulation turns its phase by more than pi/2 a cell then"
    runs = [run for run in RUNS if run in seeds[0]]
    first = seeds[0][f"wave_fdm/{epoch}"]
    particles = seeds[0].get(f"particles_fdm/{epoch}")
    return SimulatedPower(
        Box(tuple(folder.attrs["size"].tolist()), tuple(folder.attrs["cells"].tolist())),
        epochs[epoch],
        float(folder.attrs["m22"]),
        first["k"][1:],
        first["modes"][1:],
        {run: np.array([seed[f"{run}/{epoch}/power"][1:] for seed in seeds]) for run in runs},
        np.zeros(len(first["k"]) - 1) if particles is None else particles["shot_noise"][1:],
    )


def _fitting(config: Config, population: Population, m22: float, k: NDArray, side: float) -> tuple[NDArray, float]:
    """Share of P_1f of filaments no longer than a side [cMpc/h], from those of particles; and the heaviest of them."""
    section = config.one_filament
    low, high = np.log([section.mass_min, section.mass_max]).tolist()

    def excess(log_mass: float) -> float:
        return shape_of(config, population, float(np.exp(log_mass)), m22)[0] - side

    if excess(high) <= 0:
        return np.ones(len(k)), np.inf
    if excess(low) >= 0:
        return np.zeros(len(k)), section.mass_min
    heaviest = float(np.exp(brentq(excess, low, high, xtol=1e-6)))
    shorter = replace(config, one_filament=attrs.evolve(section, mass_max=heaviest))
    mass_function = Boson(config, population, m22).mass_function
    some, all_of_them = (classical_spectrum(each, population, k, m22, mass_function) for each in (shorter, config))
    share = np.divide(some.power, all_of_them.power, out=np.ones(len(k)), where=all_of_them.power > 0)
    return share * (some.density / all_of_them.density) ** 2, heaviest
