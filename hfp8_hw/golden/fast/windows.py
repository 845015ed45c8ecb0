"""Convolutions at binary32 speed, without unfolding their windows.

What `golden.fast.gemm` computes of a map's unfolded windows, in the same order, so with the same
bits, and it holds where `gemm.applies`. A window's values for one tap are those of another tap
further on in memory: sorted by their place modulo the strides, those that neighbouring windows need
are neighbours. So a tap is one multiplication of a row of places, and no window is ever copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes.operands import value_table
from ..codes.pack import code_dtype
from ..steps import Accumulator
from . import jit

_PLACES = 2048
"""Sums at work at a time: 8 KiB, with their operands a part of a first-level cache."""
_CACHED = 1 << 18
"""Values of a map at work at a time: 1 MiB, a second-level cache."""


@dataclass(frozen=True)
class Geometry:
    """How a kernel moves over a map; all pairs are (down, across).

    Members
    -------
    kernel, strides, dilations, places : (int, int)
        ``places`` of the result.
    pads : (int, int, int, int)
        Above, on the left, below, on the right.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    places: tuple[int, int]


def convolve(
    a: NDArray[np.float32], maps: NDArray[np.uint8], fmt_b: Any, shape: Geometry, chunk: int,
    acc: Accumulator, out: NDArray[Any], units: slice, rows: slice,
) -> None:  # fmt: skip
    """Accumulator codes of some units and rows of A, put into ``out``, by this thread alone.

    Parameters
    ----------
    a : ndarray
        Values, (groups, m, k), k in the order (line, column, channel).
    maps : ndarray
        Codes of ``fmt_b``, (images, groups * channels, height, width).
    out : ndarray
        (groups, m, images * places), in the accumulator's ``code_dtype``.
    units : slice
        Of images * groups, of which each is a unit: a group of an image.
    """
    assert out.dtype == code_dtype(acc.fmt)
    man = acc.fmt.man_bits
    drop, even = np.uint32(23 - man), acc.rounding.mode == "RNE"
    half = np.uint32((1 << (int(drop) - 1)) - (1 if even else 0))
    taps = shape.kernel[0] * shape.kernel[1]
    high, wide = (
        -(-(maps.shape[2 + k] + shape.pads[k] + shape.pads[k + 2]) // shape.strides[k])
        for k in range(2)
    )
    offsets = np.empty(taps, np.int64)
    for tap in range(taps):
        (below, y), (right, x) = (
            divmod(place * shape.dilations[k], shape.strides[k])
            for k, place in enumerate(divmod(tap, shape.kernel[1]))
        )
        offsets[tap] = (y * shape.strides[1] + x) * high * wide + below * wide + right
    table = value_table(fmt_b).astype(np.float32)
    sizes = (*shape.pads[:2], *shape.strides, high, wide, *shape.places, a.shape[2] // taps)
    rebias = np.uint32((127 - acc.fmt.bias) << man)
    some = (units.start, units.stop, rows.start, rows.stop)
    _kernel(even)(a, maps, table, out, some, sizes, offsets, chunk, drop, half, rebias,
                  np.uint32(acc.fmt.width - 1))  # fmt: skip


def applies(rows: int, channels: int, work: int) -> bool:
    """Whether this is the quicker way for groups of so many rows of A and channels of the map, of
    ``work`` products in all, where `gemm.applies`. With many of both unfolding is worth it: few
    places of so many channels fit a cache."""
    return (rows <= 8 or channels <= 128) and jit.kernels(work) is not None


@cache
def _kernel(even: bool) -> jit.Kernel:
    import numba

    u32, f32 = np.uint32, np.float32
    zero, one, top_bit, mag_mask = u32(0), u32(1), u32(31), u32(0x7FFFFFFF)

    # Rounding is written out: numba keeps no kernel that calls another compiled function from one
    # process to the next.
    @numba.njit(cache=True, nogil=True)
    def kernel(
        a: Any, maps: Any, table: Any, out: Any, some: Any, sizes: Any, offsets: Any, chunk: int,
        drop: Any, half: Any, rebias: Any, sign_at: Any,
    ) -> None:  # fmt: skip
        groups, depth = a.shape[0], a.shape[2]
        first, last, first_row, last_row = some
        top, left, down, across, high, wide, lines, columns, channels = sizes
        mask = u32(~u32(u32(one << drop) - one))
        plane = high * wide
        # The padding is 0, and stays it.
        planes = np.zeros((channels, down * across * plane), f32)
        step = max(1, min(_PLACES, _CACHED // channels) // wide)
        column_at = np.empty(maps.shape[3], np.int64)
        for w in range(maps.shape[3]):
            column_at[w] = (w + left) % across * plane + (w + left) // across
        part = np.empty(min(step, lines) * wide, f32)
        total = np.empty(min(step, lines) * wide, f32)
        for unit in range(first, last):
            image, g = unit // groups, unit % groups
            for c in range(channels):
                for h in range(maps.shape[2]):
                    y = h + top
                    start = (y % down) * across * plane + (y // down) * wide
                    line_of = maps[image, g * channels + c, h]
                    if across == 1:
                        row = planes[c, start + left : start + left + line_of.size]
                        for w in range(line_of.size):
                            row[w] = table[line_of[w]]
                    else:
                        for w in range(line_of.size):
                            planes[c, start + column_at[w]] = table[line_of[w]]
            for line in range(0, lines, step):
                many = min(step, lines - line)
                n = (many - 1) * wide + columns
                for i in range(first_row, last_row):
                    for start in range(0, depth, chunk):
                        part[:n] = f32(0)
                        stop = min(start + chunk, depth)
                        for k in range(start, stop - 1, 2):
                            x0, x1 = a[g, i, k], a[g, i, k + 1]
                            at = offsets[k // channels] + line * wide
                            b0 = planes[k % channels, at : at + n]
                            at = offsets[(k + 1) // channels] + line * wide
                            b1 = planes[(k + 1) % channels, at : at + n]
                            for j in range(n):
                                word = f32(part[j] + x0 * b0[j]).view(u32)
                                if even:
                                    word = u32(word + u32(u32(word >> drop) & one))
                                word = u32(u32(word + half) & mask)
                                word = f32(word.view(f32) + x1 * b1[j]).view(u32)
                                if even:
                                    word = u32(word + u32(u32(word >> drop) & one))
                                part[j] = u32(u32(word + half) & mask).view(f32)
                        if (stop - start) & 1:
                            x0 = a[g, i, stop - 1]
                            at = offsets[(stop - 1) // channels] + line * wide
                            b0 = planes[(stop - 1) % channels, at : at + n]
                            for j in range(n):
                                word = f32(part[j] + x0 * b0[j]).view(u32)
                                if even:
                                    word = u32(word + u32(u32(word >> drop) & one))
                                part[j] = u32(u32(word + half) & mask).view(f32)
                        if start == 0:
                            total[:n] = part[:n]
                        else:
                            for j in range(n):
                                word = f32(total[j] + part[j]).view(u32)
                                if even:
                                    word = u32(word + u32(u32(word >> drop) & one))
                                total[j] = u32(u32(word + half) & mask).view(f32)
                    for p in range(many):
                        at = (image * lines + line + p) * columns
                        for q in range(columns):
                            word = f32(total[p * wide + q]).view(u32)
                            mag = u32(u32(word & mag_mask) >> drop)
                            code = zero if mag == zero else u32(mag - rebias)
                            out[g, i, at + q] = u32(code | u32(u32(word >> top_bit) << sign_at))

    return kernel
