"""Filaments that are drawn and measured: how often r0 and sigma lie within two standard errors of the truth.

    python -m validation.recovered_filaments [--trials 50] [--kind particles|psi|weights] [--seed 1]

Every filament has a random direction and goes through a corner of the periodic box; another one is in the box. Its axis
is given a cell or two beside the true one. Particles are drawn from the isothermal cylinder; psi is made of its
eigenstates with random phases, with momentum along the axis, and its weights are least-squares fits of the cylinder's
density. The truth of r0 and sigma is then the phase average, that of the line mass psi itself. Printed are the largest
distance of the axis, the errors of the line mass, and counts. The kind `weights` projects the cut-out of psi on its
eigenstates, and compares |a|^2 of each with that of the same slices before they were put into the grid.
"""

import argparse
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import spline_filter

from gpu_fdm.config.config import parse_config
from gpu_fdm.cosmic_web.axis import Axis
from gpu_fdm.cosmic_web.cylinder import Cylinder, fitted
from gpu_fdm.cosmic_web.jackknife import Sample
from gpu_fdm.fields.cross_section import psi_at, tabulate
from gpu_fdm.filament.model import model_of
from gpu_fdm.filament.projection import project
from gpu_fdm.filament.wavefunction import WaveFunction
from gpu_fdm.kernels.spline_points import spline_points
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.pipeline.measured_filament import Around
from gpu_fdm.pipeline.model import build_model
from gpu_fdm.pipeline.snapshot_filament import measure_filaments
from gpu_fdm.snapshots.snapshot import GridSnapshot, ParticleSnapshot

A, MASS = 0.2, 5e9
SIDE, CELLS, LENGTH, SHARE, RADIUS = 1.4, 448, 0.9, 0.75, 0.12  # cMpc/h; SHARE of the length is measured
PARTICLES = 100_000  # of the filament; as many again are of the other
BESIDE = 0.004  # cMpc/h, of the axis that is given


@dataclass(frozen=True)
class Particles:
    """Particles in memory, as a snapshot reads them."""

    positions: np.ndarray

    def batches(self, first, last, batch_size):
        for start in range(first, last, batch_size):
            yield self.positions[start : min(start + batch_size, last)], None


@dataclass
class Tally:
    """What trials gave; pulls  errors over standard errors, of r0 and sigma."""

    distance: list = field(default_factory=list)
    line_mass: list = field(default_factory=list)
    pulls: list = field(default_factory=list)

    def add(self, found, axis, truth, line_mass, seed):
        away = found.axis.centre - axis.centre
        tilt = np.linalg.norm(np.cross(found.axis.direction, axis.direction)) * found.axis.length / 2
        self.distance.append(np.linalg.norm(away - (away @ axis.direction) * axis.direction) + tilt)
        self.line_mass.append(found.profile.line_mass / line_mass - 1)
        cylinder = found.cylinder
        pairs = (cylinder.scale, truth.scale), (cylinder.line_mass**0.5, truth.line_mass**0.5)
        errors = cylinder.errors[0], cylinder.errors[1] / (2 * cylinder.line_mass**0.5)
        self.pulls.append([(value - true) / error for (value, true), error in zip(pairs, errors, strict=True)])

    def lines(self, cell):
        pulls, mass = np.array(self.pulls), np.array(self.line_mass)
        within = np.count_nonzero(np.abs(pulls) < 2, axis=0)
        return [
            f"{len(pulls)} trials: axis at most {max(self.distance):.2g} cMpc/h off, {max(self.distance) / cell:.2f} "
            f"cells (median {np.median(self.distance) / cell:.2f})",
            f"line mass: mean {mass.mean():+.2%}, rms {mass.std():.2%}, "
            f"within 1 % in {np.count_nonzero(abs(mass) < 0.01)}",
            f"within 2 standard errors: r0 in {within[0]}, sigma in {within[1]}",
            f"pulls: r0 {pulls[:, 0].mean():+.2f} +- {pulls[:, 0].std():.2f}, "
            f"sigma {pulls[:, 1].mean():+.2f} +- {pulls[:, 1].std():.2f}",
        ]


def axes(random):
    """The axis of a filament through a corner, one of another elsewhere, and the axis that is given [cMpc/h]."""
    ways = [way / np.linalg.norm(way) for way in random.standard_normal((2, 3))]
    centres = random.uniform(-0.05, 0.05, 3), SIDE / 2 + random.uniform(-0.1, 0.1, 3)
    true, other = (Axis(c - LENGTH / 2 * w, c + LENGTH / 2 * w) for c, w in zip(centres, ways, strict=True))
    part = true.line((0, 0), (0, 0), -SHARE * LENGTH / 2, SHARE * LENGTH / 2)
    shift = random.uniform(-BESIDE, BESIDE, (2, 3))
    return true, other, Axis(part.begin + shift[0], part.end + shift[1])


