"""Particles of known filaments: isothermal cylinders, as gpu_fdm.filament.profile has them, in a periodic box."""

from dataclasses import dataclass

import numpy as np
from locations import REPOSITORY
from snapshot_files import MPC_CM, write_gadget

from gpu_fdm.filament.gas_table import read_table
from gpu_fdm.units import mean_matter_density

OMEGA_M, REDSHIFT = 0.314649, 4.0
UNITS = {"UnitLength_in_cm": MPC_CM, "HubbleParam": 0.6731, "Omega0": OMEGA_M}


@dataclass(frozen=True)
class Drawn:
    """A filament to draw: centre, direction [cMpc/h], length [cMpc/h], r0 physical [Mpc/h], mass [Msun/h]."""

    centre: tuple
    direction: tuple
    length: float
    r0: float
    mass: float

    @property
    def line_mass(self):
        """[mean matter density (cMpc/h)^2]"""
        return self.mass / self.length / mean_matter_density(OMEGA_M)

    @property
    def sigma(self):
        """Of the equilibrium of this line mass, mu = 4 pi a sigma^2 (2 - beta), beta = 0 [km/s]."""
        return 100 * np.sqrt(1.5 * OMEGA_M * self.line_mass * (1 + REDSHIFT) / (8 * np.pi))

    def ends(self, share=0.9):
        """Two points on the axis."""
        unit = np.array(self.direction) / np.linalg.norm(self.direction)
        return [np.array(self.centre) + sign * share * self.length / 2 * unit for sign in (-1, 1)]

    def particles(self, number, random, softness=0.0):
        """Positions, not wrapped; softness  of the ends, over the length."""
        u = random.random(number)
        radius = np.sqrt(u / (1 - u)) * self.r0 * (1 + REDSHIFT)
        angle = 2 * np.pi * random.random(number)
        z = (random.random(number) - 0.5 + softness * random.standard_normal(number)) * self.length
        along = np.array(self.direction) / np.linalg.norm(self.direction)
        across = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
        across /= np.linalg.norm(across)
        beside = np.outer(radius * np.cos(angle), across) + np.outer(radius * np.sin(angle), np.cross(along, across))
        return np.array(self.centre) + np.outer(z, along) + beside


def gas(side=2.0):
    """The published gas of eight filaments."""
    table = read_table(REPOSITORY / "ini" / "filament_gas.csv", (side,) * 3)
    columns = (table.centre.tolist(), table.direction.tolist(), table.length, table.r0, table.mass)
    return [Drawn(*row) for row in zip(*columns, strict=True)]


def particles(filaments, number, side, seed=1, softness=0.0):
    """Particles of filaments in a periodic cube, as many of each as its mass has, shape (number, 3)."""
    random = np.random.default_rng(seed)
    masses = np.array([filament.mass for filament in filaments])
    numbers = random.multinomial(number, masses / masses.sum())
    drawn = [one.particles(count, random, softness) for one, count in zip(filaments, numbers, strict=True)]
    return np.concatenate(drawn) % side


def mean_density(filaments, side):
    """Of the box [mean matter densities]."""
    return sum(filament.mass for filament in filaments) / side**3 / mean_matter_density(OMEGA_M)


def write_particles(folder, positions, side, name="filaments"):
    """A GADGET file of particles of one mass."""
    return write_gadget(folder, positions, name=name, box_size=side, redshift=REDSHIFT, mass=1.0, header=UNITS)


def distance(axis, filament, side):
    """How far the ends of an axis are from the line of a filament, with images [cMpc/h]."""
    unit = np.array(filament.direction) / np.linalg.norm(filament.direction)
    nearest = axis.centre - np.array(filament.centre)
    shift = side * np.round(nearest / side)
    away = [point - shift - np.array(filament.centre) for point in (axis.begin, axis.end)]
    return max(float(np.linalg.norm(way - (way @ unit) * unit)) for way in away)
