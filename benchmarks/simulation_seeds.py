"""The table of docs/simulation.md: boosts of each seed of simulations, from their results.

    python -m benchmarks.simulation_seeds RESULT... --csv docs/simulation_seeds.csv

Each RESULT is of `gpu-fdm run` with several [simulation] seeds. The CSV file has every k at the last epoch; the table
that is printed has a few, those where each of the boxes is good.
"""

import argparse
import csv
from pathlib import Path

import h5py
import numpy as np

PAIR = "boost/wave_fdm_over_particles_fdm"
COLUMNS = "m22", "size", "redshift", "seed", "unresolved", "k", "boost", "shot_noise", "beyond_force"
NOISE = 0.1  # of the power: beyond it a boost is in brackets


def last_epoch(file):
    """The group of the last epoch of the boost."""
    return file[PAIR][max(file[PAIR], key=int)]


def rows_of(path):
    """Rows of the CSV file, one for each seed and k, and one of the ratio of means, whose seed is `mean`."""
    with h5py.File(path) as file:
        size, epoch = float(file["simulation"].attrs["size"][0]), last_epoch(file)
        k, mean, error, noise, force = (
            epoch[name][:] for name in ("k", "boost", "error", "shot_noise", "beyond_force")
        )
        m22, redshift = (float(epoch.attrs[name]) for name in ("m22", "redshift"))
        number = epoch.name.split("/")[-1]
        particles = {
            seed: file[f"simulation/seed_{seed}/particles_fdm/{number}"] for seed in epoch["seeds"][:].tolist()
        }
        # the same bins, but for those in which there is nothing but round-off
        bins = np.abs(next(iter(particles.values()))["k"][:][:, None] - k).argmin(axis=0)
        power = {seed: group["power"][bins] for seed, group in particles.items()}
        shot = noise * np.mean(list(power.values()), axis=0)
        for seed, boost, unresolved in zip(power, epoch["each"][:], epoch["unresolved_each"][:], strict=True):
            for row in range(len(k)):
                own = shot[row] / power[seed][row]
                yield m22, size, redshift, seed, unresolved, k[row], boost[row], own, int(force[row])
        for row in range(len(k)):
            yield (
                m22,
                size,
                redshift,
                "mean",
                float(epoch.attrs["unresolved"]),
                k[row],
                mean[row],
                noise[row],
                int(force[row]),
            )
            yield m22, size, redshift, "error", "", k[row], error[row], noise[row], int(force[row])


def rounded(value):
    """A number with the five digits that are written."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def main():
    """Write the CSV file and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--bins", type=int, nargs="+", default=[2, 4, 6, 8, 10, 12], help="bins of the printed table")
    options = parser.parse_args()
    rows = [dict(zip(COLUMNS, map(rounded, row), strict=True)) for path in options.results for row in rows_of(path)]
    with options.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{v:g}" if isinstance(v, float) else v for name, v in row.items()} for row in rows)
    for m22 in dict.fromkeys(row["m22"] for row in rows):
        of_boson = [row for row in rows if row["m22"] == m22]
        known = [row["k"] for row in of_boson if row["seed"] == "mean"]
        shown = [known[number - 1] for number in options.bins]
        print(f"| m22 = {m22:g}: seed | unresolved | " + " | ".join(f"{k:.3g}" for k in shown) + " |")
        print("|---" * (len(shown) + 2) + "|")
        for seed in dict.fromkeys(row["seed"] for row in of_boson):
            cells = [row for row in of_boson if row["seed"] == seed and row["k"] in shown]
            unresolved = cells[0]["unresolved"]
            share = f"{100 * unresolved:.2g} %" if unresolved != "" else ""
            if seed == "error":
                texts = [f"{cell['boost']:.3f}" for cell in cells]
            else:
                texts = [f"{c['boost']:.2f}" if c["shot_noise"] < NOISE else f"({c['boost']:.2f})" for c in cells]
            print(f"| {seed} | {share} | " + " | ".join(texts) + " |")


if __name__ == "__main__":
    main()
