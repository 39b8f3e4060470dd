// Modes of lines along x, and back: transform, multiply and transform back in one pass over memory.
//
// The compiler's command line sets SIZE, the length along x: 8 times a product of twos, threes and fives. A block takes
// COLUMNS neighbouring columns, each of them in SIZE / 8 threads, through shared memory. The kernels take
//   columns, nz          rows of y, or lines of it, times nz: column c has row c / nz and m = c % nz
//   ny                   of the tables
//   turns                shape (SIZE,), pairs: exp(-2 pi i j / SIZE)
//   tables of the factors along the three axes, see each kernel: SIZE numbers along x, ny along y, nz along z
//   modes                shape (SIZE, columns), pairs; results, not normalised, take their place, but for slope_along_x
//
// A stage of radix R takes sub-transforms of length M apart into R of length M / R (decimation in frequency): numbers
// stay where they are, so that those of a frequency end at its digits in reverse order. There they are multiplied, and
// the stages in reverse order bring them back: nothing is sorted. The first stage reads from the modes, the last but
// one pass works in registers alone: the last stage, the multiplication and the first stage back.
//
// Arithmetic of stages is REAL, of factors double, as in wave.cu. Cooley & Tukey 1965; Gentleman & Sande 1966.

#include "common.cuh"
#include "phases.cuh"

#ifndef SIZE
#define SIZE 512
#endif

// the tile of a block takes 36 KiB at most
constexpr int COLUMNS = (SIZE <= 256 ? 128 : SIZE <= 512 ? 64 : 32) / static_cast<int>(sizeof(Pair));
constexpr int PER_COLUMN = SIZE / 8;
constexpr int THREADS = COLUMNS * PER_COLUMN;

// Two blocks on a multiprocessor leave a thread of single precision 64 registers: enough where tables are read when they
// are needed and not before, for which pointers to them may not be __restrict__; the compiler for newer cards needs more.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int BLOCKS = 1;
#else
constexpr int BLOCKS = 2;
#endif

__device__ constexpr int radix_of(int length)
{
    return length % 8 == 0 ? 8 : length % 5 == 0 ? 5 : length % 4 == 0 ? 4 : length % 3 == 0 ? 3 : 2;
}

// Where number `position` of a column lies: an eighth more room keeps threads off each other's banks.
__device__ __forceinline__ int place(int position, int column)
{
    return (position + position / 8) * COLUMNS + column;
}

__device__ __forceinline__ Pair plus(Pair a, Pair b) { return {a.first + b.first, a.second + b.second}; }
__device__ __forceinline__ Pair minus(Pair a, Pair b) { return {a.first - b.first, a.second - b.second}; }
__device__ __forceinline__ Pair scaled(REAL by, Pair a) { return {by * a.first, by * a.second}; }

template <bool BACK>
__device__ __forceinline__ Pair turned(Pair a, Pair turn)
{
    const REAL sine = BACK ? -turn.second : turn.second;
    return {a.first * turn.first - a.second * sine, a.first * sine + a.second * turn.first};
}

// Times -i; times i on the way back.
template <bool BACK>
__device__ __forceinline__ Pair quarter(Pair a)
{
    return BACK ? Pair{-a.second, a.first} : Pair{a.second, -a.first};
}

template <bool BACK>
__device__ __forceinline__ void transform_4(Pair& a, Pair& b, Pair& c, Pair& d)
{
    const Pair even = plus(a, c), odd = minus(a, c), sum = plus(b, d), quarter_turn = quarter<BACK>(minus(b, d));
    a = plus(even, sum);
    b = plus(odd, quarter_turn);
    c = minus(even, sum);
    d = minus(odd, quarter_turn);
}

