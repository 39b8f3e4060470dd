// Add one filament, all its periodic images, to two density fields: each thread fills one cell.
//
// On the CPU: fill_extruded_loop, fill_direct_loop and fill_axial_loop in fill.py. All kernels take
//   cells, planes, ny, nz   planes * ny * nz and the shape of the slab of this rank, z fastest
//   x_first                 global index of its plane 0
//   dx, dy, dz              cell widths [L]
//   images                  shape (images_count, 15): cell of the centre (3, integers), offset of the cell
//                           centre from it within the cell (3, in cells), unit vectors u, v and the axis (9)
//   reach                   radius beyond which the filament is nothing [L]
//   half_length [L], sharpness [1/L], axial_reach [L]   of the soft ends
//   the source of the densities, see each kernel
//   fdm, smooth             densities, added to, shape (planes, ny, nz) [rho_m0]
//
// Geometry is double at both precisions: far from the centre the terms of u and v are thousands of cells long
// and cancel, so that floats would shift the cross-section differently from cell to cell. What is read and
// summed from there on is REAL. Most cells of a box are far away: they leave at the first comparison for an
// image, whole warps at a time, and touch no memory.

#include "common.cuh"

constexpr int IMAGE_SIZE = 15;

// [erf(sharpness (half_length - |axial|)) + 1] / 2, of the argument of erf.
__device__ __forceinline__ REAL soft_end(REAL depth)
{
    return depth > 6 ? REAL(1) : REAL(0.5) * (1 + erf(depth));
}

// Phase average at a distance from the axis [L]; mean, mean_inverse_step as in fill_direct.
__device__ __forceinline__ REAL mean_value(double radius, const REAL* mean, REAL mean_inverse_step)
{
    REAL fraction, w[TAPS];
    const REAL* rows = spline_rows(mean, 1, radius, mean_inverse_step, fraction);
    quintic_weights(fraction, w);
    REAL average = 0;
#pragma unroll
    for (int tap = 0; tap < TAPS; ++tap) average += w[tap] * rows[tap];
    return average;
}

// density_at(u, v, axial) gives both densities at a point that lies within reach, and on the piece of the axis from
// low up to high [L].
template <typename Density>
__device__ __forceinline__ void add_images(long long cells, long long ny, long long nz, long long x_first,
                                           double dx, double dy, double dz, long long images_count,
                                           const double* images, double reach, double half_length,
                                           REAL sharpness, double axial_reach, double low, double high,
                                           const Density& density_at, REAL* fdm, REAL* smooth)
{
    const long long cell = thread_item();
    if (cell >= cells) return;
    const long long row = cell / nz;
    const long long plane = row / ny;
    const double i = static_cast<double>(x_first + plane);
    const double j = static_cast<double>(row - plane * ny);
    const double k = static_cast<double>(cell - row * nz);
    Pair sum = {0, 0};
    bool touched = false;
    for (long long number = 0; number < images_count; ++number) {
        const double* image = images + IMAGE_SIZE * number;
        // the difference of two integers is exact, however large the box
        const double bx = ((i - image[0]) + image[3]) * dx;
        const double by = ((j - image[1]) + image[4]) * dy;
        const double bz = ((k - image[2]) + image[5]) * dz;
        const double u = bx * image[6] + by * image[7] + bz * image[8];
        if (fabs(u) >= reach) continue;
        const double v = bx * image[9] + by * image[10] + bz * image[11];
        if (u * u + v * v >= reach * reach) continue;
        const double axial = bx * image[12] + by * image[13] + bz * image[14];
        if (fabs(axial) >= axial_reach || axial < low || axial >= high) continue;
        const REAL end = soft_end(sharpness * static_cast<REAL>(half_length - fabs(axial)));
        const Pair density = density_at(u, v, axial);
        // interpolated to the tolerance, a density can come out below zero
        sum.first += end * fmax(density.first, REAL(0));
        sum.second += end * fmax(density.second, REAL(0));
        touched = true;
    }
    if (touched) {
        fdm[cell] += sum.first;
        smooth[cell] += sum.second;
    }
}

// section       B-spline coefficients of both densities, the two interleaved,
//               shape (section_points, 2 section_points); index section_points / 2 is the axis
// inverse_step  of the section [1/L]
extern "C" __global__ void fill_extruded(long long cells, long long planes, long long ny, long long nz,
                                         long long x_first, REAL dx, REAL dy, REAL dz,
                                         long long images_count, const double* __restrict__ images,
                                         REAL reach, REAL half_length, REAL sharpness, REAL axial_reach,
                                         const REAL* __restrict__ section, long long section_points,
                                         REAL inverse_step, REAL* __restrict__ fdm,
                                         REAL* __restrict__ smooth)
{
    const auto density_at = [&](double u, double v, double) -> Pair {
        const double column = u * inverse_step + section_points / 2;
        const double row = v * inverse_step + section_points / 2;
        const int first_column = static_cast<int>(column), first_row = static_cast<int>(row);
        REAL wu[TAPS], wv[TAPS];
        quintic_weights(static_cast<REAL>(column - first_column), wu);
        quintic_weights(static_cast<REAL>(row - first_row), wv);
        // both densities of a point come in one load
        const Pair* taps =
            reinterpret_cast<const Pair*>(section) + (first_row - 2) * section_points + (first_column - 2);
        Pair density = {0, 0};
#pragma unroll
        for (int a = 0; a < TAPS; ++a) {
            Pair along = {0, 0};
#pragma unroll
            for (int b = 0; b < TAPS; ++b) {
                const Pair tap = taps[a * section_points + b];
                along.first += wu[b] * tap.first;
                along.second += wu[b] * tap.second;
            }
            density.first += wv[a] * along.first;
            density.second += wv[a] * along.second;
        }
        return density;
    };
    add_images(cells, ny, nz, x_first, dx, dy, dz, images_count, images, reach, half_length, sharpness,
               axial_reach, -axial_reach, axial_reach, density_at, fdm, smooth);
}

