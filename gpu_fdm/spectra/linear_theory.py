"""Boosts of theory: linear power with the one-filament spectra of a population added."""

from collections.abc import Mapping

import numpy as np
from attrs import evolve
from numpy.typing import ArrayLike, NDArray

from ..cosmology.linear_power import LinearPower
from ..cosmology.transfer import Transfer
from ..errors import InputError
from .boost import DIFFERENCES, Boost, boost_of, check_halves, log_left_out
from .spectrum import Spectrum


def linear_spectrum(linear: LinearPower, k: ArrayLike, redshift: float, cut_off: Transfer | None = None) -> Spectrum:
    """Linear power at a redshift, of cdm, or of fdm with its cut-off: D^2(z) T^2(k) P(k, z = 0).

    k  [h/Mpc], shape (k,), within the range of linear power and cut-off, else InputError
    """
    k = np.asarray(k, float)
    power, source = linear.at(k, redshift), f"linear power: {linear.source}"
    if cut_off is None:
        return Spectrum(k, power, "cdm", redshift=redshift, source=source)
    source += f", transfer {cut_off.name}"
    return Spectrum(k, power * cut_off(k) ** 2, "fdm", redshift=redshift, m22=cut_off.m22, source=source)


# denominator of a boost -> which one-filament spectrum is in it, and whether linear power is cut off there
DENOMINATORS = {
    "smooth": ("smooth", True),
    "n-body": ("classical", True),
    "cdm": ("classical cdm", False),
    "linear-cdm": (None, False),
}


def theory_boosts(linear: LinearPower, cut_off: Transfer, filaments: Mapping[str, Spectrum]) -> list[Boost]:
    """Boosts of fdm, linear power with the one-filament spectra added, over each of DENOMINATORS that can be had:

        fdm/smooth      (P_lin T^2 + P_1f,fdm) / (P_lin T^2 + P_1f,smooth)      the same modes without their fringes
        fdm/n-body      (P_lin T^2 + P_1f,fdm) / (P_lin T^2 + P_1f,classical)   particles, the same initial power
        fdm/cdm         (P_lin T^2 + P_1f,fdm) / (P_lin + P_1f,classical cdm)   particles, CDM's power and mass function
        fdm/linear-cdm  (P_lin T^2 + P_1f,fdm) / P_lin                          no simulation measures this one

    The sums are those of a halo model: mass in filaments is in both terms, which matters where they are alike.

    filaments  one-filament spectra relative to all matter, at the same k and redshift: "fdm" and, as far as they are
               known, "smooth", "classical" of the FDM mass function, "classical cdm" of that of CDM
    k beyond the range of linear power or cut-off are left out, and those where a sum is round-off of the one-filament
    spectrum, which is logged.
    Raises InputError where redshift, k or m22 of the spectra are not those of each other and of the cut-off.
    """
    fdm = filaments["fdm"]
    if fdm.redshift is None:
        raise InputError(f"{fdm.of}: redshift: must be known for linear power to be added")
    for other in filaments.values():
        if fdm.units != other.units or not np.array_equal(fdm.k, other.k):
            raise InputError(f"{fdm.of}, {other.of}: must be one-filament spectra at the same k, in the same units")
        check_halves(fdm, other)
    rows = (fdm.k >= linear.k_min) & (fdm.k <= min(linear.k_max, cut_off.k_max))
    if not rows.any():
        raise InputError(f"{fdm.of}: no k within [{linear.k_min:g}, {linear.k_max:g}] h/Mpc, the range of linear power")
    k = fdm.k[rows]
    cold, cut = linear_spectrum(linear, k, fdm.redshift), linear_spectrum(linear, k, fdm.redshift, cut_off)
    if cut.m22 is not None and fdm.m22 is not None and abs(cut.m22 / fdm.m22 - 1) > DIFFERENCES["m22"]:
        raise InputError(f"m22 = {cut.m22:g} of the transfer: must be that of the one-filament spectrum, {fdm.m22:g}")
    numerator, boosts = _sum(cut, fdm, rows, "fdm", fdm.m22), []
    for name, (below, is_cut) in DENOMINATORS.items():
        if below is not None and below not in filaments:
            continue
        power = cut if is_cut else cold
        denominator = evolve(power, of=name)
        if below is not None:
            denominator = _sum(power, filaments[below], rows, name, fdm.m22 if is_cut else None)
        log_left_out(numerator, denominator, rows, "linear power is not known")
        boosts.append(boost_of(numerator, denominator))
    return boosts


def matter_with(filaments: str) -> str:
    """All matter, with filaments that have a name, as the object of spectra."""
    return f"matter with {filaments}"


def _sum(linear: Spectrum, filaments: Spectrum, rows: NDArray, of: str, m22: float | None) -> Spectrum:
    """Linear power and the one-filament spectrum in the same rows; round-off is that of the latter."""
    return evolve(
        linear,
        power=linear.power + filaments.power[rows],
        of=of,
        floor=filaments.floor,
        m22=m22,
        source=f"{linear.source}, plus {filaments.source}",
        object=matter_with(filaments.object) if filaments.object else "",
    )
