"""What the commands boost and compare do: spectra from whatever holds them, their ratios, and models beside tables.

A source of a spectrum is a table (.csv, .ecsv), a result file with the place of a spectrum in it (FILE:power/fdm), or
a snapshot, which is measured.
"""

import csv
import io
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from attrs import evolve

from ..config.config import Config, DarkMatter, parse_config
from ..errors import InputError
from ..io.atomic import atomic_write
from ..io.hdf5 import is_hdf5, open_result, opened
from ..parallel.ranks import SERIAL, Ranks
from ..spectra.agreement import Agreement, agreement
from ..spectra.boost import DIFFERENCES, Boost, boost_of
from ..spectra.boost_grid import BoostGrid
from ..spectra.features import Features, boost_features
from ..spectra.fit import MassFit, fit_m22
from ..spectra.grid_spectrum import grid_spectrum
from ..spectra.linear_theory import theory_boosts
from ..spectra.spectrum import Spectrum
from ..spectra.tables import published_boosts, read_boost, read_spectrum
from ..units import mean_matter_density
from . import simulation_results
from .result_spectra import result_boosts, result_spectrum, spectrum_paths

PUBLISHED = "published"  # the tables that are shipped
TABLES = (".csv", ".ecsv")
FIT_MODELS = 9  # boson masses of the grid that a fit goes over


@dataclass(frozen=True)
class Comparison:
    """A table beside the model: features of both, how they agree, and the fit where one was asked for."""

    table: Boost
    model: Boost
    features: tuple[Features, Features]
    agreement: Agreement
    fit: MassFit | None = None


def read_source(text: str, measure=None, ranks: Ranks = SERIAL) -> Spectrum:
    """A spectrum from a source.

    measure  what measures a snapshot: path -> pipeline.snapshot.SnapshotPower; all ranks call
    Raises InputError that names the source.
    """
    name, place = _split(text)
    path = Path(name)

    def stored():
        if path.suffix.lower() in TABLES:
            return read_spectrum(path)
        places = _places(path)
        if place is not None and not places:
            raise InputError(f"{text}: {name} holds no spectra: name the file alone to measure it as a snapshot")
        if place is None and len(places) > 1:
            several = f"holds several spectra: name one, {name}:{places[0]}; there are {', '.join(places)}"
            raise InputError(f"{text}: {several}")
        return _from_result(path, place or places[0]) if places else None

    found = ranks.on_root(stored)
    if found is not None:
        return found
    measured = measure(path)
    about = {"redshift": measured.snapshot.redshift, "m22": measured.snapshot.m22, "source": measured.snapshot.path}
    return grid_spectrum(measured.spectrum, measured.snapshot.field, error=measured.error, **about)


def ratio(above: Spectrum, below: Spectrum, numerator: str | None, denominator: str | None, allow=()) -> Boost:
    """The boost of two spectra, under the names given, or under those that they have."""
    above = evolve(above, of=numerator or above.of)
    below = evolve(below, of=denominator or below.of)
    if above.of == below.of:
        raise InputError(f"both spectra are of {above.of}: name what they are of with --numerator and --denominator")
    return boost_of(above, below, allow)


def read_boosts(text: str, redshift: float | None = None) -> list[Boost]:
    """The boosts of a table, of a result file, or the shipped ones (published).

    redshift  take of a simulation the epoch nearest to it; None: all epochs
    """
    if text == PUBLISHED:
        return list(published_boosts())
    path = Path(text)
    if path.suffix.lower() in TABLES:
        return [read_boost(path)]
    return model_boosts(path, redshift)


