"""Whether times of frames show how the fringes of a filament change: coherence times in words, and warnings."""

import logging

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UnfitError
from ..filament.coherence import coherence_time
from ..filament.model import Model

log = logging.getLogger(__name__)

STEPS = 12  # of a movie in a coherence time: from one frame to the next the autocorrelation falls by 1/150
_LEAST, _MOST = 0.25, 1.0  # coherence times: a shorter series shows no change, longer steps no motion


def coherence_of(model: Model) -> tuple[float | None, str]:
    """The coherence time of the fringes [Myr]; or None, and why there is none."""
    try:
        return coherence_time(model.wave) * model.units.time_myr, ""
    except UnfitError as error:
        return None, str(error)


def describe_times(title: str, times: ArrayLike, coherence: float | None) -> str:
    """A line about times of frames and the coherence time of the fringes [Myr]; warns where they show no change."""
    number, steps = len(np.asarray(times)), np.diff(times)
    if coherence is None:
        return f"{title}: {number} frames; their fringes never change by half"
    found = f"coherence time of the fringes {coherence:.4g} Myr"
    advice = f"steps of {coherence / STEPS:.3g} Myr show how they change"
    if np.sum(steps) < _LEAST * coherence:
        log.warning("%s: frames over %.3g Myr are almost alike: %s (%s)", title, np.sum(steps), found, advice)
    elif np.max(steps) > _MOST * coherence:
        log.warning("%s: fringes of frames %.4g Myr apart differ: %s (%s)", title, np.max(steps), found, advice)
    return f"{title}: {number} frames, {np.max(steps):.4g} Myr apart; {found}"
