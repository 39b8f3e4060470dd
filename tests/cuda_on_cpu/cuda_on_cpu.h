// Runs a CUDA source on the CPU, for tests: sound for indexing and arithmetic, silent on races and speed.
//
// Blocks run one after the other, and so do the threads of a block, except where the source has barriers or warp
// functions: then the threads of a block are fibers that take turns at each. Warp functions are those of whole warps:
// all threads of a warp must call them. What is not here (other warp functions, textures, dynamic shared memory) does
// not compile, so that it cannot be taken for tested.

// longjmp goes from stack to stack, which its check takes for an error
#undef _FORTIFY_SOURCE

#include <link.h>
#include <math.h>
#include <setjmp.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <deque>
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
#define __shared__ static thread_local

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
// rounded down, where y is 2^52 and x >= 0 is smaller
inline double __dadd_rd(double x, double y) { return floor(x) + y; }
inline long long __double_as_longlong(double x)
{
    long long bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
inline void sincos(float x, float* sine, float* cosine) { sincosf(x, sine, cosine); }

inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __clz(int bits) { return bits ? __builtin_clz(static_cast<unsigned>(bits)) : 32; }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }

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

constexpr unsigned warp_size = 32;

// The threads of one block as fibers. A barrier, or an exchange within a warp, hands over to run(), which goes on to
// the next thread, and lets threads go on once all of their block, or warp, have come so far. Fibers are kept from
// block to block and change places by _setjmp and _longjmp: swapcontext asks the kernel at each change.
class Fibers {
public:
    template <typename Kernel>
    static const char* run(unsigned threads, const Kernel& kernel)
    {
        static Fibers kept;
        running = &kept;
        const char* error = kept.run_block(threads, kernel);
        if (error) kept.fibers.clear();
        return error;
    }

    static void barrier() { running->wait(at_barrier); }

    // What thread `lane` of the warp gave for this exchange; the thread's own value where there is no such thread.
    template <typename Value>
    static Value exchange(Value value, unsigned lane)
    {
        const unsigned turn = running->give(&value, sizeof value);
        const unsigned number = running->current / warp_size * warp_size + lane;
        if (lane < warp_size && number < running->threads)
            memcpy(&value, running->fibers[number].given[turn], sizeof value);
        return value;
    }

    static unsigned ballot(bool predicate)
    {
        const unsigned turn = running->give(&predicate, sizeof predicate);
        const unsigned first = running->current / warp_size * warp_size;
        unsigned votes = 0;
        for (unsigned lane = 0; lane < warp_size && first + lane < running->threads; ++lane)
            votes |= static_cast<unsigned>(running->fibers[first + lane].given[turn][0] != 0) << lane;
        return votes;
    }

private:
    enum State { ready, at_barrier, in_exchange, finished };

    struct Fiber {
        // where it goes on
        jmp_buf place;
        std::unique_ptr<char[]> stack;
        State state = ready;
        // of this exchange and of the one before, which others may still read
        char given[2][16];
        unsigned exchanges = 0;
    };

    template <typename Kernel>
    const char* run_block(unsigned number, const Kernel& kernel)
    {
        body = [](void* of) { (*static_cast<const Kernel*>(of))(); };
        argument = const_cast<Kernel*>(&kernel);
        threads = number;
        while (fibers.size() < threads) add();
        for (unsigned thread = 0; thread < threads; ++thread) {
            fibers[thread].state = ready;
            fibers[thread].exchanges = 0;
        }
        for (;;) {
            for (current = 0; current < threads; ++current) {
                if (fibers[current].state != ready) continue;
                threadIdx.x = current;
                if (!_setjmp(scheduler)) _longjmp(fibers[current].place, 1);
            }
            if (all(0, threads, finished)) return nullptr;
            bool released = release(0, threads, at_barrier);
            for (unsigned first = 0; first < threads; first += warp_size)
                released |= release(first, std::min(first + warp_size, threads), in_exchange);
            if (released) continue;
            for (unsigned thread = 0; thread < threads; ++thread)
                if (fibers[thread].state == in_exchange)
                    return "a warp function that some threads of a warp never reach";
            return "a barrier that some threads of a block never reach";
        }
    }

    // A fiber that waits in enter() for its first block.
    void add()
    {
        ucontext_t here, there;
        current = fibers.size();
        Fiber& fiber = fibers.emplace_back();
        fiber.stack.reset(new char[stack_size]);
        getcontext(&there);
        there.uc_stack.ss_sp = fiber.stack.get();
        there.uc_stack.ss_size = stack_size;
        there.uc_link = nullptr;
        makecontext(&there, enter, 0);
        if (!_setjmp(scheduler)) swapcontext(&here, &there);
    }

