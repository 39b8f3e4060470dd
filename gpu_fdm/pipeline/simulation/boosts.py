"""Boosts of a simulation: the power of one run over that of another, at every epoch.

Of several seeds it is the ratio of the means, with its scatter (spectra.ratio_of_means). Rows are marked that are
beyond the Nyquist wavenumber, beyond the forces of particles, or of an epoch in which a wave is unresolved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from ...cosmology.transfer import jeans_wavenumber
from ...fields.box import Box
from ...io import schema
from ...io.result_file import GroupWriter
from ...io.shot_noise import SUBTRACTED, shot_noise_attribute
from ...simulation.schroedinger_poisson import Alarms
from ...spectra.boost import LIMITS, Boost, boost_of
from ...spectra.ratio_of_means import RatioOfMeans
from ...spectra.spectrum import Spectrum
from ...units import CodeUnits
from .record import Record, force_wavenumber, is_wave, mean_record

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
TRUSTED_NOISE = 0.1  # of the power: where less of it is shot noise, a summary tells ratios
UNRESOLVED = Alarms().unresolved  # mass share of a wave beyond which its epoch is not used


@dataclass(frozen=True, eq=False)
class SimulatedBoost:
    """The boost of an epoch.

    boost       of the mean power of all seeds;  means  with the scatter of seeds, None for one
    shot_noise  of particles at random over the power of the denominator, shape (rows,)
    unresolved  mass share of the wave above the line, shape (seeds,); None where particles are
    """

    boost: Boost
    means: RatioOfMeans | None
    shot_noise: NDArray
    unresolved: NDArray | None


# by the names of the runs above and below the line, at every epoch; None where not both have power above round-off
Boosts = Mapping[tuple[str, str], list[SimulatedBoost | None]]


def boosts_of(records: Mapping[str, Sequence[Record]], box: Box, m22: float) -> Boosts:
    """All of BOOSTS of which there are both runs; records  of each run, one for each seed."""
    found: dict[tuple[str, str], list[SimulatedBoost | None]] = {}
    for pair in BOOSTS:
        if all(run in records for run in pair):
            means = {run: mean_record(records[run]) for run in pair}
            epochs = range(len(means[pair[0]].scale_factor))
            found[pair] = [_simulated_boost(pair, records, means, epoch, box, m22) for epoch in epochs]
    return found


def _simulated_boost(
    pair: tuple[str, str],
    records: Mapping[str, Sequence[Record]],
    means: Mapping[str, Record],
    epoch: int,
    box: Box,
    m22: float,
) -> SimulatedBoost | None:
    above, below = (means[run].spectrum(epoch, run, box, m22) for run in pair)
    rows = (above.power > above.floor) & (below.power > below.floor)
    if not rows.any():
        return None
    if same_modes(above, below):
        below = evolve(below, of=f"{below.of} (same initial conditions)")
    boost = boost_of(above.rows(rows), below.rows(rows))
    seeds = range(len(records[pair[0]]))
    ratio = None
    if len(seeds) > 1:
        powers = ([record.power[epoch][1:][rows] for record in records[run]] for run in pair)
        ratio = RatioOfMeans.of(*powers)
        boost = evolve(boost, error=ratio.error)
    a = means[pair[0]].scale_factor[epoch]
    shares = [record.unresolved(a) for record in records[pair[0]]]
    unresolved = None if None in shares else np.array(shares, float)
    lost = unresolved is not None and bool(unresolved.max() > UNRESOLVED)
    boost = evolve(boost, beyond_force=boost.k > force_wavenumber(box), beyond_velocity=np.full(len(boost.k), lost))
    return SimulatedBoost(boost, ratio, _noise(means[pair[1]], epoch, boost.k), unresolved)


def same_modes(above: Spectrum, below: Spectrum) -> bool:
    """Whether two spectra are of runs with the same initial modes, not only the same random numbers."""
    return above.of.split(", ")[1] == below.of.split(", ")[1]


def stored_boosts(file: h5py.File) -> list[Boost]:
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
            names = "k", "boost", "error", "beyond_nyquist", "beyond_force"
            k, boost, error, nyquist, force = (group[name][:][rows] for name in names)
            about: dict[str, Any] = {name: float(group.attrs[name]) for name in ("redshift", "m22")}
            noisy = [name for run, name in ((above, numerator), (below, denominator)) if not is_wave(run)]
            about["shot_noise"] = ", ".join(f"{SUBTRACTED[False]} from {name}" for name in noisy)
            about |= {"source": f"{file.filename} {folder}/{epoch}", "error": error}
            about |= {"beyond_nyquist": nyquist, "beyond_force": force}
            # the attribute, which results of earlier versions have too
            about["beyond_velocity"] = np.full(len(k), group.attrs.get("unresolved", 0.0) > UNRESOLVED)
            if rows.any():
                found.append(Boost(k, boost, numerator, denominator, **about))
    return found


def write_boosts(
    file: GroupWriter, found: Boosts, scale_factors: NDArray, box: Box, code: CodeUnits, seeds: Sequence[int]
) -> None:
    """Write /boost/<run above>_over_<run below>/<epoch>."""
    for (above, below), series in found.items():
        for epoch, simulated in enumerate(series):
            if simulated is None:
                continue
            a, boost, means, unresolved = scale_factors[epoch], simulated.boost, simulated.means, simulated.unresolved
            columns = {"k": boost.k, "boost": boost.boost, "error": boost.error, "shot_noise": simulated.shot_noise}
            columns |= {name: getattr(boost, name).astype(np.uint8) for name in LIMITS}
            if means is not None:
                columns |= {"scatter": means.scatter, "each": means.each, "seeds": np.array(seeds, np.uint64)}
                columns["unresolved_each"] = unresolved
            file.group(
                f"/{schema.BOOST}/{above}_over_{below}/{epoch}",
                columns,
                numerator=boost.numerator,
                denominator=boost.denominator,
                redshift=1 / a - 1,
                scale_factor=a,
                m22=boost.m22,
                nyquist=box.nyquist,
                force_wavenumber=force_wavenumber(box),
                jeans_wavenumber=jeans_wavenumber(code, a),
                unresolved=None if unresolved is None else float(unresolved.max()),
                **shot_noise_attribute(None if is_wave(above) and is_wave(below) else False),
            )


def describe_boosts(found: Boosts, seeds: Sequence[int]) -> list[str]:
    """Lines for every boost at its last resolved epoch: least and largest ratio where grid and particles are good.

    Of several seeds it is the ratio of the means, each with its error.
    """
    lines = []
    for series in found.values():
        known = [simulated for simulated in series if simulated is not None]
        resolved = [simulated for simulated in known if not simulated.boost.beyond_velocity.any()]
        if known:
            lines += _lost_epochs(known, seeds)
        for simulated in resolved[-1:]:
            boost = simulated.boost
            good = boost.good & (simulated.shot_noise < TRUSTED_NOISE)
            text = f"nowhere less than {TRUSTED_NOISE:g} of the power is shot noise"
            if good.any():
                ends = np.flatnonzero(good)[[np.argmin(boost.boost[good]), np.argmax(boost.boost[good])]]
                text = " to ".join(_ratio_in_words(simulated, int(row)) for row in dict.fromkeys(ends)) + " h/Mpc"
            of = f", mean of {len(seeds)} seeds" if len(seeds) > 1 else ""
            lines.append(
                f"P of {boost.numerator} over that of {boost.denominator}{of}, z = {boost.redshift:.4g}: {text}"
            )
    return lines


def _ratio_in_words(simulated: SimulatedBoost, row: int) -> str:
    boost = simulated.boost
    error = "" if simulated.means is None else f" +- {simulated.means.error[row]:.2g}"
    return f"{boost.boost[row]:.3g}{error} at k = {boost.k[row]:.4g}"


def _lost_epochs(known: Sequence[SimulatedBoost], seeds: Sequence[int]) -> list[str]:
    """A line about the epochs of a boost that are not resolved."""
    lost = [simulated for simulated in known if simulated.boost.beyond_velocity.any()]
    if not lost:
        return []
    shares = np.array([simulated.unresolved for simulated in lost])
    _, seed = np.unravel_index(shares.argmax(), shares.shape)
    of = f" (seed {seeds[int(seed)]})" if len(seeds) > 1 else ""
    boost, redshifts = lost[0].boost, ", ".join(f"{simulated.boost.redshift:.4g}" for simulated in lost)
    return [
        f"P of {boost.numerator} over that of {boost.denominator}, z = {redshifts}: not used: up to "
        f"{100 * shares.max():.2g} % of the mass{of} turns its phase by more than pi/2 a cell"
    ]


def _noise(record: Record, epoch: int, k: np.ndarray) -> np.ndarray:
    """Power of particles at random over that of a run, in the bins with these mean k.

    The same bins of runs on other numbers of ranks have means that differ by round-off: the nearest are meant.
    """
    rows = np.abs(record.k[:, None] - k).argmin(axis=0)
    return record.shot_noise[rows] / record.power[epoch][rows]
