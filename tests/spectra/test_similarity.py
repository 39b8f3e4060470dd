"""Spectra over nu against sums over states, closed forms, and numbers that were computed independently."""

import h5py
import numpy as np
import pytest
from locations import REPOSITORY
from scipy.special import erf, gamma, k1, kn

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.weights import wkb_weights
from gpu_fdm.pipeline.model import build_model
from gpu_fdm.spectra.phase_average import polar_spectrum
from gpu_fdm.spectra.similarity import limit
from gpu_fdm.spectra.similarity.filaments import filament_spectra
from gpu_fdm.spectra.similarity.node import plane_spectrum
from gpu_fdm.spectra.similarity.recipe import Recipe
from gpu_fdm.spectra.similarity.store import read_table, shipped_table, table_for, write_table
from gpu_fdm.spectra.similarity.table import table_rows
from gpu_fdm.spectra.single_filament import single_power

F = 0.99
DATA = REPOSITORY / "tests" / "data"


@pytest.fixture(scope="module")
def table():
    return shipped_table()


def test_the_amplitude_of_the_limit_without_a_cut_is_that_of_the_profile():
    q = np.array([1e-3, 0.1, 1.0, 3.0])
    np.testing.assert_allclose(limit.amplitude(q, 1 - 1e-7), q * k1(q), rtol=1e-6)
    assert limit.amplitude([0.0], F) == pytest.approx(1, rel=1e-12)


def test_fringes_of_the_limit():
    # without a cut 1 for all kappa; with it, at kappa = 0, in closed form
    assert limit.fringes(1.0, 1 - 1e-9) == pytest.approx(1, rel=1e-6)
    closed = 3 / F**4 * ((1 - (1 - F) ** 3) / 3 - F * (1 - F) ** 3)
    assert limit.fringes(0.0, F) == pytest.approx(closed, rel=1e-9)
    np.testing.assert_allclose(limit.fringes([0, 1, 2, 3], F), [1.04102, 1.04093, 1.03503, 0.88913], atol=6e-6)
    assert limit.fringes(4.4, F) == 0  # twice the largest momentum is 4.29


def test_self_term_of_the_limit():
    self_term = limit.SelfTerm(F, 60.0)
    # in closed form at q = 0: the square of the weights over phase space, which is that of c(0)/3
    assert self_term(np.zeros(1))[0] == pytest.approx(float(limit.fringes(0.0, F)) / 3, rel=2e-6)
    found = F**4 * self_term(np.array([1.0186, 3.9269, 7.9214, 30.539]))
    np.testing.assert_allclose(found, [0.26525, 0.053374, 0.010922, 6.850e-4], rtol=1e-4)


@pytest.fixture(scope="module")
def plane_of_8():
    return plane_spectrum(8.0, Recipe())


def reference(nu):
    rows = np.loadtxt(DATA / "similarity_F.csv", delimiter=",")
    return rows[rows[:, 0] == nu].T


