"""What a simulation leaves: spectra, projections and health of each run, boosts of one over another, snapshots.

Layout in docs/simulation.md. Spectra of particles keep their shot noise: before streams cross, particles that started
on a lattice have none. What particles at random would have is stored beside them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from attrs import evolve

from ..cosmology.transfer import jeans_wavenumber
from ..fields.box import Box
from ..io import schema
from ..io.result_file import GroupWriter
from ..parallel.ranks import Ranks
from ..simulation.schroedinger_poisson import Health
from ..spectra.boost import Boost, boost_of
from ..spectra.grid_spectrum import grid_floor
from ..spectra.power import PowerSpectrum
from ..spectra.spectrum import Spectrum
from ..units import CodeUnits

TITLES = {
    "wave_fdm": "wave, FDM initial power",
    "particles_fdm": "particles, FDM initial power",
    "wave_cdm": "wave, CDM initial power",
    "particles_cdm": "particles, CDM initial power",
}
# which ratios are taken: above the line, below it
BOOSTS = (
    ("wave_fdm", "particles_fdm"),
    ("wave_fdm", "particles_cdm"),
    ("wave_cdm", "particles_cdm"),
    ("particles_fdm", "particles_cdm"),
)
# what each half is called beside other boosts, see docs/boosts.md
NAMES = {
    ("wave_fdm", "particles_fdm"): ("fdm", "n-body"),
    ("wave_fdm", "particles_cdm"): ("fdm", "cdm"),
    ("wave_cdm", "particles_cdm"): ("cdm as a wave", "n-body"),
    ("particles_fdm", "particles_cdm"): ("fdm as particles", "cdm"),
}
# columns of what is measured of a wave, see io.schema and schroedinger_poisson.Health
HEALTH = ("scale_factor", "step", "mass_error", "energy_error", "phase_change", "unresolved")
FORCE_CELLS = 8  # of a wave that feels 0.98 of the force of the particle mesh, see simulation.particle_mesh
PIXELS = 512  # a side of a projection at most
TRUSTED_NOISE = 0.1  # of the power: where less of it is shot noise, a summary tells ratios

# by the names of the runs above and below the line, at every epoch; None where not both have power above round-off
Boosts = Mapping[tuple[str, str], list[Boost | None]]


def force_wavenumber(box: Box) -> float:
    """k up to which the forces on particles are right to 2 %, waves of FORCE_CELLS cells [h/Mpc]."""
    return float(2 * np.pi / (FORCE_CELLS * np.max(box.spacing)))


@dataclass(frozen=True, eq=False)
class Record:
    """Spectra and health of one run, as far as it is.

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
        """Before the first spectrum."""
        reals, integers = np.empty(0), np.empty(0, np.int64)
        health = np.empty((0, len(HEALTH)))
        begun, pictures = np.array(initial_order), np.empty((0, 0, 0), np.float32)
        return cls(reals, integers, reals, integers, np.empty((0, 0)), reals, health, begun, *(3 * [pictures]))

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """By name, for the cache: Record(**arrays) is the same."""
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
        )


def _appended(pictures: np.ndarray, picture: np.ndarray) -> np.ndarray:
    return np.concatenate([pictures.reshape(-1, *picture.shape), picture[None]])


def projected(slab: np.ndarray, ranks: Ranks) -> dict[str, np.ndarray]:
    """The density of all ranks averaged along each axis, on all of them: those of a Record.

    slab  this rank's planes along x
    Single precision; PIXELS a side at most: what has more cells is averaged over equal pixels.
    """
    planes = sum(ranks.allgather(len(slab)))
    mine = _in_pixels(_in_pixels(slab.sum(axis=0, dtype=np.float64)).T).T
    # some rows at a time: ranks send each other no more than a picture
    rows = np.array_split(mine, min(ranks.size, len(mine)))
    pictures = {"projection_x": np.concatenate([ranks.allreduce(part) for part in rows]) / planes}
    for axis, name in ((1, "projection_y"), (2, "projection_z")):
        mine = _in_pixels(slab.mean(axis=axis, dtype=np.float64).T).T
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


def boosts(records: Mapping[str, Record], box: Box, m22: float) -> Boosts:
    """All of BOOSTS whose halves are there."""
    found: dict[tuple[str, str], list[Boost | None]] = {}
    for above, below in BOOSTS:
        if above in records and below in records:
            epochs = range(len(records[above].scale_factor))
            found[above, below] = [
                _boost(*(records[run].spectrum(epoch, run, box, m22) for run in (above, below))) for epoch in epochs
            ]
    return found


def _boost(above: Spectrum, below: Spectrum) -> Boost | None:
    if same_modes(above, below):
        below = evolve(below, of=f"{below.of} (same initial conditions)")
    rows = (above.power > above.floor) & (below.power > below.floor)
    return boost_of(above.rows(rows), below.rows(rows)) if rows.any() else None


