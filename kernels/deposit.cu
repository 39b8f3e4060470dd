// Add particles to the planes of a slab of a periodic grid: each thread adds one particle, but for what falls on other
// planes. Particles side by side in a slab's order are added in that order: they share cells, which a card adds to faster.
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
//   numbers, ordered        1: thread n adds particle numbers[n]; 0: particle n, and numbers is not read
//   bad                     number of particles whose position is not finite or too far, added to; they are left out
//
// Cells are found in double, each operation rounded by itself (no fused multiply-add): they are those of the CPU.
// Weights are double too, and rounded to whole units before they are added.

#include "common.cuh"
#include "warps.cuh"

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

// All threads of a warp call this; inside  whether one has a particle to add. Where a particle lies one cell further
// along z than that of the thread before, its thread adds what that one has for the cells of both.
template <int ORDER>
__device__ __forceinline__ void add_particle(bool inside, const double (&position)[3], double weight,
                                             const double* place, long long nx, long long ny, long long nz,
                                             long long x_first, long long planes, unsigned long long* units)
{
    const Touched<ORDER> x(position[0], place[0], place[3], nx), y(position[1], place[1], place[3], ny),
        z(position[2], place[2], place[3], nz);
    bool follows = false, followed = false;
    if constexpr (ORDER > 1) {
        const unsigned lane = threadIdx.x % 32;
        const long long first = inside ? (x.cell[0] * ny + y.cell[0]) * nz : -1;
        const long long before = __shfl_up_sync(ALL, first + z.cell[1], 1);
        follows = inside && lane > 0 && before == first + z.cell[0];
        followed = __ballot_sync(ALL, follows) >> lane >> 1 & 1;
    }
#pragma unroll
    for (int a = 0; a < ORDER; ++a) {
        const long long plane = x.cell[a] - x_first;
        const bool here = inside && plane >= 0 && plane < planes;
#pragma unroll
        for (int b = 0; b < ORDER; ++b) {
            unsigned long long* line = units + (plane * ny + y.cell[b]) * nz;
            const double weight_ab = weight * x.weight[a] * y.weight[b];
            unsigned long long added[ORDER];
#pragma unroll
            for (int c = 0; c < ORDER; ++c)
                added[c] = static_cast<unsigned long long>(static_cast<long long>(rint(weight_ab * z.weight[c])));
#pragma unroll
            for (int c = ORDER - 1; c > 0; --c) {  // from the last cell on: what comes is handed on with the next
                const unsigned long long other = __shfl_up_sync(ALL, added[c], 1);
                if (follows) added[c - 1] += other;
            }
            if (here) atomicAdd(line + z.cell[0], added[0]);
            if (followed || !here) continue;
#pragma unroll
            for (int c = 1; c < ORDER; ++c) atomicAdd(line + z.cell[c], added[c]);
        }
    }
}

template <typename Position>
__device__ __forceinline__ void add(long long count, const Position* positions, const double* weights,
                                    long long weighted, const unsigned* numbers, long long ordered,
                                    const double* place, long long nx, long long ny, long long nz, long long x_first,
                                    long long planes, long long order, long long* units, unsigned long long* bad)
{
    const long long thread = thread_item();
    bool inside = thread < count;
    double position[3] = {0, 0, 0}, weight = 0;
    if (inside) {
        const long long item = ordered ? numbers[thread] : thread;
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) {
            const double at = positions[3 * item + axis];
            const bool good = fabs(__dmul_rn(at, place[axis])) <= place[4];  // false for NaN too
            position[axis] = good ? at : 0;
            inside = inside && good;
        }
        if (!inside) atomicAdd(bad, 1ull);
        weight = (weighted ? weights[item] : 1) * place[5];
    }
    unsigned long long* cells = reinterpret_cast<unsigned long long*>(units);
    if (order == 1) add_particle<1>(inside, position, weight, place, nx, ny, nz, x_first, planes, cells);
    if (order == 2) add_particle<2>(inside, position, weight, place, nx, ny, nz, x_first, planes, cells);
    if (order == 3) add_particle<3>(inside, position, weight, place, nx, ny, nz, x_first, planes, cells);
    if (order == 4) add_particle<4>(inside, position, weight, place, nx, ny, nz, x_first, planes, cells);
}