@pytest.mark.parametrize("nu", [1.0, 8.0])
def test_sums_over_states(nu):
    """The parts with the step at the cut, beside sums that were computed independently."""
    _, q, smooth, interference, self_term, fixed, *_ = reference(nu)
    profile = Recipe().profile(nu)
    library = eigenstates(profile, F)
    found = polar_spectrum(library, wkb_weights(profile, library), q / nu)
    for ours, theirs in ((found.interference, interference), (found.self_term, self_term), (found.fixed, fixed)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    # the square of a sum of terms up to one, which at the largest q leaves 4e-6 of them: round-off differs by processor
    np.testing.assert_allclose(np.sqrt(found.smooth), np.sqrt(smooth), rtol=5e-10, atol=1e-14)


def test_sums_with_the_rounded_cut(plane_of_8, backend):
    for nu, plane in ((1.0, plane_spectrum(1.0, Recipe(), backend)), (8.0, plane_of_8)):
        _, q, *_, rounded = reference(nu)[:, reference(nu)[1] < 2 * nu * 4.4]
        np.testing.assert_allclose(plane.smooth(q) + plane.interference(q) - plane.self_term(q), rounded, rtol=1e-6)


def test_large_nu_approaches_the_limit(plane_of_8):
    """Wigner and Kirkwood: corrections of 1/nu^2 without a cut, to which the parts come back over all of the mass."""
    nu, mass = 8.0, 1 - 1 / (9 * 64)
    q = np.array([0.1, 0.5, 1.0, 2.0, 3.0])
    amplitude = q * k1(q) - 2 / (3 * nu**2) * (2 / 3 * (q / 2) ** 3 * kn(3, q) - (q / 2) ** 2 * kn(2, q))
    np.testing.assert_allclose(mass * np.sqrt(plane_of_8.completed(q)), amplitude, rtol=1e-4)  # 0.4/nu^4 at q = 3
    kappa = np.array([0.25, 0.5, 1.0])
    fringes = np.exp(-(kappa**2)) / (3 * nu**2) * (1 + (kappa**2 - 4) / (5 * nu**2))
    found = plane_of_8.weight_sum**2 * plane_of_8.interference(2 * nu * kappa)
    np.testing.assert_allclose(found, fringes, rtol=2e-4)
    # and with the cut, whose limit has it too
    for kappa in (0.5, 1.0, 2.0):
        expected = float(limit.fringes(kappa, F)) * np.exp(-(kappa**2)) / (3 * nu**2)
        assert plane_of_8.interference(np.array([2 * nu * kappa]))[0] == pytest.approx(expected, rel=0.6 / nu**2)


def test_large_nu_with_anisotropy():
    """nu^2 S(0) from states tends to a sum over l of phase space: it grows as ln nu at beta = 0.5, and has no limit."""
    recipe = Recipe(beta=0.5)
    beta, cut, axial = recipe.beta, recipe.cut, recipe.l0_angular_momentum
    scale = np.sqrt(np.pi) * (2 - beta) * 2 ** (beta / 2) / gamma((1 - beta) / 2)
    log_x = np.linspace(np.log(1e-6), np.log(25), 1000)

    def phase_space(momentum):  # int d eps T/(2 pi) exp(-4 eps), as an integral over x and the radial momentum
        x = np.exp(log_x)
        depth = np.maximum(cut - np.log1p(x ** (2 - beta)) - momentum[:, None] ** 2 / (4 * x**2), 0)
        return np.trapezoid(np.exp(-4 * (cut - depth)) * np.sqrt(np.pi) * erf(2 * np.sqrt(depth)) * x, log_x) / (
            2 * np.pi
        )

    for nu, below in ((4.0, 0.141), (8.0, 0.0437)):
        profile = recipe.profile(nu)
        library = eigenstates(profile, F)
        found = nu**2 * np.sum(library.multiplicity * wkb_weights(profile, library) ** 2)
        l = np.arange(int(12 * nu))
        share = np.where(l == 0, axial ** (-2 * beta), 2.0 * np.maximum(l, 1) ** (-2 * beta))
        expected = scale**2 * nu ** (2 * beta - 1) * np.sum(share * phase_space(l / nu))
        assert 1 - found / expected == pytest.approx(below, rel=0.05)


def test_rows_of_the_table(table):
    """The parts after the average over orientations, beside numbers that were computed independently."""
    rows = np.loadtxt(DATA / "similarity_rows.csv", delimiter=",")
    for nu, ratio, scale, k, smooth, interference, self_term, power in rows[rows[:, 3] < 900]:
        parts = [float(part[0, 0]) for part in table.parts([nu], [ratio], [[k * scale]])[:3]]
        np.testing.assert_allclose(parts, [smooth, interference, self_term], rtol=2e-3)
        # theirs interpolates I - S between kappa = 0 and 0.08, which is 2e-4 too large at k = 1 and nu = 1
        assert parts[0] + parts[1] - parts[2] == pytest.approx(power, rel=3e-4)


FILAMENTS = {  # nu of each is between nodes of the table
    "light": "[dark_matter]\nm22 = 0.7\n[cosmology]\nredshift = 5\n[filament]\nlength = 1.1\nr0 = 0.003\nsigma = 6\n",
    "published": "[dark_matter]\nm22 = 1.6\n[filament]\n",
    "small": "[dark_matter]\nm22 = 2.4\n[filament]\nmass = 3e9\n",
}


@pytest.mark.parametrize("name", FILAMENTS)
def test_table_against_sums_of_a_filament(name):
    config = parse_config(f"{FILAMENTS[name]}[wavefunction]\n")
    model = build_model(config)
    k = np.geomspace(0.5, 1.02 * model.fringe_wavenumber, 60)
    direct = single_power(model, k, plane=False, beyond=True)
    found = filament_spectra([model.filament], k, config.cosmology.h, config.cosmology.omega_m)
    large = direct.fdm > 1e-7
    rough = 1.5e-3  # the step at the cut, which the table rounds
    np.testing.assert_allclose(found.weight_sum[0], model.weights.weight_sum, rtol=rough)
    for ours, theirs in (
        (found.fixed[0], direct.fdm),
        (found.gaussian[0], direct.smooth + direct.interference),
        (found.completed[0] + found.interference[0], direct.completed + direct.interference),
    ):
        np.testing.assert_allclose((ours / ours[0])[large], (theirs / theirs[0])[large], rtol=2 * rough)
    large = direct.completed > 1e-6
    np.testing.assert_allclose(found.completed[0][large], direct.completed[large], rtol=2 * rough)


# m22, redshift, beta; length [cMpc/h], r0 [Mpc/h], sigma [km/s] of filaments that collapse; nu from 4 to 8.5
MANY_STATES = [
    (0.7, 3, 0.0, 1.77183, 0.00853091, 12.0683),  # 3e10 Msun/h, ellipticity = published
    (3, 3, 0.0, 1.14636, 0.00389472, 4.74456),  # 3e9, published
    (6, 6, 0.0, 1.14209, 0.00223172, 6.28818),  # 3e9, published
    (1.5, 3, 0.0, 0.34188, 0.00400065, 8.68799),  # 3e9, collapse
    (0.7, 6, 0.0, 0.417897, 0.00477388, 32.8731),  # 3e10, collapse
    (0.7, 4, 0.5, 1.77092, 0.00473859, 15.5841),  # 3e10, published
    (3, 3, 0.5, 0.343058, 0.00277413, 10.0148),  # 3e9, collapse
    (6, 6, 0.5, 1.14209, 0.00154739, 7.26096),  # 3e9, published
]


@pytest.mark.parametrize(("m22", "redshift", "beta", "length", "r0", "sigma"), MANY_STATES)
def test_table_against_sums_over_many_states(m22, redshift, beta, length, r0, sigma):
    config = parse_config(
        f"[dark_matter]\nm22 = {m22}\n[cosmology]\nredshift = {redshift}\n[wavefunction]\n"
        f"[filament]\nbeta = {beta}\nlength = {length}\nr0 = {r0}\nsigma = {sigma}\n"
    )
    model = build_model(config)
    k = np.geomspace(0.3, 1.0 * model.fringe_wavenumber, 40)
    direct = single_power(model, k, plane=False, beyond=True)
    found = filament_spectra([model.filament], k, config.cosmology.h, config.cosmology.omega_m)
    gaussian = direct.smooth + direct.interference
    completed = direct.completed + direct.interference - direct.self_term
    ours = found.completed[0] + found.interference[0] - found.self_term[0]
    for power, exact in ((found.fixed[0], direct.fdm), (found.gaussian[0], gaussian), (ours, completed)):
        large = exact > 1e-7 * exact[0]
        np.testing.assert_allclose((power / power[0])[large], (exact / exact[0])[large], rtol=5e-4)


@pytest.mark.parametrize("beta", [0.0, 0.5])
@pytest.mark.parametrize("weights", ["wkb", "adaptive_lasso", "poisson", "least_squares"])
def test_two_filaments_of_equal_nu_have_one_spectrum(weights, beta):
    """Mass, boson mass, redshift and cosmology differ; nu and length a/r0 do not."""
    one = "[dark_matter]\nm22 = 1\n[filament]\nlength = 1.2\nr0 = 0.004\nsigma = 8\n"
    other = (
        "[dark_matter]\nm22 = 2\n[cosmology]\nredshift = 3\nh = 0.7\nomega_m = 0.25\nomega_b_h2 = 0.022\n"
        f"[filament]\nlength = {1.2 * 1.5 * 4 / 5!r}\nr0 = 0.006\nsigma = {8 / 3 * 0.7 / 0.6731!r}\n"
    )
    found = []
    for text in (one, other):
        model = build_model(parse_config(f"{text}beta = {beta}\n[wavefunction]\nweights = {weights}\n"))
        scale = model.filament.r0 * (1 + model.filament.redshift)
        power = single_power(model, np.geomspace(0.02, 10, 30) / scale)
        found.append((power.polar.fixed, power.polar.gaussian, power.fdm, model.weights.weight_sum))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-15)


