// Add one filament, all its periodic images, to two density fields: each warp fills LINES lines of cells along z.
//
// On the CPU: fill_extruded_loop, fill_direct_loop and fill_axial_loop in fill.py. All kernels take
//   planes, ny, nz          shape of the slab of this rank, z fastest
//   x_first                 global index of its plane 0
//   images                  shape (images_count, 15): cell of the centre (3, integers), offset of the cell
//                           centre from it within the cell (3, in cells), unit vectors u, v and the axis (9)
//   dx, dy, dz              cell widths [L]
//   reach                   radius beyond which the filament is nothing [L]
//   half_length [L], sharpness [1/L], axial_reach [L]   of the soft ends
//   the source of the densities, see each kernel
//   fdm, smooth             densities, added to, shape (planes, ny, nz) [rho_m0]
//
// Most lines miss the filament: a discriminant tells it, one for an image. On the others geometry gives the cells
// between which the line lies within the cylinder and the soft ends, and ALONG lanes walk along them side by side. The
// lanes of a warp lie beside each other along y and z, so that they share cache lines of the tables. A cell belongs to
// one thread, whatever the image: its sum is in the order of the images.
//
// Geometry is double at both precisions: far from the centre the terms of u and v are thousands of cells long
// and cancel, so that floats would shift the cross-section differently from cell to cell. What is read and
// summed from there on is REAL.

#include "common.cuh"

constexpr int IMAGE_SIZE = 15;
constexpr int ALONG = 8;
constexpr int LINES = 32 / ALONG;  // _LINES_A_WARP in fill.py

// Shape and place of a filament, and of the cells: arguments of all kernels, by their names.
struct Shape {
    long long planes, ny, nz, x_first;
    double dx, dy, dz;
    long long images_count;
    const double* images;
    double reach, half_length, sharpness, axial_reach;
};

// [erf(sharpness (half_length - |axial|)) + 1] / 2, of the argument of erf; 1 to a tenth of an eps beyond the limit.
__device__ __forceinline__ REAL soft_end(REAL depth)
{
    constexpr REAL limit = sizeof(REAL) == 4 ? 4 : 6;  // _DEPTHS in fill.py
    return depth > limit ? REAL(1) : REAL(0.5) * (1 + erf(depth));
}

// Interval of the coordinate t of a line where (u, v) = (u0, v0) + t (u_step, v_step) lies within reach and the axial
// coordinate s0 + t s_step within half [L]; false where there is none.
__device__ __forceinline__ bool line_interval(double u0, double v0, double u_step, double v_step, double s0,
                                              double s_step, double reach, double half, double& low, double& high)
{
    const double across = u_step * u_step + v_step * v_step;
    const double excess = u0 * u0 + v0 * v0 - reach * reach;
    if (across > 1e-14) {
        const double middle = u0 * u_step + v0 * v_step;
        const double discriminant = middle * middle - across * excess;
        if (discriminant < 0) return false;
        const double root = sqrt(discriminant), inverse = 1 / across;
        low = (-middle - root) * inverse;
        high = (-middle + root) * inverse;
    } else {
        if (excess > 0) return false;
        low = -1e300;
        high = 1e300;
    }
    if (fabs(s_step) > 1e-14) {
        const double inverse = 1 / s_step;
        const double first = (-half - s0) * inverse, second = (half - s0) * inverse;
        low = fmax(low, fmin(first, second));
        high = fmin(high, fmax(first, second));
    } else if (fabs(s0) > half) {
        return false;
    }
    return low <= high;
}

// density_at(u, v, axial) gives both densities at a point that lies within reach, and on the piece of the axis from
// low up to high [L].
template <typename Density>
__device__ __forceinline__ void add_images(const Shape& of, double low, double high, const Density& density_at,
                                           REAL* fdm, REAL* smooth)
{
    const unsigned warp = static_cast<unsigned>(thread_item() / 32), lane = threadIdx.x % 32;
    const unsigned groups = (static_cast<unsigned>(of.ny) + LINES - 1) / LINES;
    const unsigned plane = warp / groups;
    const unsigned row = (warp - plane * groups) * LINES + lane / ALONG;
    if (plane >= of.planes || row >= of.ny) return;
    const int own = lane % ALONG, cells = static_cast<int>(of.nz);
    fdm += (plane * of.ny + row) * of.nz;
    smooth += (plane * of.ny + row) * of.nz;
    const double middle = 0.5 * (low + high);
    const double half = 0.5 * (high - low) * (1 + 1e-9);  // a little more: cells are compared with the ends below
    for (int number = 0; number < of.images_count; ++number) {
        const double* image = of.images + IMAGE_SIZE * number;
        const double u_step = image[8], v_step = image[11], s_step = image[14], origin = image[2], offset = image[5];
        // the difference of two integers is exact, however large the box
        const double bx = ((static_cast<double>(of.x_first + plane) - image[0]) + image[3]) * of.dx;
        const double by = ((static_cast<double>(row) - image[1]) + image[4]) * of.dy;
        const double u0 = bx * image[6] + by * image[7];
        const double v0 = bx * image[9] + by * image[10];
        const double s0 = bx * image[12] + by * image[13];
        double from, to;
        if (!line_interval(u0, v0, u_step, v_step, s0 - middle, s_step, of.reach, half, from, to)) continue;
        const double first = floor(from / of.dz - offset + origin), last = ceil(to / of.dz - offset + origin);
        if (last < 0 || first >= cells) continue;
        const int begin = static_cast<int>(fmax(first, 0.0)), end = static_cast<int>(fmin(last, cells - 1.0));
        // every lane has the same cells of a line for every image
        int k = begin / ALONG * ALONG + own;
#pragma unroll 1
        for (double from_centre = (k - origin) + offset; k <= end; k += ALONG, from_centre += ALONG) {
            const double bz = from_centre * of.dz;
            const double u = u0 + bz * u_step, v = v0 + bz * v_step, axial = s0 + bz * s_step;
            if (u * u + v * v >= of.reach * of.reach) continue;
            if (fabs(axial) >= of.axial_reach || axial < low || axial >= high) continue;
            const REAL fdm_before = fdm[k], smooth_before = smooth[k];
            const REAL factor = soft_end(static_cast<REAL>(of.sharpness * (of.half_length - fabs(axial))));
            const Pair density = density_at(u, v, axial);
            // interpolated to the tolerance, a density can come out below zero
            fdm[k] = fdm_before + factor * fmax(density.first, REAL(0));
            smooth[k] = smooth_before + factor * fmax(density.second, REAL(0));
        }
    }
}

