"""MPI ranks: who owns which slab, and the few collectives that the program needs. Works without MPI.

Boxes are cut along x into slabs of any thickness. Nothing that a rank computes depends on how many there are.
"""

import os
import sys
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

NO_MPI = "GPU_FDM_NO_MPI"  # set in the environment: do not start MPI, run on one rank


@dataclass(frozen=True)
class Ranks:
    """The ranks of a run, and this one among them.

    communicator  of mpi4py, or None for a single rank
    """

    communicator: object = field(default=None, repr=False)

    @cached_property
    def size(self) -> int:
        """Number of ranks."""
        return 1 if self.communicator is None else self.communicator.Get_size()

    @cached_property
    def rank(self) -> int:
        """Number of this rank."""
        return 0 if self.communicator is None else self.communicator.Get_rank()

    @property
    def first(self) -> bool:
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

    def total(self, values):
        """Sum over ranks, element by element, the same on all: added in the order of the ranks."""
        if self.communicator is None:
            return values
        return sum(self.communicator.allgather(values))

    def most(self, value):
        """Largest over ranks."""
        return value if self.communicator is None else max(self.communicator.allgather(value))

    def everyone(self, value) -> list:
        """The value of each rank, in their order, on all."""
        return [value] if self.communicator is None else self.communicator.allgather(value)

    def from_owner(self, value, owner: int):
        """What the owner has, on all; objects with large arrays travel as buffers."""
        return value if self.communicator is None else self.communicator.bcast(value, root=owner)

    def array_from_owner(self, array, shape, dtype, owner: int):
        """A NumPy array that the owner has, on all; shape and dtype are known to all."""
        if self.communicator is None:
            return array
        if self.rank != owner:
            array = np.empty(shape, dtype)
        # in pieces: message sizes in MPI are 32-bit numbers
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for start in range(0, len(flat), _PIECE):
            self.communicator.Bcast(flat[start : start + _PIECE], root=owner)
        return flat.view(dtype).reshape(shape)

    def wait(self):
        """Until all ranks are here."""
        if self.communicator is not None:
            self.communicator.Barrier()

    def stop_all(self, code: int):
        """End every rank of the run with an exit code; for a rank that failed while others wait for it."""
        if self.communicator is not None and self.size > 1:
            sys.stdout.flush()
            sys.stderr.flush()
            self.communicator.Abort(code)


_PIECE = 1 << 30
ALONE = Ranks()


def start() -> Ranks:
    """The ranks that this process was started with: MPI's COMM_WORLD, or one where there is no MPI."""
    if os.environ.get(NO_MPI):
        return ALONE
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError):  # RuntimeError: mpi4py without an MPI library
        return ALONE
    return Ranks(MPI.COMM_WORLD) if MPI.COMM_WORLD.Get_size() > 1 else ALONE
