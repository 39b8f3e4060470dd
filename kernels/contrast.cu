// A field less a number, and the sums of its numbers and of their absolute values: each warp takes a line along z.
//
// On the CPU: subtract_loop in contrast.py.
//   planes, ny, nz   shape of the field, z fastest;  blocks  of a plane: gridDim.x / planes
//   line             numbers from line to line of what is written, at least nz
//   sums             written, shape (planes, blocks, 2): over the lines of a block, in an order that the shape decides

#include "common.cuh"

constexpr unsigned WARP = 32, MOST_WARPS = 8;

extern "C" __global__ void subtract(long long planes, long long blocks, long long ny, long long nz, long long line,
                                    REAL value, const REAL* __restrict__ field, REAL* __restrict__ difference,
                                    double* sums)
{
    __shared__ double block_sums[MOST_WARPS][2];
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    const long long plane = blockIdx.x / blocks;
    const unsigned block = static_cast<unsigned>(blockIdx.x - plane * blocks);
    double total = 0, size = 0;
    for (long long j = block * warps + warp; j < ny; j += blocks * warps) {
        const REAL* from = field + (plane * ny + j) * nz;
        REAL* to = difference + (plane * ny + j) * line;
#pragma unroll 4
        for (unsigned m = lane; m < nz; m += WARP) {
            const REAL number = from[m];
            to[m] = number - value;
            total += number;
            size += fabs(static_cast<double>(number));
        }
    }
#pragma unroll
    for (unsigned step = WARP / 2; step > 0; step /= 2) {
        total += __shfl_down_sync(0xffffffff, total, step);
        size += __shfl_down_sync(0xffffffff, size, step);
    }
    if (lane == 0) {
        block_sums[warp][0] = total;
        block_sums[warp][1] = size;
    }
    __syncthreads();
    if (threadIdx.x >= 2) return;
    double sum = 0;
    for (unsigned from = 0; from < warps; ++from) sum += block_sums[from][threadIdx.x];
    sums[2 * static_cast<long long>(blockIdx.x) + threadIdx.x] = sum;
}
