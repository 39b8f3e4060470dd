// What modes are multiplied by, in double at both precisions.

struct alignas(16) Phase {
    double cosine, sine;
};

__device__ __forceinline__ Phase product(Phase a, Phase b)
{
    return {a.cosine * b.cosine - a.sine * b.sine, a.cosine * b.sine + a.sine * b.cosine};
}

__device__ __forceinline__ Pair times_phase(Pair mode, Phase by)
{
    const double real = mode.first, imaginary = mode.second;
    return {static_cast<REAL>(real * by.cosine - imaginary * by.sine),
            static_cast<REAL>(real * by.sine + imaginary * by.cosine)};
}

// A mode times strength / k^2, or 0 where k = 0.
__device__ __forceinline__ Pair over_k_squared(Pair mode, double k_squared, double strength)
{
    const double green = k_squared > 0 ? strength / k_squared : 0;
    return {static_cast<REAL>(mode.first * green), static_cast<REAL>(mode.second * green)};
}
