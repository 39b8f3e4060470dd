"""Power spectra of haloes of every mass and boson from a few numbers: no states are solved for.

Lengths in the radius R of the mass definition and velocities in v = sqrt(M/(4 pi a R)) leave three numbers in the
equation of the states of a cored NFW halo, nu = m R v/hbar = sqrt(a R M/(4 pi)), concentration and core/R. The core of
Schive et al. 2014 is a wavelength: core/R = A/nu, with A the same for all masses and bosons at one redshift, and a
soliton's share of the mass is B/nu. So a spectrum over M^2 depends on nu and the concentration alone. Rows of the table
are over x = k/k_end, where the semiclassical fringes end, for nodes of nu and c:

    ln fringes      what is beside the smooth part: interference, less the self term of the states of fixed amplitude
    nu^1.4 deficit  the form factor of the density of the states, less that of the density below the energy cut

Up to l_max = exact_l_max nodes are sums over states. Beyond, fringes are the semiclassical limit times a ratio, whose
difference from one falls as between the last exact nodes, an octave apart, and so do deficits.
"""

from functools import cached_property

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from ..errors import InputError
from ..parallel.backend import CPU, GPU
from ..splines import along_rows, piecewise
from .form_table import lagrange
from .halo import halo_spectrum
from .laws import CoredNFW
from .profile import SphericalProfile
from .semiclassical import semiclassical_fringes, smooth_below
from .states import energy_cut, largest_angular_momentum

NU_MIN = 2.0  # the smallest nu: 2 states, for a core of half of the radius
FINE_UP_TO, FINE_NODES = 8.0, 9  # nu up to which nodes are closer, for states enter one by one, and their number
STEP = 2**0.5  # between exact nodes beyond, and twice in its logarithm between the others
_LOG_X = np.linspace(np.log(5e-4), np.log(1.3), 64)
X = np.exp(_LOG_X)
_LAST_LIMIT = 0.85  # x up to which the semiclassical limit counts: it vanishes at 1
_NARROW, _CONCENTRATIONS = 1.03, 3  # range of c below which one node is enough, and nodes of wider ranges
_LEAST = 1e-30  # of fringes, so that they have a logarithm
_POWER = 1.4  # of nu, that of the deficit but for slow changes
_OCTAVE = 2  # nodes in a doubling of nu
_FALLS = 0.2, 1.0  # limits of the ratio of deficits, and of what fringes lack of their limit, where nu doubles


@frozen
class HaloScaling:
    """What haloes of every mass and boson have in common at one redshift.

    core          A, core/R times nu;  soliton  B, soliton's share of the mass times nu, None for no soliton
    energy_cut    mass fraction;  statistics  fixed or gaussian, of the amplitudes
    exact_l_max   largest l of sums over states
    Raises InputError for values out of range.
    """

    core: float
    soliton: float | None = None
    energy_cut: float = 0.99
    statistics: str = "fixed"
    exact_l_max: int = 140

    def __attrs_post_init__(self) -> None:
        if not 0 < self.core < NU_MIN:
            raise InputError(
                f"core radius = {self.core / NU_MIN:.3g} of the radius of a halo of nu = {NU_MIN:g}: must be below 1 "
                "(lower core_factor)"
            )
        if not 16 <= self.exact_l_max <= 1000:
            raise InputError(f"exact_l_max = {self.exact_l_max}: must be in [16, 1000]")

    def profile(self, nu: float, concentration: float) -> SphericalProfile:
        """The halo in lengths of R, with a = 1."""
        return SphericalProfile(CoredNFW(1 / concentration, self.core / nu, 1.0), 4 * np.pi * nu**2, 1.0)

    def l_max(self, nu: float, concentration: float) -> int:
        """Largest l of the states."""
        return largest_angular_momentum(self.profile(nu, concentration), self.energy_cut)

    def nodes(self, nu_max: float, concentration: float) -> tuple[NDArray, int]:
        """Nodes of nu up to nu_max and beyond, and how many of them are exact."""
        exact = np.geomspace(NU_MIN, FINE_UP_TO, FINE_NODES).tolist()
        while exact[-1] < nu_max and self.l_max(exact[-1] * STEP, concentration) <= self.exact_l_max:
            exact.append(exact[-1] * STEP)
        nodes = list(exact)
        while nodes[-1] < nu_max:
            nodes.append(nodes[-1] * STEP**2)
        return np.array(nodes), len(exact)


