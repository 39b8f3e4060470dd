"""MPI ranks: who owns which slab, and the few collectives that the program needs. Works without MPI.

Boxes are cut along x into slabs of any thickness. Nothing that a rank computes depends on how many there are.
"""

import os
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import RunError, reason

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


@dataclass(frozen=True)
class Ranks:
    """The ranks of a run, and this one among them.

    communicator  of mpi4py, or None for a single rank; Any, since it is asked where there are several ranks alone
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
        """Whether this is rank 0, who talks to the user."""
        return self.rank == 0

    @cached_property
    def _node(self):
        """The ranks on this rank's node."""
        from mpi4py import MPI

        return self.communicator.Split_type(MPI.COMM_TYPE_SHARED)

    @cached_property
    def local_rank(self) -> int:
        """Number of this rank on its node: picks its GPU."""
        return 0 if self.communicator is None else self._node.Get_rank()

    @cached_property
    def local_size(self) -> int:
        """Ranks on this node, who share its memory and CPUs."""
        return 1 if self.communicator is None else self._node.Get_size()

    def slab(self, planes: int, rank: int | None = None) -> tuple[int, int]:
        """First plane of a rank and the first that is no longer its own; slabs differ by one plane at most."""
        rank = self.rank if rank is None else rank
        return planes * rank // self.size, planes * (rank + 1) // self.size

    def slabs(self, planes: int) -> list[tuple[int, int]]:
        """The slabs of all ranks."""
        return [self.slab(planes, rank) for rank in range(self.size)]

    def allreduce(self, values):
        """Sum over ranks, element by element, the same on all: added in the order of the ranks."""
        if self.communicator is None:
            return values
        return sum(self.communicator.allgather(values))

    def allgather(self, value) -> list:
        """The value of each rank, in their order, on all."""
        return [value] if self.communicator is None else self.communicator.allgather(value)

    def bcast(self, value, root: int = 0):
        """What the owner has, on all."""
        return value if self.communicator is None else self.communicator.bcast(value, root=root)

    def on_root(self, work):
        """What work() returns on rank 0, on all; what it raises there is raised on all.

        For what must be done once, and for checks: all ranks then end in the same way, and rank 0 says why.
        """
        if self.communicator is None:
            return work()
        value = error = None
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

    def barrier(self):
        """Until all ranks are here."""
        if self.communicator is not None:
            self.communicator.Barrier()

    def abort(self, code: int):
        """End every rank of the run with an exit code; for a rank that failed while others wait for it."""
        if self.communicator is not None and self.size > 1:
            sys.stdout.flush()
            sys.stderr.flush()
            # launchers drop what they have not yet passed on when a job is aborted: leave them time for the message
            time.sleep(1.0)
            self.communicator.Abort(code)


SERIAL = Ranks()


def start_ranks() -> Ranks:
    """The ranks that this process was started with: MPI's COMM_WORLD under a launcher, else one.

    MPI is not touched without a launcher: on login nodes and in sandboxes its start can end the process.
    Raises RunError where a launcher started several processes but MPI cannot be had: each would then overwrite the
    other's results.
    """
    if not launched():
        return SERIAL
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py without an MPI library
        raise RunError(
            f"started by an MPI launcher, but MPI cannot be had: {reason(error)} "
            "(install mpi4py for the cluster's MPI, or pip install gpu_fdm[mpi])"
        ) from None
    return Ranks(MPI.COMM_WORLD) if MPI.COMM_WORLD.Get_size() > 1 else SERIAL


def launched() -> bool:
    """Whether an MPI launcher (mpirun, srun, ...) started this process, by what it leaves in the environment."""
    return any(name in os.environ for name in LAUNCHERS) or int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1
