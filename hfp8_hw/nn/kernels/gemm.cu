// Matrix products of codes in DLFLOAT16 (1,6,9), rounded as hfp8_hw/nn/sums.py says: to 10 bits,
// ties away from zero, up to 2**-31 (1 + 2**-9) from one half of it, NaN from `beyond` up.
//
// `pack` turns the codes of an operand into floats, k by k, padded to whole tiles, each chunk to a
// multiple of DEPTH. A padded product is -0, which leaves any sum as it is. NaN and infinities are
// packed as 0, and their row is marked in `bad`: whatever they take part in is NaN.
//
// Set before this text: ROWS x COLS, the sums of a block, 64 of them a thread; and STEP, what a
// sum in binary32 needs after each product (hfp8_hw/nn/limits.py has the conditions):
//   0  add half and cut off;
//   1  that, and 2**-31 exactly must become the smallest value. It hardly ever occurs, so it is
//      only noticed, and the thread's chunk is then summed again with every check;
//   2  every check.
//
// ADDS says which unit adds half of the last place: the one for integers (0), which cuts off and
// compares too and does 64 operations a clock where there are 128 of `fmaf`; the multipliers (2), by
// x * one + half with a `one` that the compiler does not know; or both in turn (1).
//
// With SPLIT 1 the blocks share out the chunks too, `span` steps of k each: a weight's gradient has
// few sums, of very many products. Each chunk's sum goes to `parts`, and `join` adds them in order.

typedef unsigned int u32;
typedef unsigned long long u64;

#define DEPTH 8
#define THREADS (ROWS * COLS / 64)

#ifndef ON_HOST
__device__ __forceinline__ void copy16(float *to, const float *from) {
    u32 address = (u32)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(from));
}
__device__ __forceinline__ void copies_begin() { asm volatile("cp.async.commit_group;"); }
__device__ __forceinline__ void copies_end() {
    asm volatile("cp.async.wait_group 0;" ::: "memory");
}
#endif

static __device__ __forceinline__ float smallest() { return __uint_as_float(0x30004000u); }
static __device__ __forceinline__ float beyond() { return 2045.0f * 4194304.0f; }
static __device__ __forceinline__ float nan_inf() { return __uint_as_float(0x7fc00000u); }

static __device__ __forceinline__ float cut(float sum) {
    return __uint_as_float((__float_as_uint(sum) + 0x2000u) & 0xffffc000u);
}

static __device__ __forceinline__ float cut_by(float sum, u32 one) {
    return __uint_as_float((__float_as_uint(sum) * one + 0x2000u) & 0xffffc000u);
}

static __device__ __forceinline__ float round_any(float sum) {
    float size = fabsf(sum);
    float low = copysignf(size >= 0.5f * smallest() ? smallest() : 0.0f, sum);
    float rounded = size < smallest() ? low : cut(sum);
    return size < beyond() ? rounded : nan_inf();
}

// What the sums of chunks are added to: +0; or -0, which changes none, if there is one alone.
static __device__ __forceinline__ float first_total(int alone) { return alone ? -0.0f : 0.0f; }

static __device__ __forceinline__ short encode(float value, bool bad) {
    u32 word = __float_as_uint(value);
    u32 size = (word & 0x7fffffffu) >> 14;
    u32 code = (size ? size - (96u << 9) : 0u) | (word >> 31 << 15);
    return (short)(bad || value != value ? 0x7fffu : code);
}

