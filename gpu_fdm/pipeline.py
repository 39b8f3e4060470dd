"""The stages of a run, each one function of what came before; cli.py and Python users call `run`.

config -> build_model -> cross_section, fill_box -> power -> write -> figures
"""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from .backend import CPU, BackendError, choose
from .config import Config
from .errors import InputError, RunError
from .fields.box import Box, Placement, averaged_ends, image_distance
from .fields.cross_section import psi_at, tabulate
from .fields.fill import fill, tabulate_direct
from .fields.section import tabulate_section
from .fields.vortices import Vortices, find_vortices
from .model.eigenstates import Library, eigenstates
from .model.filament import Filament, build_filament
from .model.profile import Profile
from .model.wavefunction import WaveFunction, random_phases
from .model.weights import Weights, choose_weights, weights_from_table
from .statistics.power import PowerSpectrum, power_spectrum
from .units import CodeUnits

log = logging.getLogger(__name__)

IMAGES_WARNING = 1e-3  # mass fraction of a filament beyond half the way to its own image that is worth a warning
PROFILE_ROWS = 400


@dataclass(frozen=True)
class Model:
    """One filament, solved: everything in code units but `filament`."""

    filament: Filament
    profile: Profile
    units: CodeUnits
    library: Library
    weights: Weights
    wave: WaveFunction

    @property
    def fringe_wavenumber(self) -> float:
        """Largest wavenumber of |psi|^2, twice that of psi [h/cMpc]."""
        return 2 * self.library.wavenumber_max / self.units.length


@dataclass(frozen=True)
class CrossSection:
    """psi on a square grid across the filament.

    coordinate  along u (and v) [cMpc/h], shape (points,);  psi  [v, u], complex64 [sqrt(rho_m0)]
    vortices    positions [cMpc/h]
    """

    coordinate: np.ndarray
    psi: np.ndarray
    vortices: Vortices


@dataclass(frozen=True)
class BoxDensities:
    """The box and its densities [mean matter densities], shape box.cells."""

    box: Box
    fdm: np.ndarray
    smooth: np.ndarray
    placement: Placement


@dataclass(frozen=True)
class Outcome:
    """What a run made: the result file, the figures, and lines to tell the user."""

    result: Path
    figures: tuple[Path, ...]
    summary: tuple[str, ...]


def build_model(config: Config) -> Model:
    """Profile, eigenstates, weights and phases of the filament that a config describes."""
    filament, profile, units = build_filament(config)
    wave = config.wavefunction
    try:
        library = eigenstates(profile, wave.energy_cut)
    except ValueError as error:
        raise config.error("dark_matter", "m22", str(error)) from None
    if wave.weights == "table":
        weights = _weights_from_table(config, library, profile)
    else:
        weights = choose_weights(
            profile, library, wave.weights, l0_angular_momentum=wave.l0_angular_momentum, scatter=wave.scatter
        )
    phase = random_phases(library, config.run.seed)
    return Model(filament, profile, units, library, weights, WaveFunction(library, weights.weight, phase))


def cross_section(config: Config, model: Model, backend=None) -> CrossSection:
    """psi across the filament, and the vortices inside the square's inscribed circle."""
    section = config.cross_section
    half = float(model.profile.radius_enclosing(section.mass_fraction))
    table = tabulate(model.wave, code_time(config, model), tolerance=1e-8)
    line = np.linspace(-half, half, section.points)
    psi = psi_at(table, line[None, :], line[:, None], backend)
    found = find_vortices(table, half, backend=backend)
    unit = model.units.length
    vortices = Vortices(found.x * unit, found.y * unit, found.winding)
    return CrossSection(line * unit, psi.astype(np.complex64), vortices)


def code_time(config: Config, model: Model) -> float:
    """The time of the wave function [T]."""
    return config.wavefunction.time / model.units.time_myr


