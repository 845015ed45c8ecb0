// Evaluates a netlist of gates for 512 inputs at once, a bit of a vector each, and counts through
// all inputs. Slot by slot: the inputs' bits first, then the gates' outputs in the order in which
// they are computed, and a run of equal gates at a time. Gates that depend on slowly changing bits
// come first, so that a step computes the end of the list only, from where something changed.
#include <cstdint>
#include <cstdlib>

typedef uint64_t Slice __attribute__((vector_size(64)));

enum { AND, OR, XOR, ANDNOT, ORNOT, NAND, NOR, XNOR, NOT, MUX };

struct Run {
  int32_t op, first, end, base;  // gates first .. end-1; gate k's output is slot base + k
};

struct Program {
  const Run *runs;
  const int32_t *a, *b, *s;  // inputs of each gate; s selects b of a MUX
  const int32_t *start;      // by the number of bits that changed: the first run to compute
  int64_t count;             // runs
};

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MANY __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MANY
#endif

#define EACH(expression)                       \
  for (int32_t k = run->first; k < run->end; k++) \
    x[run->base + k] = (expression);           \
  break;

MANY void compute(const Program *p, Slice *x, int64_t from) {
  const int32_t *a = p->a, *b = p->b, *s = p->s;
  for (const Run *run = p->runs + from; run < p->runs + p->count; run++) {
    switch (run->op) {
      case AND: EACH(x[a[k]] & x[b[k]])
      case OR: EACH(x[a[k]] | x[b[k]])
      case XOR: EACH(x[a[k]] ^ x[b[k]])
      case ANDNOT: EACH(x[a[k]] & ~x[b[k]])
      case ORNOT: EACH(x[a[k]] | ~x[b[k]])
      case NAND: EACH(~(x[a[k]] & x[b[k]]))
      case NOR: EACH(~(x[a[k]] | x[b[k]]))
      case XNOR: EACH(~(x[a[k]] ^ x[b[k]]))
      case NOT: EACH(~x[a[k]])
      case MUX: EACH((x[s[k]] & x[b[k]]) | (~x[s[k]] & x[a[k]]))
    }
  }
}

// Steps first .. end-1 of 2^bits: the index of the first input that is allowed and does not hold,
// or -1. Slots: constants 0 and 1, then the index' bits from the lowest.
extern "C" int64_t hfp8_count(const Program *p, int64_t slots, int64_t bits, int64_t allowed,
                              int64_t holds, int64_t first, int64_t end) {
  Slice *x = static_cast<Slice *>(std::aligned_alloc(64, slots * sizeof(Slice)));
  const Slice zero = {};
  x[0] = zero;
  x[1] = ~zero;
  for (int k = 0; k < 9 && k < bits; k++)
    for (int lane = 0; lane < 512; lane++) {
      const uint64_t bit = (uint64_t)1 << (lane & 63);
      if (lane >> k & 1)
        x[2 + k][lane >> 6] |= bit;
      else
        x[2 + k][lane >> 6] &= ~bit;
    }
  int64_t found = -1;
  for (int64_t n = first; n < end && found < 0; n++) {
    int changed = n == first ? 63 : __builtin_ctzll(n);
    for (int k = 0; k < bits - 9 && k <= changed; k++) x[11 + k] = n >> k & 1 ? ~zero : zero;
    compute(p, x, p->start[changed]);
    const Slice wrong = x[allowed] & ~x[holds];
    for (int w = 0; w < 8 && found < 0; w++)
      if (wrong[w]) found = n << 9 | w << 6 | __builtin_ctzll(wrong[w]);
  }
  std::free(x);
  return found;
}
