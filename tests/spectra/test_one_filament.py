"""The one-filament spectrum: its quadrature against closed forms, the published limit, and the stage that makes it."""

import h5py
import numpy as np
import pytest
from rank_runs import needs_mpi, result_of_ranks
from scipy.integrate import quad
from tiny_runs import run_in

from gpu_fdm.comparison.models import model_boosts
from gpu_fdm.config.config import parse_config, read_config
from gpu_fdm.errors import InputError
from gpu_fdm.io.cache import Cache
from gpu_fdm.pipeline import population_filaments as stage
from gpu_fdm.pipeline.run import cache_folder, check, run
from gpu_fdm.plots.spectra import one_filament
from gpu_fdm.population.shapes import published_mass_function
from gpu_fdm.spectra.one_filament import (
    OneFilamentSpectrum,
    chebyshev_masses,
    limit_of_small_wavenumbers,
    mean_over_masses,
    population_density,
    relative_change,
)

LOW, HIGH = 3e9, 3e10


def test_published_limit():
    """P_1f(k -> 0) of the published power laws from 3e9 to 3e10 Msun/h: 1.70 (Mpc/h)^3; and in closed form."""
    density = population_density(published_mass_function, LOW, HIGH)
    limit = limit_of_small_wavenumbers(published_mass_function, LOW, HIGH, density)
    assert limit == pytest.approx(1.70, abs=0.01)
    slope, norm = -1.19428402, np.exp(26.19080834)
    first, second = (norm * (HIGH ** (slope + n) - LOW ** (slope + n)) / (slope + n) for n in (1, 2))
    assert density == pytest.approx(first, rel=1e-12)
    assert limit == pytest.approx(second / first**2, rel=1e-12)


def test_masses_are_nested():
    coarse, fine = (chebyshev_masses(LOW, HIGH, level) for level in (2, 3))
    assert len(coarse) == 5 and len(fine) == 9
    assert np.array_equal(fine[::2], coarse) and fine[0] == LOW and fine[-1] == HIGH
    assert np.all(np.diff(fine) > 0)


def single(k, mass):
    """Falls by many decades with k and with M, as spectra do."""
    return np.exp(-((k * (mass / 1e10) ** 0.3) ** 2)) / (1 + k * (mass / 1e10) ** 0.2)


def test_mean_over_masses():
    k = np.linspace(0, 4, 9)
    exact = [
        quad(
            lambda x, k=k: np.exp(2 * x) * published_mass_function(np.exp(x)) * single(k, np.exp(x)),
            *np.log([LOW, HIGH]),
        )[0]
        for k in k
    ]
    masses = chebyshev_masses(LOW, HIGH, 3)
    spectra = np.stack([single(k, mass) for mass in masses])
    found = mean_over_masses(masses, spectra, published_mass_function, density=1.0)
    assert found == pytest.approx(exact, rel=1e-6)  # the interpolation
    result = OneFilamentSpectrum.from_masses(k, masses, spectra, spectra**2, published_mass_function, 1.0)
    assert result.fdm == pytest.approx(found, rel=1e-13) and np.all(result.smooth <= found)
    # the error is that of half of the masses, far above that of all
    assert 1e-6 < result.error < 1e-2
    assert (
        OneFilamentSpectrum.from_masses(k, masses[::4], spectra[::4], spectra[::4], published_mass_function, 1.0).error
        == np.inf
    )


def test_error_is_what_every_other_mass_would_give():
    """ln P of degree 4 in ln M: five masses have it exactly, three a parabola; both integrals by quadrature."""
    k, masses = np.array([0.0, 0.5, 1.0]), chebyshev_masses(LOW, HIGH, 2)

    def log_power(x, k):
        u = x - np.log(1e10)
        return -(k**2) * (0.2 * u + 0.1 * u**4)

    def mean(of, k):
        def term(x):
            return np.exp(2 * x + of(x, k)) * published_mass_function(np.exp(x))

        return quad(term, *np.log([LOW, HIGH]), epsrel=1e-12)[0]

    three = np.log(masses[::2])
    parabolas = {q: np.polynomial.Polynomial.fit(three, log_power(three, q), 2) for q in k.tolist()}
    changes = [mean(lambda x, q: parabolas[q](x), q) / mean(log_power, q) - 1 for q in k.tolist()]
    spectra = np.exp(log_power(np.log(masses)[:, None], k))
    found = OneFilamentSpectrum.from_masses(k, masses, spectra, spectra**2, published_mass_function, 1.0)
    assert 1e-3 < np.max(np.abs(changes)) < 0.1
    assert found.error == pytest.approx(np.max(np.abs(changes)), rel=1e-6)


