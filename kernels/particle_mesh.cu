// Particles and a mesh, cloud in cell: masses to the mesh, forces on the mesh, kicks and drifts. Each thread takes one
// particle, or one mode.
//
// On the CPU: the loops of these names in particle_mesh.py. Cells and weights are found in double, each operation
// rounded by itself (no fused multiply-add): they are those of the CPU, so that masses, which are added as integers,
// are the same bit for bit. Positions and momenta are double, meshes REAL. The kernels take
//   count, items             particles, or modes, or numbers
//   position, momentum       shape (3, count) [L, L/T]
//   scale_x, scale_y, scale_z  cells per unit of length;  side_x, side_y, side_z  sides of the box
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
// Part of a mesh, around the mean of a block's particles, for which the block sums masses before it adds them: along x
// and y a tile and what it touches, with a margin for particles that have moved, along z three tiles, over which the
// particles of a block are spread. The number of cells along z is odd, so that lines side by side are in different banks.
constexpr int MARGIN = 1, LINES_X = TILE_X + 1 + 2 * MARGIN, LINES_Y = TILE_Y + 1 + 2 * MARGIN;
constexpr int DEPTH = 3 * TILE_Z + 1;
constexpr int LINES = LINES_X * LINES_Y, IN_WINDOW = LINES * DEPTH;
constexpr int LOW_BITS = 18;  // of a mass of 37 bits: sums of either half over a block stay below 2^32

// The whole mesh, and the plane with which the slab begins
struct Mesh {
    double scale[3], side[3];
    long long nx, ny, nz, x_first;
};

// Lower cell of a cloud along an axis, in [0, cells), and the weight of the upper one.
struct Cloud {
    int cell;
    double upper;