// The transform of R numbers, in their order.
template <bool BACK, int R>
__device__ __forceinline__ void transform(Pair (&v)[R])
{
    if constexpr (R == 2) {
        const Pair a = v[0], b = v[1];
        v[0] = plus(a, b);
        v[1] = minus(a, b);
    } else if constexpr (R == 3) {
        const Pair sum = plus(v[1], v[2]), middle = minus(v[0], scaled(REAL(0.5), sum));
        const Pair across = quarter<BACK>(scaled(REAL(0.86602540378443864676), minus(v[1], v[2])));
        v[0] = plus(v[0], sum);
        v[1] = plus(middle, across);
        v[2] = minus(middle, across);
    } else if constexpr (R == 4) {
        transform_4<BACK>(v[0], v[1], v[2], v[3]);
    } else if constexpr (R == 5) {
        constexpr REAL c1 = REAL(0.30901699437494742410), c2 = REAL(-0.80901699437494742410);
        constexpr REAL s1 = REAL(0.95105651629515357212), s2 = REAL(0.58778525229247312917);
        const Pair outer = plus(v[1], v[4]), inner = plus(v[2], v[3]);
        const Pair across = minus(v[1], v[4]), within = minus(v[2], v[3]);
        const Pair m1 = plus(v[0], plus(scaled(c1, outer), scaled(c2, inner)));
        const Pair m2 = plus(v[0], plus(scaled(c2, outer), scaled(c1, inner)));
        const Pair n1 = quarter<BACK>(plus(scaled(s1, across), scaled(s2, within)));
        const Pair n2 = quarter<BACK>(minus(scaled(s2, across), scaled(s1, within)));
        v[0] = plus(v[0], plus(outer, inner));
        v[1] = plus(m1, n1);
        v[2] = plus(m2, n2);
        v[3] = minus(m2, n2);
        v[4] = minus(m1, n1);
    } else {
        static_assert(R == 8, "radix");
        transform_4<BACK>(v[0], v[2], v[4], v[6]);
        transform_4<BACK>(v[1], v[3], v[5], v[7]);
        constexpr REAL half = REAL(0.70710678118654752440);
        const Pair a = v[3], c = v[7];
        // eighths of a turn: (1 - i) / sqrt 2, and that times -i
        const Pair once = scaled(half, plus(a, quarter<BACK>(a)));
        const Pair thrice = quarter<BACK>(scaled(half, plus(c, quarter<BACK>(c))));
        const Pair even[4] = {v[0], v[2], v[4], v[6]}, odd[4] = {v[1], once, quarter<BACK>(v[5]), thrice};
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            v[k] = plus(even[k], odd[k]);
            v[k + 4] = minus(even[k], odd[k]);
        }
    }
}

// Frequency of the number at a position once all stages are done: its digits in reverse order.
template <int LENGTH>
__device__ __forceinline__ int frequency(int position)
{
    if constexpr (LENGTH == 1) {
        return 0;
    } else {
        constexpr int radix = radix_of(LENGTH), rest = LENGTH / radix;
        return position / rest + radix * frequency<rest>(position % rest);
    }
}

// The stages of sub-transforms of a length, the multiplication and the stages back, in shared memory.
template <int LENGTH, typename Factor>
__device__ __forceinline__ void stages(Pair* tile, int column, int thread, const Pair* turns, const Factor& factor)
{
    constexpr int R = radix_of(LENGTH), rest = LENGTH / R, butterflies = SIZE / R;
    if constexpr (rest == 1) {
        for (int b = thread; b < butterflies; b += PER_COLUMN) {
            Pair v[R];
#pragma unroll
            for (int j = 0; j < R; ++j) v[j] = tile[place(b * R + j, column)];
            transform<false, R>(v);
            const int first = frequency<SIZE>(b * R);
#pragma unroll
            for (int j = 0; j < R; ++j) v[j] = factor(first + j * (SIZE / R), v[j]);
            transform<true, R>(v);
#pragma unroll
            for (int j = 0; j < R; ++j) tile[place(b * R + j, column)] = v[j];
        }
    } else {
        for (int b = thread; b < butterflies; b += PER_COLUMN) {
            const int r = b % rest, base = b / rest * LENGTH + r;
            Pair v[R];
#pragma unroll
            for (int j = 0; j < R; ++j) v[j] = tile[place(base + j * rest, column)];
            transform<false, R>(v);
#pragma unroll
            for (int j = 1; j < R; ++j) v[j] = turned<false>(v[j], turns[r * j * (SIZE / LENGTH)]);
#pragma unroll
            for (int j = 0; j < R; ++j) tile[place(base + j * rest, column)] = v[j];
        }
        __syncthreads();
        stages<rest>(tile, column, thread, turns, factor);
        __syncthreads();
        for (int b = thread; b < butterflies; b += PER_COLUMN) {
            const int r = b % rest, base = b / rest * LENGTH + r;
            Pair v[R];
#pragma unroll
            for (int j = 0; j < R; ++j) {
                v[j] = tile[place(base + j * rest, column)];
                if (j > 0) v[j] = turned<true>(v[j], turns[r * j * (SIZE / LENGTH)]);
            }
            transform<true, R>(v);
#pragma unroll
            for (int j = 0; j < R; ++j) tile[place(base + j * rest, column)] = v[j];
        }
    }
}