def model_boosts(path: Path, redshift: float | None = None) -> list[Boost]:
    """Every boost of a result file: over the smooth filament, with linear power where there is a population, and all
    epochs of a simulation, or that nearest to a redshift."""
    from .model import population_of

    if path.is_file() and not is_hdf5(path):
        raise InputError(f"{path}: not a result file, nor a table (.csv, .ecsv)")
    with open_result(path) as file:
        # in the plane across a filament nothing has been measured
        found = [each for each in result_boosts(file) if "/polar_" not in each.source]
        found += nearest_epochs(simulation_results.read_boosts(file), redshift)
        config = _config_of(file)
        folder = "one_filament_power"
        pairs = [
            tuple(_over_matter(file, f"{folder}/{name}", kind, config) for kind in ("fdm", "smooth"))
            for name in file.get(folder, {})
        ]
    if pairs:
        population = population_of(config)
        for fdm, smooth in pairs:
            with config.errors_in("population"):
                cut_off = population.cut_off(fdm.m22)
            found += theory_boosts(population.power, cut_off, fdm, smooth)
    if not found:
        raise InputError(f"{path}: holds no boost: it needs [single_power], [one_filament], or both densities of a box")
    return found


def _over_matter(file, place, kind, config):
    """A one-filament spectrum relative to the mean density of all matter, as linear power is, to which it is added."""
    spectrum = result_spectrum(file, f"{place}/{kind}")
    share = float(file[place].attrs["density"]) / mean_matter_density(config.cosmology.omega_m)
    return evolve(spectrum, power=spectrum.power * share**2, floor=spectrum.floor * share**2)


def nearest_epochs(boosts: list[Boost], redshift: float | None) -> list[Boost]:
    """Of boosts that are the same ratio for the same boson at several epochs, that nearest to a redshift."""
    if redshift is None:
        return boosts
    nearest: dict[tuple, Boost] = {}
    for each in boosts:
        key = each.name, each.m22
        kept = nearest.get(key)
        if kept is None or abs(_epochs_apart(each.redshift, redshift)) < abs(_epochs_apart(kept.redshift, redshift)):
            nearest[key] = each
    return list(nearest.values())


def alike(table: Boost, models: list[Boost]) -> list[Boost]:
    """The models that are ratios of the same things."""
    return [each for each in models if (each.numerator, each.denominator) == (table.numerator, table.denominator)]


def of_one_epoch(table: Boost, model: Boost) -> bool:
    """Whether their redshifts are the same, or not both known."""
    redshifts = table.redshift, model.redshift
    return None in redshifts or abs(_epochs_apart(*redshifts)) <= DIFFERENCES["redshift"]


def compare(table: Boost, models: list[Boost], masses: tuple[float, float] | None, grid=None) -> Comparison:
    """A table beside the model that is like it most: the same ratio, the nearest boson mass, the range of the table.

    masses  fit m22 between these two;  grid  (m22_min, m22_max) -> BoostGrid, where the models are not one
    Raises InputError where no model is a ratio of the same things.
    """
    same = alike(table, models)
    if not same:
        names = ", ".join(dict.fromkeys(each.name for each in models))
        raise InputError(f"{table.label}: no model is this ratio; there are {names} (--mixed shows them all the same)")
    nearest = max(same, key=lambda each: _likeness(each, table))
    fit = None
    if masses is not None:
        of_masses = _grid_of(same) or (grid(*masses) if grid else None)
        if of_masses is None:
            raise InputError(f"{table.label}: a fit needs models of four or more m22: name more result files")
        low, high = of_masses.m22_range
        fit = fit_m22(of_masses, table, max(masses[0], low), min(masses[1], high))
    return Comparison(table, nearest, (boost_features(table), boost_features(nearest)), agreement(table, nearest), fit)


def write_comparisons(found: list[Comparison], path: Path) -> Path:
    """Write one row a table, as CSV: its features (k in h/Mpc), those of the model beside it, how they agree, the fit.

    Returns the path. What is not known is empty. The file appears whole; RunError where it cannot be written.
    """
    rows = [_row(each) for each in found]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path) as part:
        part.write_text(text.getvalue(), encoding="utf-8", errors="backslashreplace")
    return path


