"""Weak scaling over cards on paper: `python benchmarks/weak_scaling.py` prints the table of docs/hpc.md.

A transform of slabs moves bytes over the memory of each card, and over links once for every transpose. All ranks
exchange with all: of its part a rank sends (R - 1)/R, of that (g - 1)/R within its node of g cards and (R - g)/R
between nodes, over both kinds of links at a time. Times add: kernels, packing of messages, links.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MEMORY = 4.2e12  # bytes that an H200 reads and writes in a second, measured
# bytes that a card sends in a second: half of NVLink 4, and a 400 Gb/s InfiniBand port for each card; of datasheets
NVLINK, INFINIBAND = 450e9, 50e9
CELLS = 1024**3  # of each card
CARDS = (1, 4, 8, 64)
NODES = (4, 8)  # cards of a node


@dataclass(frozen=True)
class Work:
    """What is done, in single precision.

    seconds     measured on one H200 of so many cells
    transposed  bytes of a cell in all transposes
    """

    name: str
    seconds: float
    cells: int
    transposed: float

    def kernels(self, cells: int) -> float:
        """Time of the kernels of one card [s]."""
        return self.seconds * cells / self.cells

    def packing(self, cells: int, cards: int) -> float:
        """Time in which messages are packed, or unpacked, once a transpose [s]."""
        return 2 * self.transposed * cells / MEMORY if cards > 1 else 0.0

    def links(self, cells: int, cards: int, node: int, nvlink: float = NVLINK, infiniband: float = INFINIBAND) -> float:
        """Time of messages over the slower of both kinds of links [s]."""
        within = min(cards, node)
        shares = (within - 1) / cards / nvlink, (cards - within) / cards / infiniband
        return self.transposed * cells * max(shares)


WORKS = (
    # half of the complex modes of a real density go from planes to lines, once
    Work("P(k)", 15.9e-3, 1024**3, 4),
    # psi, complex, and half of the modes of the potential, there and back
    Work("wave step", 6.84e-3, 512**3, 24),
)


HEADS = ("work", "cells", "cards", "of a node", "kernels", "packing", "links", "sum [ms]", "efficiency", "overlapped")


def table() -> list[str]:
    """Lines of a table in Markdown, times in milliseconds."""
    lines = [_row(HEADS), "|" + len(HEADS) * "---|"]
    for work in WORKS:
        for cards in CARDS:
            # a few cards are in one node
            for node in NODES if cards > max(NODES) else (cards,):
                parts = work.kernels(CELLS), work.packing(CELLS, cards), work.links(CELLS, cards, node)
                side = round((cards * CELLS) ** (1 / 3))
                cells = f"{side}³" if side**3 == cards * CELLS else f"{cards} x 1024³"
                times = [f"{1e3 * seconds:.0f}" for seconds in (*parts, sum(parts))]
                efficiency, overlapped = f"{parts[0] / sum(parts):.0%}", f"{1e3 * max(parts[0], parts[2]):.0f}"
                lines.append(_row((work.name, cells, cards, node, *times, efficiency, overlapped)))
    return lines


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    print("\n".join(table()))
