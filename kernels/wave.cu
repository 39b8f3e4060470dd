// A wave between its Fourier transforms: each warp takes a line along z.
//
// On the CPU: the functions of these names in wave.py. Tables, factors, sums and arithmetic are double at both precisions,
// so that phases have modulus one to 1e-16, but for small phases of single-precision cells: see kicked. Complex numbers
// are pairs. The kernels take
//   planes, ny, nz   of the cells or modes, z fastest;  blocks  of a plane: gridDim.x / planes
//   psi, modes       pairs, changed in place;  potential, density  real
//   line             numbers from line to line of what is real, at least nz
//   squares          shape (planes + ny + nz,): parts of k^2 along the three axes;  phases  likewise, pairs: factors
//   sums             written, shape (planes, blocks, ...), see each kernel: the order of additions depends on the
//                    shape alone

#include "common.cuh"
#include "phases.cuh"
#include "warps.cuh"

// cells that a thread loads before it works on the first of them: so many loads are on their way at a time
constexpr unsigned AHEAD = 4;

// The line of a warp, and its lane: false where there is none.
struct Line {
    unsigned lane, plane, row;
    long long number;
    bool inside;

    __device__ __forceinline__ Line(long long blocks, long long ny)
    {
        const unsigned warps = blockDim.x / WARP, block = blockIdx.x;
        lane = threadIdx.x % WARP;
        plane = block / static_cast<unsigned>(blocks);
        row = (block - plane * static_cast<unsigned>(blocks)) * warps + threadIdx.x / WARP;
        inside = row < ny;
        number = plane * ny + row;
    }
};

// use(m, number) for the numbers of a line, those of the thread's lane.
template <typename Use>
__device__ __forceinline__ void for_line(const Pair* line, unsigned lane, long long nz, const Use& use)
{
    const unsigned length = static_cast<unsigned>(nz);
    for (unsigned first = lane; first < length; first += AHEAD * WARP) {
        Pair here[AHEAD];
#pragma unroll
        for (unsigned i = 0; i < AHEAD; ++i)
            here[i] = first + i * WARP < length ? line[first + i * WARP] : Pair{0, 0};
#pragma unroll
        for (unsigned i = 0; i < AHEAD; ++i)
            if (first + i * WARP < length) use(first + i * WARP, here[i]);
    }
}

