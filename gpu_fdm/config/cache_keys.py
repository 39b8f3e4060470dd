"""On which keys of an ini each part of a result depends, and the key under which it is kept.

A part names sections, and keys of sections ("run.seed"); "-box.fields" takes a key out of a section that is named. A
key that is added to a section is so taken to matter, until it is taken out here.
"""

from hashlib import sha256
from pathlib import Path

import attrs

from ..io.kinds import InputFile
from .config import Config

_MODEL = ("cosmology", "dark_matter", "filament", "gas", "wavefunction", "-wavefunction.time")
_DENSITY = (*_MODEL, "run.seed", "run.precision", "box", "-box.fields", "-box.frames")
PARTS = {
    # eigenstates and weights: not the phases
    "model": _MODEL,
    "cross_section": (*_MODEL, "run.seed", "wavefunction.time", "cross_section"),
    "exact_spectrum": (*_MODEL, "run.seed", "single_power"),
    # of one boson and one method of weights, in the sections of the filament
    "steady_state": (*_MODEL, "run.seed", "steady_state", "-steady_state.m22", "-steady_state.weights"),
    # at one time, which is added
    "density": _DENSITY,
    "power": (*_DENSITY, "box.fields", "power"),
    "correlation": (*_DENSITY, "box.fields", "correlation"),
    # of one boson and one mass, which are added
    "node": (
        "cosmology",
        "wavefunction",
        "-wavefunction.time",
        "population",
        "-population.m22",
        "-population.masses",
        "one_filament",
        "-one_filament.mass_function",
        "-one_filament.normalisation",
        "-one_filament.tolerance",
    ),
    # of one run, which is added; snapshots have redshifts of their own
    "simulation": (
        "run.seed",
        "run.precision",
        "cosmology",
        "-cosmology.redshift",
        "dark_matter",
        "simulation",
        "-simulation.runs",
        "-simulation.checkpoint_minutes",
        "-simulation.alarms",
    ),
    # what is in the file, all in all
    "result": (
        "run.seed",
        "run.precision",
        "cosmology",
        "dark_matter",
        "filament",
        "gas",
        "wavefunction",
        "cross_section",
        "single_power",
        "steady_state",
        "box",
        "power",
        "correlation",
        "population",
        "one_filament",
        "simulation",
        "-simulation.checkpoint_minutes",
        "-simulation.alarms",
    ),
}
# where results go, how fast, how far a run that goes wrong is let go on, and the figures
WITHOUT_INFLUENCE = (
    "run.output",
    "run.backend",
    "run.threads",
    "figures.dpi",
    "simulation.checkpoint_minutes",
    "simulation.alarms",
)


def key_of(config: Config, part: str, **more) -> dict:
    """The key of a part, to be had as JSON: values of all keys that it depends on, and hashes of tables.

    more  what it depends on besides, such as the backend
    """
    names = (*PARTS[part], *_where_shapes_are_from(config, part))
    values = {}
    for section, owner in config.sections().items():
        for item in attrs.fields(type(owner)):
            name = f"{section}.{item.name}"
            if name in names or (section in names and f"-{name}" not in names):
                values[name] = _value(getattr(owner, item.name), item.metadata["kind"])
    return {"part": part, **more, **values}


def _where_shapes_are_from(config, part):
    """Keys that matter to filaments whose shapes are from their collapse, or whose places are drawn in a box."""
    if "filament" not in PARTS[part]:
        return ()
    names: tuple[str, ...] = ()
    if config.gas is not None:
        names += ("box.size", "run.seed")
    if "collapse" in [owner.shape for owner in (config.filament, config.gas) if owner is not None]:
        names += ("population", "-population.m22", "-population.masses")
    return names


def _value(value, kind):
    if value is not None and isinstance(getattr(kind, "kind", None), InputFile):
        return sha256(Path(value).read_bytes()).hexdigest()
    return value
