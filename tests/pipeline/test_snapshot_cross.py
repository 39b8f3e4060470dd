"""Cross power of two snapshots: known relations, shot noise, cells of both, any number of ranks, on a card."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu
from rank_runs import TWO, agree, needs_mpi, run_here
from snapshot_files import MPC_CM, add_gas, write_gadget

from gpu_fdm.errors import InputError, RunError
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.ranks import SERIAL, Ranks
from gpu_fdm.pipeline import snapshot_modes
from gpu_fdm.pipeline.snapshot import Measurement, snapshot_power
from gpu_fdm.pipeline.snapshot_cross import snapshot_cross
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.spectra.power import power_spectrum

SIDE = 20.0
GIVEN = SnapshotOptions(box_size=SIDE, redshift=2.0)
NOTHING = SnapshotOptions()
UNITS = {"UnitLength_in_cm": MPC_CM, "HubbleParam": 0.7, "Omega0": 0.3}
CELLS = (16, 16, 16)
HOW = Measurement()


def density(seed=1, rms=0.5, cells=CELLS):
    """A log-normal density whose power falls with k."""
    modes = np.fft.rfftn(np.random.default_rng(seed).standard_normal(cells))
    along = [np.fft.fftfreq(number, 1 / number) for number in cells[:2]] + [np.arange(cells[2] // 2 + 1)]
    k = np.sqrt(along[0][:, None, None] ** 2 + along[1][:, None] ** 2 + along[2] ** 2)
    modes *= np.where((k > 0) & (k < 7), np.maximum(k, 1), np.inf) ** -1.0
    field = np.fft.irfftn(modes, cells, axes=(0, 1, 2))
    return np.exp(rms * field / field.std())


def sample(rho, number, seed):
    """Particles at random in the cells of a density."""
    random = np.random.default_rng(seed)
    cells = random.choice(rho.size, number, p=rho.ravel() / rho.sum())
    places = np.stack(np.unravel_index(cells, rho.shape), 1) + random.random((number, 3))
    return SIDE * places / rho.shape


def write(folder, positions, name="snap", **more):
    return write_gadget(folder, positions, header=UNITS, **{"box_size": SIDE, "name": name, **more})


def crossed_grids(folder, first, second, how=HOW, ranks=SERIAL, backend=None):
    for name, values in (("a", first), ("b", second)):
        np.save(folder / f"{name}.npy", values)
    return snapshot_cross(folder / "a.npy", folder / "b.npy", GIVEN, GIVEN, how, ranks, backend)


class TestGrids:
    def test_a_copy_has_the_power_of_the_field(self, tmp_path):
        rho = density()
        found = crossed_grids(tmp_path, rho, rho)
        alone = snapshot_power(tmp_path / "a.npy", options=GIVEN)
        for power in (found.spectrum, found.first.spectrum, found.second.spectrum):
            np.testing.assert_array_equal(power.power, alone.spectrum.power)
        np.testing.assert_allclose(found.error[1:], alone.error[1:], rtol=1e-14)
        np.testing.assert_allclose(found.correlation[1:], 1, rtol=1e-14)
        assert np.isnan(found.correlation[0]) and found.first.shot_noise is None

    def test_too_many_bins_are_told_in_one_line(self, tmp_path):
        for name in "ab":
            np.save(tmp_path / f"{name}.npy", density())
        flat = SnapshotOptions(box_size=(1e6, 1.0, 1.0), redshift=2.0)
        with pytest.raises(InputError, match=r"a\.npy: .* bins"):
            snapshot_cross(tmp_path / "a.npy", tmp_path / "b.npy", flat, flat, HOW)

    def test_both_powers_are_those_of_each_alone(self, tmp_path):
        found = crossed_grids(tmp_path, density(1), density(2).astype(np.float32))
        for each, name in ((found.first, "a"), (found.second, "b")):
            alone = snapshot_power(tmp_path / f"{name}.npy", options=GIVEN).spectrum
            # alone, what is stored in single precision is transformed in it
            np.testing.assert_allclose(each.spectrum.power[1:], alone.power[1:], rtol=1e-13 if name == "a" else 1e-3)

    @pytest.mark.parametrize("slope", [0.7, -0.7])
    def test_a_linear_relation(self, tmp_path, slope):
        """rho_2 = mean + slope (rho_1 - mean): P_12 = slope P_1, r its sign."""
        rho = density(rms=0.2)
        found = crossed_grids(tmp_path, rho, rho.mean() + slope * (rho - rho.mean()))
        inside = found.spectrum.k < 0.8 * found.spectrum.nyquist
        power = found.first.spectrum.power
        np.testing.assert_allclose(found.spectrum.power[inside], slope * power[inside], rtol=1e-9)
        np.testing.assert_allclose(found.correlation[inside][1:], np.sign(slope), rtol=1e-9)

    def test_as_the_library_has_it(self, tmp_path):
        found = crossed_grids(tmp_path, density(1), density(2))
        direct = power_spectrum(density(1), SIDE, other=density(2))
        np.testing.assert_allclose(found.spectrum.power, direct.power, rtol=1e-12, atol=1e-14 * direct.power.max())
        one, two = (power_spectrum(density(seed), SIDE).power for seed in (1, 2))
        error = np.sqrt((direct.power**2 + one * two) / direct.modes)
        np.testing.assert_allclose(found.error, error, rtol=1e-12)


class TestParticles:
    def test_shot_noise_is_not_in_the_cross_power(self, tmp_path):
        """Two sets of one density: P_12 is, over seeds, that of the density; its scatter is the error that is told."""
        rho, scores, noises = density(), [], []
        fine = np.kron(rho, np.ones((4, 4, 4)))  # constant in each cell, as particles are sampled
        expected = crossed_grids(tmp_path, fine, fine).spectrum.power
        for seed in range(12):
            paths = [write(tmp_path, sample(rho, number, [seed, number]), f"snap{number}") for number in (9000, 6000)]
            found = snapshot_cross(*paths, how=Measurement(cells=64))
            rows = (found.spectrum.k > 0) & (found.spectrum.k < 5 * 2 * np.pi / SIDE)
            one, two = (each.shot_noise[rows] for each in (found.first, found.second))
            # the density is the same every time: noise alone scatters
            variance = (expected[rows] * (one + two) + one * two) / found.spectrum.modes[rows]
            scores.append((found.spectrum.power[rows] - expected[rows]) / np.sqrt(variance))
            noises.append(one / np.sqrt(variance))
            powers = found.first.power_with_noise * found.second.power_with_noise
            told = np.sqrt((found.spectrum.power**2 + powers) / found.spectrum.modes)
            np.testing.assert_allclose(found.error, told, rtol=1e-12)
        scores = np.array(scores)
        assert abs(scores.mean()) < 4 / np.sqrt(scores.size) < np.mean(noises) / 5  # shot noise would be seen at once
        assert np.mean(scores**2) == pytest.approx(1, abs=5 * np.sqrt(2 / scores.size))

    def test_particles_at_random(self, tmp_path):
        scores = []
        for seed in range(10):
            paths = [
                write(tmp_path, SIDE * np.random.default_rng([seed, n]).random((5000, 3)), f"r{n}") for n in range(2)
            ]
            found = snapshot_cross(*paths, how=Measurement(cells=16, shot_noise=bool(seed % 2)))
            rows = (found.spectrum.k > 0) & (found.spectrum.k < found.spectrum.nyquist)
            scores.append(found.spectrum.power[rows] / found.error[rows])
        scores = np.array(scores)
        assert abs(scores.mean()) < 4 / np.sqrt(scores.size)
        assert np.mean(scores**2) == pytest.approx(1, abs=5 * np.sqrt(2 / scores.size))

    def test_shot_noise_stays_in_the_powers_where_it_is_asked_for(self, tmp_path):
        paths = [write(tmp_path, sample(density(), 4000, n), f"s{n}") for n in range(2)]
        clean, raw = (snapshot_cross(*paths, how=Measurement(cells=16, shot_noise=left)) for left in (False, True))
        np.testing.assert_array_equal(raw.spectrum.power, clean.spectrum.power)
        np.testing.assert_allclose(raw.error, clean.error, rtol=1e-12)
        np.testing.assert_allclose(
            raw.first.spectrum.power[1:], (clean.first.spectrum.power + clean.first.shot_noise)[1:], rtol=1e-12
        )
        assert np.all(np.abs(raw.correlation[1:4]) < np.abs(clean.correlation[1:4]))
        assert (raw.first.shot_noise_subtracted, clean.second.shot_noise_subtracted) == (False, True)

    def test_types_of_one_snapshot(self, tmp_path):
        """Gas beside dark matter, of the same file."""
        path = write(tmp_path, sample(density(), 4000, 1))
        other = write(tmp_path, sample(density(), 3000, 2), "other", kind=0)
        add_gas(path, other)
        found = snapshot_cross(path, path, other_options=SnapshotOptions(particle_type=0))
        apart = snapshot_cross(path, other, other_options=SnapshotOptions(particle_type=0))
        np.testing.assert_array_equal(found.spectrum.power, apart.spectrum.power)
        assert found.spectrum.cells == (16, 16, 16)  # of the larger number
        assert (found.first.snapshot.field, found.second.snapshot.field) == ("PartType1", "PartType0")

    # on the second of two grids a particle at a centre lies between two cells, to one of which ngp gives it
    @pytest.mark.parametrize(
        ("assignment", "interlaced"), [("ngp", False), ("cic", True), ("tsc", True), ("tsc", False), ("pcs", True)]
    )
    def test_particles_lie_where_cells_do(self, tmp_path, assignment, interlaced):
        """Particles at the centres of cells with their masses are the grid; half a cell beside them they are not."""
        rho = density()
        places = (np.stack(np.indices(CELLS), -1).reshape(-1, 3) + 0.5) * SIDE / CELLS[0]
        np.save(tmp_path / "a.npy", rho)
        for shift in (0.0, 0.5):
            path = write(tmp_path, (places + shift * SIDE / 16) % SIDE, f"s{shift:g}", masses=rho.ravel())
            how = Measurement(assignment=assignment, interlaced=interlaced, shot_noise=True)
            found = snapshot_cross(tmp_path / "a.npy", path, GIVEN, how=how)
            r = found.correlation[1:5]
            assert np.all(r > 0.998) if shift == 0 else (np.all(r < 0.99) and r[-1] < 0.85)


class TestErrors:
    def test_the_same_particles(self, tmp_path):
        path = write(tmp_path, sample(density(), 2000, 1))
        with pytest.raises(InputError, match="PartType1 crossed with itself: --cross must be of another file"):
            snapshot_cross(path, path)
        copy = tmp_path / "copy.hdf5"
        copy.write_bytes(path.read_bytes())
        for how in (Measurement(), Measurement(shot_noise=True, interlaced=False)):
            with pytest.raises(InputError, match=f"copy.hdf5: its particles are those of {path}"):
                snapshot_cross(path, copy, how=how)

    def test_boxes(self, tmp_path):
        one, two = (
            write(tmp_path, positions, name, box_size=side)
            for name, positions, side in (
                ("a", sample(density(), 2000, 1), SIDE),
                ("b", 1000 * sample(density(), 2000, 2), 1000 * SIDE),
            )
        )
        says = "b.hdf5: box of 20000 x 20000 x 20000 cMpc/h: must be that of .*a.hdf5, 20 x 20 x 20 cMpc/h, 1000 times"
        with pytest.raises(InputError, match=says):
            snapshot_cross(one, two)
        kpc = SnapshotOptions(unit_length=0.001)
        assert np.all(np.isfinite(snapshot_cross(one, two, other_options=kpc).error))

    def test_redshifts(self, tmp_path):
        one = write(tmp_path, sample(density(), 2000, 1), "a")
        near, far = (write(tmp_path, sample(density(), 2000, 2), f"b{z}", redshift=z) for z in (2.0029, 2.0031))
        assert snapshot_cross(one, near).first.snapshot.redshift == 2
        with pytest.raises(InputError, match=r"z = 2.0031: must be that of .*, z = 2, to 0.001 in 1 \+ z"):
            snapshot_cross(one, far)

    def test_cells(self, tmp_path):
        with pytest.raises(InputError, match=r"b.npy: 16 x 16 x 8 cells: must be those of .*a.npy, 16 x 16 x 16"):
            crossed_grids(tmp_path, density(), density()[..., ::2])
        path = write(tmp_path, sample(density(), 2000, 1))
        with pytest.raises(InputError, match=r"--cells 32: must be the 16 x 16 x 16 cells of .*a.npy, or be left out"):
            snapshot_cross(path, tmp_path / "a.npy", other_options=GIVEN, how=Measurement(cells=32))
        found = snapshot_cross(path, tmp_path / "a.npy", other_options=GIVEN, how=Measurement(cells=16))
        assert found.spectrum.cells == CELLS

    def test_memory(self, tmp_path, monkeypatch):
        """The modes of the first are there while the second is made: 5 grids, where each alone has 4."""
        paths = [write(tmp_path, sample(density(), 2000, n), f"s{n}") for n in range(2)]
        how = Measurement(cells=16)
        monkeypatch.setattr(snapshot_modes, "available", lambda: 4.5 * 8 * 16**3)
        snapshot_power(paths[0], how=how)
        with pytest.raises(RunError, match=r"s0.hdf5 and .*s1.hdf5: too little memory: the grids need"):
            snapshot_cross(*paths, how=how)

    def test_more_ranks_than_planes(self, tmp_path):
        @dataclass
        class Many:
            size, rank, is_root, local_size = 99, 0, True, 1
            on_root = staticmethod(lambda work: work())

        with pytest.raises(InputError, match="more ranks \\(99\\) than planes along x \\(16\\)"):
            crossed_grids(tmp_path, density(1), density(2), ranks=Many())


@dataclass(frozen=True)
class Card(CudaOnCpu):
    """A card of so many bytes."""

    total_memory: int = 2**40
    device_memory: int = 2**40
    threads: int = 1
    device: str = "Stand-in"


@pytest.mark.parametrize("memory", [2**40, 1])
def test_on_a_card(tmp_path, memory):
    """Held there, or through it in pieces: the same numbers to round-off; with single precision beside double."""
    card = Card(memory)
    second = density(2).astype(np.float32)
    of_cpu, found = (crossed_grids(tmp_path, density(1), second, backend=backend) for backend in (CPU(1), card))
    for name in ("error", "correlation", "correlation_error"):
        np.testing.assert_allclose(getattr(found, name)[1:], getattr(of_cpu, name)[1:], rtol=1e-7, atol=1e-9)
    largest = np.abs(of_cpu.spectrum.power).max()
    np.testing.assert_allclose(found.spectrum.power, of_cpu.spectrum.power, rtol=1e-10, atol=1e-12 * largest)


def cases(folder):
    """What is crossed over ranks: grids of two precisions, particles in parts, and both."""
    np.save(folder / "a.npy", density(1))
    np.save(folder / "b.npy", density(2).astype(np.float32))
    one = write(folder, sample(density(), 3000, 1), files=3)
    two = write(folder, sample(density(), 2000, 2), "other")
    return [
        (folder / "a.npy", folder / "b.npy", GIVEN, GIVEN),
        (one, two),
        (one, folder / "b.npy", NOTHING, GIVEN),
    ]


def check(ranks: Ranks):
    """The same cross power on these ranks as on one."""
    folder = Path(ranks.on_root(lambda: tempfile.mkdtemp()))
    asked = ranks.on_root(lambda: cases(folder))
    for arguments in asked:
        paths, options = arguments[:2], [*arguments[2:], NOTHING, NOTHING][:2]
        found = snapshot_cross(*paths, *options, Measurement(), ranks, CPU(1))
        alone = snapshot_cross(*paths, *options, Measurement(), SERIAL, CPU(1))
        np.testing.assert_array_equal(found.spectrum.modes, alone.spectrum.modes)
        for name in ("error", "correlation", "correlation_error"):
            np.testing.assert_allclose(getattr(found, name), getattr(alone, name), rtol=1e-9, atol=1e-12)
        for of_ranks, of_one in zip(
            (found.spectrum, found.first.spectrum, found.second.spectrum),
            (alone.spectrum, alone.first.spectrum, alone.second.spectrum),
            strict=True,
        ):
            largest = np.abs(of_one.power).max()
            np.testing.assert_allclose(of_ranks.power, of_one.power, rtol=1e-10, atol=1e-12 * largest)


@needs_mpi
@pytest.mark.parametrize("number", [TWO, 3])
def test_over_ranks(number):
    agree(__file__, number)


if __name__ == "__main__":
    run_here(check)
