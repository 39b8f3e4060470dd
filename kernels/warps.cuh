// What threads of a warp, or a block, find together: sums, and the largest of sizes. Blocks are whole warps.

constexpr unsigned WARP = 32, MOST_WARPS = 8;
constexpr unsigned ALL = 0xffffffff;  // threads of a warp

// Write the sums of N numbers over the threads of a block, the first of `stride`; all of them call this.
template <int N>
__device__ __forceinline__ void write_sums(double (&values)[N], double* sums, int stride = N)
{
    __shared__ double of_warps[MOST_WARPS][N];
    const unsigned lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
#pragma unroll
    for (int i = 0; i < N; ++i)
#pragma unroll
        for (unsigned step = WARP / 2; step > 0; step /= 2) values[i] += __shfl_down_sync(ALL, values[i], step);
    if (lane == 0)
#pragma unroll
        for (int i = 0; i < N; ++i) of_warps[threadIdx.x / WARP][i] = values[i];
    __syncthreads();
    if (threadIdx.x >= N) return;
    double total = 0;
    for (unsigned warp = 0; warp < warps; ++warp) total += of_warps[warp][threadIdx.x];
    sums[stride * static_cast<long long>(blockIdx.x) + threadIdx.x] = total;
}

// The larger of two sizes; NaN where one of them is.
template <typename Number>
__device__ __forceinline__ Number larger(Number a, Number b)
{
    return b > a || b != b ? b : a;
}

// Write the largest of the sizes that the threads of a block have; all of them call this.
__device__ __forceinline__ void write_largest(double size, double* largest)
{
    __shared__ double of_warps[MOST_WARPS];
#pragma unroll
    for (unsigned step = WARP / 2; step > 0; step /= 2) size = larger(size, __shfl_xor_sync(ALL, size, step));
    if (threadIdx.x % WARP == 0) of_warps[threadIdx.x / WARP] = size;
    __syncthreads();
    if (threadIdx.x > 0) return;
    for (unsigned warp = 1; warp < blockDim.x / WARP; ++warp) size = larger(size, of_warps[warp]);
    *largest = size;
}