def cylinder_of(model):
    """The isothermal cylinder of a model [cMpc/h, mean matter densities]."""
    profile, unit = model.profile, model.units.length
    return Cylinder(profile.r0 / A * unit, profile.line_mass * unit**2, 0.0)


class FromParticles:
    """Boxes of particles; truth  the cylinder they are drawn from."""

    def __init__(self, model):
        self.truth = cylinder_of(model)

    def drawn(self, random, seed, axes):
        """A snapshot, how it is measured, and the line mass of the filament."""
        drawn = []
        for axis in axes:
            count = random.poisson(PARTICLES)
            u, angle = random.random(count), 2 * np.pi * random.random(count)
            radius, z = self.truth.scale * np.sqrt(u / (1 - u)), (random.random(count) - 0.5) * LENGTH
            drawn.append(axis.positions(np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=-1)) % SIDE)
        positions = np.concatenate(drawn)
        mean = len(positions) / PARTICLES * self.truth.line_mass * LENGTH / SIDE**3
        snapshot = ParticleSnapshot(
            path="particles",
            format="memory",
            box_size=(SIDE,) * 3,
            redshift=4.0,
            fields=("PartType1",),
            field="PartType1",
            number=len(positions),
            particle_mass=1.0,
            source=Particles(positions),
        )
        return snapshot, Around(smooth=0.02, radius=RADIUS, mean=mean), float(self.truth.enclosed(RADIUS))


@dataclass(frozen=True)
class Slice(WaveFunction):
    """psi at one place of the axis, as tabulate takes it."""

    factors: np.ndarray | None = None

    def azimuthal(self, time, z):
        return self.factors


def wave_of(model, seed):
    """The filament with phases of its own, and momentum along its axis."""
    return model_of(model.filament, model.profile, model.units, model.library, model.weights, seed, "thermal")


def frame_of_psi(model, seed):
    """psi on a lattice around its axis, with spacings of 0.7 cells, complex [u, v, z], and the three steps [cMpc/h]."""
    one = wave_of(model, seed)
    unit, step = model.units.length, 0.7 * SIDE / CELLS
    across, along = int(2 * 1.3 * RADIUS / step), int(LENGTH / step)
    line, z = (np.arange(across) - (across - 1) / 2) * step, (np.arange(along) - (along - 1) / 2) * step
    psi = np.empty((across, across, along), np.complex64)
    waves = one.wave.axial.waves(z / unit)
    factors = np.zeros((along, 2, int(one.library.l.max()) + 1, len(one.library.nodes)), np.complex64)
    for l in range(factors.shape[2]):
        amplitudes, radial = one.wave.azimuthal_terms(l, waves)
        factors[:, :, l] = amplitudes.transpose(2, 1, 0) @ radial
    for number in range(along):
        table = tabulate(
            Slice(one.library, one.weights.weight, one.wave.phase, factors=factors[number]),
            tolerance=1e-4,
            dtype=np.float32,
        )
        psi[:, :, number] = psi_at(table, line[:, None] / unit, line / unit)
    return psi, step


def put(grid, axis, splines, step):
    """Add a psi to a grid of the box; returns the cells that were touched.

    splines  of its real and imaginary part, on its lattice
    """
    shape = splines[0].shape
    half, cell = np.array(shape) * step / 2, SIDE / CELLS
    splines = [np.pad(part, 3, "reflect") for part in splines]
    corners = axis.positions(np.array(np.meshgrid(*([-h, h] for h in half))).reshape(3, -1).T)
    low, high = np.floor(corners.min(axis=0) / cell).astype(int), np.ceil(corners.max(axis=0) / cell).astype(int)
    touched = []
    for x in range(low[0], high[0]):
        y, z = np.meshgrid(np.arange(low[1], high[1]), np.arange(low[2], high[2]), indexing="ij")
        place = (np.stack([np.full(y.shape, x), y, z], axis=-1) + 0.5) * cell
        frame = (place - axis.centre) @ axis.basis.T
        inside = np.all(np.abs(frame) < half, axis=-1)
        index = frame[inside] / step + (np.array(shape) - 1) / 2 + 3
        cells = (x % CELLS, y[inside] % CELLS, z[inside] % CELLS)
        grid[cells] += spline_points(index, splines[0]) + 1j * spline_points(index, splines[1])
        touched.append(cells)
    return touched


@dataclass(frozen=True)
class Grid:
    """psi in memory, as a snapshot reads it."""

    psi: np.ndarray
    path = "psi"
    names = ("psi",)
    dtype = "<c8"
    axes_reversed = False

    @contextmanager
    def arrays(self):
        yield [self.psi]


