"""Points that an emulator is trained on: inputs drawn in a box, and the spectra of filaments there from the table.

A filament has the published shape of its mass at any redshift (spectra.similarity.published). Its spectrum is

    F = P(k|M)/M^2 of |psi|^2 with fixed |a_nl|, one for k -> 0,      or the boost, F over that without fringes
"""

from functools import cached_property
from itertools import product

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from ..config.config import Config
from ..config.emulator_section import EmulatorSection
from ..errors import InputError
from ..learn.emulator import logarithm
from ..spectra.similarity.published import published_similarity
from ..spectra.similarity.store import shipped_table
from ..spectra.similarity.table import LARGEST_KAPPA

_AT_ONCE = 2000  # points of a call of the table
_STEP = 1e-3  # of ln of an input, for the powers of similarity variables
_CONSTANT = 1e-6  # of ln output, below which a change is an error of the table
QUANTITIES = ("k", "m22", "mass", "redshift")


@frozen(eq=False)
class Points:
    """Points of a box, standardised by the mean and width of the points that an emulator is trained on.

    inputs   (ln inputs - input_mean)/input_width, shape (points, inputs)
    outputs  (ln output - mean)/width, shape (points,)
    """

    inputs: NDArray
    outputs: NDArray
    input_mean: NDArray
    input_width: NDArray
    mean: float
    width: float


@frozen(eq=False)
class EmulatorData:
    """The box of [emulator] in a universe of h and omega_m."""

    section: EmulatorSection
    h: float
    omega_m: float

    @classmethod
    def of(cls, config: Config) -> "EmulatorData":
        """That of a config. Raises InputError for a box that the table does not cover, or without a change."""
        found = cls(config.emulator, config.cosmology.h, config.cosmology.omega_m)
        with config.errors_in("emulator"):
            corners = np.array(list(product(*found._ranges.tolist())))
            nu, ratio, scale = found._similarity(found._whole(corners))
            recipe = shipped_table().recipe
            for name, values, low, high in (
                ("nu", nu, recipe.nu_min, recipe.nu_max),
                ("length over r0/a", ratio, recipe.ratio_min, recipe.ratio_max),
            ):
                for outside in values[~((values >= low) & (values <= high))]:
                    raise InputError(
                        f"{name} = {outside:.4g} in a corner of the ranges: must be in [{low:g}, {high:g}], as the "
                        "table has it (narrow mass, m22 or redshift)"
                    )
            kappa = float(np.max(found._whole(corners)["k"] * scale / (2 * nu)))
            if kappa > LARGEST_KAPPA:
                raise InputError(
                    f"k = {found.section.k[1]:g} h/Mpc is {kappa:.3g} k_cut of the lightest filament and boson: must "
                    f"be at most {LARGEST_KAPPA:g}, where fringes end"
                )
            if np.ptp(values := found.values(corners)) < _CONSTANT:
                output = f"output = {found.section.output}"
                raise InputError(
                    f"{output}: is {np.exp(values[0]):.6g} in all corners of the ranges: must change there"
                )
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Inputs, in their order."""
        return tuple(name for name in QUANTITIES if name in self.section.inputs)

    @property
    def ranges(self) -> NDArray:
        """First and last value of each input, shape (inputs, 2)."""
        return np.array([getattr(self.section, name) for name in self.names])

    @property
    def _ranges(self) -> NDArray:
        """Ranges of the logarithms of the inputs, shape (inputs, 2)."""
        return np.array([logarithm(name, getattr(self.section, name)) for name in self.names])

    @cached_property
    def training(self) -> Points:
        """Points to train on."""
        inputs = self._drawn(self.section.points, 0)
        outputs = self.values(inputs)
        mean, width = inputs.mean(axis=0), inputs.std(axis=0)
        of_output = float(outputs.mean()), float(outputs.std())
        return Points((inputs - mean) / width, (outputs - of_output[0]) / of_output[1], mean, width, *of_output)

    @cached_property
    def tests(self) -> Points:
        """Other points, standardised as those to train on are."""
        inputs, own = self._drawn(self.section.test_points, 1), self.training
        return evolve(
            own,
            inputs=(inputs - own.input_mean) / own.input_width,
            outputs=(self.values(inputs) - own.mean) / own.width,
        )

    def _drawn(self, points: int, stream: int) -> NDArray:
        """Logarithms of inputs, uniform in the box, shape (points, inputs)."""
        low, high = self._ranges.T
        return low + (high - low) * np.random.default_rng([self.section.seed, stream]).random((points, len(low)))

    def values(self, logarithms: NDArray) -> NDArray:
        """ln of the output at logarithms of inputs of shape (points, inputs), shape (points,)."""
        parts = range(0, len(logarithms), _AT_ONCE)
        return np.concatenate([self._values(logarithms[first : first + _AT_ONCE]) for first in parts])

    def _values(self, logarithms: NDArray) -> NDArray:
        whole = self._whole(logarithms)
        nu, ratio, scale = self._similarity(whole)
        smooth, interference, self_term, _ = shipped_table().parts(nu, ratio, (whole["k"] * scale)[:, None])
        fixed = (smooth + interference - self_term)[:, 0]
        return np.log(fixed / smooth[:, 0] if self.section.output == "boost" else fixed)

    def _whole(self, logarithms: NDArray) -> dict[str, NDArray]:
        """Values of all quantities; those that are no inputs are at the middle of their range."""
        found = {}
        for name in QUANTITIES:
            if name in self.names:
                values = logarithms[:, self.names.index(name)]
            else:
                values = np.full(len(logarithms), np.mean(logarithm(name, getattr(self.section, name))))
            found[name] = np.expm1(values) if name == "redshift" else np.exp(values)
        return found

    def _similarity(self, whole: dict[str, NDArray]) -> NDArray:
        """nu, length over r0/a, and r0/a, shape (3, points)."""
        found = published_similarity(whole["m22"], whole["mass"], whole["redshift"], self.h, self.omega_m)
        if self.section.length_ratio is not None:
            found[1] = self.section.length_ratio
        return found

    @property
    def powers(self) -> NDArray:
        """Powers of the inputs in q = k r0/a and nu = m r0 sigma/hbar, shape (2, inputs)."""
        middle = self._ranges.mean(axis=1)
        steps = _STEP / 2 * np.eye(len(middle))
        sides = []
        for sign in (1, -1):
            whole = self._whole(middle + sign * steps)
            nu, _, scale = self._similarity(whole)
            sides.append(np.log([whole["k"] * scale, nu]))
        return (sides[0] - sides[1]) / _STEP