    __device__ __forceinline__ Cloud(double position, double scale, long long cells)
    {
        const double at = __dadd_rn(__dmul_rn(position, scale), -0.5);
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

    __device__ __forceinline__ Touched(const double (&at)[3], const Mesh& mesh)
    {
        const Cloud x(at[0], mesh.scale[0], mesh.nx), y(at[1], mesh.scale[1], mesh.ny), z(at[2], mesh.scale[2], mesh.nz);
        plane = x.cell - static_cast<int>(mesh.x_first);
        line[0] = y.cell;
        line[1] = y.cell + 1 < mesh.ny ? y.cell + 1 : 0;
        column[0] = z.cell;
        column[1] = z.cell + 1 < mesh.nz ? z.cell + 1 : 0;
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
extern "C" __global__ void lower_planes(long long count, const double* __restrict__ x, double scale_x, long long nx,
                                        long long* planes)
{
    const long long item = thread_item();
    if (item < count) planes[item] = Cloud(x[item], scale_x, nx).cell;
}

// The place of the lower cell of each particle in the order of tiles
extern "C" __global__ void places_in_tiles(long long count, const double* __restrict__ position, double scale_x,
                                           double scale_y, double scale_z, long long nx, long long ny, long long nz,
                                           long long* places)
{
    const long long item = thread_item();
    if (item >= count) return;
    const Cloud x(position[item], scale_x, nx), y(position[count + item], scale_y, ny),
        z(position[2 * count + item], scale_z, nz);
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
// 8. All lower halves come first, so that neighbouring cells are in neighbouring banks. Particles in the order of tiles
// share most of their cells; what falls outside goes to the mesh at once.
//
// All threads of a block call clear, the first warp lay; after a barrier all call find_lines, and those with a particle add;
// after another one all call flush.
struct Window {
    unsigned low[IN_WINDOW], high[IN_WINDOW];
    int first[3];
    long long lines[LINES];
    int columns[DEPTH];

    __device__ __forceinline__ void clear()
    {
#pragma unroll
        for (int first_cell = 0; first_cell < IN_WINDOW; first_cell += BLOCK) {
            const int cell = first_cell + threadIdx.x;
            if (cell < IN_WINDOW) low[cell] = high[cell] = 0;
        }
    }

    // By the first warp: around the mean of 32 of the block's particles, which may have moved since they were put in order
    __device__ __forceinline__ void lay(long long count, const double* position, const Mesh& mesh)
    {
        const long long start = static_cast<long long>(blockIdx.x) * BLOCK;
        const long long item = min(start + threadIdx.x * (BLOCK / WARP), count - 1);
        const int cells[3] = {static_cast<int>(mesh.nx), static_cast<int>(mesh.ny), static_cast<int>(mesh.nz)};
        constexpr int lengths[3] = {LINES_X, LINES_Y, DEPTH};
        int at[3];
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) {
            const int cell = Cloud(position[axis * count + item], mesh.scale[axis], cells[axis]).cell;
            const int one = __shfl_sync(ALL, cell, WARP / 2);
            int off = cell - one;
            if (2 * off > cells[axis]) off -= cells[axis];
            if (2 * off < -cells[axis]) off += cells[axis];
            at[axis] = one + (sum_of_warp(off) >> 5) - (lengths[axis] - 3) / 2;  // the mean is rounded down
        }
        if (threadIdx.x > 0) return;
        first[0] = at[0] - static_cast<int>(mesh.x_first);
        first[1] = within(at[1], cells[1]);
        first[2] = within(at[2], cells[2]);
    }

    __device__ __forceinline__ void find_lines(const Mesh& mesh)
    {
        const int own = threadIdx.x;
        if (own < LINES) {
            const long long j = within(first[1] + own % LINES_Y, static_cast<int>(mesh.ny));
            lines[own] = ((first[0] + own / LINES_Y) * mesh.ny + j) * mesh.nz;
        }
        if (own < DEPTH) columns[own] = within(first[2] + own, static_cast<int>(mesh.nz));
    }

    __device__ __forceinline__ void add_near(int cell, unsigned long long mass)
    {
        atomicAdd(low + cell, static_cast<unsigned>(mass) & ((1u << LOW_BITS) - 1));
        atomicAdd(high + cell, static_cast<unsigned>(mass >> LOW_BITS));
    }

    // of the four lines, those of the plane first
    __device__ __forceinline__ static double share_of_line(const Touched& at, int line)
    {
        return __dmul_rn((line / 2 ? at.u : 1 - at.u) * FIXED_POINT, line % 2 ? at.v : 1 - at.v);
    }

    __device__ __forceinline__ static void add_far(const Touched& at, const Mesh& mesh, unsigned long long* cells)
    {
        // few particles come here: short code
#pragma unroll 1
        for (int line = 0; line < 4; ++line) {
            const double share = share_of_line(at, line);
            const long long plane = at.plane + line / 2, in_plane = line % 2 ? at.line[1] : at.line[0];
            unsigned long long* to = cells + (plane * mesh.ny + in_plane) * mesh.nz;
            atomicAdd(to + at.column[0], units_of(share, 1 - at.w));
            atomicAdd(to + at.column[1], units_of(share, at.w));
        }
    }

    // The mass of a particle in units of 1/FIXED_POINT
    __device__ __forceinline__ void add(const Touched& at, const Mesh& mesh, unsigned long long* cells)
    {
        const int x = at.plane - first[0], y = ahead(first[1], at.line[0], static_cast<int>(mesh.ny)),
                  z = ahead(first[2], at.column[0], static_cast<int>(mesh.nz));
        const bool near = x >= 0 && x + 1 < LINES_X && y + 1 < LINES_Y && z + 1 < DEPTH;
        if (!near) {
            add_far(at, mesh, cells);
            return;
        }
        const int cell = (x * LINES_Y + y) * DEPTH + z;
#pragma unroll
        for (int line = 0; line < 4; ++line) {
            const double share = share_of_line(at, line);
            const int lower = cell + (line / 2 * LINES_Y + line % 2) * DEPTH;
            add_near(lower, units_of(share, 1 - at.w));
            add_near(lower + 1, units_of(share, at.w));
        }
    }

    __device__ __forceinline__ void flush(unsigned long long* cells) const
    {
#pragma unroll
        for (int first_cell = 0; first_cell < IN_WINDOW; first_cell += BLOCK) {
            const int cell = first_cell + threadIdx.x;
            const unsigned below = cell < IN_WINDOW ? low[cell] : 0, above = cell < IN_WINDOW ? high[cell] : 0;
            if (below == 0 && above == 0) continue;
            const int line = cell / DEPTH;
            atomicAdd(cells + lines[line] + columns[cell - line * DEPTH],
                      (static_cast<unsigned long long>(above) << LOW_BITS) + below);
        }
    }
};

// Add masses in units of 1/FIXED_POINT.
extern "C" __global__ void __launch_bounds__(BLOCK, BLOCKS)
deposit_clouds(long long count, const double* __restrict__ position, double scale_x, double scale_y, double scale_z,
               long long nx, long long ny, long long nz, long long x_first, long long* mass)
{
    const Mesh mesh = {{scale_x, scale_y, scale_z}, {}, nx, ny, nz, x_first};
    unsigned long long* cells = reinterpret_cast<unsigned long long*>(mass);
    const long long item = thread_item();
    __shared__ Window window;
    window.clear();
    double now[3] = {0, 0, 0};
    if (item < count)
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) now[axis] = position[axis * count + item];
    const Touched at(now, mesh);
    if (threadIdx.x < WARP) window.lay(count, position, mesh);
    __syncthreads();
    window.find_lines(mesh);
    if (item < count) window.add(at, mesh, cells);
    __syncthreads();
    window.flush(cells);
}

// Forces on the eight cells around a particle, in its plane and in the next one
struct Corners {
    REAL in_plane[4], in_next[4];

    // the first cell of either plane, and how far off the next lines and columns are
    __device__ __forceinline__ Corners(const REAL* plane, const REAL* next, int line, int column)
        : in_plane{plane[0], plane[column], plane[line], plane[line + column]},
          in_next{next[0], next[column], next[line], next[line + column]}
    {
    }

    __device__ __forceinline__ double mean(double u, double v, double w) const
    {
        return (1 - u) * mean_of(in_plane, v, w) + u * mean_of(in_next, v, w);
    }

private:
    __device__ __forceinline__ static double mean_of(const REAL (&of)[4], double v, double w)
    {
        return (1 - v) * ((1 - w) * of[0] + w * of[1]) + v * ((1 - w) * of[2] + w * of[3]);
    }
};

// A coordinate in [0, side).
__device__ __forceinline__ double wrapped(double at, double side)
{
    if (at > 0 && at < side) return at;  // as what follows does, without a division
    at = __dadd_rn(at, -__dmul_rn(side, floor(at / side)));
    return at < side ? at : 0;
}

// A particle: a thread asks for its position, then for its momentum behind the forces, and writes them at last, so that it
// waits for the memory twice. Where a thread has none, zeros.
struct Particle {
    double position[3] = {0, 0, 0}, momentum[3] = {0, 0, 0};

    __device__ __forceinline__ Particle(long long count, const double* positions)
    {
        const long long item = thread_item();
        if (item >= count) return;
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) position[axis] = positions[axis * count + item];
    }

    // momentum + kick force, where the particle touches `at`
    __device__ __forceinline__ void kick(const Touched& at, const Mesh& mesh, long long count, const double* momenta,
                                         long long planes, const REAL* force_x, const REAL* force_y,
                                         const REAL* force_z, const REAL* beyond, long long length, double factor)
    {
        // a plane has fewer than 2^31 numbers
        const int line = (at.line[1] - at.line[0]) * static_cast<int>(length), column = at.column[1] - at.column[0];
        const long long plane = mesh.ny * length, first = at.line[0] * length + at.column[0];
        const long long whole = at.plane * plane + first;
        const REAL *x = force_x + whole, *y = force_y + whole, *z = force_z + whole, *last = beyond + first;
        const bool inside = at.plane + 1 < planes;
        // all forces are asked for before one is used
        const Corners forces[3] = {{x, inside ? x + plane : last, line, column},
                                   {y, inside ? y + plane : last + plane, line, column},
                                   {z, inside ? z + plane : last + 2 * plane, line, column}};
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) momentum[axis] = momenta[axis * count + thread_item()];
#pragma unroll
        for (int axis = 0; axis < 3; ++axis)
            momentum[axis] = momentum[axis] + factor * forces[axis].mean(at.u, at.v, at.w);
    }

