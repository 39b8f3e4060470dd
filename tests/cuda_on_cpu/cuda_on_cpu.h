// Runs a CUDA source on the CPU, for tests: sound for indexing and arithmetic, silent on races and speed.
//
// Blocks run one after the other, and so do the threads of a block, except where the source has
// __syncthreads(): then the threads of a block are fibers that take turns at each barrier. What is not here
// (warp shuffles, textures, dynamic shared memory) does not compile, so that it cannot be taken for tested.

#pragma once

#include <math.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
// one copy for all the threads of a block; blocks never run side by side
#define __shared__ static

struct uint3 {
    unsigned x = 0, y = 0, z = 0;
};

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

static thread_local uint3 threadIdx, blockIdx;
static thread_local dim3 blockDim, gridDim;

using std::max;
using std::min;

inline float rsqrt(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline void sincos(float x, float* sine, float* cosine) { sincosf(x, sine, cosine); }

template <typename T>
T __ldg(const T* address)
{
    return *address;
}

template <typename T>
T atomicAdd(T* address, std::common_type_t<T> value)
{
    const T old = *address;
    *address += value;
    return old;
}

namespace cuda_on_cpu {

// The threads of one block as fibers. A barrier hands over to run(), which goes on to the next thread.
class Fibers {
public:
    template <typename Kernel>
    const char* run(unsigned threads, const Kernel& kernel)
    {
        body = [](void* of) { (*static_cast<const Kernel*>(of))(); };
        argument = const_cast<Kernel*>(&kernel);
        running = this;
        fibers = std::vector<Fiber>(threads);
        for (auto& fiber : fibers) {
            fiber.stack.reset(new char[stack_size]);
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.get();
            fiber.context.uc_stack.ss_size = stack_size;
            fiber.context.uc_link = &scheduler;
            makecontext(&fiber.context, enter, 0);
        }
        for (;;) {
            unsigned at_barrier = 0;
            for (current = 0; current < threads; ++current) {
                threadIdx.x = current;
                swapcontext(&scheduler, &fibers[current].context);
                at_barrier += !fibers[current].finished;
            }
            if (at_barrier == 0) return nullptr;
            if (at_barrier < threads) return "a barrier that some threads of a block never reach";
        }
    }

    static void barrier()
    {
        swapcontext(&running->fibers[running->current].context, &running->scheduler);
    }

private:
    struct Fiber {
        ucontext_t context;
        std::unique_ptr<char[]> stack;
        bool finished = false;
    };

    static void enter()
    {
        running->body(running->argument);
        running->fibers[running->current].finished = true;
    }

    static constexpr size_t stack_size = 64 * 1024;
    static inline Fibers* running = nullptr;
    std::vector<Fiber> fibers;
    ucontext_t scheduler;
    unsigned current = 0;
    void (*body)(void*) = nullptr;
    void* argument = nullptr;
};

// One word a parameter: i8, f4, f8 and so on, behind * for an array that is written, behind & for one that is
// only read.
template <typename T>
std::string type_name()
{
    if constexpr (std::is_pointer_v<T>) {
        using Item = std::remove_pointer_t<T>;
        return (std::is_const_v<Item> ? "&" : "*") + type_name<std::remove_const_t<Item>>();
    } else {
        static_assert(std::is_arithmetic_v<T>, "kernel parameters are numbers and pointers to numbers");
        const char kind = std::is_floating_point_v<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'u';
        return kind + std::to_string(sizeof(T));
    }
}

template <typename... Parameters>
const char* signature(void (*)(Parameters...))
{
    static const std::string names = ((type_name<Parameters>() + " ") + ...);
    return names.c_str();
}

template <typename... Parameters, size_t... number>
std::tuple<Parameters...> values_at(void** arguments, std::index_sequence<number...>)
{
    return {*static_cast<Parameters*>(arguments[number])...};
}

// Run a kernel, its arguments by address as for cuLaunchKernel; returns an error in words, or null.
template <typename... Parameters>
const char* launch(void (*kernel)(Parameters...), unsigned blocks, unsigned threads, void** arguments)
{
    const auto values = values_at<Parameters...>(arguments, std::index_sequence_for<Parameters...>());
    const auto thread = [&] { std::apply(kernel, values); };
    gridDim.x = blocks;
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
#ifdef CUDA_ON_CPU_FIBERS
        if (const char* error = Fibers().run(threads, thread)) return error;
#else
        for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) thread();
#endif
    }
    return nullptr;
}

}  // namespace cuda_on_cpu

#ifdef CUDA_ON_CPU_FIBERS
inline void __syncthreads() { cuda_on_cpu::Fibers::barrier(); }
#endif

#define CUDA_ON_CPU_EXPORT(kernel)                                                                        \
    extern "C" const char* signature_##kernel() { return cuda_on_cpu::signature(kernel); }                \
    extern "C" const char* launch_##kernel(unsigned blocks, unsigned threads, void** arguments)           \
    {                                                                                                     \
        return cuda_on_cpu::launch(kernel, blocks, threads, arguments);                                   \
    }
