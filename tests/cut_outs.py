"""Cut-outs of psi with known weights and phases: slices of eigenstates, independent of each other or with momentum."""

import numpy as np

from gpu_fdm.config.config import parse_config
from gpu_fdm.fields.cross_section import psi_at, tabulate
from gpu_fdm.filament.wavefunction import WaveFunction
from gpu_fdm.io.result_file import atomic_hdf5
from gpu_fdm.io.schema import CUT_OUT, MEASURED, MEASURED_FILAMENT
from gpu_fdm.pipeline.model import build_model

INI = "[dark_matter]\nm22 = {m22}\n[filament]\n[wavefunction]\nenergy_cut = {energy_cut}\n"


def model(m22=1.0, energy_cut=0.9):
    """The default filament."""
    return build_model(parse_config(INI.format(m22=m22, energy_cut=energy_cut)))


def slices(one, points, side, count, seed=1, momentum=(0.0, 0.0), bend=0.0):
    """psi of independent slices [u, v, slices], their amplitudes (modes, 2, slices), and their centres (slices, 2).

    side  [L];  momentum  of all slices across [1/L];  bend  sagitta of the centres along u [L]
    """
    library, random = one.library, np.random.default_rng(seed)
    line = ((np.arange(points) + 0.5) / points - 0.5) * side
    z = np.linspace(-1, 1, count)
    centres = np.stack([bend * z**2, np.zeros(count)], axis=-1)
    phase = 2 * np.pi * random.random((len(library), 2, count))
    psi = np.empty((points, points, count), complex)
    for n in range(count):
        table = tabulate(WaveFunction(library, one.weights.weight, phase[:, :, n]), tolerance=1e-6)
        psi[:, :, n] = psi_at(table, line[:, None] - centres[n, 0], line)
    psi *= np.exp(1j * (momentum[0] * line[:, None] + momentum[1] * line))[:, :, None]
    amplitude = np.sqrt(one.weights.weight)[:, None, None] * np.exp(1j * phase)
    amplitude[library.l == 0, 1] = 0
    return psi, amplitude, centres


def write_cut_out(path, one, psi, side, length, centres=None, name="psi", **about):
    """A file as gpu-fdm filament writes it, of what [wavefunction] cut_out needs.

    side [L], length [L]  of the lattice;  centres  shape (slices, 2) [L];  about  attributes in place of the filament's
    """
    unit = one.units.length
    about = {"redshift": one.filament.redshift, "m22": one.filament.m22} | about
    with atomic_hdf5(path, MEASURED_FILAMENT) as file:
        file.group(f"/{MEASURED}", {}, **about)
        if centres is not None:
            z = ((np.arange(len(centres)) + 0.5) / len(centres) - 0.5) * length
            file.group(f"/{MEASURED}/slices", {"centre": np.column_stack([centres, z]) * unit})
        field = psi.astype(np.complex64) if name == "psi" else (np.abs(psi) ** 2).astype(np.float32)
        file.group(f"/{CUT_OUT}", {name: field}, sides=[side * unit, side * unit, length * unit])
    return path
