"""Values that several checks use, computed once: the published filament, tables, the population."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from gpu_fdm.config.config import parse_config
from gpu_fdm.cosmology.background import Background
from gpu_fdm.cosmology.linear_power import linear_power
from gpu_fdm.cosmology.transfer import transfer
from gpu_fdm.cosmology.variance import variance
from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.io.tables import read_columns
from gpu_fdm.pipeline.model import build_model
from gpu_fdm.population.barrier import collapse_barrier
from gpu_fdm.population.collapse import CollapseModel
from gpu_fdm.units import CodeUnits

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"  # published tables; their first lines have the source
H, OMEGA_M, SCALE_FACTOR = 0.6731, 0.314649, 0.2
MASS = 5e9  # [Msun/h]
BACKGROUND = Background(OMEGA_M)
PUBLISHED = CollapseModel(BACKGROUND, SCALE_FACTOR)
VARIANCE_MAX = 42.0


@lru_cache
def columns(name) -> dict:
    """The columns of a table of numbers in tests/data, by name."""
    path = DATA / name
    header = next(line for line in path.read_text().splitlines() if not line.startswith("#"))
    return read_columns(path, tuple(header.split(",")))


def model(m22, weights="wkb", beta=0.0):
    """The model of the published filament."""
    return _solved(m22, weights, float(beta))


@lru_cache(maxsize=32)
def _solved(m22, weights, beta):
    return build_model(
        parse_config(
            f"[run]\nbackend = cpu\n[dark_matter]\nm22 = {m22}\n[filament]\nmass = {MASS}\nbeta = {beta}\n"
            f"[wavefunction]\nweights = {weights}\n"
        )
    )


@lru_cache
def units(m22=1.0) -> CodeUnits:
    """The code units of the default cosmology."""
    return CodeUnits(m22, H, OMEGA_M)


@lru_cache
def published_cylinder() -> SteadyStateCylinder:
    """The filament for m22 = 1 with the numbers of the public code, in code units."""
    return SteadyStateCylinder(0.27195996, np.sqrt(52.280477), 0.0, SCALE_FACTOR)


@lru_cache
def published_library():
    """The states of the published cylinder."""
    return eigenstates(published_cylinder())


@lru_cache
def power(name="table"):
    """Linear power at z = 0 from the published table or from CAMB."""
    return linear_power("table", table=DATA / "linear_power_z0.csv") if name == "table" else linear_power("camb")


@lru_cache
def variance_of(m22=None):
    """S(M) of the published linear power, None for CDM, with the transfer function of Hu et al. 2000."""
    return variance(power(), transfer("cdm" if m22 is None else "hu00", m22, h=H))


@lru_cache
def barrier(ellipticity="published"):
    """The barrier of filaments at z = 4."""
    return collapse_barrier(PUBLISHED, VARIANCE_MAX, ellipticity=ellipticity)
