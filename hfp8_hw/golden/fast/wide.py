"""Matrix products in binary64: in chunks where `gemm` does not apply, and exactly.

`chunked_applies` and `exact_applies` say where each gives the right bits, and why.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes.pack import code_dtype
from ..steps import Accumulator
from . import jit
from .gemm import lsb_and_bits


def chunked_applies(x: NDArray[np.float64], y: NDArray[np.float64], acc: Accumulator) -> bool:
    """Whether `chunked` gives sums of products of values in x and in y.

    The accumulator is one whose exponent 0 is an ordinary binade, which rounds to nearest with ties
    away from zero, overflows to NaN and has p bits. The kernel computes each sum in binary64, and
    rounds that to p bits.

    - Products are exact in binary64: the bits of both operands are at most 53.
    - From the smallest value up, rounding twice is harmless as 2p + 2 <= 53; see `gemm.applies`.
    - Below it the sum is exact in binary64. Accumulator values are multiples of 2**-(bias + p - 1),
      products of their lowest bit; both have to be at least 2**-53 of the smallest value. There the
      kernel decides between 0 and the smallest value.
    - NaN stays NaN, of an operand or from an overflow; infinities are none of the operands.
    """
    fmt = acc.fmt
    p = fmt.man_bits + 1
    usual = (fmt.zero_exp, fmt.specials, acc.rounding.mode, acc.overflow)
    if usual != ("normal", "dl", "RNA", "special") or 2 * p + 2 > 53 or fmt.width > 16:
        return False
    x, y = x[~np.isnan(x)], y[~np.isnan(y)]
    if np.isinf(x).any() or np.isinf(y).any():
        return False
    (low_x, bits_x), (low_y, bits_y) = lsb_and_bits(x), lsb_and_bits(y)
    lowest = min(low_x + low_y, -(fmt.bias + p - 1))
    return bits_x + bits_y <= 53 and lowest > -1000 and fmt.min * 2.0**-53 <= 2.0**lowest


def chunked(
    a: NDArray[np.float64], b: NDArray[np.float64], chunk: int, acc: Accumulator, work: int
) -> NDArray[Any] | None:
    """Accumulator codes of each of some products, (groups, m, k) @ (groups, k, n), by this thread
    alone; call only where `chunked_applies`. None without numba, and where ``work``, as in
    `jit.kernels`, is not worth it."""
    compiled = jit.kernels(work)
    if compiled is None:
        return None
    fmt = acc.fmt
    drop = 52 - fmt.man_bits
    out = np.empty((*a.shape[:2], b.shape[2]), np.float64)
    compiled.wide(a, out, b, chunk, np.int64(drop), np.int64(1 << (drop - 1)), fmt.min, fmt.max)
    return _codes(out, acc)


def _codes(out: NDArray[np.float64], acc: Accumulator) -> NDArray[Any]:
    """Codes of zeros, of values of the accumulator's format, and of NaN."""
    fmt = acc.fmt
    word = out.view(np.int64)
    mag = (word & np.int64(2**63 - 1)) >> (52 - fmt.man_bits)
    code = np.where(mag == 0, 0, mag - ((1023 - fmt.bias) << fmt.man_bits))
    code |= np.where(word < 0, fmt.sign_mask, 0)
    return np.where(np.isnan(out), fmt.nan_code or 0, code).astype(code_dtype(fmt))


def exact_applies(x: NDArray[np.float64], y: NDArray[np.float64], depth: int) -> bool:
    """Whether binary64 holds every sum of up to ``depth`` products of values in x and in y: all are
    multiples of the products' lowest bit, and at most 2**53 times as large. Then any order gives
    the exact sum, but for the sign of 0: a sum of zeros may be -0."""
    if not (x.size and y.size and np.isfinite(x).all() and np.isfinite(y).all()):
        return False
    low = lsb_and_bits(x)[0] + lsb_and_bits(y)[0]
    top = float(np.abs(x).max()) * float(np.abs(y).max()) * depth
    return low > -1000 and top <= 2.0**53 * 2.0**low
