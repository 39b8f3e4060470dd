"""Files that other programs write and read themselves: numbers, masses and P(k), against sums over all particles."""

import re
import warnings

import numpy as np
import pytest

from gpu_fdm.config.config import parse_config
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.snapshot import Measurement, snapshot_power
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.snapshots.registry import open_snapshot

NUMBER, SIDE, H, SCALE_FACTOR = 500, 25.0, 0.7, 0.25
HOW = Measurement(cells=48, shot_noise=True)
BINS = 6  # of the smallest k, up to a quarter of the Nyquist wavenumber

# their own arrays, units and deprecations
pytestmark = pytest.mark.filterwarnings("ignore")


def particles():
    """Clustered positions [side] and masses."""
    random = np.random.default_rng(1)
    return random.random((NUMBER, 3)) ** 1.3, random.uniform(0.5, 2, NUMBER)


def exact_power(positions, masses, side):
    """V |sum m e^(-ikx)|^2 / (sum m)^2, averaged over the modes of each bin; positions [side]."""
    index = np.arange(-BINS, BINS + 1)
    modes = np.stack(np.meshgrid(index, index, index, indexing="ij"), -1).reshape(-1, 3)
    bins = np.floor(np.sqrt(np.sum(modes**2, axis=1)) + 0.5).astype(int)
    modes, bins = modes[(bins > 0) & (bins < BINS)], bins[(bins > 0) & (bins < BINS)]
    sums = np.exp(-2j * np.pi * modes @ positions.T) @ masses
    power = side**3 * np.abs(sums) ** 2 / masses.sum() ** 2
    return np.bincount(bins, power)[1:] / np.bincount(bins)[1:]


def check(path, side, options, positions, masses, redshift, tolerance=1e-3):
    """The snapshot has these particles: exactly, and their power to a tolerance."""
    opened = open_snapshot(path, options=options)
    found, weights = (np.concatenate(parts) for parts in zip(*opened.batches(), strict=True))
    assert opened.number == len(positions) and opened.box_size == pytest.approx((side,) * 3, rel=1e-5)
    assert opened.redshift == pytest.approx(redshift, rel=1e-6)
    order, expected_order = np.lexsort(found.T), np.lexsort(positions.T)
    np.testing.assert_allclose(found[order], side * positions[expected_order], rtol=1e-5, atol=1e-6 * side)
    np.testing.assert_allclose(weights[order], masses[expected_order], rtol=1e-5)
    measured = snapshot_power(path, options=options, how=HOW)
    expected = exact_power(positions, masses, side)
    np.testing.assert_allclose(measured.spectrum.power[1:BINS], expected, rtol=tolerance)


def test_writer_of_swiftsimio(tmp_path, caplog):
    """Comoving Mpc, not per h; MassTable holds the mass of the first particle."""
    pytest.importorskip("swiftsimio", reason="swiftsimio is not installed")
    import unyt
    from swiftsimio import Writer, cosmo_array

    positions, masses = particles()
    box = cosmo_array([SIDE] * 3, unyt.Mpc, comoving=True, scale_factor=SCALE_FACTOR, scale_exponent=1)
    writer = Writer(boxsize=box, scale_factor=SCALE_FACTOR)
    for dataset, number in ((writer.dark_matter, NUMBER), (writer.stars, 3)):
        dataset.coordinates = SIDE * positions[:number] * unyt.Mpc * writer.a.comoving
        dataset.velocities = np.zeros((number, 3)) * unyt.km / unyt.s * writer.a.comoving**0
        dataset.masses = masses[:number] * 1e10 * unyt.solMass * writer.a.comoving**0
    writer.stars.generate_smoothing_lengths()
    writer.write(tmp_path / "snapshot.hdf5")
    options = SnapshotOptions(h=H)
    check(tmp_path / "snapshot.hdf5", H * SIDE, options, positions, masses, 1 / SCALE_FACTOR - 1)
    assert "MassTable has" in caplog.text and "whose Masses differ" in caplog.text
    assert open_snapshot(tmp_path / "snapshot.hdf5", options=options).others == (("PartType4", 3),)