def test_errors_are_told_where_there_is_power():
    assert relative_change(np.array([1.0, 0.5, 1e-9]), np.array([1.01, 0.5, 1.0])) == pytest.approx(0.01)


INI = """
[run]
output = {output}
backend = cpu
[wavefunction]
[population]
m22 = 0.5, 0.8
masses = 20
mass_min = 1e9
mass_max = 1e11
[one_filament]
mass_max = 6e9
points = 20
k_min = 0.1
k_max = 300
tolerance = 0.05
"""


def stored(path):
    with h5py.File(path) as file:
        group = file["one_filament_power"]
        return {name: {key: group[name][key][:] for key in group[name]} for name in group}, {
            name: dict(group[name].attrs) for name in group
        }


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """An ini and the result of its run."""
    return run_in(tmp_path_factory.mktemp("one filament"), INI)


def test_run(done):
    _, outcome = done
    spectra, attributes = stored(outcome.result)
    assert set(spectra) == {"cdm", "m22_0.5", "m22_0.8"}
    cold = spectra.pop("cdm")
    assert set(cold) == {"k", "power_classical"}
    for name, spectrum in spectra.items():
        about = attributes[name]
        assert about["error"] <= 0.05 and len(spectrum["masses"]) >= 5
        assert about["normalisation"] == "population" and about["shape"] == "collapse" and about["mass_min"] == 3e9
        # filaments hold their mass, and are long compared with no wavelength yet
        assert spectrum["power_fdm"][0] == pytest.approx(about["limit"], rel=0.01)
        assert np.all(spectrum["power_fdm"] > 0.999 * spectrum["power_smooth"])
        assert spectrum["power_classical"][0] == pytest.approx(about["limit"], rel=0.01)
        assert np.all(np.diff(spectrum["power_classical"]) < 0)
    assert cold["power_classical"][0] == pytest.approx(attributes["cdm"]["limit"], rel=0.01)
    with h5py.File(outcome.result) as file:
        assert set(file["mass_function"]) == {"cdm", "m22_0.5", "m22_0.8"}
        assert np.all(file["mass_function/cdm/dn_dlnm"][:] > file["mass_function/m22_0.5/dn_dlnm"][:])
        axes, freeze = file["collapse/cdm/axes"][:], file["collapse/cdm"].attrs["freeze"]
        assert axes.shape[1] == 3 and freeze[0] < freeze[1] == pytest.approx(0.2, rel=1e-4)
        assert file["mass_function/cdm"].attrs["linear_power"].startswith("CAMB")


