"""What runs the CUDA kernels on the CPU sees what would go wrong on a card."""

import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu, LaunchError

from gpu_fdm.parallel.backend import THREADS_PER_BLOCK

HARNESS = """
extern "C" __global__ void copy_shifted(long long count, long long shift, const REAL* from, REAL* to)
{
    const long long item = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (item < count) to[item] = from[item + shift];
}

extern "C" __global__ void fill_shifted(long long count, long long shift, REAL* to)
{
    const long long item = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (item < count) to[item + shift] += 1;
}

extern "C" __global__ void count_threads(unsigned long long* count)
{
    atomicAdd(count, 1ull);
}
"""
BARRIERS = """
extern "C" __global__ void sum_blocks(long long count, const REAL* values, REAL* sums)
{
    __shared__ REAL shared[256];
    const long long item = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    shared[threadIdx.x] = item < count ? values[item] : REAL(0);
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) sums[blockIdx.x] = shared[0];
}

extern "C" __global__ void lost_at_barrier(long long count)
{
    if (threadIdx.x < count) __syncthreads();
}
"""


@pytest.mark.parametrize("shift", [0, -1, 1])
def test_harness_sees_reads_and_writes_outside(shift):
    values, out = np.arange(1, 301.0), np.zeros(300)
    CudaOnCpu().launch_text(HARNESS, "copy_shifted", float, 300, (300, shift, values, out))
    assert np.count_nonzero(np.isnan(out)) == abs(shift)
    if shift == 0:
        np.testing.assert_array_equal(out, values)
        CudaOnCpu().launch_text(HARNESS, "fill_shifted", float, 300, (300, shift, out))
        np.testing.assert_array_equal(out, values + 1)
    else:
        with pytest.raises(LaunchError, match="wrote outside of argument 2"):
            CudaOnCpu().launch_text(HARNESS, "fill_shifted", float, 300, (300, shift, out))


def test_harness_runs_all_threads_of_all_blocks():
    count = np.zeros(1, np.uint64)
    CudaOnCpu().launch_text(HARNESS, "count_threads", float, 2 * THREADS_PER_BLOCK + 1, (count,))
    assert count[0] == 3 * THREADS_PER_BLOCK


@pytest.mark.parametrize(
    "arguments",
    [
        (300, np.zeros(300), np.zeros(300)),
        (300, 0.0, np.zeros(300), np.zeros(300)),
        (300, 0, np.zeros(300, np.float32), np.zeros(300)),
        (300, 0, 1.0, np.zeros(300)),
        (300, 0, np.zeros(600)[::2], np.zeros(300)),
    ],
)
def test_harness_sees_wrong_arguments(arguments):
    with pytest.raises(LaunchError, match=r"argument"):
        CudaOnCpu().launch_text(HARNESS, "copy_shifted", float, 300, arguments)


def test_harness_refuses_an_empty_grid():
    with pytest.raises(LaunchError, match="0 threads"):
        CudaOnCpu().launch_text(HARNESS, "count_threads", float, 0, (np.zeros(1, np.uint64),))


def test_harness_runs_barriers():
    values = np.random.default_rng(6).integers(0, 100, 700).astype(float)
    sums = np.zeros(3)
    CudaOnCpu().launch_text(BARRIERS, "sum_blocks", float, 700, (700, values, sums))
    expected = [part.sum() for part in np.split(values, [THREADS_PER_BLOCK, 2 * THREADS_PER_BLOCK])]
    np.testing.assert_array_equal(sums, expected)
    CudaOnCpu().launch_text(BARRIERS, "lost_at_barrier", float, 256, (256,))
    with pytest.raises(LaunchError, match="barrier"):
        CudaOnCpu().launch_text(BARRIERS, "lost_at_barrier", float, 256, (255,))


WARPS = """
extern "C" __global__ void exchange(long long count, const long long* values, long long* out)
{
    const long long item = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    const long long value = item < count ? values[item] : 0;
    long long total = value;
    for (int delta = 16; delta > 0; delta /= 2) total += __shfl_down_sync(0xffffffff, total, delta);
    const unsigned odd = __ballot_sync(0xffffffff, value % 2 != 0);
    const long long before = __shfl_up_sync(0xffffffff, value, 1);
    const long long partner = __shfl_xor_sync(0xffffffff, value, 5);
    total = __shfl_sync(0xffffffff, total, 0);
    __syncthreads();
    if (item >= count) return;
    out[5 * item] = total;
    out[5 * item + 1] = odd;
    out[5 * item + 2] = before;
    out[5 * item + 3] = partner;
    out[5 * item + 4] = __popc(odd);
}

extern "C" __global__ void lost_in_warp(long long count)
{
    if (threadIdx.x < count) __syncwarp();
}
"""


def test_harness_runs_warp_functions():
    values = np.random.default_rng(7).integers(0, 100, 192)
    out = np.zeros((len(values), 5), np.int64)
    CudaOnCpu().launch_text(WARPS, "exchange", float, len(values), (len(values), values, out), block=96)
    lane = np.arange(32)
    for warp, found in zip(values.reshape(-1, 32), out.reshape(-1, 32, 5), strict=True):
        np.testing.assert_array_equal(found[:, 0], warp.sum())
        np.testing.assert_array_equal(found[:, 1], ((warp % 2) << lane).sum())
        np.testing.assert_array_equal(found[:, 2], warp[np.maximum(lane - 1, 0)])
        np.testing.assert_array_equal(found[:, 3], warp[lane ^ 5])
        np.testing.assert_array_equal(found[:, 4], (warp % 2).sum())
    CudaOnCpu().launch_text(WARPS, "lost_in_warp", float, 64, (64,), block=64)
    with pytest.raises(LaunchError, match="warp function"):
        CudaOnCpu().launch_text(WARPS, "lost_in_warp", float, 64, (40,), block=64)


SHARED = """
template <int N>
__device__ void read_and_write(double* out)
{
    __shared__ double numbers[N];
    out[blockIdx.x] = numbers[N - 1];
    numbers[N - 1] = 1;
}

extern "C" __global__ void read_unwritten(double* plain, double* of_template)
{
    __shared__ double number;
    plain[blockIdx.x] = number;
    number = 1;
    read_and_write<5>(of_template);
}
"""


def test_harness_has_no_numbers_in_shared_memory_that_a_block_has_not_written():
    plain, of_template = np.zeros((2, 3))
    for _ in range(2):
        CudaOnCpu().launch_text(SHARED, "read_unwritten", float, 3, (plain, of_template), block=1)
        assert np.isnan(plain).all() and np.isnan(of_template).all()
        plain[:], of_template[:] = 0, 0
