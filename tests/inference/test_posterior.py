"""Posteriors of a model that is known in closed form, chains that are stopped and resumed, and what is refused."""

import pickle
import re
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

pytest.importorskip("emcee", reason="the extra fit is not installed")

import emcee
from linear_model import REDSHIFT, SLOPES, TRUTH, K, LinearModel, likelihood, table
from threadpoolctl import threadpool_info

from gpu_fdm import InputError, RunError
from gpu_fdm.config.config import parse_config
from gpu_fdm.config.fit_section import FitSection
from gpu_fdm.config.priors import Prior
from gpu_fdm.inference.chain import read_chain
from gpu_fdm.inference.likelihood import Likelihood
from gpu_fdm.inference.measured import Measured, quantity, read_covariance
from gpu_fdm.inference.posterior import Posterior
from gpu_fdm.inference.sampler import sample
from gpu_fdm.inference.summary import interval, intervals, misfit_lines
from gpu_fdm.io.lock import only_run
from gpu_fdm.spectra.boost import Boost

PRIORS = {"m22": "log_normal(2, 0.5)", "ln10As": "normal(3.02, 0.03)", "n_s": "normal(0.965, 0.005)"}
CENTRE, SPREAD = np.array([np.log(2), 3.02, 0.965]), np.array([0.5, 0.03, 0.005])
SETTINGS = {"prior of m22": "that"}


def posterior(priors=PRIORS, **of_likelihood):
    return Posterior.of(likelihood(**of_likelihood), FitSection(**priors))


def closed_form(spectrum, precision):
    """Mean and covariance of the posterior, and chi-squared at the mean."""
    information = SLOPES.T @ precision @ SLOPES + np.diag(SPREAD**-2)
    covariance = np.linalg.inv(information)
    data = np.log(spectrum.power)
    shift = covariance @ (SLOPES.T @ precision @ data + (CENTRE - TRUTH) / SPREAD**2)
    rest = data - SLOPES @ shift
    pulls = (TRUTH + shift - CENTRE) / SPREAD
    return TRUTH + shift, covariance, rest @ precision @ rest + pulls @ pulls


@pytest.mark.parametrize("correlated", [False, True])
def test_the_maximum_of_a_gaussian(correlated):
    spectrum, matrix = table(), None
    if correlated:
        distance = np.abs(np.subtract.outer(np.log(K), np.log(K)))
        matrix = np.outer(spectrum.error, spectrum.error) * np.exp(-distance)
    relative = (np.diag(spectrum.error**2) if matrix is None else matrix) / np.outer(spectrum.power, spectrum.power)
    mean, covariance, chi_squared = closed_form(spectrum, np.linalg.inv(relative))
    best = posterior(spectrum=spectrum, covariance=matrix).best
    np.testing.assert_allclose(best.point, mean, atol=1e-5 * np.sqrt(np.diag(covariance)).max())
    np.testing.assert_allclose(np.linalg.inv(best.information), covariance, rtol=1e-5)
    assert best.chi_squared == pytest.approx(chi_squared, rel=1e-8) and best.freedom == len(K)
    assert best.fits != correlated and bool(misfit_lines(best)) == correlated  # the scatter is that of independent rows


def test_a_chain_of_a_gaussian(tmp_path):
    spectrum = table()
    mean, covariance, _ = closed_form(spectrum, np.diag((spectrum.power / spectrum.error) ** 2))
    chain = sample(posterior(spectrum=spectrum), tmp_path / "chain.hdf5", SETTINGS, 16, 600, 1e6, 3)
    samples, deviation = chain.samples(), np.sqrt(np.diag(covariance))
    independent = len(samples) / chain.longest
    assert np.all(np.abs(samples.mean(0) - mean) < 4 * deviation / np.sqrt(independent))
    np.testing.assert_allclose(samples.std(0), deviation, rtol=4 / np.sqrt(2 * independent))
    (found, *_) = intervals(posterior(), chain)
    ends = np.exp(mean[0] + deviation[0] * np.array([-1.96, -0.9945, 0, 0.9945, 1.96]))
    np.testing.assert_allclose(found.quantiles, ends, rtol=6 * deviation[0] / np.sqrt(independent))
    assert "m22 = " in found.text and not found.at_end