// section       B-spline coefficients of both densities, the two interleaved,
//               shape (section_points, 2 section_points); index section_points / 2 is the axis
// inverse_step  of the section [1/L]
extern "C" __global__ void fill_extruded(long long planes, long long ny, long long nz, long long x_first,
                                         double dx, double dy, double dz, long long images_count,
                                         const double* __restrict__ images, double reach, double half_length,
                                         double sharpness, double axial_reach, const REAL* __restrict__ section,
                                         long long section_points, double inverse_step, REAL* __restrict__ fdm,
                                         REAL* __restrict__ smooth)
{
    const Shape of = {planes,       ny,     nz,    x_first,     dx,        dy,         dz,
                      images_count, images, reach, half_length, sharpness, axial_reach};
    const int points = static_cast<int>(section_points);
    const auto density_at = [&](double u, double v, double) -> Pair {
        const double column = u * inverse_step + points / 2;
        const double row = v * inverse_step + points / 2;
        const int first_column = static_cast<int>(column), first_row = static_cast<int>(row);
        REAL wu[TAPS], wv[TAPS];
        quintic_weights(static_cast<REAL>(column - first_column), wu);
        quintic_weights(static_cast<REAL>(row - first_row), wv);
        // both densities of a point come in one load
        const Pair* taps = reinterpret_cast<const Pair*>(section) + (first_row - 2) * points + (first_column - 2);
        Pair density = {0, 0};
#pragma unroll
        for (int a = 0; a < TAPS; ++a, taps += points) {
            Pair along = {0, 0};
#pragma unroll
            for (int b = 0; b < TAPS; ++b) {
                const Pair tap = taps[b];
                along.first += wu[b] * tap.first;
                along.second += wu[b] * tap.second;
            }
            density.first += wv[a] * along.first;
            density.second += wv[a] * along.second;
        }
        return density;
    };
    add_images(of, -axial_reach, axial_reach, density_at, fdm, smooth);
}

// table, l_count, inverse_step  of psi, as in psi_points; it is zero from reach on
// mean, mean_inverse_step       spline coefficients of the phase-averaged density in R, shape (rows,), and
//                               1/step
extern "C" __global__ void fill_direct(long long planes, long long ny, long long nz, long long x_first, double dx,
                                       double dy, double dz, long long images_count,
                                       const double* __restrict__ images, double reach, double half_length,
                                       double sharpness, double axial_reach, const REAL* __restrict__ table,
                                       long long l_count, double inverse_step, const REAL* __restrict__ mean,
                                       double mean_inverse_step, REAL* __restrict__ fdm, REAL* __restrict__ smooth)
{
    const Shape of = {planes,       ny,     nz,    x_first,     dx,        dy,         dz,
                      images_count, images, reach, half_length, sharpness, axial_reach};
    const auto density_at = [&](double u, double v, double) -> Pair {
        const Pair psi = psi_value(u, v, table, l_count, inverse_step, reach);
        return {psi.first * psi.first + psi.second * psi.second,
                spline_value(mean, sqrt(u * u + v * v), mean_inverse_step)};
    };
    add_images(of, -axial_reach, axial_reach, density_at, fdm, smooth);
}

// table            spline coefficients of psi, shape (slices, rows, 4, l_count), see AxialTable; inverse_step of its rows
// start, slice_inverse_step  axial coordinate of the first slice [L], 1/step of the slices [1/L]
// low, high        the piece of the axis that is filled, from low up to high [L]
// mean, mean_inverse_step  as in fill_direct
extern "C" __global__ void fill_axial(long long planes, long long ny, long long nz, long long x_first, double dx,
                                      double dy, double dz, long long images_count,
                                      const double* __restrict__ images, double reach, double half_length,
                                      double sharpness, double axial_reach, const REAL* __restrict__ table,
                                      long long rows, long long l_count, double inverse_step, double start,
                                      double slice_inverse_step, double low, double high,
                                      const REAL* __restrict__ mean, double mean_inverse_step,
                                      REAL* __restrict__ fdm, REAL* __restrict__ smooth)
{
    const Shape of = {planes,       ny,     nz,    x_first,     dx,        dy,         dz,
                      images_count, images, reach, half_length, sharpness, axial_reach};
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
        return {psi.first * psi.first + psi.second * psi.second, spline_value(mean, radius, mean_inverse_step)};
    };
    add_images(of, low, high, density_at, fdm, smooth);
}
