// Products of DLFLOAT16 codes, summed in binary64 and rounded after every one; after common.cu.
//
// A block has 16 x 16 sums of one chunk, in x, tile by tile: columns, rows, chunks, batches. If
// there is one chunk, the sums are results; else they go to `parts`, for join.cu to add up.

#define SIDE 16

extern "C" __global__ void __launch_bounds__(SIDE *SIDE) wide_gemm(
    const short *a, const short *b, float *parts, short *out, int rows, int cols, int depth,
    int chunk, int chunks, int batches_a, int batches_b, int a_batch, int a_row, int a_k,
    int b_batch, int b_k, int b_col, int alone) {
    __shared__ double left[SIDE][SIDE + 1], right[SIDE][SIDE + 1];
    const int x = threadIdx.x, y = threadIdx.y;
    const int across = (cols + SIDE - 1) / SIDE, high = (rows + SIDE - 1) / SIDE;
    int block = blockIdx.x;
    const int col0 = block % across * SIDE, row0 = (block /= across) % high * SIDE;
    const int c = (block /= high) % chunks, batch = block / chunks;
    a += (long long)(batch % batches_a) * a_batch;
    b += (long long)(batch % batches_b) * b_batch;
    const int begun = c * chunk, end = depth - begun < chunk ? depth : begun + chunk;
    double sum = 0.0;
    for (int k0 = begun; k0 < end; k0 += SIDE) {
        int left_k = k0 + x, right_k = k0 + y, steps = end - k0 < SIDE ? end - k0 : SIDE;
        __syncthreads();
        left[y][x] = row0 + y < rows && left_k < end
            ? sum_value((unsigned short)a[(long long)(row0 + y) * a_row + (long long)left_k * a_k])
            : 0.0;
        right[y][x] = col0 + x < cols && right_k < end
            ? sum_value((unsigned short)b[(long long)right_k * b_k + (long long)(col0 + x) * b_col])
            : 0.0;
        __syncthreads();
        for (int k = 0; k < steps; k++) sum = round_wide(sum + left[y][k] * right[k][x]);
    }
    if (row0 + y >= rows || col0 + x >= cols) return;
    long long place = (long long)(row0 + y) * cols + col0 + x, each = (long long)rows * cols;
    float part = sum == sum ? (float)(sum * 2147483648.0) : nan_inf();
    if (chunks > 1)
        parts[((long long)batch * chunks + c) * each + place] = part;
    else
        out[batch * each + place] = encode(alone ? part : part + 0.0f);
}
