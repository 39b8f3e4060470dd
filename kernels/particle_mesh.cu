// Particles and a mesh, cloud in cell: masses to the mesh, forces on the mesh, kicks and drifts. Each thread takes one
// particle, or one mode.
//
// On the CPU: the loops of these names in particle_mesh.py. Cells and weights are found in double, each operation
// rounded by itself (no fused multiply-add): they are those of the CPU, so that masses, which are added as integers,
// are the same bit for bit. Positions and momenta are double, meshes REAL. The kernels take
//   count, items             particles, or modes, or numbers
//   position, momentum       shape (3, count) [L, L/T]
//   place                    of the mesh: cells per unit of length along x, y, z, then the sides of the box
//   nx, ny, nz               cells of the whole mesh
//   x_first, planes          plane with which the slab begins, and its planes
//   mass                     shape (planes + 1, ny, nz), added to
//   places                   number of the lower cell in the order of tiles, and in a tile in the order of memory
//   kick, drift              factors of forces and momenta
//   force_x, force_y, force_z  shape (planes, ny, length), of which nz;  beyond  what follows, shape (3, ny, length)
//   largest                  the largest size that a block has seen, shape (blocks,), written; NaN where there is one
//   modes, out_x, out_y      shape (nx, lines, length), pairs;  green  real, (nx / 2 + 1, lines, length)

#include "common.cuh"
#include "warps.cuh"

constexpr int BLOCK = 256;  // THREADS_PER_BLOCK in gpu_fdm/parallel/backend.py
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int BLOCKS = 3;  // on a multiprocessor while particles are pushed: their registers suffice for so many
#else
constexpr int BLOCKS = 4;
#endif
constexpr double FIXED_POINT = 68719476736.0;  // 2^36, as in particle_mesh.py
// Cells of a tile along x, y and z: TILE in particle_mesh.py
constexpr int TILE_X = 2, TILE_Y = 4, TILE_Z = 16;
// Part of a mesh for which a block sums masses before it adds them: along x and y a tile and what it touches, with a
// margin for particles that have moved, along z this tile, the one before and the one after, over which the particles of
// a block are spread. The number of cells along z is odd, so that lines side by side are in different banks.
constexpr int MARGIN = 1, LINES_X = TILE_X + 1 + 2 * MARGIN, LINES_Y = TILE_Y + 1 + 2 * MARGIN;
constexpr int DEPTH = 3 * TILE_Z + 1;
constexpr int LINES = LINES_X * LINES_Y, IN_WINDOW = LINES * DEPTH;
constexpr int LOW_BITS = 18;  // of a mass of 37 bits: sums of either half over a block stay below 2^32

// Lower cell of a cloud along an axis, in [0, cells), and the weight of the upper one.
struct Cloud {
    int cell;
    double upper;

    __device__ __forceinline__ Cloud(double position, double inverse_spacing, long long cells)
    {
        const double at = __dadd_rn(__dmul_rn(position, inverse_spacing), -0.5);
        const double below = floor(at);
        cell = static_cast<int>(below);
        if (cell < 0) cell += static_cast<int>(cells);
        upper = at - below;
    }
};

// The four lines along z that a particle touches in a plane and in the next one, as offsets of their lower cells.
struct Touched {
    int plane, line[2], column[2];
    double u, v, w;

    __device__ __forceinline__ Touched(const double (&at)[3], const double* place, long long nx, long long ny,
                                       long long nz, long long x_first)
    {
        const Cloud x(at[0], place[0], nx), y(at[1], place[1], ny), z(at[2], place[2], nz);
        plane = x.cell - static_cast<int>(x_first);
        line[0] = y.cell;
        line[1] = y.cell + 1 < ny ? y.cell + 1 : 0;
        column[0] = z.cell;
        column[1] = z.cell + 1 < nz ? z.cell + 1 : 0;
        u = x.upper;
        v = y.upper;
        w = z.upper;
    }
};

// A share of a mass in units, rounded: above 2^52 the last bits of a double are those of an integer, and a sum that is
// rounded down has them faster than a conversion
__device__ __forceinline__ unsigned long long units_of(double share, double along)
{
    const double units = __dadd_rd(__dadd_rn(__dmul_rn(share, along), 0.5), 4503599627370496.0);
    return static_cast<unsigned long long>(__double_as_longlong(units)) & ((1ull << 52) - 1);
}

