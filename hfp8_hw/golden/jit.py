"""The optional numba kernels: the same results, compiled.

Loaded on the first large enough call. Set ``HFP8_NUMBA=0`` to do without them although numba is
installed. The kernels release the interpreter lock, so `threads` runs them on slices of large
arrays.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

Kernel = Callable[..., None]

_WORTH_COMPILING = 1 << 17
_WORTH_A_THREAD = 1 << 18


@dataclass(frozen=True)
class Kernels:
    """Compiled kernels.

    Members
    -------
    quantize : (words, codes, table)
        Upper halves of binary32 words, rounded to odd, looked up.
    nearest : (drop, gradual, neg_zero, over_signed, first)
        -> (words, codes, offset, least, small, top, over, nan)
        RNE by arithmetic, which vectorises where the shift is a constant; see `golden.fast`.
    matmul : by ``even`` (RNE, else RNA): (a, out, b, chunk, drop, half)
        See `hfp8_hw.golden.gemm`.
    """

    quantize: Kernel
    nearest: Callable[[int, bool, bool, bool, int], Kernel]
    matmul: dict[bool, Kernel]


def kernels(work: int) -> Kernels | None:
    """The kernels, if numba is there and ``work`` elementary steps are worth loading it."""
    if work < _WORTH_COMPILING or os.environ.get("HFP8_NUMBA", "1") == "0":
        return None
    return _compile()


def threads(kernel: Kernel, rows: int, work: int, sliced: tuple[Any, ...], *rest: Any) -> None:
    """Call ``kernel(*slices, *rest)`` over slices of ``rows`` rows, on all cores if it is worth it.

    ``sliced`` arrays are cut along their first axis; ``work`` is the number of elementary steps.
    """
    count = min(os.cpu_count() or 1, max(1, work // _WORTH_A_THREAD), max(rows, 1))
    if count == 1:
        kernel(*sliced, *rest)
        return
    edges = [rows * k // count for k in range(count + 1)]
    with ThreadPoolExecutor(count) as pool:
        jobs = [
            pool.submit(kernel, *(a[low:high] for a in sliced), *rest)
            for low, high in itertools.pairwise(edges)
        ]
        for job in jobs:
            job.result()


@cache
def _compile() -> Kernels | None:
    try:
        import numba
    except ImportError:
        return None

    # numba widens uint32 arithmetic to 64 bits; the casts keep it narrow, so that it vectorises.
    u32, f32 = np.uint32, np.float32
    zero, one, low, sixteen, twenty_four = u32(0), u32(1), u32(0xFFFF), u32(16), u32(24)
    mag_mask, sign_bit, infinity = u32(0x7FFFFFFF), u32(0x80), u32(0x7F800000)

    @numba.njit(cache=True, nogil=True)
    def quantize(words: Any, codes: Any, table: Any) -> None:
        for i in range(words.size):
            word = words[i]
            codes[i] = table[u32(word | u32(u32(word & low) + low)) >> sixteen]

    @cache
    def nearest(
        drop_bits: int, gradual: bool, neg_zero: bool, over_signed: bool, first_code: int
    ) -> Kernel:
        drop, half = u32(drop_bits), u32((1 << (drop_bits - 1)) - 1)
        first = u32(first_code)

        @numba.njit(cache=True, nogil=True)
        def kernel(
            words: Any,
            codes: Any,
            offset: Any,
            least: Any,
            small: Any,
            top: Any,
            over: Any,
            nan: Any,
        ) -> None:
            anchor, anchor_word = small, f32(small).view(u32)
            for i in range(words.size):
                word = words[i]
                mag = u32(word & mag_mask)
                sign = u32(u32(word >> twenty_four) & sign_bit)
                code = u32(u32(u32(mag + u32(half + u32(u32(mag >> drop) & one))) >> drop) - offset)
                if gradual:
                    below = u32(f32(mag.view(f32) + anchor).view(u32) - anchor_word)
                else:
                    below = first if mag > anchor_word else zero
                code = below if mag < least else code
                result = u32(code | sign)
                if not neg_zero:
                    result = zero if code == zero else result
                beyond = u32(over | sign) if over_signed else over
                result = beyond if code > top else result
                result = nan if mag > infinity else result
                codes[i] = np.uint8(result)

        return kernel

    def matmul(even: bool) -> Kernel:
        @numba.njit(cache=True, nogil=True)
        def kernel(a: Any, out: Any, b: Any, chunk: int, drop: Any, half: Any) -> None:
            rows, depth = a.shape
            columns = b.shape[1]
            mask = u32(~u32(u32(one << drop) - one))
            part = np.empty(columns, f32)
            for i in range(rows):
                out[i] = f32(0)
                for start in range(0, depth, chunk):
                    part[:] = f32(0)
                    stop = min(start + chunk, depth)
                    # Two steps a pass halve the traffic to the running sums; order is kept.
                    for k in range(start, stop - 1, 2):
                        x0, x1 = a[i, k], a[i, k + 1]
                        for j in range(columns):
                            word = f32(part[j] + x0 * b[k, j]).view(u32)
                            if even:
                                word = u32(word + u32(u32(word >> drop) & one))
                            word = u32(u32(word + half) & mask)
                            word = f32(word.view(f32) + x1 * b[k + 1, j]).view(u32)
                            if even:
                                word = u32(word + u32(u32(word >> drop) & one))
                            part[j] = u32(u32(word + half) & mask).view(f32)
                    if (stop - start) & 1:
                        x0 = a[i, stop - 1]
                        for j in range(columns):
                            word = f32(part[j] + x0 * b[stop - 1, j]).view(u32)
                            if even:
                                word = u32(word + u32(u32(word >> drop) & one))
                            part[j] = u32(u32(word + half) & mask).view(f32)
                    for j in range(columns):
                        word = f32(out[i, j] + part[j]).view(u32)
                        if even:
                            word = u32(word + u32(u32(word >> drop) & one))
                        out[i, j] = u32(u32(word + half) & mask).view(f32)

        return kernel

    return Kernels(quantize, nearest, {False: matmul(False), True: matmul(True)})
