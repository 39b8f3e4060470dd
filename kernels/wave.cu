// A wave between its Fourier transforms: each thread takes one cell or one mode.
//
// On the CPU: the loops of these names in wave.py. Tables, factors and arithmetic are double at both precisions, so
// that phases have modulus one to 1e-16 and the mass does not drift; the kernels wait for memory, not for arithmetic.
// Complex numbers are pairs. The kernels take
//   items            cells or modes
//   psi, potential   of the cells of some planes, psi in pairs;  density  written
//   modes            shape (nx, columns), columns fastest, pairs, changed in place
//   along, across    factors along x, shape (nx,), and of the columns, shape (columns,), see each kernel

#include "common.cuh"

constexpr int BLOCK = 256;  // THREADS_PER_BLOCK in gpu_fdm/parallel/backend.py

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

// psi times exp(-i factor potential), in place; sums  of |psi|^2 and |psi|^2 potential over each block, (blocks, 2)
extern "C" __global__ void potential_phase(long long items, const REAL* __restrict__ potential,
                                           const double* __restrict__ factor, REAL* psi, double* sums)
{
    __shared__ double mass[BLOCK], energy[BLOCK];
    const long long item = thread_item();
    mass[threadIdx.x] = energy[threadIdx.x] = 0;
    if (item < items) {
        Pair* wave = reinterpret_cast<Pair*>(psi) + item;
        const double real = wave->first, imaginary = wave->second, phi = potential[item];
        const double density = real * real + imaginary * imaginary;
        mass[threadIdx.x] = density;
        energy[threadIdx.x] = density * phi;
        double sine, cosine;
        sine_cosine(factor[0] * phi, sine, cosine);
        wave->first = static_cast<REAL>(real * cosine + imaginary * sine);
        wave->second = static_cast<REAL>(imaginary * cosine - real * sine);
    }
    __syncthreads();
    for (unsigned half = BLOCK / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            mass[threadIdx.x] += mass[threadIdx.x + half];
            energy[threadIdx.x] += energy[threadIdx.x + half];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        sums[2 * static_cast<long long>(blockIdx.x)] = mass[0];
        sums[2 * static_cast<long long>(blockIdx.x) + 1] = energy[0];
    }
}

// |psi|^2
extern "C" __global__ void squared_modulus(long long items, const REAL* __restrict__ psi, REAL* density)
{
    const long long item = thread_item();
    if (item >= items) return;
    const Pair wave = reinterpret_cast<const Pair*>(psi)[item];
    density[item] = wave.first * wave.first + wave.second * wave.second;
}

// mode (i, j) times along_i across_j, all complex
extern "C" __global__ void multiply_phases(long long items, long long columns, const double* __restrict__ along,
                                           const double* __restrict__ across, REAL* modes)
{
    const long long item = thread_item();
    if (item >= items) return;
    const long long i = item / columns, j = item - i * columns;
    const double a = along[2 * i], b = along[2 * i + 1], c = across[2 * j], d = across[2 * j + 1];
    const double cosine = a * c - b * d, sine = a * d + b * c;
    Pair* mode = reinterpret_cast<Pair*>(modes) + item;
    const double real = mode->first, imaginary = mode->second;
    mode->first = static_cast<REAL>(real * cosine - imaginary * sine);
    mode->second = static_cast<REAL>(real * sine + imaginary * cosine);
}

// mode (i, j) times -strength / k^2, or 0 where k = 0; along is k_x^2, across k_y^2 + k_z^2
extern "C" __global__ void divide_by_k_squared(long long items, long long columns,
                                               const double* __restrict__ along,
                                               const double* __restrict__ across,
                                               const double* __restrict__ strength, REAL* modes)
{
    const long long item = thread_item();
    if (item >= items) return;
    const long long i = item / columns;
    const double k_squared = along[i] + across[item - i * columns];
    const double green = k_squared > 0 ? -strength[0] / k_squared : 0;
    Pair* mode = reinterpret_cast<Pair*>(modes) + item;
    mode->first = static_cast<REAL>(mode->first * green);
    mode->second = static_cast<REAL>(mode->second * green);
}
