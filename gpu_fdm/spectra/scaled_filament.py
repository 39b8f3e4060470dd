"""The spectra of all filaments of one nu from a single solution.

With x = a R/r0 and nu = m r0 sigma/hbar (r0 physical; r0 sigma in code units) the steady-state cylinder has

    H = 2 sigma^2 [ -laplacian_x/(4 nu^2) + ln(1 + x^(2-beta)) ]

so that its states, its weights by every method, and P2 over the line mass squared depend on q = k r0/a, nu, beta and
the energy cut alone: filaments of different masses, bosons, redshifts and shapes share them where nu is the same. Only
the average over orientations is of one filament, since its length is.

A field of large nu is locally thermal: the transform A(q) of its density, nu^2 I of its interference at fixed kappa =
q/(2 nu), and nu^2 S(q) of its self term tend to limits as 1/nu^2, to which two large nu extrapolate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ..filament.axial import AxialModes, axial_dispersion
from ..filament.eigenstates import Library
from ..filament.model import SOFT_END_REACH, missing_form_factor
from ..filament.profile import Profile
from ..parallel.backend import CPU, GPU
from .phase_average import NO_POWER, form_factor, polar_spectrum
from .single_filament import LARGEST_STEP, RELATIVE_STEP, ROUND_OFF, orientation_average

FORM_STEP = 0.3  # between rows of the form factor, over 1/R_99: cubic splines have it to 1e-5
SMOOTH_MODES = 40  # from which the spectra of fringes have a smooth logarithm; those of fewer may have zeros
FINE_STEP = 0.25  # between rows of the fringes of fewer modes, over 1/radius of the states


@dataclass(frozen=True, eq=False)
class Curve:
    """A cubic spline over k, of values or, where they are all positive, of their logarithm against ln k.

    Below the rows of a logarithm it is constant; beyond the rows it is zero.
    """

    first: float
    last: float
    spline: CubicSpline
    logarithmic: bool

    @classmethod
    def through(cls, rows: NDArray, values: NDArray, logarithmic: bool = False) -> "Curve":
        """The curve through values at rows, both of shape (rows,); logarithms end where the values are round-off."""
        if not logarithmic:
            return cls(float(rows[0]), float(rows[-1]), CubicSpline(rows, values), False)
        ended = np.flatnonzero(values <= ROUND_OFF * values.max())
        if len(ended):
            rows, values = rows[: ended[0]], values[: ended[0]]
        return cls(float(rows[0]), float(rows[-1]), CubicSpline(np.log(rows), np.log(values)), True)

    def __call__(self, k: NDArray) -> NDArray:
        """Values, shape of k."""
        within = np.clip(k, self.first, self.last)
        values = np.exp(self.spline(np.log(within))) if self.logarithmic else self.spline(within)
        return np.where(k <= self.last, values, 0.0)


PlaneCurve = Callable[[NDArray], NDArray]  # of wavenumbers in the plane across a filament [1/L], any shape


@dataclass(frozen=True, eq=False)
class ScaledFilament:
    """Spectra in the plane across a filament over its line mass squared, as functions of k [1/L].

    form, classical        transforms of the mean density of the modes, and of the profile, over the line mass
    completed              that of the modes with the mass that they leave out, one at k = 0 (SinglePower.completed)
    interference, self_term  as in PolarSpectrum
    weight_sum             line mass of the modes over the profile's;  radius  where they end [L]
    dispersion             of thermal momenta along the axis [1/L]
    """

    form: PlaneCurve
    completed: PlaneCurve
    classical: PlaneCurve
    interference: PlaneCurve
    self_term: PlaneCurve
    weight_sum: float
    radius: float
    dispersion: float

    @classmethod
    def of(
        cls,
        profile: Profile,
        library: Library,
        weight: NDArray,
        k_max: float,
        backend: CPU | GPU | None = None,
        method: str = "wkb",
    ) -> "ScaledFilament":
        """The spectra of solved states up to k_max [1/L]; weight as in polar_spectrum, by a method."""
        return cls.from_arrays(tabulated(profile, library, weight, k_max, backend, method))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> "ScaledFilament":
        """The spectra from the arrays of `tabulated`."""
        fine, rows, smooth = arrays["fine"], arrays["rows"], bool(arrays["smooth"])
        return cls(
            Curve.through(fine, arrays["form"]),
            Curve.through(fine, arrays["completed"]),
            Curve.through(fine, arrays["classical"]),
            Curve.through(rows, arrays["interference"], smooth),
            Curve.through(rows, arrays["self_term"], smooth),
            float(arrays["weight_sum"]),
            float(arrays["radius"]),
            float(arrays["dispersion"]),
        )

    def heavier(self, lighter: "ScaledFilament", ratio: float) -> "ScaledFilament":
        """Filaments of a larger nu, where nu is large already, to relative order 1/nu^4; r0 = a = 1 in all.

        lighter  filaments of half the nu of these;  ratio  of the new nu to that of these, one or more
        """
        more = (1 - ratio**-2) / 3  # in 1/nu^2, from these to the new ones over from the lighter to these

        def extrapolated(own: PlaneCurve, other: PlaneCurve, power: int, kappa: bool = False) -> PlaneCurve:
            """A curve that falls as nu^-power, at fixed kappa or at fixed q."""

            def at(k: NDArray) -> NDArray:
                scale, half = (ratio, 2.0) if kappa else (1.0, 1.0)
                value = own(k / scale)
                return ratio**-power * (value + more * (value - 2.0**-power * other(k / scale / half)))

            return at

        return ScaledFilament(
            extrapolated(self.form, lighter.form, 0),
            extrapolated(self.completed, lighter.completed, 0),
            self.classical,
            extrapolated(self.interference, lighter.interference, 2, kappa=True),
            extrapolated(self.self_term, lighter.self_term, 2),
            self.weight_sum + more * (self.weight_sum - lighter.weight_sum),
            self.radius,
            self.dispersion * ratio,
        )

    def power(
        self,
        k: NDArray,
        unit: float,
        length: float,
        sharpness: float,
        statistics: str = "fixed",
        axial: str = "coherent",
        mode_mass: str = "as_is",
    ) -> tuple[NDArray, NDArray]:
        """Power of |psi|^2 and of its phase average over the mass squared, averaged over orientations, shape (k,) both.

        k        comoving [h/Mpc], shape (k,);  unit  comoving size of L for this filament [cMpc/h]
        length   of the filament [cMpc/h];  sharpness  of its soft ends [h/cMpc]
        statistics  "fixed" or "gaussian", as in SinglePower;  axial  "coherent" or "thermal", as in model_of
        mode_mass   what replaces the mass that modes leave out, completed, scaled or as_is
        """
        ends = length, sharpness, self.radius * unit
        dispersion, share = 0.0, 0.0 if statistics == "gaussian" else 1.0
        if axial == "thermal":
            dispersion = self.dispersion / unit
            if share:
                share = AxialModes.of_segment(dispersion, length / 2 + SOFT_END_REACH / sharpness).self_share

        def interference(across: NDArray) -> NDArray:
            return self.interference(across * unit)

        def self_term(across: NDArray) -> NDArray:
            return share * self.self_term(across * unit)

        form = self.completed if mode_mass == "completed" else self.form
        smooth = orientation_average(k, lambda across: form(across * unit) ** 2, *ends)
        if dispersion:
            fringes = orientation_average(k, interference, *ends, dispersion) - orientation_average(k, self_term, *ends)
        else:
            fringes = orientation_average(k, lambda across: interference(across) - self_term(across), *ends)
        power, scale = smooth + fringes, self.weight_sum**-2 if mode_mass == "scaled" else 1.0
        return scale * np.where(power > ROUND_OFF, power, 0.0), scale * smooth

    def particles(self, k: NDArray, unit: float, length: float, sharpness: float) -> NDArray:
        """Power of the profile itself, a filament of particles, over the mass squared; arguments as for `power`."""
        ends = length, sharpness, self.radius * unit
        return orientation_average(k, lambda across: self.classical(across * unit) ** 2, *ends)


def tabulated(
    profile: Profile,
    library: Library,
    weight: NDArray,
    k_max: float,
    backend: CPU | GPU | None = None,
    method: str = "wkb",
) -> dict[str, NDArray]:
    """Rows of the curves of a ScaledFilament, and its numbers; arguments as for ScaledFilament.of."""
    r99 = float(profile.radius_enclosing(0.99))
    k_max = max(min(k_max, NO_POWER * 2 * library.wavenumber_max), 1 / r99)
    fine = np.arange(0, k_max + 4 * FORM_STEP / r99, FORM_STEP / r99)
    smooth = int(np.count_nonzero(weight)) >= SMOOTH_MODES
    if smooth:
        rows = _growing_steps(0.02 / r99, k_max, LARGEST_STEP / r99)
    else:
        rows = np.arange(0, k_max + 4 * FINE_STEP / library.radius_max, FINE_STEP / library.radius_max)
    plane = polar_spectrum(library, weight, rows, backend=backend)
    form = form_factor(library, weight, fine, backend)
    missing = missing_form_factor(profile, library, method, fine, backend)
    return {
        "fine": fine,
        "form": form,
        "completed": (form + missing) / (form[0] + missing[0]),
        "classical": profile.form_factor(fine),
        "rows": rows,
        "interference": plane.interference,
        "self_term": plane.self_term,
        "smooth": np.array(smooth),
        "weight_sum": np.sum(library.multiplicity * weight),
        "radius": np.array(library.radius_max),
        "dispersion": np.array(axial_dispersion(library)),
    }


def _growing_steps(first: float, last: float, largest: float) -> NDArray:
    """Wavenumbers in steps in proportion to k, then in equal ones, three beyond the last."""
    rows = [first]
    while len(rows) < 4 or rows[-4] < last:
        rows.append(rows[-1] + min(RELATIVE_STEP * rows[-1], largest))
    return np.array(rows)
