// Evaluates a netlist of gates for 512 inputs at once, a bit of a vector each, and counts through
// all inputs. Slot by slot: the inputs' bits first, then the gates' outputs in the order in which
// they are computed, and a run of equal gates at a time. Gates that depend on slowly changing bits
// come first, so that a step computes the end of the list only, from where something changed.
#include <cstdint>
#include <cstring>
#include <stdlib.h>

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

// Where lane k of 512 has bit j of its own number set.
void number(Slice *x, int j) {
  for (int lane = 0; lane < 512; lane++) {
    const uint64_t bit = (uint64_t)1 << (lane & 63);
    if (lane >> j & 1)
      (*x)[lane >> 6] |= bit;
    else
      (*x)[lane >> 6] &= ~bit;
  }
}

// Steps first .. end-1 of 2^bits: the index of the first input that is allowed and does not hold,
// or -1. Slots: constants 0 and 1, then the index' bits from the lowest.
extern "C" int64_t hfp8_count(const Program *p, int64_t slots, int64_t bits, int64_t allowed,
                              int64_t holds, int64_t first, int64_t end) {
  Slice *x = static_cast<Slice *>(aligned_alloc(64, slots * sizeof(Slice)));
  const Slice zero = {};
  x[0] = zero;
  x[1] = ~zero;
  for (int k = 0; k < 9 && k < bits; k++) number(x + 2 + k, k);
  int64_t found = -1;
  for (int64_t n = first; n < end && found < 0; n++) {
    int changed = n == first ? 63 : __builtin_ctzll(n);
    for (int k = 0; k < bits - 9 && k <= changed; k++) x[11 + k] = n >> k & 1 ? ~zero : zero;
    compute(p, x, p->start[changed]);
    const Slice wrong = x[allowed] & ~x[holds];
    for (int w = 0; w < 8 && found < 0; w++)
      if (wrong[w]) found = n << 9 | w << 6 | __builtin_ctzll(wrong[w]);
  }
  free(x);
  return found;
}

// A unit without a state, 512 streams at once: one transfer a step each, never stalled.

struct Port {
  void *data;           // a word for each transfer: that of lane k in step n is number n * 512 + k
  const int32_t *slot;  // of each of its bits
  int32_t size, width;  // bytes of a word; bits
};

struct Stream {
  const Port *in, *out;
  const int32_t *d, *q;  // slots of the registers
  int64_t ins, outs, registers;
  int32_t rst, i_valid, i_ready, o_valid, o_ready;
};

static const Slice ZERO = {}, ONES = ~ZERO;

template <typename Word>
MANY void pack(const Port *port, const Word *w, const Slice *numbers, Slice *x) {
  const int low = port->width < 9 ? port->width : 9;
  Word uneven = 0, other = 0;
  for (int k = 0; k < 512; k++) {
    uneven |= (Word)(w[k] - w[0]) ^ (Word)k;
    other |= w[k] ^ w[0];
  }
  const bool counts = !(uneven & (Word)(((uint64_t)2 << (port->width - 1)) - 1)) &&
                      !(w[0] & ((1 << low) - 1));
  if (counts || !other) {
    for (int j = 0; j < port->width; j++)
      x[port->slot[j]] = counts && j < 9 ? numbers[j] : w[0] >> j & 1 ? ONES : ZERO;
    return;
  }
  for (int byte = 0; 8 * byte < port->width; byte++) {
    union {
      uint8_t bytes[512];
      uint64_t groups[64];
    } part;
    for (int k = 0; k < 512; k++) part.bytes[k] = w[k] >> 8 * byte;
    for (int j = 0; j < 8 && 8 * byte + j < port->width; j++) {
      union {
        uint8_t bytes[64];
        Slice slice;
      } plane;
      for (int g = 0; g < 64; g++)
        plane.bytes[g] = (part.groups[g] >> j & 0x0101010101010101u) * 0x0102040810204080u >> 56;
      x[port->slot[8 * byte + j]] = plane.slice;
    }
  }
}

