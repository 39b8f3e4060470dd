// Add the numbers of a slab to the sums of their bins in |k|, or |r|, and mu: each warp adds lines along z.
//
// On the CPU: add_modes, add_separations and count_lines in binning.py. All kernels take
//   the numbers, see each kernel, whose item (i, j, m) is i steps[0] + j steps[1] + m
//   steps                   shape (2,)
//   a_count, b_count        lines: values of |k| or |r| along the first and the second axis
//   length                  values along z, ascending
//   a_at, b_at, z_at        shapes (a_count, 2), (b_count, 2), (length, 2): the one or two indices that have a value, the
//                           second -1 where there is one. They are added before their bin is found
//   plain                   1: value m along z is index m alone, and z_at is not read
//   a, b, z                 the values, shapes (a_count,), (b_count,), (length,) [a unit]
//   weights                 what a value along z counts for, shape (length,)
//   edges                   1 / width of a bin [1/unit], then what a number so close below an edge is on it, in bins
//   mu_bins, mu_axis        bins of mu = |k_axis| / |k|, 1 for none, and its axis
//   mu_power                numbers are multiplied by mu^2 so many times
//   bins                    rows * mu_bins; row 0 is for k = 0 alone, row i + 1 for bin i without it
//   shared                  1: a warp sums in shared memory, and sums has shape (blocks, bins); 0: in sums itself, of
//                           shape (warps, bins), zero before
//
// Bins are found in double, each operation rounded by itself (no fused multiply-add): they are those of the CPU, and so
// are the counts. Sums are double, and formed in an order that depends on the shape of the slab alone: the same bits in
// every run.
//
// Along a line |k| ascends and mu is monotonic, so that numbers of one bin are neighbours: the lanes of a warp sum each
// run of them by shuffles, and one lane adds it. No two lanes add to the same bin at a time: no atomics are needed.

#include "common.cuh"
#include "warps.cuh"

constexpr int SHARED_SUMS = 4096;  // 32 KiB: seven blocks on an sm_90, five on an sm_80
constexpr unsigned AHEAD = 2;  // pieces of a line that are loaded before the first is summed

__device__ __forceinline__ int bin_of(double k, double parallel, const double* edges, long long mu_bins)
{
    if (k == 0) return 0;
    const double tolerance = edges[1];
    const int row = static_cast<int>(__dadd_rn(__dmul_rn(k, edges[0]), 0.5 + tolerance)) + 1;
    if (mu_bins == 1) return row;
    const int column = static_cast<int>(__dadd_rn(__dmul_rn(parallel / k, mu_bins), tolerance));
    return row * static_cast<int>(mu_bins) + min(static_cast<int>(mu_bins) - 1, column);
}

// Items of a line, or of two or four whose |k| is the same: m = 0 of each.
struct Items {
    long long first[4];
    int count = 0;

    __device__ __forceinline__ Items(unsigned i, unsigned j, const long long* a_at, const long long* b_at,
                                     const long long* steps)
    {
        const bool two = a_at[2 * i + 1] >= 0;
#pragma unroll
        for (int q = 0; q < 2; ++q) {
            const long long of = b_at[2 * j + q];
            if (of < 0) continue;
            // the same order whatever there is: [0] and [2] of the first row of b_at, [1] and [3] of the second
            first[q] = a_at[2 * i] * steps[0] + of * steps[1];
            first[2 + q] = two ? a_at[2 * i + 1] * steps[0] + of * steps[1] : -1;
            count += two ? 2 : 1;
        }
        if (b_at[2 * j + 1] < 0) first[1] = first[3] = -1;
    }
};

// number_at(items, m, k) gives what is summed at value m along z.
template <typename Number>
__device__ __forceinline__ void add_lines(long long a_count, long long b_count, long long length,
                                          const long long* a_at, const long long* b_at, const long long* steps,
                                          const double* a, const double* b, const double* z, const double* edges,
                                          long long mu_bins, long long mu_axis, long long mu_power, long long bins,
                                          long long shared, const Number& number_at, double* sums)
{
    __shared__ double block_sums[SHARED_SUMS];
    const unsigned lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    const unsigned warp = blockIdx.x * warps + threadIdx.x / WARP;
    if (shared) {
        for (unsigned at = threadIdx.x; at < warps * bins; at += blockDim.x) block_sums[at] = 0;
        __syncthreads();
    }
    double* own = shared ? block_sums + threadIdx.x / WARP * bins : sums + warp * bins;

    const unsigned lines = static_cast<unsigned>(a_count * b_count), size = static_cast<unsigned>(length);
    for (unsigned line = warp; line < lines; line += gridDim.x * warps) {
        const unsigned i = line / static_cast<unsigned>(b_count), j = line - i * static_cast<unsigned>(b_count);
        const Items items(i, j, a_at, b_at, steps);
        const double across = __dadd_rn(__dmul_rn(a[i], a[i]), __dmul_rn(b[j], b[j]));
        const double parallel = mu_axis == 0 ? a[i] : b[j];
        for (unsigned first = lane; first - lane < size; first += AHEAD * WARP) {
            double k[AHEAD], number[AHEAD];
            unsigned m[AHEAD];
#pragma unroll
            for (unsigned n = 0; n < AHEAD; ++n) {  // loads of all are on their way before the first is used
                const bool inside = first + n * WARP < size;
                m[n] = inside ? first + n * WARP : size - 1;
                k[n] = sqrt(__dadd_rn(across, __dmul_rn(z[m[n]], z[m[n]])));
                number[n] = inside ? number_at(items, m[n], k[n]) : 0;
                if (mu_power > 0) {
                    const double along = mu_axis == 2 ? z[m[n]] : parallel;
                    const double mu_squared = k[n] > 0 ? along * along / (k[n] * k[n]) : 0;
                    for (int power = 0; power < mu_power; ++power) number[n] *= mu_squared;
                }
            }
#pragma unroll
            for (unsigned n = 0; n < AHEAD; ++n) {
                if (first - lane + n * WARP >= size) break;
                const int bin = bin_of(k[n], mu_axis == 2 ? z[m[n]] : parallel, edges, mu_bins);
                const int before = __shfl_up_sync(ALL, bin, 1);
                const unsigned heads = __ballot_sync(ALL, lane == 0 || bin != before);
                if (heads != ALL) {  // sums of each run up to every lane
                    const unsigned head = 31 - __clz(heads & (ALL >> (31 - lane)));
#pragma unroll
                    for (unsigned step = 1; step < WARP; step *= 2) {
                        const double other = __shfl_up_sync(ALL, number[n], step);
                        if (lane >= head + step) number[n] += other;
                    }
                }
                if (lane == 31 || (heads >> (lane + 1) & 1)) own[bin] += number[n];
                __syncwarp();
            }
        }
    }
    if (!shared) return;
    __syncthreads();
    for (unsigned bin = threadIdx.x; bin < bins; bin += blockDim.x) {
        double total = 0;
        for (unsigned from = 0; from < warps; ++from) total += block_sums[from * bins + bin];
        sums[blockIdx.x * bins + bin] = total;
    }
}

