// Particles and a mesh, cloud in cell: masses to the mesh, forces on the mesh, kicks and drifts. Each thread takes one
// particle, or one mode.
//
// On the CPU: the loops of these names in particle_mesh.py. Cells and weights are found in double, each operation
// rounded by itself (no fused multiply-add): they are those of the CPU, so that masses, which are added as integers,
// are the same bit for bit. Positions and momenta are double, meshes REAL. The kernels take
//   count, items             particles, or modes, or numbers
//   position, momentum       shape (3, count) [L, L/T]
//   place                    of the mesh: cells per unit of length along x, y, z; then see each kernel
//   nx, ny, nz               cells of the whole mesh
//   x_first, planes          plane with which the slab begins, and its planes
//   mass                     shape (planes + 1, ny, nz), added to
//   force_x, force_y, force_z  shape (planes, ny, length), of which nz;  beyond  what follows, shape (3, ny, length)
//   largest                  the largest size that a block has seen, shape (blocks,), written; NaN where there is one
//   modes, out_x, out_y      shape (nx, lines, length), pairs;  green  real, (nx / 2 + 1, lines, length)

#include "common.cuh"

constexpr int BLOCK = 256;  // THREADS_PER_BLOCK in gpu_fdm/parallel/backend.py
constexpr double FIXED_POINT = 68719476736.0;  // 2^36, as in particle_mesh.py

// Lower cell of a cloud along an axis, in [0, cells), and the weight of the upper one.
struct Cloud {
    long long cell;
    double upper;

    __device__ __forceinline__ Cloud(double position, double inverse_spacing, long long cells)
    {
        const double at = __dadd_rn(__dmul_rn(position, inverse_spacing), -0.5);
        const double below = floor(at);
        cell = static_cast<long long>(below);
        if (cell < 0) cell += cells;
        upper = at - below;
    }
};

// The four lines along z that a particle touches in a plane and in the next one, as offsets of their lower cells.
struct Touched {
    long long plane, line[2], column[2];
    double u, v, w;

    __device__ __forceinline__ Touched(const double* position, long long count, long long item, const double* place,
                                       long long nx, long long ny, long long nz, long long x_first)
    {
        const Cloud x(position[item], place[0], nx), y(position[count + item], place[1], ny),
            z(position[2 * count + item], place[2], nz);
        plane = x.cell - x_first;
        line[0] = y.cell;
        line[1] = y.cell + 1 < ny ? y.cell + 1 : 0;
        column[0] = z.cell;
        column[1] = z.cell + 1 < nz ? z.cell + 1 : 0;
        u = x.upper;
        v = y.upper;
        w = z.upper;
    }
};

// The larger of two sizes; NaN where one is.
__device__ __forceinline__ double larger(double one, double other)
{
    return other > one || other != other ? other : one;
}

// Write the largest size of a block's threads; all of them call this.
__device__ __forceinline__ void write_largest(double size, double* largest)
{
    __shared__ double sizes[BLOCK / 32];
#pragma unroll
    for (unsigned apart = 16; apart > 0; apart /= 2) size = larger(size, __shfl_xor_sync(0xffffffffu, size, apart));
    if (threadIdx.x % 32 == 0) sizes[threadIdx.x / 32] = size;
    __syncthreads();
    if (threadIdx.x > 0) return;
#pragma unroll
    for (int warp = 1; warp < BLOCK / 32; ++warp) size = larger(size, sizes[warp]);
    largest[blockIdx.x] = size;
}

// The first of the two planes that a particle touches, of the whole mesh
extern "C" __global__ void lower_planes(long long count, const double* __restrict__ x, const double* __restrict__ place,
                                        long long nx, long long* planes)
{
    const long long item = thread_item();
    if (item < count) planes[item] = Cloud(x[item], place[0], nx).cell;
}

// Add masses in units of 1/FIXED_POINT
extern "C" __global__ void deposit_clouds(long long count, const double* __restrict__ position,
                                          const double* __restrict__ place, long long nx, long long ny, long long nz,
                                          long long x_first, long long* mass)
{
    const long long item = thread_item();
    if (item >= count) return;
    const Touched at(position, count, item, place, nx, ny, nz, x_first);
    const double across[2] = {1 - at.v, at.v}, along[2] = {1 - at.w, at.w};
#pragma unroll
    for (int side = 0; side < 2; ++side) {
        const double share = (side ? at.u : 1 - at.u) * FIXED_POINT;
#pragma unroll
        for (int b = 0; b < 2; ++b) {
            const double share_b = __dmul_rn(share, across[b]);
            unsigned long long* line =
                reinterpret_cast<unsigned long long*>(mass) + ((at.plane + side) * ny + at.line[b]) * nz;
#pragma unroll
            for (int c = 0; c < 2; ++c) {
                const long long units = static_cast<long long>(__dadd_rn(__dmul_rn(share_b, along[c]), 0.5));
                atomicAdd(line + at.column[c], static_cast<unsigned long long>(units));
            }
        }
    }
}

