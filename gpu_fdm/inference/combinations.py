"""Which combinations of parameters P(k) or a boost measures, and how well: the interaction basis of the model itself.

Coordinates p = ln m22, ln(1 + z), ln A_s, ln n_s, ln omega_m, ... are uniform in a box, of covariance G. Errors e of
ln P, or of the ln of a boost, in bins of k give the Fisher matrix, here its mean over the box,

    M' = < sum over bins of (d ln P/dp_i) (d ln P/dp_j) / e^2 >,        G, M'  ->  C, Lambda        (learn/basis.py)

Features (p - <p>) C are logarithms of products of powers. The bins measure each of them to +-1, independently of the
others (C+ M' C+^T = 1), and in the box its variance is Lambda: what is measured has Lambda > 1. At one point alone M'
is the Fisher matrix there, and C has its eigenvectors in units of the box.

Redshift and omega_m need a barrier and a linear power each, and have two nodes, those of Gauss and Legendre, whose mean
and variance are those of the box. All else has points of an additive recurrence, which fill the box evenly
(M. Roberts 2018, extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from ..config.config import Config
from ..errors import InputError
from ..learn.basis import LEAST, TOLERANCE, LayerBasis, basis_of_averages
from ..learn.directions import angle, in_words
from .forecast import Bins
from .prediction import Predicted, Prediction

# name -> its symbol in products, and half of its default range in its coordinate, about the value of the config
PARAMETERS = {
    "m22": ("m22", float(np.log(2))),
    "redshift": ("(1+z)", 0.1),
    "ln10As": ("A_s", 0.1),
    "n_s": ("n_s", 0.02),
    "omega_m": ("omega_m", 0.08),
    "mass_min": ("M_min", 0.4),
    "mass_max": ("M_max", 0.4),
    "filament_fraction": ("f", 0.0),
}
SLOW = ("redshift", "omega_m")  # that need a prediction of their own
OF_POWER = ("ln10As", "n_s")  # that a tabulated linear power does not have
M22 = 2.0  # in the middle of its default range
POWER = "power"  # what is measured, beside the denominators of boosts
STEP, SLOW_STEP = 1e-4, 1e-3  # of coordinates, for derivatives; of SLOW
SMALL = 0.03  # of what a parameter adds to a combination, over the largest, below which it is not written

Model = Callable[[NDArray], NDArray]  # of coordinates, shape (parameters,), to logarithms of what is measured


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
        Raises InputError for another name, and for ends that fall or have no logarithm.
        """
        prepared = prediction.prepared
        centre = {"m22": M22, "redshift": prediction.redshift, "omega_m": prepared.omega_m, "filament_fraction": 1.0}
        centre |= {name: getattr(prepared.section, name) for name in ("mass_min", "mass_max")}
        if prepared.config.cosmology.linear_power != "table":
            centre |= {name: getattr(prepared.power, name) for name in OF_POWER}
        names = [name for name in PARAMETERS if name in centre]
        ends, fixed = [], {}
        for name, (first, last) in ranges.items():
            if name not in names:
                raise InputError(f"range of {name}: must be of one of {', '.join(names)}")
            least = {"ln10As": -np.inf, "redshift": -1.0}.get(name, 0.0)
            if not least < first <= last < np.inf:
                allowed = "finite" if np.isinf(least) else f"above {least:g} and finite"
                raise InputError(f"range of {name}, {first:g} to {last:g}: must be {allowed}, and not fall")
        for name in names:
            middle, half = coordinate(name, centre[name]), PARAMETERS[name][1]
            low, high = middle - half, middle + half
            if name in ranges:
                low, high = (coordinate(name, end) for end in ranges[name])
            if low == high:
                fixed[name] = ranges[name][0] if name in ranges else centre[name]
            else:
                ends.append((name, low, high))
        if not ends:
            raise InputError("ranges: must leave one parameter or more free")
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
    def text(self) -> str:
        """Ranges and fixed values in words."""
        rows = zip(self.names, self.low.tolist(), self.high.tolist(), strict=True)
        parts = [f"{name} {value_of(name, low):.4g} to {value_of(name, high):.4g}" for name, low, high in rows]
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


def slopes(model: Model, point: NDArray, steps: NDArray) -> NDArray:
    """d model/d coordinates at a point by central differences, shape (..., parameters); steps of shape (parameters,)"""
    columns = []
    for direction, step in zip(np.eye(len(point)), steps.tolist(), strict=True):
        columns.append((model(point + step * direction) - model(point - step * direction)) / (2 * step))
    return np.stack(columns, axis=-1)


