// Slopes of lines along x: transform them, multiply by i k and a table, and transform back in one pass over memory.
//
// The compiler's command line sets SIZE, the length along x, see transforms.cuh. The kernel takes
//   columns, nz          rows of y, or lines of it, times nz: column c has row c / nz and m = c % nz
//   turns                of transforms.cuh, pairs
//   k_x, k_y, k_z        shapes (SIZE,), (ny,), (nz,)
//   green                real, shape (SIZE / 2 + 1, columns), the same at i and -i
//   modes, out_x, out_y  shape (SIZE, columns), pairs
// Results, not normalised, are those of k along x and y in out_x and out_y, and along z in the place of modes. k along y
// and along z are the same all along x, so that one way back does for both.

#ifndef SIZE
#define SIZE 512
#endif

// a thread has so many registers that blocks are small
#define ROW_BYTES (SIZE <= (sizeof(REAL) == 4 ? 512 : 384) ? 64 : 32)

#include "common.cuh"
#include "transforms.cuh"
#include "columns.cuh"

// on a multiprocessor: a thread has some 100 registers in single, 130 in double precision, and needs more with the
// compiler for newer cards
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int BLOCKS = 1;
#else
constexpr int MOST_THREADS = sizeof(REAL) == 4 ? 640 : 480, IN_WARPS = (THREADS + 31) / 32 * 32;
constexpr int BLOCKS = IN_WARPS < MOST_THREADS ? MOST_THREADS / IN_WARPS : 1;
#endif

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
slopes_along_x(long long columns, long long nz, const REAL* turns, const double* k_x, const double* k_y,
               const double* k_z, const REAL* green, REAL* modes, REAL* out_x, REAL* out_y)
{
    __shared__ Tile tile;
    const Column column(tile);
    const Turns turn{reinterpret_cast<const Pair*>(turns)};
    const long long own = static_cast<long long>(blockIdx.x) * COLUMNS + column.column;
    const bool inside = own < columns;
    const unsigned c = static_cast<unsigned>(inside ? own : 0);
    Pair *mode = reinterpret_cast<Pair*>(modes) + c, *x = reinterpret_cast<Pair*>(out_x) + c,
         *y = reinterpret_cast<Pair*>(out_y) + c;
    column.all_but_last<false>(mode, columns, turn);
    // what is multiplied by green alone is kept for the second way back
    LastNumbers kept;
#pragma unroll
    for (int n = 0; n < LAST_BUTTERFLIES; ++n) {
        const int b = column.thread + n * PER_COLUMN;
        if (b >= SIZE / LAST) continue;
        const int first = frequency<SIZE>(b * LAST);
        Pair(&v)[LAST] = kept[n], slope[LAST];
        column.last(b, v);
#pragma unroll
        for (int j = 0; j < LAST; ++j) {
            const int i = first + j * (SIZE / LAST);
            v[j] = scaled(green[c + (2 * i <= SIZE ? i : SIZE - i) * columns], v[j]);
            slope[j] = quarter<true>(scaled(static_cast<REAL>(k_x[i]), v[j]));
        }
        column.first_back(b, slope);
    }
    column.back(turn, [=](int position, Pair v) {
        if (inside) x[position * columns] = v;
    });
    __syncthreads();
#pragma unroll
    for (int n = 0; n < LAST_BUTTERFLIES; ++n) {
        const int b = column.thread + n * PER_COLUMN;
        if (b < SIZE / LAST) column.first_back(b, kept[n]);
    }
    const unsigned row = c / static_cast<unsigned>(nz), m = c - row * static_cast<unsigned>(nz);
    column.back(turn, [=](int position, Pair v) {
        if (!inside) return;
        y[position * columns] = quarter<true>(scaled(static_cast<REAL>(k_y[row]), v));
        mode[position * columns] = quarter<true>(scaled(static_cast<REAL>(k_z[m]), v));
    });
}
