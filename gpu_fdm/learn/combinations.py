"""Which combinations of parameters bins of P(k) or of a boost measure, and how well: the basis of a model itself.

Coordinates p, logarithms of parameters, have the covariance G in a box. Errors e of ln P, or of the ln of a boost, in
bins give the Fisher matrix, here its mean over the box,

    M' = < sum over bins of (d ln P/dp_i) (d ln P/dp_j) / e^2 >,        G, M'  ->  C, Lambda        (learn/basis.py)

Features (p - <p>) C are logarithms of products of powers. The bins measure each of them to +-1, independently of the
others (C+ M' C+^T = 1), and in the box its variance is Lambda: what is measured has Lambda > 1. At one point alone M'
is the Fisher matrix there, and C has its eigenvectors in units of the box.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..errors import InputError
from .basis import LEAST, TOLERANCE, LayerBasis, basis_of_averages
from .directions import angle, in_words

SYMBOLS = {  # of parameters, in products of powers
    "m22": "m22",
    "redshift": "(1+z)",
    "ln10As": "A_s",
    "n_s": "n_s",
    "omega_m": "omega_m",
    "mass_min": "M_min",
    "mass_max": "M_max",
    "filament_fraction": "f",
}
POWER = "power"  # what is measured, beside the denominators of boosts
SMALL = 0.03  # of what a parameter adds to a combination, over the largest, below which it is not written

Model = Callable[[NDArray], NDArray]  # of coordinates, shape (parameters,), to logarithms of what is measured


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
        symbols = [SYMBOLS[name] for name in self.names]
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
