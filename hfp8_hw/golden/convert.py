"""Quantize and decode: values to codes and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ParameterError, check_choice, check_int
from ..formats import SCALE_RANGE, FloatFormat, parse_format, parse_operand
from ..rounding import Rounding, check_overflow, parse_rounding
from .codes.arrays import as_array, check_flag, check_integers
from .codes.bits import Parts, split
from .codes.blocks import as_arrays, blocks, broadcast_shape
from .codes.operands import (
    check_bias,
    check_rbits,
    decode_operand,
    real_values,
)
from .codes.pack import code_dtype, pack
from .fast import lookup
from .random import MAX_LANES, SEED_RANGE, lane_seeds, xorshift32

_BINARY32 = parse_operand("FP32")


def pack_values(
    values: NDArray[np.float64],
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
    *,
    bias: NDArray[np.int64] | None = None,
    rbits: NDArray[np.int64] | None = None,
    invalid: NDArray[np.bool_] | bool = False,
    power: NDArray[np.int64] | None = None,
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Round binary64 values (NaN and infinities too) to codes and flags, in one piece.

    ``power`` scales by 2**power. It is added to the exponents of the parts, which have no ends, so
    that a product beyond binary64 is as exact as any other.
    """
    nan, inf = np.isnan(values), np.isinf(values)
    parts = split(np.where(nan | inf, np.copysign(0.0, values), values))
    if nan.any():
        parts = Parts(parts.neg & ~nan, *parts[1:])
    if power is not None:
        parts = parts._replace(exp=parts.exp + power)
    return pack(
        parts, nan, inf, invalid, fmt, rounding, overflow, fmt.bias if bias is None else bias, rbits
    )


