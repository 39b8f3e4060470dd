// Neighbouring columns of complex numbers, as many as a block takes, each of them transformed in SIZE / 8 threads, see
// transforms.cuh.

#ifndef ROW_BYTES  // of a row that a block takes: its tile takes 36 KiB at most
#define ROW_BYTES (SIZE <= 256 ? 128 : SIZE <= 512 ? 64 : 32)
#endif

constexpr int COLUMNS = ROW_BYTES / static_cast<int>(sizeof(Pair));
constexpr int PER_COLUMN = SIZE / 8;
constexpr int THREADS = COLUMNS * PER_COLUMN;
using Tile = Pair[(SIZE + SIZE / 8) * COLUMNS];

// A column of a block, in a tile that its threads share.
struct Column {
    int column, thread;
    Pair* tile;

    __device__ __forceinline__ explicit Column(Tile& of_block)
        : column(static_cast<int>(threadIdx.x) % COLUMNS), thread(static_cast<int>(threadIdx.x) / COLUMNS),
          tile(of_block)
    {
    }

    // an eighth more room keeps threads off each other's banks
    __device__ __forceinline__ Pair& operator()(int position) const
    {
        return tile[(position + position / 8) * COLUMNS + column];
    }

    // All stages but the last of the numbers mode[position * columns]. A column beyond the last is given another's mode:
    // what comes of it is written nowhere.
    template <bool BACK>
    __device__ __forceinline__ void all_but_last(const Pair* mode, long long columns, const Turns& turn) const
    {
        first_stage<BACK>(thread, [=](int position) { return mode[position * columns]; }, *this, turn);
        __syncthreads();
        take_all_apart<BACK, SIZE / 8>(thread, PER_COLUMN, *this, turn);
    }

    // The last stage of a butterfly: number j belongs to frequency<SIZE>(b * LAST) + j * SIZE / LAST.
    __device__ __forceinline__ void last(int b, Pair (&v)[LAST]) const
    {
#pragma unroll
        for (int j = 0; j < LAST; ++j) v[j] = (*this)(b * LAST + j);
        transform<false, LAST>(v);
    }

    // The first stage back, into the places from which last() has them.
    __device__ __forceinline__ void first_back(int b, Pair (&v)[LAST]) const
    {
        transform<true, LAST>(v);
#pragma unroll
        for (int j = 0; j < LAST; ++j) (*this)(b * LAST + j) = v[j];
    }

    // All stages back but the first; put(position, number) takes what comes back.
    template <typename Put>
    __device__ __forceinline__ void back(const Turns& turn, const Put& put) const
    {
        __syncthreads();
        put_all_together<true, SIZE / 8>(thread, PER_COLUMN, *this, turn);
        Pair v[8];
#pragma unroll
        for (int j = 0; j < 8; ++j) {
            v[j] = (*this)(thread + j * PER_COLUMN);
            if (j > 0) v[j] = turned<true>(v[j], turn.of<SIZE>(thread, j));
        }
        transform<true, 8>(v);
#pragma unroll
        for (int j = 0; j < 8; ++j) put(thread + j * PER_COLUMN, v[j]);
    }
};
