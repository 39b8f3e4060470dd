"""What every profile must satisfy, and the closed forms and errors of each."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gamma, j0, j1, jn_zeros, k1, roots_legendre

from gpu_fdm.filament.measured import MeasuredProfile, read_measured
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.filament.smooth import fit_smooth
from gpu_fdm.filament.tabulated import TabulatedProfile
from gpu_fdm.filament.tabulated import tabulated as of_rows

A = 0.2
BETAS = (0.0, 0.3, 0.5, 0.9)


def cylinder(beta):
    return SteadyStateCylinder(r0=0.27, sigma=7.2, beta=beta, scale_factor=A)


def tabulated(beta, rows=200):
    source = cylinder(beta)
    radius = np.geomspace(*source.radius_enclosing([1e-4, 0.9995]), rows)
    return TabulatedProfile(radius, source.density(radius), beta, A)


def density_from_distribution(profile, radius, tolerance=1e-9):
    """rho(R) from g(E) by adaptive quadrature of the one-dimensional integral over energy."""
    beta, a = profile.beta, profile.scale_factor
    depth, b, scale = float(profile.potential(radius)), beta / 2, 7.2**2

    def integrand(t):  # E = V + scale t^(1/(1-b)) takes the singularity away
        return float(profile.energy_distribution(depth + scale * t ** (1 / (1 - b))))

    integral = sum(
        quad(integrand, *span, epsabs=0, epsrel=tolerance, limit=400)[0] for span in ((0, 2), (2, 8), (8, 40))
    )
    integral *= scale ** (1 - b) / (1 - b)
    constant = 2 ** (1 - b) * np.sqrt(np.pi) * a ** (2 - beta) * gamma((1 - beta) / 2) / gamma(1 - b)
    return constant * radius**-beta * integral


class ProfileContract:
    """Poisson's equation, mass, inverse functions and f -> rho; a new profile is tested by making a subclass."""

    poisson = 1e-8
    inversion = 1e-4
    transform = 1e-5

    @pytest.fixture(params=BETAS)
    def profile(self, request):
        return self.make(request.param)

    def radii(self, profile):
        return profile.radius_enclosing(np.linspace(0.005, 0.98, 12))

    def test_poisson(self, profile):
        """(1/R) d(R V')/dR = rho/a, in the form R V' = mu(<R)/(2 pi a), V' by Richardson's finite differences."""
        radius = self.radii(profile)
        step = 2e-3 * radius

        def slope(h):
            return (profile.potential(radius + h) - profile.potential(radius - h)) / (2 * h)

        fine = (64 * slope(step / 4) - 20 * slope(step / 2) + slope(step)) / 45
        assert radius * fine == pytest.approx(
            profile.enclosed_line_mass(radius) / (2 * np.pi * profile.scale_factor), rel=self.poisson
        )

    def test_enclosed_mass_is_the_integral_of_the_density(self, profile):
        for radius in self.radii(profile)[::4]:
            # R = radius t^2 takes the cusp away
            mass = quad(
                lambda t: 4 * np.pi * radius**2 * t**3 * float(profile.density(radius * t**2)),  # noqa: B023
                0,
                1,
                epsrel=1e-9,
                limit=400,
            )[0]
            assert mass == pytest.approx(float(profile.enclosed_line_mass(radius)), rel=1e-8)

    def test_radius_enclosing_inverts(self, profile):
        fraction = np.array([0.01, 0.5, 0.95])
        enclosed = profile.enclosed_line_mass(profile.radius_enclosing(fraction))
        assert enclosed / profile.line_mass == pytest.approx(fraction, rel=1e-9)

    def test_distribution_integrates_to_the_density(self, profile):
        for radius in self.radii(profile):
            found = density_from_distribution(profile, float(radius), self.inversion / 10)
            assert found == pytest.approx(float(profile.density(radius)), rel=self.inversion)

    def test_distribution_over_momenta(self, profile):
        """The same in two dimensions: rho = int f dp_R dp_phi with E = p^2/(2 a^2) + V and L = R p_phi."""
        radius = float(profile.radius_enclosing(0.4))
        depth, a, beta = float(profile.potential(radius)), profile.scale_factor, profile.beta
        x, w = np.polynomial.legendre.leggauss(200)
        # p = p_max s^3 lifts p^(1 - beta) at 0
        s = (1 + x) / 2
        momentum = a * 7.2 * 9 * s**3
        weight_p = a * 7.2 * 9 * 3 * s**2 * w / 2
        # p_phi = p sin(theta); the singularity sin^-beta at 0 is lifted by theta = (pi/2) s^(1/(1-beta))
        power = 1 / (1 - beta)
        theta = np.pi / 2 * s**power
        weight_theta = np.pi / 2 * power * s ** (power - 1) * w / 2
        p, th = momentum[:, None], theta[None, :]
        f = profile.distribution(p**2 / (2 * a**2) + depth, radius * p * np.sin(th))
        total = 4 * np.sum(f * p * weight_p[:, None] * weight_theta)
        assert total == pytest.approx(float(profile.density(radius)), rel=max(1e-6, self.inversion))

    def test_form_factor_is_the_hankel_transform_of_the_density(self, profile):
        """F = 1 - k int mu(>R)/mu J_1(kR) dR, summed between the zeros of J_1 with Euler's acceleration."""
        x, w = np.polynomial.legendre.leggauss(40)
        for k in np.array([0.1, 1.0, 4.0]) / profile.radius_enclosing(0.5):
            edges = np.concatenate([[0], jn_zeros(1, 200)]) / k
            half = np.diff(edges)[:, None] / 2
            radius = edges[:-1, None] + half * (1 + x)
            outside = 1 - profile.enclosed_line_mass(radius) / profile.line_mass
            sums = np.cumsum(np.sum(half * w * k * j1(k * radius) * outside, axis=1))
            for _ in range(50):
                sums = (sums[1:] + sums[:-1]) / 2
            assert float(profile.form_factor(k)) == pytest.approx(1 - sums[-1], abs=self.transform)

    def cut(self, profile):
        return float(profile.potential(profile.radius_enclosing(0.9)))

    def test_density_of_energies_beyond_a_cut(self, profile):
        """The integral of g(E) from the cut on; all of the density beyond the turning point."""
        cut, beta = self.cut(profile), profile.beta
        edge, b = float(profile.radius_enclosing(0.9)), beta / 2
        x, w = np.polynomial.legendre.leggauss(200)
        for radius in edge * np.array([1e-3, 0.1, 0.7, 0.999]):
            depth = float(profile.potential(radius))
            span = np.array([cut - depth, 60 * 7.2**2]) ** (1 - b)  # of (E - V)^(1-b)
            t = span[0] + (span[1] - span[0]) * (1 + x) / 2
            integral = np.sum(w * profile.energy_distribution(depth + t ** (1 / (1 - b))))
            integral *= (span[1] - span[0]) / 2 / (1 - b)
            constant = 2 ** (1 - b) * np.sqrt(np.pi) * A ** (2 - beta) * gamma((1 - beta) / 2) / gamma(1 - b)
            expected = constant * radius**-beta * integral
            assert float(profile.density_beyond(cut, radius)) == pytest.approx(expected, rel=self.inversion)
        outside = edge * np.array([1.01, 2, 9])
        assert profile.density_beyond(cut, outside) == pytest.approx(profile.density(outside), rel=1e-12)

    def test_form_factors_of_the_mass_that_a_cut_leaves_out(self, profile):
        """Against sums over thin rings of what is inside the turning point."""
        cut, edge = self.cut(profile), float(profile.radius_enclosing(0.9))
        x, w = roots_legendre(1000)
        t = (1 + x) / 2
        radius = edge * t**3  # takes the cusp away
        ring = 2 * np.pi * radius * 3 * edge * t**2 * w / 2 / profile.line_mass
        k = np.array([[0.0, 0.3], [3.0, 30.0]]) / float(profile.radius_enclosing(0.5))
        bessel = j0(k[..., None] * radius)
        inside = bessel @ (ring * profile.density(radius))
        below = bessel @ (ring * (profile.density(radius) - profile.density_beyond(cut, radius)))
        of_all = profile.form_factor(k)
        tolerance = {"abs": 1e-7 if self.inversion > 1e-6 else 1e-9}
        assert profile.form_factor_outside(cut, k) == pytest.approx(of_all - inside, **tolerance)
        assert profile.form_factor_beyond(cut, k) == pytest.approx(of_all - below, **tolerance)
        assert float(profile.form_factor_outside(cut, 0.0)) == pytest.approx(0.1, abs=1e-7)
        for energy in (0.0, -1.0, np.inf):
            with pytest.raises(ValueError, match=r"energy = .*: must be positive and finite"):
                profile.form_factor_beyond(energy, k)

    def test_form_factor_starts_at_one(self, profile):
        assert profile.form_factor(np.array([[0.0, 1e-9]])) == pytest.approx(np.ones((1, 2)), abs=1e-7)
        with pytest.raises(ValueError, match="wavenumber"):
            profile.form_factor(-1.0)

    def test_bad_arguments(self, profile):
        with pytest.raises(ValueError, match="radius"):
            profile.density(-1.0)
        with pytest.raises(ValueError, match="mass fraction"):
            profile.radius_enclosing(1.0)


