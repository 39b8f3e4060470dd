"""The section of a fit: priors of the parameters that gpu-fdm fit samples, and its sampler."""

from attrs import frozen

from ..io.kinds import Choice, Maybe, Number, option
from .priors import Prior, PriorOf
from .section import BOSON_MASS, ErrorOfKey, Section


@frozen
class FitSection(Section):
    """Priors and sampler of gpu-fdm fit: posterior of the boson mass of a population, with nuisance parameters."""

    m22: Prior = option(
        Prior("log_uniform", 0.5, 10.0),
        PriorOf(True, BOSON_MASS.low, BOSON_MASS.high),
        "boson mass; sampled is its ln",
        "1e-22 eV",
    )
    filament_fraction: Prior = option(
        Prior.fixed(1.0),
        PriorOf(False, 0.0, 1e3),
        "factor of one-filament spectra: the part of the model's filaments that there is",
    )
    ln10As: Prior | None = option(
        None, Maybe(PriorOf(False, 0.0, 10.0)), "ln(10^10 A_s) of the primordial power; empty: that of [cosmology]"
    )
    n_s: Prior | None = option(None, Maybe(PriorOf(False, 0.0, 3.0)), "its slope; empty: that of [cosmology]")
    mass_min: Prior | None = option(
        None,
        Maybe(PriorOf(True, 1.0, 1e18)),
        "mass of the lightest filament; sampled is its ln; empty: that of [one_filament]",
        "Msun/h",
    )
    omega_m: Prior | None = option(
        None,
        Maybe(PriorOf(False, 1e-3, 1.0)),
        "density of all matter today, at the same h, omega_b_h2 and m_nu; empty: that of [cosmology]",
    )
    gaussian: str = option(
        "ln", Choice(("ln", "linear")), "what has Gaussian errors: the logarithm of a table's boost or power, or itself"
    )
    k_min: float | None = option(
        None, Maybe(Number(1e-6, 1e9)), "smallest wavenumber of the rows that are compared; empty: all", "h/Mpc"
    )
    k_max: float | None = option(
        None, Maybe(Number(1e-6, 1e9)), "largest wavenumber of the rows that are compared; empty: all", "h/Mpc"
    )
    walkers: int = option(32, Number(4, 10_000, integer=True), "number of walkers of the ensemble, an even one")
    steps: int = option(20_000, Number(10, 10**8, integer=True), "largest number of steps of each walker")
    autocorrelation_times: float = option(
        50.0, Number(5, 1e6), "number of autocorrelation times after which a chain is long enough, and ends"
    )

    def check_keys(self, error: ErrorOfKey) -> None:
        if self.k_min is not None and self.k_max is not None and self.k_min >= self.k_max:
            raise error("k_max", f"must be larger than k_min = {self.k_min:g}")
        free = sum(not getattr(self, name).is_fixed for name in PARAMETERS if getattr(self, name) is not None)
        if self.walkers % 2 or self.walkers < 2 * free:
            raise error("walkers", f"must be even, and at least twice the number of free parameters, {free}")


PARAMETERS = ("m22", "filament_fraction", "ln10As", "n_s", "mass_min", "omega_m")  # of a fit, the keys of [fit]
LOGARITHMIC = ("m22", "mass_min")  # those of which ln is sampled
