"""All checks, in the order of the document."""

from . import (
    checks_boosts,
    checks_collapse,
    checks_cosmology,
    checks_equilibrium,
    checks_figures,
    checks_population,
    checks_solvers,
    checks_spectra,
    checks_states,
    errata_population,
    errata_spectra,
)

STAGES = (
    ("Units, growth, linear power, transfer functions, variance", checks_cosmology.CHECKS),
    ("Collapse of ellipsoids", checks_collapse.CHECKS),
    ("Mass functions and shapes", checks_population.CHECKS),
    ("Equilibrium of a cylinder", checks_equilibrium.CHECKS),
    ("Eigenstates and weights", checks_states.CHECKS),
    ("Exact spectra and scales", checks_spectra.CHECKS),
    ("The published figure of single filaments", checks_figures.CHECKS),
    ("Boosts and fits", checks_boosts.CHECKS),
    ("Solvers", checks_solvers.CHECKS),
    ("Where a publication errs", errata_population.ERRATA + errata_spectra.ERRATA),
)