// The first of the two planes that a particle touches, of the whole mesh
extern "C" __global__ void lower_planes(long long count, const double* __restrict__ x, const double* __restrict__ place,
                                        long long nx, long long* planes)
{
    const long long item = thread_item();
    if (item < count) planes[item] = Cloud(x[item], place[0], nx).cell;
}

// The place of the lower cell of each particle in the order of tiles
extern "C" __global__ void places_in_tiles(long long count, const double* __restrict__ position,
                                           const double* __restrict__ place, long long nx, long long ny, long long nz,
                                           long long* places)
{
    const long long item = thread_item();
    if (item >= count) return;
    const Cloud x(position[item], place[0], nx), y(position[count + item], place[1], ny),
        z(position[2 * count + item], place[2], nz);
    const long long along_y = (ny + TILE_Y - 1) / TILE_Y, along_z = (nz + TILE_Z - 1) / TILE_Z;
    const long long tile = (x.cell / TILE_X * along_y + y.cell / TILE_Y) * along_z + z.cell / TILE_Z;
    places[item] = ((tile * TILE_X + x.cell % TILE_X) * TILE_Y + y.cell % TILE_Y) * TILE_Z + z.cell % TILE_Z;
}

// A number on a periodic axis that is at most a few times around off, in [0, cells)
__device__ __forceinline__ int within(int number, int cells)
{
#pragma unroll 1
    while (number < 0) number += cells;
#pragma unroll 1
    while (number >= cells) number -= cells;
    return number;
}

// From a number in [0, cells) up to another
__device__ __forceinline__ int ahead(int number, int other, int cells)
{
    return other < number ? other - number + cells : other - number;
}

// What the threads of a block share while they add masses: those near, and where their lines and columns are in the mesh.
// A mass is in two halves, for whose sums over a block 4 bytes suffice: a card adds 4 bytes in shared memory faster than
// 8. All lower halves come first, so that neighbouring cells are in neighbouring banks.
struct Window {
    unsigned low[IN_WINDOW], high[IN_WINDOW];
    int first[3];
    long long lines[LINES];
    int columns[DEPTH];
};

__device__ __forceinline__ void clear(Window& window)
{
#pragma unroll
    for (int first = 0; first < IN_WINDOW; first += BLOCK) {
        const int cell = first + threadIdx.x;
        if (cell < IN_WINDOW) window.low[cell] = window.high[cell] = 0;
    }
}

__device__ __forceinline__ void add_near(Window& window, int cell, unsigned long long mass)
{
    atomicAdd(window.low + cell, static_cast<unsigned>(mass) & ((1u << LOW_BITS) - 1));
    atomicAdd(window.high + cell, static_cast<unsigned>(mass >> LOW_BITS));
}