// The sum over the items of a line at one value along z or two, in a fixed order.
template <typename Item>
__device__ __forceinline__ double sum_of_items(const Items& items, unsigned m, const long long* z_at, bool plain,
                                               const Item& item)
{
    double total = 0;
    if (plain) {
#pragma unroll
        for (int n = 0; n < 4; ++n)
            if (items.first[n] >= 0) total += item(items.first[n] + m);
        return total;
    }
    const long long at = z_at[2 * m], second = z_at[2 * m + 1];
#pragma unroll
    for (int n = 0; n < 4; ++n) {
        if (items.first[n] < 0) continue;
        total += item(items.first[n] + at);
        if (second >= 0) total += item(items.first[n] + second);
    }
    return total;
}

// spectrum, other  slabs of complex numbers, summed is Re(spectrum conj(other)); products of floats are exact in double
extern "C" __global__ void add_modes(const REAL* __restrict__ spectrum, const REAL* __restrict__ other,
                                     const long long* __restrict__ steps, long long a_count, long long b_count,
                                     long long length, const long long* __restrict__ a_at,
                                     const long long* __restrict__ b_at, const long long* __restrict__ z_at,
                                     long long plain, const double* __restrict__ a, const double* __restrict__ b,
                                     const double* __restrict__ z, const double* __restrict__ weights,
                                     const double* __restrict__ edges, long long mu_bins, long long mu_axis, long long mu_power,
                                     long long bins, long long shared, double* sums)
{
    const auto product = [=](long long item) {
        const Pair x = reinterpret_cast<const Pair*>(spectrum)[item];
        const Pair y = spectrum == other ? x : reinterpret_cast<const Pair*>(other)[item];
        return static_cast<double>(x.first) * y.first + static_cast<double>(x.second) * y.second;
    };
    const auto number_at = [=](const Items& items, unsigned m, double) {
        return weights[m] * sum_of_items(items, m, z_at, plain != 0, product);
    };
    add_lines(a_count, b_count, length, a_at, b_at, steps, a, b, z, edges, mu_bins, mu_axis, mu_power, bins,
              shared, number_at, sums);
}

// values, other  slabs of real numbers, of which values are summed themselves; other is not read
extern "C" __global__ void add_separations(const REAL* __restrict__ values, const REAL* __restrict__ other,
                                           const long long* __restrict__ steps, long long a_count,
                                           long long b_count, long long length,
                                           const long long* __restrict__ a_at,
                                           const long long* __restrict__ b_at,
                                           const long long* __restrict__ z_at, long long plain,
                                           const double* __restrict__ a, const double* __restrict__ b,
                                           const double* __restrict__ z,
                                           const double* __restrict__ weights,
                                           const double* __restrict__ edges, long long mu_bins,
                                           long long mu_axis, long long mu_power, long long bins, long long shared,
                                           double* sums)
{
    const auto value = [=](long long item) { return static_cast<double>(values[item]); };
    const auto number_at = [=](const Items& items, unsigned m, double) {
        return weights[m] * sum_of_items(items, m, z_at, plain != 0, value);
    };
    add_lines(a_count, b_count, length, a_at, b_at, steps, a, b, z, edges, mu_bins, mu_axis, mu_power, bins,
              shared, number_at, sums);
}

// Of the geometry alone: what items count for, with power 0 of |k|, and the sums of |k| over them, with power 1.
extern "C" __global__ void count_lines(long long power, long long a_count, long long b_count, long long length,
                                       const long long* __restrict__ a_at, const long long* __restrict__ b_at,
                                       const long long* __restrict__ z_at, long long plain,
                                       const double* __restrict__ a, const double* __restrict__ b,
                                       const double* __restrict__ z,
                                       const double* __restrict__ weights, const double* __restrict__ edges,
                                       long long mu_bins, long long mu_axis, long long mu_power, long long bins,
                                       long long shared, double* sums)
{
    const auto number_at = [=](const Items& items, unsigned m, double k) {
        return items.count * (1 + (z_at[2 * m + 1] >= 0)) * weights[m] * (power ? k : 1.0);
    };
    const long long steps[2] = {0, 0};
    add_lines(a_count, b_count, length, a_at, b_at, steps, a, b, z, edges, mu_bins, mu_axis, mu_power, bins,
              shared, number_at, sums);
}
