// The sums of chunks that ``rounded.cu`` left in `parts`, added in order; after common.cu.
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
