"""Chains of an ensemble sampler and their file, HDF5 as emcee lays it out: group mcmc with chain and log_prob.

ArviZ (from_emcee), emcee's HDFBackend and, through arrays, GetDist read it. The file also has the state of the random
numbers after its last step, so that a chain goes on with the same bits, and the settings that it was made with.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from .. import __version__
from ..errors import InputError
from ..io.hdf5 import open_result
from ..io.result_file import atomic_hdf5
from ..quantities import takes_numbers
from ..values import brief

GROUP = "mcmc"
VERSION = "3.1.6"  # of emcee, whose layout this is
BURN_IN = 5.0  # autocorrelation times that are left out at the beginning


@brief
@takes_numbers
@frozen(eq=False)
class Chain:
    """Steps of an ensemble of walkers.

    names    of the parameters, shape (parameters,)
    points   shape (steps, walkers, parameters)
    log_density  ln of the posterior density, but for a constant, shape (steps, walkers)
    accepted  number of accepted proposals of each walker, shape (walkers,)
    refused   number of proposals for which there was no prediction
    random    state of the random numbers, as numpy.random.RandomState.get_state gives it
    settings  what the chain was made with, by name
    """

    names: tuple[str, ...]
    points: NDArray
    log_density: NDArray
    accepted: NDArray
    refused: int
    random: tuple
    settings: dict[str, str]

    @property
    def steps(self) -> int:
        """Number of steps of each walker."""
        return len(self.points)

    @property
    def autocorrelation_times(self) -> NDArray:
        """Integrated autocorrelation time of each parameter [steps], shape (parameters,); infinite for no steps.

        By emcee: the window is five times the time itself (Sokal), over the mean of the walkers' correlations.
        """
        if self.steps < 2:
            return np.full(len(self.names), np.inf)
        from emcee.autocorr import integrated_time

        with np.errstate(invalid="ignore", divide="ignore"):
            times = integrated_time(self.points, tol=0, quiet=True)
        return np.where(np.isfinite(times), times, np.inf)

    @property
    def longest(self) -> float:
        """The longest of the autocorrelation times [steps]."""
        return float(np.max(self.autocorrelation_times))

    def samples(self) -> NDArray:
        """Points without the burn-in of BURN_IN autocorrelation times, of all walkers, shape (samples, parameters)."""
        return self.points[self._first :].reshape(-1, len(self.names))

    def log_densities(self) -> NDArray:
        """ln of the posterior density of the samples, shape (samples,)."""
        return self.log_density[self._first :].ravel()

    @property
    def _first(self) -> int:
        return int(min(BURN_IN * self.longest, self.steps // 2))


def write_chain(chain: Chain, path: str | Path) -> None:
    """Write a chain; the file of the name is replaced when the new one is complete."""
    steps, walkers, parameters = chain.points.shape
    state = {f"random_state_{number}": value for number, value in enumerate(chain.random)}
    with atomic_hdf5(Path(path), None) as writer:
        writer.attributes("/", version=__version__)
        writer.attributes(
            GROUP,
            version=VERSION,
            nwalkers=walkers,
            ndim=parameters,
            has_blobs=False,
            iteration=steps,
            refused=chain.refused,
            names=list(chain.names),
            settings=json.dumps(chain.settings),
            **state,
        )
        writer.dataset(f"{GROUP}/chain", chain.points)
        writer.dataset(f"{GROUP}/log_prob", chain.log_density)
        writer.dataset(f"{GROUP}/accepted", chain.accepted)


def read_chain(path: str | Path) -> Chain:
    """Read a chain; InputError for a file that is none."""
    with open_result(path) as file:
        if GROUP not in file or "settings" not in file[GROUP].attrs:
            raise InputError(f"{path}: holds no chain of gpu-fdm fit")
        group: Any = file[GROUP]
        state = tuple(group.attrs[f"random_state_{number}"] for number in range(5))
        return Chain(
            tuple(group.attrs["names"]),
            group["chain"][()],
            group["log_prob"][()],
            group["accepted"][()],
            int(group.attrs["refused"]),
            (state[0], np.asarray(state[1], np.uint32), int(state[2]), int(state[3]), float(state[4])),
            json.loads(group.attrs["settings"]),
        )


def require_same(chain: Chain, settings: dict[str, str], path: str | Path) -> None:
    """InputError that names the first setting of a chain that is another one now."""
    for name in {**chain.settings, **settings}:
        then, now = chain.settings.get(name, "none"), settings.get(name, "none")
        if then != now:
            of_chain = "table, --covariance, --k-min and --k-max" if name.startswith("table ") else "settings"
            how = f"give another --output, or the {of_chain} of the chain"
            raise InputError(f"{path}: a chain of another {name}, {then}: now {now}: {how}")