@pytest.mark.slow
def test_a_stopped_run_goes_on(done, monkeypatch, tmp_path):
    """Cached filaments are not solved again, unless the cache is damaged, and the result is the same."""
    ini, outcome = done
    before, _ = stored(outcome.result)

    def never(*arguments):
        raise AssertionError("solved again")

    monkeypatch.setattr(stage, "solve", never)
    outcome.result.unlink()
    again, _ = stored(run(read_config(ini)).result)
    for name, spectrum in before.items():
        for key, values in spectrum.items():
            assert np.array_equal(again[name][key], values), key
    part = sorted(cache_folder(outcome.result).iterdir())[0]
    octets = part.read_bytes()
    part.write_bytes(octets[: len(octets) // 2])
    outcome.result.unlink()
    with pytest.raises(AssertionError, match="solved again"):
        run(read_config(ini))
    part.write_bytes(octets)
    # what a part depends on is its key
    with pytest.raises(AssertionError, match="solved again"):
        run(read_config(ini, ["wavefunction.energy_cut=0.98"]))
    # the choice of normalisation is not: nothing is solved for it
    run(read_config(ini, ["one_filament.normalisation=matter"]))
    run(read_config(ini))


@needs_mpi
def test_ranks_agree(done, tmp_path):
    ini, outcome = done
    ours, _ = stored(result_of_ranks(ini, 3, tmp_path / "r"))
    for name, spectrum in stored(outcome.result)[0].items():
        for key, values in spectrum.items():
            assert ours[name][key] == pytest.approx(values, rel=1e-9), key


LIGHT = """
[run]
output = {output}
backend = cpu
[population]
m22 = 1
[wavefunction]
[one_filament]
mass_function = published
shape = published
mass_min = 1e8
mass_max = 2e8
tolerance = 1
points = 5
k_max = 100
[figures]
dpi = 40
"""


def test_modes_that_do_not_describe_their_filaments(tmp_path, caplog):
    """One warning of the run, one of every command that reads the result; the lightest filament has a single mode."""
    result = run(parse_config(LIGHT.format(output=tmp_path / "out"))).result
    (warning,) = [record.getMessage() for record in caplog.records if "do not describe" in record.getMessage()]
    told = (
        "the modes of 5 of 5 filaments (1e+08 to 2e+08 Msun/h) do not describe them: at worst (1e+08 Msun/h) they make "
    )
    told += "16.2 % of the line mass, rms of ln density 3.2"
    advice = (
        "take a larger [one_filament] mass_min, another [wavefunction] weights, a higher energy_cut, or heavier bosons"
    )
    assert warning == f"one-filament spectra, m22 = 1: {told}; {advice}"
    spectra, _ = stored(result)
    assert spectra["m22_1"]["weight_sum"][0] == pytest.approx(0.16204, abs=1e-5)
    assert spectra["m22_1"]["rms_log_density"][0] == pytest.approx(3.2219, abs=1e-4)
    caplog.clear()
    model_boosts(result)
    (warning,) = [record.getMessage() for record in caplog.records if "do not describe" in record.getMessage()]
    assert warning.endswith(f"one_filament_power/m22_1: {told}")
    with h5py.File(result) as file:
        title = one_filament(file).get_suptitle()
    assert "m_{22}=1$: the modes of 5 of 5 filaments do not describe them" in title


def test_a_filament_without_a_mode(tmp_path):
    with pytest.raises(
        InputError, match=r"m22 = 0.1: the filament of 2e\+08 Msun/h has no eigenstate below the energy cut"
    ):
        run(parse_config(LIGHT.format(output=tmp_path / "out"), overrides=["population.m22=0.1"]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("one_filament.mass_min=1e8", "[one_filament] mass_min = 100000000: must be in [1e+09, 1e+11], the masses of"),
        ("one_filament.mass_max=1e12", "[one_filament] mass_max = 1e+12: must be in [1e+09, 1e+11], the masses of"),
        ("one_filament.mass_max=2e9", "[one_filament] mass_min = 3000000000: must be smaller than mass_max, 2e+09"),
        ("one_filament.k_min=400", "[one_filament] k_min = 400: must be smaller than k_max, 300"),
        ("population.m22=1,1", "[population] m22 = 1, 1: must not name a mass twice"),
        ("population.mass_max=1e17", "the mass function vanishes elsewhere"),
        ("population.mass_min=10", "[population] mass_min = 9.99001 Msun/h: must be at least"),
        ("population.example_mass=10", "[population] with example_mass and the masses of other sections, 10 to 1e+11"),
        ("cosmology.redshift=60", "[cosmology] redshift = 60: must be at most 49: ellipsoidal collapse starts at"),
        ("cosmology.redshift=30", "[population] mass_min = 1e+09: must be more than 1e+11 Msun/h"),
        ("population.transfer=table", "must be given with transfer = table, and only then"),
    ],
)
def test_bad_input(tmp_path, change, says):
    config = INI.format(output=tmp_path / "out")
    with pytest.raises(InputError) as error:
        check(parse_config(config, overrides=[change]))
    assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["shape", "mass_function"])
def test_published_fits_hold_at_their_redshift_only(tmp_path, key):
    overrides = ["cosmology.redshift=5", f"one_filament.{key}=published"]
    with pytest.raises(InputError, match=rf"{key} = published: holds at z = 4 only"):
        check(parse_config(INI.format(output=tmp_path), overrides=overrides))


def test_kept_parts(tmp_path, caplog):
    cache = Cache(tmp_path / "cache")
    arrays = {"power": np.array([1.0, np.nan, 1e-300]), "states": np.array(3)}
    assert cache.load("part", {"x": 0.1}) is None
    cache.store("part", {"x": 0.1}, arrays)
    loaded = cache.load("part", {"x": 0.1})
    assert set(loaded) == set(arrays)
    assert all(np.array_equal(loaded[name], arrays[name], equal_nan=True) for name in arrays)
    assert cache.load("part", {"x": 0.10000000000000002}) is None
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(b"PK nonsense")
    assert cache.load("part", {"x": 0.1}) is None
    assert "is damaged" in caplog.text
