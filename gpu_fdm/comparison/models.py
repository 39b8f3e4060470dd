"""Boosts of tables and of result files, and the grid of boson masses that a fit goes over."""

import logging
from pathlib import Path

import h5py
import numpy as np
from attrs import evolve

from ..config.config import Config
from ..errors import InputError
from ..filament.mode_fits import ModeFits
from ..io.hdf5 import is_hdf5, open_result
from ..io.schema import ONE_FILAMENT, boson
from ..io.tables import TABLE_ENDINGS
from ..pipeline.inputs import stored_config
from ..pipeline.model import population_of
from ..pipeline.result_spectra import result_boosts, result_spectrum
from ..pipeline.simulation.boosts import stored_boosts
from ..spectra.boost import DIFFERENCES, Boost
from ..spectra.boost_grid import LEAST_BOOSTS, BoostGrid
from ..spectra.linear_theory import theory_boosts
from ..spectra.spectrum import Spectrum
from ..spectra.tables import published_boosts, read_boost
from ..units import mean_matter_density

log = logging.getLogger(__name__)

PUBLISHED = "published"  # names the tables that come with the package
GRID_MASSES = 9  # boson masses of the grid that a fit goes over


def read_boosts(text: str, redshift: float | None = None) -> list[Boost]:
    """The boosts of a table, of a result file, or of the published tables (PUBLISHED).

    redshift  only the epoch of a simulation that is nearest to it; None: all epochs
    Raises InputError that names the file.
    """
    if text == PUBLISHED:
        return list(published_boosts())
    path = Path(text)
    if path.suffix.lower() in TABLE_ENDINGS:
        return [read_boost(path)]
    return model_boosts(path, redshift)


def require_model(path: Path) -> None:
    """InputError for a table, and for a file of another kind, where a result must be."""
    if path.suffix.lower() in TABLE_ENDINGS:
        raise InputError(f"{path}: is a table: the model, which comes first, must be a result file")
    if path.is_file() and not is_hdf5(path):
        raise InputError(f"{path}: must be a result file or a table ({', '.join(TABLE_ENDINGS)})")


def model_boosts(path: Path, redshift: float | None = None) -> list[Boost]:
    """Every boost of a result file.

    Over the smooth filament, for a single one, a population and a box; of a population also with linear power added;
    of all matter with its haloes over that without fringes and over CDM; and of all epochs of a simulation, or of
    that nearest to a redshift.
    Raises InputError for a file that is no result, is damaged, or holds no boost.
    """
    require_model(path)
    with open_result(path) as file:
        # nothing is measured in the plane across a filament
        boosts = [boost for boost in result_boosts(file) if "/polar_" not in boost.source]
        boosts += nearest_epochs(stored_boosts(file), redshift)
        config = stored_config(file)
        populations = _one_filament_spectra(file, config)
        for name, group in file.get(ONE_FILAMENT, {}).items():
            fits = ModeFits.stored(group)
            if fits is not None and fits.text:
                log.warning("%s %s/%s: %s", path, ONE_FILAMENT, name, fits.text)
    if populations:
        population = population_of(config)
        for spectra in populations:
            with config.errors_in("population"):
                cut_off = population.cut_off(spectra["fdm"].m22)
            boosts += theory_boosts(population.power, cut_off, spectra)
    if not boosts:
        raise InputError(
            f"{path}: holds no boost: it needs [single_power], [one_filament], or both densities of a box; spectra and "
            "snapshots are the halves of one, gpu-fdm boost ABOVE BELOW, or --ratio of gpu-fdm compare"
        )
    return boosts


# what a result must hold for its boosts over each denominator
NEEDED = {
    "smooth": "[single_power], [one_filament], [total_power], or both densities of a [box]",
    "classical": "[single_power] or [one_filament]",
    "n-body": "[one_filament], or [simulation] with runs = wave_fdm, particles_fdm",
    "cdm": "[one_filament] with mass_function = collapse, [total_power], or [simulation] with runs = wave_fdm, "
    "particles_cdm",
    "linear-cdm": "[one_filament]",
}


def require_denominator(name: str | None) -> None:
    """InputError for a denominator that no result has a boost over, before linear power is computed for others."""
    if name is not None and name not in NEEDED:
        raise InputError(f"--over {name}: no result has a boost over it: must be one of {', '.join(NEEDED)}")


