"""Names of the figures of a filament that was measured in a snapshot; importing this does not import matplotlib."""

from ..io.schema import MEASURED
from . import Figure

FIGURES = (
    Figure(
        "measured",
        "column density around the axis, profile with its errors, line mass along the axis",
        "measured.measured_filament",
        (f"{MEASURED}/profile",),
    ),
)