def place(config: Config, filament: Filament) -> tuple[Box, Placement]:
    """The box and where the filament lies in it; InputError where it cannot."""
    box = Box(config.box.size, config.box.cells)
    centre = filament.centre or tuple(side / 2 for side in box.size)
    placement = Placement(centre, filament.direction, filament.orientation, filament.length, filament.sharpness)
    try:
        basis = placement.basis
    except ValueError:
        raise config.error("filament", "orientation", "must not be parallel to the direction of the axis") from None
    for name, along, side in zip("xyz", np.abs(basis[2]), box.size, strict=True):
        if filament.length * along > side * (1 + 1e-12):
            raise InputError(
                f"{config.source}: [filament] length = {filament.length:.6g} cMpc/h: longer than the periodic box "
                f"(it extends {filament.length * along:.6g} along {name}, where [box] size is {side:.6g})"
            )
    return box, placement


def box_warnings(config: Config, model: Model) -> list[str]:
    """What a user should know about the box before it is filled, one line each."""
    box, placement = place(config, model.filament)
    warnings = []
    half_way = image_distance(box, placement) / 2 / model.units.length
    outside = 1 - _mode_mass_within(model, half_way)
    if outside > IMAGES_WARNING:
        warnings.append(
            f"the filament is wide enough to meet its own images: {100 * outside:.2g} % of its mass lies beyond "
            f"{half_way * model.units.length:.4g} cMpc/h, half the way to the next one (enlarge [box] size)"
        )
    if box.nyquist < model.fringe_wavenumber:
        needed = ", ".join(map(str, box.cells_resolving(model.fringe_wavenumber)))
        remedy = f"cells = {needed} would"
        if config.box.sampling == "point":
            remedy += "; or take sampling = average, which keeps the mass"
        warnings.append(
            f"the cells do not resolve the finest fringes: their Nyquist wavenumber is {box.nyquist:.4g} h/cMpc, "
            f"the fringes reach {model.fringe_wavenumber:.4g} ({remedy})"
        )
    return warnings


def _mode_mass_within(model, radius):
    """Fraction of the mass of <|psi|^2> within a radius [L]."""
    library = model.library
    if radius >= library.radius_max:
        return 1.0
    x, w = np.polynomial.legendre.leggauss(2 * len(library.nodes))
    nodes = radius * (1 + x) / 2
    mass = np.pi * radius * np.sum(w * nodes * model.wave.mean_density(nodes))
    return float(mass / model.wave.line_mass)


def fill_box(config: Config, model: Model, backend=None) -> BoxDensities:
    """Both densities in every cell of the box."""
    backend = backend or CPU()
    box, placement = place(config, model.filament)
    section, unit = config.box, model.units.length
    dtype = np.float32 if config.run.precision == "single" else np.float64
    time = code_time(config, model)
    if section.method == "direct":
        source = tabulate_direct(model.wave, time, min(section.tolerance, 1e-6) / 10)
    elif section.sampling == "average":
        cell = np.diag(box.spacing / unit) @ placement.basis[:2].T
        source = tabulate_section(model.wave, time, section.tolerance, dtype, cell, backend)
        placement = averaged_ends(placement, box)
    else:
        source = tabulate_section(model.wave, time, section.tolerance, dtype, backend=backend)
    densities = backend.xp.zeros((2, *box.cells), dtype)
    fill(densities[0], densities[1], box, placement, source, unit, backend=backend)
    fdm, smooth = backend.to_host(densities)
    return BoxDensities(box, fdm, smooth, placement)


def power(config: Config, densities: BoxDensities, backend=None) -> dict[str, PowerSpectrum]:
    """Power spectrum of each density that the ini keeps."""
    cpu = backend if isinstance(backend, CPU) else CPU()
    return {
        name: power_spectrum(
            getattr(densities, name), densities.box.size, bin_width=config.power.bin_width, backend=cpu, names=(name,)
        )
        for name in config.box.fields
    }


