"""psi in the plane across one filament, with its vortices, and its density at the times of a movie."""

import logging
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..config.cache_keys import key_of
from ..config.config import Config
from ..fields.cross_section import psi_at, tabulate
from ..fields.vortices import POINTS_A_WAVELENGTH, Vortices, find_vortices
from ..filament.model import Model
from ..io import schema
from ..io.deferred import DeferredWrites
from ..io.kinds import frames_of
from ..parallel.backend import CPU, GPU
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from ..quantities import takes
from ..values import brief
from .coherence import STEPS, coherence_of, describe_times
from .inputs import Inputs
from .model import code_units, dtype_of
from .models import model_keys
from .progress import progress
from .stage import Context, Estimate, Stage

log = logging.getLogger(__name__)

_TOLERANCE = 1e-6  # of the radial factors of psi in frames, whose densities are in single precision by default
_FRAME = "cross_section_frame"  # a part of the cache
_POINT = 64  # bytes of a point of the plane while psi is computed
_START = 0.2  # seconds to load compiled loops
_FRAME_START = 0.01  # seconds of a frame without a point: its tables, and its file in the cache
_MOST_EMPTY = 10  # half a side over the radius where psi ends, beyond which there is a warning
_SEARCH = 1.5  # evaluations of psi that a point of the search for vortices takes as long as


@brief
@dataclass(frozen=True, eq=False)
class CrossSection:
    """psi on a square grid across the filament.

    coordinate  along u (and v) [cMpc/h], shape (points,);  psi  [v, u], complex64 [sqrt(rho_m0)]
    vortices    positions [cMpc/h]
    """

    coordinate: np.ndarray
    psi: np.ndarray
    vortices: Vortices


@takes()
def cross_section(config: Config, model: Model, backend: CPU | GPU | None = None) -> CrossSection:
    """psi across the filament, and the vortices inside the square's inscribed circle."""
    config.require([("cross_section",)], "cross_section")
    section = config.cross_section
    half = float(model.profile.radius_enclosing(section.mass_fraction))
    table = tabulate(model.wave, model.code_time(config.wavefunction.time), tolerance=1e-8)
    line = np.linspace(-half, half, section.points)
    psi = psi_at(table, line[None, :], line[:, None], backend)
    found = find_vortices(table, half, backend=backend)
    unit = model.units.length
    vortices = Vortices(found.x * unit, found.y * unit, found.winding)
    return CrossSection(line * unit, psi.astype(np.complex64), vortices)


def frame_times(config: Config, model: Model) -> tuple[np.ndarray, float | None]:
    """Times of the frames, and the coherence time of the fringes, None where they never change by half [Myr].

    Raises InputError where the step is to follow from a coherence time that there is not.
    """
    frames, start = config.cross_section.frames, config.wavefunction.time
    coherence, reason = coherence_of(model)
    if not isinstance(frames, str):
        return np.array(frames), coherence
    if coherence is None:
        raise config.error("cross_section", "frames", f"must be times: {reason}")
    return start + coherence / STEPS * np.arange(frames_of(frames)), coherence


