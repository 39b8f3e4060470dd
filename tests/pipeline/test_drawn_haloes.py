"""Haloes drawn from a mass function: their number, mass and power are those of the function; a draw can be repeated."""

import h5py
import numpy as np
import pytest
from rank_runs import agree, needs_mpi, run_here

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.haloes.draw import draw_haloes
from gpu_fdm.haloes.halo import halo_spectrum
from gpu_fdm.haloes.table import HaloRow
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.box import fill_slab
from gpu_fdm.pipeline.gas_haloes import profile_of_halo, read_haloes, sizes_of
from gpu_fdm.pipeline.model import code_units
from gpu_fdm.pipeline.models import Models
from gpu_fdm.pipeline.run import dry_run
from gpu_fdm.population.mass_function import MassFunction
from gpu_fdm.spectra.power import power_spectrum

DRAWN = "[gas]\n{gas}\n[wavefunction]\n[box]\nsize = {size}\ncells = {cells}\n"
FEW = DRAWN.format(gas="halo_mass_min = 5e8\nhalo_mass_max = 1e9", size="2.6, 2.5, 2.7", cells="13, 15, 14")
FEW += "tolerance = 1e-3\n[run]\nbackend = cpu\n"


def dense(config, amplitude):
    """dn/dlnM = amplitude sqrt(M/1e9) in the window of a config."""
    mass = np.geomspace(config.gas.halo_mass_min, config.gas.halo_mass_max, 20)
    return MassFunction(mass, amplitude * (mass / 1e9) ** 0.5, 0.0)


def drawn_boxes(config, function, seeds, ranks=SERIAL):
    """Models and filled slab of haloes drawn with each seed."""
    window, volume = (config.gas.halo_mass_min, config.gas.halo_mass_max), float(np.prod(config.box.size))
    for seed in seeds:
        drawn = draw_haloes(volume, function, window, seed)
        sizes = sizes_of(config, read_haloes(config, drawn.rows))
        models = Models(config, [], ranks=ranks, threads=1, haloes=sizes)
        yield models, fill_slab(models, 0.0, CPU(1))


def check_ranks(ranks):
    """A drawn box has the same bits on any number of ranks."""
    config = parse_config(FEW)
    (_, slab), (models, whole) = (next(drawn_boxes(config, dense(config, 0.3), [1], each)) for each in (ranks, SERIAL))
    assert len(models.haloes) > 1 and whole.fdm.any()
    np.testing.assert_array_equal(slab.densities, whole.densities[:, slab.domain.planes])


@needs_mpi
def test_ranks_have_the_same_bits():
    agree(__file__, 3)


def test_means_of_draws_are_those_of_the_mass_function():
    """Number, mass and power of points, for dn/dlnM = A/M^0.9: closed forms."""
    low, high, sides, slope, amplitude = 1e9, 1e10, np.array([2.0, 1.7, 2.3]), -0.9, 2e8
    mass, volume = np.geomspace(low / 2, 2 * high, 50), float(np.prod(sides))
    function = MassFunction(mass, amplitude * mass**slope, 0.0)
    draws = [draw_haloes(volume, function, (low, high), seed) for seed in range(400)]
    expected = [
        amplitude * volume * (high ** (slope + power) - low ** (slope + power)) / (slope + power) for power in range(5)
    ]
    assert [draws[0].number, draws[0].mass, draws[0].scatter ** 2] == pytest.approx(expected[:3], rel=1e-6)

    def sums(power):
        return np.array([sum(row.mass**power for row in draw.rows) for draw in draws])

    for power in range(3):
        assert abs(sums(power).mean() - expected[power]) < 3 * np.sqrt(expected[2 * power] / len(draws))
    waves = 2 * np.pi * np.array([[1, 0, 0], [0, 2, -1], [1, 1, 1]])
    modes = [[sum(r.mass * np.exp(1j * k @ np.array(r.centre)) for r in draw.rows) for k in waves] for draw in draws]
    found = np.abs(np.array(modes)) ** 2
    assert np.all(np.abs(found.mean(axis=0) - expected[2]) < 3 * found.std(axis=0) / np.sqrt(len(draws)))
    assert len({row.seed for draw in draws for row in draw.rows}) == sums(0).sum()


