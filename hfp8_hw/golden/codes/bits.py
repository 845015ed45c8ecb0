"""Binary64 arrays taken apart into sign, integer significand and exponent, and put in order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

I64 = np.int64
U64 = np.uint64


class Parts(NamedTuple):
    """Finite nonzero values ``(-1)**neg * (sig + tail) * 2**exp`` with 0 <= tail < 1.

    ``sig`` is a nonnegative int64 below 2**62, ``tail`` is nonzero where ``sticky`` is set.
    """

    neg: NDArray[np.bool_]
    sig: NDArray[np.int64]
    exp: NDArray[np.int64]
    sticky: NDArray[np.bool_]


def split(x: NDArray[np.float64]) -> Parts:
    """Finite binary64 values as 53-bit significands; zero has significand 0."""
    bits = x.view(I64)
    field = (bits >> 52) & 0x7FF
    sig = (bits & ((1 << 52) - 1)) | (np.minimum(field, 1) << 52)
    return Parts(bits < 0, sig, np.maximum(field, 1) - 1075, np.zeros(x.shape, bool))


def bit_length(sig: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bits needed for each nonnegative integer; 0 for 0."""
    high = sig >> 31
    upper = high != 0
    # Below 2**31 the conversion to binary64 is exact, so its exponent is the answer.
    exponent = np.frexp(np.where(upper, high, sig).astype(np.float64))[1].astype(I64)
    return exponent + np.where(upper, 31, 0)


def shift_right(value: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """floor(value / 2**count) for value >= 0 and any count; negative counts shift left."""
    down = value >> np.clip(count, 0, 63)
    return np.where(count < 0, value << np.clip(-count, 0, 62), down)


def two_sum(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Knuth's TwoSum: (s, e) with s = fl(a + b) and s + e = a + b exactly."""
    s = a + b
    b_virtual = s - a
    return s, (a - (s - b_virtual)) + (b - b_virtual)


def add_to_odd(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """a + b rounded to odd in binary64, so that a second rounding is the only one that counts.

    Rounding the result once more to p <= 51 bits, in any rounding, gives what rounding the exact
    sum would (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved
    algorithms using rounding to odd", IEEE Trans. Computers 57(4), 2008, theorem 1). The sum must
    not leave the range of normal numbers.
    """
    s, error = two_sum(a, b)
    to_odd = (error != 0) & (s.view(I64) & 1 == 0)
    if not to_odd.any():
        return s
    toward = np.nextafter(s, np.where(error > 0, np.inf, -np.inf))
    return np.where(to_odd, toward, s)


_DIGIT = 30
_MASK = (1 << _DIGIT) - 1


def exact_sum(terms: NDArray[np.float64]) -> Parts:
    """The exact sum of finite terms over the last axis.

    Each term is spread over 30-bit digits of one wide fixed-point number (a Kulisch accumulator
    in software); digits are summed in int64, which is exact for up to 2**33 terms.

    Returns
    -------
    Parts
        Significands of 62 bits with the rest in ``sticky``; 0 where the sum is zero.
    """
    parts = split(terms)
    nonzero = parts.sig != 0
    if not nonzero.any():
        shape = terms.shape[:-1]
        zero = np.zeros(shape, I64)
        return Parts(np.zeros(shape, bool), zero, zero, np.zeros(shape, bool))
    trailing = bit_length(parts.sig & -parts.sig) - 1
    low = int((parts.exp + trailing)[nonzero].min())
    high = int(parts.exp[nonzero].max()) + 53
    count = (high - low + 33) // _DIGIT + 3
    offset = parts.exp - low
    digits = []
    for k in range(count):
        shift = offset - _DIGIT * k
        left = parts.sig.view(U64) << np.clip(shift, 0, 63).astype(U64)
        right = parts.sig >> np.clip(-shift, 0, 63)
        digit = np.where(shift >= 0, left.view(I64), right) & _MASK
        digit = np.where((shift < _DIGIT) & (shift > -64), digit, 0)
        digits.append(np.where(parts.neg, -digit, digit).sum(axis=-1))
    _carry(digits)
    neg = digits[-1] < 0
    digits = [np.where(neg, -digit, digit) for digit in digits]
    _carry(digits)
    return _leading(neg, digits, low)


def _carry(digits: list[NDArray[np.int64]]) -> None:
    """Propagate carries, in place: every digit but the last into 0 .. 2**30-1."""
    for k in range(len(digits) - 1):
        digits[k + 1] = digits[k + 1] + (digits[k] >> _DIGIT)
        digits[k] = digits[k] & _MASK


def _leading(neg: NDArray[np.bool_], digits: list[NDArray[np.int64]], low: int) -> Parts:
    """The top 62 bits of nonnegative digit strings, least digit first."""
    stack = np.stack([np.zeros_like(digits[0])] * 2 + digits)
    top = np.full(neg.shape, 2)
    for k in range(2, len(stack)):
        top = np.where(stack[k] != 0, k, top)
    columns = np.indices(neg.shape)
    t2, t1, t0 = (stack[(top - k, *columns)] for k in range(3))
    n = bit_length(t2)
    sig = (t2 << (62 - n)) | (t1 << (32 - n)) | shift_right(t0, n - 2)
    lost = (t0 & ((1 << np.maximum(n - 2, 0)) - 1)) != 0
    below = np.zeros(neg.shape, bool)
    for k in range(2, len(stack)):
        below |= (stack[k] != 0) & (k < top - 2)
    zero = t2 == 0
    exp = low + _DIGIT * (top.astype(I64) - 4) + n - 2
    return Parts(neg & ~zero, np.where(zero, 0, sig), exp, (lost | below) & ~zero)
