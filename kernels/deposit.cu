// Add particles to the planes of a slab of a periodic grid: each thread adds one particle, but for what falls on other
// planes.
//
// On the CPU: add_particles_loop in deposit.py. The kernels, for positions in float and in double, take
//   count                   particles
//   positions               shape (count, 3)
//   weights, weighted       shape (count,), or of any length for one each where weighted is 0
//   place                   cells per unit of length along x, y, z, offset added to all three coordinates [cells], the
//                           cells from the box within which positions are taken, and units in a weight of one
//   nx, ny, nz              cells of the whole grid
//   x_first, planes         plane with which the slab begins, and its planes
//   order                   of the assignment: cells that a particle touches along an axis, 1 to 4
//   units                   shape (planes, ny, nz), added to: integers, whose sum does not depend on the order
//   bad                     number of particles whose position is not finite or too far, added to; they are left out
//
// Cells are found in double, each operation rounded by itself (no fused multiply-add): they are those of the CPU.
// Weights are double too, and rounded to whole units before they are added.

#include "common.cuh"

// Cell below a coordinate on the periodic grid, and how far into it.
__device__ __forceinline__ long long cell_of(double position, double scale, double offset, long long cells,
                                             double& fraction)
{
    const double u = __dadd_rn(__dmul_rn(position, scale), offset);
    const double below = floor(u);
    fraction = u - below;
    long long cell = static_cast<long long>(below);
    if (cell < 0 || cell >= cells) cell %= cells;
    return cell < 0 ? cell + cells : cell;
}

// Weights of the cells that a particle touches along an axis.
template <int ORDER>
__device__ __forceinline__ void assignment_weights(double t, double (&w)[ORDER])
{
    const double s = 1 - t;
    if constexpr (ORDER == 1) {
        w[0] = 1;
    } else if constexpr (ORDER == 2) {
        w[0] = s;
        w[1] = t;
    } else if constexpr (ORDER == 3) {
        w[0] = 0.5 * s * s;
        w[2] = 0.5 * t * t;
        w[1] = 1 - w[0] - w[2];
    } else {
        w[0] = s * s * s / 6;
        w[3] = t * t * t / 6;
        w[1] = (4 + t * t * (3 * t - 6)) / 6;
        w[2] = 1 - w[0] - w[1] - w[3];
    }
}

// The cells that a particle touches along an axis, and their weights.
template <int ORDER>
struct Touched {
    long long cell[ORDER];
    double weight[ORDER];

    __device__ __forceinline__ Touched(double position, double scale, double offset, long long cells)
    {
        double t;
        const long long first = cell_of(position, scale, offset, cells, t) - (ORDER - 1) / 2;
#pragma unroll
        for (int a = 0; a < ORDER; ++a) {
            cell[a] = first + a;
            // boxes may be smaller than what a particle touches
            if (cell[a] < 0 || cell[a] >= cells) cell[a] = (cell[a] + ORDER * cells) % cells;
        }
        assignment_weights<ORDER>(t, weight);
    }
};

template <int ORDER>
__device__ __forceinline__ void add_particle(const double (&position)[3], double weight, const double* place,
                                             long long nx, long long ny, long long nz, long long x_first,
                                             long long planes, unsigned long long* units)
{
    const Touched<ORDER> x(position[0], place[0], place[3], nx), y(position[1], place[1], place[3], ny),
        z(position[2], place[2], place[3], nz);
#pragma unroll
    for (int a = 0; a < ORDER; ++a) {
        const long long plane = x.cell[a] - x_first;
        if (plane < 0 || plane >= planes) continue;
#pragma unroll
        for (int b = 0; b < ORDER; ++b) {
            unsigned long long* line = units + (plane * ny + y.cell[b]) * nz;
            const double weight_ab = weight * x.weight[a] * y.weight[b];
#pragma unroll
            for (int c = 0; c < ORDER; ++c) {
                const long long added = static_cast<long long>(rint(weight_ab * z.weight[c]));
                atomicAdd(line + z.cell[c], static_cast<unsigned long long>(added));
            }
        }
    }
}

template <typename Position>
__device__ __forceinline__ void add(long long count, const Position* positions, const double* weights,
                                    long long weighted, const double* place, long long nx, long long ny,
                                    long long nz, long long x_first, long long planes, long long order, long long* units,
                                    unsigned long long* bad)
{
    const long long item = thread_item();
    if (item >= count) return;
    const Position* at = positions + 3 * item;
    const double position[3] = {at[0], at[1], at[2]};
    bool good = true;
#pragma unroll
    for (int axis = 0; axis < 3; ++axis)
        good = good && fabs(__dmul_rn(position[axis], place[axis])) <= place[4];  // false for NaN too
    if (!good) {
        atomicAdd(bad, 1ull);
        return;
    }
    const double weight = (weighted ? weights[item] : 1) * place[5];
    unsigned long long* cells = reinterpret_cast<unsigned long long*>(units);
    if (order == 1) add_particle<1>(position, weight, place, nx, ny, nz, x_first, planes, cells);
    if (order == 2) add_particle<2>(position, weight, place, nx, ny, nz, x_first, planes, cells);
    if (order == 3) add_particle<3>(position, weight, place, nx, ny, nz, x_first, planes, cells);
    if (order == 4) add_particle<4>(position, weight, place, nx, ny, nz, x_first, planes, cells);
}

extern "C" __global__ void add_particles_float32(long long count, const float* __restrict__ positions,
                                                 const double* __restrict__ weights, long long weighted,
                                                 const double* __restrict__ place, long long nx, long long ny,
                                                 long long nz, long long x_first, long long planes,
                                                 long long order, long long* units, unsigned long long* bad)
{
    add(count, positions, weights, weighted, place, nx, ny, nz, x_first, planes, order, units, bad);
}

extern "C" __global__ void add_particles_float64(long long count, const double* __restrict__ positions,
                                                 const double* __restrict__ weights, long long weighted,
                                                 const double* __restrict__ place, long long nx, long long ny,
                                                 long long nz, long long x_first, long long planes,
                                                 long long order, long long* units, unsigned long long* bad)
{
    add(count, positions, weights, weighted, place, nx, ny, nz, x_first, planes, order, units, bad);
}
