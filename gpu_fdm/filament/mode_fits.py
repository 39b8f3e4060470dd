"""How well modes describe their filaments: how much of the mass they have, and how closely they follow the density."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

WORST_FIT = 0.3  # rms of ln density inside R_95; a larger one is told
LEAST_SUM, LARGEST_SUM = 0.8, 1.1  # of the weights; sums outside are told


@dataclass(frozen=True, eq=False)
class ModeFits:
    """The fits of several filaments, all of shape (filaments,).

    mass  [Msun/h];  weight_sum, rms_log_density  as Weights has them
    """

    mass: NDArray
    weight_sum: NDArray
    rms_log_density: NDArray

    @classmethod
    def stored(cls, columns: Mapping[str, ArrayLike]) -> "ModeFits | None":
        """The fits of filaments of one boson in a result; None in a result of 0.1.0, which does not have them.

        columns  its datasets
        """
        if "rms_log_density" not in columns:
            return None
        return cls(*(np.asarray(columns[name], float) for name in ("masses", "weight_sum", "rms_log_density")))

    @property
    def poor(self) -> NDArray:
        """Whether the modes do not describe a filament, shape (filaments,)."""
        in_mass = (self.weight_sum > LEAST_SUM) & (self.weight_sum < LARGEST_SUM)
        return ~(in_mass & (self.rms_log_density <= WORST_FIT))

    @property
    def text(self) -> str:
        """Which filaments are described poorly, and how poorly the worst of them; empty where none is."""
        poor = self.poor
        if not poor.any():
            return ""
        worst = int(np.argmax(np.where(poor, np.nan_to_num(self.rms_log_density, nan=np.inf), -1)))
        how = (
            f"make {100 * self.weight_sum[worst]:.3g} % of the line mass, rms of ln density "
            f"{self.rms_log_density[worst]:.2g}"
        )
        if len(poor) == 1:
            return f"the modes do not describe the filament: they {how}"
        low, high = f"{self.mass[poor].min():.3g}", f"{self.mass[poor].max():.3g}"
        masses = f"{low} Msun/h" if low == high else f"{low} to {high} Msun/h"
        count = f"{np.count_nonzero(poor)} of {len(poor)}"
        return (
            f"the modes of {count} filaments ({masses}) do not describe them: at worst ({self.mass[worst]:.3g} Msun/h) "
            f"they {how}"
        )
