"""The accumulator's rounding: sums to DLFLOAT16, RNA, overflow to NaN-Inf.

DLFLOAT16 has p = 10 bits of significand. A sum of a DLFLOAT16 value and a term of at most 10 bits,
computed in binary32 and rounded to 10 bits once more, is the exact sum rounded once: binary32 drops
bits only where the smaller term lies more than 14 bits below the sum's leading one, and there the
exact sum is too close to a 10-bit value to be near a tie (2p + 2 <= 24). The same holds in binary64
for terms of up to 41 bits, so for products of DLFLOAT16 values. The text beside ``applies`` of
`golden.fast.gemm` has the argument. Both need that the sum is no subnormal of the wider format.

Cutting the sum off instead, as a GPU's tensor cores do, is right too. They align both terms to the
larger exponent, cut each off some 24 bits below it, add, and cut the sum off. A tie has 11 bits, so
cutting off a sum that is exact does not carry it across one. If the smaller term loses bits when it
is aligned, it is below 2**-13 of the larger one's leading bit, and the larger one, with its 10
bits, is at least 2**-11 away from any tie (or 2**-12, below a power of two). How many bits they
keep is in no document: `bench` compares with golden.

To round a magnitude to 10 bits, ties away from zero, add half of the last place that stays and cut
the rest off: ``(word + 0x2000) & ~0x3fff`` on a binary32 word. A carry runs into the exponent, as
it should. The word may be any zero or finite value; NaN and infinities are put in afterwards.

Two ends are then not as in binary32. Below the smallest value, 2**-31 (1 + 2**-9), a sum goes to
it from one half of it up, else to zero; 2**-31 itself, whose code means zero, goes up. And a sum
that rounds beyond the largest value is NaN-Inf.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import ParameterError
from ..formats import CATALOGUE
from .kernels import elementwise

ACC = CATALOGUE["DLFLOAT16"]
SMALLEST, LARGEST = ACC.min, ACC.max
HALF_PLACE = 1 << 22
"""Half of the last place of the largest values, those from 2**32 up."""
BEYOND = LARGEST + HALF_PLACE
"""The least magnitude that overflows."""

_HALF, _KEEP = 0x2000, ~0x3FFF
_HALF_WIDE, _KEEP_WIDE = 1 << 42, ~((1 << 43) - 1)
_REBIAS = (127 - ACC.bias) << ACC.man_bits


def round_normal_(total: Tensor) -> Tensor:
    """Round binary32 sums to 10 bits in place; right for 0 and for magnitudes within the range."""
    total.view(torch.int32).add_(_HALF).bitwise_and_(_KEEP)
    return total


def round_any(total: Tensor) -> Tensor:
    """Round sums, binary32 or binary64, to DLFLOAT16 values; NaN where they overflow or are NaN.

    Raises
    ------
    ParameterError
        For another dtype, whose words would be read as those of binary64.
    """
    if total.dtype not in (torch.float32, torch.float64):
        raise ParameterError(
            f"sums of {total.dtype} are not allowed: torch.float32 or torch.float64"
        )
    if elementwise.takes(total):
        return elementwise.to_sums(total, codes=False, values=True)[1]
    good = total.abs() < BEYOND
    if total.dtype == torch.float32:
        rounded = ((total.view(torch.int32) + _HALF) & _KEEP).view(torch.float32)
    else:
        rounded = ((total.view(torch.int64) + _HALF_WIDE) & _KEEP_WIDE).view(torch.float64)
    size = total.abs()
    low = torch.where(size >= SMALLEST / 2, SMALLEST, 0.0).to(total.dtype).copysign(total)
    rounded = torch.where(size < SMALLEST, low, rounded)
    return torch.where(good, rounded, torch.nan)


def encode(values: Tensor) -> Tensor:
    """The ``int16`` codes of DLFLOAT16 values in binary32 or binary64; any NaN is NaN-Inf."""
    if elementwise.takes(values):
        return elementwise.to_sums(values, codes=True, values=False)[0]
    word = values.to(torch.float32).view(torch.int32)
    mag = (word & 0x7FFFFFFF) >> (23 - ACC.man_bits)
    code = torch.where(mag == 0, 0, mag - _REBIAS) | torch.where(word < 0, ACC.sign_mask, 0)
    return torch.where(values.isnan(), ACC.mag_mask, code).to(torch.int16)


def encode_any(values: Tensor) -> Tensor:
    """``encode(round_any(values))``."""
    if elementwise.takes(values):
        return elementwise.to_sums(values, codes=True, values=False)[0]
    return encode(round_any(values))


def encode_and_round(values: Tensor) -> tuple[Tensor, Tensor]:
    """`encode_any` and `round_any` of ``float32`` values."""
    if elementwise.takes(values):
        return elementwise.to_sums(values, codes=True, values=True)
    rounded = round_any(values)
    return encode(rounded), rounded


def from_fixed(units: Tensor, lsb: int) -> Tensor:
    """Round integers below 2**62, in units of 2**lsb, to DLFLOAT16 values in binary32.

    What lies above 52 bits loses its last ten to a sticky bit: the rest has at least 42 bits, and
    the rounding looks at eleven and at whether anything is below.
    """
    size = units.abs()
    sticky = (size >> 10) | ((size & 1023) != 0).to(torch.int64)
    big = size >= 1 << 52
    exact = torch.where(big, sticky, size).to(torch.float64)
    value = exact * torch.where(big, 2.0 ** (lsb + 10), 2.0**lsb).to(torch.float64)
    return round_any(torch.where(units < 0, -value, value)).to(torch.float32)
