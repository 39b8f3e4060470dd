"""MPI ranks: their shares of what is divided, and the few collectives that the program needs. Works without MPI.

Nothing that a rank computes depends on how many there are.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from ..errors import InputError, RunError, reason

Error = TypeVar("Error", InputError, RunError)

# what launchers set: Hydra (MPICH, Intel MPI, Cray), Open MPI, PMIx, MVAPICH, PALS, Flux, JSM; the last is for others
LAUNCHERS = (
    "PMI_RANK",
    "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE",
    "PMIX_RANK",
    "MV2_COMM_WORLD_SIZE",
    "MPI_LOCALNRANKS",
    "PALS_RANKID",
    "FLUX_TASK_RANK",
    "JSM_NAMESPACE_SIZE",
    "GPU_FDM_MPI",
)


# which of them, and of Slurm's, say how many processes there are
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "JSM_NAMESPACE_SIZE", "SLURM_STEP_NUM_TASKS")


@dataclass(frozen=True)
class Ranks:
    """The ranks of a run, and this one among them.

    communicator  of mpi4py, or None for a single rank; Any, since only several ranks use it
    """

    communicator: Any = field(default=None, repr=False)

    @cached_property
    def size(self) -> int:
        """Number of ranks."""
        return 1 if self.communicator is None else self.communicator.Get_size()

    @cached_property
    def rank(self) -> int:
        """Number of this rank."""
        return 0 if self.communicator is None else self.communicator.Get_rank()

    @property
    def is_root(self) -> bool:
        """Whether this is rank 0, which talks to the user."""
        return self.rank == 0

    @cached_property
    def _node(self) -> Any:
        """Communicator of the ranks on this rank's node."""
        from mpi4py import MPI

        return self.communicator.Split_type(MPI.COMM_TYPE_SHARED)

    @cached_property
    def local_rank(self) -> int:
        """Number of this rank on its node: picks its GPU."""
        return 0 if self.communicator is None else self._node.Get_rank()

    @cached_property
    def local_size(self) -> int:
        """Number of ranks on this node, which share its memory and CPUs."""
        return 1 if self.communicator is None else self._node.Get_size()

    def share(self, items: int, rank: int | None = None) -> tuple[int, int]:
        """First of the items of a rank, by default this one, and the first that is no longer its own.

        Shares differ by one item at most.
        """
        rank = self.rank if rank is None else rank
        return items * rank // self.size, items * (rank + 1) // self.size

    def allreduce(self, values: Any) -> Any:
        """Sum over ranks, element by element, the same on all: added in the order of the ranks."""
        if self.communicator is None:
            return values
        return sum(self.communicator.allgather(values))

    def allgather(self, value: Any) -> list[Any]:
        """The values of all ranks, in their order, on all."""
        return [value] if self.communicator is None else self.communicator.allgather(value)

    def allgather_on_node(self, value: Any) -> list[Any]:
        """The values of the ranks on this rank's node, in their order, on each of them."""
        return [value] * self.local_size if self.communicator is None else self._node.allgather(value)

    def bcast(self, value: Any, root: int = 0) -> Any:
        """The root's value, on all."""
        return value if self.communicator is None else self.communicator.bcast(value, root=root)

    def on_root(self, work: Callable[..., Any]) -> Any:
        """What work() returns on rank 0, on all; what it raises there is raised on all.

        Checks and writes that must happen once use this: all ranks then end in the same way, and rank 0 says why.
        """
        if self.communicator is None:
            return work()
        value: Any = None
        error: Any = None
        if self.is_root:
            try:
                value = work()
            except Exception as caught:  # noqa: BLE001 - it is raised again below, on every rank
                error = caught
        value, error = self.communicator.bcast((value, error), root=0)
        if error is not None:
            error.on_all_ranks = True
            raise error
        return value

    def raise_first(self, error: Exception | None) -> None:
        """Raise the error of the first rank that has one, on all; all ranks call this."""
        for rank, found in enumerate(self.allgather(None if error is None else (type(error), str(error)))):
            if found is not None:
                kind, message = found
                raised: Any = kind(f"{message} (rank {rank})" if self.size > 1 else message)
                raised.on_all_ranks = True
                raise raised

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        if self.communicator is not None:
            self.communicator.Barrier()

    def abort(self, code: int) -> None:
        """End every rank with an exit code: a rank that fails calls this, since others wait for it."""
        if self.communicator is not None and self.size > 1:
            sys.stdout.flush()
            sys.stderr.flush()
            # launchers drop what they have not yet passed on when a job is aborted: leave time for the message
            time.sleep(1.0)
            self.communicator.Abort(code)
            os._exit(code)  # some libraries return from it, and the launcher ends the process a little later


@dataclass(frozen=True)
class RanksToCome(Ranks):
    """Ranks that are not there, all on one node, for which a run is planned; they exchange nothing."""

    number: int = 1

    @property
    def size(self) -> int:
        """Number of ranks."""
        return self.number

    @property
    def local_size(self) -> int:
        """Number of ranks on this node."""
        return self.number


SERIAL = Ranks()


def on_all_ranks(error: Error) -> Error:
    """The error, marked as one that every rank raises, so that only rank 0 reports it."""
    error.on_all_ranks = True
    return error


def start_ranks() -> Ranks:
    """The ranks that this process was started with: MPI's COMM_WORLD under a launcher, else one.

    MPI is not touched without a launcher: on login nodes and in sandboxes its start can end the process.
    Raises RunError where a launcher started several processes but MPI cannot be imported: every process would then
    overwrite the others' results.
    """
    if not launched():
        return SERIAL
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py without an MPI library
        if launched_ranks() == 1:
            return SERIAL
        raise RunError(
            f"started by an MPI launcher, but MPI cannot be had: {reason(error)} "
            "(install mpi4py for the cluster's MPI, or pip install mpich)"
        ) from None
    return Ranks(MPI.COMM_WORLD) if MPI.COMM_WORLD.Get_size() > 1 else SERIAL


def launched() -> bool:
    """Whether an MPI launcher (mpirun, srun, ...) started this process, by what it leaves in the environment."""
    return any(name in os.environ for name in LAUNCHERS) or _number("SLURM_STEP_NUM_TASKS", 1) > 1


def launched_ranks() -> int | None:
    """How many processes the launcher started, by what it leaves in the environment; None where it does not say."""
    numbers = [_number(name, 0) for name in SIZES if name in os.environ]
    return max(numbers) or None if numbers else None


def _number(name: str, otherwise: int) -> int:
    """A number in the environment; another value for what is none."""
    text = os.environ.get(name, "").strip()
    return int(text) if text.isdecimal() else otherwise