def _row(found):
    table, model, quality, fit = found.table, found.model, found.agreement, found.fit
    row = {name: getattr(table, name) for name in ("numerator", "denominator", "redshift", "m22", "source")}
    row |= {"model_m22": model.m22, "model_source": model.source}
    for whose, features in zip(("", "model_"), found.features, strict=True):
        for name in ("threshold", "k_detach", "k_peak", "height", "at_end", "slope"):
            row[whose + name] = getattr(features, name)
    row |= {"rms_ln": quality.rms, "rows": quality.rows, "left_out": quality.left_out}
    row |= {"chi_squared": quality.chi_squared}
    for name in ("m22", "bound", "standard_error"):
        row[f"fit_{name}"] = getattr(fit, name, None)
    row["fit_low_95"], row["fit_high_95"] = getattr(fit, "interval", None) or (None, None)
    return row


def _likeness(model, table):
    """The nearer in mass, then in redshift, the more; then by rows of the table in its range; exact before measured."""
    distance = 0.0 if None in (model.m22, table.m22) else abs(np.log(model.m22 / table.m22))
    rows = np.count_nonzero((table.k >= model.k[0]) & (table.k <= model.k[-1]))
    apart = 0.0 if None in (model.redshift, table.redshift) else abs(_epochs_apart(model.redshift, table.redshift))
    return -distance, -apart, rows, model.error is None


def _epochs_apart(first, second):
    """Of two redshifts, in ln(1 + z)."""
    return float(np.log((1 + first) / (1 + second)))


def single_filament_grid(path: Path):
    """What makes a BoostGrid from the config of a result file: exact spectra of its filament for several bosons."""
    with open_result(path) as file:
        if "single_power" not in file:
            return None
        config = _config_of(file)

    @cache  # every table is fitted between the same masses
    def grid(low, high):
        return BoostGrid(tuple(_of_boson(config, float(m22)) for m22 in np.geomspace(low, high, FIT_MODELS)))

    return grid


def _of_boson(config, m22):
    """fdm/smooth of the config's filament for another boson mass."""
    from ..spectra.phase_average import NO_POWER
    from ..spectra.single_filament import single_power
    from .filament import FRINGES_AND_MORE, build_model

    config = replace(config, dark_matter=DarkMatter(m22), box=None, power=None, correlation=None, figures=None)
    model, section = build_model(config), config.single_power
    k = np.geomspace(section.k_min, section.k_max or FRINGES_AND_MORE * model.fringe_wavenumber, section.points)
    k = k[k < NO_POWER * model.fringe_wavenumber]
    power = single_power(model, k, section.statistics, plane=False)
    about = {"units": "1", "redshift": config.cosmology.redshift, "m22": m22, "floor": 1e-15}
    return boost_of(Spectrum(k, power.fdm, "fdm", **about), Spectrum(k, power.smooth, "smooth", **about))


def _grid_of(models):
    """The models as a grid, None where they are too few."""
    by_mass = {each.m22: each for each in models if each.m22 is not None}
    return BoostGrid(tuple(by_mass[m22] for m22 in sorted(by_mass))) if len(by_mass) >= 4 else None


def _config_of(file) -> Config:
    return parse_config(str(file.attrs.get("config", "")), f"config of {file.filename}")


def file_of(text: str) -> Path:
    """The file of a source."""
    return Path(_split(text)[0])


def _split(text):
    """FILE and the place in it, or FILE and None."""
    name, colon, place = text.rpartition(":")
    return (name, place) if colon and Path(name).is_file() else (text, None)


def _places(path):
    """Of spectra in a result file; none where it is something else."""
    if not path.is_file() or not is_hdf5(path):
        return []
    with opened(path) as file:
        if "config" not in file.attrs:
            return []
    with open_result(path) as file:
        return spectrum_paths(file)


def _from_result(path, place):
    with open_result(path) as file:
        return result_spectrum(file, place)
