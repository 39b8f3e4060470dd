"""The choice of a backend on every rank: the CPU, or a card, and where messages between cards leave from."""

import logging
from dataclasses import replace

from ..errors import RunError, reason
from . import control_group
from .backend import CPU, GPU, cpu_count, own_cpus
from .cards import count_cards, out_of_memory
from .mpi_buffers import chosen_buffers
from .ranks import Ranks

log = logging.getLogger(__name__)


class BackendError(RuntimeError):
    """The backend asked for cannot be had."""


def choose(name: str = "auto", local_rank: int = 0, threads: int | None = None) -> CPU | GPU:
    """The backend by name: 'cpu', 'gpu', or 'auto' (the GPU where there is one; else one line says why there is none).

    local_rank  of this process on its node: picks its card
    Raises BackendError where a GPU was asked for and there is none, or it cannot be used; ValueError for another name.
    """
    if name not in ("auto", "cpu", "gpu"):
        raise ValueError(f"backend {name!r}: must be auto, cpu or gpu")
    cpu = CPU(threads or cpu_count())
    if name == "cpu":
        return cpu
    cards, why = count_cards()
    if cards:
        return _started(GPU(local_rank % cards, cpu.threads))
    none = f"no CUDA device that CuPy can use{why and f': {why}'}"
    if name == "gpu":
        raise BackendError(f"backend gpu: {none} (use backend = cpu, or auto)")
    log.log(logging.WARNING if why else logging.INFO, "%s: running on the CPU", none)
    return cpu


def _started(gpu: GPU) -> GPU:
    """The card, on which arrays are made from now on; BackendError where another process fills or holds it."""
    runtime = gpu.xp.cuda.runtime
    try:
        gpu.xp.cuda.Device(gpu.index).use()
        runtime.memGetInfo()  # CUDA starts on the card only now
    except runtime.CUDARuntimeError as error:
        why = out_of_memory(error) or f"card {gpu.index} cannot be used: {reason(error)}"
        raise BackendError(f"{why} (or run.backend = cpu)") from None
    return gpu


def choose_on_ranks(name: str, threads: int | None, ranks: Ranks, mpi_buffers: str = "auto") -> CPU | GPU:
    """This rank's backend by name; all ranks call this, and raise the same.

    threads      CPU threads of a rank; None: a share of the node's CPUs
    mpi_buffers  auto, device or host: where messages between cards leave from, see parallel.mpi_buffers
    Raises RunError where only some ranks have a GPU, one was asked for and cannot be had, or MPI does not read cards.
    """
    error = None
    try:
        backend = choose(name, ranks.local_rank, threads or cpu_share(ranks))
    except BackendError as caught:
        error = RunError(str(caught))
    ranks.raise_first(error)
    names = ranks.allgather(backend.name)

    def require_one_kind() -> None:
        if len(set(names)) > 1:
            without = ", ".join(str(rank) for rank, name in enumerate(names) if name == "cpu")
            raise RunError(f"no CUDA device that CuPy can use on rank {without}, but on others (or use backend = cpu)")

    ranks.on_root(require_one_kind)
    if isinstance(backend, GPU) and ranks.size > 1:
        return _over_ranks(backend, ranks, mpi_buffers)
    if mpi_buffers == "device":
        log.info("run.mpi_buffers = device changes nothing: there are no messages between cards")
    return backend


def _over_ranks(gpu: GPU, ranks: Ranks, asked: str) -> GPU:
    """The card with what concerns all ranks: their kinds of cards, and where messages leave from."""
    cards, error = tuple(dict.fromkeys(ranks.allgather(gpu.device))), None
    if len(cards) > 1:
        log.warning(
            "ranks have different cards (%s): last bits depend on which of them computes what", "; ".join(cards)
        )
    try:
        buffers, why = chosen_buffers(asked)
    except RunError as caught:
        error = caught
    ranks.raise_first(error)
    if len(set(ranks.allgather(buffers))) > 1:
        buffers, why = "host", "not on all ranks the MPI library reads the memory of cards"
    where = "the memory of the cards" if buffers == "device" else "pinned memory of the host"
    log.info("messages between ranks leave from %s: %s", where, why)
    sharers = ranks.allgather_on_node(gpu.index).count(gpu.index)
    if sharers > 1:
        log.info("%d ranks share a card: each has that part of its memory", sharers)
    return replace(gpu, mpi_buffers=buffers, cards=cards, sharers=sharers)


def cpu_share(ranks: Ranks) -> int:
    """Threads for this rank: its CPUs, each shared with the ranks of the node that may run on it too.

    Ranks that a launcher binds to CPUs of their own take all of these; all together take no more CPUs than there are.
    """
    own, granted = own_cpus(), control_group.cpus()
    masks = ranks.allgather_on_node(own)
    share = sum(1 / sum(cpu in mask for mask in masks) for cpu in own)
    if granted is not None:
        share = min(share, granted / len(masks))
    return max(1, int(share + 1e-9))
