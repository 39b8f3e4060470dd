// Particles and a mesh, cloud in cell: masses to the mesh, forces on the mesh, kicks and drifts. Each thread takes one
// particle.
//
// On the CPU: the loops of these names in particle_mesh.py. Cells are those of the CPU, so that masses, which are added as
// integers, are the same bit for bit. Positions and momenta are double, meshes REAL. The kernels take
//   count                    particles
//   position, momentum       shape (3, count) [L, L/T]
//   scale_x, scale_y, scale_z  cells per unit of length;  side_x, side_y, side_z  sides of the box
//   nx, ny, nz               cells of the whole mesh
//   x_first, planes          plane with which the slab begins, and its planes
//   mass                     shape (planes + 1, ny, nz), added to
//   places                   number of the lower cell in the order of tiles, and in a tile in the order of memory
//   kick, drift              factors of forces and momenta
//   force_x, force_y, force_z  shape (planes, ny, length), of which nz;  beyond  what follows, shape (3, ny, length)
//   largest                  the largest size that a block has seen, shape (blocks,), written; NaN where there is one

#include "common.cuh"
#include "warps.cuh"
#include "clouds.cuh"
#include "window.cuh"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int BLOCKS = 3;  // on a multiprocessor while particles are pushed: their registers suffice for so many
#else
constexpr int BLOCKS = 4;
#endif

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