@pytest.mark.parametrize("stop_at", [700, 2500, 3300])
def test_a_chain_that_is_stopped_resumes_bit_for_bit(stop_at, tmp_path):
    limits = SETTINGS, 8, 430, 1e6, 1
    whole = sample(posterior(), tmp_path / "whole.hdf5", *limits)
    with pytest.raises(KeyboardInterrupt):
        sample(posterior(stop_at=stop_at), tmp_path / "chain.hdf5", *limits)
    kept = read_chain(tmp_path / "chain.hdf5").steps
    assert kept >= (stop_at - 400) // 8 - 2 and kept < 430
    resumed = sample(posterior(), tmp_path / "chain.hdf5", *limits)
    stored = read_chain(tmp_path / "chain.hdf5")
    for chain in (resumed, stored):
        np.testing.assert_array_equal(chain.points, whole.points)
        np.testing.assert_array_equal(chain.log_density, whole.log_density)
        np.testing.assert_array_equal(chain.accepted, whole.accepted)
    assert stored.random[0] == whole.random[0] and np.array_equal(stored.random[1], whole.random[1])


def test_a_chain_ends_after_its_autocorrelation_times_and_goes_on(tmp_path):
    path = tmp_path / "chain.hdf5"
    chain = sample(posterior(), path, SETTINGS, 8, 100_000, 10, 1)
    assert chain.steps % 100 == 0 and 10 * chain.longest <= chain.steps < 1000
    longer = sample(posterior(), path, SETTINGS, 8, chain.steps + 50, 1e6, 1)
    assert longer.steps == chain.steps + 50
    np.testing.assert_array_equal(longer.points[: chain.steps], chain.points)


def test_a_chain_of_other_settings_is_refused_and_kept(tmp_path):
    path = tmp_path / "chain.hdf5"
    sample(posterior(), path, SETTINGS, 8, 20, 50, 1)
    before = path.read_bytes()
    with pytest.raises(InputError, match="a chain of another prior of m22, that: now this: give another --output"):
        sample(posterior(), path, {"prior of m22": "this"}, 8, 20, 50, 1)
    assert path.read_bytes() == before
    path.write_bytes(before[:2000])
    with pytest.raises(InputError, match=r"chain\.hdf5"):
        sample(posterior(), path, SETTINGS, 8, 20, 50, 1)
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="holds no chain of gpu-fdm fit"):
        read_chain(tmp_path / "other.hdf5")


def test_emcee_reads_the_file(tmp_path):
    chain = sample(posterior(), tmp_path / "chain.hdf5", SETTINGS, 8, 30, 50, 1)
    backend = emcee.backends.HDFBackend(str(tmp_path / "chain.hdf5"), read_only=True)
    assert backend.iteration == 30 and backend.shape == (8, 3)
    np.testing.assert_array_equal(backend.get_chain(), chain.points)
    np.testing.assert_array_equal(backend.get_log_prob(), chain.log_density)
    np.testing.assert_array_equal(backend.accepted, chain.accepted)
    assert backend.random_state[0] == "MT19937" and np.array_equal(backend.random_state[1], chain.random[1])


def test_68_and_95_per_cent_are_what_they_say(tmp_path):
    """200 tables of truths that are drawn from the prior; within 3.3 standard deviations of a binomial."""
    inside = np.zeros(2)
    for seed in range(200):
        random = np.random.default_rng(1000 + seed)
        truth = CENTRE + SPREAD * random.standard_normal(3)
        spectrum = table(seed, values=np.exp(SLOPES @ (truth - TRUTH)))
        best = posterior(spectrum=spectrum).best
        deviation = np.sqrt(np.linalg.inv(best.information)[0, 0])
        inside += abs(best.point[0] - truth[0]) < deviation * np.array([0.9945, 1.96])
    assert abs(inside[0] / 200 - 0.68) < 0.109 and abs(inside[1] / 200 - 0.95) < 0.051


def test_a_table_of_something_else_gives_no_mass():
    wiggles = table(values=1 + 0.5 * np.sin(5 * np.log(K)))
    best = posterior(spectrum=wiggles).best
    assert not best.fits
    first, *rows = misfit_lines(best)
    assert "does not describe the tables" in first and "no value of m22 is a measurement" in first
    assert len(rows) == 5 and "table.csv: k = " in rows[0] and "+-" not in "".join(rows)


