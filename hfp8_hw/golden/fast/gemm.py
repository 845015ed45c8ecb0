"""Matrix products at binary32 speed, where that is bit-exact; `applies` says where, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes.bits import bit_length, split
from ..codes.pack import code_dtype
from ..steps import Accumulator
from . import jit

_TILE = 8192
"""Accumulators in one NumPy tile: 32 KiB, a first-level cache."""


def lsb_and_bits(values: NDArray[np.float64]) -> tuple[int, int]:
    """The exponent of the lowest bit set in any value, and the widest significand."""
    parts = split(values[values != 0])
    if not parts.sig.size:
        return 0, 1
    trailing = bit_length(parts.sig & -parts.sig) - 1
    return int((parts.exp + trailing).min()), int((bit_length(parts.sig) - trailing).max())


def applies(
    x: NDArray[np.float64], y: NDArray[np.float64], depth: int, chunk: int, acc: Accumulator
) -> bool:
    """Whether sums of ``depth`` products of values in x and in y, in chunks, are exact this way.

    A sum of an accumulator value (p bits) and a product (at most p bits), computed in binary32 and
    then rounded to p bits to nearest, equals the exact sum rounded once if 2p + 2 <= 24: binary32
    only drops bits where the smaller term lies more than 24 - p bits below the larger one, and
    there the exact sum is too close to a p-bit value to be near a tie. That needs

    - operands and products that are binary32 values: of the operands each has at most p bits, so
      their lowest bits and magnitudes decide; of the products the range of the sums does.
    - sums that are 0 or normal, in the accumulator and in binary32. All are multiples of the lowest
      bit of any product, also after rounding, so this bit must not lie below.
    - sums that never overflow. With every product at most T, a rounded sum of k of them is at most
      k T (1 + 2**-p)**k. It is also at most 2 k T: the accumulator's value before an addition is
      itself a candidate for the value after it, so rounding moves the sum by the product's
      magnitude at most. Both hold again for the sums of chunks, for 4 k T in all.
    """
    p = acc.fmt.man_bits + 1
    if acc.rounding.mode not in ("RNE", "RNA") or 2 * p + 2 > 24:
        return False
    if not (x.size and y.size and np.isfinite(x).all() and np.isfinite(y).all()):
        return False
    (low_x, bits_x), (low_y, bits_y) = lsb_and_bits(x), lsb_and_bits(y)
    top_x, top_y = float(np.abs(x).max()), float(np.abs(y).max())
    operands = min(low_x, low_y) >= -149 and max(top_x, top_y) < 2.0**128
    roundings = min(chunk, depth) + -(-depth // chunk)
    growth = min(4.0, (1 + 2.0**-p) ** min(roundings, 2 << p))
    return (
        operands
        and bits_x + bits_y <= p
        and 2.0 ** (low_x + low_y) >= max(acc.fmt.min_normal, 2.0**-126)
        and top_x * top_y * depth * growth <= min(acc.fmt.max, 2.0**127)
    )


def matmul(
    x: NDArray[np.float64], y: NDArray[np.float64], chunk: int, acc: Accumulator
) -> NDArray[Any]:
    """Accumulator codes of x @ y, summed in chunks; call only where `applies`."""
    a, b = x.astype(np.float32), np.ascontiguousarray(y, np.float32)
    drop = np.uint32(23 - acc.fmt.man_bits)
    even = acc.rounding.mode == "RNE"
    half = np.uint32((1 << (int(drop) - 1)) - (1 if even else 0))
    out = np.empty((a.shape[0], b.shape[1]), np.float32)
    work = a.size * b.shape[1]
    compiled = jit.kernels(work)
    if compiled is not None:
        jit.threads(compiled.matmul[even], len(a), work, (a, out), b, chunk, drop, half)
    else:
        rows = max(1, _TILE // b.shape[1])
        for start in range(0, len(a), rows):
            _tile(a[start : start + rows], b, out[start : start + rows], chunk, drop, half, even)
    return codes(out, acc)


def grouped(
    a: NDArray[np.float32], b: NDArray[np.float32], chunk: int, acc: Accumulator, work: int
) -> NDArray[Any]:
    """Accumulator codes of each of some products, (groups, m, k) @ (groups, k, n), by this thread
    alone; call only where `applies`. Both are contiguous; ``work`` as in `jit.kernels`."""
    drop = np.uint32(23 - acc.fmt.man_bits)
    even = acc.rounding.mode == "RNE"
    half = np.uint32((1 << (int(drop) - 1)) - (1 if even else 0))
    out = np.empty((*a.shape[:2], b.shape[2]), np.float32)
    compiled = jit.kernels(work)
    if compiled is not None:
        for group in range(len(a)):
            compiled.matmul[even](a[group], out[group], b[group], chunk, drop, half)
        return codes(out, acc)
    rows = max(1, _TILE // b.shape[2])
    for group in range(len(a)):
        for start in range(0, a.shape[1], rows):
            part = slice(start, start + rows)
            _tile(a[group, part], b[group], out[group, part], chunk, drop, half, even)
    return codes(out, acc)


def codes(out: NDArray[np.float32], acc: Accumulator) -> NDArray[Any]:
    """Codes of zeros and values that are normal numbers of the accumulator format.

    The exponent is re-biased and the dropped mantissa bits, all zero, are cut off.
    """
    word = out.view(np.uint32)
    mag = (word & np.uint32(0x7FFFFFFF)) >> np.uint32(23 - acc.fmt.man_bits)
    rebias = np.int32((127 - acc.fmt.bias) << acc.fmt.man_bits)
    code = np.where(mag == 0, np.int32(0), mag.view(np.int32) - rebias).view(np.uint32)
    sign = (word >> np.uint32(31)) << np.uint32(acc.fmt.width - 1)
    return (code | sign).astype(code_dtype(acc.fmt))


def _tile(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    out: NDArray[np.float32],
    chunk: int,
    drop: np.uint32,
    half: np.uint32,
    even: bool,
) -> None:
    """A few rows of the product, in buffers that stay in the cache."""
    part, term = np.empty_like(out), np.empty_like(out)
    scratch = np.empty(out.shape, np.uint32)
    columns = np.ascontiguousarray(a.T)[:, :, None]
    out[:] = 0
    for start in range(0, a.shape[1], chunk):
        part[:] = 0
        for k in range(start, min(start + chunk, a.shape[1])):
            np.multiply(columns[k], b[k], out=term)
            np.add(part, term, out=part)
            _round(part, scratch, drop, half, even)
        np.add(out, part, out=out)
        _round(out, scratch, drop, half, even)


def _round(
    x: NDArray[np.float32],
    scratch: NDArray[np.uint32],
    drop: np.uint32,
    half: np.uint32,
    even: bool,
) -> None:
    """Round binary32 values in place to the nearest with ``drop`` fewer mantissa bits."""
    word = x.view(np.uint32)
    if even:
        np.right_shift(word, drop, out=scratch)
        np.bitwise_and(scratch, np.uint32(1), out=scratch)
        np.add(word, scratch, out=word)
    np.add(word, half, out=word)
    np.bitwise_and(word, ~np.uint32((1 << int(drop)) - 1), out=word)