class FromPsi:
    """Boxes of psi: a filament, and that of the box before; truth  the cylinder that fits its phase average."""

    def __init__(self, model):
        self.model, self.truth = model, truth_of_psi(model)
        self.grid, self.touched, self.before = np.zeros((CELLS,) * 3, np.complex64), [], None

    def drawn(self, random, seed, axes):
        """A snapshot, how it is measured, and the line mass of the filament."""
        for cells in self.touched:
            self.grid[cells] = 0
        psi, step = frame_of_psi(self.model, seed)
        line = (np.arange(len(psi)) - (len(psi) - 1) / 2) * step
        middle = slice(*(np.array([0.5 - SHARE / 2, 0.5 + SHARE / 2]) * psi.shape[2]).astype(int))
        density = np.mean(np.abs(psi[:, :, middle]) ** 2, axis=2)
        line_mass = float(density[np.hypot(line[:, None], line) < RADIUS].sum()) * step**2
        splines = [spline_filter(part, 5) for part in (psi.real, psi.imag)]
        self.touched = put(self.grid, axes[0], splines, step) + put(self.grid, axes[1], self.before or splines, step)
        self.before = splines
        snapshot = GridSnapshot(
            path="psi",
            format="memory",
            box_size=(SIDE,) * 3,
            redshift=4.0,
            fields=("psi",),
            field="psi",
            cells=self.grid.shape,
            density_units="mean matter densities",
            source=Grid(self.grid),
        )
        return snapshot, Around(smooth=0.02, radius=RADIUS, slices=20), line_mass


def truth_of_psi(model):
    """The cylinder that fits the phase average of psi in the same way, without noise."""
    edges = np.concatenate([[0], np.geomspace(0.004, RADIUS, 20)]) / model.units.length
    fine = np.linspace(0, edges[-1], 20_001)[1:]
    density = model.wave.mean_density(fine)
    enclosed = np.concatenate([[0], np.cumsum(2 * np.pi * fine * density) * (fine[1] - fine[0])])
    masses = np.diff(np.interp(edges, np.concatenate([[0], fine]), enclosed)) * model.units.length**2
    noise = 0.02 * np.random.default_rng(1).standard_normal((10, 20))
    units = masses * np.concatenate([1 + noise, 1 - noise])
    found = fitted(edges * model.units.length, Sample(units, np.ones(len(units))))
    print(
        f"phase average: r0 {found.scale * A:.6g}, of the cylinder {cylinder_of(model).scale * A:.6g} Mpc/h; line mass "
        f"{found.line_mass:.5g}, of the cylinder {cylinder_of(model).line_mass:.5g}, background {found.background:.2g}"
    )
    return found


@dataclass
class WeightsTally:
    """Relative errors of weights above 10^-3 of the largest."""

    model: object
    errors: list = field(default_factory=list)

    def add(self, found, axis, truth, line_mass, seed):
        unit, library = self.model.units.length, self.model.library
        sides, count = tuple(side / unit for side in found.cut.sides), found.cut.field.shape[2]
        middle = (found.axis.centre - axis.centre) @ axis.direction / unit
        z = middle + ((np.arange(count) + 0.5) / count - 0.5) * sides[2]
        amplitude = wave_of(self.model, seed).wave.amplitudes(z)
        weight = np.sum(np.mean(np.abs(amplitude) ** 2, axis=2), axis=1) / library.multiplicity
        seen = project(found.cut.field, sides, library, found.centres_in_frame()[:, :2] / unit)
        large = weight > 1e-3 * weight.max()
        self.errors.append(seen.weight[large] / weight[large] - 1)

    def lines(self, cell):
        wave = 2 * np.pi / self.model.library.wavenumber_max * self.model.units.length
        return [f"{len(self.errors)} filaments, {wave / cell:.3g} cells a wave"] + [
            f"{len(off)} weights: mean {off.mean():+.2%}, rms {off.std():.2%}, at most {np.abs(off).max():.2%}"
            for off in self.errors
        ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--kind", choices=("particles", "psi", "weights"), default="particles")
    parser.add_argument("--weights", choices=("least_squares", "wkb"), default="least_squares")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    cut = 0.965 if options.kind == "weights" else 0.99  # states that lie within the cut-out
    text = f"[filament]\nmass = {MASS}\nlength = {LENGTH}\n[wavefunction]\nweights = {options.weights}\n"
    model = build_model(parse_config(f"{text}axial = thermal\nenergy_cut = {cut}\n"))
    random = np.random.default_rng(options.seed)
    tally = WeightsTally(model) if options.kind == "weights" else Tally()
    boxes = (FromParticles if options.kind == "particles" else FromPsi)(model)
    for number in range(options.trials):
        seed = 1000 * (options.seed - 1) + number + 1
        true, other, given = axes(random)
        snapshot, how, line_mass = boxes.drawn(random, seed, (true, other))
        found = measure_filaments(snapshot, [given], how, SERIAL, found=False)[0]
        tally.add(found, true, boxes.truth, line_mass, seed)
    print(options.kind)
    for line in tally.lines(SIDE / CELLS):
        print(f"  {line}")


if __name__ == "__main__":
    main()