// factor_at(column) gives the factor of a column: a function of (frequency, number). put(place of a mode, number) takes
// what comes back.
template <typename FactorAt, typename Put>
__device__ __forceinline__ void there_and_back(long long columns, const REAL* turns, REAL* modes,
                                               const FactorAt& factor_at, const Put& put)
{
    static_assert(SIZE % 8 == 0 && SIZE > 8, "the first stage has radix 8, and is not the last");
    __shared__ Pair tile[(SIZE + SIZE / 8) * COLUMNS];
    const int column = static_cast<int>(threadIdx.x) % COLUMNS, thread = static_cast<int>(threadIdx.x) / COLUMNS;
    const long long c = static_cast<long long>(blockIdx.x) * COLUMNS + column;
    const bool inside = c < columns;
    const Pair* turn = reinterpret_cast<const Pair*>(turns);
    Pair* mode = reinterpret_cast<Pair*>(modes) + (inside ? c : 0);
    const auto factor = factor_at(static_cast<unsigned>(inside ? c : 0));
    Pair v[8];
#pragma unroll
    for (int j = 0; j < 8; ++j) v[j] = mode[(thread + j * PER_COLUMN) * columns];
    transform<false, 8>(v);
#pragma unroll
    for (int j = 0; j < 8; ++j)
        tile[place(thread + j * PER_COLUMN, column)] = j > 0 ? turned<false>(v[j], turn[thread * j]) : v[j];
    __syncthreads();
    stages<SIZE / 8>(tile, column, thread, turn, factor);
    __syncthreads();
#pragma unroll
    for (int j = 0; j < 8; ++j) {
        v[j] = tile[place(thread + j * PER_COLUMN, column)];
        if (j > 0) v[j] = turned<true>(v[j], turn[thread * j]);
    }
    transform<true, 8>(v);
    if (!inside) return;
#pragma unroll
    for (int j = 0; j < 8; ++j) put(mode + (thread + j * PER_COLUMN) * columns, v[j]);
}

struct InPlace {
    __device__ __forceinline__ void operator()(Pair* mode, Pair v) const { *mode = v; }
};

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
    there_and_back(columns, turns, modes, factor_at, InPlace{});
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
    there_and_back(columns, turns, modes, factor_at, InPlace{});
}

struct TimesTable {
    const REAL* green;  // of the column
    long long columns;
    const double* slope;  // along x; null for none

    __device__ __forceinline__ Pair operator()(int i, Pair mode) const
    {
        const Pair v = scaled(green[(2 * i <= SIZE ? i : SIZE - i) * columns], mode);
        return slope ? quarter<true>(scaled(static_cast<REAL>(slope[i]), v)) : v;
    }
};

// i k green modes for k along x, into out
//   k_x  shape (SIZE,);  green  real, shape (SIZE / 2 + 1, columns), the same at i and -i
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    slope_along_x(long long columns, long long ny, long long nz, const REAL* turns, const double* k_x,
                  const REAL* green, REAL* modes, REAL* out)
{
    const auto factor_at = [=](unsigned c) { return TimesTable{green + c, columns, k_x}; };
    const auto put = [=](Pair* mode, Pair v) {
        reinterpret_cast<Pair*>(out)[mode - reinterpret_cast<Pair*>(modes)] = v;
    };
    there_and_back(columns, turns, modes, factor_at, put);
}

// The same for k along y into out, and along z in place: neither changes along x, so that one way back does for both
//   k_y, k_z  shapes (ny,), (nz,)
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    slopes_across_x(long long columns, long long ny, long long nz, const REAL* turns, const double* k_y,
                    const double* k_z, const REAL* green, REAL* modes, REAL* out)
{
    const auto factor_at = [=](unsigned c) { return TimesTable{green + c, columns, nullptr}; };
    const auto put = [=](Pair* mode, Pair v) {
        const unsigned c = static_cast<unsigned>(blockIdx.x) * COLUMNS + threadIdx.x % COLUMNS;
        const unsigned row = c / static_cast<unsigned>(nz), m = c - row * static_cast<unsigned>(nz);
        reinterpret_cast<Pair*>(out)[mode - reinterpret_cast<Pair*>(modes)] =
            quarter<true>(scaled(static_cast<REAL>(k_y[row]), v));
        *mode = quarter<true>(scaled(static_cast<REAL>(k_z[m]), v));
    };
    there_and_back(columns, turns, modes, factor_at, put);
}
