"""Quantize: binary32 values to codes, with integer operations alone."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..errors import ParameterError, shown
from ..formats import FloatFormat
from ..golden.codes.arrays import check_flag
from ..rounding import Rounding, check_overflow, parse_rounding
from . import quick
from .codes import code_dtype, decode, parse_narrow
from .kernels import elementwise

_LARGEST_SR = 24
"""Random bits: |x| 2**n of a 24-bit significand, times 2**M + 1, then stays within int64."""


def bit_length(sig: Tensor) -> Tensor:
    """Bits of integers from 0 to 2**24, through the exponent of the binary32 value; 0 for 0."""
    return ((sig.to(torch.float32).view(torch.int32) >> 23) - 126).clamp_min_(0).to(torch.int64)


def _down(value: Tensor, count: Tensor) -> Tensor:
    """floor(value / 2**count) for value >= 0; a negative count shifts left, by at most 40."""
    right = value >> count.clamp(0, 63)
    return torch.where(count < 0, value << (-count).clamp(0, 40), right)


def quantize(
    x: Tensor,
    fmt: FloatFormat | str,
    *,
    rounding: str | Rounding = "RNE",
    overflow: str = "saturate",
    rbits: Tensor | None = None,
    flags: bool = False,
) -> Any:
    """Round values to the codes of a format, as `golden.quantize`.

    Parameters
    ----------
    x : Tensor
        ``float32``, any shape.
    fmt : FloatFormat or str
        The format of the result, of at most 16 bits.
    rounding : str
        RNE, RNA, RTZ or SR(n), n from 1 to 24.
    overflow : str
        ``saturate``: to the largest finite magnitude. ``special``: to Inf, else NaN.
    rbits : Tensor, optional
        For SR(n): an integer in 0 .. 2**n-1 for each element (or broadcast).
    flags : bool
        Whether to return the flags too.

    Returns
    -------
    codes : Tensor
        ``uint8`` or ``int16``, of the shape of ``x``.
    flag_bytes : Tensor
        Only with ``flags=True``, ``uint8``: bit 0 overflow, 1 underflow (inexact and below the
        smallest normal magnitude before rounding), 2 inexact, 3 invalid (NaN into a format without
        one).

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    form = parse_narrow(fmt)
    how = (_known_rounding if isinstance(rounding, str) else parse_rounding)(rounding)
    check_flag(flags)
    overflow = check_overflow(overflow, form)
    if not isinstance(x, Tensor) or x.dtype != torch.float32:
        got = f"has dtype {x.dtype}" if isinstance(x, Tensor) else f"is {shown(x)}"
        raise ParameterError(f"x {got}, which is not allowed: a tensor of torch.float32")
    if how.mode not in elementwise.MODES or how.sr_bits > _LARGEST_SR:
        raise ParameterError(
            f"rounding={str(how)!r} is not allowed: one of {', '.join(elementwise.MODES[:3])}, "
            f"or SR(n) with n from 1 to {_LARGEST_SR}"
        )
    words = _check_rbits(rbits, how, x)
    if not flags and elementwise.takes(x):
        return elementwise.narrow(x, form, how, overflow, words)[0]
    if not flags and quick.applies(form, how):
        return quick.codes(x, form, how, overflow)
    word = x.contiguous().view(torch.int32)
    negative, mag = word < 0, word & 0x7FFFFFFF
    code, inexact = _round(mag.to(torch.int64), form, how, words)
    codes = _finish(code, negative, mag, form, how, overflow)
    if not flags:
        return codes
    return codes, _flags(code, inexact, mag, form)


@lru_cache(maxsize=64)
def _known_rounding(rounding: str | Rounding) -> Rounding:
    return parse_rounding(rounding)


def quantize_values(
    x: Tensor, fmt: FloatFormat, *, rounding: str | Rounding = "RNE", overflow: str = "saturate"
) -> tuple[Tensor, Tensor]:
    """Codes as `quantize` gives them, not stochastic, and their values in ``float32``."""
    if x.dtype == torch.float32 and elementwise.takes(x):
        how = _known_rounding(rounding)
        codes, values = elementwise.narrow(x, fmt, how, overflow, values=True)
        assert values is not None
        return codes, values
    codes = quantize(x, fmt, rounding=rounding, overflow=overflow)
    return codes, decode(codes, fmt)


def _check_rbits(rbits: Tensor | None, how: Rounding, x: Tensor) -> Tensor | None:
    if how.mode != "SR":
        if rbits is not None:
            raise ParameterError(f"rbits is not allowed with rounding={str(how)!r}: SR only")
        return None
    if rbits is None:
        raise ParameterError(f"rbits=None is not allowed: {how} needs its random bits")
    if not isinstance(rbits, Tensor) or rbits.is_floating_point() or rbits.dtype == torch.bool:
        raise ParameterError("rbits is not allowed: a tensor of integers")
    try:
        wide = rbits.to(torch.int64).expand(x.shape)
    except RuntimeError:
        raise ParameterError(
            f"rbits of shape {tuple(rbits.shape)!r} is not allowed: "
            f"it does not broadcast to {tuple(x.shape)!r}"
        ) from None
    top = (1 << how.sr_bits) - 1
    if wide.numel() and bool(((wide < 0) | (wide > top)).any()):
        bad = int(wide[(wide < 0) | (wide > top)][0])
        raise ParameterError(f"rbits={bad!r} is not allowed: integers from 0 to {top}")
    return wide