class TestSteadyStateCylinder(ProfileContract):
    make = staticmethod(cylinder)
    inversion = 1e-8
    transform = 1e-7

    def test_published_numbers(self):
        # code units for m22 = 1, M = 5e9 Msun/h, z = 4
        profile = SteadyStateCylinder(0.27195996, np.sqrt(52.280477), 0.0, 0.2)
        assert profile.line_mass == pytest.approx(262.79034, rel=1e-7)
        assert float(profile.radius_enclosing(0.99)) == pytest.approx(13.529837, rel=1e-7)
        assert float(profile.potential(profile.radius_enclosing(0.99))) == pytest.approx(481.52099, rel=1e-7)

    @pytest.mark.parametrize("fraction", [0.5, 0.9, 0.99, 0.999])
    def test_mass_beyond_a_cut(self, fraction):
        """beta = 0: 1 - f^2, and q K_1(q) less the transform of 2 x [(1 + x^2)^-2 - (1-f)^2] up to x_f."""
        profile = cylinder(0.0)
        cut = float(profile.potential(profile.radius_enclosing(fraction)))
        assert float(profile.form_factor_beyond(cut, 0.0)) == pytest.approx(1 - fraction**2, abs=1e-9)
        for q in (0.2, 1.0, 6.0):
            below = quad(
                lambda x: 2 * x * ((1 + x**2) ** -2 - (1 - fraction) ** 2) * j0(q * x),  # noqa: B023
                0,
                np.sqrt(fraction / (1 - fraction)),
                epsabs=1e-13,
                limit=1000,
            )[0]
            found = float(profile.form_factor_beyond(cut, q * A / profile.r0))
            assert found == pytest.approx(q * k1(q) - below, abs=1e-9)

    @pytest.mark.parametrize("name, value", [("r0", 0), ("sigma", -1), ("beta", 1), ("scale_factor", 0)])
    def test_bad_shape(self, name, value):
        shape = {"r0": 0.3, "sigma": 7.0, "beta": 0.0, "scale_factor": 0.2, name: value}
        with pytest.raises(ValueError, match=f"{name} = {value}"):
            SteadyStateCylinder(**shape)

    @pytest.mark.parametrize("scale_factor", [1.0, 0.1])
    def test_any_redshift(self, scale_factor):
        profile = SteadyStateCylinder(0.3, 7.2, 0.2, scale_factor)
        radius = float(profile.radius_enclosing(0.3))
        assert density_from_distribution(profile, radius) == pytest.approx(float(profile.density(radius)), rel=1e-8)


