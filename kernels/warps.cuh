// What threads of a warp, or a block, find together: sums, and the largest of sizes. Blocks are whole warps.

constexpr unsigned WARP = 32, MOST_WARPS = 8;
constexpr unsigned ALL = 0xffffffff;  // threads of a warp

// The sum over the threads of a warp, for all of them; they all call this.
__device__ __forceinline__ int sum_of_warp(int value)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    return __reduce_add_sync(ALL, value);
#else
#pragma unroll
    for (unsigned step = WARP / 2; step > 0; step /= 2) value += __shfl_xor_sync(ALL, value, step);
    return value;
#endif
}

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

// The largest of the sizes that the threads of a block have, in shared memory: all of them add theirs, and after a
// barrier all call write.
struct Largest {
    double of_warps[MOST_WARPS];

    __device__ __forceinline__ void add(double size)
    {
#pragma unroll
        for (unsigned step = WARP / 2; step > 0; step /= 2) size = larger(size, __shfl_xor_sync(ALL, size, step));
        if (threadIdx.x % WARP == 0) of_warps[threadIdx.x / WARP] = size;
    }

    __device__ __forceinline__ void write(double* largest) const
    {
        if (threadIdx.x > 0) return;
        double size = of_warps[0];
#pragma unroll
        for (unsigned warp = 1; warp < MOST_WARPS; ++warp)
            if (warp < blockDim.x / WARP) size = larger(size, of_warps[warp]);
        *largest = size;
    }
};

// Write the largest of the sizes that the threads of a block have; all of them call this.
__device__ __forceinline__ void write_largest(double size, double* largest)
{
    __shared__ Largest found;
    found.add(size);
    __syncthreads();
    found.write(largest);
}
