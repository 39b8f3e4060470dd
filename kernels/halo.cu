// psi of a halo by sums over spherical harmonics: at points, in a half plane through the axis, and densities on lines.
//
// On the CPU: points_loop, meridian_loop and lines_loop in halo.py. Kernels of the first two take
//   table         spline coefficients in r, shape (rows, 4, size): for each m its l = m ... l_max, padded to a
//                 multiple of 4, see fields.halo.HaloFactors
//   starts        where the l of each m begin, shape (l_count + 1,); the last is size
//   steps         of the recurrence of Legendre functions, shape (size + 1, 2), double, see halo.legendre_steps
//   l_count       l_max + 1
//   inverse_step  of the rows [1/L];  reach  radius beyond which psi is zero [L]
//
// Legendre functions are double at both precisions, so that sin^m does not underflow and the recurrence loses nothing.
// Neighbouring points have similar radii: the threads of a warp mostly read the same rows.

#include "common.cuh"

// take(m, sums) for every m at a point inside of reach: sums over l of P_lm times each of the four parts.
template <typename Take>
__device__ __forceinline__ void each_order(double radius, double cosine, double sine, const REAL* table,
                                           const long long* starts, const double* steps, long long l_count,
                                           double inverse_step, const Take& take)
{
    const long long size = starts[l_count], row_size = PARTS * size;
    REAL fraction, w[TAPS];
    const REAL* rows = spline_rows(table, row_size, radius, inverse_step, fraction);
    quintic_weights(fraction, w);
    double diagonal = 1;
    for (int m = 0; m < l_count; ++m) {
        const long long first = starts[m], end = starts[m + 1];
        diagonal *= m == 0 ? steps[0] : steps[2 * first] * sine;
        double before = 0, now = diagonal;
        REAL sums[PARTS] = {};
        for (long long l = first; l < end; l += LANES) {
            REAL legendre[LANES];
#pragma unroll
            for (int lane = 0; lane < LANES; ++lane) {
                legendre[lane] = static_cast<REAL>(now);
                const double* step = steps + 2 * (l + lane + 1);
                const double next = step[0] * cosine * now - step[1] * before;
                before = now;
                now = next;
            }
#pragma unroll
            for (int part = 0; part < PARTS; ++part) {
                const Lanes f = spline_lanes(rows + part * size + l, row_size, w);
#pragma unroll
                for (int lane = 0; lane < LANES; ++lane) sums[part] += legendre[lane] * f.at[lane];
            }
        }
        take(m, sums);
    }
}

// points  number of points;  position  shape (points, 3) [L], double
// out     written, shape (points, 2): Re psi, Im psi [rho_m0^1/2]
extern "C" __global__ void halo_points(long long points, const double* __restrict__ position,
                                       const REAL* __restrict__ table, const long long* __restrict__ starts,
                                       const double* __restrict__ steps, long long l_count, double inverse_step,
                                       double reach, REAL* __restrict__ out)
{
    const long long point = thread_item();
    if (point >= points) return;
    const double x = position[3 * point], y = position[3 * point + 1], z = position[3 * point + 2];
    const double across = sqrt(x * x + y * y), radius = sqrt(x * x + y * y + z * z);
    Pair psi = {0, 0};
    if (radius < reach) {
        const double inverse = radius > 0 ? 1 / radius : 0;
        const double cosine_1 = across > 0 ? x / across : 1, sine_1 = across > 0 ? y / across : 0;
        double c = 1, s = 0;
        each_order(radius, radius > 0 ? z * inverse : 1, across * inverse, table, starts, steps, l_count, inverse_step,
                   [&](int, const REAL(&sums)[PARTS]) {
                       const REAL cosine = static_cast<REAL>(c), sine = static_cast<REAL>(s);
                       psi.first += sums[0] * cosine - sums[1] * sine;
                       psi.second += sums[2] * cosine + sums[3] * sine;
                       const double previous = c;
                       c = c * cosine_1 - s * sine_1;
                       s = previous * sine_1 + s * cosine_1;
                   });
    }
    reinterpret_cast<Pair*>(out)[point] = psi;
}

