// Lines along z of real numbers, there from masses, and back, through shared memory.
//
// A line of 2 SIZE real numbers x is transformed as SIZE complex ones, z_n = x_2n + i x_2n+1: of their transform Z and of
// e = exp(-2 pi i k / (2 SIZE)) the modes of the line are
//   X_k = (Z_k + Z*_SIZE-k)/2 - i e (Z_k - Z*_SIZE-k)/2,   and on the way back   Z_k = X_k + X*_SIZE-k + i e* (X_k - X*_SIZE-k)
//
// The compiler's command line sets SIZE, see transforms.cuh. A block takes LINES lines, each of them in SIZE / 8 threads;
// the threads that fill its last warp have nothing to do. The kernels take
//   lines      how many
//   turns      of transforms.cuh, pairs
//   modes      shape (lines, SIZE + 1), pairs; the 2 SIZE real numbers of a line lie in the memory of its modes
// Results are not normalised.

#ifndef SIZE
#define SIZE 256
#endif

#include "common.cuh"
#include "transforms.cuh"
#include "warps.cuh"

constexpr int PER_LINE = SIZE / 8;
constexpr int LINES = 160 / PER_LINE;
static_assert(LINES > 0, "a line has 160 threads at most");
constexpr int THREADS = (LINES * PER_LINE + 31) / 32 * 32;
constexpr int BLOCKS = sizeof(REAL) == 4 ? 5 : 4;  // of masses_along_z on a multiprocessor: enough registers
constexpr int ROOM = SIZE + SIZE / 8 + 1;  // of a line in shared memory: an eighth more keeps threads off others' banks

struct Line {
    long long number;
    int thread;  // of those of the line; SIZE for one without work
    Pair* tile;

    __device__ __forceinline__ Line(long long lines, Pair (&tiles)[LINES][ROOM])
    {
        const int own = static_cast<int>(threadIdx.x) / PER_LINE;
        number = static_cast<long long>(blockIdx.x) * LINES + own;
        const bool works = own < LINES && number < lines;
        thread = works ? static_cast<int>(threadIdx.x) % PER_LINE : SIZE;
        tile = tiles[works ? own : 0];
    }

    __device__ __forceinline__ bool works() const { return thread < SIZE; }
    __device__ __forceinline__ Pair& operator()(int position) const { return tile[position + position / 8]; }
};

__device__ __forceinline__ Pair conjugate(Pair a) { return {a.first, -a.second}; }

// Masses times a factor to modes, in lines of their own; what is left of the masses is `empty`.
//   mass  shape (lines, 2 SIZE), aligned to 16 bytes
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
masses_along_z(long long lines, long long* mass, double factor, long long empty, const REAL* __restrict__ turns,
               REAL* modes)
{
    struct alignas(16) Two {
        long long first, second;
    };
    __shared__ Pair tiles[LINES][ROOM];
    const Line line(lines, tiles);
    const Turns turn{reinterpret_cast<const Pair*>(turns)};
    Two* given = reinterpret_cast<Two*>(mass) + line.number * SIZE;
    if (line.works()) {
        const auto load = [=](int position) {
            const Two two = given[position];
            return Pair{static_cast<REAL>(two.first * factor), static_cast<REAL>(two.second * factor)};
        };
        first_stage<false>(line.thread, load, line, turn);
    }
    __syncthreads();
    // not before: a store waits for a load of the same line of the cache, and all that follow it wait too
    if (line.works())
#pragma unroll
        for (int j = 0; j < 8; ++j) given[line.thread + j * PER_LINE] = {empty, empty};
    take_all_apart<false, SIZE / 8>(line.thread, PER_LINE, line, turn);
    LastNumbers v;
    last_stage<false>(line.thread, line, v);
    __syncthreads();
    each_of_last(line.thread, v, [&](int number, Pair value) { line(number) = value; });
    __syncthreads();
    if (!line.works()) return;
    Pair* mode = reinterpret_cast<Pair*>(modes) + line.number * (SIZE + 1);
#pragma unroll
    for (int j = 0; j < 8; ++j) {
        const int k = line.thread + j * PER_LINE;
        const Pair z = line(k), mirrored = conjugate(line(k == 0 ? 0 : SIZE - k));
        const Pair across = turned<false>(quarter<false>(minus(z, mirrored)), turn.half(k));
        mode[k] = scaled(REAL(0.5), plus(plus(z, mirrored), across));
        if (k == 0) mode[SIZE] = {z.first - z.second, 0};
    }
}

// Modes to real numbers, in place, and the largest size that a block has seen, NaN where there is one, shape (blocks,).
// As always for real numbers, the first and the last mode are taken for real. Where compilers choose the number of blocks
// they spill at two sizes.
#if SIZE == 192 || SIZE == 200
#define BOUNDS THREADS, BLOCKS - 1
#else
#define BOUNDS THREADS
#endif
extern "C" __global__ void __launch_bounds__(BOUNDS)
real_along_z(long long lines, const REAL* __restrict__ turns, REAL* modes, double* largest)
{
    __shared__ Pair tiles[LINES][ROOM];
    const Line line(lines, tiles);
    const Turns turn{reinterpret_cast<const Pair*>(turns)};
    Pair* mode = reinterpret_cast<Pair*>(modes) + line.number * (SIZE + 1);
    if (line.works()) {
        const auto load = [=](int k) {
            const Pair a = mode[k], b = conjugate(mode[SIZE - k]);
            if (k == 0) return Pair{a.first + b.first, a.first - b.first};
            return plus(plus(a, b), turned<true>(quarter<true>(minus(a, b)), turn.half(k)));
        };
        first_stage<true>(line.thread, load, line, turn);
    }
    __syncthreads();
    take_all_apart<true, SIZE / 8>(line.thread, PER_LINE, line, turn);
    LastNumbers v;
    last_stage<true>(line.thread, line, v);
    REAL size = 0;
    each_of_last(line.thread, v, [&](int number, Pair value) {
        mode[number] = value;
        size = larger(size, larger(static_cast<REAL>(fabs(value.first)), static_cast<REAL>(fabs(value.second))));
    });
    write_largest(static_cast<double>(size), largest + blockIdx.x);
}