// Add the masses of a block's particles in units of 1/FIXED_POINT; all its threads call this, the first `particles` with
// one each. What falls near the particle in the middle is summed in shared memory, which is clear: particles in the order
// of tiles share most of their cells. The rest goes to the mesh at once.
__device__ __forceinline__ void add_clouds(const double (&position)[3], long long particles, Window& window,
                                           const double* __restrict__ place, long long nx, long long ny, long long nz,
                                           long long x_first, long long* mass)
{
    unsigned long long* cells = reinterpret_cast<unsigned long long*>(mass);
    int(&first)[3] = window.first;
    const Touched at(position, place, nx, ny, nz, x_first);
    const int y_cells = static_cast<int>(ny), z_cells = static_cast<int>(nz);
    if (threadIdx.x == particles / 2) {
        first[0] = at.plane / TILE_X * TILE_X - MARGIN;
        first[1] = within(at.line[0] / TILE_Y * TILE_Y - MARGIN, y_cells);
        first[2] = within(at.column[0] / TILE_Z * TILE_Z - TILE_Z, z_cells);
    }
    __syncthreads();
    const int own = threadIdx.x;
    if (own < LINES) {
        const long long j = within(first[1] + own % LINES_Y, y_cells);
        window.lines[own] = ((first[0] + own / LINES_Y) * ny + j) * nz;
    }
    if (own < DEPTH) window.columns[own] = within(first[2] + own, z_cells);
    const int x = at.plane - first[0], y = ahead(first[1], at.line[0], y_cells),
              z = ahead(first[2], at.column[0], z_cells);
    const bool near = x >= 0 && x + 1 < LINES_X && y + 1 < LINES_Y && z + 1 < DEPTH;
    const double across[2] = {1 - at.v, at.v};
    if (threadIdx.x < particles)
#pragma unroll
        for (int side = 0; side < 2; ++side) {
            const double share = (side ? at.u : 1 - at.u) * FIXED_POINT;
#pragma unroll
            for (int b = 0; b < 2; ++b) {
                const double share_b = __dmul_rn(share, across[b]);
                const unsigned long long lower = units_of(share_b, 1 - at.w), upper = units_of(share_b, at.w);
                if (near) {
                    const int cell = ((x + side) * LINES_Y + y + b) * DEPTH + z;
                    add_near(window, cell, lower);
                    add_near(window, cell + 1, upper);
                } else {
                    unsigned long long* to = cells + (static_cast<long long>(at.plane + side) * ny + at.line[b]) * nz;
                    atomicAdd(to + at.column[0], lower);
                    atomicAdd(to + at.column[1], upper);
                }
            }
        }
    __syncthreads();
#pragma unroll
    for (int first_cell = 0; first_cell < IN_WINDOW; first_cell += BLOCK) {
        const int cell = first_cell + own;
        const unsigned low = cell < IN_WINDOW ? window.low[cell] : 0, high = cell < IN_WINDOW ? window.high[cell] : 0;
        if (low == 0 && high == 0) continue;
        const int line = cell / DEPTH;
        atomicAdd(cells + window.lines[line] + window.columns[cell - line * DEPTH],
                  (static_cast<unsigned long long>(high) << LOW_BITS) + low);
    }
}

// How many of the particles the threads of this block have, at least one
__device__ __forceinline__ long long in_block(long long count)
{
    return min(count - static_cast<long long>(blockIdx.x) * blockDim.x, static_cast<long long>(blockDim.x));
}

// Add masses in units of 1/FIXED_POINT.
extern "C" __global__ void __launch_bounds__(BLOCK, 4)
deposit_clouds(long long count, const double* __restrict__ position, const double* __restrict__ place, long long nx,
               long long ny, long long nz, long long x_first, long long* mass)
{
    const long long item = thread_item();
    __shared__ Window window;
    clear(window);
    double at[3] = {0, 0, 0};
    if (item < count)
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) at[axis] = position[axis * count + item];
    add_clouds(at, in_block(count), window, place, nx, ny, nz, x_first, mass);
}

// Mean of four cells of a plane around a particle: the first of them, and how far off the next lines and columns are.
__device__ __forceinline__ double mean_in_plane(const REAL* first, int line, int column, double v, double w)
{
    return (1 - v) * ((1 - w) * first[0] + w * first[column]) + v * ((1 - w) * first[line] + w * first[line + column]);
}

// A coordinate in [0, side).
__device__ __forceinline__ double wrapped(double at, double side)
{

    if (at > 0 && at < side) return at;  // as what follows does, without a division
    at = __dadd_rn(at, -__dmul_rn(side, floor(at / side)));
    return at < side ? at : 0;
}

