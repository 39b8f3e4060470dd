"""The table of many cards in docs/hpc.md is what the script prints, and its counts are right."""

import pytest
from locations import REPOSITORY

from benchmarks.weak_scaling import CELLS, INFINIBAND, MEMORY, NVLINK, WORKS, table


def test_the_page_has_the_table():
    assert "\n".join(table()) in (REPOSITORY / "docs" / "hpc.md").read_text()


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_counts_of_bytes(work):
    assert work.links(CELLS, 1, 1) == work.packing(CELLS, 1) == 0
    # every rank keeps its own share
    assert work.links(CELLS, 8, 8) == pytest.approx(7 / 8 * work.transposed * CELLS / NVLINK)
    assert work.links(CELLS, 64, 8) == pytest.approx(56 / 64 * work.transposed * CELLS / INFINIBAND)
    # messages are read and written once, by the card's memory
    assert work.packing(CELLS, 2) == pytest.approx(2 * work.transposed * CELLS / MEMORY)
    # a grid on twice the cards has half the kernels' work on each
    assert work.kernels(CELLS // 2) == pytest.approx(work.kernels(CELLS) / 2)
