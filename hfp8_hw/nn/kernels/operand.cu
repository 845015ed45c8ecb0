// Operands of ``rounded.cu``: codes to pairs of bfloat16, which holds any value of 8 bits; after
// common.cu. A table has the value of each code, and bit 31 alone for NaN and infinities, which
// become 0 and leave a mark.

// Two steps of k in a word.
#define PAIRS (DEPTH / 2)

// Codes of (rows, k). Units of eight codes are read: of one row and eight k; or, `turned`, of two k
// and four rows. `whole`: four lie side by side in memory, and on a multiple of four.
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

// Eight codes of the unit that begins at a row and a k, of which there are `end`.
static __device__ __forceinline__ void fetch(
    u32 *words, const Operand &from, int row, int k, int end) {
    const u8 *at = from.codes + row * from.by_row + k * from.by_k;
    int left = end - k, rows = from.rows - row;
    if (from.turned) {
        words[0] = four(from, at, from.by_row, left > 0 ? rows : 0);
        words[1] = four(from, at + from.by_k, from.by_row, left > 1 ? rows : 0);
    } else {
        words[0] = four(from, at, from.by_k, rows > 0 ? left : 0);
        words[1] = four(from, at + 4 * from.by_k, from.by_k, rows > 0 ? left - 4 : 0);
    }
}

// Their values: to four rows of a pair of k, or to four pairs of a row, which are `pitch` apart.
template <class Mark>
static __device__ __forceinline__ void put(
    const u32 *words, bool turned, const u32 *table, u32 *to, int pitch, Mark *bad) {
    u32 v[8], any = 0;
#pragma unroll
    for (int j = 0; j < 8; j++) v[j] = table[words[j / 4] >> j % 4 * 8 & 255];
#pragma unroll
    for (int j = 0; j < 8; j++) any |= v[j];
    if (any >> 31)  // Hardly ever: bit 31 in the table marks what is not finite.
        for (int j = 0; j < 8; j++)
            if (v[j] >> 31) bad[turned ? j % 4 : 0] = 1;
    if (turned) {
        uint4 pairs = {v[0] & 0xffff | v[4] << 16, v[1] & 0xffff | v[5] << 16,
                       v[2] & 0xffff | v[6] << 16, v[3] & 0xffff | v[7] << 16};
        *(uint4 *)to = pairs;
    } else {
#pragma unroll
        for (int j = 0; j < PAIRS; j++) to[j * pitch] = v[2 * j] & 0xffff | v[2 * j + 1] << 16;
    }
}

// A matrix as the blocks want it: pairs of k (batch, pair, row), DEPTH steps at a time, each chunk
// beginning with new ones. 128 rows a block, in z the batches, in y four times DEPTH steps of k.
extern "C" __global__ void __launch_bounds__(128) pairs(
    const u8 *codes, const u32 *values, u32 *out, int *bad, int rows, int depth, int chunk,
    int by_row, int by_k, int by_batch, int kind, int padded, int steps) {
    __shared__ u32 table[256];
    const int tid = threadIdx.x, batch = blockIdx.z, each = (chunk + DEPTH - 1) / DEPTH;
    for (int i = tid; i < 256; i += 128) table[i] = values[i];
    __syncthreads();
    const Operand from = {codes + (size_t)batch * by_batch, rows, by_row, by_k, (kind & 1) != 0,
                          (kind & 2) != 0};
    const int row = blockIdx.x * 128 + (from.turned ? tid % 32 * 4 : tid);
    const int pair = from.turned ? tid / 32 : 0;
    for (int i = 0; i < 4; i++) {
        int step = blockIdx.y * 4 + i, begun = step / each * chunk;
        if (step >= steps) break;
        int end = depth - begun < chunk ? depth : begun + chunk;
        u32 words[2];
        fetch(words, from, row, begun + step % each * DEPTH + pair * 2, end);
        put(words, from.turned, table,
            out + ((size_t)(batch * steps + step) * PAIRS + pair) * padded + row, padded,
            bad + (size_t)batch * padded + row);
    }
}