extern "C" __global__ void pack(
    const unsigned char *codes, const float *table, float *out, int *bad, int rows, int depth,
    int rows_padded, int depth_padded, int chunk, int chunk_padded, int stride_row, int stride_k,
    int stride_batch, int negative) {
    __shared__ float tile[32][33];
    int x = threadIdx.x, batch = blockIdx.z;
    int row0 = blockIdx.x * 32, k0 = blockIdx.y * 32;
    codes += (size_t)batch * stride_batch;
    for (int y = threadIdx.y; y < 32; y += 8) {
        // Neighbouring threads read neighbouring bytes, whichever way the operand lies.
        int r = stride_k == 1 ? y : x, k = stride_k == 1 ? x : y;
        int row = row0 + r, place = (k0 + k) % chunk_padded;
        int from = (k0 + k) / chunk_padded * chunk + place;
        float value = negative ? -0.0f : 0.0f;
        if (row < rows && place < chunk && from < depth) {
            value = table[codes[(size_t)row * stride_row + (size_t)from * stride_k]];
            if (!(fabsf(value) < 1e38f)) {
                bad[(size_t)batch * rows_padded + row] = 1;
                value = 0.0f;
            }
        }
        tile[k][r] = value;
    }
    __syncthreads();
    for (int y = threadIdx.y; y < 32; y += 8)
        if (k0 + y < depth_padded)
            out[((size_t)batch * depth_padded + k0 + y) * rows_padded + row0 + x] = tile[y][x];
}

// Where a thread's eight rows (or columns) lie: four, and four half a tile further on.
#define PLACE(t, half, i) ((i) < 4 ? (t) * 4 + (i) : (half) + (t) * 4 + (i) - 4)

static __device__ __forceinline__ void fetch(
    float (*to)[ROWS], float (*to_b)[COLS], const float *a, const float *b, int m, int n, int tid) {
    for (int v = tid; v < DEPTH * ROWS / 4; v += THREADS) {
        int k = v / (ROWS / 4), c = v % (ROWS / 4) * 4;
        copy16(&to[k][c], a + (size_t)k * m + c);
    }
    for (int v = tid; v < DEPTH * COLS / 4; v += THREADS) {
        int k = v / (COLS / 4), c = v % (COLS / 4) * 4;
        copy16(&to_b[k][c], b + (size_t)k * n + c);
    }
    copies_begin();
}

// With SPLIT 0: out[i * stride_row + j * stride_col] = sum over k of a[k][i] b[k][j], i < rows, j < cols.
extern "C" __global__ void __launch_bounds__(THREADS, 512 / THREADS) rounded_gemm(
    const float *a, const float *b, const int *bad_a, const int *bad_b, short *out, float *parts,
    int rows, int cols, int rows_padded, int cols_padded, int depth, int chunk, int stride_row,
    int stride_col, int batches_a, int batches_b, int alone, int one, int span) {
    __shared__ __align__(16) float tile_a[2][DEPTH][ROWS];
    __shared__ __align__(16) float tile_b[2][DEPTH][COLS];
#if SPLIT
    const int splits = (depth + span - 1) / span, batch = blockIdx.z / splits;
    const int first = blockIdx.z % splits * span;
    const int last = first + span < depth ? first + span : depth;
#else
    __shared__ float total[64][THREADS];
    const int batch = blockIdx.z, first = 0, last = depth;
#endif
    const int tid = threadIdx.x, lane = tid % 32, warp = tid / 32;
    const int across = COLS / 8 < 8 ? COLS / 8 : 8, warps_across = COLS / 8 / across;
    const int tx = warp % warps_across * across + lane % across;
    const int ty = warp / warps_across * (32 / across) + lane / across;
    const int row0 = blockIdx.y * ROWS, col0 = blockIdx.x * COLS;
    const size_t batch_a = batch % batches_a, batch_b = batch % batches_b;
    a += batch_a * depth * rows_padded + row0;
    b += batch_b * depth * cols_padded + col0;

    float part[8][8];
#pragma unroll
    for (int i = 0; i < 64; i++) {
        part[i / 8][i % 8] = 0.0f;
#if !SPLIT
        total[i][tid] = first_total(alone);
#endif
    }
#if STEP == 1
    bool noticed = false;
#endif
    int begun = first;
    fetch(tile_a[0], tile_b[0], a + (size_t)first * rows_padded, b + (size_t)first * cols_padded,
          rows_padded, cols_padded, tid);
    for (int k0 = first, now = 0; k0 < last; k0 += DEPTH, now ^= 1) {
        copies_end();
        __syncthreads();
        int next = k0 + DEPTH;
        if (next < last)
            fetch(tile_a[now ^ 1], tile_b[now ^ 1], a + (size_t)next * rows_padded,
                  b + (size_t)next * cols_padded, rows_padded, cols_padded, tid);
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            float x[8], y[8];
            *(float4 *)&x[0] = *(const float4 *)&tile_a[now][k][ty * 4];
            *(float4 *)&x[4] = *(const float4 *)&tile_a[now][k][ROWS / 2 + ty * 4];
            *(float4 *)&y[0] = *(const float4 *)&tile_b[now][k][tx * 4];
            *(float4 *)&y[4] = *(const float4 *)&tile_b[now][k][COLS / 2 + tx * 4];
#pragma unroll
            for (int i = 0; i < 8; i++)
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    float sum = fmaf(x[i], y[j], part[i][j]);
#if STEP == 2
                    part[i][j] = round_any(sum);
#else
                    part[i][j] = (i + j) % 2 < ADDS ? cut_by(sum, one) : cut(sum);
#endif
#if STEP == 1
                    noticed |= fabsf(part[i][j]) == 4.656612873077393e-10f;
#endif
                }
        }
        if (next - begun < chunk && next < last) continue;
