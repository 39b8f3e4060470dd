"""Whether a spectrum of particles is less their shot noise: in words, and as results store it."""

from typing import TYPE_CHECKING

from .hdf5 import text

if TYPE_CHECKING:
    import h5py

SUBTRACTED = {True: "subtracted", False: "not subtracted", None: ""}  # in words; None without particles, or not known
_ATTRIBUTE = "shot_noise_subtracted"


def shot_noise_attribute(subtracted: bool | None) -> dict[str, str]:
    """The attribute of a stored spectrum that says whether shot noise was subtracted; none where there is no noise."""
    return {} if subtracted is None else {_ATTRIBUTE: "yes" if subtracted else "no"}


def stored_subtraction(group: "h5py.Group") -> bool | None:
    """Whether a stored spectrum is less shot noise; None where there is no noise, or earlier versions did not say."""
    return {"yes": True, "no": False}.get(text(group, _ATTRIBUTE))