def boost_over(
    path: Path, denominator: str, m22: float | None = None, object: str = "", redshift: float | None = None
) -> Boost:
    """The boost of a result over a denominator.

    m22     boson mass [1e-22 eV], where the result has several;  object  with what its object begins
    redshift  of a simulation the epoch nearest to it
    Raises InputError, which says what there is, where there is none or more than one; and where model_boosts does.
    """
    boosts = model_boosts(path, redshift)
    over = [boost for boost in boosts if boost.denominator == denominator]
    if not over:
        needed = f": it needs {NEEDED[denominator]}" if denominator in NEEDED else ""
        names = ", ".join(dict.fromkeys(boost.denominator for boost in boosts))
        raise InputError(f"{path}: holds no boost over {denominator}{needed}; it has boosts over {names}")
    chosen = [boost for boost in over if boost.object.startswith(object)]
    if m22 is not None:
        chosen = [boost for boost in chosen if boost.m22 is not None and abs(boost.m22 / m22 - 1) < DIFFERENCES["m22"]]
    if len(chosen) != 1:
        labels = "; ".join(boost.label for boost in over)
        what = "no" if not chosen else "more than one"
        epochs = {boost.redshift for boost in over}
        how = "--m22 and --object" if len(epochs) == 1 else "--m22, --object and --redshift"
        raise InputError(f"{path}: {what} boost over {denominator}: choose with {how} from {labels}")
    return chosen[0]


def holds(text: str, group: str) -> bool:
    """Whether a source is a result with a group."""
    path = Path(text)
    if not path.is_file() or not is_hdf5(path):
        return False
    with open_result(path) as file:
        return group in file


def _one_filament_spectra(file: h5py.File, config: Config) -> list[dict[str, Spectrum]]:
    """The spectra of the filaments of each boson, by the names that theory_boosts has for them."""
    folder, cdm = file.get(ONE_FILAMENT, {}), boson(None)
    cold, found = {}, []
    if cdm in folder:
        cold = {"classical cdm": over_matter(file, f"{ONE_FILAMENT}/{cdm}", "classical", config)}
    for name in folder:
        if name != cdm:
            columns = [column for column in ("fdm", "smooth", "classical") if f"power_{column}" in folder[name]]
            path = f"{ONE_FILAMENT}/{name}"
            found.append({column: over_matter(file, path, column, config) for column in columns} | cold)
    return found


def over_matter(file: h5py.File, path: str, field: str, config: Config) -> Spectrum:
    """A one-filament spectrum relative to the mean density of all matter, like linear power, to which it is added."""
    spectrum = result_spectrum(file, f"{path}/{field}")
    share = float(file[path].attrs["density"]) / mean_matter_density(config.cosmology.omega_m)
    return evolve(spectrum, power=spectrum.power * share**2, floor=spectrum.floor * share**2)


def nearest_epochs(boosts: list[Boost], redshift: float | None) -> list[Boost]:
    """One epoch, that nearest to a redshift, of boosts that differ in their redshift alone; all for no redshift."""
    if redshift is None:
        return boosts
    nearest: dict[tuple, Boost] = {}
    for boost in boosts:
        key = boost.name, boost.object, boost.m22
        if key not in nearest or _distance(boost, redshift) < _distance(nearest[key], redshift):
            nearest[key] = boost
    return list(nearest.values())


def _distance(boost: Boost, redshift: float) -> float:
    return 0.0 if boost.redshift is None else epoch_distance(boost.redshift, redshift)


def epoch_distance(first: float, second: float) -> float:
    """How far apart two redshifts are, in ln(1 + z)."""
    return abs(float(np.log((1 + first) / (1 + second))))


def config_of(path: Path) -> Config:
    """The config of a result file."""
    with open_result(path) as file:
        return stored_config(file)


def grid_of(models: list[Boost]) -> BoostGrid | None:
    """The models of known m22 as a grid; None where they are too few for one."""
    by_mass = {model.m22: model for model in models if model.m22 is not None}
    return BoostGrid(tuple(by_mass[m22] for m22 in sorted(by_mass))) if len(by_mass) >= LEAST_BOOSTS else None
