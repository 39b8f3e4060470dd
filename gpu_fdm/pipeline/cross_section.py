"""psi in the plane across one filament, with its vortices."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..config.config import Config
from ..fields.cross_section import psi_at, tabulate
from ..fields.vortices import Vortices, find_vortices
from ..filament.model import Model
from ..io import schema
from ..io.deferred import DeferredWrites
from ..parallel.backend import CPU, GPU
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from .inputs import Inputs
from .models import model_keys
from .stage import Context, Estimate, Stage

_POINT = 64  # bytes of a point of the plane while psi is computed
_VORTICES = 0.2  # seconds, roughly, to find the vortices


@dataclass(frozen=True)
class CrossSection:
    """psi on a square grid across the filament.

    coordinate  along u (and v) [cMpc/h], shape (points,);  psi  [v, u], complex64 [sqrt(rho_m0)]
    vortices    positions [cMpc/h]
    """

    coordinate: np.ndarray
    psi: np.ndarray
    vortices: Vortices


def cross_section(config: Config, model: Model, backend: CPU | GPU | None = None) -> CrossSection:
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


class CrossSectionStage(Stage):
    """psi of the first filament, on rank 0."""

    section: ClassVar[str] = "cross_section"
    within: ClassVar[str] = "wavefunction"
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            "cross_section",
            "density, contrast and phase with vortices across the filament",
            "filament.cross_section",
            ("filaments/00/cross_section",),
        ),
    )

    def keys(self, config: Config) -> tuple[str, ...]:
        """Keys of the model, the seed of the phases, and the time."""
        return (*model_keys(config), "run.seed", "wavefunction.time", self.section)

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Memory and time of the states at the points of the plane."""
        size = inputs.largest
        points = inputs.config.cross_section.points**2
        seconds = _VORTICES + 4 * size.evaluation_seconds(points)
        return Estimate({"cross-section": size.states + _POINT * points}, 8 * points, seconds)

    def run(self, context: Context) -> list[str]:
        """Compute and write it, on rank 0."""
        if not context.ranks.is_root:
            return []

        def record(file: DeferredWrites) -> None:
            found = cross_section(context.config, context.models.model(0), context.backend)
            _write(file, 0, found)

        with context.timer("cross-section"):
            part = context.part(self.section, self.key(context), record)
        part.write(context.file)
        context.timer.log("cross-section", part.from_cache)
        return []


def _write(file: DeferredWrites, number: int, section: CrossSection) -> None:
    """Write /filaments/<number>/cross_section."""
    folder, psi = f"/{schema.FILAMENTS}/{schema.filament(number)}/cross_section", section.psi
    file.group(folder, {"coordinate": section.coordinate, "density": np.abs(psi) ** 2, "phase": np.angle(psi)})
    file.group(f"{folder}/vortices", {name: getattr(section.vortices, name) for name in ("x", "y", "winding")})