def quantize(
    x: ArrayLike,
    fmt: FloatFormat | str,
    *,
    rounding: str | Rounding = "RNE",
    overflow: str = "saturate",
    rbits: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    flags: bool = False,
    src: FloatFormat | str | None = None,
    src_bias: ArrayLike | None = None,
    src_mode: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    random: str | None = None,
    seed: int = 1,
    lanes: int = 1,
) -> Any:
    """Round values to the codes of a format: what the `quantizer` and `dequantizer` units compute.

    Parameters
    ----------
    x : array_like
        Real numbers (float16, float32, float64, signed integers up to 2**53), or, with ``src``,
        codes of that format. Any shape.
    fmt : FloatFormat or str
        The format of the result: a `FloatFormat`, a catalogue name or a literal.
    rounding : str
        RNE, RNA, RTZ, RUP, RDN, RTO or SR(n); see `hfp8_hw.rounding.Rounding`.
    overflow : str
        ``saturate``: to the largest finite magnitude. ``special``: to Inf, else NaN or NaN-Inf;
        a directed rounding that points to zero, and RTO, keep the largest finite magnitude for a
        finite ``x`` (IEEE 754-2019 section 7.4). Decided after rounding.
    rbits : array_like of int, optional
        For SR(n): one integer in 0 .. 2**n-1 for each element (or broadcast).
    bias : array_like of int, optional
        A run-time bias in place of the format's; broadcast against ``x``.
    flags : bool
        Whether to return the flags too.
    src, src_bias, src_mode
        The format of the codes in ``x`` (``"HFP8"`` with ``src_mode`` 0 or 1 an element), and
        its run-time bias.
    scale : array_like of int, optional
        Round ``x * 2**scale``; -64 to 63, broadcast.
    random : str, optional
        ``xorshift32``: the random bits of SR(n) are not given but are the top n bits of
        `xorshift32` with this ``seed``, one word for each index of the first axis, in order.
    lanes : int
        More than 1: the last axis has that many lanes, as a `quantizer` of several does; each
        has random words of its own, from `hfp8_hw.golden.random.lane_seeds`.

    Returns
    -------
    codes : ndarray
        Codes in the smallest unsigned dtype, shape of ``x`` (broadcast with ``bias``, ``rbits``).
    flag_bytes : ndarray of uint8
        Only with ``flags=True``: bit 0 overflow, 1 underflow (inexact and below the smallest
        normal, before rounding), 2 inexact, 3 invalid (NaN into a format without one).

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    fmt = parse_format(fmt, "fmt")
    rounding = parse_rounding(rounding)
    overflow = check_overflow(overflow, fmt)
    check_flag(flags)
    array = as_array(x, "x")
    check_int("seed", seed, *SEED_RANGE)
    check_int("lanes", lanes, 1, MAX_LANES)
    if random is not None:
        rbits = generated_bits(random, seed, rounding, array.shape, rbits, lanes)
    words = check_rbits(rbits, rounding)
    biases = check_bias(bias)
    scales = None if scale is None else check_scale(scale)

    plain = biases is None and scales is None and src_bias is None and src_mode is None
    if plain and fmt.width <= 8:
        if src is not None and array.dtype == np.uint32 and parse_operand(src, "src") == _BINARY32:
            array, src = array.view(np.float32), None
        if src is None and array.dtype == np.float32:
            done = _quantize_single(array, fmt, rounding, overflow, words, flags)
            if done is not None:
                return done if flags else done[0]
    rest = [words, biases, *as_arrays(src_bias=src_bias, src_mode=src_mode), scales]
    shape = broadcast_shape(array, *rest)
    codes = np.empty(shape, code_dtype(fmt))
    marks = np.empty(shape, np.uint8)
    for where, (part, r, b, sb, sm, power) in blocks(shape, array, *rest):
        values = real_values(part, src, sb, sm)
        done = pack_values(values, fmt, rounding, overflow, bias=b, rbits=r, power=power)
        codes.reshape(-1)[where], marks.reshape(-1)[where] = done
    return (codes, marks) if flags else codes


def _quantize_single(
    x: NDArray[np.float32],
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
    rbits: NDArray[np.int64] | None,
    flags: bool,
) -> tuple[NDArray[Any], ...] | None:
    """Codes of float32 values, and flags if asked for, by a fast path; None where none applies."""
    if rbits is not None:
        return lookup.stochastic(x, rbits, fmt, rounding, overflow)
    if not lookup.applies(fmt):
        return None
    if flags:
        return lookup.quantize_flags(x, fmt, rounding, overflow, table_builder=pack_values)
    return (lookup.quantize(x, fmt, rounding, overflow, table_builder=pack_values),)


def check_scale(scale: ArrayLike) -> NDArray[np.int64]:
    """Scales as integers; raises ParameterError for others."""
    low, high = SCALE_RANGE
    return check_integers(scale, "scale", low, high, f"integers from {low} to {high}")


def generated_bits(
    random: str,
    seed: int,
    rounding: Rounding,
    shape: tuple[int, ...],
    rbits: ArrayLike | None,
    lanes: int = 1,
) -> NDArray[np.int64]:
    """The random bits of the hardware's generator, one word for each index of the first axis."""
    check_choice("random", random, ("xorshift32",))
    if rbits is not None or rounding.mode != "SR" or not shape:
        raise ParameterError(
            f"random={random!r} is not allowed here: only for SR(n), without rbits, and for an "
            "array"
        )
    if lanes > 1 and (len(shape) < 2 or shape[-1] != lanes):
        raise ParameterError(f"lanes={lanes!r} is not allowed for shape {shape!r}: its last axis")
    own = [xorshift32(s, shape[0]) for s in lane_seeds(seed, lanes)]
    words = np.stack(own, axis=-1).astype(np.int64) >> (32 - rounding.sr_bits)
    if lanes == 1:
        return words.reshape(-1, *(1,) * (len(shape) - 1))
    return words.reshape(shape[0], *(1,) * (len(shape) - 2), lanes)


def decode(
    codes: ArrayLike,
    fmt: FloatFormat | str,
    *,
    bias: ArrayLike | None = None,
    mode: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """The exact values of codes.

    Parameters
    ----------
    codes : array_like of int
        Codes of ``fmt``, any shape.
    fmt : FloatFormat or str
        Their format; ``"HFP8"`` with ``mode`` 0 (forward) or 1 (backward) for each element.
    bias : array_like of int, optional
        A run-time bias in place of the format's.

    Returns
    -------
    ndarray of float64
        NaN (and DLFloat's NaN-Inf) as NaN, -0 as -0.0.

    Raises
    ------
    ParameterError
        For codes that do not fit the format, and any other argument that is not allowed.
    """
    formats = parse_operand(fmt, "fmt")
    array = as_array(codes, "codes")
    rest = as_arrays(bias=bias, mode=mode)
    if len(formats) == 1 and bias is None and mode is None and formats[0].width <= 16:
        return decode_operand(array, formats, None, None, "codes")
    shape = broadcast_shape(array, *rest)
    values = np.empty(shape)
    for where, (part, b, m) in blocks(shape, array, *rest):
        values.reshape(-1)[where] = decode_operand(part, formats, m, b, "codes")
    return values
