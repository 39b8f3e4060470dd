"""What haloes of any boson have in common at one redshift: tables that are made once and kept in the user's cache.

A halo's fringes depend on nu = m R v/hbar and its concentration (haloes/scaled.py), its form factor on core/R = A/nu
and the concentration (haloes/form_table.py), the haloes in a filament on the variances of both
(population/halo_epoch.py): none of them on boson mass, A_s or n_s.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..config.config import Config
from ..config.sections import PopulationSection, TotalPowerSection
from ..config.shared_sections import HaloSection
from ..cosmology.variance import VarianceMatrix
from ..haloes.form_table import FormTable
from ..haloes.scaled import HaloTable
from ..pipeline.haloes import extrapolation
from ..pipeline.total_objects import halo_sizes, require_collapse, table_of_haloes
from ..population.epoch import Epoch
from ..population.halo_epoch import HaloEpoch
from .kept import Kept
from .model_keys import filaments_of

log = logging.getLogger(__name__)

HEAVIEST = 16.0  # boson mass [1e-22 eV] up to which the heaviest haloes are in the table
FOLDER = "haloes"  # in the user's cache folder
NOT_KEPT = "the table of haloes is not kept: the next call makes it again"
_ROWS = 64  # masses from which M(S) is interpolated


def with_haloes(config: Config) -> Config:
    """The config with the sections of haloes, or their defaults; InputError where there are no haloes."""
    full = replace(
        config,
        population=config.population or PopulationSection(),
        one_filament=filaments_of(config),
        halo=config.halo or HaloSection(),
        total_power=config.total_power or TotalPowerSection(),
    )
    require_collapse(full)
    return full


@frozen(eq=False)
class PreparedHaloes:
    """Haloes of the window of [total_power].

    mass, step  of the integral over ln M [Msun/h], shape (masses,);  moments  what makes S and dS/dlnM of them
    rows        what makes S of masses of [population] from its lightest, from which M(S) is interpolated
    nu, concentration, radius  of the masses, at m22 = 1, and comoving [cMpc/h], shape (masses,) each
    table, forms, epoch  fringes, form factors, crossings
    """

    mass: NDArray
    step: NDArray
    moments: VarianceMatrix
    rows: VarianceMatrix
    nu: NDArray
    concentration: NDArray
    radius: NDArray
    table: HaloTable
    forms: FormTable
    epoch: HaloEpoch

    @classmethod
    def of(
        cls,
        config: Config,
        filaments: Epoch,
        mass: NDArray,
        step: NDArray,
        variance: Callable[[NDArray], VarianceMatrix],
    ) -> "PreparedHaloes":
        """The tables, from the user's cache folder or made now.

        config  of with_haloes;  filaments  their epoch;  mass, step  of the integral over haloes
        variance  what makes the matrices of masses [Msun/h]
        Raises InputError where there are no haloes, or their cores are too large.
        """
        section, population, kept = config.total_power, config.population, Kept.of(FOLDER, NOT_KEPT)
        window = section.mass_min, section.mass_max
        for line in extrapolation(config):
            log.warning(line)
        nu, c, radius = halo_sizes(config, mass, 1.0)
        with config.errors_in("halo"):
            table = table_of_haloes(config, (HEAVIEST,), window, section.exact_l_max, kept)
        ends = float(c.min()), float(c.max())
        what = "form factors of haloes of these concentrations, some seconds"
        arrays = kept.arrays("forms", {"concentration": list(ends)}, lambda: FormTable.of(*ends).arrays, what)
        forms = FormTable(**arrays)
        barrier, most = filaments.barrier, float(filaments.crossing.variance[-1])
        model = barrier.model
        key = {
            "omega_m": model.background.omega_m,
            "scale_factor": model.scale_factor,
            "freeze_out": model.freeze_out,
            "variance_max": most,
        }
        with config.errors_in("population"):
            what = "mass of filaments in haloes at this redshift and omega_m, up to half a minute"
            arrays = kept.arrays("crossings", key, lambda: HaloEpoch.of(barrier, most).arrays, what)
        epoch = HaloEpoch.from_arrays(arrays, barrier)
        rows = variance(np.geomspace(population.mass_min, population.mass_max, _ROWS))
        return cls(mass, step, variance(mass), rows, nu, c, radius, table, forms, epoch)
