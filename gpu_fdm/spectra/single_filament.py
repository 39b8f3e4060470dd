"""The power spectrum of one filament, averaged over phases and over orientations.

    P(k) = int_0^1 dmu W(k mu)^2/L^2 P2(k sqrt(1 - mu^2)) / mu_line^2,
    W(q)^2/L^2 = [sin(qL/2) / (qL/2)]^2 exp(-q^2/(2 s^2))               soft ends of sharpness s

P(k -> 0) is one for a filament whose weights sum to one, so that M^2 P(k) is the power of the filament. With momentum
along the axis the interference of P2 has A(k mu) of axial.py in place of the window, and the self term is sum g_q^2 of
itself, with g_q the shares of the plane waves; the smooth part is as before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from ..filament.model import Model
from ..filament.profile import Profile
from ..parallel.backend import CPU, GPU
from ..quadrature import gauss_legendre
from ..quantities import takes
from ..values import brief
from .axial import AxialWindow
from .phase_average import NO_POWER, PolarSpectrum, form_factor, has_fringes, polar_spectrum

DETACHED = 2.0  # times the power of the smooth filament: fringes have half of the power
MASS_FRACTION = 0.999  # of a profile inside the radius that sets the number of orientations
STATISTICS = ("fixed", "gaussian")
NODES_AT_ONCE = 1 << 18  # wavenumbers times orientations in memory at a time
ROUND_OFF = 1e-15  # of a sum of order one, as power over the mass squared is
LARGEST_STEP = 6.0  # between rows of the table of the fringes, over 1/R_99: interpolated to 1e-4 (see the tests)
RELATIVE_STEP = 0.1  # the same, over k
FEW_MODES = 8  # spectra of fewer may have zeros, and are interpolated themselves, not their logarithms
FINE_STEP = 0.25  # between the rows of these, over the radius of the states: 1e-7 of the largest value


@brief
@dataclass(frozen=True, eq=False)
class SinglePower:
    """Phase averages of one filament's power over its mass squared: in the plane across it, and over orientations.

    k       comoving [h/Mpc], shape (k,)
    polar   the spectrum in the plane, with k in code units; None if plane = False
    smooth, interference, self_term   the same parts averaged over orientations, shape (k,)
    statistics  "fixed": |a_nl| fixed, phases random; "gaussian": complex Gaussian amplitudes
    classical   power of the profile itself over its mass squared: a filament of particles, shape (k,); NaN if
                particles = False
    self_share  sum g_q^2 of the plane waves along the axis, one for a coherent filament: the share of the self term in
                the plane that is absent at fixed |a_nl|
    completed   the smooth part with all of the filament's mass, shape (k,), one for k -> 0; None if beyond = False
    """

    k: NDArray
    polar: PolarSpectrum | None
    smooth: NDArray
    interference: NDArray
    self_term: NDArray
    statistics: str
    classical: np.ndarray
    self_share: float = 1.0
    completed: NDArray | None = None

    @property
    def fdm(self) -> NDArray:
        """Power of |psi|^2, averaged over phases and orientations, shape (k,); round-off is set to zero."""
        return mean_power(self.smooth, self.interference, self.self_term, self.statistics)

    @property
    def polar_fdm(self) -> NDArray:
        """Power of |psi|^2 in the plane, averaged over phases, shape (k,); round-off is set to zero."""
        plane = self.in_plane
        return _less_round_off(
            plane.gaussian if self.statistics == "gaussian" else plane.gaussian - self.self_share * plane.self_term
        )

    @property
    def in_plane(self) -> PolarSpectrum:
        """The spectrum in the plane; ValueError if it was not computed."""
        if self.polar is None:
            raise ValueError("no spectrum in the plane: it was not computed (plane = False)")
        return self.polar


def mean_power(smooth: NDArray, interference: NDArray, self_term: NDArray, statistics: str) -> NDArray:
    """Power of |psi|^2 from its parts, of one shape; round-off is set to zero."""
    return _less_round_off(smooth + interference - (self_term if statistics == "fixed" else 0))


@takes(k="h/Mpc")
def single_power(
    model: Model,
    k: ArrayLike,
    statistics: str = "fixed",
    backend: CPU | GPU | None = None,
    plane: bool = True,
    beyond: bool = False,
    particles: bool = True,
) -> SinglePower:
    """The spectra of a solved filament.

    k       comoving [h/Mpc], shape (k,), positive, increasing
    plane   also the spectrum in the plane, at the same k
    beyond  also the smooth part completed: the mass beyond the energy cut, which the modes leave out and which has no
            fringes, is added with its own density (Model.missing_form_factor), and what WKB weights still lack, the
            1/(9 nu^2) that zero-point motion takes at any cut, with that of the filament so completed; nu = r0 sigma
    particles  also the spectrum of the profile itself, which takes longest for a tabulated one
    Raises ValueError for a k that is not, or an unknown name of the statistics.
    """
    k = np.asarray(k, float)
    if k.ndim != 1 or len(k) < 2 or not (np.all(np.isfinite(k)) and k[0] > 0 and np.all(np.diff(k) > 0)):
        raise ValueError("k: must be positive and increasing, two or more")
    if statistics not in STATISTICS:
        raise ValueError(f"statistics = {statistics!r}: must be one of {', '.join(STATISTICS)}")
    library, weight, unit = model.library, model.wave.weight, model.units.length
    # one call for the spectrum in the plane and for the table of the average over orientations
    rows = _table_wavenumbers(model, k[-1] * unit)
    number = len(k) if plane else 0
    spectrum = polar_spectrum(library, weight, np.concatenate([k[:number] * unit, rows]), backend=backend)
    polar, table = spectrum.rows(slice(number)) if plane else None, spectrum.rows(slice(number, None))
    fringes, self_term = _fringes(model, rows, table, backend)

    filament, axial = model.filament, model.wave.axial
    window, radius = AxialWindow(filament.length, filament.sharpness), library.radius_max * unit
    spectra: list[Callable[[NDArray], NDArray]] = [
        _smooth_parts(model, beyond, backend),
        lambda across: self_term(across * unit),
        lambda across: model.profile.form_factor(across * unit) ** 2 if particles else np.full(across.shape, np.nan),
    ]
    if axial is None:
        spectra.append(lambda across: fringes(across * unit))
        parts, self_average, classical, others = orientation_averages(k, spectra, window, radius)
        interference, completed = others + self_average, parts[1] if beyond else None
        return SinglePower(k, polar, parts[0], interference, self_average, statistics, classical, 1.0, completed)
    parts, self_average, classical = orientation_averages(k, spectra, window, radius)
    smooth, completed = parts[0], parts[1] if beyond else None
    self_average *= axial.self_share
    window = replace(window, dispersion=axial.dispersion / unit)
    (interference,) = orientation_averages(
        k, [lambda across: fringes(across * unit) + self_term(across * unit)], window, radius
    )
    return SinglePower(k, polar, smooth, interference, self_average, statistics, classical, axial.self_share, completed)


def _fringes(
    model: Model, rows: NDArray, table: PolarSpectrum, backend: CPU | GPU | None
) -> tuple[Callable[[NDArray], NDArray], Callable[[NDArray], NDArray]]:
    """Interference without the self term, and the self term, of wavenumbers across the axis [1/L].

    rows  wavenumbers of the table [1/L];  table  the spectrum in the plane at these
    """
    library, weight = model.library, model.wave.weight
    if not has_fringes(library, weight):
        return np.zeros_like, lambda across: form_factor(library, weight, across, backend) ** 2
    return (
        _interpolation(rows, table.interference - table.self_term, power_at_origin=2),
        _interpolation(rows, table.self_term, power_at_origin=0),
    )


def _smooth_parts(model: Model, beyond: bool, backend: CPU | GPU | None) -> Callable[[NDArray], NDArray]:
    """Smooth spectra of wavenumbers across the axis [h/cMpc]: of the modes and, where it is asked for, of all mass."""
    library, weight, unit = model.library, model.wave.weight, model.units.length
    mass = np.sum(library.multiplicity * weight) + model.missing_form_factor(0.0)

    def parts(across: NDArray) -> NDArray:
        form = form_factor(library, weight, across * unit, backend)
        if not beyond:
            return form[None] ** 2
        return np.stack([form, (form + model.missing_form_factor(across * unit, backend)) / mass]) ** 2

    return parts


def classical_power(profile: Profile, k: np.ndarray, unit: float, length: float, sharpness: float) -> np.ndarray:
    """The spectrum of a filament of particles in the equilibrium of a profile, over its mass squared, shape (k,).

    k       comoving [h/Mpc], shape (k,);  unit  size of the code unit of length [cMpc/h]
    length  of the filament [cMpc/h];  sharpness  of its soft ends [h/cMpc]
    """
    radius = float(profile.radius_enclosing(MASS_FRACTION)) * unit
    return orientation_average(k, lambda across: profile.form_factor(across * unit) ** 2, length, sharpness, radius)


def scales(model: Model, power: SinglePower) -> dict[str, tuple[float, str]]:
    """Value and definition, by name, of the scales between which fringes add power; wavenumbers comoving [h/Mpc].

    k_detach, detach_power and slope are left out if the wavenumbers of the spectrum do not reach them.
    """
    library, unit = model.library, model.units.length
    found = {}
    ground = np.flatnonzero((library.l == 0) & (library.n == 0))[0]
    mean_radius = np.sum(library.weights * library.nodes**2 * library.radial[ground] ** 2)
    found["k_gs"] = 1 / mean_radius / unit, "1/<psi_00|R|psi_00>, the size of the ground state"
    # virial theorem of a cylinder, for any profile: <v_R^2 + v_phi^2> = mu/(4 pi a) (Fiege & Pudritz 2000)
    dispersion = np.sqrt(library.line_mass / (8 * np.pi * library.scale_factor))
    found["k_cut"] = (
        2 * library.scale_factor * dispersion / unit,
        "2 a m s/hbar, s the velocity dispersion along one direction across the filament, sigma where beta = 0: "
        "fringes of a locally thermal wave function fall as exp(-(k/k_cut)^2)",
    )
    found["k_fringe"] = model.fringe_wavenumber, "twice the largest momentum of a mode: |psi|^2 has no larger ones"
    excess = power.fdm / power.smooth
    above = np.flatnonzero(excess >= DETACHED)
    if len(above) and above[0] > 0:
        pair = slice(above[0] - 1, above[0] + 1)
        log_k = np.interp(np.log(DETACHED), np.log(excess[pair]), np.log(power.k[pair]))
        log_power = np.interp(log_k, np.log(power.k[pair]), np.log(power.fdm[pair]))
        found["k_detach"] = np.exp(log_k), f"where the power is first {DETACHED:g} times that of the smooth filament"
        found["detach_power"] = np.exp(log_power), "power over M^2 at k_detach: the amplitude of the excess"
        end = found["k_cut"][0]
        if power.k[-1] > end > found["k_detach"][0]:
            at_end = np.exp(np.interp(np.log(end), np.log(power.k), np.log(np.maximum(power.fdm, 1e-300))))
            slope = np.log(at_end / found["detach_power"][0]) / np.log(end / found["k_detach"][0])
            found["slope"] = slope, "mean d ln P/d ln k from k_detach to k_cut"
    return found


def orientation_average(
    k: ArrayLike,
    polar: Callable[[NDArray], NDArray],
    length: float,
    sharpness: float,
    radius: float,
    dispersion: float = 0.0,
) -> NDArray:
    """The average over orientations of a spectrum in the plane, shape (k,).

    k          [h/Mpc], shape (k,);  polar  function of wavenumbers in the plane [h/Mpc], any shape
    length     of the filament [cMpc/h];  sharpness  of its soft ends [h/cMpc]
    radius     beyond which the filament has no mass [cMpc/h]
    dispersion  of momenta along the axis [h/cMpc], 0 for a coherent filament
    """
    (average,) = orientation_averages(np.asarray(k, float), [polar], AxialWindow(length, sharpness, dispersion), radius)
    return average


def orientation_averages(
    k: NDArray, spectra: Sequence[Callable[[NDArray], NDArray]], window: AxialWindow, radius: float
) -> list[NDArray]:
    """Averages over orientations, each of shape (..., k), of spectra in the plane: sums over Gauss-Legendre nodes.

    The nodes are those of the angle between k and the plane. A function may give several spectra, (..., *k.shape).
    """
    largest = np.minimum(k, window.reach)  # along the axis
    end = np.arcsin(largest / k)
    # the window oscillates as cos(q correlated), the spectrum in the plane as cos(2 q radius): half as many nodes as
    # radians, and 40 more, integrate both to round-off
    x, w = gauss_legendre(int(0.5 * largest.max() * (window.correlated + 2 * radius)) + 40)
    averages: list[list[NDArray]] = [[] for _ in spectra]
    rows = max(1, NODES_AT_ONCE // len(x))  # in parts, for memory
    for part in (slice(first, first + rows) for first in range(0, len(k), rows)):
        angle = end[part, None] * (1 + x) / 2
        along, across = k[part, None] * np.sin(angle), k[part, None] * np.cos(angle)
        share = window.power(along) * np.cos(angle) * w * end[part, None] / 2
        for average, polar in zip(averages, spectra, strict=True):
            average.append(np.sum(share * polar(across), axis=-1))
    return [np.concatenate(average, axis=-1) for average in averages]


def _table_wavenumbers(model: Model, k_max: float) -> NDArray:
    """Wavenumbers of the table of the fringes [1/L]: steps in proportion to k, then equal ones.

    Of few modes equal steps from zero on.
    """
    radius = float(model.profile.radius_enclosing(0.99))
    k_max = max(min(k_max, NO_POWER * 2 * model.library.wavenumber_max), 1 / radius)
    if np.count_nonzero(model.wave.weight) < FEW_MODES:
        return np.linspace(0, k_max, int(k_max * model.library.radius_max / FINE_STEP) + 10)
    k = [0.02 / radius]
    while k[-1] < k_max:
        k.append(k[-1] + min(RELATIVE_STEP * k[-1], LARGEST_STEP / radius))
    return np.array(k)


def _interpolation(rows: NDArray, values: NDArray, power_at_origin: int) -> Callable[[NDArray], NDArray]:
    """Interpolation of a spectrum of fringes by a cubic spline of logarithms; zero beyond round-off.

    Below the first row it is k^power_at_origin times a constant. Where that is at k = 0, the spline is of the values.
    """
    if rows[0] == 0:
        plain = CubicSpline(rows, values, extrapolate=False)
        return lambda k: np.maximum(np.nan_to_num(plain(k)), 0.0)
    ended = np.flatnonzero(values <= ROUND_OFF * values.max())
    if len(ended):
        rows, values = rows[: ended[0]], values[: ended[0]]
    spline = CubicSpline(np.log(rows), np.log(values / rows**power_at_origin))

    def at(k: NDArray) -> NDArray:
        inside = k <= rows[-1]
        value = np.exp(spline(np.log(np.clip(k, rows[0], rows[-1])))) * k**power_at_origin
        return np.where(inside, value, 0.0)

    return at


def _less_round_off(power: NDArray) -> NDArray:
    """Zero where parts that cancel leave round-off of either sign."""
    return np.where(power > ROUND_OFF, power, 0.0)
