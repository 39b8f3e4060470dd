// Modes of lines along x, and back: transform, multiply and transform back in one pass over memory.
//
// The compiler's command line sets SIZE, the length along x: 8 times a product of twos, threes and fives. A block takes
// COLUMNS neighbouring columns, each of them in SIZE / 8 threads, through shared memory. The kernels take
//   columns, nz          rows of y, or lines of it, times nz: column c has row c / nz and m = c % nz
//   ny                   of the tables
//   turns                of transforms.cuh, pairs
//   tables of the factors along the three axes, see each kernel: SIZE numbers along x, ny along y, nz along z
//   modes                shape (SIZE, columns), pairs; results, not normalised, take their place
//
// The first stage reads from the modes; the last, the multiplication and the first stage back work in registers alone. The
// stages in reverse order bring numbers back from where those in order have left them: nothing is sorted.
//
// Arithmetic of stages is REAL, of factors double, as in wave.cu.

#ifndef SIZE
#define SIZE 512
#endif

#include "common.cuh"
#include "phases.cuh"
#include "transforms.cuh"
#include "columns.cuh"

// Two blocks on a multiprocessor leave a thread of single precision 64 registers: enough where tables are read when they
// are needed and not before, for which pointers to them may not be __restrict__; the compiler for newer cards needs more.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int BLOCKS = 1;
#else
constexpr int BLOCKS = 2;
#endif

// factor_at(number of a column) gives its factor: a function of (frequency, number).
template <typename FactorAt>
__device__ __forceinline__ void there_and_back(long long columns, const REAL* turns, REAL* modes,
                                               const FactorAt& factor_at)
{
    __shared__ Tile tile;
    const Column column(tile);
    const Turns turn{reinterpret_cast<const Pair*>(turns)};
    const long long c = static_cast<long long>(blockIdx.x) * COLUMNS + column.column;
    const bool inside = c < columns;
    Pair* mode = reinterpret_cast<Pair*>(modes) + (inside ? c : 0);
    const auto factor = factor_at(static_cast<unsigned>(inside ? c : 0));
    column.all_but_last<false>(mode, columns, turn);
    for (int b = column.thread; b < SIZE / LAST; b += PER_COLUMN) {
        Pair v[LAST];
        column.last(b, v);
        const int first = frequency<SIZE>(b * LAST);
#pragma unroll
        for (int j = 0; j < LAST; ++j) v[j] = factor(first + j * (SIZE / LAST), v[j]);
        column.first_back(b, v);
    }
    column.back(turn, [=](int position, Pair v) {
        if (inside) mode[position * columns] = v;
    });
}

struct TimesPhase {
    const Phase* x;
    Phase across;  // of the column

    __device__ __forceinline__ Pair operator()(int i, Pair mode) const
    {
        return times_phase(mode, product(x[i], across));
    }
};

// phases  of wave.cu's multiply_phases
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    phases_along_x(long long columns, long long ny, long long nz, const REAL* turns,
                   const double* phases, REAL* modes)
{
    const auto factor_at = [=](unsigned c) {
        const Phase* x = reinterpret_cast<const Phase*>(phases);
        const unsigned row = c / static_cast<unsigned>(nz), m = c - row * static_cast<unsigned>(nz);
        return TimesPhase{x, product(x[SIZE + row], x[SIZE + ny + m])};
    };
    there_and_back(columns, turns, modes, factor_at);
}

struct TimesGreen {
    const double* x;
    double across, strength;

    __device__ __forceinline__ Pair operator()(int i, Pair mode) const
    {
        return over_k_squared(mode, x[i] + across, strength);
    }
};

// squares, strength  of wave.cu's divide_by_k_squared
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    green_along_x(long long columns, long long ny, long long nz, const REAL* turns,
                  const double* squares, const double* strength, REAL* modes)
{
    const auto factor_at = [=](unsigned c) {
        const unsigned row = c / static_cast<unsigned>(nz), m = c - row * static_cast<unsigned>(nz);
        return TimesGreen{squares, squares[SIZE + row] + squares[SIZE + ny + m], -strength[0]};
    };
    there_and_back(columns, turns, modes, factor_at);
}