// momentum + kick force, and position + drift momentum in the box, both in place. Returns the largest size of a momentum
// along an axis, and where the particle is then; of threads without one, 0.
__device__ __forceinline__ double kick_and_drift(long long count, double* position, double* momentum,
                                                 const double* __restrict__ place, long long nx, long long ny,
                                                 long long nz, long long x_first, long long planes,
                                                 const REAL* __restrict__ force_x, const REAL* __restrict__ force_y,
                                                 const REAL* __restrict__ force_z, const REAL* __restrict__ beyond,
                                                 long long length, double kick, double drift, double (&now)[3])
{
    const long long item = thread_item();
    now[0] = now[1] = now[2] = 0;
    if (item >= count) return 0;
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) now[axis] = position[axis * count + item];
    const Touched at(now, place, nx, ny, nz, x_first);
    const REAL *forces[3] = {force_x, force_y, force_z}, *last = beyond;
    // a plane has fewer than 2^31 numbers
    const int line = (at.line[1] - at.line[0]) * static_cast<int>(length), column = at.column[1] - at.column[0];
    const long long plane = ny * length, first = at.line[0] * length + at.column[0];
    const long long whole = at.plane * plane + first;
    const bool inside = at.plane + 1 < planes;
    double size = 0;
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
        const REAL* lower = forces[axis] + whole;
        const REAL* upper = inside ? lower + plane : last + first;
        last += plane;
        const double force = (1 - at.u) * mean_in_plane(lower, line, column, at.v, at.w) +
                             at.u * mean_in_plane(upper, line, column, at.v, at.w);
        const long long here = axis * count + item;
        const double p = momentum[here] + kick * force;
        momentum[here] = p;
        double x = position[here];
        if (drift != 0) position[here] = x = wrapped(__dadd_rn(x, __dmul_rn(drift, p)), place[3 + axis]);
        now[axis] = x;
        size = larger(size, fabs(p));
    }
    return size;
}

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
push(long long count, double* position, double* momentum, const double* __restrict__ place,
                                long long nx, long long ny, long long nz, long long x_first, long long planes,
                                const REAL* __restrict__ force_x, const REAL* __restrict__ force_y,
                                const REAL* __restrict__ force_z, const REAL* __restrict__ beyond, long long length,
                                double kick, double drift, double* largest)
{
    double now[3];
    const double size = kick_and_drift(count, position, momentum, place, nx, ny, nz, x_first, planes, force_x, force_y,
                                       force_z, beyond, length, kick, drift, now);
    write_largest(size, largest + blockIdx.x);
}

// push, then deposit_clouds without reading the positions again, for a slab that is the whole mesh
extern "C" __global__ void __launch_bounds__(BLOCK, BLOCKS)
push_and_deposit(long long count, double* position, double* momentum, const double* __restrict__ place, long long nx,
                 long long ny, long long nz, long long x_first, long long planes, const REAL* __restrict__ force_x,
                 const REAL* __restrict__ force_y, const REAL* __restrict__ force_z, const REAL* __restrict__ beyond,
                 long long length, double kick, double drift, double* largest, long long* mass)
{
    __shared__ Window window;
    clear(window);
    double now[3];
    const double size = kick_and_drift(count, position, momentum, place, nx, ny, nz, x_first, planes, force_x, force_y,
                                       force_z, beyond, length, kick, drift, now);
    write_largest(size, largest + blockIdx.x);
    add_clouds(now, in_block(count), window, place, nx, ny, nz, x_first, mass);
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

// Masses times a factor, to lines of a length; what is left of the masses is `empty`
extern "C" __global__ void density(long long items, long long nz, long long* mass, double factor, long long empty,
                                   REAL* density, long long length)
{
    const long long item = thread_item();
    if (item >= items) return;
    const long long line = items <= 0xffffffffll ? static_cast<unsigned>(item) / static_cast<unsigned>(nz) : item / nz;
    density[line * length + item - line * nz] = static_cast<REAL>(mass[item] * factor);
    mass[item] = empty;
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

// The largest size of the first `count` numbers of lines of a length of `arrays` arrays, up to three: blocks take them in
// turn, several numbers a thread
extern "C" __global__ void largest_size(long long items, long long arrays, const REAL* __restrict__ first,
                                        const REAL* __restrict__ second, const REAL* __restrict__ third,
                                        long long length, long long count, double* largest)
{
    const unsigned number = static_cast<unsigned>(arrays), own = blockIdx.x % number;
    const REAL* values = own == 0 ? first : own == 1 ? second : third;
    const long long threads = static_cast<long long>(gridDim.x / number) * blockDim.x;
    const long long start = static_cast<long long>(blockIdx.x / number) * blockDim.x + threadIdx.x;
    // no division in the loop, and reads that wait for nothing, so that several are under way
    const unsigned step = static_cast<unsigned>(threads % length);
    unsigned column = static_cast<unsigned>(start % length);
    REAL size = 0;
#pragma unroll 4
    for (long long item = start; item < items; item += threads) {
        const REAL value = fabs(values[item]);
        if (column < count) size = larger(size, value);
        column += step;
        if (column >= length) column -= static_cast<unsigned>(length);
    }
    write_largest(static_cast<double>(size), largest + blockIdx.x);
}