class CrossSectionStage(Stage):
    """psi of the first filament, on rank 0."""

    section: ClassVar[str] = "cross_section"
    within: ClassVar[str] = "wavefunction"
    selects: ClassVar[tuple[str, ...]] = ("cross_section.frames",)
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            "cross_section",
            "density, contrast and phase with vortices across the filament",
            "filament.cross_section",
            ("filaments/00/cross_section",),
        ),
        Figure(
            "cross_section_frames",
            "density across the filament at several times",
            "filament.cross_section_frames",
            ("filaments/00/cross_section/frames",),
        ),
    )

    def keys(self, config: Config) -> tuple[str, ...]:
        """Keys of the model, the seed of the phases, and the time."""
        return (*model_keys(config), "run.seed", "wavefunction.time", self.section, "-cross_section.frames")

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """A warning of a square that is almost empty."""
        profile, edge, unit = inputs.largest.profile, inputs.largest.extent[1], code_units(inputs.config).length
        half = float(profile.radius_enclosing(inputs.config.cross_section.mass_fraction))
        if half <= _MOST_EMPTY * edge:
            return []
        enough = np.ceil(1e4 * float(profile.enclosed_line_mass(edge)) / profile.line_mass) / 1e4
        return [
            f"the cross-section is {2 * half * unit:.4g} cMpc/h wide, and psi ends {edge * unit:.4g} cMpc/h from the "
            f"axis: it is in few points ([cross_section] mass_fraction = {enough:g} shows all of it)"
        ]

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Memory and time of the states at the points of the plane, for each frame too."""
        size, section = inputs.largest, inputs.config.cross_section
        points, (cut, radius_max, _), profile = section.points**2, size.extent, size.profile
        searched_to = min(float(profile.radius_enclosing(section.mass_fraction)), radius_max)
        wavelengths = searched_to * profile.scale_factor * (2 * cut) ** 0.5
        searched = (2 * POINTS_A_WAVELENGTH * wavelengths / (2 * np.pi)) ** 2
        frames = frames_of(section.frames) if section.frames is not None else 0
        # each frame is in the cache too until the result is complete
        written = 8 * points + 2 * frames * points * np.dtype(dtype_of(inputs.config)).itemsize
        seconds = _START + _FRAME_START * frames
        seconds += size.evaluation_seconds((1 + frames) * points + _SEARCH * searched)
        return Estimate({"cross-section": size.states + _POINT * points}, written, seconds)

    def describe(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """The number of frames, where there are any."""
        section = inputs.config.cross_section
        if section.frames is None:
            return []
        return [f"cross-section: {frames_of(section.frames)} frames of {section.points} x {section.points} points"]

    def run(self, context: Context) -> list[str]:
        """Compute and write it on rank 0, and the frames on all."""
        if context.ranks.is_root:

            def record(file: DeferredWrites) -> None:
                found = cross_section(context.config, context.models.model(0), context.backend)
                _write(file, 0, found)

            with context.timer("cross-section"):
                part = context.part(self.section, self.key(context), record)
            part.write(context.file)
            context.timer.log("cross-section", part.from_cache)
        return [] if context.config.cross_section.frames is None else self._write_frames(context)

    def _write_frames(self, context: Context) -> list[str]:
        """Compute and write the density at all times, each on one rank; returns a line of the summary."""
        config, ranks, points = context.config, context.ranks, context.config.cross_section.points
        model, times, coherence = ranks.on_root(lambda: _model_and_times(context))
        folder, dtype = f"/{schema.FILAMENTS}/{schema.filament(0)}/cross_section", dtype_of(config)
        context.file.group(folder, {"frame_time": times}, coherence_time=coherence)
        context.file.reserve(f"{folder}/frames", (len(times), points, points), dtype)
        missing = 0
        with context.timer("frames"), progress("frames", len(times), ranks) as step:
            for first in range(0, len(times), ranks.size):
                own = min(first + ranks.rank, len(times))  # the last round may have none for this rank
                density = np.empty((0, points, points), dtype)
                if own < len(times):
                    density, from_cache = self._frame(context, model, float(times[own]))
                    missing += not from_cache
                context.file.write_slab(f"{folder}/frames", own, density)
                for _ in times[first : first + ranks.size]:
                    step()
        context.timer.log("frames", ranks.allreduce(missing) == 0)
        return [describe_times("cross-section", times, coherence)]

    def _frame(self, context: Context, model: Model, time: float) -> tuple[np.ndarray, bool]:
        """The density at a time [Myr], shape (1, points, points), and whether it was in the cache."""
        names = (*self.keys(context.config), "-wavefunction.time", "run.precision")
        key = key_of(context.config, self.section, names, backend=context.backend.arithmetic, time=time)
        cached = context.cache.load(_FRAME, key, report=False) if context.cache is not None else None
        if cached is not None:
            return cached["density"], True
        density = density_across(context.config, model, time, context.backend)[None]
        if context.cache is not None:
            context.cache.store(_FRAME, key, {"density": density})
        return density, False


def density_across(config: Config, model: Model, time: float, backend: CPU | GPU | None = None) -> np.ndarray:
    """|psi|^2 on the square of [cross_section] at a time [Myr], [v, u], in the precision of the run [rho_m0]."""
    half, dtype = float(model.profile.radius_enclosing(config.cross_section.mass_fraction)), dtype_of(config)
    table = tabulate(model.wave, model.code_time(time), _TOLERANCE, dtype, backend=backend)
    line = np.linspace(-half, half, config.cross_section.points)
    psi = psi_at(table, line[None, :], line[:, None], backend)
    return (psi.real**2 + psi.imag**2).astype(dtype)


def _model_and_times(context: Context) -> tuple[Model, np.ndarray, float | None]:
    """The model of the first filament, and the times of its frames."""
    model = context.models.model(0)
    return (model, *frame_times(context.config, model))


def _write(file: DeferredWrites, number: int, section: CrossSection) -> None:
    """Write /filaments/<number>/cross_section."""
    folder, psi = f"/{schema.FILAMENTS}/{schema.filament(number)}/cross_section", section.psi
    file.group(folder, {"coordinate": section.coordinate, "density": np.abs(psi) ** 2, "phase": np.angle(psi)})
    file.group(f"{folder}/vortices", {name: getattr(section.vortices, name) for name in ("x", "y", "winding")})
