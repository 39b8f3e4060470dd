"""Every group, dataset and attribute of the files that the program writes, with shapes, units and descriptions.

Writers take units and descriptions from here and can write nothing that is not here; readers take the names of groups;
docs/files.md is generated from it.
"""

from .common import (
    BOOST,
    BUDGET,
    COLLAPSE,
    CORRELATION,
    DENSITY,
    EMULATOR,
    FILAMENTS,
    GAS,
    GRID_ATTRIBUTES,
    HALO_MASS_FUNCTION,
    HALOES,
    INPUTS,
    INTERACTION_BASIS,
    MASS_FUNCTION,
    ONE_FILAMENT,
    ONE_HALO,
    POWER,
    POWER_DATASETS,
    POWER_MU_DATASETS,
    PROFILE_FIT,
    PROJECTION,
    PROVENANCE,
    SIMULATION,
    SINGLE_POWER,
    STEADY_AXIS,
    STEADY_STATE,
    TOTAL_POWER,
    K,
    attributes,
    boson,
    filament,
    seed,
)
from .entries import Attribute, Dataset, Group, Schema
from .evolution import SIMULATION_GROUPS, SNAPSHOT, STEADY_STATE_GROUPS
from .filaments import BOX_GROUPS, FILAMENT_GROUPS
from .learning import LEARNING_GROUPS
from .measured import CUT_OUT, MEASURED, MEASURED_FILAMENT
from .population import MARKS_OF_TOTAL, POPULATION_GROUPS

__all__ = [
    "BOOST",
    "BUDGET",
    "COLLAPSE",
    "CORRELATION",
    "CUT_OUT",
    "DENSITY",
    "EMULATOR",
    "FILAMENTS",
    "GAS",
    "HALOES",
    "HALO_MASS_FUNCTION",
    "INPUTS",
    "INTERACTION_BASIS",
    "MARKS_OF_TOTAL",
    "MASS_FUNCTION",
    "MEASURED",
    "MEASURED_FILAMENT",
    "MEASUREMENT",
    "ONE_FILAMENT",
    "ONE_HALO",
    "POWER",
    "PROFILE_FIT",
    "PROJECTION",
    "RESULT",
    "SIMILARITY",
    "SIMULATION",
    "SINGLE_POWER",
    "SNAPSHOT",
    "STEADY_AXIS",
    "STEADY_STATE",
    "TOTAL_POWER",
    "Schema",
    "boson",
    "filament",
    "seed",
]

RESULT = Schema(
    "What gpu-fdm run writes",
    (
        Group(
            "/",
            attributes=attributes(
                PROVENANCE,
                key=Attribute("hash of all that the numbers depend on"),
            ),
        ),
        Group(
            f"/{INPUTS}",
            {
                "<key>": Dataset(
                    "byte", "1", "content of the table that the run read, or of CAMB's table of linear power", "uint8"
                )
            },
        ),
        *FILAMENT_GROUPS,
        *BOX_GROUPS,
        *POPULATION_GROUPS,
        *STEADY_STATE_GROUPS,
        *SIMULATION_GROUPS,
        *LEARNING_GROUPS,
    ),
)

SIMILARITY = Schema(
    "The table of spectra over nu = m r0 sigma / hbar, which comes with the package",
    (
        Group(
            "/",
            {
                "nu": Dataset("node", "1", "nodes of nu, the last infinite"),
                "weight_sum": Dataset("node", "1", "line mass of the states over that of the filament"),
                "rows": Dataset(
                    "node, ratio, row",
                    "1",
                    "logarithms of the parts of P(k|M)/M^2, see gpu_fdm.spectra.similarity.table",
                    "float32",
                ),
            },
            {
                "version": Attribute("of gpu_fdm"),
                "git_revision": Attribute("of gpu_fdm"),
                "recipe": Attribute("what the table is of, and its grids, as JSON"),
                "hash": Attribute("SHA-256 of the recipe and of the datasets, in alphabetical order"),
            },
        ),
    ),
)

_POWER_OF_SNAPSHOT = POWER_DATASETS | {
    "error": Dataset("k", "(Mpc/h)^3", "standard deviation for a Gaussian field"),
    "shot_noise": Dataset("k", "(Mpc/h)^3", "of particles at random on this grid"),
    "images": Dataset(
        "k",
        "(Mpc/h)^3",
        "power of the images that interlacing removed; where it is a tenth of power and shot noise, "
        "the images that are left may be as large",
    ),
}
_ABOUT_SNAPSHOT = GRID_ATTRIBUTES | attributes(
    "redshift m22 time shot_noise_subtracted",
    of=Attribute("density that was measured"),
    source=Attribute("file that was measured"),
    format=Attribute("of that file"),
    h=Attribute("of the snapshot"),
    omega_m=Attribute("of the snapshot"),
)

MEASUREMENT = Schema(
    "What gpu-fdm power writes",
    (
        Group("/", attributes=attributes(PROVENANCE)),
        Group(
            f"/{POWER}/<field>_mu",
            POWER_MU_DATASETS
            | {
                "mu_edges": Dataset("edge", "1", "edges of the bins of mu = |k_axis|/k"),
                "error": Dataset(
                    "k, mu", "(Mpc/h)^3", "standard deviation for a Gaussian field; NaN in bins without modes"
                ),
            },
            GRID_ATTRIBUTES | attributes("shot_noise_subtracted", axis=Attribute("from which mu is counted")),
        ),
        Group(
            f"/{POWER}/<field>_multipoles",
            {
                "k": Dataset("k", "h/Mpc", "mean wavenumber of the modes of each bin"),
                "power": Dataset(
                    "k, 3",
                    "(Mpc/h)^3",
                    "P_0, P_2, P_4, the sums (2 l + 1) <P L_l> over the modes of each bin; the first row is k = 0",
                ),
                "modes": Dataset("k", "1", "modes in each bin", "int64"),
                "error": Dataset("k, 3", "(Mpc/h)^3", "standard deviation for a Gaussian field of isotropic power"),
                "mixing": Dataset(
                    "k, 3, 3",
                    "1",
                    "(2 l + 1) <L_l L_l'> over the modes of each bin: where P(k, mu) has no other multipoles, power is "
                    "mixing times them",
                ),
            },
            attributes("nyquist shot_noise_subtracted", axis=Attribute("from which mu is counted")),
        ),
        Group(
            f"/{POWER}/<field>_cross",
            {
                "k": K,
                "power": Dataset(
                    "k",
                    "(Mpc/h)^3",
                    "cross power P_12 of the contrasts of both snapshots, with its sign; the first row is k = 0",
                ),
                "modes": POWER_DATASETS["modes"],
                "error": Dataset("k", "(Mpc/h)^3", "standard deviation for Gaussian fields"),
                "correlation": Dataset(
                    "k", "1", "P_12 over the root of P_1 P_2; NaN where these are not positive, as at k = 0"
                ),
                "correlation_error": Dataset("k", "1", "standard deviation for Gaussian fields; NaN likewise"),
            },
            GRID_ATTRIBUTES
            | attributes(
                "redshift shot_noise_subtracted",
                of=Attribute("densities that were crossed"),
                source=Attribute("files that were crossed"),
            ),
        ),
        Group(f"/{POWER}/<field>_other", _POWER_OF_SNAPSHOT, _ABOUT_SNAPSHOT),
        Group(f"/{POWER}/<field>", _POWER_OF_SNAPSHOT, _ABOUT_SNAPSHOT),
    ),
)
