"""Record of one run of a simulation: spectra, projections and health at its epochs.

Spectra of particles keep their shot noise: before streams cross, particles that started on a lattice have none. What
particles at random would have is stored beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...fields.box import Box
from ...io import schema
from ...io.result_file import GroupWriter
from ...io.shot_noise import SUBTRACTED, shot_noise_attribute
from ...parallel.domain import Domain
from ...simulation.schroedinger_poisson import Health
from ...spectra.grid_spectrum import grid_floor
from ...spectra.power import PowerSpectrum
from ...spectra.spectrum import Spectrum

TITLES = {
    "wave_fdm": "wave, FDM initial power",
    "particles_fdm": "particles, FDM initial power",
    "wave_cdm": "wave, CDM initial power",
    "particles_cdm": "particles, CDM initial power",
}
# columns of what is measured of a wave, see io.schema and schroedinger_poisson.Health
HEALTH = ("scale_factor", "step", "mass_error", "energy_error", "phase_change", "unresolved")
FORCE_CELLS = 8  # of a wave that feels 0.98 of the force of the particle mesh, see simulation.particle_mesh
PIXELS = 512  # a side of a projection at most


def is_wave(run: str) -> bool:
    """Whether a run is one of a wave, or of particles."""
    return run.startswith("wave_")


def is_cold(run: str) -> bool:
    """Whether its initial power is that of CDM, or of FDM."""
    return run.endswith("_cdm")


def force_wavenumber(box: Box) -> float:
    """k up to which the forces on particles are right to 2 %, waves of FORCE_CELLS cells [h/Mpc]."""
    return float(2 * np.pi / (FORCE_CELLS * np.max(box.spacing)))


@dataclass(frozen=True, eq=False)
class Record:
    """Spectra, projections and health of one run, up to where it is.

    scale_factor, steps  at which spectra were taken, shape (epochs,)
    k, modes    mean k of each bin [h/Mpc] and number of its modes, shape (bins,); the first is k = 0
    power       [(Mpc/h)^3], shape (epochs, bins)
    shot_noise  expected of particles at random, in power [(Mpc/h)^3], shape (bins,); zero of a wave
    health      columns of HEALTH, shape (times, 6); of particles no times
    initial_order  of perturbation theory to which the initial conditions are right, shape ()
    projection_x, projection_y, projection_z  density averaged along an axis at each epoch [mean matter densities],
                shape (epochs, pixels, pixels), the axes that are left in their order
    """

    scale_factor: np.ndarray
    steps: np.ndarray
    k: np.ndarray
    modes: np.ndarray
    power: np.ndarray
    shot_noise: np.ndarray
    health: np.ndarray
    initial_order: np.ndarray
    projection_x: np.ndarray
    projection_y: np.ndarray
    projection_z: np.ndarray

    @classmethod
    def empty(cls, initial_order: int) -> "Record":
        """The record before the first spectrum."""
        reals, integers = np.empty(0), np.empty(0, np.int64)
        health = np.empty((0, len(HEALTH)))
        begun, pictures = np.array(initial_order), np.empty((0, 0, 0), np.float32)
        return cls(reals, integers, reals, integers, np.empty((0, 0)), reals, health, begun, *(3 * [pictures]))

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The fields by name: Record(**arrays) is the same."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def with_epoch(
        self,
        scale_factor: float,
        step: int,
        spectrum: PowerSpectrum,
        pictures: Mapping[str, np.ndarray],
        shot_noise: np.ndarray | None = None,
    ) -> "Record":
        """The record with one more epoch: its spectrum, in the same bins as the others, and its projections."""
        bins = len(spectrum.k)
        return replace(
            self,
            scale_factor=np.append(self.scale_factor, scale_factor),
            steps=np.append(self.steps, step),
            k=spectrum.k,
            modes=spectrum.modes,
            power=np.vstack([self.power.reshape(-1, bins), spectrum.power]),
            shot_noise=np.zeros(bins) if shot_noise is None else shot_noise,
            **{name: _appended(getattr(self, name), picture) for name, picture in pictures.items()},
        )

    def with_health(self, health: Health) -> "Record":
        """The record with one more measurement of a wave in an expanding universe."""
        row = [health.epoch, *(getattr(health, name) for name in HEALTH[1:])]
        return replace(self, health=np.vstack([self.health, row]))

    def unresolved(self, scale_factor: float) -> float | None:
        """The last measurement of a wave up to a scale factor; None for particles."""
        rows = self.health[self.health[:, 0] <= scale_factor]
        return float(rows[-1, HEALTH.index("unresolved")]) if len(rows) else None

    @property
    def without_pictures(self) -> "Record":
        """The record without its projections, the large part of it."""
        return replace(self, **{f"projection_{axis}": np.empty((0, 0, 0), np.float32) for axis in "xyz"})

    def spectrum(self, epoch: int, run: str, box: Box, m22: float) -> Spectrum:
        """The spectrum of an epoch without its k = 0, named as in TITLES."""
        power = self.power[epoch]
        return Spectrum(
            self.k[1:],
            power[1:],
            TITLES[run],
            modes=self.modes[1:],
            floor=grid_floor(power),
            box_size=box.size,
            nyquist=box.nyquist,
            redshift=1 / self.scale_factor[epoch] - 1,
            m22=m22,
            shot_noise=SUBTRACTED[None if is_wave(run) else False],
        )


def _appended(pictures: np.ndarray, picture: np.ndarray) -> np.ndarray:
    return np.concatenate([pictures.reshape(-1, *picture.shape), picture[None]])


def projected(slab: Any, domain: Domain) -> dict[str, np.ndarray]:
    """The density of all ranks averaged along each axis, on the host of all of them: those of a Record.

    slab  this rank's planes along x;  domain  of the grid, where the slab is
    Single precision; PIXELS a side at most: what has more cells is averaged over equal pixels.
    """
    ranks, to_host = domain.ranks, domain.backend.to_host
    planes = sum(ranks.allgather(len(slab)))
    mine = _in_pixels(_in_pixels(to_host(slab.sum(axis=0, dtype=np.float64))).T).T
    # some rows at a time: ranks send each other no more than a picture
    rows = np.array_split(mine, min(ranks.size, len(mine)))
    pictures = {"projection_x": np.concatenate([ranks.allreduce(part) for part in rows]) / planes}
    for axis, name in ((1, "projection_y"), (2, "projection_z")):
        mine = _in_pixels(to_host(slab.mean(axis=axis, dtype=np.float64)).T).T
        pictures[name] = _in_pixels(np.concatenate(ranks.allgather(mine)))
    return {name: picture.astype(np.float32) for name, picture in pictures.items()}


def _in_pixels(values: np.ndarray) -> np.ndarray:
    """Means over equal pixels along the first axis, where it has more cells than PIXELS."""
    cells = len(values)
    if cells <= PIXELS:
        return values
    edges = np.linspace(0, cells, PIXELS + 1)
    whole = np.minimum(edges.astype(int), cells - 1)
    below = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    at_edges = below[whole] + (edges - whole)[:, None] * values[whole]
    return np.diff(at_edges, axis=0) * (PIXELS / cells)


def mean_record(records: Sequence[Record]) -> Record:
    """The record of several seeds: means of power and shot noise, without projections and health."""
    if len(records) == 1:
        return records[0]
    power, noise = (np.mean([getattr(record, name) for record in records], axis=0) for name in ("power", "shot_noise"))
    return replace(records[0].without_pictures, power=power, shot_noise=noise, health=records[0].health[:0])


def write_run(file: GroupWriter, run: str, record: Record, box: Box, attributes: dict, seed: int | None = None) -> None:
    """Write /simulation/<run>: attributes, spectrum and projections by number of the epoch, health.

    seed  one of several: /simulation/seed_<seed>/<run> is written
    """
    dynamics = run.split("_")[0]
    folder = "/".join(["", schema.SIMULATION, *([] if seed is None else [schema.seed(seed)]), run])
    for epoch, (a, step) in enumerate(zip(record.scale_factor, record.steps, strict=True)):
        projections = {f"projection_{axis}": getattr(record, f"projection_{axis}")[epoch] for axis in "xyz"}
        noise = record.shot_noise if dynamics == "particles" else None
        file.group(
            f"{folder}/{epoch}",
            {"k": record.k, "power": record.power[epoch], "modes": record.modes, "shot_noise": noise, **projections},
            redshift=1 / a - 1,
            scale_factor=a,
            step=step,
            nyquist=box.nyquist,
            box_size=box.size,
            **shot_noise_attribute(None if noise is None else False),
        )
    if len(record.health):
        file.group(f"{folder}/health", dict(zip(HEALTH, record.health.T, strict=True)))
    of_dynamics = {"force_wavenumber": force_wavenumber(box)} if dynamics == "particles" else {}
    about = {"title": TITLES[run], "dynamics": dynamics, "steps": int(record.steps[-1])}
    file.attributes(folder, **about, initial_order=int(record.initial_order), **of_dynamics, **attributes)


def describe_run(run: str, record: Record) -> str:
    """One line: the number of steps, and the errors of the solver."""
    line = f"{run}: {int(record.steps[-1])} steps"
    if len(record.health):
        last = dict(zip(HEALTH, record.health[-1], strict=True))
        line += (
            f", mass {last['mass_error']:+.1e}, energy {last['energy_error']:+.1e}, "
            f"{100 * last['unresolved']:.2g} % of the mass turns its phase by more than pi/2 a cell"
        )
    return line
