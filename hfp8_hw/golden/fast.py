"""float32 to an 8-bit format by one table look-up, in NumPy and, where installed, numba.

The upper 16 bits of a float32 hold sign, exponent and 7 mantissa bits. With the lowest of them
set wherever the lower half is nonzero (rounding to odd), they decide every rounding to a format of
at most 5 mantissa bits: such a format's values, the points halfway between them and the point
halfway to its smallest value have at most 6 mantissa bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FloatFormat
from ..rounding import Rounding
from . import jit

Builder = Callable[[NDArray[np.float64], FloatFormat, Rounding, str], NDArray[Any]]

_BLOCK = 1 << 14


def applies(fmt: FloatFormat) -> bool:
    """Whether the table decides: at most 8 bits, at most 5 of them mantissa."""
    return fmt.width <= 8 and fmt.man_bits <= 5


@lru_cache(maxsize=64)
def _codes(
    fmt: FloatFormat, rounding: Rounding, overflow: str, builder: Builder
) -> NDArray[np.uint8]:
    """The code for each upper half; 64 KiB."""
    halves = np.arange(1 << 16, dtype=np.uint32) << 16
    with np.errstate(invalid="ignore"):  # signalling NaNs
        values = halves.view(np.float32).astype(np.float64)
    return builder(values, fmt, rounding, overflow).astype(np.uint8)


def quantize(
    x: NDArray[np.float32],
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
    table_builder: Builder,
) -> NDArray[np.uint8]:
    """Codes of float32 values in a deterministic rounding; see `hfp8_hw.golden.quantize`."""
    table = _codes(fmt, rounding, overflow, table_builder)
    contiguous = np.ascontiguousarray(x)
    out = np.empty(x.shape, np.uint8)
    words, codes = contiguous.reshape(-1).view(np.uint32), out.reshape(-1)
    compiled = jit.kernels(words.size)
    if compiled is not None:
        jit.threads(compiled.quantize, words.size, words.size, (words, codes), table)
        return out
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
        np.take(table, index[:n], out=codes[start : start + n], mode="clip")
    return out
