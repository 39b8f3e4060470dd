"""The power spectrum of a halo, by its states where these are few, by their semiclassical limit where they are many."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError
from ..parallel.backend import CPU, GPU
from ..quantities import takes
from .profile import SphericalProfile
from .semiclassical import semiclassical_spectrum
from .spectrum import HaloSpectrum, exact_spectrum
from .states import ground_state, halo_states, halo_weights, largest_angular_momentum

EXACT_L_MAX = 250  # of the exact route by default: beyond it sums over states cost minutes
ROUTES = ("auto", "exact", "semiclassical")


@takes()
def halo_spectrum(
    profile: SphericalProfile,
    k: ArrayLike,
    *,
    mass_fraction: float = 0.99,
    soliton_share: float | None = None,
    fixed_amplitudes: bool = False,
    route: str = "auto",
    exact_l_max: int = EXACT_L_MAX,
    backend: CPU | GPU | None = None,
) -> HaloSpectrum:
    """Spectrum of a halo in equilibrium, over its mass squared; the result says by which route, and why.

    k                 comoving [1/L], shape (k,), not negative
    mass_fraction     f of the energy cut V(r_f), in (0, 1)
    soliton_share     mass of a soliton over that of the halo: weight of the ground state, whose amplitude is then fixed
    fixed_amplitudes  whether those of all states are fixed; Gaussian by default
    route             "exact", "semiclassical", or "auto": exact up to l_max = exact_l_max
    Raises InputError for an unknown route, states that do not fit in memory, and a soliton or fixed amplitudes in the
    semiclassical limit, which has neither.
    """
    if route not in ROUTES:
        raise InputError(f"route = {route}: must be one of {', '.join(ROUTES)}")
    l_max = largest_angular_momentum(profile, mass_fraction)
    if route == "semiclassical" or (route == "auto" and l_max > exact_l_max):
        for name, wanted in (("soliton_share", soliton_share is not None), ("fixed_amplitudes", fixed_amplitudes)):
            if wanted:
                raise InputError(
                    f"{name}: the semiclassical spectrum has none; l_max = {l_max} must be at most exact_l_max = "
                    f"{exact_l_max}, or route = exact"
                )
        reason = f"l_max = {l_max} > {exact_l_max}" if route == "auto" else "as asked for"
        spectrum = semiclassical_spectrum(profile, k, mass_fraction)
        return replace(spectrum, reason=f"semiclassical: {reason}")
    states = halo_states(profile, mass_fraction)
    weight = halo_weights(profile, states, soliton_share)
    fixed = np.full(len(states), fixed_amplitudes)
    if soliton_share is not None:
        fixed |= ground_state(states)
    spectrum = exact_spectrum(states, weight, k, fixed, backend=backend)
    why = f"l_max = {spectrum.l_max} <= {exact_l_max}" if route == "auto" else "as asked for"
    return replace(spectrum, reason=f"exact: {why}, {len(states)} states (n, l)")
