"""The background cosmology: flat, matter and a cosmological constant."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cosmology:
    """h = H0/(100 km/s/Mpc), omega_m today, and the redshift at which everything happens."""

    h: float = 0.6731
    omega_m: float = 0.314649
    redshift: float = 4.0

    @property
    def scale_factor(self) -> float:
        """a = 1/(1 + z)."""
        return 1 / (1 + self.redshift)
