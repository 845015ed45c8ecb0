// Matrix products of codes with exact sums in each chunk, rounded once; after common.cu.
//
// `pack` turns the codes of an operand into floats, k by k, padded to whole tiles, each chunk to a
// multiple of DEPTH. A padded product is a zero, which leaves an exact sum as it is. NaN and
// infinities are packed as 0, and their row is marked in `bad`: whatever they take part in is NaN.

extern "C" __global__ void pack(
    const unsigned char *codes, const float *table, float *out, int *bad, int rows, int depth,
    int rows_padded, int depth_padded, int chunk, int chunk_padded, int stride_row, int stride_k,
    int stride_batch) {
    __shared__ float tile[32][33];
    int x = threadIdx.x, batch = blockIdx.z;
    int row0 = blockIdx.x * 32, k0 = blockIdx.y * 32;
    codes += (size_t)batch * stride_batch;
    for (int y = threadIdx.y; y < 32; y += 8) {
        // Neighbouring threads read neighbouring bytes, whichever way the operand lies.
        int r = stride_k == 1 ? y : x, k = stride_k == 1 ? x : y;
        int row = row0 + r, place = (k0 + k) % chunk_padded;
        int from = (k0 + k) / chunk_padded * chunk + place;
        float value = 0.0f;
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
            float part = from_fixed(units, lsb + UNIT);
            total[i / 4][i % 4] = round_any(__fadd_rn(total[i / 4][i % 4], part));
            above[i / 4][i % 4] = below[i / 4][i % 4] = 0.0;
        }
    }
    out += (size_t)blockIdx.z * rows * cols;
#pragma unroll
    for (int i = 0; i < 16; i++) {
        int row = row0 + ty * 4 + i / 4, col = col0 + tx + 16 * (i % 4);
        bool bad = bad_a[batch_a * rows_padded + row] || bad_b[batch_b * cols_padded + col];
        if (row < rows && col < cols)
            out[(size_t)row * stride_row + (size_t)col * stride_col] =
                encode(bad ? nan_inf() : total[i / 4][i % 4]);
    }
}
