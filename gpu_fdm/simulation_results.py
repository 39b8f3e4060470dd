"""What a simulation leaves: spectra and health of each run, boosts of one run over another, snapshots.

Layout in docs/simulation.md. Spectra of particles keep their shot noise: before streams cross, particles that started
on a lattice have none. What particles at random would have is stored beside them.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .fields.box import Box
from .ranks import Ranks
from .snapshots.gadget_header import MPC_CM
from .statistics.boost import ERRORS, Boost, boost_of
from .statistics.spectrum import GRID_FLOOR, Spectrum
from .units import CodeUnits

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
HEALTH = {
    "scale_factor": "when the wave was looked at",
    "step": "steps done",
    "mass_error": "change of <|psi|^2> since the start, relative",
    "energy_error": "change of K + a W - int W da since the start, over K + a |W|",
    "phase_change": "largest change of phase between neighbouring cells that both have half the mean density [rad]",
    "unresolved": "part of the mass whose phase changes by more than pi/2 from cell to cell",
}
FORCE_CELLS = 8  # of a wave that feels 0.98 of the force of the particle mesh, see simulation.particle_mesh
TRUSTED_NOISE = 0.1  # of the power: where less of it is shot noise, a summary tells ratios
_PIECE = 1 << 22  # particles written at a time
_MASS_G = 1.988409870698051e43  # 10^10 solar masses, IAU 2015 B3 and CODATA 2018


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
    """

    scale_factor: np.ndarray
    steps: np.ndarray
    k: np.ndarray
    modes: np.ndarray
    power: np.ndarray
    shot_noise: np.ndarray
    health: np.ndarray
    initial_order: np.ndarray

    @classmethod
    def empty(cls, initial_order: int) -> "Record":
        """Before the first spectrum."""
        reals, integers = np.empty(0), np.empty(0, np.int64)
        health = np.empty((0, len(HEALTH)))
        return cls(reals, integers, reals, integers, np.empty((0, 0)), reals, health, np.array(initial_order))

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """By name, as they are kept."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def with_spectrum(self, scale_factor: float, step: int, spectrum, shot_noise=None) -> "Record":
        """One more spectrum, a PowerSpectrum; all have the same bins."""
        bins = len(spectrum.k)
        return replace(
            self,
            scale_factor=np.append(self.scale_factor, scale_factor),
            steps=np.append(self.steps, step),
            k=spectrum.k,
            modes=spectrum.modes,
            power=np.vstack([self.power.reshape(-1, bins), spectrum.power]),
            shot_noise=np.zeros(bins) if shot_noise is None else shot_noise,
        )

    def with_health(self, health) -> "Record":
        """One more look at a wave in an expanding universe, a schroedinger_poisson.Health."""
        row = [health.epoch, *(getattr(health, name) for name in list(HEALTH)[1:])]
        return replace(self, health=np.vstack([self.health, row]))

    def unresolved(self, scale_factor: float) -> float | None:
        """Of the wave when it was last looked at by then; None of particles."""
        rows = self.health[self.health[:, 0] <= scale_factor]
        return float(rows[-1, list(HEALTH).index("unresolved")]) if len(rows) else None

    def spectrum(self, epoch: int, run: str, box: Box, m22: float) -> Spectrum:
        """The spectrum of an epoch without its k = 0, named as in TITLES."""
        power = self.power[epoch]
        return Spectrum(
            self.k[1:],
            power[1:],
            TITLES[run],
            modes=self.modes[1:],
            floor=GRID_FLOOR * float(power.max()),
            box_size=box.size,
            nyquist=box.nyquist,
            redshift=1 / self.scale_factor[epoch] - 1,
            m22=m22,
        )


def boosts(records: dict[str, Record], box: Box, m22: float) -> dict[tuple[str, str], list[Boost | None]]:
    """All of BOOSTS whose halves are there, at every epoch; None where not both have power above round-off."""
    found = {}
    for above, below in BOOSTS:
        if above in records and below in records:
            epochs = range(len(records[above].scale_factor))
            found[above, below] = [
                _boost(*(records[run].spectrum(epoch, run, box, m22) for run in (above, below))) for epoch in epochs
            ]
    return found


def _boost(above, below):
    if same_modes(above, below):
        below = replace(below, of=f"{below.of} (same initial conditions)")
    rows = (above.power > above.floor) & (below.power > below.floor)
    return boost_of(above.rows(rows), below.rows(rows)) if rows.any() else None


def same_modes(above: Spectrum, below: Spectrum) -> bool:
    """Whether two spectra are of runs with the same initial modes, not only the same random numbers."""
    return above.of.split(", ")[1] == below.of.split(", ")[1]


def write_run(file, run: str, record: Record, box: Box, attributes: dict):
    """/simulation/<run>: attributes, spectra by number of the epoch, health."""
    folder, dynamics = f"/simulation/{run}", run.split("_")[0]
    for epoch, (a, step) in enumerate(zip(record.scale_factor, record.steps, strict=True)):
        place = f"{folder}/{epoch}"
        file.dataset(f"{place}/k", record.k, "h/Mpc", "mean wavenumber of the modes of each bin, comoving")
        text = "power of density/mean - 1; the first row is k = 0"
        file.dataset(f"{place}/power", record.power[epoch], "(Mpc/h)^3", text)
        file.dataset(f"{place}/modes", record.modes, "1", "modes in each bin, k and -k both counted")
        if dynamics == "particles":
            text = "of particles at random on this grid; it is not taken off power"
            file.dataset(f"{place}/shot_noise", record.shot_noise, "(Mpc/h)^3", text)
        file.attributes(place, redshift=1 / a - 1, scale_factor=a, step=step, nyquist=box.nyquist, box_size=box.size)
    if len(record.health):
        for (name, text), values in zip(HEALTH.items(), record.health.T, strict=True):
            file.dataset(f"{folder}/health/{name}", values, "rad" if name == "phase_change" else "1", text)
    of_dynamics = {"force_wavenumber": force_wavenumber(box)} if dynamics == "particles" else {}
    about = {"title": TITLES[run], "dynamics": dynamics, "steps": int(record.steps[-1])}
    file.attributes(folder, **about, initial_order=int(record.initial_order), **of_dynamics, **attributes)


def write_boosts(file, found, records: dict[str, Record], box: Box):
    """/boost/<run above>_over_<run below>/<epoch>."""
    limit = force_wavenumber(box)
    for (above, below), series in found.items():
        for epoch, boost in enumerate(series):
            if boost is None:
                continue
            folder, record = f"/boost/{above}_over_{below}/{epoch}", records[below]
            for name, values, units, text in (
                ("k", boost.k, "h/Mpc", "mean wavenumber of the modes of each bin, comoving"),
                ("boost", boost.boost, "1", "power of the numerator over that of the denominator"),
                ("error", boost.error, "1", f"{ERRORS}: too large where they began alike"),
                ("beyond_nyquist", boost.beyond_nyquist.astype(np.uint8), "1", "1 where the grid misses directions"),
                (
                    "beyond_force",
                    (boost.k > limit).astype(np.uint8),
                    "1",
                    "1 where particles feel less than 0.98 of the force",
                ),
                (
                    "shot_noise",
                    _noise(record, epoch, boost.k),
                    "1",
                    "of particles at random, over the power of the denominator, in which it is",
                ),
            ):
                file.dataset(f"{folder}/{name}", values, units, text)
            a = records[above].scale_factor[epoch]
            file.attributes(
                folder,
                numerator=boost.numerator,
                denominator=boost.denominator,
                redshift=1 / a - 1,
                scale_factor=a,
                m22=boost.m22,
                nyquist=box.nyquist,
                force_wavenumber=limit,
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


def describe_boosts(found, records: dict[str, Record]) -> list[str]:
    """A line for each at its last epoch: the least and the largest ratio where grid and particles can be trusted."""
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


def _noise(record, epoch, k):
    """Of particles at random, over the power of a run, in the bins with these mean k.

    The same bins of runs on other numbers of ranks have means that differ by round-off: the nearest are meant.
    """
    rows = np.abs(record.k[:, None] - k).argmin(axis=0)
    return record.shot_noise[rows] / record.power[epoch][rows]


def write_density(file, run: str, box: Box, slab: np.ndarray, redshift: float, ranks: Ranks):
    """/density/<run>: this rank's planes along x of the density in a snapshot [mean matter densities]."""
    of_wave = run.startswith("wave")
    text = "comoving density |psi|^2" if of_wave else "density of the particles, cloud in cell"
    file.reserve(
        f"/density/{run}",
        box.cells,
        slab.dtype,
        "mean matter densities",
        f"{text}, [x, y, z], cell centres at (i + 1/2) size/cells",
        box_size=box.size,
        sampling="point" if of_wave else "cic",
        redshift=redshift,
    )
    file.write_slab(f"/density/{run}", ranks.slab(box.cells[0])[0], slab)
    file.attributes("/density", box_size=box.size)


