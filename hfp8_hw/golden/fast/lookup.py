"""float32 to an 8-bit format by one table look-up, in NumPy and, where installed, numba.

The upper 16 bits of a float32 hold sign, exponent and 7 mantissa bits. With the lowest of them
set wherever the lower half is nonzero (rounding to odd), they decide every rounding to a format of
few mantissa bits and not too large a bias; `applies` says which, and why. Each faster way has such
a condition beside it. Outside of it the general path computes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import ZERO_EXP, FloatFormat
from ...rounding import Rounding
from . import jit

Builder = Callable[
    [NDArray[np.float64], FloatFormat, Rounding, str], tuple[NDArray[Any], NDArray[np.uint8]]
]

_BLOCK = 1 << 14


def applies(fmt: FloatFormat) -> bool:
    """Whether the table decides a deterministic rounding to this format.

    Take a word whose upper half is even. It and the words up to the next such word share two
    entries of the table: the word itself has one, all words strictly between have the other. So the
    table decides if every value where code or flags change, a threshold, is a word with an even
    upper half, or beyond the largest float32. Thresholds are the format's values, the points
    halfway between two of them, half the smallest, and the smallest normal.

    Words with an even upper half are the normal float32 of at most 6 mantissa bits, and the
    multiples of 2**-132 below 2**-126. Thresholds have at most M + 1 mantissa bits, so M <= 5 is
    enough for the former. Their lowest bit is never below that of half a step at the bottom:
    2**(-B-M), and 2**(-B-M-1) where exponent 0 is an ordinary binade. Where that is at least
    2**-132, the latter holds too; where it is less, a value of the format itself is out of place.
    """
    lowest = -fmt.bias - fmt.man_bits - (fmt.zero_exp == "normal")
    return fmt.width <= 8 and fmt.man_bits <= 5 and lowest >= -132


@lru_cache(maxsize=64)
def _codes(
    fmt: FloatFormat, rounding: Rounding, overflow: str, builder: Builder
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The code and the flags for each upper half; 128 KiB.

    The flags are decided by it too: a dropped lower half makes the lowest bit of the upper one,
    which no value of the format has, so it stays inexact; the ends of the range are its values.
    """
    halves = np.arange(1 << 16, dtype=np.uint32) << 16
    with np.errstate(invalid="ignore"):  # signalling NaNs
        values = halves.view(np.float32).astype(np.float64)
    codes, flags = builder(values, fmt, rounding, overflow)
    return codes.astype(np.uint8), flags


def quantize(
    x: NDArray[np.float32],
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
    table_builder: Builder,
) -> NDArray[np.uint8]:
    """Codes of float32 values in a deterministic rounding, for formats to which this `applies`."""
    table, _ = _codes(fmt, rounding, overflow, table_builder)
    contiguous = np.ascontiguousarray(x)
    out = np.empty(x.shape, np.uint8)
    words, codes = contiguous.reshape(-1).view(np.uint32), out.reshape(-1)
    compiled = jit.kernels(words.size)
    if compiled is not None and rounding.mode == "RNE" and nearest_applies(fmt):
        _nearest(compiled, words, codes, fmt, overflow)
        return out
    if compiled is not None:
        jit.threads(compiled.quantize, words.size, words.size, (words, codes), table)
        return out
    _look_up(words, (table, codes))
    return out


