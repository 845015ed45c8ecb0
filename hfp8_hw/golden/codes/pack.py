"""The vectorised rounder: exact values in, codes and flags out. The one place that rounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...formats import FloatFormat
from ...rounding import Rounding
from .bits import I64, Parts, bit_length, shift_right

OVERFLOW, UNDERFLOW, INEXACT, INVALID = (np.uint8(1 << k) for k in range(4))


def code_dtype(fmt: FloatFormat) -> type[np.unsignedinteger]:
    """The smallest unsigned dtype that holds a code."""
    return np.uint8 if fmt.width <= 8 else np.uint16 if fmt.width <= 16 else np.uint32


def round_parts(
    parts: Parts,
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
    bias: NDArray[np.int64] | int,
    rbits: NDArray[np.int64] | None,
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Round finite values to (code, flags), both with the shape of ``parts.sig``.

    Significand 0 gives a zero with the sign of ``parts.neg`` where the format has -0.
    """
    neg, sig, exp, sticky = parts
    man, dl_zero = fmt.man_bits, fmt.zero_exp == "normal"
    field = exp + bit_length(sig) - 1 + bias
    floor_field = 0 if dl_zero else 1
    tiny = field < floor_field

    # The unit in the last place that the result keeps: in `flush` nothing below the smallest.
    keep = np.maximum(field, floor_field) - man - bias
    if fmt.zero_exp == "flush":
        keep = np.where(tiny, 1 - bias, keep)
    drop = keep - exp
    whole = shift_right(sig, drop)
    rest = sig - shift_right(whole, -np.minimum(drop, 62))
    rest = np.where(drop > 62, sig, np.where(drop > 0, rest, 0))
    up = _round_up(whole, rest, drop, sticky, neg, rounding, rbits)

    code = (np.maximum(field, floor_field) - 1) * (1 << man) + whole + up
    if fmt.zero_exp == "flush":
        code = np.where(tiny, up.astype(I64) << man, code)
    inexact = (rest != 0) | sticky
    if dl_zero:
        gap = tiny | ((field == 0) & (whole == 1 << man))
        if gap.any():
            up_gap = _gap_up(Parts(neg, sig, exp, sticky), fmt, rounding, bias, rbits)
            code = np.where(gap, up_gap, code)
        inexact |= gap
        tiny = gap
    zero = sig == 0
    code = np.where(zero, 0, code)
    inexact &= ~zero
    return _finish(code, neg, inexact, tiny & inexact, fmt, rounding, overflow)


def _round_up(
    whole: NDArray[np.int64],
    rest: NDArray[np.int64],
    drop: NDArray[np.int64],
    sticky: NDArray[np.bool_],
    neg: NDArray[np.bool_],
    rounding: Rounding,
    rbits: NDArray[np.int64] | None,
) -> NDArray[np.bool_]:
    """Whether to add one unit to ``whole``, given what was dropped: rest / 2**drop + sticky."""
    any_rest = (rest != 0) | sticky
    if rounding.mode in ("RNE", "RNA"):
        twice = shift_right(rest, drop - 1)  # 1 from one half up, since rest < 2**drop
        above_half = (twice >= 1) & (drop > 0)
        if rounding.mode == "RNA":
            return above_half
        half = np.where(drop <= 62, np.left_shift(1, np.clip(drop - 1, 0, 61)), 0)
        tie = above_half & (rest == half) & ~sticky
        return above_half & (~tie | (whole & 1 == 1))
    match rounding.mode:
        case "RTZ":
            return np.zeros(neg.shape, bool)
        case "RUP":
            return any_rest & ~neg
        case "RDN":
            return any_rest & neg
        case "RTO":
            return any_rest & (whole & 1 == 0)
    assert rbits is not None
    n = rounding.sr_bits
    fraction = np.where(drop > 0, shift_right(rest, drop - n), 0)
    return fraction + rbits >= 1 << n


