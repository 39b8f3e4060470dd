"""Every density is transformed once, whatever statistics are asked of it."""

from collections import Counter
from math import prod

import numpy as np
import pytest
from scipy import fft
from snapshot_files import write_gadget

from gpu_fdm.config.config import parse_config
from gpu_fdm.fields.box import Box
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.pipeline.correlation import CorrelationStage
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.power import PowerStage
from gpu_fdm.pipeline.slab import DensitySlab, Frame
from gpu_fdm.pipeline.snapshot import Measurement, snapshot_power
from gpu_fdm.pipeline.stage import Context
from gpu_fdm.snapshots.options import SnapshotOptions

CELLS = (12, 9, 10)
INI = """
[filament]
[wavefunction]
[box]
cells = 12, 9, 10
fields = {fields}
[power]
mu_bins = {mu_bins}
cross = {cross}
[correlation]
"""


class CountingTransforms:
    """scipy.fft, which counts planes that are transformed over y and z, there and back, and columns along x."""

    def __init__(self):
        self.counts = Counter()

    def rfft2(self, planes):
        self.counts["planes"] += len(planes)
        return fft.rfft2(planes)

    def irfft2(self, planes, **options):
        self.counts["planes back"] += len(planes)
        return fft.irfft2(planes, **options)

    def fft(self, columns, axis):
        self.counts["columns"] += columns.size // columns.shape[axis]
        return fft.fft(columns, axis=axis)

    def ifft(self, columns, axis):
        self.counts["columns back"] += columns.size // columns.shape[axis]
        return fft.ifft(columns, axis=axis)


class CountingCPU(CPU):
    """A backend that counts its transforms."""

    transforms: CountingTransforms

    @property
    def fft(self):
        return self.transforms


@pytest.fixture
def backend():
    made = CountingCPU(2)
    object.__setattr__(made, "transforms", CountingTransforms())
    return made


def transformed(backend, cells=CELLS):
    """How many densities were transformed; planes and columns must agree."""
    counts, length = backend.transforms.counts, cells[2] // 2 + 1
    densities, rest = divmod(counts["planes"], cells[0])
    assert rest == 0 and counts["columns"] == densities * cells[1] * length
    return densities


def context_of(backend, fields="fdm, smooth", mu_bins=3, cross="yes"):
    """A context whose frame has densities at random."""
    config = parse_config(INI.format(fields=fields, mu_bins=mu_bins, cross=cross).replace("mu_bins = None\n", ""))
    densities = np.random.default_rng(1).uniform(0.5, 1.5, (2, *CELLS))
    slab = DensitySlab(Box((3.0, 2.0, 2.5), CELLS), densities, Domain(CELLS, backend=backend))
    return Context(Inputs(config), backend=backend, frame=Frame("", 0.0, slab))


@pytest.mark.parametrize(
    ("options", "number", "names"),
    [
        ({}, 2, "fdm smooth fdm_mu smooth_mu fdm_smooth"),
        ({"mu_bins": None}, 2, "fdm smooth fdm_smooth"),
        ({"cross": "no"}, 2, "fdm smooth fdm_mu smooth_mu"),
        ({"fields": "fdm"}, 2, "fdm fdm_mu fdm_smooth"),
        ({"fields": "smooth", "cross": "no"}, 1, "smooth smooth_mu"),
        ({"fields": "fdm", "cross": "no", "mu_bins": None}, 1, "fdm"),
    ],
)
def test_power_of_a_box(backend, options, number, names):
    spectra = PowerStage().measure(context_of(backend, **options))
    assert sorted(spectra) == sorted(names.split())
    assert transformed(backend) == number
    assert {name: spectrum.names for name, spectrum in spectra.items()} == {
        name: tuple(name.removesuffix("_mu").split("_")) for name in spectra
    }


def test_correlation_of_a_box(backend):
    assert sorted(CorrelationStage().measure(context_of(backend))) == ["fdm", "smooth"]
    assert transformed(backend) == 2
    counts = backend.transforms.counts
    assert (counts["planes back"], counts["columns back"]) == (counts["planes"], counts["columns"])


@pytest.mark.parametrize("mu_bins", [None, 3])
@pytest.mark.parametrize("multipoles", [False, True])
def test_power_of_a_snapshot(backend, tmp_path, mu_bins, multipoles):
    density = np.random.default_rng(1).uniform(0.5, 1.5, CELLS)
    np.save(tmp_path / "density.npy", density)
    options = SnapshotOptions(box_size=(3.0, 2.0, 2.5), redshift=0.0)
    how = Measurement(mu_bins=mu_bins, multipoles=multipoles, axis=0)
    found = snapshot_power(tmp_path / "density.npy", None, options, how, backend=backend)
    assert transformed(backend) == 1
    assert (found.of_angle is None, found.multipoles is None) == (mu_bins is None, not multipoles)
    if found.multipoles is not None:
        np.testing.assert_allclose(found.multipoles.power[:, 0], found.spectrum.power, rtol=1e-12)
    if found.of_angle is not None:
        np.testing.assert_allclose(found.of_angle.isotropic().power, found.spectrum.power, rtol=1e-12)


@pytest.mark.parametrize("interlaced", [True, False])
def test_power_of_particles(backend, tmp_path, interlaced):
    """Two grids of an interlaced pair are two densities."""
    header = {"UnitLength_in_cm": 3.0856775814913673e24, "HubbleParam": 0.7, "Omega0": 0.3}
    path = write_gadget(tmp_path, 75 * np.random.default_rng(8).random((500, 3)), files=1, header=header)
    how = Measurement(cells=10, interlaced=interlaced, mu_bins=2, multipoles=True)
    found = snapshot_power(path, how=how, backend=backend)
    assert transformed(backend, (10, 10, 10)) == (2 if interlaced else 1)
    assert found.multipoles.modes.sum() == prod((10, 10, 10))
