// Transforms of lines of complex numbers through shared memory, stage by stage.
//
// The compiler's command line sets SIZE, the numbers of a line: 8 times a product of twos, threes and fives, more than 8.
// A stage of radix R takes sub-transforms of length M apart into R of length M / R (decimation in frequency): numbers
// stay where they are, so that those of a frequency end at its digits in reverse order.
//
// Arithmetic is REAL. BACK is the inverse, not normalised. Cooley & Tukey 1965; Gentleman & Sande 1966.

__device__ constexpr int radix_of(int length)
{
    return length % 8 == 0 ? 8 : length % 5 == 0 ? 5 : length % 4 == 0 ? 4 : length % 3 == 0 ? 3 : 2;
}

__device__ __forceinline__ Pair plus(Pair a, Pair b) { return {a.first + b.first, a.second + b.second}; }
__device__ __forceinline__ Pair minus(Pair a, Pair b) { return {a.first - b.first, a.second - b.second}; }
__device__ __forceinline__ Pair scaled(REAL by, Pair a) { return {by * a.first, by * a.second}; }

template <bool BACK>
__device__ __forceinline__ Pair turned(Pair a, Pair turn)
{
    const REAL sine = BACK ? -turn.second : turn.second;
    return {a.first * turn.first - a.second * sine, a.first * sine + a.second * turn.first};
}

// Times -i; times i on the way back.
template <bool BACK>
__device__ __forceinline__ Pair quarter(Pair a)
{
    return BACK ? Pair{-a.second, a.first} : Pair{a.second, -a.first};
}

template <bool BACK>
__device__ __forceinline__ void transform_4(Pair& a, Pair& b, Pair& c, Pair& d)
{
    const Pair even = plus(a, c), odd = minus(a, c), sum = plus(b, d), quarter_turn = quarter<BACK>(minus(b, d));
    a = plus(even, sum);
    b = plus(odd, quarter_turn);
    c = minus(even, sum);
    d = minus(odd, quarter_turn);
}

// The transform of R numbers, in their order.
template <bool BACK, int R>
__device__ __forceinline__ void transform(Pair (&v)[R])
{
    if constexpr (R == 2) {
        const Pair a = v[0], b = v[1];
        v[0] = plus(a, b);
        v[1] = minus(a, b);
    } else if constexpr (R == 3) {
        const Pair sum = plus(v[1], v[2]), middle = minus(v[0], scaled(REAL(0.5), sum));
        const Pair across = quarter<BACK>(scaled(REAL(0.86602540378443864676), minus(v[1], v[2])));
        v[0] = plus(v[0], sum);
        v[1] = plus(middle, across);
        v[2] = minus(middle, across);
    } else if constexpr (R == 4) {
        transform_4<BACK>(v[0], v[1], v[2], v[3]);
    } else if constexpr (R == 5) {
        constexpr REAL c1 = REAL(0.30901699437494742410), c2 = REAL(-0.80901699437494742410);
        constexpr REAL s1 = REAL(0.95105651629515357212), s2 = REAL(0.58778525229247312917);
        const Pair outer = plus(v[1], v[4]), inner = plus(v[2], v[3]);
        const Pair across = minus(v[1], v[4]), within = minus(v[2], v[3]);
        const Pair m1 = plus(v[0], plus(scaled(c1, outer), scaled(c2, inner)));
        const Pair m2 = plus(v[0], plus(scaled(c2, outer), scaled(c1, inner)));
        const Pair n1 = quarter<BACK>(plus(scaled(s1, across), scaled(s2, within)));
        const Pair n2 = quarter<BACK>(minus(scaled(s2, across), scaled(s1, within)));
        v[0] = plus(v[0], plus(outer, inner));
        v[1] = plus(m1, n1);
        v[2] = plus(m2, n2);
        v[3] = minus(m2, n2);
        v[4] = minus(m1, n1);
    } else {
        static_assert(R == 8, "radix");
        transform_4<BACK>(v[0], v[2], v[4], v[6]);
        transform_4<BACK>(v[1], v[3], v[5], v[7]);
        constexpr REAL root_half = REAL(0.70710678118654752440);
        const Pair a = v[3], c = v[7];
        // eighths of a turn: (1 - i) / sqrt 2, and that times -i
        const Pair once = scaled(root_half, plus(a, quarter<BACK>(a)));
        const Pair thrice = quarter<BACK>(scaled(root_half, plus(c, quarter<BACK>(c))));
        const Pair even[4] = {v[0], v[2], v[4], v[6]}, odd[4] = {v[1], once, quarter<BACK>(v[5]), thrice};
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            v[k] = plus(even[k], odd[k]);
            v[k + 4] = minus(even[k], odd[k]);
        }
    }
}

