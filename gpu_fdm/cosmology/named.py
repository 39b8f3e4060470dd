"""Named cosmologies, with the numbers of astropy.cosmology, which is not imported for them.

H0, Om0 and Ob0 are attributes of astropy's cosmologies, n_s and sigma8 are in their `meta`. Om0 leaves massive
neutrinos out: omega_m, of all matter, is Om0 + m_nu/(93.14 eV h^2). Masses of 0, 0 and 0.06 eV (since Planck13) become
three of 0.02 eV, of which A_s follows from sigma8: for Planck18 it is 0.5 % below the published one, with which one
neutrino of 0.06 eV gives 0.8103, three give 0.8123. Expansion leaves radiation out, which astropy has, and the
microwave background is that of CAMB, 2.7255 K.
"""

from attrs import frozen

from .parameters import NEUTRINO_MASS


@frozen
class NamedCosmology:
    """H0 [km/s/Mpc], densities of cold dark matter and baryons (Om0) and of baryons (Ob0), m_nu [eV], n_s, sigma8."""

    H0: float
    Om0: float
    Ob0: float
    m_nu: float
    n_s: float
    sigma8: float

    @property
    def values(self) -> dict[str, float]:
        """h, omega_m, omega_b_h2, m_nu, n_s and sigma8, as in [cosmology], to ten digits."""
        h = self.H0 / 100
        values = {
            "h": h,
            "omega_m": self.Om0 + self.m_nu / NEUTRINO_MASS / h**2,
            "omega_b_h2": self.Ob0 * h**2,
            "m_nu": self.m_nu,
            "n_s": self.n_s,
            "sigma8": self.sigma8,
        }
        return {name: float(f"{value:.10g}") for name, value in values.items()}


NAMED = {
    "Planck18": NamedCosmology(67.66, 0.30966, 0.04897, 0.06, 0.9665, 0.8102),
    "Planck15": NamedCosmology(67.74, 0.3075, 0.0486, 0.06, 0.9667, 0.8159),
    "Planck13": NamedCosmology(67.77, 0.30712, 0.048252, 0.06, 0.9611, 0.8288),
    "WMAP9": NamedCosmology(69.32, 0.2865, 0.04628, 0.0, 0.9608, 0.82),
    "WMAP7": NamedCosmology(70.4, 0.272, 0.0455, 0.0, 0.967, 0.81),
    "WMAP5": NamedCosmology(70.2, 0.277, 0.0459, 0.0, 0.962, 0.817),
    "WMAP3": NamedCosmology(70.1, 0.276, 0.0454, 0.0, 0.946, 0.784),
    "WMAP1": NamedCosmology(72.0, 0.257, 0.0436, 0.0, 0.96, 0.75),
}