def test_boxes_of_drawn_haloes_have_the_one_halo_spectrum():
    """P(k) of boxes against int M^2 (u^2 + I) dn of exact spectra, for a dense population."""
    config = parse_config(
        DRAWN.format(gas="halo_mass_min = 6e8\nhalo_mass_max = 9e8", size="0.4, 0.42, 0.38", cells="24, 25, 23")
        + "sampling = average\ntolerance = 1e-3\n[run]\nbackend = cpu\n"
    )
    window, volume, unit = (6e8, 9e8), 0.4 * 0.42 * 0.38, code_units(config).length
    function, powers = dense(config, 120), []
    for models, slab in drawn_boxes(config, function, range(4)):
        mass_of_box = sum(record.masses["fdm"] for record in models.haloes.records())
        spectrum = power_spectrum(slab.fdm, config.box.size)
        powers.append(spectrum.power[1:] * mass_of_box**2 / volume)
    k = spectrum.k[1:]
    some = k < 0.35 * slab.box.nyquist
    nodes, weights = np.polynomial.legendre.leggauss(3)
    middle, half = np.log(window).mean(), np.diff(np.log(window))[0] / 2
    expected = 0.0
    for at, weight in zip(np.exp(middle + half * nodes).tolist(), half * weights, strict=True):
        (halo,) = read_haloes(config, [HaloRow(1, at, (0.5, 0.5, 0.5))])
        exact = halo_spectrum(profile_of_halo(config, halo), k[some] * unit, fixed_amplitudes=True)
        expected += weight * function(at) * at**2 * exact.power * volume
    window_of_cells = np.exp(-(k[some] ** 2) * np.mean(slab.box.spacing**2) / 12)
    found = np.array(powers)[:, some] / (expected * window_of_cells)
    pull = (found.mean(axis=0) - 1) / (found.std(axis=0, ddof=1) / np.sqrt(len(found)))
    assert np.sqrt(np.mean(pull**2)) < 2
    assert np.all(np.abs(found.mean(axis=0) - 1) < 0.5)


def test_the_table_of_a_draw_gives_the_same_box(tmp_path):
    drawn = parse_config(FEW + f"output = {tmp_path / 'one'}\n[power]\n")
    outcome = pipeline.run(drawn)
    table = tmp_path / "one" / "drawn_haloes.csv"
    line = next(line for line in outcome.summary if line.startswith("drawn 4 haloes, 2.44 expected, of 2.858e+09 "))
    assert line.endswith(f": {table}") and dry_run(drawn)[0] == line.removesuffix(f": {table}")
    again = FEW.replace("halo_mass_min = 5e8\nhalo_mass_max = 1e9", f"haloes = {table}")
    other = pipeline.run(parse_config(again + f"seed = 7\noutput = {tmp_path / 'two'}\n[power]\n"))
    with h5py.File(outcome.result) as one, h5py.File(other.result) as two:
        for name in ("density/fdm", "density/smooth", "power/fdm/power"):
            np.testing.assert_array_equal(one[name], two[name])
        assert one["haloes/01"].attrs["mass"] == two["haloes/01"].attrs["mass"]
    table.write_text("mass\n1\n")
    with pytest.raises(InputError, match=r"drawn_haloes\.csv: is a file that gpu-fdm did not write"):
        pipeline.run(parse_config(FEW + f"seed = 2\noutput = {tmp_path / 'one'}\n"))


@pytest.mark.parametrize(
    ("gas", "message"),
    [
        ("halo_mass_min = 1e9", "[gas] halo_mass_max = (empty): must be given with halo_mass_min, and only then"),
        ("number = 1\nhalo_mass_max = 1e9", "[gas] halo_mass_max = 1000000000: must be given with halo_mass_min, and"),
        ("halo_mass_min = 1e9\nhalo_mass_max = 1e9", "[gas] halo_mass_min = 1000000000: must be smaller than"),
        (
            "haloes = x.csv\nhalo_mass_min = 1e9\nhalo_mass_max = 2e9",
            "[gas] halo_mass_min = 1000000000: must be empty where haloes come from a table",
        ),
        (
            "halo_mass_min = 1e7\nhalo_mass_max = 1e9",
            "[gas] halo_mass_min = 10000000: a halo of 1e+07 Msun/h: its core, 0.01083 cMpc/h, is larger than the halo",
        ),
        (
            "halo_mass_min = 1e9\nhalo_mass_max = 1e15",
            "[gas] halo_mass_max = 1e+15: a halo of 1e+15 Msun/h: its diameter, ",
        ),
        (
            "halo_mass_min = 1e9\nhalo_mass_max = 1.01e9",
            "[gas] halo_mass_min = 1000000000: none was drawn, 0.0547 are expected: must be a wider window, a larger",
        ),
    ],
)
def test_draws_that_are_refused(gas, message):
    with pytest.raises(InputError) as caught:
        dry_run(parse_config(DRAWN.format(gas=gas, size="2.6, 2.5, 2.7", cells="16")))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_box_of_too_many_haloes():
    config = parse_config(
        DRAWN.format(gas="number = 1\nhalo_mass_min = 5e8\nhalo_mass_max = 1e10", size="60", cells="16")
    )
    with pytest.raises(InputError, match=r"\[gas\] halo_mass_min, halo_mass_max: .* expected .* at most 10000"):
        dry_run(config)


if __name__ == "__main__":
    run_here(check_ranks)