def same_modes(above: Spectrum, below: Spectrum) -> bool:
    """Whether two spectra are of runs with the same initial modes, not only the same random numbers."""
    return above.of.split(", ")[1] == below.of.split(", ")[1]


def write_run(file: GroupWriter, run: str, record: Record, box: Box, attributes: dict) -> None:
    """/simulation/<run>: attributes, spectrum and projections by number of the epoch, health."""
    folder, dynamics = f"/{schema.SIMULATION}/{run}", run.split("_")[0]
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
        )
    if len(record.health):
        file.group(f"{folder}/health", dict(zip(HEALTH, record.health.T, strict=True)))
    of_dynamics = {"force_wavenumber": force_wavenumber(box)} if dynamics == "particles" else {}
    about = {"title": TITLES[run], "dynamics": dynamics, "steps": int(record.steps[-1])}
    file.attributes(folder, **about, initial_order=int(record.initial_order), **of_dynamics, **attributes)


def read_boosts(file: h5py.File) -> list[Boost]:
    """All boosts of the simulation in an open result, named as in NAMES; none where there is none.

    Rows where particles at random would have more power than the denominator are left out: their lattice makes it.
    """
    found = []
    for (above, below), (numerator, denominator) in NAMES.items():
        folder = f"{schema.BOOST}/{above}_over_{below}"
        series = file.get(folder, {})
        for epoch in sorted(series, key=int):
            group = series[epoch]
            rows = group["shot_noise"][:] < 1
            k, boost, error, beyond = (group[name][:][rows] for name in ("k", "boost", "error", "beyond_nyquist"))
            about: dict[str, Any] = {name: float(group.attrs[name]) for name in ("redshift", "m22")}
            about |= {"source": f"{file.filename} {folder}/{epoch}", "error": error, "beyond_nyquist": beyond}
            if rows.any():
                found.append(Boost(k, boost, numerator, denominator, **about))
    return found


def write_boosts(
    file: GroupWriter,
    found: Boosts,
    records: Mapping[str, Record],
    box: Box,
    code: CodeUnits,
) -> None:
    """/boost/<run above>_over_<run below>/<epoch>."""
    limit = force_wavenumber(box)
    for (above, below), series in found.items():
        for epoch, boost in enumerate(series):
            if boost is None:
                continue
            a = records[above].scale_factor[epoch]
            file.group(
                f"/{schema.BOOST}/{above}_over_{below}/{epoch}",
                {
                    "k": boost.k,
                    "boost": boost.boost,
                    "error": boost.error,
                    "beyond_nyquist": boost.beyond_nyquist.astype(np.uint8),
                    "beyond_force": (boost.k > limit).astype(np.uint8),
                    "shot_noise": _noise(records[below], epoch, boost.k),
                },
                numerator=boost.numerator,
                denominator=boost.denominator,
                redshift=1 / a - 1,
                scale_factor=a,
                m22=boost.m22,
                nyquist=box.nyquist,
                force_wavenumber=limit,
                jeans_wavenumber=jeans_wavenumber(code, a),
                unresolved=records[above].unresolved(a),
            )


def describe_run(run: str, record: Record) -> str:
    """One line: how many steps, and how well."""
    line = f"{run}: {int(record.steps[-1])} steps"
    if len(record.health):
        last = dict(zip(HEALTH, record.health[-1], strict=True))
        line += (
            f", mass {last['mass_error']:+.1e}, energy {last['energy_error']:+.1e}, "
            f"{100 * last['unresolved']:.2g} % of the mass turns its phase by more than pi/2 a cell"
        )
    return line


def describe_boosts(found: Boosts, records: Mapping[str, Record]) -> list[str]:
    """A line for every boost at its last epoch: the least and the largest ratio where grid and particles are good."""
    lines = []
    for (_, below), series in found.items():
        boost = series[-1]
        if boost is None:
            continue
        good = ~boost.beyond_nyquist & (_noise(records[below], -1, boost.k) < TRUSTED_NOISE)
        told = f"nowhere less than {TRUSTED_NOISE:g} of the power is shot noise"
        if good.any():
            k, ratio = boost.k[good], boost.boost[good]
            low, high = int(np.argmin(ratio)), int(np.argmax(ratio))
            told = f"{ratio[low]:.3g} at k = {k[low]:.4g} to {ratio[high]:.3g} at k = {k[high]:.4g} h/Mpc"
        lines.append(f"P of {boost.numerator} over that of {boost.denominator}, z = {boost.redshift:.4g}: {told}")
    return lines


def _noise(record: Record, epoch: int, k: np.ndarray) -> np.ndarray:
    """Of particles at random, over the power of a run, in the bins with these mean k.

    The same bins of runs on other numbers of ranks have means that differ by round-off: the nearest are meant.
    """
    rows = np.abs(record.k[:, None] - k).argmin(axis=0)
    return record.shot_noise[rows] / record.power[epoch][rows]
