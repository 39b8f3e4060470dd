// Masses that the threads of a block add in shared memory before they go to the mesh; after clouds.cuh and warps.cuh.

constexpr int BLOCK = 256;  // THREADS_PER_BLOCK in gpu_fdm/parallel/backend.py
// Cells of a tile along x, y and z: TILE in particle_mesh.py
constexpr int TILE_X = 2, TILE_Y = 4, TILE_Z = 16;
// Part of a mesh, around the mean of a block's particles, for which the block sums masses before it adds them: along x
// and y a tile and what it touches, with a margin for particles that have moved, along z three tiles, over which the
// particles of a block are spread. The number of cells along z is odd, so that lines side by side are in different banks.
constexpr int MARGIN = 1, LINES_X = TILE_X + 1 + 2 * MARGIN, LINES_Y = TILE_Y + 1 + 2 * MARGIN;
constexpr int DEPTH = 3 * TILE_Z + 1;
constexpr int LINES = LINES_X * LINES_Y, IN_WINDOW = LINES * DEPTH;
constexpr int LOW_BITS = 18;  // of a mass of 37 bits: sums of either half over a block stay below 2^32

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
