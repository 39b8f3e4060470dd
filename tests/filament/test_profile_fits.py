"""Equilibria fitted to measured profiles: closed forms, noise, units, bad rows."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gpu_fdm.errors import InputError
from gpu_fdm.filament.cylinder_fit import fit_cylinder
from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.measured import MeasuredProfile, read_measured
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.filament.profile_fit import band_of
from gpu_fdm.filament.smooth import fit_smooth
from gpu_fdm.filament.tabulated import TabulatedProfile, tabulated
from gpu_fdm.filament.weights import wkb_weights
from gpu_fdm.spectra.phase_average import polar_spectrum
from gpu_fdm.units import mean_matter_density

A = 0.2


def cylinder(beta=0.0):
    return SteadyStateCylinder(0.15, 4.0, beta, A)


def two_temperatures():
    """rho = c1 exp(-V/s1) + c2 exp(-V/s2) of beta = 0 by an ODE solver: no isothermal cylinder."""
    s1, s2 = 6.0, 24.0

    def density(potential):
        return 90 * np.exp(-potential / s1) + 30 * np.exp(-potential / s2)

    def slope(log_radius, state):
        radius = np.exp(log_radius)
        return 2 * np.pi * radius**2 * density(state[1]), state[0] / (2 * np.pi * A)

    radius = np.geomspace(0.004, 40, 800)
    start = 120 * np.pi * radius[0] ** 2, 120 * radius[0] ** 2 / (4 * A)
    found = solve_ivp(slope, np.log(radius[[0, -1]]), start, t_eval=np.log(radius), rtol=1e-10, atol=1e-12)
    return TabulatedProfile(radius, density(found.y[1]), 0.0, A)


def measured(source, rows, noise, seed=None, inner=0.01, outer=0.99):
    radius = np.geomspace(*source.radius_enclosing([inner, outer]), rows)
    density = source.density(radius)
    scatter = 0.0 if seed is None else np.random.default_rng(seed).standard_normal(rows)
    return MeasuredProfile(radius, density * (1 + noise * scatter), noise * density)


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.9])
def test_a_cylinder_is_found_again(beta):
    source = cylinder(beta)
    fit = fit_cylinder(measured(source, 12, 1e-6), A)
    r0, sigma, found = (fit.values[name][0] for name in ("r0", "sigma", "beta"))
    assert (r0, sigma, found) == pytest.approx((0.15, 4.0, beta), rel=1e-6, abs=1e-6)
    assert fit.values["line_mass"][0] == pytest.approx(4 * np.pi * A * 16 * (2 - beta), rel=1e-6)
    assert fit.chi_squared < 1e-6 and fit.degrees_of_freedom == 9


def test_errors_of_a_cylinder_are_those_of_many_tables():
    fits = [fit_cylinder(measured(cylinder(0.4), 20, 0.03, seed), A).values for seed in range(100)]
    for name, true in (("r0", 0.15), ("sigma", 4.0), ("beta", 0.4), ("line_mass", cylinder(0.4).line_mass)):
        values, errors = np.array([fit[name] for fit in fits]).T
        pulls = (values - true) / errors
        assert abs(pulls.mean()) < 3 / 10 and 0.85 < pulls.std() < 1.15


@pytest.mark.parametrize("make", [cylinder, lambda: cylinder(0.5), two_temperatures])
def test_without_noise_a_smooth_fit_is_the_table(make):
    source = make()
    rows = measured(source, 60, 1e-5, inner=1e-4, outer=0.999)
    table, fit = tabulated(rows, source.beta, A), fit_smooth(rows, A, source.beta)
    radius = table.radius_enclosing(np.linspace(0.01, 0.98, 12))
    for name in ("density", "potential", "enclosed_line_mass"):
        assert getattr(fit.profile, name)(radius) == pytest.approx(getattr(table, name)(radius), rel=1e-4)
    assert fit.profile.line_mass == pytest.approx(table.line_mass, rel=1e-4)
    k = np.array([0.1, 1.0, 4.0]) / float(radius[6])
    assert _log_power(fit.profile, k) == pytest.approx(_log_power(table, k), abs=1e-4)


@pytest.mark.parametrize(("rows", "noise"), [(60, 0.001), (22, 0.01), (12, 0.05), (60, 0.12), (12, 0.12)])
@pytest.mark.parametrize("make", [cylinder, two_temperatures])
def test_noisy_tables_are_accepted(make, rows, noise):
    """The density is within the noise of the truth, and nowhere negative; chi-squared is that of the noise."""
    source, off, chances = make(), [], []
    for seed in range(4):
        table = measured(source, rows, noise, seed)
        fit = fit_smooth(table, A)
        off.append((fit.model / source.density(table.radius) - 1) / noise)
        chances.append(fit.p_value)
        energy = np.linspace(0, float(fit.profile.potential(table.last)), 50)
        assert np.all(fit.profile.energy_distribution(energy) > 0)
    assert np.sqrt(np.mean(np.square(off))) < 1
    assert min(chances) > 1e-4 and max(chances) > 0.1


def _log_power(profile, k):
    library = eigenstates(profile, 0.99, threads=1)
    return np.log(polar_spectrum(library, wkb_weights(profile, library), k).fixed)


def test_the_band_of_the_spectrum_holds_the_truth():
    """In 6 of 8 tables at least; 50 of each kind are in benchmarks/noisy_profiles.py."""
    source, inside = cylinder(), 0
    k = np.geomspace(0.1, 8, 8)
    for trial in range(8):
        table = measured(source, 16, 0.08, 100 + trial)
        fine = np.geomspace(table.radius[0] / 30, table.last, 200)
        truth = _log_power(TabulatedProfile(fine, source.density(fine), 0.0, A), k)
        fit = fit_smooth(table, A)
        draws = [_log_power(fit.draw(np.random.default_rng([trial, n])), k) for n in range(20)]
        low, high, _ = band_of(np.exp(draws), 0.95)
        inside += np.all((np.exp(truth) >= low) & (np.exp(truth) <= high))
    assert inside >= 6


@pytest.mark.parametrize("fit", [fit_smooth, fit_cylinder])
def test_a_draw_is_that_of_its_numbers_alone(fit):
    found = fit(measured(cylinder(0.2), 20, 0.05, 1), A)
    first = found.draw(np.random.default_rng(7)).line_mass
    found.draw(np.random.default_rng(8))
    assert found.draw(np.random.default_rng(7)).line_mass == first
    spread = np.std([found.draw(np.random.default_rng(n)).line_mass for n in range(40)])
    assert spread == pytest.approx(found.values["line_mass"][1], rel=0.35)


def test_shells_are_averages():
    """A shell of the line mass between its radii is fitted as such, not as the density in its middle."""
    source = cylinder(0.3)
    edges = np.concatenate([[0], np.geomspace(*source.radius_enclosing([0.05, 0.99]), 9)])
    low, high = edges[:-1], edges[1:]
    density = np.diff(source.enclosed_line_mass(edges)) / (np.pi * (high**2 - low**2))
    rows = MeasuredProfile(np.sqrt((low**2 + high**2) / 2), density, 1e-5 * density, np.array([low, high]))
    assert fit_cylinder(rows, A).profile.r0 == pytest.approx(0.15, rel=1e-5)
    smooth = fit_smooth(rows, A, 0.3)
    assert smooth.model == pytest.approx(density, rel=1e-4)
    radius = source.radius_enclosing([0.1, 0.5, 0.9])
    assert smooth.profile.density(radius) == pytest.approx(source.density(radius), rel=1e-4)


RADIUS = np.geomspace(1, 200, 10)  # ckpc/h
DENSITY = 50 / (1 + (RADIUS / 20) ** 2) ** 2  # mean matter densities
HEAD = "radius,density,error"


def write(path, header, radius, density, names=HEAD, error=0.1):
    rows = "\n".join(f"{r!r},{d!r},{error * d!r}" for r, d in zip(radius.tolist(), density.tolist(), strict=True))
    path.write_text("".join(f"# {line}\n" for line in header) + f"{names}\n{rows}\n")
    return path


def test_units_of_tables(tmp_path):
    """The same profile in several units, comoving and physical, with and without h."""
    h, mean = 0.6731, mean_matter_density(0.314649)  # (Msun/h)/(Mpc/h)^3
    expected = RADIUS / 1e3 / 0.01, DENSITY
    gram = 1.98840987e33 / 3.0856775814913673e24**3  # Msun/Mpc^3 in g/cm^3
    cases = [
        ((), RADIUS / 1e3, DENSITY),
        (("radius: ckpc/h",), RADIUS, DENSITY),
        (("radius: Mpc", "density: mean matter densities"), RADIUS / 1e3 / h, DENSITY),
        (("radius: kpc", "density: g/cm^3"), RADIUS / h, DENSITY * mean * h**2 * gram),
        (("radius: kpc/h", "density: 1e10 Msun h2/kpc3"), RADIUS, DENSITY * mean * 1e-19),
        (
            ("radius: kpc/h", "density: littleh2 solMass/Mpc3", "coordinates: physical"),
            RADIUS * A,
            DENSITY * mean / A**3,
        ),
    ]
    for header, radius, density in cases:
        found = read_measured(write(tmp_path / "x.csv", header, radius, density), 0.01, A)
        assert found.radius == pytest.approx(expected[0], rel=1e-5), header
        assert found.density == pytest.approx(expected[1], rel=1e-5), header
        assert found.error == pytest.approx(0.1 * expected[1], rel=1e-5)


def test_an_ecsv_table_of_astropy(tmp_path):
    units = pytest.importorskip("astropy.units")
    table = pytest.importorskip("astropy.table").Table({"radius": RADIUS, "density": DENSITY, "error": 0.1 * DENSITY})
    table["radius"].unit = units.kpc
    table.write(tmp_path / "x.ecsv", format="ascii.ecsv")
    found = read_measured(tmp_path / "x.ecsv", 0.01, A)
    assert found.radius == pytest.approx(RADIUS * 0.6731 / 10, rel=1e-9)
    assert found.error == pytest.approx(0.1 * DENSITY)


def test_line_masses_of_shells(tmp_path):
    low, high = np.arange(10.0), np.arange(1.0, 11)
    rows = "\n".join(f"{a},{b},{1e9 * (b * b - a * a)},1e7" for a, b in zip(low, high, strict=True))
    path = tmp_path / "x.csv"
    path.write_text(f"# radius: ckpc/h\n# line_mass: solMass/Mpc\nr_low,r_high,line_mass,error\n{rows}\n")
    found = read_measured(path, 0.01, A)
    expected = 1e9 / (np.pi * 1e-6) / mean_matter_density(0.314649)
    assert found.density == pytest.approx(np.full(10, expected), rel=1e-9)
    assert found.edges == pytest.approx(np.array([low, high]) / 10)


@pytest.mark.parametrize(
    ("header", "radius", "density", "error", "says"),
    [
        (["radius: apples"], RADIUS, DENSITY, 0.1, "radius: apples in the header: must be a length, as ckpc/h or Mpc"),
        (["radius: s"], RADIUS, DENSITY, 0.1, "radius: s in the header: must be a length"),
        (["density: 9**9**9"], RADIUS, DENSITY, 0.1, "density: 9**9**9 in the header: must be mean matter densities"),
        (["coordinates: polar"], RADIUS, DENSITY, 0.1, "coordinates: polar in the header: must be comoving or"),
        ([], RADIUS, DENSITY, 0.0, "line 2: error = 0: must be positive"),
        ([], RADIUS, DENSITY, -0.1, "line 2: error = -5: must be positive"),
        ([], RADIUS[:7], DENSITY[:7], 0.1, "must hold at least 8 rows"),
        ([], RADIUS[::-1], DENSITY, 0.1, "line 3: radius does not increase"),
    ],
)
def test_bad_tables_of_profiles(tmp_path, header, radius, density, error, says):
    path = write(tmp_path / "x.csv", header, radius, density, error=error)
    if error == -0.1:
        path.write_text(path.read_text().replace(path.read_text().splitlines()[1], "1,50,-5"))
    with pytest.raises(ValueError) as caught:
        read_measured(path, 0.01, A)
    assert says in str(InputError(caught.value))


@pytest.mark.parametrize("fit", [fit_smooth, fit_cylinder])
def test_fits_that_are_refused(fit):
    rising = DENSITY.copy()
    rising[6] = DENSITY[4]
    with pytest.raises(ValueError, match=r"row 7: the density rises outwards: 30\.64 there and .* in row 6, .* apart"):
        fit(MeasuredProfile(RADIUS, rising, 0.03 * DENSITY), A)
    with pytest.raises(ValueError, match="no column error"):
        fit(MeasuredProfile(RADIUS, DENSITY), A)
    with pytest.raises(ValueError, match="no mass"):
        fit(MeasuredProfile(RADIUS, -DENSITY, DENSITY), A)


def test_a_hopeless_fit_says_its_p_value():
    rows = measured(two_temperatures(), 40, 0.001)
    with pytest.raises(ValueError, match=r"chi-squared = .* for 37 degrees of .* \(p = .*\): the largest residual"):
        fit_cylinder(rows, A)
    steps = DENSITY * np.where(np.arange(10) < 5, 1, 0.1)
    with pytest.raises(ValueError, match=r"\(p = .*no smooth equilibrium of this beta"):
        fit_smooth(MeasuredProfile(RADIUS, steps, 1e-4 * steps), A)


def test_a_doubtful_fit_is_told():
    rows = measured(cylinder(), 40, 0.02, 2)
    poor = MeasuredProfile(rows.radius, rows.density, rows.error / 1.5)
    fit = fit_cylinder(poor, A)
    assert 1e-12 < fit.p_value < 1e-3 and f"(p = {fit.p_value:.2g})" in fit.doubt
    assert fit_cylinder(rows, A).doubt == ""