def _gap_up(
    parts: Parts,
    fmt: FloatFormat,
    rounding: Rounding,
    bias: NDArray[np.int64] | int,
    rbits: NDArray[np.int64] | None,
) -> NDArray[np.bool_]:
    """`normal` formats, 0 < |x| < min = 2**-B * (1 + 2**-M): whether x goes up to min.

    f = |x| / min is never formed: f >= t / 2**n iff |x| * 2**(B+M+n) >= t * (2**M + 1).
    """
    neg, sig, exp, sticky = parts
    match rounding.mode:
        case "RTZ":
            return np.zeros(neg.shape, bool)
        case "RTO":
            return np.ones(neg.shape, bool)
        case "RUP":
            return ~neg
        case "RDN":
            return neg
    n = rounding.sr_bits if rounding.mode == "SR" else 1
    # Values outside the gap may shift out of range here; the caller ignores them.
    count = -(exp + bias + fmt.man_bits + n)
    scaled = shift_right(sig, count)
    threshold = (1 << fmt.man_bits) + 1
    if rounding.mode == "SR":
        assert rbits is not None
        return scaled >= ((1 << n) - rbits) * threshold
    if rounding.mode == "RNA":
        return scaled >= threshold
    exactly = (shift_right(scaled, -np.minimum(count, 62)) == sig) & (count <= 62) & ~sticky
    return (scaled > threshold) | ((scaled == threshold) & ~exactly)


def _finish(
    code: NDArray[np.int64],
    neg: NDArray[np.bool_],
    inexact: NDArray[np.bool_],
    tiny: NDArray[np.bool_],
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Overflow, sign and flags."""
    over = code > fmt.max_code
    flags = np.where(over, OVERFLOW | INEXACT, np.where(inexact, INEXACT, np.uint8(0)))
    flags = np.where(tiny, flags | UNDERFLOW, flags).astype(np.uint8)
    always = np.full(neg.shape, rounding.mode in ("RTZ", "RTO"))
    toward_zero = {"RUP": neg, "RDN": ~neg}.get(rounding.mode, always)
    code = np.where(over & toward_zero, fmt.max_code, code)
    code, neg = overflowed(code, neg, over & ~toward_zero, fmt, overflow)
    if not fmt.has_neg_zero:
        neg = neg & (code != 0)
    return code | np.where(neg, fmt.sign_mask, 0), flags


def overflowed(
    code: NDArray[np.int64],
    neg: NDArray[np.bool_],
    where: NDArray[np.bool_],
    fmt: FloatFormat,
    overflow: str,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Put the policy's result where ``where``; a NaN result loses its sign."""
    if overflow == "saturate":
        return np.where(where, fmt.max_code, code), neg
    if fmt.inf_code is not None:
        return np.where(where, fmt.inf_code, code), neg
    assert fmt.nan_code is not None
    return np.where(where, fmt.nan_code, code), neg & ~where


def pack(
    parts: Parts,
    nan: NDArray[np.bool_],
    inf: NDArray[np.bool_],
    invalid: NDArray[np.bool_] | bool,
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
    bias: NDArray[np.int64] | int,
    rbits: NDArray[np.int64] | None,
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.uint8]]:
    """`round_parts` with NaN and infinities, which take their sign from ``parts.neg``."""
    code, flags = round_parts(parts, fmt, rounding, overflow, bias, rbits)
    if inf.any():
        inf_code, inf_neg = overflowed(code, parts.neg, inf, fmt, overflow)
        code = np.where(inf, inf_code | np.where(inf_neg, fmt.sign_mask, 0), code)
        flags = np.where(inf, OVERFLOW | INEXACT, flags)
    if nan.any():
        code = np.where(nan, fmt.max_code if fmt.nan_code is None else fmt.nan_code, code)
        flags = np.where(nan, np.uint8(0) if fmt.has_nan else INVALID, flags)
    flags = np.where(invalid, flags | INVALID, flags).astype(np.uint8)
    return code.astype(code_dtype(fmt)), flags