def test_a_mass_beyond_the_prior_is_a_bad_fit_or_a_bound(tmp_path):
    narrow = {"m22": "log_uniform(0.5, 1.5)"}
    assert not posterior(narrow).best.fits
    touching = posterior({"m22": "log_uniform(0.5, 2.17)"}, spectrum=table(4))
    assert touching.best.fits
    chain = sample(touching, tmp_path / "chain.hdf5", SETTINGS, 8, 600, 1e6, 1)
    (found,) = intervals(touching, chain)
    assert found.at_end == "lower" and found.text.startswith("m22 >= ") and "which ends it" in found.text


@pytest.mark.parametrize(
    ("place", "deviation", "at_end"),
    [
        (0.1, 0.007, ""),  # narrower than a cell of the prior, and 14 deviations from its end
        (0.03, 0.01, ""),
        (0.005, 0.01, "upper"),
        (-0.02, 0.01, "upper"),
        (2.99, 0.02, "lower"),
        (2.9, 0.02, ""),
        (1.5, 5.0, "both"),
        (0.0, 0.8, "upper"),
    ],
)
def test_a_bound_is_where_the_posterior_is_dense_at_the_end_of_its_prior(place, deviation, at_end):
    start, stop = np.log(0.5), np.log(10)
    scale = stop - start
    for seed in range(20):
        drawn = start + place * scale / 3 + deviation * np.random.default_rng(seed).standard_normal(2_000_000)
        samples = drawn[(drawn > start) & (drawn < stop)][:2000]
        found = interval("m22", Prior("log_uniform", 0.5, 10), samples)
        assert found.at_end == at_end
        if at_end in ("lower", "upper"):
            beyond = np.exp(samples) > found.bounds[0] if at_end == "lower" else np.exp(samples) < found.bounds[1]
            assert np.mean(beyond) == pytest.approx(0.95, abs=1e-3)
            assert found.text.startswith(
                f"m22 {'>=' if at_end == 'lower' else '<='} {found.bounds[at_end == 'upper']:.4g}"
            )


def test_several_tables_add_up():
    first, second = (Measured.of(table(seed), f"{seed}.csv") for seed in (1, 2))
    model = {REDSHIFT: LinearModel(K)}
    both = Likelihood((first, second), model)
    assert both.rows == 2 * len(K)
    assert both(m22=2.0) == pytest.approx(Likelihood((first,), model)(m22=2.0) + Likelihood((second,), model)(m22=2.0))


def test_linear_errors_and_those_of_the_logarithm():
    spectrum = table()
    linear = likelihood(spectrum, gaussian="linear").pulls(m22=2.0)
    model = LinearModel(K)(2.0).matter_fdm
    np.testing.assert_allclose(linear, (spectrum.power - model) / spectrum.error)
    np.testing.assert_allclose(likelihood(spectrum).pulls(m22=2.0), np.log(spectrum.power / model) / 0.05)


@pytest.mark.parametrize(
    ("object", "over", "expected"),
    [
        ("filaments of 3e+09 to 3e+10 Msun/h", "smooth", 2.0),
        ("filaments of 3e+09 to 3e+10 Msun/h", "classical", 1.5),
        ("matter with filaments of 3e+09 to 3e+10 Msun/h", "cdm", "cdm"),
        ("", "n-body", "n-body"),
    ],
)
def test_what_a_boost_is_of_says_what_it_is_compared_with(object, over, expected):
    predicted = SimpleNamespace(
        one_filament_fdm=6.0, one_filament_smooth=3.0, one_filament_classical=4.0, boost=lambda over: over
    )
    assert quantity(Boost(**(BOOST | {"object": object, "denominator": over})))(predicted) == expected


BOOST = {"k": K, "boost": np.ones(30), "numerator": "fdm", "denominator": "cdm", "error": np.ones(30), "redshift": 4.0}
SINGULAR = np.ones((30, 30))
NEGATIVE = np.diag([-1.0, *np.ones(29)])


