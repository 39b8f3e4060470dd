// Add the numbers of a slab to the sums of their bins in |k|, or |r|, and mu: each thread adds one item or several.
//
// On the CPU: add_modes and add_separations in binning.py. Both kernels take
//   items, ny, nz           planes * ny * nz and the shape of the slab, z fastest
//   the numbers, see each kernel
//   x, y, z                 |k| or |r| along each axis of the slab, shapes (planes,), (ny,), (nz,) [a unit]
//   weights                 what an index along z counts for, shape (nz,)
//   edges                   1 / width of a bin [1/unit], then what a number so close below an edge is on it, in bins
//   mu_bins, mu_axis        bins of mu = |k_axis| / |k|, 1 for none, and its axis
//   bins                    rows * mu_bins; row 0 is for k = 0 alone, row i + 1 for bin i without it
//   sum, k_sum, counts      sums of the numbers, of |k| and of the weights, added to, shape (bins,)
//
// Bins are found in double, each operation rounded by itself (no fused multiply-add): they are those of the CPU, and so
// are the counts. Sums are formed in double in the order in which threads arrive: they differ by round-off from run to
// run, and from those of the CPU.
//
// A block sums in shared memory, where its bins fit, and adds to global memory once. Items that are neighbours often
// share a bin, and so do neighbouring threads, which then wait for each other: as many copies of the bins as there is
// room for keep them apart. More bins than fit are rarely shared: then all is added to global memory at once.

#include "common.cuh"

// 20 bytes a bin make 40 KiB, within the 48 that a kernel may have: four blocks on an sm_80, five on an sm_90
constexpr int SHARED_BINS = 2048;

__device__ __forceinline__ long long bin_of(double k, double parallel, const double* edges, long long mu_bins)
{
    if (k == 0) return 0;
    const double tolerance = edges[1];
    const long long row = static_cast<int>(__dadd_rn(__dmul_rn(k, edges[0]), 0.5 + tolerance)) + 1;
    if (mu_bins == 1) return row;
    const long long column = static_cast<int>(__dadd_rn(__dmul_rn(parallel / k, mu_bins), tolerance));
    return row * mu_bins + min(mu_bins - 1, column);
}

// number_at(item) gives what is summed.
template <typename Number>
__device__ __forceinline__ void add_items(long long items, long long ny, long long nz, const Number& number_at,
                                          const double* x, const double* y, const double* z,
                                          const long long* weights, const double* edges, long long mu_bins,
                                          long long mu_axis, long long bins, double* sum, double* k_sum,
                                          unsigned long long* counts)
{
    __shared__ double block_sum[SHARED_BINS], block_k_sum[SHARED_BINS];
    // 32 bits, which add fastest, hold what a block counts: 2^32 of the items of a slab would fill no card
    __shared__ unsigned block_counts[SHARED_BINS];
    const bool shared = bins <= SHARED_BINS;
    const int copies = shared ? min(static_cast<int>(SHARED_BINS / bins), 32) : 0;
    const int used = copies * static_cast<int>(bins);
    for (int bin = threadIdx.x; bin < used; bin += blockDim.x) {
        block_sum[bin] = block_k_sum[bin] = 0;
        block_counts[bin] = 0;
    }
    __syncthreads();

    const int copy = shared ? static_cast<int>(threadIdx.x) % copies * static_cast<int>(bins) : 0;
    const long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long item = thread_item(); item < items; item += step) {
        const long long line = item / nz, m = item - line * nz;
        const long long i = line / ny, j = line - i * ny;
        const double across = __dadd_rn(__dmul_rn(x[i], x[i]), __dmul_rn(y[j], y[j]));
        const double k = sqrt(__dadd_rn(across, __dmul_rn(z[m], z[m])));
        const double parallel = mu_axis == 2 ? z[m] : mu_axis == 1 ? y[j] : x[i];
        const long long bin = bin_of(k, parallel, edges, mu_bins);
        const long long weight = weights[m];
        const double number = weight * number_at(item);
        if (shared) {
            atomicAdd(block_sum + copy + bin, number);
            atomicAdd(block_k_sum + copy + bin, weight * k);
            atomicAdd(block_counts + copy + bin, static_cast<unsigned>(weight));
        } else {
            atomicAdd(sum + bin, number);
            atomicAdd(k_sum + bin, weight * k);
            atomicAdd(counts + bin, static_cast<unsigned long long>(weight));
        }
    }
    __syncthreads();

    if (!shared) return;
    for (int bin = threadIdx.x; bin < bins; bin += blockDim.x) {
        double total = 0, k_total = 0;
        unsigned long long count = 0;
        for (int at = bin; at < used; at += static_cast<int>(bins)) {
            total += block_sum[at];
            k_total += block_k_sum[at];
            count += block_counts[at];
        }
        if (count == 0) continue;
        atomicAdd(sum + bin, total);
        atomicAdd(k_sum + bin, k_total);
        atomicAdd(counts + bin, count);
    }
}

// spectrum, other  slabs of complex numbers, summed is Re(spectrum conj(other)); products of floats are exact in double
extern "C" __global__ void add_modes(long long items, long long ny, long long nz, const REAL* __restrict__ spectrum,
                                     const REAL* __restrict__ other, const double* __restrict__ x,
                                     const double* __restrict__ y, const double* __restrict__ z,
                                     const long long* __restrict__ weights, const double* __restrict__ edges,
                                     long long mu_bins, long long mu_axis, long long bins, double* sum,
                                     double* k_sum, unsigned long long* counts)
{
    const auto product = [=](long long item) {
        const Pair a = reinterpret_cast<const Pair*>(spectrum)[item];
        const Pair b = reinterpret_cast<const Pair*>(other)[item];
        return static_cast<double>(a.first) * b.first + static_cast<double>(a.second) * b.second;
    };
    add_items(items, ny, nz, product, x, y, z, weights, edges, mu_bins, mu_axis, bins, sum, k_sum, counts);
}

// values  a slab of real numbers, summed themselves
extern "C" __global__ void add_separations(long long items, long long ny, long long nz,
                                           const REAL* __restrict__ values, const double* __restrict__ x,
                                           const double* __restrict__ y, const double* __restrict__ z,
                                           const long long* __restrict__ weights,
                                           const double* __restrict__ edges, long long mu_bins, long long mu_axis,
                                           long long bins, double* sum, double* k_sum, unsigned long long* counts)
{
    const auto value = [=](long long item) { return static_cast<double>(values[item]); };
    add_items(items, ny, nz, value, x, y, z, weights, edges, mu_bins, mu_axis, bins, sum, k_sum, counts);
}
