"""What a result file holds, group by group; the layout is described in docs/files.md."""

from dataclasses import asdict, dataclass

import attrs
import numpy as np

from ..filament.gas_table import FilamentTable
from ..filament.model import Filament, Model
from ..population.mass_function import MassFunction
from ..spectra.correlation import CorrelationFunction
from ..spectra.one_filament import OneFilamentSpectrum
from ..spectra.power import PowerSpectrum
from ..spectra.sampled import SampledSpectrum
from ..spectra.single_filament import SinglePower

PROFILE_ROWS = 400
DENSITY_TEXT = {"fdm": "comoving density |psi|^2", "smooth": "phase average of the comoving density, <|psi|^2>"}


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


def write_filament(file, kept: FilamentRecord, centre=None):
    """/filaments/<number>: attributes, modes and profile.

    centre  [cMpc/h] that the filament got where the ini leaves it open
    """
    folder = f"/filaments/{kept.filament.number:02d}"
    shape = {key: value for key, value in asdict(kept.filament).items() if key != "number"}
    shape["centre"] = shape["centre"] or centre
    file.attributes(folder, **shape, **kept.attributes)
    energy_unit = f"({kept.attributes['velocity_unit']:.10g} km/s)^2"
    for name, units, text in (
        ("n", "1", "radial quantum number"),
        ("l", "1", "angular quantum number; l > 0 stands for +l and -l"),
        ("energy", energy_unit, "eigenvalue, V = 0 on the axis"),
        ("weight", "1", "a_nl^2, share of the line mass (twice for l > 0)"),
        ("phase", "rad", "phases of +l and -l; the second is not used where l = 0"),
    ):
        file.dataset(f"{folder}/modes/{name}", kept.modes[name], units, text)
    file.attributes(f"{folder}/modes", **kept.mode_attributes)
    for name, units, text in (
        ("radius", "cMpc/h", "distance from the axis"),
        ("density", "mean matter densities", "target density of the equilibrium, comoving"),
        ("density_modes", "mean matter densities", "phase average of |psi|^2, comoving"),
    ):
        file.dataset(f"{folder}/profile/{name}", kept.profile[name], units, text)
    file.attributes(f"{folder}/profile", **kept.profile_attributes)


def write_cross_section(file, number: int, section):
    """/filaments/<number>/cross_section, from pipeline.CrossSection."""
    folder = f"/filaments/{number:02d}/cross_section"
    file.dataset(f"{folder}/coordinate", section.coordinate, "cMpc/h", "along phi = 0 and along phi = pi/2")
    density = np.abs(section.psi) ** 2
    file.dataset(f"{folder}/density", density, "mean matter densities", "|psi|^2, [v, u]")
    file.dataset(f"{folder}/phase", np.angle(section.psi), "rad", "arg psi, [v, u]")
    for name, values, units in (
        ("x", section.vortices.x, "cMpc/h"),
        ("y", section.vortices.y, "cMpc/h"),
        ("winding", section.vortices.winding, "1"),
    ):
        file.dataset(f"{folder}/vortices/{name}", values, units, "of the zeros of psi around which its phase winds")


def reserve_density(file, name: str, box, dtype, sampling: str, time: float):
    """Room for /density/<name>; name is fdm, smooth, or fdm/<frame>."""
    text = f"{DENSITY_TEXT[name.split('/')[0]]}, [x, y, z], cell centres at (i + 1/2) size/cells"
    file.reserve(
        f"/density/{name}",
        box.cells,
        dtype,
        "mean matter densities",
        text,
        box_size=box.size,
        sampling=sampling,
        time=time,
    )


