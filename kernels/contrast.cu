// A field less a number, and the sums of its numbers and of their absolute values: each warp takes a line along z.
//
// On the CPU: subtract_loop in contrast.py.
//   planes, ny, nz   shape of the field, z fastest;  blocks  of a plane: gridDim.x / planes
//   line             numbers from line to line of what is written, at least nz
//   sums             written, shape (planes, blocks, 2): over the lines of a block, in an order that the shape decides

#include "common.cuh"
#include "warps.cuh"

extern "C" __global__ void subtract(long long planes, long long blocks, long long ny, long long nz, long long line,
                                    REAL value, const REAL* __restrict__ field, REAL* __restrict__ difference,
                                    double* sums)
{
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    const long long plane = blockIdx.x / blocks;
    const unsigned block = static_cast<unsigned>(blockIdx.x - plane * blocks);
    double totals[2] = {0, 0};
    for (long long j = block * warps + warp; j < ny; j += blocks * warps) {
        const REAL* from = field + (plane * ny + j) * nz;
        REAL* to = difference + (plane * ny + j) * line;
#pragma unroll 4
        for (unsigned m = lane; m < nz; m += WARP) {
            const REAL number = from[m];
            to[m] = number - value;
            totals[0] += number;
            totals[1] += fabs(static_cast<double>(number));
        }
    }
    write_sums(totals, sums);
}
