"""Where the quick ways to sum are exact, by the formats of the operands and the length of a chunk.

All of it follows from what the values of a format have in common: the lowest bit of any of them,
the most significant bits that one has, the smallest and the largest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from ..formats import FloatFormat
from .sums import ACC, HALF_PLACE


@dataclass(frozen=True)
class Reach:
    """What the finite values of a format have in common.

    Members
    -------
    lsb : int
        The exponent of the lowest bit set in any of them.
    bits : int
        The most bits from the leading one to the last one set.
    least, most : Fraction
        The smallest and the largest magnitude above zero.
    """

    lsb: int
    bits: int
    least: Fraction
    most: Fraction


@lru_cache(maxsize=64)
def reach(fmt: FloatFormat) -> Reach:
    """`Reach` of a format of at most 16 bits."""
    lsb, bits = 1 << 30, 0
    for code in range(fmt.min_code, fmt.max_code + 1):
        ratio = fmt.value(code).as_integer_ratio()
        if ratio[0]:
            low = (ratio[0] & -ratio[0]).bit_length() - ratio[1].bit_length()
            lsb = min(lsb, low)
            bits = max(bits, (ratio[0] // (ratio[0] & -ratio[0])).bit_length())
    return Reach(lsb, bits, Fraction(fmt.min), Fraction(fmt.max))


def growth(roundings: int) -> Fraction:
    """How much larger than the sum of the magnitudes a rounded sum may be.

    Each rounding adds at most one part in 2**10. A sum of k terms of at most T is also at most
    2 k T: the accumulator's value before an addition is a candidate for the one after it, so
    rounding moves the sum by the term's magnitude at most.
    """
    return min(Fraction(2), (1 + Fraction(1, 1 << 10)) ** min(roundings, 1024))


@dataclass(frozen=True)
class Chunk:
    """How the sum of one chunk of products, from +0, may be computed.

    Members
    -------
    single : bool
        In binary32: a product has at most 10 bits, and no sum or product is lost below. Where a sum
        lies below the smallest value of the accumulator it is exact, as its lowest bit is at least
        2**-55.
    no_overflow : bool
        No sum within a chunk overflows. Either chunk x largest product x `growth` is a finite
        value, or the largest product is below 2**22, half a last place from 2**32 up: then a sum
        that has come to 2**32 stays there, however long the chunk. So it is with 143 times 143
        (900) and 152 times 143 (2949120). Sums of chunks are checked always.
    normal : bool
        Each sum is 0 or at least the accumulator's smallest value: all are multiples of the lowest
        bit of any product, also after rounding, and that bit is at least 2**-30.
    one_gap : bool
        The lowest bit is 2**-31, and the only sum below the smallest value m = 2**-31 (1 + 2**-9)
        is 2**-31 exactly. It becomes m, which is no multiple of 2**-31. But m and a product of at
        least 2**-26 add up to a sum of at least 2**-27, whose last place is at least 2**-36, and
        the 2**-40 beyond the multiple of 2**-31 is less than half of that: the sum after it is a
        multiple of 2**-31 again, or of a last place above that.
    """

    single: bool
    no_overflow: bool
    normal: bool
    one_gap: bool

    @property
    def plain(self) -> bool:
        """Whether adding, adding half and cutting off is all there is to a step."""
        return self.single and self.no_overflow and self.normal


@lru_cache(maxsize=256)
def chunk_limits(a: FloatFormat, b: FloatFormat, chunk: int) -> Chunk:
    """What holds for chunks of ``chunk`` products of values of two formats."""
    x, y = reach(a), reach(b)
    lsb, largest = x.lsb + y.lsb, x.most * y.most
    short = chunk * largest * growth(chunk) <= Fraction(ACC.max)
    return Chunk(
        single=x.bits + y.bits <= ACC.man_bits + 1
        and lsb >= -55
        and min(x.lsb, y.lsb) >= -126
        and max(x.most, y.most, largest) < Fraction(2) ** 100,
        no_overflow=short or largest < HALF_PLACE,
        normal=Fraction(2) ** lsb >= Fraction(ACC.min),
        one_gap=lsb == -31 and x.least * y.least >= Fraction(2) ** -26,
    )


@dataclass(frozen=True)
class Exact:
    """How exact sums of a chunk fit into two binary64 sums, of products of a below and from
    ``split`` up; ``lsb`` is the unit in which they are added as 64-bit integers."""

    lsb: int
    split: float


@lru_cache(maxsize=256)
def exact_limits(a: FloatFormat, b: FloatFormat, chunk: int) -> Exact | None:
    """The split of a's values that makes both sums of ``chunk`` products exact, whatever their
    order; None where none does, or where the whole needs more than 62 bits."""
    x, y = reach(a), reach(b)
    lsb = x.lsb + y.lsb
    if chunk * x.most * y.most >= Fraction(2) ** (62 + lsb):
        return None
    low, high = math.floor(math.log2(x.least)), math.ceil(math.log2(x.most)) + 1
    for exponent in range(high, low - 1, -1):
        split = Fraction(2) ** exponent
        below = chunk * min(split, x.most) * y.most < Fraction(2) ** (53 + lsb)
        unit = exponent - a.man_bits + y.lsb
        above = x.most < split or chunk * x.most * y.most < Fraction(2) ** (53 + unit)
        if below and above:
            return Exact(lsb, float(split))
    return None
