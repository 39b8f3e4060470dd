"""A run of an emulator: what it is trained on, what it writes, and that it resumes; it needs the extra learn."""

import numpy as np
import pytest

pytest.importorskip("jax", reason="the extra learn is not installed")

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.filament.model import Filament
from gpu_fdm.learn.emulator import Emulator
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.emulator_data import EmulatorData
from gpu_fdm.pipeline.run import check
from gpu_fdm.population.shapes import published_shape
from gpu_fdm.spectra.similarity.filaments import filament_spectra
from gpu_fdm.spectra.similarity.published import published_similarity

SMALL = "[emulator]\npoints = 60\ntest_points = 20\nwidths = 5, 4\nepochs = 30\nbatch = 20\n"


def config(text=SMALL, **changes):
    return parse_config(text, "one.ini", [f"{name.replace('__', '.')}={value}" for name, value in changes.items()])


def test_points_are_spectra_of_published_filaments():
    """At z = 4 they are those of filament_spectra, whose filament has the published shape and length."""
    data = EmulatorData.of(config(emulator__length_ratio=""))
    mass, k = 5e9, np.array([20.0, 80.0])
    length, r0, sigma = published_shape(mass)
    axis = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    filament = Filament(0, mass, length, r0, sigma, 0.0, None, *axis, 10 / length, 4.0, 1.5)
    found = filament_spectra([filament], k, data.h, data.omega_m)
    points = np.column_stack([np.log(k), *np.log([[1.5] * 2, [mass] * 2, [5.0] * 2])])
    wanted = found.fixed[0] / found.weight_sum[0] ** 2
    np.testing.assert_allclose(np.exp(data.values(points)), wanted, rtol=1e-9)


def test_powers_of_similarity_variables():
    np.testing.assert_allclose(
        EmulatorData.of(config()).powers, [[1, 0, 0.33619234, 0], [0, 1, 0.33619234 + 0.3618256, -0.5]], atol=1e-6
    )
    one, other = (published_similarity(m22, 5e9, z, 0.67, 0.31) for m22, z in ((1.0, 4.0), (3.0, 1.25)))
    np.testing.assert_allclose(other / one, [3 * np.sqrt(5 / 2.25), 1, 1], rtol=1e-12)


def test_a_run_writes_an_emulator_and_goes_on_from_its_cache(tmp_path, caplog):
    caplog.set_level("INFO")
    of_run = config(run__output=tmp_path / "a.hdf5")
    first = pipeline.run(of_run)
    emulator = Emulator.read(tmp_path / "a_emulator.npz")
    found = emulator(k=50.0, m22=[1.0, 2.0], mass=5e9, redshift=4.0)
    assert found.shape == (2,) and np.all(found > 0)
    with pytest.raises(InputError, match=r"m22 = 9 1e-22 eV: must be in \[1, 4\]"):
        emulator(k=50.0, m22=9.0, mass=5e9, redshift=4.0)
    (tmp_path / "a_emulator.npz").unlink()
    again = pipeline.run(of_run)
    assert "training of the emulator: taken from the cache" in caplog.text
    assert again.summary[:-1] == first.summary[:-1]
    np.testing.assert_array_equal(
        Emulator.read(tmp_path / "a_emulator.npz")(k=50.0, m22=[1.0, 2.0], mass=5e9, redshift=4.0), found
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"emulator__k": "10, 2000"}, r"\[emulator\] k = 2000 h/Mpc is .* must be at most 4.4, where fringes end"),
        ({"emulator__m22": "0.01, 4"}, r"\[emulator\] nu = .*: must be in \[0.5, inf\]"),
        ({"emulator__mass": "3e10, 3e9"}, r"\[emulator\] mass = 30000000000, 3000000000: must increase"),
        ({"emulator__batch": "100"}, r"\[emulator\] batch = 100: must be at most the number of points, 60"),
        ({"emulator__inputs": "k, k"}, r"\[emulator\] inputs = k, k: must not name a input twice"),
    ],
)
def test_boxes_that_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        check(config(**changes))