    // position + drift momentum in the box
    __device__ __forceinline__ void drift(const Mesh& mesh, double factor)
    {
#pragma unroll
        for (int axis = 0; axis < 3; ++axis)
            position[axis] = wrapped(__dadd_rn(position[axis], __dmul_rn(factor, momentum[axis])), mesh.side[axis]);
    }

    // The largest size of its momentum along an axis
    __device__ __forceinline__ double size() const
    {
        return larger(larger(larger(0.0, fabs(momentum[0])), fabs(momentum[1])), fabs(momentum[2]));
    }
};

// Kick, then drift where it is not 0, the particle of a thread that has one; it touched `at`
__device__ __forceinline__ void push_particle(Particle& own, const Touched& at, const Mesh& mesh, long long count,
                                              double* positions, double* momenta, long long planes,
                                              const REAL* force_x, const REAL* force_y, const REAL* force_z,
                                              const REAL* beyond, long long length, double kick, double drift)
{
    const long long item = thread_item();
    if (item >= count) return;
    own.kick(at, mesh, count, momenta, planes, force_x, force_y, force_z, beyond, length, kick);
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) momenta[axis * count + item] = own.momentum[axis];
    if (drift == 0) return;
    own.drift(mesh, drift);
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) positions[axis * count + item] = own.position[axis];
}