class TestTabulatedProfile(ProfileContract):
    make = staticmethod(tabulated)

    @pytest.mark.parametrize("beta", BETAS)
    def test_agrees_with_its_source(self, beta):
        table, source = tabulated(beta), cylinder(beta)
        radius = source.radius_enclosing(np.linspace(0.001, 0.98, 30))
        energy = source.potential(radius)
        assert table.potential(radius) == pytest.approx(energy, rel=1e-7)
        assert table.enclosed_line_mass(radius) == pytest.approx(source.enclosed_line_mass(radius), rel=1e-7)
        assert table.energy_distribution(energy) == pytest.approx(source.energy_distribution(energy), rel=1e-4)

    def test_no_mass_outside(self):
        table = tabulated(0.0)
        last = table.radius_enclosing(1 - 1e-12)
        assert float(table.density(2 * last)) == 0
        slope = float(table.potential(4 * last) - table.potential(2 * last)) / np.log(2)
        assert slope == pytest.approx(table.line_mass / (2 * np.pi * A), rel=1e-9)

    def test_no_equilibrium(self):
        radius = np.geomspace(0.1, 10, 100)
        with pytest.raises(ValueError, match="no equilibrium"):
            TabulatedProfile(radius, radius**-0.5 * (1 + 0.3 * np.sin(radius)), 0.0, A)

    @pytest.mark.parametrize(
        "row, radius, density, message",
        [
            (3, None, -1.0, r"row 4: density = -1.0: must be positive"),
            (3, None, np.nan, r"row 4: density = nan"),
            (5, 0.001, None, r"row 6: radius does not increase"),
            (1, np.nextafter(0.1, 1), None, r"row 2: radius does not increase"),  # their logarithms are the same
        ],
    )
    def test_bad_rows(self, row, radius, density, message):
        radii = np.geomspace(0.1, 10, 20)
        values = 1 / (1 + radii**2) ** 2
        if radius is not None:
            radii[row] = radius
        if density is not None:
            values[row] = density
        with pytest.raises(ValueError, match=message):
            TabulatedProfile(radii, values, 0.0, A)

    def test_from_csv(self, tmp_path):
        source = cylinder(0.0)
        radius = np.geomspace(*source.radius_enclosing([1e-4, 0.9995]), 100)
        path = tmp_path / "profile.csv"
        rows = "\n".join(
            f"{d!r}, {r * 0.01!r}" for r, d in zip(radius.tolist(), source.density(radius).tolist(), strict=True)
        )
        path.write_text(f"# measured\ndensity, radius\n{rows}\n")
        table = of_rows(read_measured(path, length_unit=0.01, scale_factor=A), 0.0, A)
        assert table.line_mass == pytest.approx(0.9995 * source.line_mass, rel=1e-4)
        path.write_text("radius,rho\n1,2\n")
        with pytest.raises(ValueError, match="line 1: no column density"):
            read_measured(path, 1.0)


def smooth(beta):
    """Fitted to rows with 5 % noise."""
    source = cylinder(beta)
    radius = np.geomspace(*source.radius_enclosing([1e-3, 0.9995]), 30)
    density = source.density(radius)
    noisy = density * (1 + 0.05 * np.random.default_rng(1).standard_normal(30))
    return fit_smooth(MeasuredProfile(radius, noisy, 0.05 * density), A, beta).profile


class TestSmoothProfile(ProfileContract):
    """An equilibrium, whatever the noise."""

    make = staticmethod(smooth)
    poisson = 1e-6  # of the rule that integrates its density between the points