def test_writer_of_pynbody(tmp_path):
    """GADGET's binary format 2, in double precision."""
    pynbody = pytest.importorskip("pynbody", reason="pynbody is not installed")
    positions, masses = particles()
    snapshot = pynbody.new(dm=NUMBER)
    for name, values, unit in (
        ("pos", SIDE * positions, "Mpc a h^-1"),
        ("vel", np.zeros((NUMBER, 3)), "km s^-1 a^1/2"),
        ("mass", masses, "1e10 Msol h^-1"),
    ):
        snapshot[name] = pynbody.array.SimArray(values, unit)
    snapshot["iord"] = np.arange(NUMBER)
    side = pynbody.units.Unit(f"{SIDE} Mpc a h^-1")
    snapshot.properties.update(a=SCALE_FACTOR, z=1 / SCALE_FACTOR - 1, boxsize=side, omegaM0=0.3, omegaL0=0.7, h=H)
    snapshot.write(fmt=pynbody.snapshot.gadget.GadgetSnap, filename=str(tmp_path / "snap_003"))
    options = SnapshotOptions(unit_length=1.0)
    check(tmp_path / "snap_003", SIDE, options, positions, masses, 1 / SCALE_FACTOR - 1)
    assert (opened := open_snapshot(tmp_path / "snap_003", options=options)).h == H and opened.omega_m == 0.3


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Particles of a simulation of this program, and what is in their file."""
    folder = tmp_path_factory.mktemp("own")
    text = f"[run]\nbackend = cpu\nthreads = 1\noutput = {folder}/s.hdf5\n[simulation]\nsize = 0.85\ncells = 16\n"
    config = parse_config(f"{text}redshift_end = 50\nspectra = 1\ncontent = full\nruns = particles_fdm\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.run(config)
    (path,) = folder.glob("s_particles_fdm_z50.hdf5")
    opened = open_snapshot(path, "gadget")
    positions = np.concatenate([x for x, _ in opened.batches()])
    return path, opened, positions, config


def test_own_particles_against_a_sum(own, caplog):
    """On a lattice, with a cut-off: P(k) falls by eleven decades, and what is right is that which is to be trusted."""
    path, opened, positions, _ = own
    assert opened.number == 16**3 and opened.redshift == 50
    measured = snapshot_power(path, "gadget", how=HOW)
    expected = exact_power(positions / 0.85, np.ones(len(positions)), 0.85)
    power, (first,) = measured.spectrum.power[1:BINS], re.findall(r"rows from k = (\S+) h/Mpc on", caplog.text)
    off, trusted = np.abs(power / expected - 1), measured.spectrum.k[1:BINS] < 0.999 * float(first)
    assert off[trusted].max() < 2e-3 < off[~trusted].min() and trusted.sum() == 2


def test_pynbody_reads_our_particles(own):
    pynbody = pytest.importorskip("pynbody", reason="pynbody is not installed")
    path, opened, positions, config = own
    loaded = pynbody.load(str(path))
    assert len(loaded.dm) == opened.number
    assert float(loaded.properties["z"]) == pytest.approx(50, rel=1e-9)
    np.testing.assert_allclose(
        loaded.dm["pos"].in_units("Mpc a h^-1", **loaded.conversion_context()), positions, rtol=1e-6
    )
    check_mass(float(loaded.dm["mass"].in_units("Msol h^-1", **loaded.conversion_context()).sum()), config)


def test_yt_reads_our_particles(own):
    yt = pytest.importorskip("yt", reason="the extra yt is not installed")
    path, opened, positions, config = own
    yt.set_log_level("error")
    loaded = yt.load(str(path))
    assert float(loaded.domain_width[0].to("Mpccm/h")) == pytest.approx(0.85, rel=1e-6)
    everything = loaded.all_data()
    found = everything["PartType1", "particle_position"].to("Mpccm/h").d
    assert len(found) == opened.number and loaded.current_redshift == pytest.approx(50, rel=1e-9)
    np.testing.assert_allclose(found[np.lexsort(found.T)], positions[np.lexsort(positions.T)], rtol=1e-5)
    check_mass(float(everything["PartType1", "particle_mass"].to("Msun/h").d.sum()), config)


def check_mass(found, config):
    """All matter of the box [Msun/h], to the digits of the constants of others."""
    from gpu_fdm.units import mean_matter_density

    assert found == pytest.approx(mean_matter_density(config.cosmology.omega_m) * 0.85**3, rel=1e-3)
