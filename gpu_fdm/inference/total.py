"""The power of all matter, haloes included, of one dark matter in one universe: milliseconds, from tables.

The sum is that of spectra/total_power.py over the haloes of inference/prepared_haloes.py.
"""

from functools import cached_property

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..errors import InputError
from ..haloes.scaled import NU_MIN
from ..pipeline.total_objects import POINT
from ..population.halo_epoch import share_matrix
from ..spectra.total_power import Objects, TotalPower, total_power
from .prepared_haloes import PreparedHaloes
from .universe import Boson, Filaments


@frozen(eq=False)
class AllMatter:
    """Linear power, filaments, and the haloes in them, of a boson or of cold dark matter.

    filaments  of the boson or of CDM;  haloes  what is prepared for their redshift
    """

    filaments: Filaments
    haloes: PreparedHaloes

    @property
    def m22(self) -> float | None:
        """Boson mass [1e-22 eV]; None for CDM."""
        return self.filaments.m22 if isinstance(self.filaments, Boson) else None

    @cached_property
    def power(self) -> TotalPower:
        """The sum and its parts; InputError, which names the boson, out of the tables."""
        try:
            of_filaments, of_haloes = self.filaments.objects, self._objects
            k, linear = self.filaments.universe.prepared.k, self.filaments.linear
            return total_power(k, linear, of_filaments, of_haloes, self._share)
        except InputError as error:
            what = "CDM" if self.m22 is None else f"m22 = {self.m22:g}"
            raise InputError(f"all matter with haloes, {what}: {error}") from None

    @cached_property
    def _objects(self) -> Objects:
        """The haloes of the window."""
        haloes, prepared = self.haloes, self.filaments.universe.prepared
        variance, slope = (
            matrix @ self.filaments.contrast for matrix in (haloes.moments.values, haloes.moments.slopes)
        )
        number = haloes.epoch.haloes.number(haloes.mass, variance, slope)
        weight = haloes.step * haloes.mass**2 * number / prepared.density**2
        c, q = haloes.concentration, haloes.radius[:, None] * prepared.k
        if self.m22 is None:
            smooth = haloes.forms(POINT / c, c, q)
            return Objects(weight, smooth, np.zeros(smooth.shape))
        nu = haloes.nu * self.m22
        if not nu[0] >= NU_MIN:
            least = haloes.mass[0] * (NU_MIN / nu[0]) ** 1.5 * 1.001
            raise InputError(
                f"halo of {haloes.mass[0]:.3g} Msun/h: its core is {haloes.table.scaling.core / nu[0]:.2g} of its "
                f"radius: [total_power] mass_min must be at least {least:.3g}"
            )
        smooth = haloes.forms(haloes.table.scaling.core / nu, c, q)
        fringes, deficit, of_all = haloes.table.parts(nu, c, q)
        return Objects(weight, (smooth + deficit) / (1 + of_all[:, None]), fringes)

    @property
    def _share(self) -> NDArray:
        """Of filaments in haloes, shape (filaments, haloes)."""
        haloes, epoch, rows = self.haloes, self.haloes.epoch, self.haloes.rows
        variance = rows.values @ self.filaments.contrast
        crossed = epoch.crossed(self.filaments.variance, float(variance[0]))
        return share_matrix(*crossed, variance, np.log(rows.mass), np.log(haloes.mass))
