"""Power spectra and boosts in an open result file: where they are stored, and what each is a spectrum of."""

import configparser
import re
from typing import Any

import h5py
import numpy as np

from ..errors import InputError
from ..io.result_file import GroupWriter
from ..io.schema import FILAMENTS, ONE_FILAMENT, POWER, SINGLE_POWER, TOTAL_POWER
from ..io.shot_noise import SUBTRACTED, stored_subtraction
from ..spectra.boost import Boost, boost_of
from ..spectra.grid_spectrum import grid_bin_edges, grid_floor
from ..spectra.one_filament import FLOOR
from ..spectra.power import PowerSpectrum
from ..spectra.spectrum import COMOVING, NORMALISED, Spectrum

ALL_MATTER = "all matter"  # how the object of linear power, filaments and the haloes in them begins
_WINDOW = re.compile(r"(filaments|haloes) of (\S+) to (\S+)")


def spectrum_paths(file: h5py.File) -> list[str]:
    """Paths of the spectra in a result.

    power/fdm, power/fdm/0 (a frame), single_power/00/fdm, single_power/00/polar_fdm (in the plane across the
    filament), one_filament_power/m22_1/fdm, total_power/m22_1/fdm, and the same with smooth; of filaments also
    classical, those of particles, and of all matter cdm.
    """
    paths = []
    for name, group in file.get(POWER, {}).items():
        frames = [""] if "k" in group else [f"/{frame}" for frame in sorted(group, key=lambda text: (len(text), text))]
        paths += [f"{POWER}/{name}{frame}" for frame in frames if _is_spectrum(f"{name}{frame}", file[POWER])]
    for folder in (SINGLE_POWER, ONE_FILAMENT, TOTAL_POWER):
        for name, group in file.get(folder, {}).items():
            columns = ("power_fdm", "power_smooth", "power_classical", "power_cdm", "polar_fdm", "polar_smooth")
            paths += [f"{folder}/{name}/{column.removeprefix('power_')}" for column in columns if column in group]
    return paths


def _is_spectrum(name: str, power: h5py.Group) -> bool:
    """Whether a group holds P(k) of one field: P(k, mu) does not, and a cross spectrum may be negative."""
    group = power[name]
    crossed = name.startswith("fdm_smooth") or "correlation" in group
    return "power" in group and group["power"].ndim == 1 and not crossed


def result_spectrum(file: h5py.File, path: str) -> Spectrum:
    """The spectrum at one of the spectrum_paths of a result, of "fdm", "smooth" or what its name or attribute says.

    Spectra in the plane across a filament are of "fdm in the plane": they are not those of all orientations. Their
    error is the scatter of single filaments with their phases, where the file holds draws of the phases.
    Raises InputError for a path without a spectrum, and for values that are no spectrum.
    """
    known = spectrum_paths(file)
    if path not in known:
        raise InputError(f"{file.filename}: no spectrum {path}: must be one of {', '.join(known) or '(it has none)'}")
    try:
        return _stored_spectrum(file, path)
    except InputError as error:
        raise InputError(f"{file.filename} {path}: {error}") from None


def _stored_spectrum(file: h5py.File, path: str) -> Spectrum:
    folder, name, column = (path + "/").split("/")[:3]
    if folder == POWER:
        return _grid_spectrum(file, path, field=name)
    group = file[f"{folder}/{name}"]
    in_plane = column.startswith("polar_")
    of = f"{column.removeprefix('polar_')} in the plane" if in_plane else "cdm" if name == "cdm" else column
    power, error = _column(group, column if in_plane else f"power_{column}"), None
    if column == "polar_fdm" and "sampled_scatter" in group:
        error = _column(group, "sampled_scatter")
    units = NORMALISED if folder == SINGLE_POWER else COMOVING
    # the classical spectrum of one filament is no sum of terms that cancel
    floor = 0.0 if (folder, column) == (SINGLE_POWER, "classical") else FLOOR * float(power.max())
    metadata = _metadata(file, group, path, of) | {"object": object_of(file, folder, name)}
    return Spectrum(_column(group, "k"), power, of, units, error=error, floor=floor, **metadata)


def object_of(file: h5py.File, folder: str, name: str) -> str:
    """What the spectra in a group of a result are of: one filament, filaments of a window of masses, or all matter."""
    if folder == SINGLE_POWER:
        mass = _number_of(file.get(f"{FILAMENTS}/{name}"), "mass")
        return "" if mass is None else one_filament(mass)
    low, high = (_number_of(file[f"{folder}/{name}"], key) for key in ("mass_min", "mass_max"))
    if low is None or high is None:
        return ""
    if folder == TOTAL_POWER:
        group = file[f"{folder}/{name}"]
        return all_matter((low, high), (float(group.attrs["halo_mass_min"]), float(group.attrs["halo_mass_max"])))
    return several_filaments(low, high)