extern "C" __global__ void __launch_bounds__(BLOCK, BLOCKS)
push(long long count, double* __restrict__ position, double* __restrict__ momentum, double scale_x, double scale_y,
     double scale_z, double side_x, double side_y, double side_z, long long nx, long long ny, long long nz,
     long long x_first, long long planes, const REAL* __restrict__ force_x, const REAL* __restrict__ force_y,
     const REAL* __restrict__ force_z, const REAL* __restrict__ beyond, long long length, double* largest, double kick,
     double drift)
{
    const Mesh mesh = {{scale_x, scale_y, scale_z}, {side_x, side_y, side_z}, nx, ny, nz, x_first};
    Particle own(count, position);
    push_particle(own, Touched(own.position, mesh), mesh, count, position, momentum, planes, force_x, force_y, force_z,
                  beyond, length, kick, drift);
    write_largest(own.size(), largest + blockIdx.x);
}

// push, then deposit_clouds without reading the positions again, for a slab that is the whole mesh. The window lies where
// the particles were, so that no thread waits for another between the forces and the masses.
extern "C" __global__ void __launch_bounds__(BLOCK, BLOCKS)
push_and_deposit(long long count, double* __restrict__ position, double* __restrict__ momentum, double scale_x,
                 double scale_y, double scale_z, double side_x, double side_y, double side_z, long long nx,
                 long long ny, long long nz, long long x_first, long long planes, const REAL* __restrict__ force_x,
                 const REAL* __restrict__ force_y, const REAL* __restrict__ force_z, const REAL* __restrict__ beyond,
                 long long length, double* largest, long long* mass, double kick, double drift)
{
    const Mesh mesh = {{scale_x, scale_y, scale_z}, {side_x, side_y, side_z}, nx, ny, nz, x_first};
    unsigned long long* cells = reinterpret_cast<unsigned long long*>(mass);
    __shared__ Window window;
    __shared__ Largest found;
    Particle own(count, position);
    window.clear();
    const Touched before(own.position, mesh);
    if (threadIdx.x < WARP) window.lay(count, position, mesh);
    __syncthreads();
    push_particle(own, before, mesh, count, position, momentum, planes, force_x, force_y, force_z, beyond, length, kick,
                  drift);
    found.add(own.size());
    window.find_lines(mesh);
    if (thread_item() < count) window.add(Touched(own.position, mesh), mesh, cells);
    __syncthreads();
    found.write(largest + blockIdx.x);
    window.flush(cells);
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
