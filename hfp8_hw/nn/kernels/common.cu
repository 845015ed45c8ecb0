// What both kinds of product share: DLFLOAT16 (1,6,9), rounded as hfp8_hw/nn/sums.py says: to 10
// bits, ties away from zero, up to 2**-31 (1 + 2**-9) from one half of it, NaN from `beyond` up.
//
// Sums are kept in binary32 in units of 2**-31: its exponents from 127 up are the format's from 0.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define DEPTH 8
#define UNIT 31

static __device__ __forceinline__ float smallest() { return 1.001953125f; }
static __device__ __forceinline__ float beyond() { return 2045.0f * 9007199254740992.0f; }
static __device__ __forceinline__ float nan_inf() { return __uint_as_float(0x7fc00000u); }

static __device__ __forceinline__ float cut(float sum) {
    return __uint_as_float((__float_as_uint(sum) + 0x2000u) & 0xffffc000u);
}

static __device__ __forceinline__ float round_any(float sum) {
    float size = fabsf(sum);
    float low = copysignf(size >= 0.5f * smallest() ? smallest() : 0.0f, sum);
    float rounded = size < smallest() ? low : cut(sum);
    return size < beyond() ? rounded : nan_inf();
}

// What the sums of chunks are added to: +0; or -0, which changes none, if there is one alone.
static __device__ __forceinline__ float first_total(int alone) { return alone ? -0.0f : 0.0f; }

static __device__ __forceinline__ short encode(float value) {
    u32 word = __float_as_uint(value);
    u32 size = (word & 0x7fffffffu) >> 14;
    u32 code = (size ? size - (127u << 9) : 0u) | (word >> 31 << 15);
    return (short)(value != value ? 0x7fffu : code);
}

// The value of a code.
static __device__ __forceinline__ float sum_value(u32 code) {
    u32 size = code & 0x7fffu, sign = (code & 0x8000u) << 16;
    if (size == 0x7fffu) return nan_inf();
    return __uint_as_float(sign | (size ? (size + (96u << 9)) << 14 : 0u));
}

// `round_any` of binary64 sums as they are, not in units of 2**-31.
static __device__ __forceinline__ double round_wide(double sum) {
    double size = fabs(sum), least = smallest() / 2147483648.0;
    double low = copysign(size >= 0.5 * least ? least : 0.0, sum);
    u64 word = ((u64)__double_as_longlong(sum) + (1ull << 42)) & ~((1ull << 43) - 1);
    double rounded = size < least ? low : __longlong_as_double((long long)word);
    return size < (double)beyond() / 2147483648.0 ? rounded : (double)nan_inf();
}