// rows, nz  points of the half plane: distances from the axis step_across times 0 ... rows - 1, and z, shape (nz,) [L]
// inner     points nearer to the centre are left as they are [L]
// out       zero, shape (rows + 6, l_count, 4, nz): row + 2 has the sums over l at a distance, inside of reach
extern "C" __global__ void halo_meridian(long long rows, long long nz, double step_across, const double* __restrict__ z,
                                         double inner, const REAL* __restrict__ table,
                                         const long long* __restrict__ starts, const double* __restrict__ steps,
                                         long long l_count, double inverse_step, double reach,
                                         REAL* __restrict__ out)
{
    const long long item = thread_item();
    if (item >= rows * nz) return;
    const long long row = item / nz, k = item - row * nz;
    const double across = row * step_across, at = z[k], radius = sqrt(across * across + at * at);
    REAL* target = out + (row + 2) * l_count * PARTS * nz + k;
    if (radius < inner || radius >= reach) return;
    const double inverse = radius > 0 ? 1 / radius : 0;
    each_order(radius, radius > 0 ? at * inverse : 1, across * inverse, table, starts, steps, l_count, inverse_step,
               [&](int m, const REAL(&sums)[PARTS]) {
#pragma unroll
                   for (int part = 0; part < PARTS; ++part) target[(m * PARTS + part) * nz] = sums[part];
               });
}

// lines, nz     lines along z through x, y, shape (lines,) [L]; z of the points on each, shape (nz,) [L]
// inner, outer  radii between which there are densities [L]
// table         spline coefficients in the distance from the axis, shape (rows, l_count, 4, nz)
// inverse_step  of its rows [1/L]
// mean, mean_inverse_step  spline coefficients of the phase-averaged density in r, shape (rows,), and 1/step
// out           zero, shape (lines, 2, nz): |psi|^2 and its phase average are written [rho_m0]
extern "C" __global__ void halo_lines(long long lines, long long nz, const double* __restrict__ x,
                                      const double* __restrict__ y, const double* __restrict__ z, double inner,
                                      double outer, const REAL* __restrict__ table, long long l_count,
                                      double inverse_step, const REAL* __restrict__ mean, double mean_inverse_step,
                                      REAL* __restrict__ out)
{
    const long long item = thread_item();
    if (item >= lines * nz) return;
    const long long line = item / nz, k = item - line * nz;
    const double px = x[line], py = y[line], pz = z[k];
    const double square = px * px + py * py, across = sqrt(square), radius_square = square + pz * pz;
    if (radius_square < inner * inner || radius_square >= outer * outer || across >= outer) return;
    REAL fraction, w[TAPS];
    const long long order_size = PARTS * nz, row_size = l_count * order_size;
    const REAL* rows = spline_rows(table, row_size, across, inverse_step, fraction) + k;
    quintic_weights(fraction, w);
    const double cosine_1 = across > 0 ? px / across : 1, sine_1 = across > 0 ? py / across : 0;
    double c = 1, s = 0;
    Pair psi = {0, 0};
    for (long long m = 0; m < l_count; ++m, rows += order_size) {
        REAL sums[PARTS] = {};
#pragma unroll
        for (int tap = 0; tap < TAPS; ++tap)
#pragma unroll
            for (int part = 0; part < PARTS; ++part) sums[part] += w[tap] * rows[tap * row_size + part * nz];
        const REAL cosine = static_cast<REAL>(c), sine = static_cast<REAL>(s);
        psi.first += sums[0] * cosine - sums[1] * sine;
        psi.second += sums[2] * cosine + sums[3] * sine;
        const double previous = c;
        c = c * cosine_1 - s * sine_1;
        s = previous * sine_1 + s * cosine_1;
    }
    out[2 * line * nz + k] = psi.first * psi.first + psi.second * psi.second;
    out[(2 * line + 1) * nz + k] = spline_value(mean, sqrt(radius_square), mean_inverse_step);
}
