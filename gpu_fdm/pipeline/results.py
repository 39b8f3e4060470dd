"""What result files of filaments, boxes and populations hold, group by group, as io.schema describes it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from ..fields.box import Box
from ..fields.vortices import Vortices
from ..filament.model import Filament, Model
from ..io import schema
from ..io.result_file import GroupWriter, Writer
from ..population.mass_function import MassFunction
from ..spectra.correlation import CorrelationFunction
from ..spectra.one_filament import OneFilamentSpectrum
from ..spectra.power import PowerSpectrum
from ..spectra.sampled import SampledSpectrum
from ..spectra.single_filament import SinglePower

if TYPE_CHECKING:
    from .snapshot import SnapshotPower

PROFILE_ROWS = 400


@dataclass(frozen=True)
class FilamentRecord:
    """What is kept of a solved filament: small, so that it travels between ranks."""

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


def record(model: Model) -> FilamentRecord:
    """The record of a model."""
    library, weights, unit, profile = model.library, model.weights, model.units, model.profile
    kept = model.wave.occupied
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
        },
        modes={
            "n": library.n[kept],
            "l": library.l[kept],
            "energy": library.energy[kept],
            "weight": np.asarray(weights.weight)[kept],
            "phase": model.wave.phase[kept],
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


def describe(kept: FilamentRecord) -> str:
    """One line: how many modes, and how well they do."""
    modes = kept.mode_attributes
    return (
        f"{modes['library_modes']} modes, l up to {modes['largest_l']}; {modes['weights']} keeps "
        f"{len(kept.modes['n'])}, {100 * modes['weight_sum']:.2f} % of the line mass, "
        f"rms of ln density {modes['rms_log_density']:.3f}"
    )


def write_filament(file: Writer, kept: FilamentRecord, centre: tuple[float, float, float] | None = None) -> None:
    """/filaments/<number>: attributes, modes and profile.

    centre  [cMpc/h] that the filament got where the ini leaves it open
    """
    folder = f"/{schema.FILAMENTS}/{schema.filament(kept.filament.number)}"
    shape = {key: value for key, value in asdict(kept.filament).items() if key != "number"}
    shape["centre"] = shape["centre"] or centre
    file.attributes(folder, **shape, **kept.attributes)
    modes = dict(kept.modes)
    file.dataset(f"{folder}/modes/energy", modes.pop("energy"), scale=kept.attributes["velocity_unit"] ** 2)
    file.group(f"{folder}/modes", modes, **kept.mode_attributes)
    file.group(f"{folder}/profile", kept.profile, **kept.profile_attributes)


def write_cross_section(
    file: GroupWriter, number: int, coordinate: np.ndarray, psi: np.ndarray, vortices: Vortices
) -> None:
    """/filaments/<number>/cross_section: psi [v, u] and its vortices at a coordinate [cMpc/h] along u and v."""
    folder = f"/{schema.FILAMENTS}/{schema.filament(number)}/cross_section"
    file.group(folder, {"coordinate": coordinate, "density": np.abs(psi) ** 2, "phase": np.angle(psi)})
    file.group(f"{folder}/vortices", {name: getattr(vortices, name) for name in ("x", "y", "winding")})


def reserve_density(file: Writer, name: str, box: Box, dtype: DTypeLike, sampling: str, time: float) -> None:
    """Room for /density/<name>; name is fdm, smooth, or fdm/<frame>."""
    about = {"box_size": box.size, "sampling": sampling, "time": time}
    file.reserve(f"/{schema.DENSITY}/{name}", box.cells, dtype, **about)


def write_power(file: GroupWriter, name: str, spectrum: PowerSpectrum, sampling: str) -> None:
    """/power/<name>."""
    bins = spectrum.bins
    file.group(
        f"/{schema.POWER}/{name}",
        {
            "k": spectrum.k,
            "power": spectrum.power,
            "modes": spectrum.modes,
            "mu_edges": bins.mu_edges if bins.mu_bins else None,
        },
        nyquist=spectrum.nyquist,
        mean_density=spectrum.mean_density,
        box_size=spectrum.box_size,
        bin_width=bins.width,
        sampling=sampling,
    )


def write_snapshot_power(file: GroupWriter, measured: "SnapshotPower") -> None:
    """/power/<field> and what else was measured of a snapshot."""
    snapshot, name = measured.snapshot, measured.snapshot.field
    write_power(file, name, measured.spectrum, "point")
    known = {key: getattr(snapshot, key) for key in ("redshift", "h", "omega_m", "m22", "time")}
    about = {"of": name, "source": snapshot.path, "format": snapshot.format}
    file.group(
        f"/{schema.POWER}/{name}", {"error": measured.error, "shot_noise": measured.shot_noise}, **about, **known
    )
    if measured.of_angle is not None:
        write_power(file, f"{name}_mu", measured.of_angle, "point")
    if (multipoles := measured.multipoles) is not None:
        file.group(
            f"/{schema.POWER}/{name}_multipoles",
            {name: getattr(multipoles, name) for name in ("k", "power", "modes")},
            axis="xyz"[multipoles.bins.mu_axis],
            nyquist=measured.spectrum.nyquist,
        )


def write_correlation(file: GroupWriter, name: str, function: CorrelationFunction, sampling: str) -> None:
    """/correlation/<name>."""
    file.group(
        f"/{schema.CORRELATION}/{name}",
        {"r": function.r, "xi": function.correlation, "separations": function.separations},
        mean_density=function.mean_density,
        box_size=function.box_size,
        sampling=sampling,
    )


def write_gas(file: GroupWriter, table: list[Filament]) -> None:
    """/gas: the table of filaments, one dataset a column, as read or drawn."""
    folder = f"/{schema.GAS}"
    names = schema.RESULT.group(folder).datasets
    file.group(folder, {name: np.array([getattr(filament, name) for filament in table], float) for name in names})


def write_single_power(
    file: GroupWriter, number: int, power: SinglePower, scales: dict, sampled: SampledSpectrum | None
) -> None:
    """/single_power/<number>: phase averages, their scales with definitions, and draws if there are."""
    in_plane = power.in_plane
    spectra = {
        "k": power.k,
        "power_fdm": power.fdm,
        "power_smooth": power.smooth,
        "power_interference": power.interference,
        "power_self": power.self_term,
        "polar_fdm": power.polar_fdm,
        "polar_smooth": in_plane.smooth,
        "polar_interference": in_plane.interference,
        "polar_self": in_plane.self_term,
    }
    if sampled is not None:
        spectra |= {"sampled_mean": sampled.mean, "sampled_error": sampled.standard_error}
        spectra["sampled_scatter"] = np.sqrt(sampled.variance)
    definitions = {f"{name}_definition": text for name, (_, text) in scales.items()}
    numbers = {name: value for name, (value, _) in scales.items()}
    file.group(
        f"/{schema.SINGLE_POWER}/{schema.filament(number)}",
        spectra,
        statistics=power.statistics,
        parts="fdm = smooth + interference" + (" - self" if power.statistics == "fixed" else ""),
        draws=None if sampled is None else sampled.draws,
        **numbers,
        **definitions,
    )


def write_mass_function(
    file: GroupWriter, m22: float | None, function: MassFunction, variance: Callable, attributes: dict
) -> None:
    """/mass_function/<cdm | m22_...>."""
    columns = {"mass": function.mass, "dn_dlnm": function.dn_dlnm, "variance": variance(function.mass)}
    folder = f"/{schema.MASS_FUNCTION}/{schema.boson(m22)}"
    file.group(folder, columns, m22=m22, error=function.error, **attributes)


def write_collapse(file: GroupWriter, mass: float, examples: dict, attributes: dict) -> None:
    """/collapse/<cdm | m22_...>: the ellipsoid of the filament of one mass [Msun/h]."""
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


def write_one_filament(
    file: GroupWriter, m22: float, spectrum: OneFilamentSpectrum, limit: float, attributes: dict
) -> None:
    """/one_filament_power/m22_...; attributes: the window of masses and the choices made."""
    file.group(
        f"/{schema.ONE_FILAMENT}/{schema.boson(m22)}",
        {"k": spectrum.k, "power_fdm": spectrum.fdm, "power_smooth": spectrum.smooth, "masses": spectrum.masses},
        m22=m22,
        error=spectrum.error,
        density=spectrum.density,
        limit=limit,
        **attributes,
    )
