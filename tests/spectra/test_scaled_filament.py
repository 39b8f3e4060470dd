"""Spectra of filaments that share nu, from one solution: against those of each filament solved by itself."""

from functools import cache

import numpy as np
import pytest

from gpu_fdm.config.config import parse_config
from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.filament.weights import choose_weights
from gpu_fdm.pipeline.model import build_model
from gpu_fdm.spectra.scaled_filament import ScaledFilament
from gpu_fdm.spectra.single_filament import single_power

# filaments of equal nu: of other bosons, masses, redshifts, universes and lengths
FILAMENTS = {
    "of 5e9": "[dark_matter]\nm22 = {m22}\n[filament]\nbeta = {beta}\n",
    "of another boson": "[dark_matter]\nm22 = {half}\n[filament]\nbeta = {beta}\nr0 = {r0}\nsigma = {sigma}\n"
    "length = 0.7\n[cosmology]\nredshift = 2\nomega_m = 0.3\nh = 0.7\nomega_c_h2 =\n",
}


@cache
def solved(nu, beta=0.0, weights="wkb", k_max=60.0):
    """The filament of one nu in units of r0/a."""
    cylinder = SteadyStateCylinder(1.0, nu, beta, 1.0)
    library = eigenstates(cylinder)
    return ScaledFilament.of(cylinder, library, choose_weights(cylinder, library, weights).weight, k_max)


def model(name, m22, beta, weights, axial):
    """A filament solved by itself; the second has the nu of the first."""
    first = build_model(parse_config(FILAMENTS["of 5e9"].format(m22=m22, beta=beta) + "[wavefunction]\n"))
    if name == "of 5e9":
        more = ""
    else:
        # r0 sigma m22 is to be the same, in code units of another universe: those of r0 sigma go as L^2/T
        other = build_model(
            parse_config(FILAMENTS[name].format(half=m22 / 2, beta=beta, r0=0.004, sigma=9.0) + "[wavefunction]\n")
        )
        nu, has = (each.profile.r0 * each.profile.sigma for each in (first, other))
        more = {"half": m22 / 2, "beta": beta, "r0": 0.004, "sigma": 9.0 * nu / has}
    text = FILAMENTS[name].format(m22=m22, beta=beta) if not more else FILAMENTS[name].format(**more)
    return build_model(parse_config(f"{text}[wavefunction]\nweights = {weights}\naxial = {axial}\n"))


@pytest.mark.parametrize("name", FILAMENTS)
@pytest.mark.parametrize(
    ("m22", "beta", "weights", "statistics", "axial"),
    [
        (0.2, 0.0, "wkb", "fixed", "coherent"),
        (0.8, 0.0, "wkb", "fixed", "coherent"),
        (0.8, 0.0, "wkb", "gaussian", "thermal"),
        (0.8, 0.0, "wkb", "fixed", "thermal"),
        (0.6, 0.5, "wkb", "fixed", "coherent"),
        (0.8, 0.0, "adaptive_lasso", "fixed", "coherent"),
        (0.8, 0.0, "poisson", "gaussian", "coherent"),
    ],
)
def test_filaments_of_one_nu_share_their_states(name, m22, beta, weights, statistics, axial):
    """Interpolation of the spectra in the plane: to 1e-4 where there is power."""
    own = model(name, m22, beta, weights, axial)
    shared = solved(round(own.profile.r0 * own.profile.sigma, 10), beta, weights)
    filament = own.filament
    k = np.geomspace(1, 1.1 * own.fringe_wavenumber, 30)
    power = single_power(own, k, statistics, plane=False)
    unit = filament.r0 * (1 + filament.redshift)
    fdm, smooth = shared.power(k, unit, filament.length, filament.sharpness, statistics, axial)
    classical = shared.particles(k, unit, filament.length, filament.sharpness)
    assert shared.weight_sum == pytest.approx(own.weights.weight_sum, rel=1e-7)
    for found, expected in ((fdm, power.fdm), (smooth, power.smooth), (classical, power.classical)):
        rows = expected > 1e-9
        assert np.count_nonzero(rows) > 15
        assert found[rows] == pytest.approx(expected[rows], rel=1e-4)


def test_heavier_filaments_are_locally_thermal():
    """Twice the nu from nu and half of it: the error falls faster than 1/nu^2, and kappa goes with nu."""
    errors = []
    for nu in (1.0, 2.0):
        k, ends = np.geomspace(0.3, 4, 12), (60.0, 10 / 60.0)
        heavy, exact = solved(nu).heavier(solved(nu / 2), 2.0), solved(2 * nu)
        extrapolated, exact_power = heavy.power(k, 1.0, *ends)[0], exact.power(k, 1.0, *ends)[0]
        errors.append(np.max(np.abs(extrapolated / exact_power - 1)))
    assert errors[0] / errors[1] > 5
    assert errors[1] < 0.03
    k = 2 * 4.0 * np.array([0.3, 1.0, 1.5])  # at these kappa
    assert heavy.interference(k) == pytest.approx(exact.interference(k), rel=0.06)
    k = np.array([0.3, 1.0, 1.5])
    assert heavy.self_term(k) == pytest.approx(exact.self_term(k), rel=0.2)
    assert heavy.weight_sum == pytest.approx(exact.weight_sum, abs=3e-3)
    assert heavy.dispersion == pytest.approx(exact.dispersion, rel=1e-9)
