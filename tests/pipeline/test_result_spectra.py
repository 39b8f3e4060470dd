"""Spectra and boosts that are read from result files: as they were measured, under the names that they have there."""

import h5py
import numpy as np
import pytest
from grid_spectra import random_density

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.io.result_file import atomic_result
from gpu_fdm.io.schema import MEASUREMENT
from gpu_fdm.pipeline.one_filament import write_one_filament
from gpu_fdm.pipeline.result_spectra import result_boosts, result_spectrum, spectrum_paths, write_power
from gpu_fdm.pipeline.run import check
from gpu_fdm.pipeline.single_power import write_single_power
from gpu_fdm.spectra.grid_spectrum import grid_spectrum
from gpu_fdm.spectra.one_filament import ClassicalSpectrum, OneFilamentSpectrum
from gpu_fdm.spectra.phase_average import PolarSpectrum
from gpu_fdm.spectra.power import power_spectrum
from gpu_fdm.spectra.sampled import SampledSpectrum
from gpu_fdm.spectra.single_filament import SinglePower

K = np.array([1.0, 2.0, 4.0])


@pytest.fixture
def result(tmp_path):
    """Every kind of spectrum, written as a run does."""
    config = "[cosmology]\nredshift = 4.0\n[dark_matter]\nm22 = 2.0\n[power]\nbin_width = 2.0\n"
    spectra = {
        name: power_spectrum(random_density(seed=seed), 2.0, bin_width=2.0)
        for seed, name in enumerate(("fdm", "smooth"))
    }
    parts = [np.array(values) for values in ([1, 0.5, 1e-3], [0, 0.1, 0.1], [0, 0, 0])]
    single = SinglePower(K, PolarSpectrum(K, *parts), *parts, "fixed", np.array([1, 0.4, 5e-4]))
    sampled = SampledSpectrum(K, np.ones(3), np.array([0.04, 0.09, 1e-4]), 50)
    one = OneFilamentSpectrum(K, np.array([2.0, 1, 0.5]), np.array([2.0, 0.5, 0.1]), np.array([1e9]), 0.0, 1e10)
    path = tmp_path / "result.hdf5"
    with atomic_result(path, config, seed=1, backend="cpu", device="") as file:
        for name, spectrum in spectra.items():
            write_power(file, name, spectrum, "point")
        cross = power_spectrum(random_density(), 2.0, other=random_density(seed=5))
        write_power(file, "fdm_smooth", cross, "point")
        write_power(file, "fdm_mu", power_spectrum(random_density(), 2.0, mu_bins=3), "point")
        write_single_power(file, 0, single, {}, sampled)
        window = {"redshift": 3.0, "mass_min": 3e9, "mass_max": 3e10}
        classical = ClassicalSpectrum(K, np.array([2.0, 0.4, 0.1]), 1e10, 2.0)
        write_one_filament(file, 1.0, one, classical, window)
        write_one_filament(file, None, None, classical, window)
    with h5py.File(path) as file:
        yield file, spectra


def test_paths_of_the_spectra_in_a_result(result):
    file, _ = result
    assert spectrum_paths(file) == [
        "power/fdm",
        "power/smooth",
        *(f"single_power/00/{name}" for name in ("fdm", "smooth", "classical", "polar_fdm", "polar_smooth")),
        "one_filament_power/cdm/classical",
        *(f"one_filament_power/m22_1/{name}" for name in ("fdm", "smooth", "classical")),
    ]
    with pytest.raises(
        InputError, match=f"^{file.filename}: no spectrum power/wdm: must be one of power/fdm, power/sm"
    ):
        result_spectrum(file, "power/wdm")


def test_boxes_of_a_result_are_as_measured(result):
    file, spectra = result
    for name, measured in spectra.items():
        stored, direct = result_spectrum(file, f"power/{name}"), grid_spectrum(measured, name)
        for column in ("k", "power", "modes", "edges"):
            assert np.array_equal(getattr(stored, column), getattr(direct, column)), column
        assert (stored.nyquist, stored.box_size) == (direct.nyquist, direct.box_size)
        assert (stored.redshift, stored.m22) == (4.0, 2.0)


def test_boosts_of_a_result(result):
    file, spectra = result
    box, exact, over_classical, plane, population, population_over_classical = result_boosts(file)
    ratio = spectra["fdm"].ratio(spectra["smooth"])
    assert np.array_equal(box.k, ratio[0])
    assert np.array_equal(box.boost, ratio[1])
    assert exact.boost == pytest.approx([1, 1.2, 101], rel=1e-13)
    assert (exact.m22, exact.redshift, exact.error) == (2.0, 4.0, None)
    # how single filaments scatter with their phases
    assert plane.error == pytest.approx([0.2, 0.6, 10], rel=1e-13)
    assert population.boost == pytest.approx([1, 2, 5], rel=1e-13)
    assert (population.m22, population.redshift) == (1.0, 3.0)
    assert {each.name for each in (box, exact, population)} == {"fdm/smooth"}
    assert {each.name for each in (over_classical, population_over_classical)} == {"fdm/classical"}
    assert over_classical.boost == pytest.approx([1, 1.5, 202], rel=1e-13)
    assert population_over_classical.boost == pytest.approx([1, 2.5, 5], rel=1e-13)
    assert {each.object for each in (population, population_over_classical)} == {"filaments of 3e+09 to 3e+10 Msun/h"}
    assert plane.name == "fdm in the plane/smooth in the plane"


def test_frames_and_snapshots(tmp_path):
    """Frames of a box in their order, and the spectrum of a snapshot, which brings its errors and tells of itself."""
    spectrum, path = power_spectrum(random_density(), 2.0), tmp_path / "result.hdf5"
    with atomic_result(path, "", seed=1, backend="cpu", device="", schema=MEASUREMENT) as file:
        for frame in (0, 10, 2):
            write_power(file, f"fdm/{frame}", spectrum, "point")
            write_power(file, f"smooth/{frame}", spectrum, "point")
        write_power(file, "Dens", spectrum, "point")
        file.dataset("/power/Dens/error", 0.25 * spectrum.power)
        file.attributes("/power/Dens", of="fdm/3", redshift=1.5)
    with h5py.File(path) as file:
        assert spectrum_paths(file)[1:4] == [f"power/fdm/{frame}" for frame in (0, 2, 10)]
        assert [each.boost.tolist() for each in result_boosts(file)] == [[1.0] * (len(spectrum.k) - 1)] * 3
        snapshot = result_spectrum(file, "power/Dens")
    assert (snapshot.of, snapshot.redshift, snapshot.m22) == ("fdm 3", 1.5, None)
    assert np.array_equal(snapshot.deviation, 0.25 * spectrum.power[1:])
    # the width of its bins is told: their edges are those of the grid
    assert snapshot.bin_edges[1] / spectrum.bins.fundamental % 1 == pytest.approx(0.5, abs=1e-9)


def test_bins_that_a_box_has_too_many_of_are_refused_before_it_is_filled():
    config = parse_config("[filament]\n[wavefunction]\n[box]\nsize = 1e6, 2, 2\ncells = 32\n[power]\n")
    with pytest.raises(InputError, match=r"\[power\] bin_width = 1: .* make 11313710 bins, at most 1000000 are"):
        check(config)