def quantize_flags(
    x: NDArray[np.float32],
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
    table_builder: Builder,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Codes and flags, by the same table."""
    tables = _codes(fmt, rounding, overflow, table_builder)
    words = np.ascontiguousarray(x).reshape(-1).view(np.uint32)
    codes, flags = np.empty(x.shape, np.uint8), np.empty(x.shape, np.uint8)
    outs = codes.reshape(-1), flags.reshape(-1)
    compiled = jit.kernels(words.size)
    for table, out in zip(tables, outs, strict=True):
        if compiled is not None:
            jit.threads(compiled.quantize, words.size, words.size, (words, out), table)
        else:
            _look_up(words, (table, out))
    return codes, flags


def stochastic(
    x: NDArray[np.float32],
    rbits: NDArray[np.int64],
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Codes and flags of SR(n) with a random word for each value; None where it does not apply.

    It needs numba, a word for each value, and codes of 8 bits, as the sign is taken to bit 7. The
    format's range does not matter: the kernel works on the 24-bit significand in int64. Left shifts
    of it are by at most M places in rounding, and of the rest, which is below 2**drop, by n - drop;
    in the gap below the smallest value |x| 2**(B+M+n) is below 2**(M+n+1), so all stay below 2**41.
    """
    compiled = jit.kernels(x.size)
    if compiled is None or rbits.shape != x.shape or fmt.width != 8:
        return None
    words = np.ascontiguousarray(x).reshape(-1).view(np.uint32)
    random = np.ascontiguousarray(rbits).reshape(-1)
    codes, flags = np.empty(x.shape, np.uint8), np.empty(x.shape, np.uint8)
    over, over_signed = _beyond(fmt, overflow)
    nan = fmt.max_code if fmt.nan_code is None else fmt.nan_code
    facts = (fmt.man_bits, fmt.bias, ZERO_EXP.index(fmt.zero_exp), rounding.sr_bits, fmt.max_code)
    ends = (over, over_signed, nan, 0 if fmt.has_nan else 8, fmt.has_neg_zero)
    sliced = (words, random, codes.reshape(-1), flags.reshape(-1))
    jit.threads(compiled.stochastic, words.size, words.size, sliced, *facts, *ends)
    return codes, flags


def _beyond(fmt: FloatFormat, overflow: str) -> tuple[int, bool]:
    """The magnitude where there is overflow, and whether it keeps its sign."""
    if overflow == "saturate":
        return fmt.max_code, True
    if fmt.inf_code is not None:
        return fmt.inf_code, True
    return fmt.nan_code or 0, False


def _look_up(
    words: NDArray[np.uint32], *pairs: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> None:
    """Fill each table's output, block by block."""
    size = min(_BLOCK, words.size)
    index = np.empty(size, np.intp)
    high = np.empty(size, np.uint32)
    for start in range(0, words.size, _BLOCK):
        block = words[start : start + _BLOCK]
        n = block.size
        # Adding 0xFFFF carries into bit 16 where the lower half is nonzero; OR-ing keeps an
        # odd half odd and makes an even one odd. A NaN whose word wraps is still a NaN below.
        np.bitwise_and(block, 0xFFFF, out=high[:n])
        np.add(high[:n], 0xFFFF, out=high[:n])
        np.bitwise_or(high[:n], block, out=high[:n])
        np.right_shift(high[:n], 16, out=index[:n], casting="unsafe")
        for table, out in pairs:
            np.take(table, index[:n], out=out[start : start + n], mode="clip")


def nearest_applies(fmt: FloatFormat) -> bool:
    """Whether the arithmetic of `_nearest` gives RNE, where the table `applies`.

    - The sign is taken to bit 7, so a code has 8 bits.
    - From the smallest normal value up the mantissa is rounded where it stands, so that value has
      to be a normal float32: 2**(1-B), or 2**-B (1 + 2**-M) in `normal` formats.
    - An infinity takes part as the word of 2**128. Its code on the continued grid, (128 + B) 2**M,
      has to lie beyond the largest one, or it would pass for a number.
    - In `gradual` formats a constant 2**(24-B-M) is added, which has to be a normal float32.
    - In others words are compared with half the smallest value. That is a float32 by the first
      three conditions, which leave B between -126 and 127.
    """
    least = -fmt.bias if fmt.zero_exp == "normal" else 1 - fmt.bias
    there = fmt.zero_exp != "gradual" or -126 <= _constant(fmt) <= 127
    beyond = (128 + fmt.bias) << fmt.man_bits > fmt.max_code
    return fmt.width == 8 and least >= -126 and beyond and there


def _constant(fmt: FloatFormat) -> int:
    """The exponent of the number whose last place, as a float32, is that of the subnormals."""
    return 24 - fmt.bias - fmt.man_bits


def _nearest(
    compiled: jit.Kernels,
    words: NDArray[np.uint32],
    codes: NDArray[np.uint8],
    fmt: FloatFormat,
    overflow: str,
) -> None:
    """RNE by arithmetic on the words: round the mantissa, re-bias, and mend both ends.

    Below the smallest normal value, `gradual` formats add a constant whose last place is that of
    the subnormals, so that the addition rounds there; others compare with half the smallest.
    """
    man = fmt.man_bits
    gradual = fmt.zero_exp == "gradual"
    small = 2.0 ** _constant(fmt) if gradual else fmt.min / 2
    over, over_signed = _beyond(fmt, overflow)
    nan = fmt.max_code if fmt.nan_code is None else fmt.nan_code
    kernel = compiled.nearest(23 - man, gradual, fmt.has_neg_zero, over_signed, fmt.min_code)
    u32 = np.uint32
    least = np.float32(fmt.min_normal).view(u32)
    offset = u32((127 - fmt.bias) << man)
    facts = (offset, least, np.float32(small), u32(fmt.max_code), u32(over), u32(nan))
    jit.threads(kernel, words.size, words.size, (words, codes), *facts)