#if STEP == 1
        if (noticed) {
#pragma unroll
            for (int i = 0; i < 64; i++) part[i / 8][i % 8] = 0.0f;
#pragma unroll 1
            for (int k = begun; k < next; k++) {
                float x[8], y[8];
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    x[i] = a[(size_t)k * rows_padded + PLACE(ty, ROWS / 2, i)];
                    y[i] = b[(size_t)k * cols_padded + PLACE(tx, COLS / 2, i)];
                }
#pragma unroll
                for (int i = 0; i < 64; i++)
                    part[i / 8][i % 8] = round_any(fmaf(x[i / 8], y[i % 8], part[i / 8][i % 8]));
            }
            noticed = false;
        }
#endif
#if SPLIT
        size_t place = (size_t)batch * ((depth + chunk - 1) / chunk) + begun / chunk;
        float *to = parts + place * rows * cols;
#pragma unroll
        for (int i = 0; i < 64; i++) {
            int row = row0 + PLACE(ty, ROWS / 2, i / 8), col = col0 + PLACE(tx, COLS / 2, i % 8);
            if (row < rows && col < cols) to[(size_t)row * cols + col] = part[i / 8][i % 8];
            part[i / 8][i % 8] = 0.0f;
        }
        begun = next;
    }
}
#else
        begun = next;
#pragma unroll
        for (int i = 0; i < 64; i++) {
            total[i][tid] = round_any(__fadd_rn(total[i][tid], part[i / 8][i % 8]));
            part[i / 8][i % 8] = 0.0f;
        }
    }

    out += (size_t)blockIdx.z * rows * cols;
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int row = row0 + PLACE(ty, ROWS / 2, i);
        if (row >= rows) continue;
        bool bad = bad_a[batch_a * rows_padded + row];
#pragma unroll
        for (int j = 0; j < 8; j++) {
            int col = col0 + PLACE(tx, COLS / 2, j);
            if (col < cols)
                out[(size_t)row * stride_row + (size_t)col * stride_col] =
                    encode(total[i * 8 + j][tid], bad || bad_b[batch_b * cols_padded + col]);
        }
    }
}
#endif

extern "C" __global__ void join(
    const float *parts, const int *bad_a, const int *bad_b, short *out, int rows, int cols,
    int rows_padded, int cols_padded, int chunks, int stride_row, int stride_col, int batches_a,
    int batches_b) {
    int place = blockIdx.x * 128 + threadIdx.x, batch = blockIdx.z;
    if (place >= rows * cols) return;
    int row = place / cols, col = place % cols;
    parts += (size_t)batch * chunks * rows * cols + place;
    float total = 0.0f;
#pragma unroll 8
    for (int c = 0; c < chunks; c++)
        total = round_any(__fadd_rn(total, parts[(size_t)c * rows * cols]));
    bool bad = bad_a[(size_t)(batch % batches_a) * rows_padded + row] ||
               bad_b[(size_t)(batch % batches_b) * cols_padded + col];
    out[(size_t)batch * rows * cols + (size_t)row * stride_row + (size_t)col * stride_col] =
        encode(total, bad);
}

static __device__ __forceinline__ double two_to(int exponent) {
    return __longlong_as_double((long long)(exponent + 1023) << 52);
}