// sin x and cos x with the range reduction and the polynomials (Moshier's Cephes library) of wave.py; CUDA's own
// reduction of huge arguments would need local memory.
__device__ __forceinline__ void sine_cosine(double x, double& sine, double& cosine)
{
    const double n = floor(x * 0.63661977236758134308 + 0.5);
    const double r = (x - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11;
    const double z = r * r;
    const double s =
        r + r * z *
                (-1.66666666666666307295e-1 +
                 z * (8.33333333332211858878e-3 +
                      z * (-1.98412698295895385996e-4 +
                           z * (2.75573136213857245213e-6 +
                                z * (-2.50507477628578072866e-8 + z * 1.58962301576546568060e-10)))));
    const double c =
        1 - 0.5 * z +
        z * z *
            (4.16666666666665929218e-2 +
             z * (-1.38888888888730564116e-3 +
                  z * (2.48015872888517045348e-5 +
                       z * (-2.75573141792967388112e-7 +
                            z * (2.08757008419747316778e-9 + z * -1.13585365213876817300e-11)))));
    const int quadrant = static_cast<int>(n - 4 * floor(0.25 * n));
    const bool odd = quadrant == 1 || quadrant == 3;
    sine = odd ? c : s;
    cosine = odd ? s : c;
    if (quadrant >= 2) sine = -sine;
    if (quadrant == 1 || quadrant == 2) cosine = -cosine;
}

// A cell times exp(-i phase).
__device__ __forceinline__ Pair rotate(Pair wave, double phase)
{
    double sine, cosine;
    sine_cosine(phase, sine, cosine);
    const double real = wave.first, imaginary = wave.second;
    return {static_cast<REAL>(real * cosine + imaginary * sine), static_cast<REAL>(imaginary * cosine - real * sine)};
}

#define IS_SINGLE (sizeof(REAL) == 4)

// A cell times exp(-i factor phi). Single-precision cells take single-precision sines below pi/4, which is twenty times
// as fast (polynomials of Moshier's Cephes library): what is added to a cell, not the cell, is multiplied, so that its
// modulus changes by 1e-7 of the phase at most, less than the rounding of the result.
__device__ __forceinline__ Pair kicked(Pair wave, double factor, REAL phi)
{
    if (!IS_SINGLE) return rotate(wave, factor * phi);
    const float x = static_cast<float>(factor) * static_cast<float>(phi);
    if (!(fabsf(x) <= 0.785398f)) return rotate(wave, factor * phi);
    const float z = x * x;
    const float sine = x + x * z * (-1.6666654611e-1f + z * (8.3321608736e-3f + z * -1.9515295891e-4f));
    const float less_one = -0.5f * z + z * z * (4.166664568298827e-2f + z * (-1.388731625493765e-3f +
                                                                           z * 2.443315711809948e-5f));
    const float real = wave.first, imaginary = wave.second;
    return {static_cast<REAL>(real + (real * less_one + imaginary * sine)),
            static_cast<REAL>(imaginary + (imaginary * less_one - real * sine))};
}

// psi times exp(-i factor potential), in place; sums of |psi|^2 and |psi|^2 potential, (planes, blocks, 2)
extern "C" __global__ void potential_phase(long long blocks, long long ny, long long nz, long long line,
                                           const REAL* __restrict__ potential, const double* __restrict__ factor,
                                           REAL* __restrict__ psi, double* sums)
{
    const Line at(blocks, ny);
    double totals[2] = {0, 0};
    if (at.inside) {
        Pair* wave = reinterpret_cast<Pair*>(psi) + at.number * nz;
        const REAL* along = potential + at.number * line;
        const double by = factor[0];
        const unsigned length = static_cast<unsigned>(nz);
        for (unsigned first = at.lane; first < length; first += AHEAD * WARP) {
            Pair here[AHEAD];
            REAL phi[AHEAD];
#pragma unroll
            for (unsigned i = 0; i < AHEAD; ++i) {
                const unsigned m = first + i * WARP;
                here[i] = m < length ? wave[m] : Pair{0, 0};
                phi[i] = m < length ? along[m] : REAL(0);
            }
#pragma unroll
            for (unsigned i = 0; i < AHEAD; ++i) {
                const unsigned m = first + i * WARP;
                const double real = here[i].first, imaginary = here[i].second;
                const double density = real * real + imaginary * imaginary;
                totals[0] += density;
                totals[1] += density * phi[i];
                if (m < length) wave[m] = kicked(here[i], by, phi[i]);
            }
        }
    }
    write_sums(totals, sums);
}

// |psi|^2
extern "C" __global__ void squared_modulus(long long blocks, long long ny, long long nz, long long line,
                                           const REAL* __restrict__ psi, REAL* __restrict__ density)
{
    const Line at(blocks, ny);
    if (!at.inside) return;
    REAL* to = density + at.number * line;
    for_line(reinterpret_cast<const Pair*>(psi) + at.number * nz, at.lane, nz, [=](unsigned m, Pair cell) {
        to[m] = cell.first * cell.first + cell.second * cell.second;
    });
}

// mode (i, j, m) times the phases of its three wavenumbers
extern "C" __global__ void multiply_phases(long long planes, long long blocks, long long ny, long long nz,
                                           const double* __restrict__ phases, REAL* __restrict__ modes)
{
    const Line at(blocks, ny);
    if (!at.inside) return;
    const Phase* factors = reinterpret_cast<const Phase*>(phases);
    const Phase across = product(factors[at.plane], factors[planes + at.row]);
    const Phase* along = factors + planes + ny;
    Pair* line = reinterpret_cast<Pair*>(modes) + at.number * nz;
    for_line(line, at.lane, nz,
             [=](unsigned m, Pair mode) { line[m] = times_phase(mode, product(across, along[m])); });
}

// mode (i, j, m) times -strength / k^2, or 0 where k = 0
extern "C" __global__ void divide_by_k_squared(long long planes, long long blocks, long long ny, long long nz,
                                               const double* __restrict__ squares,
                                               const double* __restrict__ strength, REAL* __restrict__ modes)
{
    const Line at(blocks, ny);
    if (!at.inside) return;
    const double across = squares[at.plane] + squares[planes + at.row], by = -strength[0];
    const double* along = squares + planes + ny;
    Pair* line = reinterpret_cast<Pair*>(modes) + at.number * nz;
    for_line(line, at.lane, nz,
             [=](unsigned m, Pair mode) { line[m] = over_k_squared(mode, across + along[m], by); });
}

// sums of k^2 |mode|^2, (planes, blocks, 1)
extern "C" __global__ void weigh_k_squared(long long planes, long long blocks, long long ny, long long nz,
                                           const double* __restrict__ squares, const REAL* __restrict__ modes,
                                           double* sums)
{
    const Line at(blocks, ny);
    double totals[1] = {0};
    if (at.inside) {
        const double across = squares[at.plane] + squares[planes + at.row];
        const double* along = squares + planes + ny;
        const Pair* mode = reinterpret_cast<const Pair*>(modes) + at.number * nz;
        const unsigned length = static_cast<unsigned>(nz);
#pragma unroll 4
        for (unsigned m = at.lane; m < length; m += WARP) {
            const double real = mode[m].first, imaginary = mode[m].second;
            totals[0] += (across + along[m]) * (real * real + imaginary * imaginary);
        }
    }
    write_sums(totals, sums);
}

// What the phase does between a cell and the next one along each axis; beyond  the plane after the last, (ny, nz).
// sums of |psi_next psi|, of that where the phase changes by more than pi/2, and the largest change where both |psi|^2
// are `dense` at least, (planes, blocks, 3)
extern "C" __global__ void phase_changes(long long planes, long long blocks, long long ny, long long nz,
                                         const REAL* __restrict__ psi, const REAL* __restrict__ beyond,
                                         const double* __restrict__ dense, double* sums)
{
    const Line at(blocks, ny);
    double totals[2] = {0, 0}, largest = 0;
    if (at.inside) {
        const Pair* all = reinterpret_cast<const Pair*>(psi);
        const Pair* here = all + at.number * nz;
        const long long next_row = at.row + 1 < ny ? at.row + 1 : 0;
        const Pair* next[2] = {at.plane + 1 < planes ? here + ny * nz
                                                     : reinterpret_cast<const Pair*>(beyond) + at.row * nz,
                               all + (at.plane * ny + next_row) * nz};
        const double least = dense[0];
        const unsigned length = static_cast<unsigned>(nz);
        for (unsigned m = at.lane; m < length; m += WARP) {
            const Pair cell = here[m];
            const bool heavy = cell.first * cell.first + cell.second * cell.second >= least;
#pragma unroll
            for (int axis = 0; axis < 3; ++axis) {
                const Pair other = axis == 2 ? here[m + 1 < length ? m + 1 : 0] : next[axis][m];
                const REAL real = other.first * cell.first + other.second * cell.second;
                const REAL imaginary = other.second * cell.first - other.first * cell.second;
                const double size = sqrt(real * real + imaginary * imaginary);
                totals[0] += size;
                if (real < 0) totals[1] += size;
                if (heavy && other.first * other.first + other.second * other.second >= least)
                    largest = larger(largest, static_cast<double>(fabs(atan2(imaginary, real))));
            }
        }
    }
    write_largest(largest, sums + 3 * static_cast<long long>(blockIdx.x) + 2);
    write_sums(totals, sums, 3);
}
