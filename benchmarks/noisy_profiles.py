"""How often the band of a spectrum holds the truth, where the profile of the filament is a table with noise.

    python benchmarks/noisy_profiles.py [trials [draws]]

Truths are an isothermal cylinder, and one of two temperatures, which no isothermal cylinder describes. Rows are in
equal ratios of R from 1 to 99 % of the mass, with Gaussian errors that are known. Spectra are those in the plane across
the filament, at 16 k down to where the fringes end, with WKB weights. A band is that of `profile_bootstrap`: it holds
95 % of the draws at all k. A trial counts where the spectrum of the table without noise lies inside at all k.
"""

import sys
from time import perf_counter

import numpy as np
from scipy.integrate import solve_ivp

from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.measured import MeasuredProfile
from gpu_fdm.filament.profile import Profile, SteadyStateCylinder
from gpu_fdm.filament.profile_fit import band_of
from gpu_fdm.filament.smooth import fit_smooth
from gpu_fdm.filament.tabulated import TabulatedProfile
from gpu_fdm.filament.weights import wkb_weights
from gpu_fdm.parallel.blas import on_one_thread
from gpu_fdm.spectra.phase_average import polar_spectrum

A = 0.2
R0, SIGMA = 0.15, 4.0  # in code units: a filament of 5e9 Msun/h at z = 4 for m22 = 0.3
K = np.geomspace(0.1, 8, 16)
SETTINGS = ((60, 0.001), (60, 0.01), (22, 0.05), (12, 0.05), (22, 0.12), (12, 0.12))


def two_temperatures() -> TabulatedProfile:
    """rho = c1 exp(-V/s1) + c2 exp(-V/s2), beta = 0, by an ODE solver."""

    def density(potential: np.ndarray) -> np.ndarray:
        return 90 * np.exp(-potential / 6) + 30 * np.exp(-potential / 24)

    def slope(log_radius: float, state: np.ndarray) -> tuple[float, float]:
        radius = np.exp(log_radius)
        return 2 * np.pi * radius**2 * density(state[1]), state[0] / (2 * np.pi * A)

    radius = np.geomspace(0.004, 40, 800)
    start = 120 * np.pi * radius[0] ** 2, 120 * radius[0] ** 2 / (4 * A)
    found = solve_ivp(slope, np.log(radius[[0, -1]]), start, t_eval=np.log(radius), rtol=1e-10, atol=1e-12)
    return TabulatedProfile(radius, density(found.y[1]), 0.0, A)


def spectrum(profile: Profile) -> np.ndarray:
    """Power in the plane over the mass squared, shape (k,)."""
    library = eigenstates(profile, 0.99, threads=1)
    return polar_spectrum(library, wkb_weights(profile, library), K).fixed


@on_one_thread
def coverage(source: Profile, rows: int, noise: float, trials: int, draws: int) -> tuple[float, ...]:
    """Shares of trials with the spectrum in its band, and of k within two standard deviations; means over trials.

    The means are chi-squared, parameters, the share of rows with the truth within their errors of the fit, and the pull
    of the line mass and its standard deviation.
    """
    radius = np.geomspace(*source.radius_enclosing([0.01, 0.99]), rows)
    density = source.density(radius)
    fine = np.geomspace(radius[0] / 30, radius[-1], 300)
    true = TabulatedProfile(fine, source.density(fine), source.beta, A)
    truth = spectrum(true)
    found = []
    for trial in range(trials):
        scatter = np.random.default_rng([7, trial]).standard_normal(rows)
        fit = fit_smooth(MeasuredProfile(radius, density * (1 + noise * scatter), noise * density), A, source.beta)
        powers = np.array([spectrum(fit.draw(np.random.default_rng([trial, n]))) for n in range(draws)])
        low, high, deviation = band_of(powers, 0.95)
        off = np.abs(np.log(truth) - np.log(low * high) / 2) / deviation
        mass, error = fit.values["line_mass"]
        near = np.mean(np.abs(fit.model / density - 1) < noise)
        inside = np.all((truth >= low) & (truth <= high))
        pull = (mass - true.line_mass) / error
        found.append((inside, np.mean(off < 2), fit.chi_squared, fit.parameters, near, pull))
    return *np.mean(found, axis=0).tolist(), float(np.std([each[-1] for each in found]))


def main() -> None:
    """Print a table."""
    trials, draws = (int(text) for text in (*sys.argv[1:3], *("50", "50")[len(sys.argv) - 1 :]))
    print(f"{trials} trials, {draws} draws")
    print(
        "truth     rows  noise  in band  k < 2 sd  chi2  parameters  rows < 1 sd  line mass: mean, sd of pulls   time"
    )
    for name, source in (("cylinder", SteadyStateCylinder(R0, SIGMA, 0.0, A)), ("two", two_temperatures())):
        for rows, noise in SETTINGS:
            begin = perf_counter()
            inside, within, chi, parameters, near, mean, deviation = coverage(source, rows, noise, trials, draws)
            print(
                f"{name:8s} {rows:5d} {noise:6g} {inside:8.2f} {within:9.3f} {chi:5.1f} {parameters:11.2f} "
                f"{near:12.3f} {mean:23.2f} {deviation:5.2f}, {perf_counter() - begin:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
