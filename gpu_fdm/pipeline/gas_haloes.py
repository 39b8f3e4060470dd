"""Haloes beside the filaments of [gas]: from a table to spheres with a place, what they need, and their checks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..config.config import Config
from ..config.shared_sections import HaloSection
from ..errors import InputError, UnfitError
from ..fields.halo_box import LINES_BYTES, NYQUIST_SHARE, TABLE_BYTES
from ..fields.spline import radial_points
from ..haloes.laws import CoredNFW
from ..haloes.profile import SphericalProfile
from ..haloes.relations import CONCENTRATIONS, concentration, core_radius, halo_radius
from ..haloes.states import energy_cut, estimated_states, extent, largest_angular_momentum, states_memory
from ..haloes.table import HaloRow, read_halo_table
from ..kernels.common import TAPS
from ..kernels.halo import order_starts
from ..parallel.memory import available
from .haloes import extrapolation
from .model import code_units, dtype_of
from .named_files import of_file
from .progress import in_words

_RADII = 500  # of the integral over the points of a halo
_STATES_A_SECOND = 2e4  # on two cores
_FILL_START, _TERMS_A_SECOND = 0.3, 5e7  # of sums over m at points, likewise
_MOST_TESTED = 16  # haloes whose distribution function is made before the run
_LEAST_STATES = 0.5  # that are expected


@dataclass(frozen=True)
class Halo:
    """A halo in a box; as attributes of /haloes/<number> in a result file.

    number  from 0;  line  of the table, for messages;  mass  of the mass definition [Msun/h];  centre  [cMpc/h]
    radius  of the mass definition, comoving [cMpc/h];  concentration  radius over scale radius
    core    core radius, comoving [cMpc/h];  m22  boson mass [1e-22 eV]
    seed, stream  of the phases, see random_amplitudes
    """

    number: int
    line: int
    mass: float
    centre: tuple[float, float, float]
    radius: float
    concentration: float
    core: float
    redshift: float
    m22: float
    seed: int
    stream: int


@dataclass(frozen=True)
class HaloSize:
    """What a halo needs, before it is solved for.

    states  number of (n, l), by WKB;  l_max  largest l;  points  nodes of the states
    solving, table  memory of the states while they are solved for, and of the table of psi [bytes]
    reach     radius beyond which psi is zero [cMpc/h];  fringes  largest wavenumber of |psi|^2 [h/cMpc]
    outside   share of the mass below the energy cut that lies beyond half the shortest side of the box
    seconds   about how long the states take, and filling the box once, on two cores
    """

    halo: Halo
    states: float
    l_max: int
    points: int
    solving: int
    table: int
    reach: float
    fringes: float
    outside: float
    seconds: tuple[float, float]


def read_haloes(config: Config, drawn: Sequence[HaloRow] | None = None) -> list[Halo]:
    """The haloes of [gas]: those that were drawn, or else those of its table, or none.

    Raises InputError that names file and line for one that is outside of the box or larger, and for a core that is
    larger than its halo.
    """
    if drawn is not None:
        rows = drawn
    elif config.gas is None or config.gas.haloes is None:
        return []
    else:
        rows = of_file(config, "gas", "haloes", read_halo_table)
    return [halo_of(config, number, row) for number, row in enumerate(rows)]


def _concentration(config: Config, mass: float) -> float:
    """That of the relation of [halo], or its defaults, for a mass [Msun/h]."""
    section = config.halo or HaloSection()
    return section.concentration_factor * concentration(mass, config.cosmology.redshift, section.concentration)


def early_haloes(config: Config, haloes: Sequence[Halo]) -> list[str]:
    """A line where haloes have the concentration of the relation, and it is extrapolated in redshift."""
    of_relation = any(halo.concentration == _concentration(config, halo.mass) for halo in haloes)
    return extrapolation(config) if of_relation else []


def halo_of(config: Config, number: int, row: HaloRow) -> Halo:
    """The halo of a row; InputError for one that is larger than the box, or smaller than its core."""
    section, cosmology, m22 = config.halo or HaloSection(), config.cosmology, config.dark_matter.m22
    z, relation = cosmology.redshift, section.concentration
    radius = halo_radius(row.mass, CONCENTRATIONS[relation][0], cosmology.omega_m, z)
    c, core = row.concentration, row.core
    if c is None:
        c = _concentration(config, row.mass)
    if core is None:
        core = section.core_factor * core_radius(row.mass, m22, cosmology.h, cosmology.omega_m, z)
    sides = np.array(config.box.size)
    halo = Halo(
        number=number,
        line=row.line,
        mass=row.mass,
        centre=tuple((sides * row.centre).tolist()),
        radius=radius,
        concentration=c,
        core=core,
        redshift=z,
        m22=m22,
        seed=config.run.seed if row.seed is None else row.seed,
        stream=number if row.seed is None else 0,
    )
    if 2 * radius > sides.min():
        raise error_of(
            config,
            halo,
            f"its diameter, {2 * radius:.4g} cMpc/h, is larger than the box, {sides.min():.4g}: "
            "must be a lighter halo or a larger box",
        )
    if not core < radius:
        raise error_of(
            config,
            halo,
            f"its core, {core:.4g} cMpc/h, is larger than the halo, {radius:.4g}: must be smaller, that of a heavier "
            "halo or boson",
        )
    return halo


def error_of(config: Config, halo: Halo, message: str) -> InputError:
    """The error of a halo, which names its row, or the limit of the masses that it is nearer to where it was drawn."""
    low, high = config.gas.halo_mass_min, config.gas.halo_mass_max
    if low is not None and high is not None:
        key = "halo_mass_min" if halo.mass**2 < low * high else "halo_mass_max"
        return config.error("gas", key, f"a halo of {halo.mass:.4g} Msun/h: {message}")
    return config.error("gas", "haloes", f"line {halo.line}: halo of {halo.mass:.4g} Msun/h: {message}")


@contextmanager
def errors_of(config: Config, halo: Halo) -> Iterator[None]:
    """InputErrors and UnfitErrors about a halo are InputErrors that name its row."""
    try:
        yield
    except (InputError, UnfitError) as error:
        raise error_of(config, halo, str(error)) from None


def profile_of_halo(config: Config, halo: Halo, check: bool = True) -> SphericalProfile:
    """The equilibrium of a halo, in code units; InputError that names its row where there is none.

    check  whether there is one, which takes longest
    """
    units = code_units(config)
    law = CoredNFW(
        halo.radius / halo.concentration / units.length, halo.core / units.length, halo.radius / units.length
    )
    with errors_of(config, halo):
        mass = halo.mass / (units.mean_matter_density * units.length**3)
        profile = _equilibrium(law, mass, 1 / (1 + halo.redshift))
        if check:
            profile.require_equilibrium()
    return profile


@lru_cache(maxsize=64)
def _equilibrium(law: CoredNFW, mass: float, scale_factor: float) -> SphericalProfile:
    return SphericalProfile(law, mass, scale_factor, invert=False)


def cut_of(config: Config) -> float:
    """[halo] energy_cut, a mass fraction."""
    return (config.halo or HaloSection()).energy_cut


def sizes_of(config: Config, haloes: Sequence[Halo]) -> list[HaloSize]:
    """What haloes need; InputError that names the row of one that cannot be.

    Of many haloes some are tested for being in equilibrium, from the smallest to the largest core beside its halo; each
    is where it is solved.
    """
    order = sorted(range(len(haloes)), key=lambda number: haloes[number].core / haloes[number].radius)
    tested = {order[place] for place in np.linspace(0, len(order) - 1, _MOST_TESTED).astype(int)} if haloes else set()
    free = available()
    return [size_of(config, halo, free, number in tested) for number, halo in enumerate(haloes)]


def size_of(config: Config, halo: Halo, free: int, check: bool = True) -> HaloSize:
    """What a halo needs; InputError that names its row where its states do not fit in memory, or there is none.

    free  memory that is left [bytes];  check  whether it can be in equilibrium
    """
    profile, unit, fraction = profile_of_halo(config, halo, check), code_units(config).length, cut_of(config)
    with errors_of(config, halo):
        reach, points = extent(profile, fraction)
    states, l_max = estimated_states(profile, fraction), largest_angular_momentum(profile, fraction)
    if states < _LEAST_STATES:
        raise error_of(config, halo, f"has about {states:.2g} states below the energy cut: must be heavier")
    largest = profile.scale_factor * (2 * (energy_cut(profile, fraction) - profile.central_potential)) ** 0.5
    rows = radial_points(reach, largest, psi_tolerance(config)) + TAPS
    # the table is made from one of splines and from values
    table = 4 * rows * int(order_starts(l_max)[-1]) * np.dtype(dtype_of(config)).itemsize + 16 * rows * points
    solving = states_memory(profile, fraction, points)
    if max(solving, table) > free:
        what = f"its {states:.3g} states (n, l)" if solving > table else f"a table of psi, l up to {l_max},"
        raise error_of(
            config,
            halo,
            f"{what} would need {in_words(max(solving, table))}, {in_words(free)} are free: must be a lighter halo or "
            "boson",
        )
    half = min(config.box.size) / 2 / unit
    below = float(profile.enclosed_mass(min(half, float(profile.radius_enclosing(fraction)))))
    terms = (2 * l_max + 1) * _points_of(config, profile, reach, fraction)
    return HaloSize(
        halo=halo,
        states=states,
        l_max=l_max,
        points=points,
        solving=solving,
        table=table,
        reach=reach * unit,
        fringes=2 * largest / unit,
        outside=1 - below / profile.mass / fraction,
        seconds=(states / _STATES_A_SECOND, _FILL_START + terms / _TERMS_A_SECOND),
    )


def describe_sizes(sizes: Sequence[HaloSize]) -> list[str]:
    """A line of a dry run."""
    largest = max(sizes, key=lambda size: size.states)
    count = "1 halo" if len(sizes) == 1 else f"{len(sizes)} haloes, the largest"
    return [f"{count} with about {largest.states:.4g} states (n, l), l up to {largest.l_max}"]


def memory_in_box(sizes: Sequence[HaloSize], ranks: int) -> int:
    """Memory beside the slab while haloes are solved for and filled, where ranks have one table each [bytes]."""
    tables = sum(sorted(size.table for size in sizes)[-ranks:])
    return max(max(size.solving for size in sizes), tables + TABLE_BYTES + 3 * LINES_BYTES)


def halo_in_box(config: Config, size: HaloSize, most: float) -> list[str]:
    """A warning where more than a share `most` of a halo lies beyond half the shortest side of the box.

    Raises InputError for averages over cells that are wider than the halo, all of which would be filled as finely as
    its fringes need.
    """
    widest = max(np.array(config.box.size) / config.box.cells)
    if config.box.sampling == "average" and widest > size.reach:
        raise config.error(
            "box",
            "cells",
            f"make cells of {widest:.4g} cMpc/h: with sampling = average they must be at most as wide as a halo of "
            f"radius {size.reach:.4g} cMpc/h",
        )
    if size.outside <= most:
        return []
    return [
        f"halo {size.halo.number} is large enough to meet its own images: {100 * size.outside:.3g} % of its mass lies "
        "beyond half the shortest side of the box (enlarge [box] size)"
    ]


def psi_tolerance(config: Config) -> float:
    """Interpolation error of psi of a halo over its maximum, for [box] tolerance of the density."""
    return config.box.tolerance / 10


def _points_of(config: Config, profile: SphericalProfile, reach: float, fraction: float) -> float:
    """About how many points of a halo are evaluated: cells, or as many as averages over them need."""
    cell = np.array(config.box.size) / config.box.cells / code_units(config).length
    across = float(np.linalg.norm(cell)) if config.box.sampling == "average" else 0.0
    step = (reach + across) / _RADII
    radius = step * (np.arange(_RADII) + 0.5)
    per_length = np.broadcast_to(1 / cell, (_RADII, 3))
    if config.box.sampling == "average":
        # a cell has the points that its innermost corner needs
        kinetic = np.maximum(energy_cut(profile, fraction) - profile.potential(np.maximum(radius - across, step)), 0)
        finest = 2 * profile.scale_factor * np.sqrt(2 * kinetic) / (NYQUIST_SHARE * np.pi)
        per_length = np.maximum(per_length, finest[:, None])
    return float(np.sum(4 * np.pi * radius**2 * step * per_length.prod(axis=1)))