def run(config: Config) -> Outcome:
    """All stages that a config asks for; results appear under their final names when they are whole."""
    from . import plan
    from .store import check_writable

    if config.wavefunction is None:
        raise InputError(f"{config.source}: nothing to do: there is no section [wavefunction]")
    result = result_path(config)
    check_readable_tables(config)
    started = perf_counter()
    backend = _backend(config)
    model = build_model(config)
    log.info("%s", describe_model(model))
    log.info("model: %.2f s", perf_counter() - started)
    warnings = box_warnings(config, model) if config.box else []
    for warning in warnings:
        log.warning("%s", warning)
    planned = plan.plan(config, model)
    plan.check_memory(planned, backend)
    check_writable(result.parent)

    stages = {}
    if config.cross_section:
        stages["cross_section"] = _timed("cross-section", cross_section, config, model, backend)
    if config.box:
        stages["box"] = _timed("box", fill_box, config, model, backend)
    if config.power:
        stages["power"] = _timed("power spectra", power, config, stages["box"], backend)
    _timed("writing", write, result, config, model, stages, backend)
    figures = ()
    if config.figures:
        from .plots import draw

        figures = tuple(_timed("figures", draw, result, config.figures.dpi))
    return Outcome(result, figures, tuple(summary(model, stages, perf_counter() - started)))


def result_path(config: Config) -> Path:
    """The result file of a config: run.output itself if it ends in .hdf5 or .h5, else result.hdf5 in that folder."""
    output = Path(config.run.output)
    return output if output.suffix in (".hdf5", ".h5") else output / "result.hdf5"


def check_readable_tables(config: Config):
    """InputError for a table that is named but not there."""
    for section, key in (("filament", "profile_table"), ("wavefunction", "weights_table")):
        name = getattr(getattr(config, section), key)
        if name is not None and not Path(name).is_file():
            raise config.error(section, key, "no such file")


def describe_model(model: Model) -> str:
    """One line: how many modes, and how well they do."""
    library, weights = model.library, model.weights
    text = f"{len(library)} modes, l up to {library.l.max()}; {weights.method} keeps {weights.kept}"
    return (
        text + f", {100 * weights.weight_sum:.2f} % of the line mass, rms of ln density {weights.rms_log_density:.3f}"
    )


def summary(model: Model, stages: dict, seconds: float) -> list[str]:
    """Lines for the end of a run."""
    lines = [describe_model(model)]
    if "box" in stages:
        densities = stages["box"]
        expected = model.wave.line_mass * model.units.line_mass * model.filament.length
        for name in ("fdm", "smooth"):
            mass = _mass(model, densities, name)
            lines.append(f"mass in the box, {name}: {mass:.6g} Msun/h ({mass / expected - 1:+.1e} of the filament's)")
    lines.append(f"{seconds:.1f} s")
    return lines


def _mass(model, densities, name):
    """Mass of a density in the box [Msun/h]."""
    mean = float(np.mean(getattr(densities, name), dtype=np.float64))
    return mean * model.units.mean_matter_density * densities.box.volume


def _backend(config):
    try:
        return choose(config.run.backend, threads=config.run.threads)
    except BackendError as error:
        raise RunError(str(error)) from None


def _weights_from_table(config, library, profile):
    path = config.wavefunction.weights_table
    try:
        return weights_from_table(path, library, profile)
    except (OSError, ValueError) as error:
        message = str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, ")
        raise config.error("wavefunction", "weights_table", message) from None


def _timed(name, stage, *arguments):
    started = perf_counter()
    value = stage(*arguments)
    log.info("%s: %.2f s", name, perf_counter() - started)
    return value


