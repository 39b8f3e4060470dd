"""Haloes for tests: that of the reference tables, and small ones."""

from functools import cache

import numpy as np
from locations import DATA

from gpu_fdm import CodeUnits, SphericalProfile, cored_nfw, halo_states, halo_weights

UNITS = CodeUnits(1.0, 0.6731, 0.314649)
MASS = 1e9  # Msun/h


def code_mass(mass, units=UNITS):
    """Msun/h in code units."""
    return mass / (units.mean_matter_density * units.length**3)


def halo(mass=MASS, m22=1.0, z=4.0):
    """A cored NFW halo."""
    units = CodeUnits(m22, UNITS.h, UNITS.omega_m)
    law = cored_nfw(mass, m22, units.h, units.omega_m, z, length=units.length)
    return SphericalProfile(law, code_mass(mass, units), 1 / (1 + z))


@cache
def reference_halo():
    """1e9 Msun/h, m22 = 1, z = 4: profile, states, weights."""
    profile = halo()
    states = halo_states(profile)
    return profile, states, halo_weights(profile, states)


def reference_table(name):
    """Columns of a table of the reference halo."""
    return np.genfromtxt(DATA / f"halo_{name}.csv", delimiter=",", names=True)
