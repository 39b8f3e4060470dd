"""Copies between host and card in pieces, and messages from a card, by a stand-in for CuPy: the same bits."""

import sys
from itertools import pairwise
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from fake_cupy import Array, install
from rank_runs import agree, needs_mpi, run_here

from gpu_fdm.io.result_file import atomic_hdf5
from gpu_fdm.parallel import staging, transpose
from gpu_fdm.parallel.backend import CPU, GPU, gpu_count
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.exchange import alltoall_in_rounds, neighbour_plane
from gpu_fdm.parallel.ranks import Ranks

SIZES = [(12, 10, 9), (7, 5, 6), (5, 2, 4), (3, 1, 1)]
DTYPES = (np.complex64, np.complex128)


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of 96 bytes; the list of the sizes of all copies."""
    monkeypatch.setattr(staging, "PIECE", 96)
    monkeypatch.setattr(staging, "LEAST", 100)
    monkeypatch.setattr("gpu_fdm.parallel.backend.LEAST", 100)
    copies = []
    install(monkeypatch, copies)
    return copies


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.uint8])
@pytest.mark.parametrize("shape", [(7, 5, 3), (13,), (4, 24), (200, 1), (0, 5)])
def test_there_and_back(small_pieces, shape, dtype):
    backend, values = GPU(0, 2), np.random.default_rng(1).integers(0, 200, shape).astype(dtype)
    on_card = backend.to_device(values)
    assert isinstance(on_card, Array)
    back = backend.to_host(on_card)
    assert (back.dtype, back.shape) == (values.dtype, values.shape)
    np.testing.assert_array_equal(back, values)
    np.testing.assert_array_equal(backend.to_host(on_card[1:]), values[1:])
    piece = 96 // values.itemsize * values.itemsize
    if values.nbytes >= 100:
        sizes = [min(piece, values.nbytes - start) for start in range(0, values.nbytes, piece)]
        assert small_pieces[: 2 * len(sizes)] == 2 * sizes
    else:
        assert small_pieces == []


def test_the_next_piece_is_copied_while_one_is_used(small_pieces):
    on_card = GPU(0, 1).to_device(np.arange(40.0))
    del small_pieces[:]
    pieces = staging.host_pieces(on_card)
    np.testing.assert_array_equal(next(pieces), np.arange(12.0))
    assert small_pieces == [96, 96]
    np.testing.assert_array_equal(next(pieces), np.arange(12.0, 24))
    assert small_pieces == [96, 96, 96]
    pieces.close()
    np.testing.assert_array_equal(np.concatenate([piece.copy() for piece in staging.host_pieces(on_card)]), range(40))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("pieces", [[], [2], [2, 5], [2, 3, 2, 1]])
def test_arrays_go_to_the_card_and_back_one_ahead(small_pieces, pieces, axis):
    """Parts of an array, contiguous or not, while those before are used."""
    backend, values = GPU(0, 2), np.random.default_rng(4).standard_normal((8, 8, 3))
    back, edges = np.zeros_like(values), [0, *np.cumsum(pieces)]
    parts = [(slice(None),) * axis + (slice(*pair),) for pair in pairwise(edges)]
    with backend.later_to_host(8 * 8 * 3 * max(pieces, default=0)) as copy:
        for number, (part, on_card) in enumerate(
            zip(parts, backend.each_to_device([values[part] for part in parts]), strict=True)
        ):
            assert len(small_pieces) == min(number + 2, len(pieces)) + number
            copy(back[part], on_card)
    count = edges[-1]
    filled = (slice(None),) * axis + (slice(0, count),)
    np.testing.assert_array_equal(back[filled], values[filled])
    assert np.count_nonzero(back) == 8 * 3 * count and len(small_pieces) == 2 * len(pieces)


def test_parts_of_large_arrays(backend):
    """As above, on a card where there is one: the next is there before kernels on one are done."""
    if backend.name == "cpu":
        pytest.skip("no card")
    values = np.random.default_rng(5).standard_normal((64, 64, 4096))
    parts, back = [slice(first, first + 8) for first in range(0, 64, 8)], np.zeros_like(values)
    with backend.later_to_host(values.nbytes // 8) as copy:
        arrays = backend.each_to_device([values[:, part] for part in parts])
        for part, on_card in zip(parts, arrays, strict=True):
            copy(back[:, part], on_card * 2)
    np.testing.assert_array_equal(back, values * 2)


def test_an_array_of_the_host_is_its_own_piece():
    values = np.arange(12.0).reshape(3, 4)
    (piece,) = staging.host_pieces(values)
    assert np.shares_memory(piece, values)


def test_an_array_of_a_card_is_written_piece_by_piece(small_pieces, tmp_path):
    values = np.random.default_rng(2).standard_normal((6, 5, 4))
    with atomic_hdf5(tmp_path / "a.hdf5", None) as file:
        file.reserve("/values", values.shape, values.dtype)
        file.write_slab("/values", 0, GPU(0, 1).to_device(values))
    with h5py.File(tmp_path / "a.hdf5") as file:
        np.testing.assert_array_equal(file["values"], values)
    assert max(small_pieces) == 96


def test_large_arrays(backend, tmp_path):
    """Two pieces and a bit, there and back, of an array and of a part of it, and from the card into a file."""
    numbers = 1000 if backend.name == "cpu" else staging.PIECE // 4 + 1000
    values = np.arange(numbers, dtype=np.float64).reshape(8, -1)
    on_card = backend.to_device(values)
    twice = on_card * 2  # a kernel, for which copies must wait
    np.testing.assert_array_equal(backend.to_host(twice), values * 2)
    np.testing.assert_array_equal(backend.to_host(on_card[:, 5:]), values[:, 5:])
    with atomic_hdf5(tmp_path / "a.hdf5", None) as file:
        file.reserve("/values", values.shape, values.dtype)
        file.write_slab("/values", 0, on_card + 1)
    with h5py.File(tmp_path / "a.hdf5") as file:
        np.testing.assert_array_equal(file["values"], values + 1)


def check_transposes(ranks, backend, cells, dtype, copies=None):
    """There, and back into other memory."""
    domain = Domain(cells, ranks, backend)
    whole = np.random.default_rng(3).standard_normal((*cells, 2)).astype(dtype(0).real.dtype).view(dtype)[..., 0]
    planes = backend.to_device(np.ascontiguousarray(whole[domain.planes]))
    lines = backend.xp.empty(domain.transposed_shape(cells[2]), dtype)
    before = len(copies or ())
    transpose.transpose(planes, lines, domain, back=False)
    if copies is not None:  # there and back through pinned memory, or not at all
        assert (len(copies) > before) == (backend == GPU(0, 1, "host"))
    np.testing.assert_array_equal(backend.to_host(lines), whole[:, domain.lines])
    returned = backend.xp.empty(planes.shape, dtype)
    transpose.transpose(returned, lines, domain, back=True)
    np.testing.assert_array_equal(backend.to_host(returned), whole[domain.planes])


class Alone:
    """A communicator of one rank, without an MPI library."""

    def Get_size(self):
        return 1

    def Get_rank(self):
        return 0

    def Alltoallv(self, sent, received):
        """Copy the message to itself."""
        parts = []
        for buffer, (count,), (start,), row in (sent, received):
            parts.append(buffer.view(np.uint8)[start * row.size : (start + count) * row.size])
        np.copyto(parts[1], parts[0])


class Row(SimpleNamespace):
    """A type of MPI: so many bytes."""

    def Commit(self):
        return self

    def Free(self):
        """Nothing."""


@pytest.mark.parametrize("size", [1 << 20, 1 << 27])
@pytest.mark.parametrize("card", ["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def test_a_transpose_through_pinned_memory(monkeypatch, card, size):
    """In many rounds and in one; of a single rank it changes nothing."""
    if card == "stand-in":
        install(monkeypatch)
    elif gpu_count() == 0:
        pytest.skip("no CUDA device that CuPy can use")
    mpi = SimpleNamespace(BYTE=SimpleNamespace(Create_contiguous=lambda size: Row(size=size)))
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=mpi))
    monkeypatch.setattr(transpose, "ROUND", size)
    for dtype in DTYPES:
        check_transposes(Ranks(Alone()), GPU(), (40, 130, 129), dtype)


def check_messages(ranks, backend):
    """A plane of the neighbour, and rows that all ranks send to all."""
    domain = Domain((ranks.size, 8, 5), ranks, backend)
    plane = backend.to_device(np.full((1, 8, 5), float(ranks.rank)))
    following = backend.to_host(neighbour_plane(plane, domain, 1))
    np.testing.assert_array_equal(following, np.full((1, 8, 5), (ranks.rank + 1.0) % ranks.size))
    rows = ranks.rank + np.arange(7 * ranks.size)[:, None] / np.array([100.0, 1000.0])
    counts = np.full(ranks.size, 7)
    numbers = backend.to_device(np.arange(len(rows)))
    rounds = list(alltoall_in_rounds([backend.to_device(rows), None], numbers, counts, 4 * ranks.size, domain))
    assert len(rounds) == 2 and all(none is None for _, none in rounds)
    received = np.concatenate([backend.to_host(some) for some, _ in rounds])
    mine = np.arange(7 * ranks.rank, 7 * ranks.rank + 7)[:, None] / np.array([100.0, 1000.0])
    expected = [rank + mine[some] for some in (slice(4), slice(4, 7)) for rank in range(ranks.size)]
    np.testing.assert_array_equal(received, np.concatenate(expected))


def check_ranks(ranks):
    """Rounds of one plane, of a few, and one of all; through the host, from the card, and on the CPU."""
    with pytest.MonkeyPatch.context() as patch:
        copies = []
        install(patch, copies)
        patch.setattr(staging, "PIECE", 96)
        patch.setattr(staging, "LEAST", 100)
        patch.setattr("gpu_fdm.parallel.backend.LEAST", 100)
        for backend in (CPU(1), GPU(0, 1, "host"), GPU(0, 1, "device")):
            check_messages(ranks, backend)
            for size in (1, 2000, 2**20):
                patch.setattr(transpose, "ROUND", size)
                for cells in SIZES:
                    for dtype in DTYPES:
                        check_transposes(ranks, backend, cells, dtype, copies)


@needs_mpi
@pytest.mark.parametrize("number", [1, 3])
def test_messages_leave_from_a_card_or_from_pinned_memory(number):
    agree(__file__, number)


if __name__ == "__main__":
    run_here(check_ranks)