def write(path: Path, config: Config, model: Model, stages: dict, backend):
    """The result file, in the layout of docs/files.md."""
    from .store import replacing

    with replacing(
        path, config.to_ini(), seed=config.run.seed, ranks=1, backend=backend.name, device=backend.device
    ) as file:
        _write_filament(file, "/filaments/00", model, stages.get("cross_section"))
        if "box" in stages:
            densities = stages["box"]
            file.attributes("/density", box_size=densities.box.size)
            file.attributes(
                "/filaments/00",
                centre=densities.placement.centre,
                cell_average=bool(config.box.sampling == "average"),
            )
            for name in config.box.fields:
                what = "|psi|^2" if name == "fdm" else "phase average <|psi|^2>"
                file.dataset(
                    f"/density/{name}",
                    getattr(densities, name),
                    "mean matter densities",
                    f"comoving density {what}, [x, y, z], cell centres at (i + 1/2) size/cells",
                    box_size=densities.box.size,
                    sampling=config.box.sampling,
                    mass=_mass(model, densities, name),
                )
        for name, spectrum in stages.get("power", {}).items():
            folder = f"/power/{name}"
            file.dataset(f"{folder}/k", spectrum.k, "h/Mpc", "mean wavenumber of the modes of each bin, comoving")
            file.dataset(
                f"{folder}/power", spectrum.power, "(Mpc/h)^3", "power of density/mean - 1; first row is k = 0"
            )
            file.dataset(f"{folder}/modes", spectrum.modes, "1", "modes in each bin, k and -k both counted")
            file.attributes(
                folder,
                nyquist=spectrum.nyquist,
                mean_density=spectrum.mean_density[0],
                box_size=spectrum.bins.box_size,
                sampling=config.box.sampling,
            )


def _write_filament(file, folder, model, section):
    filament, library, weights = model.filament, model.library, model.weights
    shape = {key: value for key, value in asdict(filament).items() if key != "centre"}
    file.attributes(
        folder,
        **shape,
        segment_mass=filament.segment_mass,
        length_unit=model.units.length,
        velocity_unit=model.units.velocity,
    )
    kept = model.wave.kept
    unit = model.units
    energy_unit = f"({unit.velocity:.10g} km/s)^2"
    for name, values, units, text in (
        ("n", library.n, "1", "radial quantum number"),
        ("l", library.l, "1", "angular quantum number; l > 0 stands for +l and -l"),
        ("energy", library.energy, energy_unit, "eigenvalue, V = 0 on the axis"),
        ("weight", weights.weight, "1", "a_nl^2, share of the line mass (twice for l > 0)"),
        ("phase", model.wave.phase, "rad", "phases of +l and -l; the second is not used where l = 0"),
    ):
        file.dataset(f"{folder}/modes/{name}", values[kept], units, text)
    file.attributes(
        f"{folder}/modes",
        library_modes=len(library),
        weights=weights.method,
        energy_cut=library.energy_cut,
        weight_sum=weights.weight_sum,
        rms_log_density=weights.rms_log_density,
        optimality=weights.optimality,
    )
    radius = np.geomspace(1e-3, 1, PROFILE_ROWS) * library.radius_max
    file.dataset(f"{folder}/profile/radius", radius * unit.length, "cMpc/h", "distance from the axis")
    for name, values, text in (
        ("density", model.profile.density(radius), "target density of the equilibrium"),
        ("density_modes", model.wave.mean_density(radius), "phase average of |psi|^2"),
    ):
        file.dataset(f"{folder}/profile/{name}", values, "mean matter densities", f"{text}, comoving")
    edges = {f"r{share}": float(model.profile.radius_enclosing(share / 100)) * unit.length for share in (50, 95, 99)}
    file.attributes(f"{folder}/profile", **edges)
    if section is not None:
        place = f"{folder}/cross_section"
        file.dataset(f"{place}/coordinate", section.coordinate, "cMpc/h", "along phi = 0 and along phi = pi/2")
        density = np.abs(section.psi) ** 2
        file.dataset(f"{place}/density", density, "mean matter densities", "|psi|^2, [v, u]")
        file.dataset(f"{place}/phase", np.angle(section.psi), "rad", "arg psi, [v, u]")
        for name, values, units in (
            ("x", section.vortices.x, "cMpc/h"),
            ("y", section.vortices.y, "cMpc/h"),
            ("winding", section.vortices.winding, "1"),
        ):
            file.dataset(f"{place}/vortices/{name}", values, units, "of the zeros of psi around which its phase winds")
