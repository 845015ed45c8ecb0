// Matrix products of codes, rounded after every product; after common.cu and operand.cu.
//
// Each block reads its rows and columns, DEPTH steps of k at a time, and keeps them in shared
// memory as bfloat16, which holds any value of 8 bits; those of `a` are in units of 2**-31. NaN and
// infinities become 0, and their row or column is marked: all its sums are NaN. With PACKED 0 a
// block looks the codes up itself; with PACKED 1 `pairs` has done so for the whole matrix, which
// pays where many blocks read the same codes.
//
// Set before this text: a block has DOWN x ACROSS warps, each with sums of 16 HIGH rows and 8 WIDE
// columns; and STEP, what a sum in binary32 needs after each product (hfp8_hw/nn/limits.py has the
// conditions):
//   0  rounding to 10 bits;
//   1  that, and 2**-31 exactly must become the smallest value. It hardly ever occurs, so it is
//      only noticed, and the sums of that thread's chunk are computed again with every check;
//   2  every check.
//
// What bounds the speed is the unit for integers, which does 64 operations a clock on each of the
// 132 multiprocessors of an H200, at 1.98 GHz: two a product allow 8.36 x 10**12 a second (8.3 to
// 8.5 were measured, so that is not quite the bound), with STEP 1 two and a half allow 6.7. So
// nothing else should need that unit. With TENSOR 1, for STEP 0, the tensor cores add the products,
// 128 of a warp's at once. Their instruction is made for eight products a sum, so seven of them are
// zeros. hfp8_hw/nn/sums.py says why the rounding to 10 bits is right although what they add is cut
// off and not rounded.
//
// With SPLIT 1 the blocks share out the chunks too, `span` of them each: a weight's gradient has
// few sums, of very many products. Each chunk's sum goes to `parts`, and `join` adds them in order.

#define THREADS (DOWN * ACROSS * 32)
#define ROWS (DOWN * HIGH * 16)
#define COLS (ACROSS * WIDE * 8)
#define SUMS (HIGH * WIDE * 4)
#define UNITS(n) (((n) + THREADS - 1) / THREADS)
#define BLOCKS ((SUMS > 32 && THREADS >= 128 ? 512 : 384) / THREADS)

// Eight words more in a row of pairs, so that no two threads of a warp read from the same bank.
#define PITCH(n) ((n) + 8)

#if PACKED && !defined(ON_HOST)
static __device__ __forceinline__ void copy16(u32 *to, const u32 *from) {
    u32 address = (u32)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(from));
}
static __device__ __forceinline__ void copies_begin() { asm volatile("cp.async.commit_group;"); }
static __device__ __forceinline__ void copies_end() {
    asm volatile("cp.async.wait_group 0;" ::: "memory");
}
#endif

template <int N>
static __device__ __forceinline__ void fetch_tile(
    u32 (*words)[2], const Operand &from, int row0, int k0, int end, int tid) {
#pragma unroll
    for (int i = 0; i < UNITS(N); i++) {
        int unit = tid + i * THREADS;
        if (N % THREADS && unit >= N) continue;
        int row = row0 + (from.turned ? unit % (N / 4) * 4 : unit);
        fetch(words[i], from, row, k0 + (from.turned ? unit / (N / 4) * 2 : 0), end);
    }
}

template <int N>
static __device__ __forceinline__ void put_tile(
    const u32 (*words)[2], bool turned, const u32 *table, u32 (*tile)[PITCH(N)], char *bad,
    int tid) {
#pragma unroll
    for (int i = 0; i < UNITS(N); i++) {
        int unit = tid + i * THREADS;
        if (N % THREADS && unit >= N) continue;
        int row = turned ? unit % (N / 4) * 4 : unit;
        put(words[i], turned, table, &tile[turned ? unit / (N / 4) : 0][row], PITCH(N), bad + row);
    }
}

