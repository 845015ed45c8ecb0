"""The optional numba kernels: the same results, compiled.

Loaded on the first large enough call. Set ``HFP8_NUMBA=0`` to do without them although numba is
installed. The kernels release the interpreter lock, so `threads` runs them on slices of large
arrays.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ...cores import cores

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
        RNE by arithmetic, which vectorises where the shift is a constant; see `golden.fast.lookup`.
    stochastic : (words, rbits, codes, flags, man, bias, zero_exp, n, top, over, over_signed, nan,
        nan_flags, neg_zero)
        SR(n) of binary32 words by integers; ``zero_exp`` as an index of `formats.ZERO_EXP`.
    matmul : by ``even`` (RNE, else RNA): (a, out, b, chunk, drop, half)
        See `hfp8_hw.golden.fast.gemm`.
    wide : (a, out, b, chunk, drop, half, least, top)
        Likewise, in binary64; see `hfp8_hw.golden.fast.wide`.
    """

    quantize: Kernel
    nearest: Callable[[int, bool, bool, bool, int], Kernel]
    stochastic: Kernel
    matmul: dict[bool, Kernel]
    wide: Kernel


def kernels(work: int) -> Kernels | None:
    """The kernels, if numba is there and ``work`` elementary steps are worth loading it."""
    if work < _WORTH_COMPILING or os.environ.get("HFP8_NUMBA", "1") == "0":
        return None
    return _compile()


def threads(kernel: Kernel, rows: int, work: int, sliced: tuple[Any, ...], *rest: Any) -> None:
    """Call ``kernel(*slices, *rest)`` over slices of ``rows`` rows, on all cores if it is worth it.

    ``sliced`` arrays are cut along their first axis; ``work`` is the number of elementary steps.
    """
    count = min(cores(), max(1, work // _WORTH_A_THREAD), max(rows, 1))
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

    # No kernel may call another compiled function: numba could not find it again in the next
    # process, and would compile it each time.
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

    @numba.njit(cache=True, nogil=True)
    def stochastic(
        words: Any, rbits: Any, codes: Any, flags: Any, man: int, bias: int, zero_exp: int, n: int,
        top: int, over: int, over_signed: bool, nan: int, nan_flags: int, neg_zero: bool,
    ) -> None:  # fmt: skip
        for i in range(words.size):
            word, random = np.int64(words[i]), np.int64(rbits[i])
            negative, mag = word >> 31, word & 0x7FFFFFFF
            if mag > 0x7F800000:
                codes[i], flags[i] = nan, nan_flags
                continue
            biased = mag >> 23
            sig = mag & 0x7FFFFF | (np.int64(biased > 0) << 23)
            if sig == 0:
                codes[i], flags[i] = (0x80 if negative and neg_zero else 0), 0
                continue
            exp = (biased if biased else 1) - 150
            length = 0
            while sig >> length:
                length += 1
            field = exp + length - 1 + bias
            floor = 0 if zero_exp == 1 else 1
            tiny = field < floor
            field = max(field, floor)
            drop = (1 - bias if zero_exp == 2 and tiny else field - man - bias) - exp
            whole = sig << -drop if drop <= 0 else sig >> min(drop, 62)
            rest = sig - (whole << drop) if 0 < drop <= 62 else (sig if drop > 62 else 0)
            cut = drop - n
            fraction = rest >> min(cut, 62) if cut > 0 else rest << -cut
            up = np.int64(drop > 0 and fraction + random >= 1 << n)
            code = up << man if zero_exp == 2 and tiny else ((field - 1) << man) + whole + up
            inexact = rest != 0
            if zero_exp == 1:
                # Between 0 and the smallest value; see pack._gap_up.
                tiny = tiny or (field == 0 and whole == 1 << man)
                if tiny:
                    count = -(exp + bias + man + n)
                    scaled = sig >> min(count, 62) if count > 0 else sig << -count
                    code = np.int64(scaled >= ((1 << n) - random) * ((1 << man) + 1))
                    inexact = True
            mark = (6 if tiny else 4) if inexact else 0
            sign = 0x80 if negative else 0
            if biased == 255 or code > top:
                mark = 7 if biased < 255 and tiny else 5
                codes[i], flags[i] = (over | sign if over_signed else over), mark
            else:
                codes[i], flags[i] = (code | sign if neg_zero or code else 0), mark

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

    i64, f64 = np.int64, np.float64

    @numba.njit(cache=True, nogil=True)
    def wide(
        a: Any, out: Any, b: Any, chunk: int, drop: Any, half: Any, least: float, top: float
    ) -> None:
        mask = i64(~i64(i64(i64(1) << drop) - i64(1)))
        columns = b.shape[2]
        part = np.empty(columns, f64)
        for g in range(a.shape[0]):
            for i in range(a.shape[1]):
                total = out[g, i]
                total[:] = 0.0
                for start in range(0, a.shape[2], chunk):
                    part[:] = 0.0
                    for k in range(start, min(start + chunk, a.shape[2])):
                        x = a[g, i, k]
                        for j in range(columns):
                            y = part[j] + x * b[g, k, j]
                            z: Any = i64(i64(f64(y).view(i64) + half) & mask).view(f64)
                            small = abs(y)
                            edge = least if small + small >= least else 0.0
                            z = math.copysign(edge, y) if small < least else z
                            part[j] = math.nan if abs(z) > top else z
                    for j in range(columns):
                        y = total[j] + part[j]
                        z = i64(i64(f64(y).view(i64) + half) & mask).view(f64)
                        small = abs(y)
                        edge = least if small + small >= least else 0.0
                        z = math.copysign(edge, y) if small < least else z
                        total[j] = math.nan if abs(z) > top else z

    every = {False: matmul(False), True: matmul(True)}
    return Kernels(quantize, nearest, stochastic, every, wide)
