"""psi of a snapshot of this program, evolved by jaxion to the redshift of a later one, and how far they agree.

    python -m venv jaxion && jaxion/bin/pip install jaxion h5py
    jaxion/bin/python validation/jaxion_snapshot.py FIRST.hdf5 LAST.hdf5 --output jaxion_output

jaxion (pypi.org/project/jaxion) needs none of this program, and this script neither. The checkpoint that it writes,
OUTPUT/1, is a snapshot that gpu-fdm reads.
"""

import argparse
from configparser import ConfigParser
from pathlib import Path

import h5py
import jax
import jaxion
import numpy as np

CRITICAL = 277.5366  # critical density today [h^2 Msun/kpc^3]


def read(path: Path) -> tuple[np.ndarray, float, float, dict[str, float]]:
    """psi, its redshift, the side of the box [cMpc/h], and h, omega_m and m22."""
    with h5py.File(path) as file:
        psi, ini = file["psi"], ConfigParser()
        ini.read_string(file.attrs["config"])
        about = {key: ini.getfloat("cosmology", key) for key in ("h", "omega_m")}
        about["m22"] = ini.getfloat("dark_matter", "m22")
        return psi[:], float(file.attrs["redshift"]), float(np.ravel(psi.attrs["box_size"])[0]), about


def evolve(
    psi: np.ndarray, first: float, last: float, side: float, about: dict[str, float], output: Path
) -> np.ndarray:
    """psi in mean densities at the redshift last, of that at the redshift first."""
    h, omega_m = about["h"], about["omega_m"]
    mean = CRITICAL * omega_m * h**2  # comoving [Msun/kpc^3]
    parameters = {
        "physics": {"quantum": True, "gravity": True, "cosmology": True},
        "domain": {"box_size": 1e3 * side / h, "resolution_base": len(psi)},
        "time": {"start": first, "end": last},
        "cosmology": {"omega_matter": omega_m, "omega_lambda": 1 - omega_m, "little_h": h},
        "quantum": {"m_22": about["m22"]},
        "output": {"path": str(output), "num_checkpoints": 1},
    }
    simulation = jaxion.Simulation(parameters)
    state = simulation.state
    state["psi"] = jax.numpy.asarray(psi * np.sqrt(mean), dtype=state["psi"].dtype)
    state["redshift"] = first
    simulation.run()
    return np.asarray(simulation.state["psi"]) / np.sqrt(mean)


def main() -> None:
    """Evolve, and print the differences of densities."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("last", type=Path)
    parser.add_argument("--output", type=Path, default=Path("jaxion_output"))
    options = parser.parse_args()
    psi, first, side, about = read(options.first)
    ours, last, _, _ = read(options.last)
    theirs = evolve(psi, first, last, side, about, options.output)
    density, other = np.abs(ours) ** 2, np.abs(theirs) ** 2
    print(
        f"z = {first:g} to {last:g}, {len(psi)}^3 cells: density at most {density.max():.3g} mean densities, differs "
        f"by {np.sqrt(np.mean((density - other) ** 2)):.2g} (rms), {np.abs(density - other).max():.2g} at most"
    )


if __name__ == "__main__":
    main()
