"""Records of solved filaments, as a result file holds them."""

from dataclasses import asdict, dataclass

import numpy as np

from ..filament.axial import axial_dispersion
from ..filament.model import Filament, Model
from ..io import schema
from ..io.result_file import Writer

PROFILE_ROWS = 400


@dataclass(frozen=True)
class FilamentRecord:
    """The part of a model that a result holds: small, so that it can be sent between ranks."""

    filament: Filament
    attributes: dict
    mode_attributes: dict
    modes: dict
    profile: dict
    profile_attributes: dict

    @property
    def mode_mass(self) -> float:
        """Mass of |psi|^2 that the box receives [Msun/h]."""
        return self.attributes["mode_mass"]


def record_of(model: Model) -> FilamentRecord:
    """The record of a model."""
    library, weights, unit, profile = model.library, model.weights, model.units, model.profile
    occupied = model.wave.occupied
    radius = np.geomspace(1e-3, 1, PROFILE_ROWS) * library.radius_max
    return FilamentRecord(
        filament=model.filament,
        attributes={
            "line_mass": profile.line_mass * unit.line_mass,
            "segment_mass": profile.line_mass * unit.line_mass * model.filament.length,
            "mode_mass": model.segment_mass,
            "length_unit": unit.length,
            "velocity_unit": unit.velocity,
        },
        mode_attributes={
            "library_modes": len(library),
            "weights": weights.method,
            "energy_cut": library.energy_cut,
            "weight_sum": weights.weight_sum,
            "rms_log_density": weights.rms_log_density,
            "optimality": weights.optimality,
            "largest_l": int(library.l.max()),
            "axial": "coherent" if model.wave.axial is None else "thermal",
            "axial_dispersion": axial_dispersion(library) / unit.length,
        },
        modes={
            "n": library.n[occupied],
            "l": library.l[occupied],
            "energy": library.energy[occupied],
            "weight": np.asarray(weights.weight)[occupied],
            "phase": model.wave.phase[occupied],
        },
        profile={
            "radius": radius * unit.length,
            "density": profile.density(radius),
            "density_modes": model.wave.mean_density(radius),
        },
        profile_attributes={
            f"r{share}": float(profile.radius_enclosing(share / 100)) * unit.length for share in (50, 95, 99)
        },
    )


def describe(record: FilamentRecord) -> str:
    """One line: how many modes, and how well they do."""
    modes = record.mode_attributes
    return (
        f"{modes['library_modes']} modes, l up to {modes['largest_l']}; {modes['weights']} keeps "
        f"{len(record.modes['n'])}, {100 * modes['weight_sum']:.2f} % of the line mass, "
        f"rms of ln density {modes['rms_log_density']:.3f}"
    )


def write_filament(file: Writer, record: FilamentRecord, centre: tuple[float, float, float] | None = None) -> None:
    """Write /filaments/<number>: attributes, modes and profile.

    centre  [cMpc/h] of a filament for which the ini leaves it open
    """
    folder = f"/{schema.FILAMENTS}/{schema.filament(record.filament.number)}"
    shape = {key: value for key, value in asdict(record.filament).items() if key != "number"}
    shape["centre"] = shape["centre"] or centre
    file.attributes(folder, **shape, **record.attributes)
    modes = dict(record.modes)
    file.dataset(f"{folder}/modes/energy", modes.pop("energy"), scale=record.attributes["velocity_unit"] ** 2)
    file.group(f"{folder}/modes", modes, **record.mode_attributes)
    file.group(f"{folder}/profile", record.profile, **record.profile_attributes)