// Frequency of the number at a position once all stages are done: its digits in reverse order.
template <int LENGTH>
__device__ __forceinline__ int frequency(int position)
{
    if constexpr (LENGTH == 1) {
        return 0;
    } else {
        constexpr int radix = radix_of(LENGTH), rest = LENGTH / radix;
        return position / rest + radix * frequency<rest>(position % rest);
    }
}

// Where the number of a frequency is then: the inverse of frequency().
template <int LENGTH>
__device__ __forceinline__ int position_of(int number)
{
    if constexpr (LENGTH == 1) {
        return 0;
    } else {
        constexpr int radix = radix_of(LENGTH), rest = LENGTH / radix;
        return number % radix * rest + position_of<rest>(number / radix);
    }
}

// Turns of all stages but the last, stage after stage, and of real numbers, as turns() of along_x.py has them: a stage
// that takes LENGTH apart has exp(-2 pi i r j / LENGTH), r < rest, for j = 1 .. R - 1; then exp(-pi i k / SIZE), k < SIZE.
// Neighbouring threads read neighbouring numbers.
struct Turns {
    const Pair* table;

    template <int LENGTH, int FROM = SIZE>
    static __device__ constexpr int first()
    {
        if constexpr (FROM == LENGTH) {
            return 0;
        } else {
            constexpr int rest = FROM / radix_of(FROM);
            return FROM - rest + first<LENGTH, rest>();
        }
    }

    template <int LENGTH>
    __device__ __forceinline__ Pair of(int r, int j) const
    {
        return table[first<LENGTH>() + (j - 1) * (LENGTH / radix_of(LENGTH)) + r];
    }

    // exp(-pi i k / SIZE)
    __device__ __forceinline__ Pair half(int k) const;
};

__device__ constexpr int last_radix(int length)
{
    return length == radix_of(length) ? length : last_radix(length / radix_of(length));
}

constexpr int LAST = last_radix(SIZE);

__device__ __forceinline__ Pair Turns::half(int k) const { return table[first<LAST>() + k]; }

// A stage takes sub-transforms of a length apart, in place. at(position) is a number of the line; a thread begins with
// butterfly `thread` and goes on by `threads`.
template <bool BACK, int LENGTH, typename At>
__device__ __forceinline__ void take_apart(int thread, int threads, const At& at, const Turns& turns)
{
    constexpr int R = radix_of(LENGTH), rest = LENGTH / R;
    for (int b = thread; b < SIZE / R; b += threads) {
        const int r = b % rest, base = b / rest * LENGTH + r;
        Pair v[R];
#pragma unroll
        for (int j = 0; j < R; ++j) v[j] = at(base + j * rest);
        transform<BACK, R>(v);
#pragma unroll
        for (int j = 1; j < R; ++j) v[j] = turned<BACK>(v[j], turns.of<LENGTH>(r, j));
#pragma unroll
        for (int j = 0; j < R; ++j) at(base + j * rest) = v[j];
    }
}

