"""What an evolved cross-section leaves in a result: /steady_state/<m22>/<weights>."""

from ..io import schema
from ..io.result_file import GroupWriter
from ..simulation.steady_state import Evolution
from ..units import CodeUnits


def write_evolution(file: GroupWriter, m22: float, weights: str, evolution: Evolution, units: CodeUnits) -> None:
    """One case: rings and fluctuations against time, frames of the density."""
    gyr, folder = units.time_myr / 1e3, f"/{schema.STEADY_STATE}/{schema.boson(m22)}"
    file.attributes(folder, m22=m22)
    periods = range(1, evolution.whole_periods + 1)
    numbers = ("weight_sum", "modes", "cells", "beyond", "mass_error", "energy_error")
    file.group(
        f"{folder}/{weights}",
        {
            "time": evolution.time * gyr,
            "edges": evolution.edges * units.length,
            "coordinate": evolution.coordinate * units.length,
            "frame_time": evolution.frame_time * gyr,
            **{name: getattr(evolution, name) for name in ("expected", "own", "fixed", "fluctuation", "frames")},
        },
        period=evolution.period * gyr,
        drift_own=[evolution.drift(number, "own") for number in periods],
        drift_fixed=[evolution.drift(number, "fixed") for number in periods],
        fluctuation=[evolution.mean_fluctuation(number) for number in periods],
        **{name: getattr(evolution, name) for name in numbers},
    )


def write_about(file: GroupWriter, **attributes: object) -> None:
    """What all cases share: gravity, periods, mass [Msun/h], redshift, and the age of the universe [Gyr]."""
    file.attributes(f"/{schema.STEADY_STATE}", **attributes)


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
