// Matrix products of codes, rounded after every product; after common.cu.
//
// Each block reads the codes of its rows and columns, DEPTH steps of k at a time, looks their values
// up and keeps them in shared memory as bfloat16, which holds any value of 8 bits; those of `a` are
// in units of 2**-31. NaN and infinities become 0, and their row or column is marked: all its sums
// are NaN.
//
// Set before this text: a block has DOWN x ACROSS warps, each with sums of 16 HIGH rows and 8 WIDE
// columns; and STEP, what a sum in binary32 needs after each product (hfp8_hw/nn/limits.py has the
// conditions):
//   0  rounding to 10 bits;
//   1  that, and 2**-31 exactly must become the smallest value. It hardly ever occurs, so it is
//      only noticed, and the sums of that thread's chunk are computed again with every check;
//   2  every check.
//
// What bounds the speed is the number of instructions. With TENSOR 1 (for STEP 0 and 1) the tensor
// cores add the products, 128 at once: one instruction for each of the 32 threads instead of four.
// It is made for eight products a sum, so seven of them are zeros. hfp8_hw/nn/limits.py, `Chunk`,
// says why the sum's rounding to 10 bits is right although it is cut off and not rounded before.
//
// With SPLIT 1 the blocks share out the chunks too, `span` of them each: a weight's gradient has
// few sums, of very many products. Each chunk's sum goes to `parts`, and `join` adds them in order.

#define THREADS (DOWN * ACROSS * 32)
#define ROWS (DOWN * HIGH * 16)
#define COLS (ACROSS * WIDE * 8)
#define SUMS (HIGH * WIDE * 4)
#define UNITS(n) (((n) + THREADS - 1) / THREADS)
#define BLOCKS ((SUMS > 32 && THREADS >= 128 ? 512 : 384) / THREADS)

// A pair of steps of k in a word; eight words more in a row, so that no two threads of a warp read
// from the same bank.
#define PAIRS (DEPTH / 2)
#define PITCH(n) ((n) + 8)

// Codes of (batch, rows, k). Units of eight codes are read: of one row and eight k; or, `turned`, of
// two k and four rows. `whole`: four lie side by side in memory, and on a multiple of four.
struct Operand {
    const u8 *codes;
    int rows;
    long long by_row, by_k;
    bool turned, whole;
};

static __device__ __forceinline__ u32 four(
    const Operand &from, const u8 *at, long long by, int count) {
    if (from.whole && count >= 4) return *(const u32 *)at;
    u32 word = 0;
    for (int i = 0; i < 4; i++)
        if (i < count) word |= (u32)at[i * by] << 8 * i;
    return word;
}

template <int N>
static __device__ __forceinline__ void fetch(
    u32 (*words)[2], const Operand &from, int row0, int k0, int end, int tid) {
#pragma unroll
    for (int i = 0; i < UNITS(N); i++) {
        int unit = tid + i * THREADS;
        if (N % THREADS && unit >= N) continue;
        int row = row0 + (from.turned ? unit % (N / 4) * 4 : unit);
        int k = k0 + (from.turned ? unit / (N / 4) * 2 : 0);
        const u8 *at = from.codes + row * from.by_row + k * from.by_k;
        int left = end - k, rows = from.rows - row;
        if (from.turned) {
            words[i][0] = four(from, at, from.by_row, left > 0 ? rows : 0);
            words[i][1] = four(from, at + from.by_k, from.by_row, left > 1 ? rows : 0);
        } else {
            words[i][0] = four(from, at, from.by_k, rows > 0 ? left : 0);
            words[i][1] = four(from, at + 4 * from.by_k, from.by_k, rows > 0 ? left - 4 : 0);
        }
    }
}

template <int N>
static __device__ __forceinline__ void put(
    const u32 (*words)[2], bool turned, const u32 *table, u32 (*tile)[PITCH(N)], char *bad,
    int tid) {
#pragma unroll
    for (int i = 0; i < UNITS(N); i++) {
        int unit = tid + i * THREADS;
        if (N % THREADS && unit >= N) continue;
        u32 v[8], any = 0;
#pragma unroll
        for (int j = 0; j < 8; j++) v[j] = table[words[i][j / 4] >> j % 4 * 8 & 255];
#pragma unroll
        for (int j = 0; j < 8; j++) any |= v[j];
        int row = turned ? unit % (N / 4) * 4 : unit;
        if (any >> 31)  // Hardly ever: bit 31 in the table marks what is not finite.
            for (int j = 0; j < 8; j++)
                if (v[j] >> 31) bad[turned ? row + j % 4 : row] = 1;
        if (turned) {
            uint4 pairs = {v[0] & 0xffff | v[4] << 16, v[1] & 0xffff | v[5] << 16,
                           v[2] & 0xffff | v[6] << 16, v[3] & 0xffff | v[7] << 16};
            *(uint4 *)&tile[unit / (N / 4)][row] = pairs;
        } else {
#pragma unroll
            for (int j = 0; j < PAIRS; j++) tile[j][row] = v[2 * j] & 0xffff | v[2 * j + 1] << 16;
        }
    }
}