@frozen(eq=False)
class Combinations:
    """What bins of a quantity measure of parameters.

    of        power, or the denominator of a boost
    names     of the parameters;  spread  standard deviations of their coordinates in the box, shape (parameters,)
    fisher    mean Fisher matrix of the box, shape (parameters, parameters);  at_middle  that in its middle
    """

    of: str
    names: tuple[str, ...]
    middle: NDArray
    spread: NDArray
    fisher: NDArray
    at_middle: NDArray

    @classmethod
    def of_slopes(
        cls, of: str, names: Sequence[str], middle: NDArray, spread: NDArray, slopes: NDArray, at_middle: NDArray
    ) -> "Combinations":
        """Those of derivatives over errors, shape (points, bins, parameters), and in the middle, (bins, parameters)."""
        flat = slopes.reshape(-1, len(names))
        return cls(of, tuple(names), middle, spread, flat.T @ flat / len(slopes), at_middle.T @ at_middle)

    def basis(self, fisher: NDArray) -> LayerBasis:
        """The interaction basis of a Fisher matrix. Raises InputError where nothing is measured."""
        if not np.any(fisher):
            raise InputError(f"{in_full(self.of)}: depends on none of {', '.join(self.names)}")
        return basis_of_averages(0, self.middle, np.diag(self.spread**2), fisher, TOLERANCE, LEAST)

    @cached_property
    def whole(self) -> LayerBasis:
        """That of the box."""
        return self.basis(self.fisher)

    @cached_property
    def local(self) -> LayerBasis:
        """That of the middle alone."""
        return self.basis(self.at_middle)

    def measured(self, basis: LayerBasis) -> int:
        """Number of combinations that are measured better than the box has them."""
        return int(np.count_nonzero(basis.importance > 1))

    def powers(self, basis: LayerBasis) -> NDArray:
        """Powers of the parameters in each combination, 1 of that which adds most, shape (combinations, parameters)."""
        rows = basis.to_features.T
        return rows / rows[np.arange(len(rows)), self._leading(rows)][:, None]

    def deviations(self, basis: LayerBasis) -> NDArray:
        """Standard deviation to which ln of each of these products is measured, shape (combinations,)."""
        rows = basis.to_features.T
        return 1 / np.abs(rows[np.arange(len(rows)), self._leading(rows)])

    def shares(self, basis: LayerBasis) -> NDArray:
        """Powers times the spread of their parameters, over the length of each, shape (combinations, parameters)."""
        rows = self.powers(basis) * self.spread
        return rows / np.linalg.norm(rows, axis=1)[:, None]

    def _leading(self, rows: NDArray) -> NDArray:
        return np.argmax(np.abs(rows) * self.spread, axis=1)

    def products(self, basis: LayerBasis) -> list[str]:
        """Each combination in words, without parameters that hardly enter."""
        powers, shares = self.powers(basis), np.abs(self.shares(basis))
        shown = np.where(shares >= SMALL * shares.max(axis=1, keepdims=True), powers, 0.0)
        symbols = [PARAMETERS[name][0] for name in self.names]
        return [in_words(row, symbols, digits=2) for row in shown]

    @property
    def turned(self) -> float:
        """Angle between what is measured in the box and in its middle, in units of the box [degrees]."""
        number = max(1, min(self.measured(self.whole), self.measured(self.local)))
        return angle(self.shares(self.whole)[:number], self.shares(self.local)[:number])

    def lines(self) -> list[str]:
        """What is measured, in words."""
        number, basis = self.measured(self.whole), self.whole
        lines = [f"{in_full(self.of)} measures {number} combination{'' if number == 1 else 's'} of {len(self.names)}"]
        rows = zip(self.products(basis), self.deviations(basis), np.sqrt(basis.importance), strict=True)
        lines += [
            f"  {words} to {_percent(deviation)}, {ratio:.3g} times better than the ranges"
            for words, deviation, ratio in list(rows)[:number]
        ]
        lines.append(
            f"  in the middle of the box alone it is {self.measured(self.local)}, and the planes differ by "
            f"{self.turned:.2g} degrees"
        )
        return lines


def _percent(deviation: float) -> str:
    return f"{100 * deviation:.2g} %"


def in_full(of: str) -> str:
    """What is measured, in words."""
    return "P(k) of matter" if of == POWER else f"the boost over {of}"


def combinations(model: PopulationModel, bins: Bins, number: int, report: Callable[[], None]) -> list[Combinations]:
    """What bins measure of the parameters of the box of a model, for each of its quantities.

    number  of points in the box;  report  is called after each
    Raises InputError where Prediction does, with the values of the parameters.
    """
    box, found = model.box, []
    for point in [box.middle, *box.points(number)]:
        try:
            found.append(slopes(model, point, box.steps) / bins.error)
        except InputError as error:
            values = ", ".join(f"{name} = {value:.4g}" for name, value in box.values(point).items())
            raise InputError(f"at {values}: {error}") from None
        report()
    every = np.array(found)  # shape (points, quantities, bins, parameters)
    return [
        Combinations.of_slopes(of, box.names, box.middle, box.spread, every[1:, i], every[0, i])
        for i, of in enumerate(model.of)
    ]