// Count the particles in each cell of the slab, and number them there as they come: no sum depends on their order.
// Those elsewhere count for the last plane.
template <typename Position>
__device__ __forceinline__ void count_in_cells(long long count, const Position* positions, const double* place,
                                               long long nx, long long ny, long long nz, long long x_first,
                                               long long planes, unsigned* cells, unsigned* ranks, unsigned* counts)
{
    const long long item = thread_item();
    if (item >= count) return;
    double fraction;
    long long i = cell_of(positions[3 * item], place[0], place[3], nx, fraction) - x_first;
    if (i < 0) i += nx;
    if (i >= planes) i = planes - 1;
    const long long j = cell_of(positions[3 * item + 1], place[1], place[3], ny, fraction);
    const long long m = cell_of(positions[3 * item + 2], place[2], place[3], nz, fraction);
    const unsigned cell = static_cast<unsigned>((i * ny + j) * nz + m);
    cells[item] = cell;
    ranks[item] = atomicAdd(counts + cell, 1u);
}

extern "C" __global__ void count_in_cells_float32(long long count, const float* __restrict__ positions,
                                                  const double* __restrict__ place, long long nx, long long ny,
                                                  long long nz, long long x_first, long long planes,
                                                  unsigned* cells, unsigned* ranks, unsigned* counts)
{
    count_in_cells(count, positions, place, nx, ny, nz, x_first, planes, cells, ranks, counts);
}

extern "C" __global__ void count_in_cells_float64(long long count, const double* __restrict__ positions,
                                                  const double* __restrict__ place, long long nx, long long ny,
                                                  long long nz, long long x_first, long long planes,
                                                  unsigned* cells, unsigned* ranks, unsigned* counts)
{
    count_in_cells(count, positions, place, nx, ny, nz, x_first, planes, cells, ranks, counts);
}

// The numbers of particles cell after cell; ends  particles in all cells up to each one
extern "C" __global__ void number_by_cell(long long count, const unsigned* __restrict__ cells,
                                          const unsigned* __restrict__ ranks, const unsigned* __restrict__ ends,
                                          unsigned* numbers)
{
    const long long item = thread_item();
    if (item < count) numbers[ends[cells[item]] - 1 - ranks[item]] = static_cast<unsigned>(item);
}

// Add integers to a grid, each times a factor
extern "C" __global__ void add_units(long long items, const long long* __restrict__ units, double factor, REAL* grid)
{
    const long long item = thread_item();
    if (item < items) grid[item] = static_cast<REAL>(__dadd_rn(grid[item], __dmul_rn(units[item], factor)));
}

extern "C" __global__ void add_particles_float32(long long count, const float* __restrict__ positions,
                                                 const double* __restrict__ weights, long long weighted,
                                                 const unsigned* __restrict__ numbers, long long ordered,
                                                 const double* __restrict__ place, long long nx, long long ny,
                                                 long long nz, long long x_first, long long planes,
                                                 long long order, long long* units, unsigned long long* bad)
{
    add(count, positions, weights, weighted, numbers, ordered, place, nx, ny, nz, x_first, planes, order, units, bad);
}

extern "C" __global__ void add_particles_float64(long long count, const double* __restrict__ positions,
                                                 const double* __restrict__ weights, long long weighted,
                                                 const unsigned* __restrict__ numbers, long long ordered,
                                                 const double* __restrict__ place, long long nx, long long ny,
                                                 long long nz, long long x_first, long long planes,
                                                 long long order, long long* units, unsigned long long* bad)
{
    add(count, positions, weights, weighted, numbers, ordered, place, nx, ny, nz, x_first, planes, order, units, bad);
}
