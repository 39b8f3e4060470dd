"""Boosts of theory: linear power with the one-filament spectra of a population added."""

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


def theory_boosts(linear: LinearPower, cut_off: Transfer, fdm: Spectrum, smooth: Spectrum) -> tuple[Boost, Boost]:
    """fdm/smooth and fdm/cdm of linear power with the one-filament spectra added.

        (P_linear,FDM + P_1f,fdm) / (P_linear,FDM + P_1f,smooth)        (P_linear,FDM + P_1f,fdm) / P_linear,CDM

    The sum is that of a halo model: mass in filaments is in both terms, which matters where they are alike. The
    denominator of fdm/cdm is linear power alone.

    fdm, smooth  one-filament spectra at the same k and redshift
    k beyond the range of linear power or cut-off are left out, and those where a sum is round-off of the one-filament
    spectrum, which is logged.
    Raises InputError where redshift, k or m22 of the spectra are not those of each other and of the cut-off.
    """
    if fdm.redshift is None:
        raise InputError(f"{fdm.of}: redshift: must be known for linear power to be added")
    if fdm.units != smooth.units or not np.array_equal(fdm.k, smooth.k):
        raise InputError(f"{fdm.of}, {smooth.of}: must be one-filament spectra at the same k, in the same units")
    check_halves(fdm, smooth)
    rows = (fdm.k >= linear.k_min) & (fdm.k <= min(linear.k_max, cut_off.k_max))
    if not rows.any():
        raise InputError(f"{fdm.of}: no k within [{linear.k_min:g}, {linear.k_max:g}] h/Mpc, the range of linear power")
    log_left_out(fdm, smooth, rows, "linear power is not known")
    k = fdm.k[rows]
    cdm, cut = linear_spectrum(linear, k, fdm.redshift), linear_spectrum(linear, k, fdm.redshift, cut_off)
    if cut.m22 is not None and fdm.m22 is not None and abs(cut.m22 / fdm.m22 - 1) > DIFFERENCES["m22"]:
        raise InputError(f"m22 = {cut.m22:g} of the transfer: must be that of the one-filament spectrum, {fdm.m22:g}")
    with_fdm, with_smooth = (_sum(cut, filaments, rows, fdm.m22) for filaments in (fdm, smooth))
    return boost_of(with_fdm, with_smooth), boost_of(with_fdm, cdm)


def _sum(linear: Spectrum, filaments: Spectrum, rows: NDArray, m22: float | None) -> Spectrum:
    """Linear power and the one-filament spectrum in the same rows; round-off is that of the latter."""
    return evolve(
        linear,
        power=linear.power + filaments.power[rows],
        of=filaments.of,
        floor=filaments.floor,
        m22=m22,
        source=f"{linear.source}, plus {filaments.source}",
    )
