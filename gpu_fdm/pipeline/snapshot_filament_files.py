"""Files of a filament that was measured in a snapshot: a result, its profile as a table, and an ini for gpu-fdm run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..config.config import parse_config
from ..config.shared_sections import CosmologySection
from ..cosmic_web.tracing import Ridge
from ..filament.rings import MARGIN
from ..io.atomic import atomic_write
from ..io.ownership import require_own
from ..io.result_file import GroupWriter
from ..io.schema import CUT_OUT, MEASURED
from ..io.tables import without_formulas
from ..units import mean_matter_density
from .measured_filament import Cut, MeasuredFilament
from .snapshot_ridges import Snapshot

PROFILE_MARK, INI_MARK = (
    b"# table: profile that gpu-fdm filament measured",
    b"# A filament that gpu-fdm filament measured",
)
_LEAST_CUT, _LARGEST_CUT = 0.3, 0.99  # of energy, as shares of the mass
LIST_MARK = b"# table: ridges that gpu-fdm filament found"


def omega_m_of(snapshot: Snapshot) -> float:
    """Omega_m of a snapshot, or the default where it has none."""
    return CosmologySection().omega_m if snapshot.omega_m is None else snapshot.omega_m


def write_measured(file: GroupWriter, found: MeasuredFilament) -> None:
    """Write /measured and /cut_out."""
    shells, profile = found.shells, found.profile
    unit = mean_matter_density(omega_m_of(found.snapshot))  # Msun/h of the mass 1, and with (cMpc/h)^2 the line mass 1
    file.group(f"/{MEASURED}", {}, **_attributes(found, unit))
    rows = {"radius": profile.radius, "density": profile.density, "error": profile.error}
    file.group(f"/{MEASURED}/profile", rows)
    parts = {"edges": shells.edges, "mass": unit * shells.mass, "used": shells.used.astype(np.int8)}
    file.group(f"/{MEASURED}/shells", parts)
    of_slices = {
        "line_mass": unit * shells.of_slices(),
        "centre": found.centres_in_frame(),
        "axis_ratio": found.roundness.ratios,
        "axis_angle": found.roundness.angles,
        "streaming": found.streaming,
    }
    file.group(f"/{MEASURED}/slices", of_slices)
    _write_cut_out(file, found.cut, unit)


def _attributes(found: MeasuredFilament, unit: float) -> dict[str, object]:
    """Attributes of /measured; `unit` is the mass 1 [Msun/h]."""
    snapshot, shells, cylinder, profile = found.snapshot, found.shells, found.cylinder, found.profile
    omega_m, a = omega_m_of(snapshot), 1 / (1 + snapshot.redshift)
    r0, sigma = cylinder.r0(a), cylinder.sigma(a, omega_m)
    momenta = found.momenta
    return dict(
        source=snapshot.path,
        format=snapshot.format,
        field=snapshot.field,
        redshift=snapshot.redshift,
        h=snapshot.h,
        omega_m=omega_m,
        m22=snapshot.m22,
        box_size=snapshot.box_size,
        mean_density=found.mean,
        begin=found.axis.begin,
        end=found.axis.end,
        basis=found.axis.basis,
        length=found.length,
        line_mass=unit * profile.line_mass,
        line_mass_error=unit * profile.line_mass_error,
        total_line_mass=unit * cylinder.line_mass,
        total_line_mass_error=unit * cylinder.errors[1],
        r0=r0[0],
        r0_error=r0[1],
        sigma=sigma[0],
        sigma_error=sigma[1],
        beta=cylinder.beta,
        background=cylinder.background,
        background_error=cylinder.errors[2],
        drawn=shells.drawn,
        used=float(shells.used.mean()),
        variation=profile.variation,
        scatter=found.centres.scatter,
        curvature=found.curvature,
        axis_ratio=found.roundness.whole,
        axis_angle=found.roundness.angle,
        particles=found.particles,
        streaming=None if momenta is None else momenta.streaming,
        dispersion_along=None if momenta is None else momenta.along,
        dispersion_across=None if momenta is None else momenta.across,
        momentum_unit=None if momenta is None else found.momentum_unit,
    )


def _write_cut_out(file: GroupWriter, cut: Cut, unit: float) -> None:
    """Write /cut_out; `unit` is the mass 1 [Msun/h]."""
    if cut.field is not None:
        waves = np.iscomplexobj(cut.field)
        field = cut.field.astype(np.complex64 if waves else np.float32)
        file.group(f"/{CUT_OUT}", {"psi" if waves else "density": field}, sides=cut.sides)
    if cut.frame is not None and cut.mass is not None:
        arrays = {"position": cut.frame, "mass": unit * cut.mass, "velocity": cut.velocity}
        single = {name: None if array is None else array.astype(np.float32) for name, array in arrays.items()}
        file.group(f"/{CUT_OUT}", single)


def write_profile(path: Path, found: MeasuredFilament) -> None:
    """Write the profile as a CSV file that [filament] profile_table takes."""
    profile, cylinder = found.profile, found.cylinder
    about = {
        "source": f"{found.snapshot.path}, {found.snapshot.field}",
        "redshift": f"{found.snapshot.redshift:.8g}",
        "radius": "cMpc/h",
        "density": "mean matter densities",
        "error": "mean matter densities",
        "background": f"{cylinder.background:.6g} mean matter densities, subtracted",
    }
    rows = zip(profile.radius, profile.density, profile.error, strict=True)
    lines = [PROFILE_MARK.decode(), *(f"# {name}: {without_formulas(value)}" for name, value in about.items())]
    lines += ["radius,density,error", *(",".join(f"{value:.8g}" for value in row) for row in rows), ""]
    _write(path, "\n".join(lines), PROFILE_MARK)


def write_ini(path: Path, found: MeasuredFilament, profile: Path, m22: float, cut_out: Path) -> None:
    """Write an ini of the filament that gpu-fdm run takes; profile, cut_out  paths of its table and measurement."""
    snapshot, cylinder = found.snapshot, found.cylinder
    a, omega_m = 1 / (1 + snapshot.redshift), omega_m_of(snapshot)
    h = CosmologySection().h if snapshot.h is None else snapshot.h
    length, r0, sigma = found.length, cylinder.r0(a)[0], cylinder.sigma(a, omega_m)[0]
    mass = cylinder.line_mass * mean_matter_density(omega_m) * length
    text = f"""[run]