// What take_apart<!BACK> did is undone, but for a factor R.
template <bool BACK, int LENGTH, typename At>
__device__ __forceinline__ void put_together(int thread, int threads, const At& at, const Turns& turns)
{
    constexpr int R = radix_of(LENGTH), rest = LENGTH / R;
    for (int b = thread; b < SIZE / R; b += threads) {
        const int r = b % rest, base = b / rest * LENGTH + r;
        Pair v[R];
#pragma unroll
        for (int j = 0; j < R; ++j) {
            v[j] = at(base + j * rest);
            if (j > 0) v[j] = turned<BACK>(v[j], turns.of<LENGTH>(r, j));
        }
        transform<BACK, R>(v);
#pragma unroll
        for (int j = 0; j < R; ++j) at(base + j * rest) = v[j];
    }
}

// Stages from a length down to the last but one, each followed by a barrier.
template <bool BACK, int LENGTH, typename At>
__device__ __forceinline__ void take_all_apart(int thread, int threads, const At& at, const Turns& turns)
{
    if constexpr (LENGTH != radix_of(LENGTH)) {
        take_apart<BACK, LENGTH>(thread, threads, at, turns);
        __syncthreads();
        take_all_apart<BACK, LENGTH / radix_of(LENGTH)>(thread, threads, at, turns);
    }
}

// The same in reverse order.
template <bool BACK, int LENGTH, typename At>
__device__ __forceinline__ void put_all_together(int thread, int threads, const At& at, const Turns& turns)
{
    if constexpr (LENGTH != radix_of(LENGTH)) {
        put_all_together<BACK, LENGTH / radix_of(LENGTH)>(thread, threads, at, turns);
        put_together<BACK, LENGTH>(thread, threads, at, turns);
        __syncthreads();
    }
}

// The first stage, of radix 8: of numbers load(position), into the line.
template <bool BACK, typename Load, typename At>
__device__ __forceinline__ void first_stage(int thread, const Load& load, const At& at, const Turns& turns)
{
    static_assert(SIZE % 8 == 0 && SIZE > 8, "the first stage has radix 8, and is not the last");
    Pair v[8];
#pragma unroll
    for (int j = 0; j < 8; ++j) v[j] = load(thread + j * (SIZE / 8));
    transform<BACK, 8>(v);
#pragma unroll
    for (int j = 0; j < 8; ++j)
        at(thread + j * (SIZE / 8)) = j > 0 ? turned<BACK>(v[j], turns.of<SIZE>(thread, j)) : v[j];
}

// The numbers that a thread has in the last stage.
constexpr int LAST_BUTTERFLIES = (8 + LAST - 1) / LAST;
using LastNumbers = Pair[LAST_BUTTERFLIES][LAST];

// The last stage of SIZE / 8 threads, in registers: number j of butterfly n belongs to frequency
// thread + n * SIZE / 8 + j * SIZE / LAST, if thread + n * SIZE / 8 < SIZE / LAST.
template <bool BACK, typename At>
__device__ __forceinline__ void last_stage(int thread, const At& at, LastNumbers& v)
{
#pragma unroll
    for (int n = 0; n < LAST_BUTTERFLIES; ++n) {
        const int number = thread + n * (SIZE / 8);
        if (number >= SIZE / LAST) continue;
        const int position = position_of<SIZE>(number);
#pragma unroll
        for (int j = 0; j < LAST; ++j) v[n][j] = at(position + j);
        transform<BACK, LAST>(v[n]);
    }
}

// Call visit(frequency, number) for all of them.
template <typename Visit>
__device__ __forceinline__ void each_of_last(int thread, LastNumbers& v, const Visit& visit)
{
#pragma unroll
    for (int n = 0; n < LAST_BUTTERFLIES; ++n) {
        const int number = thread + n * (SIZE / 8);
        if (number >= SIZE / LAST) continue;
#pragma unroll
        for (int j = 0; j < LAST; ++j) visit(number + j * (SIZE / LAST), v[n][j]);
    }
}