// Units of 2**lsb, less than 2**62 of them, rounded; see `from_fixed` in hfp8_hw/nn/sums.py.
static __device__ __forceinline__ float from_fixed(long long units, int lsb) {
    u64 size = units < 0 ? (u64)-units : (u64)units;
    bool big = size >> 52;
    u64 kept = big ? (size >> 10) | (u64)((size & 1023) != 0) : size;
    double value = (double)(long long)kept * two_to(big ? lsb + 10 : lsb);
    double least = smallest();
    u64 word = ((u64)__double_as_longlong(value) + (1ull << 42)) & ~((1ull << 43) - 1);
    double low = value >= 0.5 * least ? least : 0.0;
    float rounded = (float)(value < least ? low : __longlong_as_double((long long)word));
    if (!(value < (double)beyond())) rounded = nan_inf();
    return units < 0 ? -rounded : rounded;
}

// The same product with exact sums in each chunk. Products of a's values below 2**split, and those
// of the others, have a binary64 sum each; both are exact (`exact_limits` in hfp8_hw/nn/limits.py).
extern "C" __global__ void __launch_bounds__(256) exact_gemm(
    const float *a, const float *b, const int *bad_a, const int *bad_b, short *out, int rows,
    int cols, int rows_padded, int cols_padded, int depth, int chunk, int stride_row,
    int stride_col, int batches_a, int batches_b, int alone, int split, int lsb) {
    __shared__ double high[DEPTH][64], low[DEPTH][64], other[DEPTH][64];
    const int tid = threadIdx.x, tx = tid % 16, ty = tid / 16;
    const int row0 = blockIdx.y * 64, col0 = blockIdx.x * 64;
    const size_t batch_a = blockIdx.z % batches_a, batch_b = blockIdx.z % batches_b;
    a += batch_a * depth * rows_padded + row0;
    b += batch_b * depth * cols_padded + col0;
    const double bound = two_to(split), unit = two_to(-lsb);
    double above[4][4], below[4][4];
    float total[4][4];
#pragma unroll
    for (int i = 0; i < 16; i++) {
        above[i / 4][i % 4] = below[i / 4][i % 4] = 0.0;
        total[i / 4][i % 4] = first_total(alone);
    }
    int begun = 0;
    for (int k0 = 0; k0 < depth; k0 += DEPTH) {
        __syncthreads();
        for (int v = tid; v < DEPTH * 64; v += 256) {
            int k = v / 64, c = v % 64;
            double x = a[(size_t)(k0 + k) * rows_padded + c];
            bool large = fabs(x) >= bound;
            high[k][c] = large ? x : 0.0;
            low[k][c] = large ? 0.0 : x;
            other[k][c] = b[(size_t)(k0 + k) * cols_padded + c];
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < DEPTH; k++)
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    double y = other[k][tx + 16 * j];
                    above[i][j] = fma(high[k][ty * 4 + i], y, above[i][j]);
                    below[i][j] = fma(low[k][ty * 4 + i], y, below[i][j]);
                }
        if (k0 + DEPTH - begun < chunk && k0 + DEPTH < depth) continue;
        begun = k0 + DEPTH;
#pragma unroll
        for (int i = 0; i < 16; i++) {
            long long units = __double2ll_rn(above[i / 4][i % 4] * unit) +
                              __double2ll_rn(below[i / 4][i % 4] * unit);
            float part = from_fixed(units, lsb);
            total[i / 4][i % 4] = round_any(__fadd_rn(total[i / 4][i % 4], part));
            above[i / 4][i % 4] = below[i / 4][i % 4] = 0.0;
        }
    }
    out += (size_t)blockIdx.z * rows * cols;
#pragma unroll
    for (int i = 0; i < 16; i++) {
        int row = row0 + ty * 4 + i / 4, col = col0 + tx + 16 * (i % 4);
        if (row < rows && col < cols)
            out[(size_t)row * stride_row + (size_t)col * stride_col] =
                encode(total[i / 4][i % 4], bad_a[batch_a * rows_padded + row] ||
                                                bad_b[batch_b * cols_padded + col]);
    }
}