template <typename Word>
MANY void unpack(const Port *port, Word *w, const Slice *x) {
  uint8_t bytes[sizeof(Word)][512] = {};
  for (int byte = 0; 8 * byte < port->width; byte++) {
    uint64_t m[64] = {};
    for (int j = 0; j < 8 && 8 * byte + j < port->width; j++) {
      const uint8_t *plane = reinterpret_cast<const uint8_t *>(x + port->slot[8 * byte + j]);
      for (int g = 0; g < 64; g++) m[g] |= (uint64_t)plane[g] << 8 * j;
    }
    // Transposes 8 x 8 bits (Warren, Hacker's Delight, section 7-3).
    for (int g = 0; g < 64; g++) {
      uint64_t t = (m[g] ^ m[g] >> 7) & 0x00aa00aa00aa00aau;
      m[g] ^= t ^ t << 7;
      t = (m[g] ^ m[g] >> 14) & 0x0000cccc0000ccccu;
      m[g] ^= t ^ t << 14;
      t = (m[g] ^ m[g] >> 28) & 0x00000000f0f0f0f0u;
      m[g] ^= t ^ t << 28;
    }
    std::memcpy(bytes[byte], m, 512);
  }
  for (int k = 0; k < 512; k++) {
    Word value = 0;
    for (unsigned byte = 0; byte < sizeof(Word); byte++) value |= (Word)bytes[byte][k] << 8 * byte;
    w[k] = value;
  }
}

#define BY_SIZE(call)                                  \
  switch (port->size) {                                \
    case 1: { typedef uint8_t Word; call; break; }     \
    case 2: { typedef uint16_t Word; call; break; }    \
    case 4: { typedef uint32_t Word; call; break; }    \
    default: { typedef uint64_t Word; call; break; }   \
  }

static bool all(const Slice &x, bool set) {
  for (int w = 0; w < 8; w++)
    if (x[w] != (set ? ~(uint64_t)0 : 0)) return false;
  return true;
}

// Drives ``steps`` transfers a stream, from a reset. A result must come ``latency`` steps after its
// input. The first step in which a valid or ready is not as it must be, or -1.
extern "C" int64_t hfp8_stream(const Program *p, const Stream *s, int64_t slots, int64_t steps,
                               int64_t latency) {
  Slice *x = static_cast<Slice *>(aligned_alloc(64, (slots + 9) * sizeof(Slice)));
  Slice *numbers = x + slots;
  for (int64_t k = 0; k < slots; k++) x[k] = ZERO;
  for (int j = 0; j < 9; j++) number(numbers + j, j);
  x[1] = x[s->rst] = x[s->o_ready] = ONES;
  int64_t wrong = -1;
  for (int64_t n = -1; n < steps + latency && wrong < 0; n++) {
    if (n >= 0) x[s->rst] = ZERO;
    x[s->i_valid] = n >= 0 && n < steps ? ONES : ZERO;
    if (n >= 0 && n < steps)
      for (const Port *port = s->in; port < s->in + s->ins; port++)
        BY_SIZE(pack(port, static_cast<const Word *>(port->data) + 512 * n, numbers, x))
    compute(p, x, 0);
    const bool due = n >= latency;
    if (n >= 0 && !(all(x[s->i_ready], true) && all(x[s->o_valid], due))) wrong = n;
    if (due)
      for (const Port *port = s->out; port < s->out + s->outs; port++)
        BY_SIZE(unpack(port, static_cast<Word *>(port->data) + 512 * (n - latency), x))
    for (int64_t k = 0; k < s->registers; k++) x[slots - s->registers + k] = x[s->d[k]];
    for (int64_t k = 0; k < s->registers; k++) x[s->q[k]] = x[slots - s->registers + k];
  }
  free(x);
  return wrong;
}
