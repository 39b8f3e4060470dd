"""Weights from the psi of a snapshot: the cut-out that [wavefunction] cut_out names, projected on the eigenstates."""

import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from ..config.config import Config
from ..errors import InputError
from ..filament.eigenstates import Library, eigenstates
from ..filament.profile import Profile
from ..filament.projection import Projection, project, rings_for
from ..filament.weights import Weights, described
from ..io import schema
from ..io.hdf5 import checked_dataset, find, number, numbers, opened
from ..io.input_content import WithContent, content_of
from ..units import CodeUnits
from .named_files import of_file

_WIDER = 0.99  # energy cut of the states that tell the axis too, as a share of the mass: that of models by default
_LEAST_CUT = 0.9  # where they do: in a smaller cut-out, the states up to _WIDER hold anything, around any axis
_SAME = 1e-3  # relative difference of boson masses, and of scale factors


@frozen(eq=False)
class CutOut:
    """psi around a filament of a snapshot.

    psi      shape (u, v, z) [rho_m0^1/2];  sides  of its lattice [cMpc/h]
    centres  of slices, shape (slices, 2), NaN without mass [cMpc/h];  None where they are not known
    redshift, m22  of the snapshot; m22 None where it is not known
    """

    psi: NDArray
    sides: tuple[float, float, float]
    centres: NDArray | None
    redshift: float
    m22: float | None


def read_cut_out(path: str | Path) -> CutOut:
    """The cut-out of a file that gpu-fdm filament wrote. Raises InputError for another file, and one without phases."""
    if isinstance(path, WithContent):
        return _cut_out_in(str(path), content_of(path))
    return _read(path, Path(path))


@lru_cache(maxsize=1)
def _cut_out_in(name: str, content: bytes) -> CutOut:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut_out.hdf5"
        path.write_bytes(content)
        return _read(name, path)


def _read(name: str | Path, path: Path) -> CutOut:
    try:
        with opened(path) as file:
            group, about = find(file, schema.CUT_OUT), find(file, schema.MEASURED)
            if group is None or about is None:
                raise InputError(f"{path}: must be a file that gpu-fdm filament wrote around a filament")
            if "psi" not in group:
                has = "particles" if "position" in group else "a density"
                raise InputError(
                    f"{path}: has {has}, without phases: must have psi, of a snapshot with a wave function"
                )
            psi = checked_dataset(file, f"{schema.CUT_OUT}/psi", 3, "c")[()]
            sides, redshift, m22 = numbers(group, "sides"), number(about, "redshift"), number(about, "m22")
            if sides is None or len(sides) != 3 or not all(0 < side < np.inf for side in sides) or redshift is None:
                raise InputError(f"{path}: must have the sides of its cut-out and the redshift")
            slices = f"{schema.MEASURED}/slices/centre"
            centres = None if find(file, slices) is None else _centres(checked_dataset(file, slices, 2, "f")[()], sides)
    except InputError as error:
        raise InputError(str(error).replace(str(path), str(name))) from None
    return CutOut(psi, sides, centres, redshift, m22)


def _centres(rows: NDArray, sides: tuple[float, float, float]) -> NDArray | None:
    """Centres at even places along the cut-out, from rows (u, v, z) of the slices of a first axis; None for too few."""
    rows = rows[np.isfinite(rows).all(axis=1)]
    rows = rows[np.argsort(rows[:, 2])]
    place = (np.arange(len(rows)) + 0.5) / max(len(rows), 1) * sides[2] - sides[2] / 2
    if len(rows) < 4:
        return None
    return np.stack([np.interp(place, rows[:, 2], rows[:, i]) for i in (0, 1)], axis=-1)


def cut_out_of(config: Config) -> CutOut:
    """The cut-out of [wavefunction] cut_out. Raises InputError that names the key."""
    return of_file(config, "wavefunction", "cut_out", read_cut_out)


def projection_of(config: Config, units: CodeUnits, profile: Profile, library: Library) -> Projection:
    """psi of the cut-out projected on the states of a profile; done once for the same states.

    Raises InputError for a cut-out of another boson or redshift, or smaller than the states.
    """
    cut = cut_out_of(config)
    if cut.m22 is not None and abs(cut.m22 / config.dark_matter.m22 - 1) > _SAME:
        raise config.error("dark_matter", "m22", f"must be that of the snapshot in cut_out, {cut.m22:.8g}")
    if abs(profile.scale_factor * (1 + cut.redshift) - 1) > _SAME and cut.redshift >= 0:
        raise config.error("cosmology", "redshift", f"must be that of the snapshot in cut_out, {cut.redshift:.8g}")
    disc = of_file(config, "wavefunction", "cut_out", _disc, cut, units, library)
    reach = float(profile.radius_enclosing(config.wavefunction.energy_cut))
    if reach > disc:
        most = float(profile.enclosed_line_mass(disc)) / profile.line_mass
        raise config.error(
            "wavefunction",
            "energy_cut",
            f"states reach to {reach * units.length:.4g} cMpc/h and the cut-out to {disc * units.length:.4g}: must be "
            f"at most {np.floor(1e4 * most) / 1e4:g}, or give gpu-fdm filament a larger --radius",
        )
    wider = profile if _LEAST_CUT <= config.wavefunction.energy_cut < _WIDER else None
    return of_file(config, "wavefunction", "cut_out", _projected, cut, units, library, wider)


def projected_weights(config: Config, units: CodeUnits, profile: Profile, library: Library) -> Weights:
    """The mean |a|^2 of the projection, as weights."""
    weight = projection_of(config, units, profile, library).weight
    return described(weight, "projection", None, 0, library, profile)


def _disc(path: str, cut: CutOut, units: CodeUnits, library: Library) -> float:
    return rings_for(library, cut.psi.shape[0], cut.sides[0] / units.length).outer


def _projected(path: str, cut: CutOut, units: CodeUnits, library: Library, wider: Profile | None) -> Projection:
    same = (library.energy_cut, library.radius_max, library.line_mass, library.scale_factor, len(library))
    return _projected_once(_Case(cut, units, same, library, wider))


@frozen
class _Case:
    """What a projection follows from; libraries of the same numbers are the same.

    wider  profile whose states up to _WIDER tell the axis; None: those of the library
    """

    cut: CutOut
    units: CodeUnits
    same: tuple[float, ...]
    library: Library = field(eq=False)
    wider: Profile | None = field(eq=False)


@lru_cache(maxsize=1)
def _projected_once(case: _Case) -> Projection:
    unit = case.units.length
    sides = tuple(side / unit for side in case.cut.sides)
    centres = None if case.cut.centres is None else case.cut.centres / unit
    wider = None if case.wider is None else eigenstates(case.wider, _WIDER)
    return project(case.cut.psi, sides, case.library, centres, wider)
