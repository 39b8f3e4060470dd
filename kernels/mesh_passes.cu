// Passes over a mesh before, between and after its transforms: masses become a density, modes those of slopes, and the
// largest size is found. Each thread takes one number or one mode, or several.
//
// On the CPU: the functions of these names in mesh_passes.py. The kernels take
//   items                numbers of a mesh, or modes
//   mass                 shape (planes, ny, nz);  density  shape (planes, ny, length), of which nz
//   modes, out_x, out_y  shape (nx, lines, length), pairs;  green  real, (nx / 2 + 1, lines, length)
//   largest              the largest size that a block has seen, shape (blocks,), written; NaN where there is one

#include "common.cuh"
#include "warps.cuh"

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