@frozen(eq=False)
class Row:
    """One node: fringes and deficits at X, and the end of fringes over nu [1/R]."""

    fringes: NDArray
    deficit: NDArray
    end: float


def exact_row(scaling: HaloScaling, nu: float, concentration: float, backend: CPU | GPU | None = None) -> Row:
    """A node by sums over states."""
    profile = scaling.profile(nu, concentration)
    end = _end(profile, scaling.energy_cut)
    k = X * end
    spectrum = halo_spectrum(
        profile,
        k,
        mass_fraction=scaling.energy_cut,
        soliton_share=None if scaling.soliton is None else min(scaling.soliton / nu, 1.0),
        fixed_amplitudes=scaling.statistics == "fixed",
        route="exact",
        backend=backend,
    )
    below = smooth_below(profile, k, scaling.energy_cut)
    amplitude = np.sqrt(spectrum.smooth)  # of one sign, for the density of a cored halo falls smoothly
    fringes = np.maximum(spectrum.power - spectrum.smooth, _LEAST)
    return Row(fringes, amplitude - below, end / nu)


def limit_row(scaling: HaloScaling, nu: float, concentration: float) -> Row:
    """A node in the semiclassical limit: fringes of Gaussian amplitudes, and no deficit."""
    profile = scaling.profile(nu, concentration)
    end = _end(profile, scaling.energy_cut)
    fringes = np.maximum(semiclassical_fringes(profile, X * end, scaling.energy_cut), _LEAST)
    return Row(fringes, np.zeros(len(X)), end / nu)


def _end(profile: SphericalProfile, mass_fraction: float) -> float:
    """Twice the largest momentum of the states."""
    return float(
        2 * profile.scale_factor * np.sqrt(2 * (energy_cut(profile, mass_fraction) - profile.central_potential))
    )


@frozen(eq=False)
class HaloTable:
    """Rows of a scaling by node of nu, node of the concentration, and X.

    nu, concentration  shape (nu,), (c,);  exact  number of exact nodes of nu
    log_fringes, deficit  shape (nu, c, X), the second times nu^1.4
    end                shape (nu, c)
    """

    scaling: HaloScaling
    nu: NDArray = field(converter=np.asarray)
    concentration: NDArray = field(converter=np.asarray)
    exact: int
    log_fringes: NDArray = field(converter=np.asarray)
    deficit: NDArray = field(converter=np.asarray)
    end: NDArray = field(converter=np.asarray)

    def parts(self, nu: ArrayLike, concentration: ArrayLike, q: ArrayLike) -> tuple[NDArray, NDArray, NDArray]:
        """Fringes over M^2, deficit of the form factor, and that at k = 0.

        nu, concentration  of each halo, shape (haloes,);  q  k R, shape (haloes, k), positive
        Returns shapes (haloes, k), (haloes, k), (haloes,). Raises InputError for nu or c out of the table.
        """
        nu, c, q = (np.asarray(values, float) for values in (nu, concentration, q))
        self._check("nu", nu, self.nu)
        weight = self._spline(np.log(nu))[:, :, None] * self._of_concentration(c)[:, None, :]
        weight = weight.reshape(len(nu), -1)

        def of(rows: NDArray) -> NDArray:
            return weight @ rows.reshape(weight.shape[1], -1)

        x = np.log(q / (np.exp(of(np.log(self.end))) * nu[:, None]))
        position = np.clip(x, _LOG_X[0], _LOG_X[-1])
        splines = of(self._splines).reshape(len(nu), 2, len(X) - 1, 4)
        log_fringes, deficit = (along_rows(_LOG_X, splines[:, part], position) for part in (0, 1))
        # below the first x fringes go on as a power of k, at least the first
        slope = of(self.log_fringes[..., 1] - self.log_fringes[..., 0]) / (_LOG_X[1] - _LOG_X[0])
        log_fringes += np.maximum(slope, 0) * np.minimum(x - _LOG_X[0], 0)
        inside, scale = x <= _LOG_X[-1], nu[:, None] ** -_POWER
        return np.exp(log_fringes) * inside, deficit * scale * inside, (of(self.deficit[..., 0]) * scale)[:, 0]

    @property
    def exact_nu(self) -> float:
        """Largest nu of sums over states."""
        return float(self.nu[self.exact - 1])

    @property
    def arrays(self) -> dict[str, NDArray]:
        """All that makes the table, but for its scaling."""
        names = ("nu", "concentration", "exact", "log_fringes", "deficit", "end")
        return {name: np.asarray(getattr(self, name)) for name in names}

    @classmethod
    def from_arrays(cls, scaling: HaloScaling, arrays: dict[str, NDArray]) -> "HaloTable":
        """The table of `arrays`."""
        rows = {name: values for name, values in arrays.items() if name != "exact"}
        return cls(scaling, exact=int(arrays["exact"]), **rows)

    def _check(self, name: str, values: NDArray, nodes: NDArray) -> None:
        low, high = float(nodes[0]), float(nodes[-1])
        for outside in values[~((values >= low * (1 - 1e-9)) & (values <= high * (1 + 1e-9)))][:1]:
            raise InputError(f"{name} = {outside:.4g}: must be in [{low:g}, {high:g}], as the table of haloes has it")

    @cached_property
    def _spline(self) -> CubicSpline:
        return CubicSpline(np.log(self.nu), np.eye(len(self.nu)))

    @cached_property
    def _splines(self) -> NDArray:
        """Those of fringes and deficits in ln X."""
        return piecewise(_LOG_X, np.stack([self.log_fringes, self.deficit], axis=2))

    def _of_concentration(self, c: NDArray) -> NDArray:
        """Weights of the nodes of the concentration, shape (haloes, c)."""
        return lagrange(np.log(self.concentration), np.log(c))