def test_rows_of_the_shipped_table_are_what_the_program_makes(table):
    for node in (0, 8):
        weight_sum, rows = table_rows(table.nu[node], table.recipe)
        assert weight_sum == pytest.approx(table.weight_sum[node], rel=1e-9)
        np.testing.assert_allclose(rows, table.rows[node], rtol=3e-7, atol=1e-5)


def test_a_table_that_is_written_is_read(table, tmp_path):
    write_table(table, tmp_path / "table.hdf5")
    read = read_table(tmp_path / "table.hdf5")
    assert read.recipe == table.recipe == table_for(Recipe(), tmp_path / "table.hdf5").recipe
    assert np.array_equal(read.rows, table.rows)
    filaments = [build_model(parse_config("[filament]\n[wavefunction]\n")).filament]
    ours, theirs = (filament_spectra(filaments, [1.0, 9.0], 0.67, 0.31, chosen) for chosen in (None, read))
    assert np.array_equal(ours.fixed, theirs.fixed)


def test_limits_of_the_table(table):
    for nu, says in (
        (
            0.4,
            r"nu = 0.4: must be in \[0.5, inf\], as the table has it: .*similarity --nu-min 0.38 --output FILE makes",
        ),
        (0.1, r"nu = 0.1: must be in \[0.5, inf\], .*: sums over states hold there"),
    ):
        with pytest.raises(InputError, match=says):
            table.parts([nu], [50], [[1.0]])
    with pytest.raises(
        InputError, match=r"length over r0/a = 9: must be in \[10, 125\], .*--ratio-min 7.2 --output FILE"
    ):
        table.parts([1.0], [9], [[1.0]])
    with pytest.raises(InputError, match=r"kappa = k/k_cut = 4.5: must be at most 4.4"):
        table.parts([1.0, 2.0], [50, 50], [[18.0], [18.0]])
    for text, says in (
        (
            "beta = 0.3\n",
            "energy_cut = 0.99, beta = 0.3, l0_angular_momentum = .*--beta 0.3 --output FILE makes another",
        ),
        ("sharpness = 9\n", "filament 0: sharpness = 9: must be 10/length"),
    ):
        config = parse_config(f"[filament]\n{text}[wavefunction]\n")
        with pytest.raises(InputError, match=says):
            filament_spectra([build_model(config).filament], [1.0], 0.67, 0.31)
    filament = build_model(parse_config("[filament]\n[wavefunction]\n")).filament
    with pytest.raises(
        InputError, match=r"energy_cut = 0\.95, beta = 0: the tables of the package are of energy_cut = 0.99"
    ):
        filament_spectra([filament], [1.0], 0.67, 0.31, energy_cut=0.95)
    with pytest.raises(InputError, match=r"k = 9000 h/Mpc: must be at most .* h/Mpc, kappa = k/k_cut = 4.4"):
        filament_spectra([filament], [1.0, 9000.0], 0.67, 0.31)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"energy_cut": 1.0}, r"energy_cut = 1: must be in \[0.5, 0.9999\]"),
        ({"beta": 1.0}, r"beta = 1: must be in \[0, 0.95\]"),
        ({"beta": 0.5, "l0_angular_momentum": 0.0}, r"l0_angular_momentum = 0: must be in \[1e-06, 1000\]"),
        ({"nu_min": 3.0}, r"nu_min = 3: must be in \[0.25, 1\]"),
        ({"ratio_max": 15.0}, "ratio_max = 15: must be twice ratio_min or more"),
    ],
)
def test_recipes_out_of_range(values, says):
    with pytest.raises(InputError, match=says):
        Recipe(**values)


def test_a_table_that_is_none(tmp_path):
    (tmp_path / "x.hdf5").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"x\.hdf5"):
        read_table(tmp_path / "x.hdf5")


def test_a_table_that_was_changed(table, tmp_path):
    path = tmp_path / "table.hdf5"
    write_table(table, path)
    for change, says in (
        (lambda file: file["rows"].__setitem__((0, 0, 0), 1.0), "not those that the hash in it is of"),
        (lambda file: file.attrs.__setitem__("recipe", "{}"), "not those that the hash in it is of"),
        (
            lambda file: file.attrs.__delitem__("recipe"),
            "must be a table of similarity, as gpu-fdm tabulate similarity",
        ),
    ):
        other = tmp_path / "other.hdf5"
        other.write_bytes(path.read_bytes())
        with h5py.File(other, "r+") as file:
            change(file)
            file.attrs.pop("digest")
        with pytest.raises(InputError, match=says):
            read_table(other)
