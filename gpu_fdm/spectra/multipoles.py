"""Multipoles of P(k, mu), mu = k_axis/|k|: monopole, quadrupole and hexadecapole along an axis of the box.

P(k, mu) = sum_l P_l(k) L_l(mu), L_l the Legendre polynomials. The modes of a bin do not fill its shell evenly, so that
on them the L_l are not orthogonal, and the sums (2 l + 1) <P L_l> mix multipoles: in a cube by order 1 in the first
bin, by up to 0.1 where a bin has a thousand modes, 0.03 with ten thousand and 0.01 with forty thousand, and by order 1
again beyond the Nyquist wavenumber, where directions are missing. Two ways:

- "sum", P_l = (2 l + 1) <P L_l> over the modes of a bin, as is customary; P_0 is the P(k) of power.py.
- "fit", the P_l whose sum over l = 0, 2, 4 fits the modes of a bin best (least squares, all modes alike): exact where
  P(k, mu) has no others, as in linear theory (Kaiser 1987), at the price of larger errors in the first bins. Where the
  modes of a bin have fewer than three values of |mu| nothing determines them: NaN.
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ..kernels.binning import bin_powers_of_mu
from ..parallel.backend import CPU, GPU
from ..parallel.ranks import Ranks
from .modes import Modes
from .power import Bins

ORDERS = (0, 2, 4)
# L_0, L_2, L_4 in powers 0, 2, 4 of mu
_LEGENDRE = np.array([[1, 0, 0], [-1 / 2, 3 / 2, 0], [3 / 8, -30 / 8, 35 / 8]])
_SINGULAR = 1e-10  # smallest over largest eigenvalue of <L_l L_l'>, from which on bins determine all three


@dataclass(frozen=True, eq=False)
class MultipoleSums:
    """Sums over the modes of bins in |k|, additive over slabs; rows as in power.ModeSums.

    power  sums of |delta_k|^2 mu^(0, 2, 4), shape (rows, 3)
    mu     sums of mu^(0, 2, 4, 6, 8), shape (rows, 5)
    k      sum of |k| [k_f], shape (rows,);  modes  number of modes, int64, shape (rows,)
    """

    power: np.ndarray
    mu: np.ndarray
    k: np.ndarray
    modes: np.ndarray

    def __add__(self, other: "MultipoleSums") -> "MultipoleSums":
        return MultipoleSums(self.power + other.power, self.mu + other.mu, self.k + other.k, self.modes + other.modes)

    def reduce(self, ranks: Ranks) -> "MultipoleSums":
        """The sums over all ranks, the same on all."""
        return MultipoleSums(*map(ranks.allreduce, (self.power, self.mu, self.k, self.modes)))


@dataclass(frozen=True, eq=False)
class Multipoles:
    """Multipoles of the power of a contrast in bins of |k|; empty bins are left out, the first is k = 0, with power 0.

    k       mean |k| over the modes of a bin [h/Mpc], shape (bins,)
    power   P_0, P_2, P_4 [(cMpc/h)^3], shape (bins, 3)
    modes   number of modes, k and -k both counted, int64, shape (bins,)
    mixing  (2 l + 1) <L_l L_l'>, shape (bins, 3, 3): the identity in the limit of many modes; "sum" finds
            mixing @ (P_0, P_2, P_4)
    method  "sum" or "fit"
    bins    grid, box, width and axis
    """

    k: np.ndarray
    power: np.ndarray
    modes: np.ndarray
    mixing: np.ndarray
    method: str
    bins: Bins

    @classmethod
    def from_sums(cls, sums: MultipoleSums, bins: Bins, method: str = "sum") -> "Multipoles":
        """The multipoles from the sums over all modes of a grid, of an unnormalised transform of the contrast.

        Raises ValueError if modes are missing or were counted twice, and for unknown methods.
        """
        if method not in ("sum", "fit"):
            raise ValueError(f"method = {method}: must be sum or fit")
        counted, expected = int(sums.modes.sum()), prod(bins.cells)
        if counted != expected:
            raise ValueError(f"sums over {counted} modes of {expected}: slabs missing or counted twice")
        filled = sums.modes > 0
        modes = sums.modes[filled]
        weight = (2 * np.array(ORDERS) + 1)[:, None] * _LEGENDRE
        power = (sums.power[filled] / modes[:, None]) @ weight.T * (prod(bins.box_size) / expected**2)
        powers = np.add.outer(np.arange(3), np.arange(3))
        mixing = weight @ (sums.mu[filled] / modes[:, None])[:, powers] @ _LEGENDRE.T
        power[0] = 0
        if method == "fit":
            power[1:] = _solved(mixing[1:], power[1:])
        return cls(bins.fundamental * (sums.k[filled] / modes), power, modes, mixing, method, bins)

    def gaussian_error(self, error: np.ndarray) -> np.ndarray:
        """Standard deviations of "sum" for a Gaussian field whose power is isotropic [(cMpc/h)^3], shape (bins, 3).

        error  of P_0, as PowerSpectrum.error has it, shape (bins,)
        """
        return error[:, None] * np.sqrt((2 * np.array(ORDERS) + 1) * np.diagonal(self.mixing, axis1=1, axis2=2))


def _solved(mixing: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Multipoles that mix to `power`, NaN where the modes do not determine them."""
    singular = np.linalg.svd(mixing, compute_uv=False)
    determined = singular[:, -1] > _SINGULAR * singular[:, 0]
    solved = np.full_like(power, np.nan)
    solved[determined] = np.linalg.solve(mixing[determined], power[determined][..., None])[..., 0]
    return solved


def multipoles_of_modes(modes: Modes, bins: Bins, method: str = "sum") -> Multipoles:
    """Multipoles of a contrast from its complete modes; all ranks call this, and get the same.

    bins  in |k|; mu_axis is the axis, mu_bins is not used
    Raises ValueError for modes that are not complete or of other cells than the bins', and for unknown methods.
    """
    if not modes.complete:
        raise ValueError(f"modes of {modes.name}: must be complete for multipoles")
    domain = modes.domain
    sums = add_multipoles(modes.transform.values, domain.lines.start, bins, domain.backend).reduce(domain.ranks)
    # a product: a power of a Python float that is too large raises OverflowError
    return Multipoles.from_sums(replace(sums, power=sums.power / (modes.scale * modes.scale)), bins, method)


def add_multipoles(
    spectrum: np.ndarray, first_index: int, bins: Bins, backend: CPU | GPU | None = None
) -> MultipoleSums:
    """Sums over the modes of a slab of lines along y of an rfftn output, on all threads or on the card.

    spectrum     of a contrast, complex, shape (nx, lines, nz // 2 + 1), as parallel.fft.transform returns it
    first_index  along y of its first line
    bins         in |k|; mu_axis is the axis, mu_bins is not used
    backend      where the slab is. The sums do not depend on the number of threads
    Raises ValueError for slabs that do not fit.
    """
    backend = CPU() if backend is None else backend
    nx, ny, nz = bins.transform_shape
    lines = spectrum.shape[1] if spectrum.ndim == 3 else 0
    if spectrum.shape != (nx, lines, nz) or not 0 <= first_index <= ny - lines:
        raise ValueError(
            f"slab of shape {spectrum.shape} from line {first_index} on: no part of a transform of shape {(nx, ny, nz)}"
        )
    along = [bins.wavenumbers(axis) for axis in range(3)]
    along[1] = along[1][first_index : first_index + lines]
    rows, weights = bins.sums_shape[0], bins.weights()
    return MultipoleSums(*bin_powers_of_mu(spectrum, along, weights, bins.width, rows, bins.mu_axis, backend))