def concentration_nodes(low: float, high: float) -> NDArray:
    """Nodes for concentrations of a range, shape (c,)."""
    if high < _NARROW * low:
        return np.array([np.sqrt(low * high)])
    middle, half = np.log(low * high) / 2, np.log(high / low) / 2
    x = -np.cos(np.pi * (np.arange(_CONCENTRATIONS) + 0.5) / _CONCENTRATIONS)
    return np.exp(middle + half * x)


def halo_table(
    scaling: HaloScaling, nu_max: float, concentrations: ArrayLike, backend: CPU | GPU | None = None
) -> HaloTable:
    """Make a table for nu up to nu_max and nodes of the concentration; the last exact nodes take most of the time."""
    c = np.atleast_1d(np.asarray(concentrations, float))
    nu, exact = scaling.nodes(nu_max, float(np.exp(np.mean(np.log(c)))))

    def make(value: float, each: float, is_exact: bool) -> Row:
        return exact_row(scaling, value, each, backend) if is_exact else limit_row(scaling, value, each)

    fringes, deficit = np.empty((2, len(nu), len(c), len(X)))
    end = np.empty((len(nu), len(c)))
    for column, each in enumerate(c.tolist()):
        found = [make(value, each, number < exact) for number, value in enumerate(nu.tolist())]
        end[:, column] = [row.end for row in found]
        last = found[exact - 1]
        fringes[:, column] = [np.log(row.fringes) for row in found]
        deficit[:exact, column] = [row.deficit * value**_POWER for row, value in zip(found[:exact], nu, strict=False)]
        before = found[exact - 1 - _OCTAVE]
        fall = _fall(before.deficit, last.deficit)
        if exact < len(nu):
            limits = [make(float(nu[exact - 1 - _OCTAVE]), each, False), make(float(nu[exact - 1]), each, False)]
            lacks = [1 - row.fringes / limit.fringes for row, limit in zip((before, last), limits, strict=True)]
            of_lack, edge = _fall(*lacks), int(np.searchsorted(X, _LAST_LIMIT))
            for number in range(exact, len(nu)):
                doublings = np.log2(nu[number] / nu[exact - 1])
                ratio = (1 - lacks[1] * of_lack**doublings) / (1 - lacks[1])
                grown = fringes[number, column] - np.log(limits[1].fringes) + np.log(ratio)
                grown[edge:] = grown[edge]
                fringes[number, column] = np.log(last.fringes) + grown
                deficit[number, column] = last.deficit * fall**doublings * nu[number] ** _POWER
    return HaloTable(scaling, nu, c, exact, fringes, deficit, end)


def _fall(before: NDArray, after: NDArray) -> NDArray:
    """The ratio of two parts an octave apart, within limits; shape (X,)."""
    ratio = np.divide(after, before, out=np.full(len(after), _FALLS[1]), where=before != 0)
    return np.clip(ratio, *_FALLS)