static __device__ __forceinline__ float add_part(float total, float part) {
    float sum = __fadd_rn(total, part);
#if STEP == 0
    return fabsf(sum) < beyond() ? cut(sum) : nan_inf();
#else
    return round_any(sum);
#endif
}

static __device__ __forceinline__ float half_of(u32 pair, int k) {
    return __uint_as_float(k % 2 ? pair & 0xffff0000u : pair << 16);
}

#if STEP == 1
static __device__ __forceinline__ float value(
    const Operand &from, const u32 *table, int row, int k) {
    if (row >= from.rows) return 0.0f;
    return __uint_as_float(table[from.codes[row * from.by_row + k * from.by_k]] << 16);
}
#endif

#if TENSOR && !defined(ON_HOST)
static __device__ __forceinline__ void add_products(float *sums, const u32 *a, u32 b) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
        "{%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(b));
}
#endif

// Which row and column of its warp's the sum `i` of a thread has, as the tensor cores have it.
#define ROW_OF(i, lane) ((i) / 4 / WIDE * 16 + (i) % 4 / 2 * 8 + (lane) / 4)
#define COL_OF(i, lane) ((i) / 4 % WIDE * 8 + (lane) % 4 * 2 + (i) % 2)

// out[i * stride_row + j * stride_col] = sum over k of a[i][k] b[j][k], i < rows, j < cols.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) rounded_gemm(
    const u8 *a, const u8 *b, const u32 *values_a, const u32 *values_b, short *out, float *parts,
    int rows, int cols, int depth, int chunk, int stride_row, int stride_col, int batches_a,
    int batches_b, int row_a, int k_a, int batch_a, int kind_a, int row_b, int k_b, int batch_b,
    int kind_b, int alone, int span) {
    __shared__ __align__(16) u32 tile_a[2][PAIRS][PITCH(ROWS)];
    __shared__ __align__(16) u32 tile_b[2][PAIRS][PITCH(COLS)];
    __shared__ u32 table_a[256], table_b[256];
    __shared__ char bad_a[ROWS], bad_b[COLS];
    const int tid = threadIdx.x, lane = tid % 32, warp = tid / 32;
    for (int i = tid; i < 256; i += THREADS) {
        table_a[i] = values_a[i];
        table_b[i] = values_b[i];
    }
    for (int i = tid; i < ROWS; i += THREADS) bad_a[i] = 0;
    for (int i = tid; i < COLS; i += THREADS) bad_b[i] = 0;

    const int down = (rows + ROWS - 1) / ROWS, across = (cols + COLS - 1) / COLS;
    const int row0 = blockIdx.x % down * ROWS, col0 = blockIdx.x / down % across * COLS;
    int batch = blockIdx.x / down / across;
#if SPLIT
    const int chunks = (depth - 1) / chunk + 1, splits = (chunks - 1) / span + 1;
    int number = batch % splits * span;
    batch /= splits;
    const int first = number * chunk;
    const int last = span < chunks - number ? first + span * chunk : depth;
    parts += ((size_t)batch * chunks + number) * rows * cols;
#else
#if SUMS > 32
    __shared__ float totals[SUMS][THREADS];
#define TOTAL(i) totals[i][tid]
#else
    float totals[SUMS];
#define TOTAL(i) totals[i]
#endif
    const int first = 0, last = depth;
#endif
    const Operand left = {a + (size_t)(batch % batches_a) * batch_a, rows, row_a, k_a,
                          (kind_a & 1) != 0, (kind_a & 2) != 0};
    const Operand right = {b + (size_t)(batch % batches_b) * batch_b, cols, row_b, k_b,
                           (kind_b & 1) != 0, (kind_b & 2) != 0};
    const int warp_row = warp / ACROSS * HIGH * 16, warp_col = warp % ACROSS * WIDE * 8;

    float part[SUMS];
#pragma unroll
    for (int i = 0; i < SUMS; i++) {
        part[i] = 0.0f;
#if !SPLIT
        TOTAL(i) = first_total(alone);
#endif
    }
#if STEP == 1
    __shared__ float again[DOWN * ACROSS][SUMS];
    u32 seen = 0;
#endif
    u32 ahead_a[UNITS(ROWS)][2], ahead_b[UNITS(COLS)][2];
    int k0 = first, begun = first, end = last - first < chunk ? last : first + chunk;
    fetch<ROWS>(ahead_a, left, row0, k0, end, tid);
    fetch<COLS>(ahead_b, right, col0, k0, end, tid);
    __syncthreads();
    put<ROWS>(ahead_a, left.turned, table_a, tile_a[0], bad_a, tid);
    put<COLS>(ahead_b, right.turned, table_b, tile_b[0], bad_b, tid);
    for (int now = 0;; now ^= 1) {
        __syncthreads();
        const bool done = end - k0 <= DEPTH;
        const int next = done ? end : k0 + DEPTH;
        const int next_end = !done ? end : last - end < chunk ? last : end + chunk;
        if (next < last) {
            fetch<ROWS>(ahead_a, left, row0, next, next_end, tid);
            fetch<COLS>(ahead_b, right, col0, next, next_end, tid);
        }
#if TENSOR && !defined(ON_HOST)
        u32 x[HIGH][2], y[WIDE];
#pragma unroll
        for (int i = 0; i < HIGH * 2; i++)
            x[i / 2][i % 2] = tile_a[now][lane % 4][warp_row + i * 8 + lane / 4];
#pragma unroll
        for (int j = 0; j < WIDE; j++) y[j] = tile_b[now][lane % 4][warp_col + j * 8 + lane / 4];
#endif
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
#if STEP == 2
            if (k0 + k >= end) break;  // What is beyond is 0, which would turn a -0 into +0.
#endif
#if TENSOR && !defined(ON_HOST)
            const u32 kept = lane % 4 != k / 2 ? 0 : k % 2 ? 0xffff0000u : 0xffffu;
#pragma unroll
            for (int j = 0; j < WIDE; j++) {
                const u32 one = y[j] & kept;
#pragma unroll
                for (int i = 0; i < HIGH; i++) add_products(&part[(i * WIDE + j) * 4], x[i], one);
            }
#else
#pragma unroll
            for (int i = 0; i < SUMS; i++) {
                u32 x = tile_a[now][k / 2][warp_row + ROW_OF(i, lane)];
                u32 y = tile_b[now][k / 2][warp_col + COL_OF(i, lane)];
                part[i] = fmaf(half_of(x, k), half_of(y, k), part[i]);
            }
#endif
#pragma unroll
            for (int i = 0; i < SUMS; i++) {
#if STEP == 2
                part[i] = round_any(part[i]);
#else
                part[i] = cut(part[i]);
#endif
#if STEP == 1
                // Sums are multiples of the unit below 2**64, so bit 29 tells 1 from all others.
                if (i % 2) seen |= __float_as_uint(part[i - 1]) | __float_as_uint(part[i]);
#endif
            }
        }
        if (next < last) {
            put<ROWS>(ahead_a, left.turned, table_a, tile_a[now ^ 1], bad_a, tid);
            put<COLS>(ahead_b, right.turned, table_b, tile_b[now ^ 1], bad_b, tid);
        }
        k0 = next;
        if (!done) continue;
#if STEP == 1
        // A warp helps each of its threads in turn: with one or two of its sums a lane.
        u32 asked = __ballot_sync(0xffffffffu, seen >> 29 & 1);
        seen = 0;
        while (asked) {
            const int who = __ffs(asked) - 1;
            asked &= asked - 1;
            for (int i = lane; i < SUMS; i += 32) {
                const int row = row0 + warp_row + ROW_OF(i, who);
                const int col = col0 + warp_col + COL_OF(i, who);
                float sum = 0.0f;
#pragma unroll 8
                for (int k = begun; k < end; k++)
                    sum = round_any(
                        fmaf(value(left, table_a, row, k), value(right, table_b, col, k), sum));
                again[warp][i] = sum;
            }
            __syncwarp();
            if (lane == who) {
#pragma unroll
                for (int i = 0; i < SUMS; i++) part[i] = again[warp][i];
            }
            __syncwarp();
        }
#endif
        begun = end;
        end = next_end;
#if SPLIT
#pragma unroll
        for (int i = 0; i < SUMS; i++) {
            int r = warp_row + ROW_OF(i, lane), c = warp_col + COL_OF(i, lane);
            if (row0 + r < rows && col0 + c < cols)
                parts[(size_t)(row0 + r) * cols + col0 + c] =
                    bad_a[r] || bad_b[c] ? nan_inf() : part[i];
            part[i] = 0.0f;
        }
        parts += (size_t)rows * cols;
        if (k0 >= last) return;
    }
}
#else
#pragma unroll
        for (int i = 0; i < SUMS; i++) {
            TOTAL(i) = add_part(TOTAL(i), part[i]);
            part[i] = 0.0f;
        }
        if (k0 >= last) break;
    }

    out += (size_t)batch * rows * cols;
#pragma unroll
    for (int i = 0; i < SUMS; i++) {
        int r = warp_row + ROW_OF(i, lane), c = warp_col + COL_OF(i, lane);
        if (row0 + r < rows && col0 + c < cols)
            out[(size_t)(row0 + r) * stride_row + (size_t)(col0 + c) * stride_col] =
                encode(bad_a[r] || bad_b[c] ? nan_inf() : TOTAL(i));
    }
}
#endif

extern "C" __global__ void join(
    const float *parts, short *out, int rows, int cols, int chunks, int stride_row,
    int stride_col) {
    long long place = blockIdx.x * 256ll + threadIdx.x, each = (long long)rows * cols;
    int batch = blockIdx.y;
    if (place >= each) return;
    parts += batch * chunks * each + place;
    float total = 0.0f;
#pragma unroll 8
    for (int c = 0; c < chunks; c++) total = round_any(__fadd_rn(total, parts[c * each]));
    out[batch * each + place / cols * stride_row + place % cols * stride_col] = encode(total);
}