def _round(
    mag: Tensor, fmt: FloatFormat, how: Rounding, rbits: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Magnitude codes, on the grid continued beyond the largest one, of binary32 magnitudes, and
    where they are not exact."""
    man, bias = fmt.man_bits, fmt.bias
    biased = mag >> 23
    sig = (mag & 0x7FFFFF) | ((biased > 0).to(torch.int64) << 23)
    exp = biased.clamp_min(1) - 150
    field = exp + bit_length(sig) - 1 + bias
    floor = 0 if fmt.zero_exp == "normal" else 1
    tiny = field < floor
    field = field.clamp_min(floor)
    keep = field - man - bias
    if fmt.zero_exp == "flush":
        keep = torch.where(tiny, 1 - bias, keep)
    drop = keep - exp
    whole = _down(sig, drop)
    rest = torch.where(drop > 0, sig & ((1 << drop.clamp(0, 62)) - 1), 0)
    up = _up(whole, rest, drop, how, rbits)
    code = ((field - 1) << man) + whole + up
    inexact = rest != 0
    if fmt.zero_exp == "flush":
        code = torch.where(tiny, up.to(torch.int64) << man, code)
    if fmt.zero_exp == "normal":
        gap = tiny | ((field == 0) & (whole == 1 << man))
        code = torch.where(gap, _gap_up(sig, exp, fmt, how, rbits).to(torch.int64), code)
        inexact = inexact | gap
    return torch.where(sig == 0, 0, code), inexact & (sig != 0)


def _flags(code: Tensor, inexact: Tensor, mag: Tensor, fmt: FloatFormat) -> Tensor:
    """The flag bytes of `quantize`."""
    infinite, nan = mag == 0x7F800000, mag > 0x7F800000
    over = ((code > fmt.max_code) & ~nan) | infinite
    inexact = (inexact & ~nan & ~infinite) | over
    under = inexact & (mag.view(torch.float32) < fmt.min_normal)
    invalid = nan if fmt.nan_code is None else torch.zeros_like(nan)
    bits = enumerate((over, under, inexact, invalid))
    marks = [bit.to(torch.uint8) << place for place, bit in bits]
    return marks[0] | marks[1] | marks[2] | marks[3]


def _up(whole: Tensor, rest: Tensor, drop: Tensor, how: Rounding, rbits: Tensor | None) -> Tensor:
    """Whether to add one unit to ``whole``, given what was dropped, rest / 2**drop."""
    if how.mode == "RTZ":
        return torch.zeros_like(whole, dtype=torch.bool)
    if how.mode == "SR":
        assert rbits is not None
        fraction = torch.where(drop > 0, _down(rest, drop - how.sr_bits), 0)
        return fraction + rbits >= 1 << how.sr_bits
    half = 1 << (drop - 1).clamp(0, 61)
    if how.mode == "RNA":
        return (drop > 0) & (rest >= half)
    return (drop > 0) & ((rest > half) | ((rest == half) & (whole & 1 == 1)))


def _gap_up(
    sig: Tensor, exp: Tensor, fmt: FloatFormat, how: Rounding, rbits: Tensor | None
) -> Tensor:
    """`normal` formats, 0 < |x| < min: whether x goes up to min; see `golden.codes.pack`.

    |x| / min >= t / 2**n just where |x| 2**(B+M+n) >= t (2**M + 1), and as the right side is
    whole, the left one may be cut to a whole number; RNE needs more than one half.
    """
    if how.mode == "RTZ":
        return torch.zeros_like(sig, dtype=torch.bool)
    n = how.sr_bits if how.mode == "SR" else 1
    count = -(exp + fmt.bias + fmt.man_bits + n)
    scaled, threshold = _down(sig, count), (1 << fmt.man_bits) + 1
    if how.mode == "SR":
        assert rbits is not None
        return scaled >= ((1 << n) - rbits) * threshold
    if how.mode == "RNA":
        return scaled >= threshold
    cut = sig & ((1 << count.clamp(0, 62)) - 1) != 0
    return (scaled > threshold) | ((scaled == threshold) & cut)


def _finish(
    code: Tensor, negative: Tensor, mag: Tensor, fmt: FloatFormat, how: Rounding, overflow: str
) -> Tensor:
    """Overflow, infinities, NaN and the sign."""
    infinite, nan = mag == 0x7F800000, mag > 0x7F800000
    over = (code > fmt.max_code) | infinite
    sign = torch.where(negative, fmt.sign_mask, 0)
    signed = code | sign
    if not fmt.has_neg_zero:
        signed = torch.where(code == 0, 0, signed)
    top = fmt.max_code | sign
    if overflow == "special":
        beyond = torch.full_like(sign, fmt.nan_code or 0)
        if fmt.inf_code is not None:
            beyond = fmt.inf_code | sign
        # A rounding to zero leaves a finite value finite; an infinite one overflows all the same.
        top = torch.where(infinite, beyond, top) if how.mode == "RTZ" else beyond
    signed = torch.where(over, top, signed)
    signed = torch.where(nan, fmt.max_code if fmt.nan_code is None else fmt.nan_code, signed)
    return signed.to(code_dtype(fmt))