output = output/{path.stem}
[cosmology]
h = {h:.8g}
omega_m = {omega_m:.8g}
redshift = {max(snapshot.redshift, 0.0):.8g}
[dark_matter]
m22 = {m22:.8g}
[filament]
# total line mass of the fitted cylinder times the length
mass = {mass:.6g}
beta = {cylinder.beta:g}
length = {length:.6g}
# of the fitted cylinder; instead of both: profile_table = {profile.name} and profile_fit = smooth
r0 = {r0:.6g}
sigma = {sigma:.6g}
[wavefunction]
{_states(found, cut_out)}[cross_section]
[single_power]
[figures]
"""
    parse_config(text, str(path))
    _write(path, f"{INI_MARK.decode()}.\n# gpu-fdm run {path.name}\n\n{text}", INI_MARK)


def _states(found: MeasuredFilament, cut_out: Path) -> str:
    """The energy cut, and keys for weights from the psi of the snapshot as comments, where it has one."""
    field, radius, comment = found.cut.field, found.how.radius, ""
    if field is not None and np.iscomplexobj(field):
        radius *= 1 - 2 * MARGIN / field.shape[0]
        comment = f"""# the model beside the psi of the snapshot:
# gpu-fdm compare output/{cut_out.stem}/result.hdf5 {cut_out.name}
# for weights from that psi itself:
# weights = projection
# cut_out = {cut_out.name}
# axial = thermal
"""
    share = float(found.cylinder.enclosed(np.array(radius))) / found.cylinder.line_mass
    return f"""# states that lie within what was measured
energy_cut = {float(np.clip(np.floor(1e3 * share) / 1e3, _LEAST_CUT, _LARGEST_CUT)):g}
{comment}"""


def write_list(path: Path, ridges: Sequence[Ridge], sides: Sequence[float], known: bool) -> None:
    """Write the ridges as a CSV file; known  whether their line masses are."""
    names = "number,score,line_mass,length,straightness,curvature,from_x,from_y,from_z,to_x,to_y,to_z"
    about = {
        "line_mass": "mean densities of the box times (cMpc/h)^2" if known else "not known, 1 for all",
        "score": "line_mass * length * straightness",
        "length, from, to": "cMpc/h",
        "curvature": "h/cMpc",
    }
    rows = []
    for number, ridge in enumerate(ridges):
        axis = ridge.axis
        values = ridge.score, ridge.line_mass, axis.length, ridge.straightness, ridge.curvature
        ends = [*(axis.begin % sides), *(axis.end % sides)]
        rows.append(",".join([str(number), *(f"{value:.6g}" for value in (*values, *ends))]))
    lines = [LIST_MARK.decode(), *(f"# {name}: {value}" for name, value in about.items()), names, *rows, ""]
    _write(path, "\n".join(lines), LIST_MARK)


def _write(path: Path, text: str, mark: bytes) -> None:
    """Write a text under its name when it is complete; InputError for a file of others."""
    require_own(path, mark)
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
