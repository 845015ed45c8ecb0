"""Codes at the edges of a format, and those beside the values and ties of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.formats import FloatFormat
from hfp8_hw.golden import decode, quantize

_LOW, _HIGH = 24, 8
"""Values and ties at the ends of a format that get single bits beyond them."""


def edge_codes(fmt: FloatFormat) -> NDArray[np.int64]:
    """Zeros, the ends of the first and last binades, specials, and their neighbours."""
    man = 1 << fmt.man_bits
    top = fmt.max_code
    mags = {0, 1, 2, man - 1, man, man + 1, 2 * man - 1, 2 * man, top - 1, top, fmt.mag_mask}
    one = fmt.bias << fmt.man_bits  # the code of 1.0, where there is one
    mags |= {one - 1, one, one + 1, one + man // 2, top // 2}
    mags |= {c for c in (fmt.nan_code, fmt.inf_code, top + 1, top + 2) if c is not None}
    kept = sorted({m & fmt.mag_mask for m in mags if m >= 0})
    return np.array([*kept, *(m | fmt.sign_mask for m in kept)], dtype=np.int64)


def _points(src: FloatFormat, dst: FloatFormat) -> NDArray[np.int64]:
    """Positive codes of ``src`` at every value of ``dst`` and every tie, in order."""
    count, end = dst.max_code + 1, 1 << 8
    # All of a format with few codes, of others both ends.
    ends = [range(count)] if count <= 2 * end else [range(end), range(count - end, count)]
    codes = np.concatenate([np.array(some) for some in ends])
    values = np.abs(decode(codes, dst))
    values = np.unique(values[np.isfinite(values)])
    last = values[-1] - values[-2]
    values = np.append(values, values[-1] + last * np.array([0.5, 1.0, 1.5]))
    points = np.concatenate([values, (values[1:] + values[:-1]) / 2])
    return np.unique(quantize(points, src, rounding="RNE").astype(np.int64))


def halfway_codes(src: FloatFormat, dst: FloatFormat) -> NDArray[np.int64]:
    """Codes of ``src`` at every value of ``dst`` and every tie between two, one code to either
    side of each, where ``src`` reaches them."""
    near = _points(src, dst)
    around = np.unique(np.concatenate([near, near - 1, near + 1]))
    around = around[(around >= 0) & (around <= src.max_code)]
    return np.concatenate([around, around | src.sign_mask])


def single_bits(fmt: FloatFormat, dst: FloatFormat | None) -> NDArray[np.int64]:
    """Significands with one bit set below the leading one, for every bit and each kind of exponent
    (zero, the lowest, that of 1.0, the highest of numbers, the special one), and exponents with
    one bit set or clear; with ``dst``, also one bit beyond the lowest and highest values and ties
    of that format."""
    top = fmt.mag_mask >> fmt.man_bits
    bits = 1 << np.arange(top.bit_length())
    fields = {0, 1, fmt.bias, fmt.max_code >> fmt.man_bits, top} & set(range(top + 1))
    starts = np.array(sorted(fields)) << fmt.man_bits
    if dst is not None:
        near = _points(fmt, dst)
        starts = np.concatenate([starts, near[:_LOW], near[-_HIGH:]])
    beyond = starts[:, None] | 1 << np.arange(fmt.man_bits)
    alone = np.concatenate([bits, top - bits]) << fmt.man_bits
    codes = np.unique(np.concatenate([beyond.reshape(-1), alone, alone | 1]))
    codes = codes[codes <= fmt.mag_mask]
    return np.concatenate([codes, codes | fmt.sign_mask])
