"""Snapshots of a simulation: densities, psi, and particles as GADGET has them. Layout in docs/simulation.md."""

import numpy as np

from ..fields.box import Box
from ..parallel.ranks import Ranks
from ..snapshots.gadget_header import MPC_CM
from ..units import CodeUnits

_PIECE = 1 << 22  # particles written at a time
_MASS_G = 1.988409870698051e43  # 10^10 solar masses, IAU 2015 B3 and CODATA 2018


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
    a, counts = state.times.epoch, ranks.allgather(len(state.identity))
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