#if PACKED
template <int N>
static __device__ __forceinline__ void copy_tile(
    u32 (*tile)[PITCH(N)], const u32 *from, int step, int padded, int tid) {
    for (int v = tid; v < N; v += THREADS) {
        int pair = v / (N / 4), row = v % (N / 4) * 4;
        copy16(&tile[pair][row], from + (size_t)(step * PAIRS + pair) * padded + row);
    }
}
#endif

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
    const u8 *a, const u8 *b, const u32 *values_a, const u32 *values_b, const u32 *pairs_a,
    const u32 *pairs_b, const int *marks_a, const int *marks_b, short *out, float *parts, int rows,
    int cols, int depth, int chunk, int stride_row, int stride_col, int batches_a, int batches_b,
    int row_a, int k_a, int batch_a, int kind_a, int row_b, int k_b, int batch_b, int kind_b,
    int padded_a, int padded_b, int alone, int span) {
    __shared__ __align__(16) u32 tile_a[2][PAIRS][PITCH(ROWS)];
    __shared__ __align__(16) u32 tile_b[2][PAIRS][PITCH(COLS)];
    __shared__ u32 table_a[256], table_b[256];
    __shared__ char bad_a[ROWS], bad_b[COLS];
    const int tid = threadIdx.x, lane = tid % 32, warp = tid / 32;
    for (int i = tid; i < 256; i += THREADS) {
        table_a[i] = values_a[i];
        table_b[i] = values_b[i];
    }
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
    const size_t from_a = batch % batches_a, from_b = batch % batches_b;
#if PACKED
    const int each = (chunk + DEPTH - 1) / DEPTH;
    const size_t steps = (size_t)(depth / chunk) * each + (depth % chunk + DEPTH - 1) / DEPTH;
    pairs_a += from_a * steps * PAIRS * padded_a + row0;
    pairs_b += from_b * steps * PAIRS * padded_b + col0;
    int step = first / chunk * each;
    copy_tile<ROWS>(tile_a[0], pairs_a, step, padded_a, tid);
    copy_tile<COLS>(tile_b[0], pairs_b, step, padded_b, tid);
    copies_begin();
    for (int i = tid; i < ROWS; i += THREADS)
        bad_a[i] = (char)marks_a[from_a * padded_a + row0 + i];
    for (int i = tid; i < COLS; i += THREADS)
        bad_b[i] = (char)marks_b[from_b * padded_b + col0 + i];
#else
    for (int i = tid; i < ROWS; i += THREADS) bad_a[i] = 0;
    for (int i = tid; i < COLS; i += THREADS) bad_b[i] = 0;
#endif
    const Operand left = {a + from_a * batch_a, rows, row_a, k_a,
                          (kind_a & 1) != 0, (kind_a & 2) != 0};
    const Operand right = {b + from_b * batch_b, cols, row_b, k_b,
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
    constexpr int unrolled = TENSOR ? DEPTH : DEPTH / 2;
    int k0 = first, begun = first, end = last - first < chunk ? last : first + chunk;
#if !PACKED
    u32 ahead_a[UNITS(ROWS)][2], ahead_b[UNITS(COLS)][2];
    fetch_tile<ROWS>(ahead_a, left, row0, k0, end, tid);
    fetch_tile<COLS>(ahead_b, right, col0, k0, end, tid);
    __syncthreads();
    put_tile<ROWS>(ahead_a, left.turned, table_a, tile_a[0], bad_a, tid);
    put_tile<COLS>(ahead_b, right.turned, table_b, tile_b[0], bad_b, tid);
#endif
    for (int now = 0;; now ^= 1) {
#if PACKED
        copies_end();
#endif
        __syncthreads();
        const bool done = end - k0 <= DEPTH;
        const int next = done ? end : k0 + DEPTH;
        const int next_end = !done ? end : last - end < chunk ? last : end + chunk;
        if (next < last) {
#if PACKED
            step++;
            copy_tile<ROWS>(tile_a[now ^ 1], pairs_a, step, padded_a, tid);
            copy_tile<COLS>(tile_b[now ^ 1], pairs_b, step, padded_b, tid);
            copies_begin();
#else
            fetch_tile<ROWS>(ahead_a, left, row0, next, next_end, tid);
            fetch_tile<COLS>(ahead_b, right, col0, next, next_end, tid);
#endif
        }
#if TENSOR && !defined(ON_HOST)
        u32 x[HIGH][2], y[WIDE];
#pragma unroll
        for (int i = 0; i < HIGH * 2; i++)
            x[i / 2][i % 2] = tile_a[now][lane % 4][warp_row + i * 8 + lane / 4];
#pragma unroll
        for (int j = 0; j < WIDE; j++) y[j] = tile_b[now][lane % 4][warp_col + j * 8 + lane / 4];
#endif
#pragma unroll unrolled
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
#if !PACKED
        if (next < last) {
            put_tile<ROWS>(ahead_a, left.turned, table_a, tile_a[now ^ 1], bad_a, tid);
            put_tile<COLS>(ahead_b, right.turned, table_b, tile_b[now ^ 1], bad_b, tid);
        }
#endif
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
