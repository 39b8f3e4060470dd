"""The population of filaments: mass functions of CDM and of every boson mass, and one ellipsoid's collapse."""

from collections.abc import Callable
from typing import ClassVar

from ..config.config import Config
from ..io import schema
from ..io.result_file import GroupWriter
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from ..population.mass_function import MassFunction
from .inputs import Inputs
from .stage import Context, Estimate, Stage

POPULATION_CHOICES = ("freeze_out", "ellipticity", "transfer", "window")
_TABLES = 4 << 20  # of linear power, variance and barrier [bytes]
_MASS = 32  # bytes of a mass of a mass function in the result
_SECONDS = 0.08  # for a mass function on two cores


class PopulationStage(Stage):
    """Mass functions of CDM and of every boson, and the axes of an example."""

    section: ClassVar[str] = "population"
    begins: ClassVar[bool] = True
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            "mass_function",
            "filaments of each mass, cut off for each boson",
            "population.mass_function",
            ("mass_function",),
        ),
        Figure("collapse", "axes of a collapsing ellipsoid", "population.collapse", ("collapse",)),
    )

    def keys(self, config: Config) -> tuple[str, ...]:
        """The cosmology and its own."""
        return ("cosmology", self.section)

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """InputError for masses or a redshift for which there is no barrier, or no mass function."""
        population = inputs.population
        with inputs.config.errors_in(self.section):
            for m22 in (None, *inputs.config.population.m22):
                population.mass_function(m22)
        return []

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Memory of the tables."""
        section = inputs.config.population
        return Estimate(
            {self.section: _TABLES}, _MASS * section.masses * (1 + len(section.m22)), _SECONDS * (2 + len(section.m22))
        )

    def describe(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """Boson masses and redshift of the mass functions."""
        masses = ", ".join(f"{m22:g}" for m22 in inputs.config.population.m22)
        return [f"mass functions of CDM and m22 = {masses} at z = {inputs.config.cosmology.redshift:g}"]

    def run(self, context: Context) -> list[str]:
        """Compute and write them, on rank 0."""
        config, population, file = context.config, context.inputs.population, context.file
        bosons, mass = config.population.m22, config.population.example_mass
        with context.timer(self.section):
            if context.ranks.is_root:
                choices = {name: getattr(config.population, name) for name in POPULATION_CHOICES}
                choices |= {"redshift": config.cosmology.redshift, "linear_power": population.power.source}
                for m22 in (None, *bosons):
                    function, variance = population.mass_function(m22), population.variance(m22)
                    _write_mass_function(file, m22, function, variance, choices)
                examples = {m22: population.example(mass, m22) for m22 in (None, *bosons)}
                _write_collapse(file, mass, examples, choices)
        context.timer.log(self.section)
        functions = f"mass functions of CDM and {len(bosons)} boson masses" if len(bosons) > 1 else "mass functions"
        return [f"{functions} at z = {config.cosmology.redshift:g}"]


def _write_mass_function(
    file: GroupWriter, m22: float | None, function: MassFunction, variance: Callable, attributes: dict
) -> None:
    """Write /mass_function/<cdm | m22_...>."""
    columns = {"mass": function.mass, "dn_dlnm": function.dn_dlnm, "variance": variance(function.mass)}
    folder = f"/{schema.MASS_FUNCTION}/{schema.boson(m22)}"
    file.group(folder, columns, m22=m22, error=function.error, **attributes)


def _write_collapse(file: GroupWriter, mass: float, examples: dict, attributes: dict) -> None:
    """Write /collapse/<cdm | m22_...>: the ellipsoid of the filament of one mass [Msun/h]."""
    for m22, (followed, overdensity, ellipticity) in examples.items():
        file.group(
            f"/{schema.COLLAPSE}/{schema.boson(m22)}",
            {"scale_factor": followed.scale_factor, "axes": followed.axes},
            mass=mass,
            m22=m22,
            overdensity=overdensity,
            initial_ellipticity=ellipticity,
            freeze=followed.freeze,
            **attributes,
        )
