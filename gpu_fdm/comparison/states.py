"""States that fits of m22 need: which are solved for, how long that takes, and solving them over ranks.

The spectra of a steady-state cylinder depend on one number, nu (spectra/scaled_filament.py), so that many filaments,
bosons and choices of a model need the same states.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from attrs import evolve

from ..config.config import Config
from ..config.shared_sections import DarkMatter, FilamentSection, WavefunctionSection
from ..errors import InputError, UnfitError
from ..filament.eigenstates import eigenstates
from ..filament.profile import Profile, SteadyStateCylinder
from ..parallel.backend import CPU, GPU
from ..parallel.balance import own_tasks
from ..parallel.ranks import Ranks
from ..pipeline.model import filaments, profile_of, weights_of
from ..pipeline.progress import progress
from ..pipeline.sizes import ModelSize
from ..spectra.scaled_filament import ScaledFilament

_NO_PLANE = 0.6  # of the time of exact spectra, without those in the plane


@dataclass(frozen=True)
class States:
    """The states of all cylinders of one nu, in units of r0/a; or of the one filament of a config, in code units.

    config  a filament and how weights are chosen: no more than what the states depend on
    nu      r0 sigma in code units, None for the filament of the config: a profile or weights from a table do not scale
    """

    config: Config
    nu: float | None

    @classmethod
    def scaled(cls, config: Config, nu: float, beta: float) -> "States":
        """The states of cylinders of one nu with an anisotropy, and the weights of a config."""
        return cls(Config(filament=FilamentSection(beta=beta), wavefunction=_across(config)), nu)

    @classmethod
    def own(cls, config: Config, m22: float) -> "States":
        """The states of the filament of a config for a boson mass [1e-22 eV]."""
        without: dict[str, Any] = dict.fromkeys(("single_power", "box", "power", "correlation", "figures"))
        return cls(replace(config, dark_matter=DarkMatter(m22), wavefunction=_across(config), **without), None)

    @property
    def profile(self) -> Profile:
        """The equilibrium."""
        if self.nu is None:
            return profile_of(self.config, filaments(self.config)[0])
        return SteadyStateCylinder(1.0, self.nu, self.config.filament.beta, 1.0)

    @property
    def seconds(self) -> float:
        """How long they take, roughly."""
        size = ModelSize(self.config, self.profile)
        return size.solving_seconds(self.config.wavefunction.weights) + _NO_PLANE * size.exact_seconds()

    def solve(self, k_max: float, backend: CPU | GPU) -> ScaledFilament:
        """Solve, and tabulate spectra up to k_max [1/L]; InputError where there is no state."""
        profile = self.profile
        try:
            library = eigenstates(profile, self.config.wavefunction.energy_cut, threads=backend.host.threads)
            weights = weights_of(self.config, profile, library)
        except UnfitError as error:
            raise InputError(f"a filament to fit with has {error}") from None
        return ScaledFilament.of(profile, library, weights.weight, k_max, backend, weights.method)


def _across(config: Config) -> WavefunctionSection:
    """[wavefunction] as far as states across the axis depend on it."""
    return evolve(config.wavefunction, axial="coherent", time=0.0)


Solved = Mapping[States, ScaledFilament]


def solve_all(needed: Mapping[States, float], ranks: Ranks, backend: CPU | GPU) -> dict[States, ScaledFilament]:
    """Solve states, each on one rank, the costliest first; all ranks call this and get all.

    needed  the largest k of each [1/L]
    Raises InputError where one has no state.
    """
    names = own_tasks({states: states.seconds for states in needed}, ranks)
    own, failed = {}, None
    with progress("filaments to fit with", len(names), ranks) as step:
        for states in names:
            try:
                own[states] = states.solve(needed[states], backend)
            except InputError as error:
                failed = error
                break
            step()
    ranks.raise_first(failed)
    return {states: filament for part in ranks.allgather(own) for states, filament in part.items()}
