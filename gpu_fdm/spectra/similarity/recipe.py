"""What a table of similarity is of, and on which nodes: everything that its numbers follow from."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import asdict, evolve, field, frozen
from numpy.typing import NDArray

from ...errors import InputError
from ...filament.profile import SteadyStateCylinder
from ...filament.weights import axial_angular_momentum

ROUNDING = 0.3  # D times nu, the width of the cut in energy
SHARPNESS = 10.0  # of the soft ends, over 1/length
RATIOS = 25  # Chebyshev points in the inverse of length over r0/a
Q = np.exp(np.arange(np.log(0.004), np.log(415.0), 0.07))
KAPPA = np.arange(0.0, 4.5, 0.08)
_SAME = 1e-9  # relative, of values of recipes


def _within(name: str, low: float, high: float) -> Callable[[Any, Any, float], None]:
    def check(_: Any, __: Any, value: float) -> None:
        if not low <= value <= high:
            raise InputError(f"{name} = {value:g}: must be in [{low:g}, {high:g}]")

    return check


@frozen
class Recipe:
    """What a table is of. Raises InputError for values out of range.

    energy_cut  mass fraction whose radius has the potential at which energies are cut
    beta        velocity anisotropy
    l0_angular_momentum  L of the states with l = 0 [hbar]; axial_angular_momentum(beta) where not given, 0 for
                beta = 0, where nothing depends on it
    nu_min      the smallest nu
    ratio_min, ratio_max  the range of length over r0/a, both comoving
    """

    energy_cut: float = field(default=0.99, validator=_within("energy_cut", 0.5, 0.9999))
    beta: float = field(default=0.0, validator=_within("beta", 0.0, 0.95))
    l0_angular_momentum: float = field(validator=_within("l0_angular_momentum", 0.0, 1e3))
    nu_min: float = field(default=0.5, validator=_within("nu_min", 0.25, 1.0))
    ratio_min: float = field(default=10.0, validator=_within("ratio_min", 2.0, 100.0))
    ratio_max: float = field(default=125.0, validator=_within("ratio_max", 10.0, 1000.0))

    @l0_angular_momentum.default
    def _(self) -> float:
        return axial_angular_momentum(self.beta) if 0 < self.beta < 1 else 0.0

    def __attrs_post_init__(self) -> None:
        if self.beta > 0 and self.l0_angular_momentum < 1e-6:
            raise InputError(f"l0_angular_momentum = {self.l0_angular_momentum:g}: must be in [1e-06, 1000]")
        if self.ratio_max < 2 * self.ratio_min:
            raise InputError(f"ratio_max = {self.ratio_max:g}: must be twice ratio_min or more")

    @property
    def cut(self) -> float:
        """Energy of the cut, over 2 sigma^2."""
        return -float(np.log(1 - self.energy_cut))

    def profile(self, nu: float) -> SteadyStateCylinder:
        """The cylinder of nu with sigma = a = 1."""
        return SteadyStateCylinder(r0=nu, sigma=1.0, beta=self.beta, scale_factor=1.0)

    @property
    def nodes(self) -> tuple[float, ...]:
        """Nodes of nu, rising: eight an octave up to 1, four up to 4, then two; for beta > 0 four; and infinity."""
        steps = 4 if self.beta else 8
        fine = [self.nu_min * 2 ** (j / steps) for j in range(int(steps * np.log2(1 / self.nu_min) + 1e-9))]
        high = [2 ** (j / 4) for j in range(9, 15)] if self.beta else [2 ** (j / 2) for j in range(5, 8)]
        return (*fine, *(2 ** (j / 4) for j in range(9)), *high, np.inf)

    @property
    def row_length(self) -> int:
        """Numbers in the rows of a node at one ratio: four at Q, and at KAPPA one, four for beta > 0."""
        return 4 * len(Q) + (4 if self.beta else 1) * len(KAPPA)

    @property
    def nu_max(self) -> float:
        """The largest nu: infinity, but for beta > 0, where nu^2 I and nu^2 S have no limit, the last finite node."""
        return self.nodes[-2] if self.beta else np.inf

    @property
    def inverse_ratios(self) -> NDArray:
        """The inverse of length over r0/a at Chebyshev extrema, shape (RATIOS,)."""
        low, high = 1 / self.ratio_max, 1 / self.ratio_min
        return (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * np.arange(RATIOS) / (RATIOS - 1))

    @property
    def text(self) -> str:
        """All values and grids as JSON, floats with all their digits."""
        grids = {
            "weights": "wkb",
            "rounding": ROUNDING,
            "sharpness": SHARPNESS,
            "ratios": RATIOS,
            "nu": [str(node) if np.isinf(node) else node for node in self.nodes],
            "q": [Q[0], Q[1] / Q[0], len(Q)],
            "kappa": [KAPPA[0], KAPPA[1], len(KAPPA)],
        }
        return json.dumps(asdict(self) | grids, sort_keys=True)

    @property
    def command(self) -> str:
        """The command that makes the table, to the name FILE."""
        default, options = Recipe(), []
        for name, value in asdict(self).items():
            if value != getattr(Recipe(beta=self.beta) if name == "l0_angular_momentum" else default, name):
                options.append(f" --{name.replace('_', '-')} {value!r}")
        return f"gpu-fdm tabulate similarity{''.join(options)} --output FILE"

    def another(self, **changes: float) -> str:
        """The command that makes a table of changed values, for messages; where none can be made, what holds there."""
        try:
            return f"{evolve(self, **changes).command} makes another"
        except InputError:
            return "sums over states hold there (gpu_fdm.single_power, one_filament.method = direct)"

    @property
    def states(self) -> str:
        """What sets the states, in words."""
        axial = f", l0_angular_momentum = {self.l0_angular_momentum:.6g}" if self.beta else ""
        return f"energy_cut = {self.energy_cut:g}, beta = {self.beta:g}{axial}"

    def same_states(self, other: "Recipe") -> bool:
        """Whether two are of equal energy cut, anisotropy and angular momentum."""
        names = ("energy_cut", "beta", "l0_angular_momentum")
        return all(np.isclose(getattr(self, name), getattr(other, name), rtol=_SAME, atol=0) for name in names)