def write_power(file, name: str, spectrum: PowerSpectrum, sampling: str):
    """/power/<name>."""
    folder = f"/power/{name}"
    file.dataset(f"{folder}/k", spectrum.k, "h/Mpc", "mean wavenumber of the modes of each bin, comoving")
    file.dataset(f"{folder}/power", spectrum.power, "(Mpc/h)^3", "power of density/mean - 1; the first row is k = 0")
    file.dataset(f"{folder}/modes", spectrum.modes, "1", "modes in each bin, k and -k both counted")
    if spectrum.bins.mu_bins:
        file.dataset(f"{folder}/mu_edges", spectrum.bins.mu_edges, "1", "edges of the bins of mu = |k_z|/k")
    file.attributes(
        folder,
        nyquist=spectrum.nyquist,
        mean_density=spectrum.mean_density,
        box_size=spectrum.box_size,
        bin_width=spectrum.bins.width,
        sampling=sampling,
    )


def write_snapshot_power(file, measured):
    """/power/<field> and what else was measured, from pipeline.snapshot.SnapshotPower."""
    snapshot, name = measured.snapshot, measured.snapshot.field
    write_power(file, name, measured.spectrum, "point")
    folder = f"/power/{name}"
    file.dataset(f"{folder}/error", measured.error, "(Mpc/h)^3", "standard deviation for a Gaussian field")
    if measured.shot_noise is not None:
        file.dataset(f"{folder}/shot_noise", measured.shot_noise, "(Mpc/h)^3", "of particles at random on this grid")
    known = {key: getattr(snapshot, key) for key in ("redshift", "h", "omega_m", "m22", "time")}
    file.attributes(folder, of=name, source=snapshot.path, format=snapshot.format, **known)
    if measured.of_angle is not None:
        write_power(file, f"{name}_mu", measured.of_angle, "point")
    if measured.multipoles is not None:
        folder = f"/power/{name}_multipoles"
        file.dataset(f"{folder}/k", measured.multipoles.k, "h/Mpc", "mean wavenumber of the modes of each bin")
        text = "P_0, P_2, P_4, the sums (2 l + 1) <P L_l> over the modes of each bin; the first row is k = 0"
        file.dataset(f"{folder}/power", measured.multipoles.power, "(Mpc/h)^3", text)
        file.dataset(f"{folder}/modes", measured.multipoles.modes, "1", "modes in each bin")
        file.attributes(folder, axis="xyz"[measured.multipoles.bins.mu_axis], nyquist=measured.spectrum.nyquist)


def write_correlation(file, name: str, function: CorrelationFunction, sampling: str):
    """/correlation/<name>."""
    folder = f"/correlation/{name}"
    file.dataset(f"{folder}/r", function.r, "cMpc/h", "mean separation of the pairs of cells in each bin, comoving")
    file.dataset(f"{folder}/xi", function.correlation, "1", "mean product of density/mean - 1; the first row is r = 0")
    file.dataset(f"{folder}/separations", function.separations, "1", "separations in each bin, r and -r both counted")
    file.attributes(folder, mean_density=function.mean_density, box_size=function.box_size, sampling=sampling)


def write_gas(file, table: list[Filament]):
    """/gas: the table of filaments, one dataset a column, as read or drawn."""
    names = [column.name for column in attrs.fields(FilamentTable)]
    gas = FilamentTable(**{name: np.array([getattr(filament, name) for filament in table]) for name in names})
    for name, column in gas.columns().items():
        file.dataset(f"/gas/{name}", *column)


def boson_folder(m22: float | None) -> str:
    """Group of a boson mass [1e-22 eV]; None is CDM."""
    return "cdm" if m22 is None else f"m22_{m22:g}"


