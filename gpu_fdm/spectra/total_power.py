"""The power of all matter: linear power, filaments of which a share is in haloes, and these haloes.

    P = T^2 P_lin + int n_f (M_f/rho)^2 { [(1 - f_h) + f_h u_h]^2 u_f^2 + (1 - f_h)^2 I_f }
                  + int n_h (M_h/rho)^2 (u_h^2 + I_h)

u_f^2 and u_h are spectrum and form factor over the mass of the smooth densities, I their fringes. f_h u_h(k|M_f) is the
mean over the haloes of a filament, by the random walks that made it (population.haloes): haloes lie in filaments alone,
and no mass counts twice. They are at random along the filament. Fringes between a halo and its filament are left out.
"""

from dataclasses import dataclass

from numpy.typing import NDArray

OVER = ("smooth", "cdm")  # what boosts of it may be over


@dataclass(frozen=True)
class TotalPower:
    """Parts of the power of all matter [(Mpc/h)^3], shape (k,) each.

    k                 [h/Mpc]
    linear            linear power with the cut-off of the boson
    filaments_smooth, haloes_smooth    of the mean densities of filaments, with haloes at random in them, and of haloes
    filaments_fringes, haloes_fringes  of the interference of their states
    """

    k: NDArray
    linear: NDArray
    filaments_smooth: NDArray
    filaments_fringes: NDArray
    haloes_smooth: NDArray
    haloes_fringes: NDArray

    @property
    def smooth(self) -> NDArray:
        """All matter without fringes."""
        return self.linear + self.filaments_smooth + self.haloes_smooth

    @property
    def power(self) -> NDArray:
        """All matter."""
        return self.smooth + self.filaments_fringes + self.haloes_fringes


@dataclass(frozen=True)
class Objects:
    """Filaments or haloes of the nodes of an integral over masses.

    weight   step of ln M times M^2 (dn/dlnM)/rho^2 [(Mpc/h)^3], shape (masses,)
    smooth   spectra of filaments, or form factors of haloes, over the mass, shape (masses, k)
    fringes  spectra over M^2, shape (masses, k); zero for particles
    """

    weight: NDArray
    smooth: NDArray
    fringes: NDArray


def total_power(k: NDArray, linear: NDArray, filaments: Objects, haloes: Objects, share: NDArray) -> TotalPower:
    """The sum; share: of filaments in haloes by the mass of these, shape (filaments, haloes), see share_by_halo."""
    outside = 1 - share.sum(axis=1, keepdims=True)
    mean = outside + share @ haloes.smooth
    return TotalPower(
        k,
        linear,
        filaments.weight @ (mean**2 * filaments.smooth),
        filaments.weight @ (outside**2 * filaments.fringes),
        haloes.weight @ haloes.smooth**2,
        haloes.weight @ haloes.fringes,
    )
