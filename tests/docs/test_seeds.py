"""The tables of seeds in docs/simulation.md are those of docs/simulation_seeds.csv, and every seed is resolved."""

import csv
import re

import pytest
from locations import REPOSITORY

PAGE = (REPOSITORY / "docs" / "simulation.md").read_text()
NOISE = 0.1  # of the power: beyond it a boost is in brackets


@pytest.fixture(scope="module")
def rows():
    with (REPOSITORY / "docs" / "simulation_seeds.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("m22", [1, 2])
def test_the_table_of_the_page(rows, m22):
    heading, table = re.search(rf"^\| m22 = {m22}: seed \| unresolved (.*?)\n(.*?)\n\n", PAGE, re.M | re.S).groups()
    wavenumbers = heading.strip("| ").split(" | ")
    for line in table.splitlines()[1:]:
        seed, unresolved, *shown = (cell.strip() for cell in line.strip("|").split("|"))
        of_seed = [row for row in rows if row["seed"] == seed and float(row["m22"]) == m22]
        for k, text in zip(wavenumbers, shown, strict=True):
            row = min(of_seed, key=lambda row: abs(float(row["k"]) - float(k)))
            assert f"{float(row['k']):.3g}" == k
            boost = f"{float(row['boost']):.{3 if seed == 'error' else 2}f}"
            assert text == (boost if float(row["shot_noise"]) < NOISE or seed == "error" else f"({boost})")
            assert unresolved == (f"{100 * float(row['unresolved']):.2g} %" if row["unresolved"] else "")
    assert len(table.splitlines()) == 1 + 8 + 2


def test_every_seed_is_resolved(rows):
    seeds = {(row["m22"], row["seed"]): row["unresolved"] for row in rows if row["seed"].isdigit()}
    assert len(seeds) == 16 and all(float(unresolved) < 0.01 for unresolved in seeds.values())
