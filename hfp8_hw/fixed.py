"""Fixed-point geometry: where the exact products of two operands lie, and how wide a sum gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .formats import FloatFormat


@dataclass(frozen=True)
class Scale:
    """How the codes of some formats become ``significand * 2**(shift + lsb)``.

    Members
    -------
    lsb : int
        Exponent of the significand's lowest bit at shift 0.
    bits : int
        Significand bits, the hidden bit included.
    offsets : tuple of int
        Per format: what is added to the (effective) exponent field to get the shift.
    low, high : int
        The least and greatest shift of a finite nonzero value.
    tail : int
        Bits of the significand, from the lowest up, that no value has at the least shift: where
        the format that reaches lowest is not the one with the longest mantissa.
    """

    lsb: int
    bits: int
    offsets: tuple[int, ...]
    low: int
    high: int
    tail: int

    @property
    def lowest(self) -> int:
        """Exponent of the lowest bit that any value has."""
        return self.lsb + self.low + self.tail

    @property
    def reach(self) -> int:
        """Bits of the largest magnitude, bit 0 being the lowest one that any value has."""
        return self.bits + self.high - self.low - self.tail


def scale(formats: Sequence[FloatFormat], runtime_bias: bool = False) -> Scale:
    """The common scale of an operand that may be in any of ``formats``.

    With a run-time bias the scale is that of bias 0, which is as good for every format.
    """
    biases = [0 if runtime_bias else fmt.bias for fmt in formats]
    man_bits = max(fmt.man_bits for fmt in formats)
    most = max(biases)
    offsets = tuple(most - bias for bias in biases)
    # An exponent field of 0 counts as 1 where it holds subnormals.
    first = [0 if fmt.zero_exp == "normal" else 1 for fmt in formats]
    last = [fmt.max_code >> fmt.man_bits for fmt in formats]
    low = min(a + b for a, b in zip(first, offsets, strict=True))
    high = max(a + b for a, b in zip(last, offsets, strict=True))
    lowest = min(
        shift + offset + man_bits - fmt.man_bits
        for shift, offset, fmt in zip(first, offsets, formats, strict=True)
    )
    return Scale(-most - man_bits, man_bits + 1, offsets, low, high, lowest - low)


@dataclass(frozen=True)
class FixedPoint:
    """The two's complement number that holds a sum of products exactly.

    Members
    -------
    a, b : Scale
    lsb : int
        Exponent of bit 0; with run-time biases, less ``bias_a + bias_b``.
    width : int
        Bits, the sign included.
    drop : int
        Bits of the exact products that are cut off below bit 0, toward zero.
    """

    a: Scale
    b: Scale
    lsb: int
    width: int
    drop: int

    @property
    def reach(self) -> int:
        """Bits of the largest magnitude of one product."""
        return self.a.reach + self.b.reach - self.drop

    @property
    def position(self) -> int:
        """Where bit 0 lies in a product shifted by the sum of its operands' shifts."""
        return self.a.low + self.a.tail + self.b.low + self.b.tail + self.drop


def fixed_point(
    a: Sequence[FloatFormat],
    b: Sequence[FloatFormat],
    terms: int,
    runtime_bias: bool = False,
    drop: int = 0,
) -> FixedPoint:
    """The narrowest fixed-point number that holds any sum of ``terms`` products.

    With ``drop``, of products cut off ``drop`` bits above the lowest one any product has. The
    sum is then less than ``terms * 2**lsb`` away from the exact one.
    """
    x, y = scale(a, runtime_bias), scale(b, runtime_bias)
    # The largest significand at the largest shift; its tail is part of no value.
    most = [((1 << s.bits) - 1) << (s.high - s.low) >> s.tail for s in (x, y)]
    largest = (most[0] * most[1]) >> drop
    width = (largest * terms).bit_length() + 1
    return FixedPoint(x, y, x.lowest + y.lowest + drop, width, drop)


PIPELINED_CLOCKS = 7
"""From a finished sum to its result, where sums are rounded one a clock."""


def serial_clocks(fixed: FixedPoint, rate: int) -> int:
    """Clocks for which a sum occupies a bit-serial normaliser of ``rate`` bits a clock."""
    return -(-(fixed.width - 1) // rate) + 2


def add_clocks(fmt: FloatFormat) -> int:
    """Clocks for rounding a chunk's sum and adding it to the total, bit by bit."""
    return 2 * (fmt.man_bits + 1) + 13
