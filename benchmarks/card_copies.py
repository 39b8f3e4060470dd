"""Copies between host and card, pageable and pinned, and densities written from a card."""

import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from card_registry import Line, card_benchmark

SIZE = 1 << 30  # bytes


def host_time(function, repeats=3):
    """Median time of a few runs after one that is not counted, by the host's clock [s]."""
    function()
    times = []
    for _ in range(repeats):
        started = perf_counter()
        function()
        times.append(perf_counter() - started)
    return median(times)


def link(card):
    """Time of cudaMemcpy of 1 GiB of pinned memory to the card, and to the host: what the link can do [s]."""
    cuda, on_card = card.xp.cuda, card.xp.ones(SIZE // 4, "f4")
    pinned = np.frombuffer(cuda.alloc_pinned_memory(SIZE), np.uint8, SIZE)
    pinned[:] = 0

    def copy(target, source, kind):
        cuda.runtime.memcpy(target, source, SIZE, kind)
        cuda.runtime.deviceSynchronize()

    there = host_time(partial(copy, on_card.data.ptr, pinned.ctypes.data, cuda.runtime.memcpyHostToDevice))
    back = host_time(partial(copy, pinned.ctypes.data, on_card.data.ptr, cuda.runtime.memcpyDeviceToHost))
    del pinned
    card.xp.get_default_pinned_memory_pool().free_all_blocks()
    return there, back


@card_benchmark
def copies(card):
    """1 GiB of NumPy to the card and back: as CuPy copies it, and as the program does."""
    xp, backend = card.xp, card.backend
    there, back = link(card)
    host = np.ones(SIZE // 4, "f4")
    on_card = xp.asarray(host)

    def whole(function, *arguments):
        function(*arguments)
        xp.cuda.runtime.deviceSynchronize()

    return [
        Line(
            f"1 GiB {what}",
            host_time(partial(whole, function, array)),
            floor,
            f"pinned 1 GiB at {SIZE / floor / 1e9:.3g} GB/s",
        )
        for what, function, array, floor in (
            ("to the card, as CuPy copies it", xp.asarray, host, there),
            ("to the card, through pinned pieces", backend.to_device, host, there),
            ("to the host, as CuPy copies it", xp.asnumpy, on_card, back),
            (f"to the host, pinned pieces, {backend.threads} threads", backend.to_host, on_card, back),
        )
    ]


@card_benchmark
def writing(card):
    """Two densities of 1 GiB into HDF5: from the host, copied before they are written, and copied meanwhile."""
    from gpu_fdm.io.result_file import atomic_hdf5  # h5py and psutil: the other lines do without

    _, back = link(card)
    fields = {name: card.xp.ones((256, 1024, 1024), "f4") for name in ("a", "b")}
    on_host = {name: card.backend.to_host(field) for name, field in fields.items()}
    with tempfile.TemporaryDirectory() as folder:

        def write(prepare):
            """Time of write_slab alone [s]."""
            with atomic_hdf5(Path(folder) / "a.hdf5", None) as file:
                for name, field in fields.items():
                    file.reserve(f"/{name}", field.shape, field.dtype)
                started = perf_counter()
                for name in fields:
                    file.write_slab(f"/{name}", 0, prepare(name))
                return perf_counter() - started

        write(on_host.get)  # not counted
        alone = write(on_host.get)
        before = write(lambda name: card.backend.to_host(fields[name]))
        meanwhile = write(fields.get)
    method = f"the copies; writing 2 GiB from the host takes {1e3 * alone:.0f} ms here"
    return [
        Line("2 x 1 GiB written, copied before", before, 2 * back, method),
        Line("2 x 1 GiB written, copied meanwhile", meanwhile, 2 * back, method),
    ]
