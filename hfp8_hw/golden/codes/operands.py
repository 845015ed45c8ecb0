"""What the public calls accept: formats, codes, biases, modes and random bits, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ParameterError
from ...formats import BIAS_RANGE, FloatFormat, parse_operand
from ...rounding import Rounding
from .arrays import as_array, check_integers, check_reals
from .bits import I64
from .blocks import broadcast_shape
from .pack import code_dtype

_BLOCK = 1 << 15


@lru_cache(maxsize=256)
def value_table(fmt: FloatFormat) -> NDArray[np.float64]:
    """Every code's value; read-only. Formats of up to 16 bits."""
    table = np.array(fmt.decode_table())
    table.flags.writeable = False
    return table


def check_codes(codes: ArrayLike, fmt: FloatFormat, parameter: str) -> NDArray[Any]:
    """Integer codes as an array of the format's dtype.

    Raises
    ------
    ParameterError
        If they are not integers or do not fit into the format's width.
    """
    array = as_array(codes, parameter)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype(np.uint8)
    if array.dtype.kind not in "ui":
        raise ParameterError(
            f"{parameter} has dtype {str(array.dtype)!r}, which is not allowed: integer codes"
        )
    may_not_fit = array.dtype.itemsize * 8 > fmt.width or array.dtype.kind == "i"
    top = (1 << fmt.width) - 1
    if may_not_fit and array.size and not 0 <= int(array.min()) <= int(array.max()) <= top:
        bad = array[(array < 0) | (array > top)].flat[0]
        raise ParameterError(
            f"{parameter} holds the code {int(bad)!r}, which is not allowed: "
            f"{fmt} codes are 0 to {top}"
        )
    return array.astype(code_dtype(fmt), copy=False)


def check_bias(bias: Any, parameter: str = "bias") -> NDArray[np.int64] | None:
    """A run-time bias: None, or integers within `BIAS_RANGE`."""
    if bias is None:
        return None
    low, high = BIAS_RANGE
    return check_integers(bias, parameter, low, high, f"integers from {low} to {high}, or None")


def check_rbits(rbits: Any, rounding: Rounding) -> NDArray[np.int64] | None:
    """The random words of SR(n): integers of n bits; None for every other rounding."""
    if rounding.mode != "SR":
        if rbits is not None:
            raise ParameterError(f"rbits is not allowed with rounding={str(rounding)!r}: SR only")
        return None
    if rbits is None:
        raise ParameterError(f"rbits=None is not allowed: {rounding} needs its random bits")
    top = (1 << rounding.sr_bits) - 1
    return check_integers(rbits, "rbits", 0, top, f"integers from 0 to {top}")


def check_mode(mode: Any, parameter: str) -> NDArray[np.bool_]:
    """The mode input of an HFP8 operand: 0 forward, 1 backward."""
    allowed = "0 (forward) or 1 (backward)"
    return check_integers(mode, parameter, 0, 1, allowed, "uib").astype(bool)


def argument(what: str, operand: str) -> str:
    """What a public function calls the fmt, bias or mode of an operand."""
    if operand == "src":
        return "src" if what == "fmt" else f"src_{what}"
    return what if operand == "codes" else f"{what}_{operand}"


def decode_one(
    codes: ArrayLike, fmt: FloatFormat, bias: Any, parameter: str = "codes"
) -> NDArray[np.float64]:
    """The exact values of codes in one format, with the format's bias or a run-time one.

    All are binary64 values, also on the way: biases go from -128 to 383, so magnitudes lie between
    2**-405 and 2**384, and products of two between 2**-810 and 2**768.
    """
    array = check_codes(codes, fmt, parameter)
    values = _look_up(array, fmt) if fmt.width <= 16 else _decode_wide(array, fmt)
    biases = check_bias(bias, argument("bias", parameter))
    if biases is None:
        return values
    broadcast_shape(values, biases)
    return np.ldexp(values, fmt.bias - biases)


def _look_up(codes: NDArray[Any], fmt: FloatFormat) -> NDArray[np.float64]:
    """Values by table, in blocks: the index array that `take` makes stays in the cache."""
    table, flat = value_table(fmt), np.ascontiguousarray(codes).reshape(-1)
    values = np.empty(codes.shape)
    out = values.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        stop = start + _BLOCK
        np.take(table, flat[start:stop], out=out[start:stop], mode="clip")
    return values