// table, l_count, inverse_step  of psi, as in psi_points; it is zero from reach on
// mean, mean_inverse_step       spline coefficients of the phase-averaged density in R, shape (rows,), and
//                               1/step
extern "C" __global__ void fill_direct(long long cells, long long planes, long long ny, long long nz,
                                       long long x_first, REAL dx, REAL dy, REAL dz, long long images_count,
                                       const double* __restrict__ images, REAL reach, REAL half_length,
                                       REAL sharpness, REAL axial_reach, const REAL* __restrict__ table,
                                       long long l_count, REAL inverse_step, const REAL* __restrict__ mean,
                                       REAL mean_inverse_step, REAL* __restrict__ fdm,
                                       REAL* __restrict__ smooth)
{
    const auto density_at = [&](double u, double v, double) -> Pair {
        const Pair psi = psi_value(u, v, table, l_count, inverse_step, reach);
        return {psi.first * psi.first + psi.second * psi.second,
                mean_value(sqrt(u * u + v * v), mean, mean_inverse_step)};
    };
    add_images(cells, ny, nz, x_first, dx, dy, dz, images_count, images, reach, half_length, sharpness,
               axial_reach, -axial_reach, axial_reach, density_at, fdm, smooth);
}

// table            spline coefficients of psi, shape (slices, rows, 4, l_count), see AxialTable; inverse_step of its rows
// along            axial coordinate of the first slice [L], 1/step of the slices [1/L], and the piece of the axis that is
//                  filled, from low up to high [L]; shape (4,), double
// mean, mean_inverse_step  as in fill_direct
extern "C" __global__ void fill_axial(long long cells, long long planes, long long ny, long long nz,
                                      long long x_first, REAL dx, REAL dy, REAL dz, long long images_count,
                                      const double* __restrict__ images, REAL reach, REAL half_length,
                                      REAL sharpness, REAL axial_reach, const REAL* __restrict__ table,
                                      long long rows, long long l_count, REAL inverse_step,
                                      const double* __restrict__ along, const REAL* __restrict__ mean,
                                      REAL mean_inverse_step, REAL* __restrict__ fdm,
                                      REAL* __restrict__ smooth)
{
    const double start = along[0], slice_inverse_step = along[1];
    const long long row_size = PARTS * l_count, slice_size = rows * row_size;
    const auto density_at = [&](double u, double v, double axial) -> Pair {
        const double radius = sqrt(u * u + v * v);
        if (radius >= reach) return {0, 0};
        REAL fraction, w[TAPS], slice_weights[TAPS];
        const REAL* first_slice = spline_rows(table, slice_size, axial - start, slice_inverse_step, fraction);
        quintic_weights(fraction, slice_weights);
        const REAL* first = spline_rows(first_slice, row_size, radius, inverse_step, fraction);
        quintic_weights(fraction, w);
        Angles angles(u, v, radius);
        Pair psi = {0, 0};
        for (long long l = 0; l < l_count; l += LANES) {
            Lanes f[PARTS] = {};
            // not unrolled: loads of all slices at once would take more registers than a thread may have
#pragma unroll 1
            for (int tap = 0; tap < TAPS; ++tap) {
                REAL weight = slice_weights[0];
#pragma unroll
                for (int other = 1; other < TAPS; ++other) weight = tap == other ? slice_weights[other] : weight;
#pragma unroll
                for (int part = 0; part < PARTS; ++part) {
                    const Lanes slice = spline_lanes(first + tap * slice_size + part * l_count + l, row_size, w);
#pragma unroll
                    for (int lane = 0; lane < LANES; ++lane) f[part].at[lane] += weight * slice.at[lane];
                }
            }
#pragma unroll
            for (int lane = 0; lane < LANES; ++lane) {
                const REAL c = angles.cosine[lane], s = angles.sine[lane];
                psi.first += f[0].at[lane] * c - f[1].at[lane] * s;
                psi.second += f[2].at[lane] * c + f[3].at[lane] * s;
            }
            angles.advance();
        }
        return {psi.first * psi.first + psi.second * psi.second, mean_value(radius, mean, mean_inverse_step)};
    };
    add_images(cells, ny, nz, x_first, dx, dy, dz, images_count, images, reach, half_length, sharpness,
               axial_reach, along[2], along[3], density_at, fdm, smooth);
}
