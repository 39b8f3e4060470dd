"""A likelihood for cobaya: tables of boosts and spectra of a population of filaments.

    likelihood:
      gpu_fdm.inference.cobaya.Filaments:
        tables: [boost.csv, power.csv]
        config: mine.ini
    params:
      ln_m22: {prior: {min: -0.6, max: 2}}
      ln10As: {prior: {dist: norm, loc: 3.044, scale: 0.014}}

Sampled, fixed or derived by cobaya are any of ln_m22 (or m22), filament_fraction, ln10As, n_s, ln_mass_min (or
mass_min), and omega_m where [fit] of the ini has a prior of it, between whose ends it may lie; other priors there do
not count, k_min and k_max do. What is not given is as in the ini. Where there is no prediction, the likelihood is 0.

The log has one warning in each process, of the first point with filaments that their modes do not describe (nu < 0.9:
too few modes). The likelihood stays as it is, and masses that are found there are those of a model that does not hold:
take priors beyond, or a larger one_filament.mass_min.
"""

from collections.abc import Sequence

import numpy as np
from cobaya.likelihood import Likelihood as CobayaLikelihood

from ..config.config import read_model
from ..config.fit_section import LOGARITHMIC, PARAMETERS
from ..errors import InputError
from ..parallel.blas import on_one_thread
from .likelihood import Likelihood
from .measured import read_measured
from .reach import doubt_of


class Filaments(CobayaLikelihood):
    """The likelihood of gpu-fdm fit.

    tables      files of boosts and spectra, with redshift and errors
    covariance  a file, or null, for each table; or null
    config      ini of the model, or null for its defaults;  set  texts section.key=value that replace its values
    gaussian    what has Gaussian errors: ln of the values, or the values themselves (linear)
    """

    tables: Sequence[str] = ()
    covariance: Sequence[str | None] | None = None
    config: str | None = None
    set: Sequence[str] = ()
    gaussian: str = "ln"

    def initialize(self) -> None:
        """Read the tables and prepare the predictions; InputError for what is wrong with them."""
        if not self.tables:
            raise InputError("gpu_fdm.inference.cobaya.Filaments: tables: must name at least one file")
        model = read_model(self.config, self.set, "fit")
        ranged = model.fit is not None and model.fit.omega_m is not None
        self.known = tuple(name for name in PARAMETERS if ranged or name != "omega_m")
        files = self.covariance or [None] * len(self.tables)
        if len(files) != len(self.tables):
            raise InputError(f"covariance: {len(files)} given: must be one a table, {len(self.tables)}, or null")
        pairs = zip(self.tables, files, strict=True)
        limits = (None, None) if model.fit is None else (model.fit.k_min, model.fit.k_max)
        self.warned = False
        self.likelihood = Likelihood.of(model, [read_measured(*pair, self.gaussian, *limits) for pair in pairs])

    def get_can_support_params(self) -> list[str]:
        """Names of the parameters that it understands."""
        return [*self.known, *(f"ln_{name}" for name in LOGARITHMIC)]

    @on_one_thread
    def logp(self, _derived: dict | None = None, **params: float) -> float:
        """ln of the likelihood of parameters."""
        values = {name: value for name, value in params.items() if name in self.known}
        values |= {name: float(np.exp(params[f"ln_{name}"])) for name in LOGARITHMIC if f"ln_{name}" in params}
        if "m22" not in values:
            raise InputError("gpu_fdm.inference.cobaya.Filaments: must have a parameter ln_m22 or m22")
        try:
            predicted = self.likelihood.predicted(**values)
            found = self.likelihood.of_predicted(predicted)
        except InputError:
            return -np.inf
        if not self.warned and (doubt := doubt_of(predicted.values())):
            self.warned = True
            at = ", ".join(f"{name} = {values[name]:.4g}" for name in self.known if name in values)
            self.log.warning("at %s %s; other such points are not told", at, doubt)
        return found