    static void enter()
    {
        for (;;) {
            running->wait(finished);
            running->body(running->argument);
        }
    }

    void wait(State state)
    {
        Fiber& fiber = fibers[current];
        fiber.state = state;
        if (!_setjmp(fiber.place)) _longjmp(scheduler, 1);
    }

    unsigned give(const void* value, size_t size)
    {
        Fiber& fiber = fibers[current];
        const unsigned turn = fiber.exchanges++ % 2;
        memcpy(fiber.given[turn], value, size);
        wait(in_exchange);
        return turn;
    }

    bool all(unsigned first, unsigned last, State state) const
    {
        return std::all_of(fibers.begin() + first, fibers.begin() + last,
                           [=](const Fiber& fiber) { return fiber.state == state; });
    }

    bool release(unsigned first, unsigned last, State state)
    {
        if (!all(first, last, state)) return false;
        for (unsigned number = first; number < last; ++number) fibers[number].state = ready;
        return true;
    }

    static constexpr size_t stack_size = 64 * 1024;
    static inline Fibers* running = nullptr;
    std::deque<Fiber> fibers;
    jmp_buf scheduler;
    unsigned threads = 0, current = 0;
    void (*body)(void*) = nullptr;
    void* argument = nullptr;
};

struct Memory {
    void* start;
    size_t size;
};

// The variables of this thread in this library: shared memory, and where in the grid it is.
inline Memory of_thread()
{
    Memory found = {&blockIdx, 0};
    const auto look_at = [](dl_phdr_info* library, size_t, void* out) {
        auto& found = *static_cast<Memory*>(out);
        auto* const start = static_cast<char*>(library->dlpi_tls_data);
        for (unsigned number = 0; start && number < library->dlpi_phnum; ++number) {
            const ElfW(Phdr)& part = library->dlpi_phdr[number];
            if (part.p_type == PT_TLS && found.start >= start && found.start < start + part.p_memsz) {
                found = {start, part.p_memsz};
                return 1;
            }
        }
        return 0;
    };
    dl_iterate_phdr(look_at, &found);
    return found;
}

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
    const Memory memory = of_thread();
    for (unsigned block = 0; block < blocks; ++block) {
        // a block has written nothing to its shared memory yet: NaN in both precisions
        memset(memory.start, 0xff, memory.size);
        threadIdx = {}, blockIdx = {block}, blockDim = {threads}, gridDim = {blocks};
#ifdef CUDA_ON_CPU_FIBERS
        if (const char* error = Fibers::run(threads, thread)) return error;
#else
        for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) thread();
#endif
    }
    return nullptr;
}

}  // namespace cuda_on_cpu

#ifdef CUDA_ON_CPU_FIBERS
constexpr unsigned whole_warp = 0xffffffff;

inline void __syncthreads() { cuda_on_cpu::Fibers::barrier(); }
inline void __syncwarp(unsigned = whole_warp) { cuda_on_cpu::Fibers::ballot(false); }
inline unsigned __ballot_sync(unsigned, bool predicate) { return cuda_on_cpu::Fibers::ballot(predicate); }

template <typename Value>
Value __shfl_sync(unsigned, Value value, unsigned lane)
{
    return cuda_on_cpu::Fibers::exchange(value, lane % cuda_on_cpu::warp_size);
}

template <typename Value>
Value __shfl_down_sync(unsigned, Value value, unsigned delta)
{
    return cuda_on_cpu::Fibers::exchange(value, threadIdx.x % cuda_on_cpu::warp_size + delta);
}

template <typename Value>
Value __shfl_up_sync(unsigned, Value value, unsigned delta)
{
    return cuda_on_cpu::Fibers::exchange(value, threadIdx.x % cuda_on_cpu::warp_size - delta);
}

template <typename Value>
Value __shfl_xor_sync(unsigned, Value value, unsigned mask)
{
    return cuda_on_cpu::Fibers::exchange(value, (threadIdx.x % cuda_on_cpu::warp_size) ^ mask);
}
#endif

#define CUDA_ON_CPU_EXPORT(kernel)                                                                        \
    extern "C" const char* signature_##kernel() { return cuda_on_cpu::signature(kernel); }                \
    extern "C" const char* launch_##kernel(unsigned blocks, unsigned threads, void** arguments)           \
    {                                                                                                     \
        return cuda_on_cpu::launch(kernel, blocks, threads, arguments);                                   \
    }