def used_values(codes: ArrayLike, fmt: FloatFormat) -> NDArray[np.float64]:
    """The values that occur among codes of a format of up to 16 bits, each once."""
    counts = np.bincount(check_codes(codes, fmt, "codes").reshape(-1), minlength=1 << fmt.width)
    return value_table(fmt)[counts != 0]


def _decode_wide(codes: NDArray[Any], fmt: FloatFormat) -> NDArray[np.float64]:
    """Codes too wide for a table, by their fields."""
    wide = codes.astype(I64)
    mag = wide & fmt.mag_mask
    e, m = mag >> fmt.man_bits, mag & ((1 << fmt.man_bits) - 1)
    hidden = (e > 0) | (np.asarray(fmt.zero_exp == "normal") & (m > 0))
    effective = e if fmt.zero_exp == "normal" else np.maximum(e, 1)
    sig = m + (hidden.astype(I64) << fmt.man_bits)
    if fmt.zero_exp == "flush":
        sig = np.where(e == 0, 0, sig)
    values = np.ldexp(sig.astype(np.float64), effective - fmt.bias - fmt.man_bits)
    neg = wide > fmt.mag_mask
    if not fmt.has_neg_zero:
        neg &= sig != 0  # also where `flush` makes a code zero
    values = np.where(neg, -values, values)
    if fmt.inf_code is not None:
        values = np.where(mag == fmt.inf_code, np.where(neg, -np.inf, np.inf), values)
    match fmt.specials:
        case "ieee":
            nan = mag > fmt.max_code + 1
        case "fn" | "dl":
            nan = mag == fmt.mag_mask
        case "fnuz" | "p3109":
            nan = wide == fmt.sign_mask
        case _:
            nan = np.zeros(wide.shape, bool)
    return np.where(nan, np.nan, values)


def decode_operand(
    codes: ArrayLike,
    formats: Sequence[FloatFormat],
    mode: Any,
    bias: Any,
    name: str,
) -> NDArray[np.float64]:
    """Values of an operand that is in one format, or in either HFP8 format by ``mode``."""
    if len(formats) == 1:
        if mode is not None:
            raise ParameterError(
                f"{argument('mode', name)} is not allowed: {name} is always {formats[0]}"
            )
        return decode_one(codes, formats[0], bias, name)
    modes = _modes(mode, name)
    first, second = (decode_one(codes, fmt, bias, name) for fmt in formats)
    broadcast_shape(first, modes)
    return np.where(modes, second, first)


def _modes(mode: Any, name: str) -> NDArray[np.bool_]:
    """The modes of an operand that is HFP8."""
    if mode is None:
        raise ParameterError(
            f"{argument('mode', name)}=None is not allowed: {name} is HFP8, say 0 or 1"
        )
    return check_mode(mode, argument("mode", name))


def full_bias(formats: Sequence[FloatFormat], bias: Any, mode: Any, name: str) -> NDArray[np.int64]:
    """The bias of every code of an operand: the run-time one, or else its format's own."""
    biases = check_bias(bias, argument("bias", name))
    if biases is not None:
        return biases
    own = np.array([fmt.bias for fmt in formats])
    return own[_modes(mode, name).astype(I64)] if len(formats) > 1 else own[0]


def unbiased(formats: Sequence[FloatFormat], bias: Any, mode: Any, name: str) -> NDArray[np.int64]:
    """A bias of 0 in place of each item's; refused if they differ within a sum."""
    used = full_bias(formats, bias, mode, name)
    if used.ndim and (used != used[..., :1]).any():
        what = repr(bias) if bias is None else "an array"
        raise ParameterError(
            f"bias_{name}={what} is not allowed: biases that differ within a sum, "
            "which has one unit"
        )
    return np.zeros_like(used)


def operand_formats(fmt: Any, name: str) -> tuple[FloatFormat, ...]:
    """The formats of an operand parameter such as ``fmt_a``."""
    return parse_operand(fmt, argument("fmt", name))


def real_values(
    x: ArrayLike, src: Any, src_bias: Any = None, src_mode: Any = None
) -> NDArray[np.float64]:
    """The exact values of ``x``: floats as they are, codes of the format ``src`` decoded."""
    if src is not None:
        return decode_operand(x, operand_formats(src, "src"), src_mode, src_bias, "src")
    if src_bias is not None or src_mode is not None:
        raise ParameterError("src_bias and src_mode are not allowed without src")
    return check_reals(x, "x")