@pytest.mark.parametrize(
    ("change", "covariance", "message"),
    [
        ({"error": None}, None, "t.csv: no errors: add a column error, or give the covariance"),
        ({"error": np.zeros(30)}, None, "t.csv: error = 0 at k = 1 h/Mpc: must be positive"),
        ({"redshift": None}, None, "t.csv: no redshift: add '# redshift: 4' to the header"),
        ({"numerator": "wdm"}, None, "t.csv: of wdm: must be of fdm"),
        ({"object": "one filament of 5e+09 Msun/h"}, None, "object one filament of 5e.09 Msun/h: must be"),
        ({"boost": np.zeros(30)}, None, "t.csv: no row that is positive"),
        ({}, SINGULAR, "t.csv: covariance: singular"),
        ({}, NEGATIVE, "t.csv: covariance: variance -1 in row 1: must be positive"),
        ({}, np.eye(29), r"covariance of shape \(29, 29\): must be \(30, 30\)"),
        ({}, np.triu(np.ones((30, 30))), "covariance: must be finite and symmetric"),
    ],
)
def test_tables_that_are_refused(change, covariance, message):
    with pytest.raises(InputError, match=message):
        Measured.of(Boost(**(BOOST | change)), "t.csv", covariance)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("m22", "uniform(1, 2)"),
        ("m22", "log_uniform(2, 1)"),
        ("m22", "log_uniform(0, 1)"),
        ("n_s", "normal(0.96, 0)"),
        ("n_s", "log_normal(0.96, 0.1)"),
        ("ln10As", "normal(nan, 1)"),
        ("mass_min", "most"),
        ("filament_fraction", "-1"),
        ("walkers", 7),
    ],
)
def test_priors_that_are_refused(key, text):
    with pytest.raises(InputError, match=rf"\[fit\] {key} = .*: must be"):
        parse_config(f"[fit]\n{key} = {text}\n")


def test_priors_are_written_as_they_are_read():
    text = "[fit]\nm22 = log_normal(2.2, 0.1)\nn_s = uniform(0.9, 1)\nmass_min = log_uniform(1e9, 1e+10)\nln10As = 3\n"
    config = parse_config(text)
    assert parse_config(config.to_ini()).fit == config.fit
    assert config.fit.n_s.log_density(0.95) == pytest.approx(np.log(10)) and config.fit.n_s.log_density(1.1) == -np.inf
    with pytest.raises(InputError, match="all parameters are fixed"):
        Posterior.of(likelihood(), FitSection(m22=2))


def test_a_posterior_is_pickled_and_takes_lists():
    made = posterior()
    point = CENTRE.tolist()
    assert pickle.loads(pickle.dumps(made)).log_density(CENTRE) == made.log_density(point) == made.log_density(CENTRE)
    for wrong in (point[:2], 0.7, [point]):
        with pytest.raises(InputError, match="must have 3 numbers, ln_m22, ln10As, n_s"):
            made.log_density(wrong)
    with pytest.raises(InputError, match=r"section is a dict: must be a gpu_fdm FitSection"):
        Posterior.of(likelihood(), {"m22": 2})
    for tables in ([], ["table.csv"]):
        with pytest.raises(InputError, match="each made by read_measured"):
            Likelihood.of(parse_config(""), tables)
    with pytest.raises(InputError, match="gaussian = log: must be one of ln, linear"):
        Measured.of(table(), "table.csv", gaussian="log")


def test_predictions_keep_blas_on_one_thread():
    seen = []
    likelihood = Likelihood((), {REDSHIFT: lambda **_: seen.extend(threadpool_info())})
    assert likelihood.models(m22=1.0) == []
    assert {each["num_threads"] for each in seen if each["user_api"] == "blas"} == {1}


FIT = "[wavefunction]\n[population]\n[one_filament]\n[fit]\n"
OF_WINDOW = "matter with filaments of {} Msun/h"
OF_HALOES = "all matter with filaments of 3e+09 to 3e+10 and haloes of {} Msun/h"


@pytest.mark.parametrize(
    ("object", "ini", "message"),
    [
        (OF_WINDOW.format("1e+09 to 3e+10"), "", r"one_filament.mass_min = 3e\+09: must be 1e\+09, as the table"),
        (OF_WINDOW.format("3e+09 to 1e+10"), "", r"one_filament.mass_max = 3e\+10: must be 1e\+10, as the table"),
        (OF_WINDOW.format("1e+09 to 3e+10"), FIT + "mass_min = 2e9", r"fit.mass_min = 2e\+09: must be 1e\+09"),
        (OF_HALOES.format("1e+08 to 1e+12"), "", r"total_power.mass_min = 3e\+08: must be 1e\+08, as the table"),
    ],
)
def test_tables_of_other_windows_are_refused(object, ini, message):
    """Fitted with the filaments of the config, a table of others gives another mass: 1.71 +- 0.06 for 1.5."""
    boost = Measured.of(Boost(**(BOOST | {"object": object})), "t.csv")
    with pytest.raises(InputError, match=f"^t.csv: of {re.escape(object)}: {message}"):
        Likelihood.of(parse_config(ini), [boost])


