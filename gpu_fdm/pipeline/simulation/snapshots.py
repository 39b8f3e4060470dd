"""Snapshots of a simulation: densities, psi, and particles as GADGET has them. Layout in docs/simulation.md."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...fields.box import Box
from ...io import schema
from ...io.result_file import Writer
from ...parallel.ranks import Ranks
from ...simulation.particle_mesh import ParticleState
from ...snapshots.gadget_header import MPC_CM
from ...units import CodeUnits

_PIECE = 1 << 22  # particles written at a time
_KPC = 1000.0  # of a megaparsec: GADGET's unit, which yt takes whatever the header says
_MASS_G = 1.988409870698051e43  # 10^10 solar masses, IAU 2015 B3 and CODATA 2018


def write_density(file: Writer, run: str, box: Box, slab: Any, redshift: float, ranks: Ranks) -> None:
    """/density/<run>: this rank's planes along x of the density in a snapshot [mean matter densities]."""
    folder = f"/{schema.DENSITY}"
    sampling = "point" if run.startswith("wave") else "cic"
    about = {"box_size": box.size, "sampling": sampling, "redshift": redshift}
    file.reserve(f"{folder}/{run}", box.cells, slab.dtype, **about)
    file.write_slab(f"{folder}/{run}", ranks.share(box.cells[0])[0], slab)
    file.attributes(folder, box_size=box.size)


def write_psi(file: Writer, box: Box, psi: Any, ranks: Ranks) -> None:
    """/psi: this rank's planes along x."""
    file.reserve("/psi", box.cells, psi.dtype, box_size=box.size)
    file.write_slab("/psi", ranks.share(box.cells[0])[0], psi)


def write_particles(
    file: Writer, state: ParticleState, box: Box, units: CodeUnits, omega_m: float, ranks: Ranks
) -> None:
    """/Header and /PartType1, as GADGET has them: comoving kpc/h, v_peculiar/sqrt(a) in km/s, 10^10 Msun/h."""
    a, counts = state.times.epoch, ranks.allgather(len(state.identity))
    first, number = sum(counts[: ranks.rank]), sum(counts)
    columns: tuple[tuple[str, Callable[[slice], Any], tuple[int, ...], type], ...] = (
        # name, values of some particles, shape of one, dtype
        ("Coordinates", lambda some: state.position[:, some].T * (units.length * _KPC), (3,), np.float64),
        ("Velocities", lambda some: state.momentum[:, some].T * (units.velocity * a**-1.5), (3,), np.float32),
        ("ParticleIDs", lambda some: state.identity[some], (), np.int64),
    )
    for name, values, shape, dtype in columns:
        path = f"/PartType1/{name}"
        file.reserve(path, (number, *shape), dtype)
        # as many calls on every rank
        for begin in range(0, max(counts), _PIECE):
            part = slice(min(begin, counts[ranks.rank]), min(begin + _PIECE, counts[ranks.rank]))
            file.write_slab(path, first + part.start, values(part).astype(dtype, order="C", copy=False))
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
        BoxSize=box.size[0] * _KPC if len(set(box.size)) == 1 else np.array(box.size) * _KPC,
        Omega0=omega_m,
        OmegaLambda=1 - omega_m,
        HubbleParam=units.h,
        UnitLength_in_cm=MPC_CM / _KPC,
        UnitMass_in_g=_MASS_G,
        UnitVelocity_in_cm_per_s=1e5,
    )
