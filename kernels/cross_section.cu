// psi, psi with its gradient, and a radial spline at points of the cross-section: each thread evaluates one point.
//
// On the CPU: psi_points_loop in common.py, psi_gradient_points_loop and spline_points_loop in cross_section.py. The
// kernels of psi take
//   points        number of points
//   x, y          positions, shape (points,) [L]
//   table         spline coefficients, shape (rows, 4, l_count), l_count a multiple of 8, see RadialTable
//   l_count       angular momenta of the table
//   inverse_step  of its rows [1/L];  radius_max  psi is zero from there on [L]
//   out           written, shape (points, 2): Re psi, Im psi [rho_m0^1/2];
//                 or (points, 6): followed by d/dx and then d/dy of both
//
// Neighbouring points have similar radii, so the threads of a warp mostly read the same rows: those loads are
// broadcast, and the table stays in L1. A thread reads along l, 16 bytes at a time.

#include "common.cuh"

extern "C" __global__ void psi_points(long long points, const REAL* __restrict__ x,
                                      const REAL* __restrict__ y, const REAL* __restrict__ table,
                                      long long l_count, REAL inverse_step, REAL radius_max,
                                      REAL* __restrict__ out)
{
    const long long point = thread_item();
    if (point >= points) return;
    Pair* result = reinterpret_cast<Pair*>(out) + point;
    *result = psi_value(x[point], y[point], table, l_count, inverse_step, radius_max);
}

extern "C" __global__ void psi_gradient_points(long long points, const REAL* __restrict__ x,
                                               const REAL* __restrict__ y, const REAL* __restrict__ table,
                                               long long l_count, REAL inverse_step, REAL radius_max,
                                               REAL* __restrict__ out)
{
    const long long point = thread_item();
    if (point >= points) return;
    Pair* result = reinterpret_cast<Pair*>(out) + 3 * point;
    const double px = x[point], py = y[point];
    const double radius = sqrt(px * px + py * py);
    if (radius >= radius_max) {
        result[0] = result[1] = result[2] = {0, 0};
        return;
    }
    const long long row_size = PARTS * l_count;
    REAL fraction, w[TAPS], slope[TAPS];
    const REAL* rows = spline_rows(table, row_size, radius, inverse_step, fraction);
    quintic_weights(fraction, w);
    quintic_slopes(fraction, slope);
    Angles angles(px, py, radius);
    const REAL cosine = angles.cosine[1], sine = angles.sine[1];

    // towards the axis l F_l / R tends to dF_l/dR for l >= 1 (F_l ~ R^l); nearer, round-off would win
    const bool on_axis = radius * inverse_step <= 1e-3;
    Pair psi = {0, 0}, radial = {0, 0}, angular = {0, 0};
    for (long long l = 0; l < l_count; l += LANES) {
        Lanes f[PARTS], df[PARTS];
#pragma unroll
        for (int part = 0; part < PARTS; ++part) {
            const REAL* coefficients = rows + part * l_count + l;
            f[part] = spline_lanes(coefficients, row_size, w);
            df[part] = spline_lanes(coefficients, row_size, slope);
        }
#pragma unroll
        for (int lane = 0; lane < LANES; ++lane) {
            const REAL c = angles.cosine[lane], s = angles.sine[lane];
            const int number = static_cast<int>(l) + lane;
            const REAL order = on_axis ? min(number, 1) : number;
            psi.first += f[0].at[lane] * c - f[1].at[lane] * s;
            psi.second += f[2].at[lane] * c + f[3].at[lane] * s;
            radial.first += df[0].at[lane] * c - df[1].at[lane] * s;
            radial.second += df[2].at[lane] * c + df[3].at[lane] * s;
            angular.first -= order * (on_axis ? df[0].at[lane] * s + df[1].at[lane] * c
                                              : f[0].at[lane] * s + f[1].at[lane] * c);
            angular.second -= order * (on_axis ? df[2].at[lane] * s - df[3].at[lane] * c
                                               : f[2].at[lane] * s - f[3].at[lane] * c);
        }
        angles.advance();
    }
    // the sums hold derivatives over a row of the table, and F_l that is still to be divided by R
    const REAL inverse_radius = on_axis ? inverse_step : static_cast<REAL>(1 / radius);
    const REAL radial_x = cosine * inverse_step, radial_y = sine * inverse_step;
    const REAL angular_x = -sine * inverse_radius, angular_y = cosine * inverse_radius;
    result[0] = psi;
    result[1] = {radial.first * radial_x + angular.first * angular_x,
                 radial.second * radial_x + angular.second * angular_x};
    result[2] = {radial.first * radial_y + angular.first * angular_y,
                 radial.second * radial_y + angular.second * angular_y};
}

// radius        shape (points,) [L]
// coefficients  of the spline, shape (rows,), see spline.radial_coefficients
// inverse_step  of the rows [1/L];  radius_max  the spline is zero from there on [L]
// out           written, shape (points,)
extern "C" __global__ void spline_points(long long points, const REAL* __restrict__ radius,
                                         const REAL* __restrict__ coefficients, REAL inverse_step, REAL radius_max,
                                         REAL* __restrict__ out)
{
    const long long point = thread_item();
    if (point >= points) return;
    const REAL at = radius[point];
    out[point] = at < radius_max ? spline_value(coefficients, at, inverse_step) : REAL(0);
}
