"""Fits of an equilibrium to a measured profile: how well each does, and what its errors leave open."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from ..errors import UnfitError
from .measured import MeasuredProfile
from .profile import Profile

DOUBTFUL = 1e-3  # p-values below it are told
HOPELESS = 1e-12  # p-values below it are refused
_ROUND_OFF, _SAME = 1e-14, 1e-12  # of values over the largest, of logarithms


@dataclass(frozen=True, eq=False)
class ProfileFit(ABC):
    """An equilibrium that was fitted to a measured profile.

    measured  the rows
    profile   the equilibrium
    model     its densities where they were measured, shape (rows,) [rho_m0]
    parameters  that the fit used up: a whole number for a cylinder, the trace of the smoothing matrix else
    values    name -> what was fitted, and its standard error, in code units
    """

    measured: MeasuredProfile
    profile: Profile
    model: NDArray
    parameters: float
    values: dict[str, tuple[float, float]]

    @property
    def residual(self) -> NDArray:
        """(measured - model) / error, shape (rows,)."""
        return (self.measured.density - self.model) / self.measured.errors

    @property
    def chi_squared(self) -> float:
        """Sum of the squares of the residuals."""
        return float(np.sum(self.residual**2))

    @property
    def degrees_of_freedom(self) -> float:
        """Rows less the parameters."""
        return len(self.model) - self.parameters

    @property
    def p_value(self) -> float:
        """Probability of a larger chi-squared, were the errors Gaussian and the equilibrium right."""
        return float(chdtrc(max(self.degrees_of_freedom, 1e-3), self.chi_squared))

    @property
    def worst(self) -> int:
        """The row with the largest residual."""
        return int(np.argmax(np.abs(self.residual)))

    @property
    def text(self) -> str:
        """chi-squared in words."""
        return (
            f"chi-squared = {self.chi_squared:.4g} for {self.degrees_of_freedom:.3g} degrees of freedom "
            f"(p = {self.p_value:.2g})"
        )

    @property
    def doubt(self) -> str:
        """What is wrong with a chi-squared that noise does not explain; empty where it does."""
        if self.p_value >= DOUBTFUL:
            return ""
        row = self.worst
        return (
            f"{self.text}: the largest residual is {self.residual[row]:.3g} standard errors in "
            f"{self.measured.place(row)}"
        )

    def require_hope(self) -> None:
        """UnfitError where no noise of these errors explains the residuals."""
        if self.p_value < HOPELESS:
            raise UnfitError(f"{self.doubt}; {self._advice}")

    @property
    @abstractmethod
    def _advice(self) -> str:
        """What may help where a fit is hopeless."""

    @abstractmethod
    def draw(self, random: np.random.Generator) -> Profile:
        """An equilibrium that the errors allow: that of a table with more noise of the same size."""


def band_of(values: NDArray, share: float) -> tuple[NDArray, NDArray, NDArray]:
    """Band of positive curves that holds a share of them at all points, and the standard deviation of their logarithms.

    values  shape (curves, points), of one quantity; what is below 1e-14 of the largest is round-off
    Returns lower edge, upper edge, exp(mean -+ c scatter) of the logarithms with one c, and scatter, shape (points,).
    """
    logs = np.log(np.maximum(values, _ROUND_OFF * np.max(values)))
    mean, scatter = logs.mean(axis=0), logs.std(axis=0, ddof=1)
    moved = scatter > _SAME
    largest = np.max(np.abs(logs - mean)[:, moved] / scatter[moved], axis=1, initial=0.0)
    width = np.quantile(largest, share) * scatter
    return np.exp(mean - width), np.exp(mean + width), scatter
