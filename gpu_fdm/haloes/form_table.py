"""Form factors u(k) of cored NFW haloes of any core and concentration, from a table.

In lengths of the radius of a halo u depends on its core, its concentration and q = k R alone. It falls without changing
its sign, and ln u is interpolated: by a spline in ln core, by Lagrange in ln c, by a spline in ln q.
"""

from functools import cached_property

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from ..errors import InputError
from ..splines import along_rows, piecewise
from .form_factor import form_factor
from .laws import CoredNFW

CORES = np.geomspace(3e-5, 0.97, 64)
LOG_Q = np.linspace(np.log(3e-3), np.log(3e4), 200)
_LEAST = 1e-13  # of u, below which it is round-off
_BEYOND = 1.02  # range of concentrations around those that are asked for


@frozen(eq=False)
class FormTable:
    """ln u by core/R, concentration and q, shape (CORES, concentrations, LOG_Q).

    concentration  nodes, increasing, shape (c,)
    """

    concentration: NDArray = field(converter=np.asarray)
    log_form: NDArray = field(converter=np.asarray)

    @classmethod
    def of(cls, low: float, high: float, nodes: int = 3) -> "FormTable":
        """The table for concentrations of a range; half a second a node."""
        c, q = np.geomspace(low / _BEYOND, high * _BEYOND, nodes), np.exp(LOG_Q)
        rows = [[form_factor(CoredNFW(1 / each, core, 1.0), q) for each in c.tolist()] for core in CORES.tolist()]
        return cls(c, np.log(np.maximum(rows, _LEAST)))

    @property
    def arrays(self) -> dict[str, NDArray]:
        """All that makes the table."""
        return {"concentration": self.concentration, "log_form": self.log_form}

    def __call__(self, core: ArrayLike, concentration: ArrayLike, q: ArrayLike) -> NDArray:
        """u, shape (haloes, k).

        core           over the radius, shape (haloes,); smaller ones than the first of CORES are taken as it
        concentration  shape (haloes,);  q  k R, shape (haloes, k), positive
        Raises InputError for values out of the table.
        """
        core, c, q = (np.asarray(values, float) for values in (core, concentration, q))
        for name, values, low, high in (
            ("core radius over that of the halo", core, 0.0, CORES[-1]),
            ("concentration", c, self.concentration[0], self.concentration[-1]),
            ("k R", q, 0.0, np.exp(LOG_Q[-1])),
        ):
            for outside in values[~((values >= low * (1 - 1e-9)) & (values <= high * (1 + 1e-9)))].ravel()[:1]:
                raise InputError(f"{name} = {outside:.4g}: must be in [{low:.4g}, {high:.4g}], as the table has it")
        weight = self._of_core(np.log(np.maximum(core, CORES[0])))[:, :, None] * self._of_concentration(c)[:, None]
        rows = weight.reshape(len(core), -1) @ self._flat
        return np.exp(along_rows(LOG_Q, rows.reshape(len(core), -1, 4), np.maximum(np.log(q), LOG_Q[0])))

    def _of_concentration(self, c: NDArray) -> NDArray:
        """Weights of the nodes of the concentration, shape (haloes, c)."""
        return lagrange(np.log(self.concentration), np.log(c))

    @cached_property
    def _of_core(self) -> CubicSpline:
        return CubicSpline(np.log(CORES), np.eye(len(CORES)))

    @cached_property
    def _flat(self) -> NDArray:
        return piecewise(LOG_Q, self.log_form).reshape(self.log_form.shape[0] * self.log_form.shape[1], -1)


def lagrange(nodes: NDArray, at: NDArray) -> NDArray:
    """Weights of the polynomial through values at nodes, shape (at, nodes)."""
    if len(nodes) == 1:
        return np.ones((len(at), 1))
    columns = []
    for number, node in enumerate(nodes):
        others = np.delete(nodes, number)
        columns.append(np.prod((at[:, None] - others) / (node - others), axis=1))
    return np.stack(columns, axis=1)
