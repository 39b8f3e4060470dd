"""Which combinations of parameters P(k) or a boost measures: derivatives of predictions over a box of parameters.

Coordinates ln m22, ln(1 + z), ln A_s, ln n_s, ln omega_m, ... are uniform in the box; learn/combinations.py has what
follows from the derivatives. Redshift and omega_m need a barrier and a linear power each, and have two nodes, those of
Gauss and Legendre, whose mean and variance are those of the box. All else has points of an additive recurrence, which
fill the box evenly (M. Roberts 2018, extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from ..config.config import Config
from ..errors import InputError
from ..learn.combinations import POWER, Combinations, slopes
from ..population.population import LATEST_REDSHIFT
from .allowed import M22_RANGE, masses_of, require_redshift, require_window
from .forecast import Bins
from .model_keys import filaments_of
from .prediction import Predicted, Prediction
from .ranges import in_universe

# name -> half of its default range in its coordinate, about the value of the config
PARAMETERS = {
    "m22": float(np.log(2)),
    "redshift": 0.1,
    "ln10As": 0.1,
    "n_s": 0.02,
    "omega_m": 0.08,
    "mass_min": 0.4,
    "mass_max": 0.4,
    "filament_fraction": 0.0,
}
SLOW = ("redshift", "omega_m")  # that need a prediction of their own
OF_POWER = ("ln10As", "n_s")  # that a tabulated linear power does not have
M22 = 2.0  # in the middle of its default range
STEP, SLOW_STEP = 1e-4, 1e-3  # of coordinates, for derivatives; of SLOW


def coordinate(name: str, value: float) -> float:
    """ln of a parameter: of 1 + z, and of A_s."""
    if name == "ln10As":
        return value
    return float(np.log1p(value) if name == "redshift" else np.log(value))


def value_of(name: str, coordinate: float) -> float:
    """The parameter of a coordinate."""
    if name == "ln10As":
        return coordinate
    value = float(np.expm1(coordinate) if name == "redshift" else np.exp(coordinate))
    return round(value, 12) if name in SLOW else value  # 4 is not 3.9999999999999996


def parameters_of(config: Config) -> list[str]:
    """Names of the parameters of a config."""
    return [name for name in PARAMETERS if not (config.cosmology.of_table and name in OF_POWER)]


def ends_of(
    config: Config, ranges: Mapping[str, tuple[float, float]], of_power: Mapping[str, float] | None = None
) -> dict[str, tuple[float, float]]:
    """First and last value of parameters, those given, or about the values of a config where predictions may be.

    of_power  values of OF_POWER, whose ends are left out without them: nothing is computed
    Raises InputError for ranges that are not of its parameters, leave none free, fall, have no logarithm, or end where
    nothing is predicted.
    """
    names, limits = parameters_of(config), _limits(config)
    for name, (first, last) in ranges.items():
        if name not in names:
            raise InputError(f"range of {name}: must be of one of {', '.join(names)}")
        least = -np.inf if name in ("ln10As", "redshift") else 0.0
        if not least < first <= last < np.inf:
            allowed = "finite" if np.isinf(least) else f"above {least:g} and finite"
            raise InputError(f"range of {name}, {first:g} to {last:g}: must be {allowed}, and not fall")
    if not any(ranges[name][0] < ranges[name][1] if name in ranges else PARAMETERS[name] for name in names):
        raise InputError("ranges: must leave one parameter or more free")
    for name, (low, high) in limits.items():
        first, last = ranges.get(name, (low, high))
        if not low <= first <= last <= high:
            raise InputError(f"range of {name}, {first:g} to {last:g}: must be within [{low:g}, {high:g}]")
    require_window(config, tuple(key for key in ("mass_min", "mass_max") if key not in ranges))
    centre = {**_values(config), **(of_power or {})}
    known = [name for name in names if name in ranges or name in centre]
    ends = {
        name: ranges[name] if name in ranges else _about(name, centre[name], *limits.get(name, (-np.inf, np.inf)))
        for name in known
    }
    if ends["mass_min"][1] > ends["mass_max"][0]:
        words = [f"{name}, {first:g} to {last:g}" for name, (first, last) in ends.items() if name.startswith("mass")]
        raise InputError(f"range of {words[0]}: must end where that of {words[1]}, begins, or before")
    for redshift, omega_m in zip(ends["redshift"], ends["omega_m"], strict=True):
        require_redshift(in_universe(config, redshift, omega_m))
    return ends


def _values(config: Config) -> dict[str, float]:
    """Values of a config in the middle of its default ranges, but for those of OF_POWER."""
    cosmology, section = config.cosmology, filaments_of(config)
    values = {"m22": M22, "redshift": cosmology.redshift, "omega_m": cosmology.omega_m, "filament_fraction": 1.0}
    return values | {"mass_min": section.mass_min, "mass_max": section.mass_max}


def _limits(config: Config) -> dict[str, tuple[float, float]]:
    """Least and largest values at which something is predicted."""
    masses = masses_of(config)
    return {"m22": M22_RANGE, "redshift": (0.0, LATEST_REDSHIFT), "mass_min": masses, "mass_max": masses}


def _about(name: str, value: float, least: float, most: float) -> tuple[float, float]:
    """The ends of the default range of a parameter, within limits."""
    value, half = min(max(value, least), most), PARAMETERS[name]
    if not half:
        return value, value
    middle = coordinate(name, value)
    return max(least, value_of(name, middle - half)), min(most, value_of(name, middle + half))


@frozen(eq=False)
class Box:
    """Ranges of parameters, uniform in their coordinates, and values of others.

    names      parameters that vary;  low, high  ends of their coordinates, shape (parameters,)
    fixed      values of the others, by name
    """

    names: tuple[str, ...]
    low: NDArray
    high: NDArray
    fixed: Mapping[str, float]

    @classmethod
    def of(cls, prediction: Prediction, ranges: Mapping[str, tuple[float, float]]) -> "Box":
        """A box about the values of a prediction.

        ranges  first and last value of some parameters, the same where one is held; the others have default ranges
        Raises InputError as ends_of does.
        """
        prepared = prediction.prepared
        of_power = {} if prepared.config.cosmology.of_table else {n: getattr(prepared.power, n) for n in OF_POWER}
        ends, fixed = [], {}
        for name, (first, last) in ends_of(prepared.config, ranges, of_power).items():
            if first == last:
                fixed[name] = first
            else:
                ends.append((name, coordinate(name, first), coordinate(name, last)))
        free, lows, highs = zip(*ends, strict=True)
        return cls(free, np.array(lows), np.array(highs), fixed)

    @property
    def middle(self) -> NDArray:
        """Coordinates in the middle, shape (parameters,)."""
        return (self.low + self.high) / 2

    @property
    def spread(self) -> NDArray:
        """Standard deviations of coordinates, shape (parameters,)."""
        return (self.high - self.low) / np.sqrt(12)

    @property
    def steps(self) -> NDArray:
        """Steps of derivatives, shape (parameters,)."""
        return np.where(self._slow, SLOW_STEP, STEP)

    @property
    def ends(self) -> dict[str, tuple[float, float]]:
        """First and last value of what varies, by name."""
        rows = zip(self.names, self.low.tolist(), self.high.tolist(), strict=True)
        return {name: (value_of(name, low), value_of(name, high)) for name, low, high in rows}

    @property
    def text(self) -> str:
        """Ranges and fixed values in words."""
        parts = [f"{name} {first:.4g} to {last:.4g}" for name, (first, last) in self.ends.items()]
        return ", ".join(parts + [f"{name} = {value:.4g}" for name, value in self.fixed.items()])

    @property
    def _slow(self) -> NDArray:
        return np.array([name in SLOW for name in self.names])

    def points(self, number: int) -> NDArray:
        """Coordinates of points, shape (points, parameters): `number`, or a few more, as many at each node of SLOW."""
        slow = self._slow
        nodes = np.array(list(product((-1.0, 1.0), repeat=int(slow.sum()))))
        each, dimensions, root = -(-number // len(nodes)), int(np.count_nonzero(~slow)), 2.0
        for _ in range(60):  # of x^(d + 1) = x + 1
            root = (1 + root) ** (1 / (dimensions + 1))
        unit = (0.5 + np.outer(np.arange(1, each * len(nodes) + 1), root ** -np.arange(1.0, dimensions + 1))) % 1
        found = np.empty((len(unit), len(self.names)))
        found[:, ~slow] = self.low[~slow] + unit * (self.high - self.low)[~slow]
        found[:, slow] = self.middle[slow] + np.repeat(nodes, each, axis=0) * self.spread[slow]
        return found

    def values(self, coordinates: NDArray) -> dict[str, float]:
        """All parameters of a point, by name."""
        pairs = zip(self.names, coordinates.tolist(), strict=True)
        found = {**self.fixed, **{name: value_of(name, each) for name, each in pairs}}
        return {name: found[name] for name in PARAMETERS if name in found}


@frozen(eq=False)
class PopulationModel:
    """ln P of matter, or of its boost, at k, of coordinates in a box.

    of  power, or denominators of boosts (Prediction.denominators)
    """

    config: Config
    k: NDArray
    box: Box
    of: tuple[str, ...]
    _made: dict[tuple[float, float], Prediction] = field(factory=dict)

    def prediction(self, redshift: float, omega_m: float) -> Prediction:
        """That of a universe, which is prepared once. omega_m changes at the same h, baryons and neutrinos."""
        if (redshift, omega_m) not in self._made:
            cosmology = self.config.cosmology
            if "omega_m" in self.box.names or omega_m != cosmology.omega_m:
                cosmology = evolve(cosmology, name=None, omega_m=omega_m, omega_c_h2=None)
            config = replace(self.config, cosmology=cosmology)
            self._made[redshift, omega_m] = Prediction.of(config, redshift, self.k)
        return self._made[redshift, omega_m]

    def __call__(self, coordinates: NDArray) -> NDArray:
        """Shape (quantities, k)."""
        values = self.box.values(coordinates)
        predicted = self.prediction(values.pop("redshift"), values.pop("omega_m"))(**values)
        return np.array([_logarithm(predicted, name) for name in self.of])


def _logarithm(predicted: Predicted, name: str) -> NDArray:
    return np.log(predicted.matter_fdm if name == POWER else predicted.boost(name))


def combinations(
    model: PopulationModel, bins: Bins, number: int, report: Callable[[], None] | None = None
) -> list[Combinations]:
    """What bins measure of the parameters of the box of a model, for each of its quantities.

    number  of points in the box;  report  is called after each where it is given
    Raises InputError where Prediction does, with the values of the parameters.
    """
    box, found = model.box, []
    for point in [box.middle, *box.points(number)]:
        try:
            found.append(slopes(model, point, box.steps) / bins.error)
        except InputError as error:
            values = ", ".join(f"{name} = {value:.4g}" for name, value in box.values(point).items())
            raise InputError(f"at {values}: {error}") from None
        if report is not None:
            report()
    every = np.array(found)  # shape (points, quantities, bins, parameters)
    return [
        Combinations.of_slopes(of, box.names, box.middle, box.spread, every[1:, i], every[0, i])
        for i, of in enumerate(model.of)
    ]
