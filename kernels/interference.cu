// The last step of the interference of all pairs of states: products of two tables summed along radii, a warp a row.
//
// On the CPU: one line of interference.py. The kernel adds to sums, shape (rows,), with a row for each order and
// wavenumber,
//   copies * sum over R' in the block of  products(row, R') bessel(row, first + R')
// and takes
//   rows       orders * wavenumbers
//   columns    R' in the block
//   points     R' of a row of bessel;  first  where the block begins in it
//   copies     what a block counts for
//   products   sum over R of J_m(kR) C_m(R, R'), shape (rows, columns)
//   bessel     J_m(kR'), shape (rows, points)

#include "common.cuh"
#include "warps.cuh"

extern "C" __global__ void add_products(long long rows, long long columns, long long points, long long first,
                                        long long copies, const double* products, const double* bessel, double* sums)
{
    const long long item = thread_item();
    const long long row = item / WARP;
    if (row >= rows) return;  // a whole warp
    const int lane = static_cast<int>(item % WARP);
    const double* left = products + row * columns;
    const double* right = bessel + row * points + first;
    double sum = 0;
    for (int column = lane; column < columns; column += WARP) sum += left[column] * right[column];
#pragma unroll
    for (int distance = WARP / 2; distance > 0; distance /= 2) sum += __shfl_down_sync(ALL, sum, distance);
    if (lane == 0) sums[row] += copies * sum;
}
