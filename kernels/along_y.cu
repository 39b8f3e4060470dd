// Lines along y of planes, there or back, in place, through shared memory.
//
// The compiler's command line sets SIZE, the length along y, see transforms.cuh. A block takes COLUMNS neighbouring
// columns of a plane, each of them in SIZE / 8 threads. The kernels take
//   columns              of a plane
//   turns                of transforms.cuh, pairs
//   modes                shape (planes, SIZE, columns), pairs; results, not normalised, take their place

#ifndef SIZE
#define SIZE 512
#endif

#include "common.cuh"
#include "transforms.cuh"
#include "columns.cuh"

template <bool BACK>
__device__ __forceinline__ void along_y(long long columns, const REAL* __restrict__ turns, REAL* modes)
{
    __shared__ Tile tile;
    const Column column(tile);
    const Turns turn{reinterpret_cast<const Pair*>(turns)};
    const unsigned segments = (static_cast<unsigned>(columns) + COLUMNS - 1) / COLUMNS, plane = blockIdx.x / segments;
    const unsigned c = (blockIdx.x - plane * segments) * COLUMNS + column.column;
    const bool inside = c < columns;
    Pair* mode = reinterpret_cast<Pair*>(modes) + plane * SIZE * columns + (inside ? c : 0);
    column.all_but_last<BACK>(mode, columns, turn);
    LastNumbers v;
    last_stage<BACK>(column.thread, column, v);
    if (inside) each_of_last(column.thread, v, [=](int number, Pair value) { mode[number * columns] = value; });
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
there_along_y(long long columns, const REAL* __restrict__ turns, REAL* modes)
{
    along_y<false>(columns, turns, modes);
}

extern "C" __global__ void __launch_bounds__(THREADS, 2)
back_along_y(long long columns, const REAL* __restrict__ turns, REAL* modes)
{
    along_y<true>(columns, turns, modes);
}