def write_single_power(file, number: int, power: SinglePower, scales: dict, sampled: SampledSpectrum | None):
    """/single_power/<number>: phase averages, their scales with definitions, and draws if there are."""
    folder, over = f"/single_power/{number:02d}", "over the mass squared, averaged over phases and orientations"
    in_plane = "in the plane across it, over the line mass squared, averaged over phases"
    file.dataset(f"{folder}/k", power.k, "h/Mpc", "wavenumber, comoving")
    for name, values, text in (
        ("power_fdm", power.fdm, f"of |psi|^2, {over}"),
        ("power_smooth", power.smooth, f"of <|psi|^2>, {over}"),
        ("power_interference", power.interference, f"of the fringes of all pairs of modes, {over}"),
        ("power_self", power.self_term, f"of each mode with itself, part of the fringes, {over}"),
        ("polar_fdm", power.polar_fdm, f"of |psi|^2, {in_plane}"),
        ("polar_smooth", power.in_plane.smooth, f"of <|psi|^2>, {in_plane}"),
        ("polar_interference", power.in_plane.interference, f"of the fringes of all pairs of modes, {in_plane}"),
        ("polar_self", power.in_plane.self_term, f"of each mode with itself, {in_plane}"),
    ):
        file.dataset(f"{folder}/{name}", values, "1", text)
    if sampled is not None:
        text = f"in the plane, over the line mass squared, over {sampled.draws} draws of the phases"
        file.dataset(f"{folder}/sampled_mean", sampled.mean, "1", f"mean of |psi|^2's {text}")
        file.dataset(f"{folder}/sampled_error", sampled.standard_error, "1", "standard error of sampled_mean")
        scatter = np.sqrt(sampled.variance)
        file.dataset(f"{folder}/sampled_scatter", scatter, "1", f"standard deviation of single filaments {text}")
    definitions = {f"{name}_definition": text for name, (_, text) in scales.items()}
    numbers = {name: value for name, (value, _) in scales.items()}
    parts = "fdm = smooth + interference" + (" - self" if power.statistics == "fixed" else "")
    draws = None if sampled is None else sampled.draws
    file.attributes(folder, statistics=power.statistics, parts=parts, draws=draws, **numbers, **definitions)


def write_mass_function(file, m22: float | None, function: MassFunction, variance, attributes: dict):
    """/mass_function/<cdm | m22_...>."""
    folder = f"/mass_function/{boson_folder(m22)}"
    file.dataset(f"{folder}/mass", function.mass, "Msun/h", "mass")
    file.dataset(f"{folder}/dn_dlnm", function.dn_dlnm, "(h/Mpc)^3", "filaments per ln M, comoving")
    file.dataset(f"{folder}/variance", variance(function.mass), "1", "S(M), linear, at z = 0")
    file.attributes(folder, m22=m22, error=function.error, **attributes)


def write_collapse(file, mass: float, examples: dict, attributes: dict):
    """/collapse/<cdm | m22_...>: the ellipsoid of the filament of one mass [Msun/h]."""
    for m22, (followed, overdensity, ellipticity) in examples.items():
        folder = f"/collapse/{boson_folder(m22)}"
        file.dataset(f"{folder}/scale_factor", followed.scale_factor, "1", "scale factor")
        file.dataset(
            f"{folder}/axes",
            followed.axes,
            "1",
            "semi-axes, physical, over the Lagrangian radius; [step, axis]",
        )
        file.attributes(
            folder,
            mass=mass,
            m22=m22,
            overdensity=overdensity,
            initial_ellipticity=ellipticity,
            freeze=followed.freeze,
            **attributes,
        )


def write_one_filament(file, m22: float, spectrum: OneFilamentSpectrum, limit: float, attributes: dict):
    """/one_filament_power/m22_...; attributes: the window of masses and the choices made."""
    folder = f"/one_filament_power/{boson_folder(m22)}"
    file.dataset(f"{folder}/k", spectrum.k, "h/Mpc", "wavenumber, comoving")
    file.dataset(f"{folder}/power_fdm", spectrum.fdm, "(Mpc/h)^3", "one-filament spectrum of |psi|^2, phase average")
    file.dataset(f"{folder}/power_smooth", spectrum.smooth, "(Mpc/h)^3", "one-filament spectrum of <|psi|^2>")
    file.dataset(f"{folder}/masses", spectrum.masses, "Msun/h", "at which single filaments were solved")
    file.attributes(folder, m22=m22, error=spectrum.error, density=spectrum.density, limit=limit, **attributes)
