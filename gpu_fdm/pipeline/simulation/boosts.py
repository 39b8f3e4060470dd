"""Boosts of a simulation: the power of one run over that of another, at every epoch."""

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from attrs import evolve

from ...cosmology.transfer import jeans_wavenumber
from ...fields.box import Box
from ...io import schema
from ...io.result_file import GroupWriter
from ...spectra.boost import Boost, boost_of
from ...spectra.spectrum import Spectrum
from ...units import CodeUnits
from .record import Record, force_wavenumber

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

# by the names of the runs above and below the line, at every epoch; None where not both have power above round-off
Boosts = Mapping[tuple[str, str], list[Boost | None]]


def boosts_of(records: Mapping[str, Record], box: Box, m22: float) -> Boosts:
    """All of BOOSTS of which there are both runs."""
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
    """Write /boost/<run above>_over_<run below>/<epoch>."""
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


def describe_boosts(found: Boosts, records: Mapping[str, Record]) -> list[str]:
    """A line for every boost at its last epoch: the least and the largest ratio where grid and particles are good."""
    lines = []
    for (_, below), series in found.items():
        boost = series[-1]
        if boost is None:
            continue
        good = ~boost.beyond_nyquist & (_noise(records[below], -1, boost.k) < TRUSTED_NOISE)
        text = f"nowhere less than {TRUSTED_NOISE:g} of the power is shot noise"
        if good.any():
            k, ratio = boost.k[good], boost.boost[good]
            low, high = int(np.argmin(ratio)), int(np.argmax(ratio))
            text = f"{ratio[low]:.3g} at k = {k[low]:.4g} to {ratio[high]:.3g} at k = {k[high]:.4g} h/Mpc"
        lines.append(f"P of {boost.numerator} over that of {boost.denominator}, z = {boost.redshift:.4g}: {text}")
    return lines


def _noise(record: Record, epoch: int, k: np.ndarray) -> np.ndarray:
    """Power of particles at random over that of a run, in the bins with these mean k.

    The same bins of runs on other numbers of ranks have means that differ by round-off: the nearest are meant.
    """
    rows = np.abs(record.k[:, None] - k).argmin(axis=0)
    return record.shot_noise[rows] / record.power[epoch][rows]