// Force at a particle, of a mesh and the plane that follows it.
__device__ __forceinline__ double force_at(const Touched& at, const REAL* force, const REAL* beyond, long long planes,
                                           long long ny, long long length)
{
    double total = 0;
#pragma unroll
    for (int side = 0; side < 2; ++side) {
        const long long plane = at.plane + side;
        const REAL* cells = plane < planes ? force + plane * ny * length : beyond;
        const REAL *near = cells + at.line[0] * length, *far = cells + at.line[1] * length;
        total += (side ? at.u : 1 - at.u) *
                 ((1 - at.v) * ((1 - at.w) * near[at.column[0]] + at.w * near[at.column[1]]) +
                  at.v * ((1 - at.w) * far[at.column[0]] + at.w * far[at.column[1]]));
    }
    return total;
}

// A coordinate in [0, side).
__device__ __forceinline__ double wrapped(double at, double side)
{
    at = __dadd_rn(at, -__dmul_rn(side, floor(at / side)));
    return at < side ? at : 0;
}

// momentum + kick force, and position + drift momentum in the box, both in place; place goes on with the sides of the
// box, kick and drift
extern "C" __global__ void push(long long count, double* position, double* momentum, const double* __restrict__ place,
                                long long nx, long long ny, long long nz, long long x_first, long long planes,
                                const REAL* __restrict__ force_x, const REAL* __restrict__ force_y,
                                const REAL* __restrict__ force_z, const REAL* __restrict__ beyond, long long length,
                                double* largest)
{
    const long long item = thread_item();
    double size = 0;
    if (item < count) {
        const Touched at(position, count, item, place, nx, ny, nz, x_first);
        const double kick = place[6], drift = place[7];
        const REAL* forces[3] = {force_x, force_y, force_z};
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) {
            const long long here = axis * count + item;
            const double p =
                momentum[here] + kick * force_at(at, forces[axis], beyond + axis * ny * length, planes, ny, length);
            momentum[here] = p;
            if (drift != 0) position[here] = wrapped(__dadd_rn(position[here], __dmul_rn(drift, p)), place[3 + axis]);
            size = larger(size, fabs(p));
        }
    }
    write_largest(size, largest);
}

// position + factor momentum, in place, in the box; sides  its sides, then the factor
extern "C" __global__ void move(long long count, double* position, const double* __restrict__ momentum,
                                const double* __restrict__ sides)
{
    const long long item = thread_item();
    if (item >= count) return;
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
        const long long here = axis * count + item;
        position[here] = wrapped(__dadd_rn(position[here], __dmul_rn(sides[3], momentum[here])), sides[axis]);
    }
}

// i k green modes, for k along x and y into out_x and out_y, and along z in place; k_x, k_y, k_z  for each mode along them
extern "C" __global__ void gradient(long long items, long long nx, long long lines, long long length, REAL* modes,
                                    const REAL* __restrict__ green, const double* __restrict__ k_x,
                                    const double* __restrict__ k_y, const double* __restrict__ k_z, REAL* out_x,
                                    REAL* out_y)
{
    const long long item = thread_item();
    if (item >= items) return;
    // 4-byte divisions where they suffice: an 8-byte one takes as long as the memory
    long long row, i;
    if (items <= 0xffffffffll) {
        row = static_cast<unsigned>(item) / static_cast<unsigned>(length);
        i = static_cast<unsigned>(row) / static_cast<unsigned>(lines);
    } else {
        row = item / length;
        i = row / lines;
    }
    const long long j = row - i * lines, m = item - row * length;
    const long long mirrored = 2 * i <= nx ? i : nx - i;
    const double factor = green[(mirrored * lines + j) * length + m];
    const Pair mode = reinterpret_cast<const Pair*>(modes)[item];
    const double real = mode.first * factor, imaginary = mode.second * factor;
    const double k[3] = {k_x[i], k_y[j], k_z[m]};
    REAL* outs[3] = {out_x, out_y, modes};
#pragma unroll
    for (int axis = 0; axis < 3; ++axis)
        reinterpret_cast<Pair*>(outs[axis])[item] = {static_cast<REAL>(-imaginary * k[axis]),
                                                     static_cast<REAL>(real * k[axis])};
}

// The largest size of the first `count` numbers of lines of a length, several numbers a thread
extern "C" __global__ void largest_size(long long items, const REAL* __restrict__ values, long long length,
                                        long long count, double* largest)
{
    double size = 0;
    const long long threads = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long item = thread_item(); item < items; item += threads) {
        const long long column =
            items <= 0xffffffffll ? static_cast<unsigned>(item) % static_cast<unsigned>(length) : item % length;
        if (column < count) size = larger(size, fabs(static_cast<double>(values[item])));
    }
    write_largest(size, largest);
}
