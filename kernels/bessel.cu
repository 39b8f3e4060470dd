// Bessel functions J_0 ... J_M of many arguments, by downward recurrence: each thread takes one argument.
//
// On the CPU: bessel.py, with the method. The kernel takes
//   argument   x >= 0, shape (count,)
//   count      of arguments
//   highest    M
//   table      J_m(x), written, shape (M + 1, count)
//
// The recurrence runs twice, first for the sum that it is normalised by, which is all that J_0 alone needs: that costs
// less than to write the table and to read and write it once more. The threads of a warp go through the orders of the
// table side by side, so that stores are coalesced. Each operation is rounded by itself (no fused multiply-add): the
// numbers are those of the CPU, but where a power that says at which order to start is rounded otherwise.

#include "common.cuh"

constexpr double SMALL = 1e-6;
constexpr double TINY = 1e-150;  // J at the order where the recurrence starts, before it is normalised

// J of orders n and n + 1, times a factor; down() goes to the order below.
struct Recurrence {
    double two_over_x, order, here, above;

    __device__ __forceinline__ Recurrence(double inverse, int start)
        : two_over_x(inverse), order(start), here(TINY), above(0)
    {
    }

    __device__ __forceinline__ void down()
    {
        const double below = __dadd_rn(__dmul_rn(__dmul_rn(order, two_over_x), here), -above);
        above = here;
        here = below;
        order -= 1;
    }
};

extern "C" __global__ void bessel_table(const double* argument, long long count, long long highest, double* table)
{
    const long long column = thread_item();
    if (column >= count) return;
    const double x = argument[column], value = max(x, SMALL), two_over_x = 2 / value;
    const int start = static_cast<int>(__dadd_rn(value, __dmul_rn(13.5, pow(value, 1.0 / 3)))) + 20;

    Recurrence sum_rule(two_over_x, start);
    double total = 0;
    for (int order = start; order >= 0; --order) {
        if (order % 2 == 0) total = __dadd_rn(total, sum_rule.here);
        sum_rule.down();
    }
    // above holds J_0 now, which counts once
    total = 1 / __dadd_rn(2 * total, -sum_rule.above);
    table[column] = x < SMALL ? 1 - x * x / 4 : __dmul_rn(sum_rule.above, total);
    if (highest == 0) return;

    Recurrence at(two_over_x, start);
    for (int order = start; order > highest; --order) at.down();
    for (int order = static_cast<int>(highest); order > 0; --order) {
        double found = 0;
        if (order <= start) {
            found = __dmul_rn(at.here, total);
            at.down();
        }
        if (x < SMALL) found = order == 1 ? x / 2 : 0;
        table[order * count + column] = found;
    }
}