def write_psi(file, box: Box, psi: np.ndarray, ranks: Ranks):
    """/psi: this rank's planes along x."""
    text = "wave function, [x, y, z]; its peculiar velocity is hbar/(m a) grad arg psi"
    file.reserve("/psi", box.cells, psi.dtype, "sqrt(mean matter density)", text, box_size=box.size)
    file.write_slab("/psi", ranks.slab(box.cells[0])[0], psi)


def write_particles(file, state, box: Box, units: CodeUnits, omega_m: float, ranks: Ranks):
    """/Header and /PartType1, as GADGET has them: comoving cMpc/h, v_peculiar/sqrt(a) in km/s, 10^10 Msun/h."""
    a, counts = state.times.epoch, ranks.everyone(len(state.identity))
    first, number = sum(counts[: ranks.rank]), sum(counts)
    columns = (
        # name, what of some particles, shape of one, kind, units, text
        ("Coordinates", lambda s: state.position[:, s].T * units.length, (3,), np.float64, "cMpc/h", "comoving"),
        (
            "Velocities",
            lambda s: state.momentum[:, s].T * (units.velocity * a**-1.5),
            (3,),
            np.float32,
            "km/s",
            "peculiar velocity over the root of the scale factor",
        ),
        ("ParticleIDs", lambda s: state.identity[s], (), np.int64, "1", "cell of the lattice where it began"),
    )
    for name, values, shape, kind, unit, text in columns:
        place = f"/PartType1/{name}"
        file.reserve(place, (number, *shape), kind, unit, text)
        # as many calls on every rank
        for begin in range(0, max(counts), _PIECE):
            part = slice(min(begin, counts[ranks.rank]), min(begin + _PIECE, counts[ranks.rank]))
            file.write_slab(place, first + part.start, np.ascontiguousarray(values(part), kind))
    mass = units.mean_matter_density * box.volume / number / 1e10
    file.attributes(
        "/Header",
        NumPart_ThisFile=np.array([0, number, 0, 0, 0, 0], np.uint64),
        NumPart_Total=np.array([0, number % 2**32, 0, 0, 0, 0], np.uint32),
        NumPart_Total_HighWord=np.array([0, number >> 32, 0, 0, 0, 0], np.uint32),
        NumFilesPerSnapshot=1,
        MassTable=np.array([0, mass, 0, 0, 0, 0]),
        Time=a,
        Redshift=1 / a - 1,
        BoxSize=box.size[0] if len(set(box.size)) == 1 else np.array(box.size),
        Omega0=omega_m,
        OmegaLambda=1 - omega_m,
        HubbleParam=units.h,
        UnitLength_in_cm=MPC_CM,
        UnitMass_in_g=_MASS_G,
        UnitVelocity_in_cm_per_s=1e5,
    )