def one_filament(mass: float) -> str:
    """A filament of a mass [Msun/h], as the object of spectra."""
    return f"one filament of {mass:g} Msun/h"


def several_filaments(low: float, high: float) -> str:
    """The filaments of a window of masses [Msun/h], as the object of spectra."""
    return f"filaments of {low:g} to {high:g} Msun/h"


def all_matter(filaments: tuple[float, float], haloes: tuple[float, float]) -> str:
    """All matter with filaments and haloes of windows of masses [Msun/h], as the object of spectra."""
    of_filaments, of_haloes = (f"{low:g} to {high:g}" for low, high in (filaments, haloes))
    return f"{ALL_MATTER} with filaments of {of_filaments} and haloes of {of_haloes} Msun/h"


def mass_windows(object: str) -> dict[str, tuple[float, float]]:
    """Windows of masses [Msun/h] of "filaments" and "haloes" in an object as these functions write it.

    What is not in another text, or is in another unit, is left out.
    """
    found = {}
    for what, low, high in _WINDOW.findall(object if object.endswith(" Msun/h") else ""):
        try:
            found[what] = float(low), float(high)
        except ValueError:
            continue
    return found


def _number_of(group: h5py.Group | None, name: str) -> float | None:
    return None if group is None or name not in group.attrs else float(group.attrs[name])


def _column(group: h5py.Group, name: str) -> np.ndarray:
    """A dataset of a spectrum; InputError unless it is a row of real numbers."""
    dataset = group[name]
    if (
        not isinstance(dataset, h5py.Dataset)
        or dataset.ndim != 1
        or not dataset.size
        or dataset.dtype.kind not in "fiu"
    ):
        raise InputError(f"{name}: must be a row of real numbers")
    return dataset[:]


def _grid_spectrum(file: h5py.File, path: str, field: str) -> Spectrum:
    group = file[path]
    k, power = _column(group, "k")[1:], _column(group, "power")[1:]
    box_size = tuple(np.broadcast_to(np.asarray(group.attrs["box_size"], float), 3).tolist())
    bin_width = _number(file, group, "power", "bin_width")
    return Spectrum(
        k,
        power,
        str(group.attrs.get("of", field)).replace("/", " "),
        modes=_column(group, "modes")[1:],
        error=_column(group, "error")[1:] if "error" in group else None,
        edges=None if bin_width is None else grid_bin_edges(k, 2 * np.pi / max(box_size), bin_width),
        floor=grid_floor(power),
        box_size=box_size,
        nyquist=float(group.attrs["nyquist"]),
        shot_noise=SUBTRACTED[stored_subtraction(group)],
        **_metadata(file, group, path, field),
    )


def _metadata(file: h5py.File, group: h5py.Group, path: str, field: str) -> dict[str, Any]:
    return {
        "redshift": _number(file, group, "cosmology", "redshift"),
        "m22": None if field == "cdm" else _number(file, group, "dark_matter", "m22"),
        "source": f"{file.filename} {path}",
    }


def _number(file: h5py.File, group: h5py.Group, section: str, name: str) -> float | None:
    """An attribute of a group, else the key of the ini that the result holds, else None."""
    if name in group.attrs:
        return float(group.attrs[name])
    ini = configparser.ConfigParser(interpolation=None, default_section="")
    ini.read_string(stored_ini(file))
    return ini.getfloat(section, name, fallback=None)


def stored_ini(file: h5py.File) -> str:
    """The resolved ini of a result; empty for a measurement. It may be stored with a variable or a fixed length."""
    ini = file.attrs.get("config", "")
    return ini.decode(errors="replace") if isinstance(ini, bytes) else str(ini)


def result_boosts(file: h5py.File) -> list[Boost]:
    """Boosts over smooth filaments, over filaments of particles and, of all matter, over CDM, in a result.

    They are of the box, of single filaments, of the population, of all matter.
    """
    paths = spectrum_paths(file)
    boosts = []
    for path in paths:
        for denominator in ("smooth", "classical", "cdm"):
            below = denominator.join(path.rsplit("fdm", 1))
            if path.startswith(f"{POWER}/"):
                below = path.replace(f"{POWER}/fdm", f"{POWER}/{denominator}")
            if below != path and below in paths:
                boosts.append(boost_of(result_spectrum(file, path), result_spectrum(file, below)))
    return boosts


def write_power(file: GroupWriter, name: str, spectrum: PowerSpectrum, sampling: str) -> None:
    """Write /power/<name>."""
    bins = spectrum.bins
    file.group(
        f"/{POWER}/{name}",
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
