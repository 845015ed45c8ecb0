// What is done to every element of a tensor: rounding to codes, codes to values, and the rounding
// to DLFLOAT16; after common.cu. What is to be written and has no address is left out.
//
// WIDE: codes have 16 bits, else 8. DOUBLE: values are binary64, else binary32.

#if WIDE
typedef short code_t;
#define BITS 0xffffu
#else
typedef u8 code_t;
#define BITS 0xffu
#endif

#if DOUBLE
typedef double real;
#else
typedef float real;
#endif

#define EACH 4
#define THREADS 256
#define ELEMENTS(i, count)                                                   \
    long long first = (long long)blockIdx.x * (EACH * THREADS) + threadIdx.x; \
    for (long long i = first; i < first + EACH * THREADS && i < count; i += THREADS)

// As `rule` in elementwise.py fills it in.
struct Rule {
    int man, bias, zero, mode, bits, largest, sign, infinite, infinite_sign, over, over_sign, nan,
        negative_zero;
};
enum { GRADUAL, NORMAL, FLUSH };
enum { RNE, RNA, RTZ, SR };

static __device__ __forceinline__ u64 down(u64 value, int count) {
    if (count <= 0) return value << (count < -40 ? 40 : -count);
    return count > 63 ? 0 : value >> count;
}

static __device__ __forceinline__ int bit_length(u32 value) {
    return (int)(__float_as_uint((float)value) >> 23) - 126;  // Of 1 to 2**24: exact.
}

// Whether to add one unit to `whole`, given what was dropped, rest / 2**drop; as `_up` in
// rounding.py.
static __device__ __forceinline__ bool up(u64 whole, u64 rest, int drop, const Rule &r, u64 word) {
    if (drop <= 0 || r.mode == RTZ) return false;
    if (r.mode == SR) return down(rest, drop - r.bits) + word >= 1ull << r.bits;
    u64 half = 1ull << (drop > 62 ? 61 : drop - 1);
    return r.mode == RNA ? rest >= half : rest > half || (rest == half && whole & 1);
}

// As `_gap_up` there: whether what is below the smallest value of a `normal` format goes up to it.
static __device__ __forceinline__ bool gap_up(u64 sig, int exp, const Rule &r, u64 word) {
    if (r.mode == RTZ) return false;
    int n = r.mode == SR ? r.bits : 1, count = -(exp + r.bias + r.man + n);
    u64 scaled = down(sig, count), threshold = (1ull << r.man) + 1;
    if (r.mode == SR) return scaled >= ((1ull << n) - word) * threshold;
    if (r.mode == RNA) return scaled >= threshold;
    bool cut = count > 0 && (count > 62 ? sig != 0 : (sig & ((1ull << count) - 1)) != 0);
    return scaled > threshold || (scaled == threshold && cut);
}

// The code of a magnitude above zero, on the grid continued beyond the largest one.
static __device__ __forceinline__ int magnitude(u32 mag, const Rule &r, u64 word) {
    int biased = mag >> 23;
    u32 sig = (mag & 0x7fffffu) | (u32)(biased > 0) << 23;
    int exp = (biased ? biased : 1) - 150, least = r.zero == NORMAL ? 0 : 1;
    int field = exp + bit_length(sig) - 1 + r.bias;
    bool tiny = field < least;
    if (tiny) field = least;
    int keep = r.zero == FLUSH && tiny ? 1 - r.bias : field - r.man - r.bias, drop = keep - exp;
    u64 whole = down(sig, drop);
    u64 rest = drop <= 0 ? 0 : drop > 62 ? sig : sig & ((1ull << drop) - 1);
    if (r.zero == NORMAL && (tiny || (field == 0 && whole == 1ull << r.man)))
        return gap_up(sig, exp, r, word);
    int more = up(whole, rest, drop, r, word);
    if (r.zero == FLUSH && tiny) return more << r.man;
    return (field - 1) * (1 << r.man) + (int)whole + more;
}

static __device__ __forceinline__ u32 rounded_code(float x, const Rule &r, u64 word) {
    u32 bits = __float_as_uint(x), mag = bits & 0x7fffffffu;
    if (mag > 0x7f800000u) return r.nan;
    u32 sign = bits >> 31 ? ~0u : 0u;
    if (mag == 0x7f800000u) return r.infinite | (r.infinite_sign & sign);
    int code = mag ? magnitude(mag, r, word) : 0;
    if (code > r.largest) return r.over | (r.over_sign & sign);
    return code || r.negative_zero ? code | (r.sign & sign) : 0;
}

// Codes of binary32 values, and the codes' values.
extern "C" __global__ void narrow(
    const float *x, const int *words, const Rule *rule, const float *table, code_t *codes,
    float *values, int count) {
    const Rule r = *rule;
    ELEMENTS(i, count) {
        u32 code = rounded_code(x[i], r, words ? (u32)words[i] : 0);
        if (codes) codes[i] = (code_t)code;
        if (values) values[i] = table[code & BITS];
    }
}

// Values of codes: from a table, or else of DLFLOAT16.
extern "C" __global__ void look_up(
    const code_t *codes, const real *table, real *out, int count) {
    ELEMENTS(i, count) {
        u32 code = codes[i] & BITS;
        out[i] = table ? table[code] : (real)sum_value(code);
    }
}

// DLFLOAT16 of any values.
extern "C" __global__ void to_sums(const real *x, short *codes, real *values, int count) {
    ELEMENTS(i, count) {
#if DOUBLE
        double value = round_wide(x[i]);
        float scaled = (float)(value * 2147483648.0);
#else
        float scaled = round_any(x[i] * 2147483648.0f);
        float value = scaled == scaled ? scaled / 2147483648.0f : nan_inf();
#endif
        if (values) values[i] = value;
        if (codes) codes[i] = encode(scaled);
    }
}

// Codes of a b + c, rounded once; steps of 0 for a number that is the same for all.
extern "C" __global__ void fma_codes(
    const short *a, const short *b, const short *c, short *out, int by_a, int by_b, int by_c,
    int count) {
    ELEMENTS(i, count) {
        double x = sum_value(a[i * by_a] & 0xffff), y = sum_value(b[i * by_b] & 0xffff);
        double sum = sum_value(c[i * by_c] & 0xffff) + x * y;
        out[i] = encode((float)(round_wide(sum) * 2147483648.0));
    }
}
