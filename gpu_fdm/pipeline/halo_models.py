"""Wave functions of the haloes of a box: each is solved on one rank, once, or taken from the cache, and lent to all."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ..config.cache_keys import key_of
from ..config.config import Config
from ..config.shared_sections import HaloSection
from ..fields.halo_box import HaloSource, halo_source
from ..haloes.states import HaloStates, ground_state, halo_states, halo_weights
from ..haloes.wavefunction import HaloWave, random_amplitudes
from ..io import schema
from ..io.cache import Cache
from ..io.result_file import Writer
from ..parallel.backend import CPU, GPU
from ..parallel.balance import own_tasks
from ..parallel.ranks import Ranks
from .gas_haloes import Halo, HaloSize, cut_of, errors_of, profile_of_halo, psi_tolerance
from .haloes import soliton_share
from .model import code_units, dtype_of

PROFILE_ROWS = 400
_KEYS = "cosmology", "dark_matter", "halo.energy_cut"  # of the states, beside the shape of a halo


@dataclass(frozen=True)
class HaloRecord:
    """The part of a halo that a result holds: small, so that it can be sent between ranks.

    masses  of |psi|^2, fdm, and of its phase average, smooth: what a box receives [Msun/h]
    """

    halo: Halo
    masses: dict[str, float]
    units: dict[str, float]
    states: dict[str, np.ndarray]
    state_attributes: dict[str, Any]
    profile: dict[str, np.ndarray]


class HaloModels:
    """The haloes of a config and, on each rank, the wave functions of those that it solves."""

    def __init__(
        self,
        config: Config,
        sizes: Sequence[HaloSize],
        *,
        ranks: Ranks,
        threads: int,
        cache: Cache | None = None,
        remember: bool = False,
    ):
        """Solve nothing yet; arguments as those of Models."""
        self.config, self.sizes, self.ranks, self.threads = config, list(sizes), ranks, threads
        self._cache, self._remember = cache, remember
        self._waves: dict[int, HaloWave] = {}
        self._records: dict[int, HaloRecord] = {}

    def __len__(self) -> int:
        return len(self.sizes)

    def sources(self, time: float, backend: CPU | GPU) -> Iterator[tuple[tuple[float, float, float], HaloSource]]:
        """Centre [cMpc/h] and psi of every halo in turn, on all ranks, at one time [Myr].

        Ranks tabulate one each and lend it to the others.
        """
        at, tolerance = time / code_units(self.config).time_myr, psi_tolerance(self.config)
        where = backend if self.ranks.size == 1 else backend.host  # ranks send tables to each other through the host
        for first in range(0, len(self), self.ranks.size):
            numbers = range(first, min(first + self.ranks.size, len(self)))
            own = {
                number: halo_source(self.wave(number), at, tolerance, dtype_of(self.config), where)
                for number in self._own(numbers)
            }
            shared = {number: source for part in self.ranks.allgather(own) for number, source in part.items()}
            for number in numbers:
                yield self.sizes[number].halo.centre, shared.pop(number)

    def wave(self, number: int) -> HaloWave:
        """The wave function of a halo, solved on this rank where it is not known."""
        wave = self._waves.get(number) or self._solved(self.sizes[number].halo)
        if self._remember:
            self._waves[number] = wave
        if number not in self._records:
            self._records[number] = _record_of(self.config, self.sizes[number].halo, wave)
        return wave

    def records(self) -> list[HaloRecord]:
        """Records of all haloes, in their order, on all ranks; solves those that nobody has asked for. All call."""
        known = {number for part in self.ranks.allgather(set(self._records)) for number in part}
        for number in self._own(sorted(set(range(len(self))) - known)):
            self.wave(number)
        gathered = {number: found for part in self.ranks.allgather(self._records) for number, found in part.items()}
        return [gathered[number] for number in sorted(gathered)]

    def _own(self, numbers: Iterable[int]) -> list[int]:
        return own_tasks({number: self.sizes[number].states for number in numbers}, self.ranks)

    def _solved(self, halo: Halo) -> HaloWave:
        config, section = self.config, self.config.halo or HaloSection()
        states, profile, share = self._states(halo), profile_of_halo(config, halo), soliton_share(config, halo.mass)
        with errors_of(config, halo):
            weight = halo_weights(profile, states, share)
        fixed = np.full(len(states), section.statistics == "fixed")
        if share is not None:
            fixed |= ground_state(states)
        return HaloWave(states, weight, random_amplitudes(states, halo.seed, halo.stream, fixed))

    def _states(self, halo: Halo) -> HaloStates:
        name = f"halo-{halo.number:02d}"
        shape = {key: getattr(halo, key) for key in ("mass", "radius", "concentration", "core")}
        key = key_of(self.config, "halo", _KEYS, **shape)
        if self._cache is not None and (arrays := self._cache.load(name, key)) is not None:
            values: dict[str, Any] = {key: value if value.ndim else value.item() for key, value in arrays.items()}
            return HaloStates(**values)
        with errors_of(self.config, halo):
            states = halo_states(profile_of_halo(self.config, halo), cut_of(self.config), threads=self.threads)
        if self._cache is not None:
            self._cache.store(name, key, {f.name: np.asarray(getattr(states, f.name)) for f in fields(HaloStates)})
        return states


def _record_of(config: Config, halo: Halo, wave: HaloWave) -> HaloRecord:
    states, units, section = wave.states, code_units(config), config.halo or HaloSection()
    to_mass = units.mean_matter_density * units.length**3
    radius = np.geomspace(1e-3, 1, PROFILE_ROWS) * states.radius_max
    return HaloRecord(
        halo=halo,
        masses={"fdm": wave.mass * to_mass, "smooth": wave.mean_mass * to_mass},
        units={"length_unit": units.length, "velocity_unit": units.velocity},
        states={"n": states.n, "l": states.l, "energy": states.energy, "weight": np.asarray(wave.weight)},
        state_attributes={
            "statistics": section.statistics,
            "soliton": section.soliton,
            "largest_l": int(states.l[-1]),
            "energy_cut": states.energy_cut,
            "weight_sum": wave.mean_mass / states.mass,
        },
        profile={
            "radius": radius * units.length,
            "density": profile_of_halo(config, halo).density(radius),
            "density_states": wave.mean_density(radius),
        },
    )


def write_halo(file: Writer, record: HaloRecord) -> None:
    """Write /haloes/<number>: attributes, states and profile."""
    folder = f"/{schema.HALOES}/{schema.filament(record.halo.number)}"
    shape = {key: value for key, value in asdict(record.halo).items() if key not in ("number", "line")}
    file.attributes(folder, **shape, **record.units, **{f"mass_{name}": mass for name, mass in record.masses.items()})
    states = dict(record.states)
    file.dataset(f"{folder}/states/energy", states.pop("energy"), scale=record.units["velocity_unit"] ** 2)
    file.group(f"{folder}/states", states, **record.state_attributes)
    file.group(f"{folder}/profile", record.profile)


def describe_haloes(records: Sequence[HaloRecord]) -> str:
    """One line: how many haloes and states, and how much of their mass is in these."""
    counts = [len(record.states["n"]) for record in records]
    whole = sum(record.masses["smooth"] / record.state_attributes["weight_sum"] for record in records)
    share = sum(record.masses["smooth"] for record in records) / whole
    how_many = f"{counts[0]}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    each, whose = ("", "its") if len(counts) == 1 else (" each", "their")
    return (
        f"{len(records)} halo{'' if len(records) == 1 else 'es'} with {how_many} states (n, l){each}, l up to "
        f"{max(record.state_attributes['largest_l'] for record in records)}, {100 * share:.2f} % of {whose} mass"
    )
