"""What an evolved cross-section leaves: /steady_state/<m22>/<weights>, described in docs/files.md."""

from ..simulation.steady_state import Evolution
from ..units import CodeUnits
from .results import boson_folder

WHICH = {"own": "in the filament's own gravity", "fixed": "in the potential that the modes were solved in"}


def write_evolution(file, m22: float, weights: str, evolution: Evolution, units: CodeUnits):
    """One case: rings and fluctuations against time, frames of the density."""
    gyr = units.time_myr / 1e3
    folder = f"/steady_state/{boson_folder(m22)}"
    file.attributes(folder, m22=m22)
    folder += f"/{weights}"
    share, of_time = "line mass in each ring over that of <|psi|^2> inside R_99", "[time, ring]"
    for name, values, unit, text in (
        ("time", evolution.time * gyr, "Gyr", "cosmic time since the start; the scale factor stands still"),
        ("edges", evolution.edges * units.length, "cMpc/h", "of rings around the centre of mass; the last is R_99"),
        ("expected", evolution.expected, "1", f"{share}, of <|psi|^2> over phases: all alike"),
        *((which, getattr(evolution, which), "1", f"{share}, {text}, {of_time}") for which, text in WHICH.items()),
        (
            "fluctuation",
            evolution.fluctuation,
            "1",
            "rms of the part of the potential that depends on the angle, weighted with mass inside R_99, over V(R_99)",
        ),
        ("coordinate", evolution.coordinate * units.length, "cMpc/h", "of the cells of a frame, from the axis"),
        ("frames", evolution.frames, "mean matter densities", "|psi|^2 in its own gravity, [frame, v, u]"),
        ("frame_time", evolution.frame_time * gyr, "Gyr", "of each frame"),
    ):
        file.dataset(f"{folder}/{name}", values, unit, text)
    numbers = range(1, evolution.whole_periods + 1)
    file.attributes(
        folder,
        period=evolution.period * gyr,
        drift_own=[evolution.drift(number, "own") for number in numbers],
        drift_fixed=[evolution.drift(number, "fixed") for number in numbers],
        fluctuation=[evolution.mean_fluctuation(number) for number in numbers],
        **{name: getattr(evolution, name) for name in ("weight_sum", "modes", "cells", "beyond")},
        **{name: getattr(evolution, name) for name in ("mass_error", "energy_error")},
    )


def write_about(file, **attributes):
    """What all cases share: gravity, periods, mass [Msun/h], redshift, and age of the universe then [Gyr]."""
    file.attributes("/steady_state", **attributes)


def describe(title: str, evolution: Evolution, units: CodeUnits) -> str:
    """One line: how far the mean density drifts, and how large the fluctuations are."""
    numbers = range(1, evolution.whole_periods + 1)
    own, fixed, fluctuation = (
        ", ".join(f"{100 * value(number):.2g}" for number in numbers)
        for value in (evolution.drift, lambda number: evolution.drift(number, "fixed"), evolution.mean_fluctuation)
    )
    return (
        f"steady state, {title}: in periods of {evolution.period * units.time_myr / 1e3:.3g} Gyr line masses drift by "
        f"{own} % (phases alone: {fixed} %), the potential fluctuates by {fluctuation} %"
    )
