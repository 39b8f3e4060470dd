"""The systematic error of a fit of m22: what is found where one choice of the model at a time is another."""

from dataclasses import dataclass

import numpy as np

from ..plots.fits import OWN, FitRows
from ..spectra.boost import Boost
from ..spectra.fit import MassFit

LONGEST = 70  # characters of a source in the title of a figure


@dataclass(frozen=True)
class SwitchedFit:
    """A fit with one choice of the model made in another way.

    name    the key and its value, section.key = value
    fit     None where the model cannot be computed with this choice, for a reason
    """

    name: str
    fit: MassFit | None
    reason: str = ""


@dataclass(frozen=True)
class Systematics:
    """A fit, and those with every switch."""

    fit: MassFit
    switched: tuple[SwitchedFit, ...]

    @property
    def describing(self) -> list[MassFit]:
        """The fits with a switch that describe the table."""
        return [switched.fit for switched in self.switched if switched.fit and switched.fit.fits]

    @property
    def range(self) -> tuple[float, float] | None:
        """Least and largest m22 of the fit and of the switches that describe the table; 0 or infinity for bounds.

        None where the fit itself has no value.
        """
        if self.fit.m22 is None or self.fit.bound:
            return None
        fits = [self.fit, *self.describing]
        low = min(0.0 if fit.bound == "upper" or fit.m22 is None else fit.m22 for fit in fits)
        high = max(np.inf if fit.bound == "lower" or fit.m22 is None else fit.m22 for fit in fits)
        return float(low), float(high)

    @property
    def text(self) -> str:
        """The systematic error in one line."""
        count = f"{len(self.describing)} of {sum(switched.fit is not None for switched in self.switched)} switches"
        if self.range is not None:
            low, high = self.range
            return f"systematic error: m22 from {low:.4g} to {high:.4g}, with the {count} that describe the table"
        if not self.fit.fits:
            return f"with another choice {count} describe the table: a fit with one of them begins with its ini"
        return f"systematic error: not known for a bound; {count} describe the table"

    @property
    def lines(self) -> list[str]:
        """A line for each switch; where the fit itself describes nothing, no values."""
        return [f"{switched.name}: {self._verdict(switched)}" for switched in self.switched]

    def rows(self, table: Boost) -> FitRows:
        """The fits as a figure shows them."""
        source = table.source if len(table.source) <= LONGEST else f"{table.source[: LONGEST - 3]}..."
        names = OWN, *(switched.name for switched in self.switched)
        fits = self.fit, *(switched.fit for switched in self.switched)
        return FitRows(f"{table.label}\n{source}".strip(), names, fits, self.range)

    def _verdict(self, switched: SwitchedFit) -> str:
        if switched.fit is None:
            return f"not fitted: {switched.reason}"
        if self.fit.fits:
            return switched.fit.text
        does = "describes" if switched.fit.fits else "does not describe"
        return f"{does} the table ({switched.fit.quality})"