@pytest.mark.parametrize(
    ("object", "ini"),
    [
        (OF_WINDOW.format("3e+09 to 3e+10"), ""),
        (OF_WINDOW.format("1.23457e+09 to 3e+10"), FIT + "mass_min = 1.234567e9"),
        (OF_WINDOW.format("1e+09 to 3e+10"), FIT + "mass_min = log_uniform(5e8, 2e9)"),
        ("matter with filaments of 1e+15 to 3e+15 kg", ""),
        ("", ""),
    ],
)
def test_tables_of_these_windows_or_of_none_are_taken(object, ini):
    boost = Measured.of(Boost(**(BOOST | {"object": object})), "t.csv")
    config = parse_config(ini, overrides=["cosmology.linear_power=eisenstein_hu"])
    assert Likelihood.of(config, [boost]).rows == 30


@pytest.mark.parametrize("name", ["c.txt", "c.csv", "c.npy", "c.npz", "named.npz"])
def test_a_covariance_is_read_from_text_and_from_files_of_numpy(name, tmp_path):
    matrix, path = np.array([[4.0, 1.0], [1.0, 9.0]]), tmp_path / name
    if path.suffix == ".npy":
        np.save(path, matrix)
    elif path.suffix == ".npz":
        np.savez(path, **({"covariance": matrix, "k": np.ones(2)} if name == "named.npz" else {"C": matrix}))
    else:
        np.savetxt(path, matrix, delimiter="," if path.suffix == ".csv" else " ")
    np.testing.assert_array_equal(read_covariance(path), matrix)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.eye(2), "b": np.eye(2)}, "arrays a, b: must be one, or one of them covariance"),
        ({"a": np.ones(2)}, r"float64 of shape \(2,\): must be a matrix of real numbers"),
        ({"a": np.eye(2) * 1j}, "complex128 of shape"),
        ({"a": np.array([[None]])}, "not a file of NumPy, or damaged"),
        ({"a": np.zeros((1 << 13, 1 << 12))}, "too large, must have at most 256 MiB"),
        (None, "not a file of NumPy, or damaged"),
    ],
)
def test_files_of_numpy_that_hold_no_covariance_are_refused(arrays, message, tmp_path):
    path = tmp_path / "c.npz"
    if arrays is None:
        path.write_bytes(b"PK\x03\x04 of something else")
    else:
        np.savez_compressed(path, **arrays)
    with pytest.raises(InputError, match=rf"c\.npz: {message}"):
        read_covariance(path)


def test_two_processes_do_not_sample_into_one_file(tmp_path):
    path = tmp_path / "chain.hdf5"
    with (
        only_run(path),
        pytest.raises(RunError, match=r"chain\.hdf5: another run is writing it .*, or take another --output$"),
    ):
        sample(posterior(), path, SETTINGS, 8, 10, 50.0, 1)
    assert list(tmp_path.iterdir()) == []
    assert sample(posterior(), path, SETTINGS, 8, 10, 50.0, 1).steps == 10
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("tables", [(), Measured.of(table(), "t.csv"), ["t.csv"]])
def test_what_is_no_list_of_tables_is_told(tables):
    with pytest.raises(InputError, match="tables: must be a list of at least one table"):
        Likelihood.of(parse_config(""), tables)


def test_a_range_of_k_leaves_rows_out_with_their_covariance():
    spectrum = table()
    k, matrix = spectrum.k, np.diag(np.arange(1.0, 31.0)) + 0.1
    some = (k >= k[3]) & (k <= k[20])
    part = Measured.of(spectrum, "t.csv", matrix, "linear", k[3], k[20])
    np.testing.assert_array_equal(part.k, k[some])
    np.testing.assert_allclose(part.root @ part.root.T, matrix[np.ix_(some, some)])
    assert part.left_out == len(k) - some.sum()
    with pytest.raises(
        InputError, match=r"t\.csv: no row within the limits of the table and k_min to k_max of the fit"
    ):
        Measured.of(spectrum, "t.csv", matrix, "linear", 2 * k[-1])
