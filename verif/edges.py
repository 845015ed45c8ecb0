"""Codes at the edges of a format, and those beside the values and ties of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.formats import FloatFormat
from hfp8_hw.golden import decode, quantize


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


def halfway_codes(src: FloatFormat, dst: FloatFormat) -> NDArray[np.int64]:
    """Codes of ``src`` at every value of ``dst`` and every tie between two, one code to either
    side of each, where ``src`` reaches them."""
    count, end = dst.max_code + 1, 1 << 8
    # All of a format with few codes, of others both ends.
    ends = [range(count)] if count <= 2 * end else [range(end), range(count - end, count)]
    codes = np.concatenate([np.array(some) for some in ends])
    values = np.abs(decode(codes, dst))
    values = np.unique(values[np.isfinite(values)])
    last = values[-1] - values[-2]
    values = np.append(values, values[-1] + last * np.array([0.5, 1.0, 1.5]))
    points = np.concatenate([values, (values[1:] + values[:-1]) / 2])
    near = quantize(points, src, rounding="RNE").astype(np.int64)
    around = np.unique(np.concatenate([near, near - 1, near + 1]))
    around = around[(around >= 0) & (around <= src.max_code)]
    return np.concatenate([around, around | src.sign_mask])
