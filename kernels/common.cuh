// Functions of several kernels: the thread's item, quintic B-splines, and psi at a point of the cross-section.
//
// On the CPU: common.py. The compiler's command line sets REAL to float or double. Lengths are [L], inverse
// steps [1/L]. Coefficients are those of gpu_fdm/fields/spline.py and cross_section.RadialTable:
// table[row][part][l], 4 parts, l padded to a multiple of 8, aligned to 16 bytes.
//
// Positions are double at both precisions, sums over coefficients are REAL: an error of the radius comes back
// K R times as large (K the largest wavenumber) and one of the angle l times, both in the hundreds, while the
// few operations on positions cost little beside the sums.
//
// Arrays here are indexed by unrolled loops alone, so that they live in registers and not in local memory.

constexpr int TAPS = 6;
constexpr int PARTS = 4;

// The widest load takes 16 bytes: a thread takes that many l at a time. Twice as many would double the
// registers and halve the threads that hide the latency of the table.
constexpr int LANES = 16 / sizeof(REAL);

struct alignas(16) Lanes {
    REAL at[LANES];
};

struct alignas(2 * sizeof(REAL)) Pair {
    REAL first, second;
};

__device__ __forceinline__ long long thread_item()
{
    return static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
}

// Weights of the six B-spline coefficients around a point at fraction t of its interval.
__device__ __forceinline__ void quintic_weights(REAL t, REAL (&w)[TAPS])
{
    constexpr REAL scale = REAL(1) / 120;
    const REAL t2 = t * t, t3 = t2 * t, t4 = t2 * t2, t5 = t4 * t;
    const REAL s = 1 - t, s2 = s * s;
    w[0] = s2 * s2 * s * scale;
    w[1] = (26 - 50 * t + 20 * t2 + 20 * t3 - 20 * t4 + 5 * t5) * scale;
    w[2] = (66 - 60 * t2 + 30 * t4 - 10 * t5) * scale;
    w[3] = (26 + 50 * t + 20 * t2 - 20 * t3 - 20 * t4 + 10 * t5) * scale;
    w[4] = (1 + 5 * t + 10 * t2 + 10 * t3 + 5 * t4 - 5 * t5) * scale;
    w[5] = t5 * scale;
}

// Derivatives of quintic_weights with respect to t.
__device__ __forceinline__ void quintic_slopes(REAL t, REAL (&w)[TAPS])
{
    constexpr REAL scale = REAL(1) / 24;
    const REAL t2 = t * t, t3 = t2 * t, t4 = t2 * t2;
    const REAL s = 1 - t, s2 = s * s;
    w[0] = -s2 * s2 * scale;
    w[1] = (-10 + 8 * t + 12 * t2 - 16 * t3 + 5 * t4) * scale;
    w[2] = (-24 * t + 24 * t3 - 10 * t4) * scale;
    w[3] = (10 + 8 * t - 12 * t2 - 16 * t3 + 10 * t4) * scale;
    w[4] = (1 + 4 * t + 6 * t2 + 4 * t3 - 5 * t4) * scale;
    w[5] = t4 * scale;
}

// cos(l phi) and sin(l phi) for LANES consecutive l, which advance side by side, LANES at a time.
struct Angles {
    REAL cosine[LANES], sine[LANES];
    REAL step_cosine, step_sine;

    __device__ __forceinline__ Angles(double x, double y, double radius)
    {
        const double inverse_radius = 1 / radius;
        const double cosine_1 = radius > 0 ? x * inverse_radius : 1;
        const double sine_1 = radius > 0 ? y * inverse_radius : 0;
        double c = 1, s = 0;
#pragma unroll
        for (int lane = 0; lane < LANES; ++lane) {
            cosine[lane] = c;
            sine[lane] = s;
            const double previous = c;
            c = c * cosine_1 - s * sine_1;
            s = previous * sine_1 + s * cosine_1;
        }
        step_cosine = c;
        step_sine = s;
    }

    __device__ __forceinline__ void advance()
    {
#pragma unroll
        for (int lane = 0; lane < LANES; ++lane) {
            const REAL c = cosine[lane];
            cosine[lane] = c * step_cosine - sine[lane] * step_sine;
            sine[lane] = c * step_sine + sine[lane] * step_cosine;
        }
    }
};

// Where a radius lies among the rows of a spline: pointer to the first of its six rows, and the fraction.
__device__ __forceinline__ const REAL* spline_rows(const REAL* table, long long row_size, double radius,
                                                   double inverse_step, REAL& fraction)
{
    const double position = radius * inverse_step;
    const int row = static_cast<int>(position);
    fraction = static_cast<REAL>(position - row);
    return table + row * row_size;
}

// A radial spline of one value a row.
__device__ __forceinline__ REAL spline_value(const REAL* coefficients, double radius, double inverse_step)
{
    REAL fraction, w[TAPS];
    const REAL* rows = spline_rows(coefficients, 1, radius, inverse_step, fraction);
    quintic_weights(fraction, w);
    REAL sum = 0;
#pragma unroll
    for (int tap = 0; tap < TAPS; ++tap) sum += w[tap] * rows[tap];
    return sum;
}

// Sum of weight times coefficient over the six rows, for LANES consecutive l.
__device__ __forceinline__ Lanes spline_lanes(const REAL* coefficients, long long row_size,
                                              const REAL (&weights)[TAPS])
{
    Lanes sum = {};
#pragma unroll
    for (int tap = 0; tap < TAPS; ++tap) {
        const Lanes row = *reinterpret_cast<const Lanes*>(coefficients + tap * row_size);
#pragma unroll
        for (int lane = 0; lane < LANES; ++lane) sum.at[lane] += weights[tap] * row.at[lane];
    }
    return sum;
}

// Re psi and Im psi at a point of the cross-section; zero from radius_max on.
__device__ __forceinline__ Pair psi_value(double x, double y, const REAL* table, long long l_count,
                                          double inverse_step, double radius_max)
{
    Pair psi = {0, 0};
    const double radius = sqrt(x * x + y * y);
    if (radius >= radius_max) return psi;
    const long long row_size = PARTS * l_count;
    REAL fraction, w[TAPS];
    const REAL* rows = spline_rows(table, row_size, radius, inverse_step, fraction);
    quintic_weights(fraction, w);
    Angles angles(x, y, radius);
    for (long long l = 0; l < l_count; l += LANES) {
        Lanes f[PARTS];
#pragma unroll
        for (int part = 0; part < PARTS; ++part)
            f[part] = spline_lanes(rows + part * l_count + l, row_size, w);
#pragma unroll
        for (int lane = 0; lane < LANES; ++lane) {
            const REAL c = angles.cosine[lane], s = angles.sine[lane];
            psi.first += f[0].at[lane] * c - f[1].at[lane] * s;
            psi.second += f[2].at[lane] * c + f[3].at[lane] * s;
        }
        angles.advance();
    }
    return psi;
}
