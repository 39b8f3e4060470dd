"""Single filaments: modes, psi across one with its vortices, exact spectra of all."""

import logging
from dataclasses import dataclass

import numpy as np

from ..config.cache_keys import key_of
from ..config.config import Config
from ..fields.cross_section import psi_at, tabulate
from ..fields.vortices import Vortices, find_vortices
from ..filament.model import Model
from ..spectra.sampled import sampled_spectrum
from ..spectra.single_filament import scales, single_power
from . import results
from .context import Context
from .model import filaments, solve
from .progress import progress

log = logging.getLogger(__name__)

FRINGES_AND_MORE = 1.2  # of the largest wavenumber of the fringes: where spectra end if not told
WORST_FIT = 0.3  # rms of ln density inside R_95 that is told as a warning when exceeded


@dataclass(frozen=True)
class CrossSection:
    """psi on a square grid across the filament.

    coordinate  along u (and v) [cMpc/h], shape (points,);  psi  [v, u], complex64 [sqrt(rho_m0)]
    vortices    positions [cMpc/h]
    """

    coordinate: np.ndarray
    psi: np.ndarray
    vortices: Vortices


def build_model(config: Config) -> Model:
    """The filament of a config, solved; the first of a gas."""
    return solve(config, filaments(config)[0])


def cross_section(config: Config, model: Model, backend=None) -> CrossSection:
    """psi across the filament, and the vortices inside the square's inscribed circle."""
    section = config.cross_section
    half = float(model.profile.radius_enclosing(section.mass_fraction))
    table = tabulate(model.wave, model.code_time(config.wavefunction.time), tolerance=1e-8)
    line = np.linspace(-half, half, section.points)
    psi = psi_at(table, line[None, :], line[:, None], backend)
    found = find_vortices(table, half, backend=backend)
    unit = model.units.length
    vortices = Vortices(found.x * unit, found.y * unit, found.winding)
    return CrossSection(line * unit, psi.astype(np.complex64), vortices)


def run_cross_section(context: Context, model: Model):
    """psi across the filament, with its vortices, into the result."""
    key = key_of(context.config, "cross_section", backend=context.backend.arithmetic)

    def record(file):
        results.write_cross_section(file, 0, cross_section(context.config, model, context.backend))

    with context.timer("cross-section"):
        part = context.part("cross_section", key, record)
    part.write(context.file)
    context.timer.log("cross-section", part.from_cache)


def run_single_power(context: Context, sources) -> list[str]:
    """Exact spectra of all filaments, each on one rank; returns lines of the summary."""
    ranks, section = context.ranks, context.config.single_power
    key = key_of(context.config, "exact_spectrum", backend=context.backend.arithmetic)
    with context.timer("exact spectra"), progress("exact spectra", len(sources.table), ranks) as step:
        mine = {}
        for number in sources.own_filaments(range(len(sources.table))):

            def record(file, number=number):
                results.write_single_power(file, number, *_single_power(context, section, sources.model(number)))

            mine[number] = context.part(f"exact_spectrum-{number:02d}", {**key, "filament": number}, record)
            step()
        everyone = {number: power for part in ranks.allgather(mine) for number, power in part.items()}
    for number in sorted(everyone):
        everyone[number].write(context.file)
    cached = sum(part.from_cache for part in everyone.values())
    if 0 < cached < len(everyone):
        log.info("exact spectra: %d of %d are in the cache", cached, len(everyone))
    context.timer.log("exact spectra", cached == len(everyone))
    first = everyone[0].attributes_of(f"/single_power/{0:02d}")
    told = [f"{name} = {first[name]:.4g}" for name in ("k_gs", "k_detach", "k_cut", "k_fringe") if name in first]
    return [f"exact spectrum{' of the first' if len(everyone) > 1 else ''}: {', '.join(told)} h/Mpc"]


def _single_power(context, section, model):
    """Spectra, scales, and draws of the phases if asked for."""
    k = np.geomspace(section.k_min, section.k_max or FRINGES_AND_MORE * model.fringe_wavenumber, section.points)
    power = single_power(model, k, section.statistics, context.backend)
    sampled = None
    if section.draws:
        seed = context.config.run.seed
        of_plane = k * model.units.length
        sampled = sampled_spectrum(
            model.library, model.wave.weight, of_plane, section.draws, seed, context.backend.host
        )
    return power, scales(model, power), sampled


def warn_of_fits(records: list[results.FilamentRecord]):
    """Say where the modes do not make the density that they should."""
    for kept in records:
        modes = kept.mode_attributes
        if modes["rms_log_density"] > WORST_FIT or not 0.8 < modes["weight_sum"] < 1.1:
            log.warning(
                "filament %d: its %s modes make %.3g %% of the line mass, rms of ln density %.2g: "
                "take another [wavefunction] weights, a higher energy_cut, or a heavier boson",
                kept.filament.number,
                modes["weights"],
                100 * modes["weight_sum"],
                modes["rms_log_density"],
            )


def describe_gas(records: list[results.FilamentRecord]) -> str:
    """One line: how many filaments and modes."""
    modes = [kept.mode_attributes["library_modes"] for kept in records]
    kept = sum(len(one.modes["n"]) for one in records)
    return f"{len(records)} filaments with {min(modes)} to {max(modes)} modes each; {kept} of {sum(modes)} modes kept"
