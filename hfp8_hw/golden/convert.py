"""Quantize and decode: values to codes and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ParameterError
from ..formats import FloatFormat, parse_format, parse_operand
from ..rounding import Rounding, check_overflow, parse_rounding
from . import fast
from .bits import Parts, split
from .operands import (
    check_bias,
    check_rbits,
    decode_operand,
    real_values,
)
from .pack import code_dtype, pack

BLOCK = 1 << 15
"""Elements worked on at a time, so that temporaries stay small whatever the input's size."""


def pack_values(
    values: NDArray[np.float64],
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
    *,
    bias: NDArray[np.int64] | None = None,
    rbits: NDArray[np.int64] | None = None,
    invalid: NDArray[np.bool_] | bool = False,
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Round binary64 values (NaN and infinities too) to codes and flags, in one piece."""
    nan, inf = np.isnan(values), np.isinf(values)
    parts = split(np.where(nan | inf, np.copysign(0.0, values), values))
    if nan.any():
        parts = Parts(parts.neg & ~nan, *parts[1:])
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
    random = check_rbits(rbits, rounding)
    biases = check_bias(bias)

    array = np.asarray(x)
    if src is None and src_bias is None and src_mode is None:
        plain = biases is None and random is None and not flags
        if plain and array.dtype == np.float32 and fast.applies(fmt):
            return fast.quantize(array, fmt, rounding, overflow, table_builder=_table)
    extra = [None if v is None else np.asarray(v) for v in (random, biases, src_bias, src_mode)]
    try:
        shape = np.broadcast_shapes(array.shape, *(v.shape for v in extra if v is not None))
    except ValueError:
        shapes = [v.shape for v in (array, *extra) if v is not None]
        raise ParameterError(f"shapes {shapes!r} are not allowed: they do not broadcast") from None
    codes = np.empty(shape, code_dtype(fmt))
    flag_bytes = np.empty(shape, np.uint8) if flags else None
    out = codes.reshape(-1)
    for start, (part, r, b, sb, sm) in _blocks(shape, array, *extra):
        values = real_values(part, src, sb, sm)
        done, marks = pack_values(values, fmt, rounding, overflow, bias=b, rbits=r)
        out[start : start + done.size] = done
        if flag_bytes is not None:
            flag_bytes.reshape(-1)[start : start + done.size] = marks
    if array.size == 0:
        real_values(array, src, src_bias, src_mode)
    return codes if flag_bytes is None else (codes, flag_bytes)


def _blocks(shape: tuple[int, ...], *arrays: Any) -> Any:
    """Blocks of `BLOCK` elements of all arrays broadcast to ``shape``, flattened."""
    size = int(np.prod(shape, dtype=np.int64))
    wide = [None if a is None else np.broadcast_to(a, shape) for a in arrays]
    flat = [a.reshape(-1) if a is not None and a.flags.c_contiguous else a for a in wide]
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        yield (
            start,
            [
                None
                if a is None
                else (a[start:stop] if a.ndim == 1 and a.size == size else a.flat[start:stop])
                for a in flat
            ],
        )


def _table(
    values: NDArray[np.float64], fmt: FloatFormat, rounding: Rounding, overflow: str
) -> NDArray[Any]:
    """Codes of a handful of values: what the fast path fills its table with."""
    return pack_values(values, fmt, rounding, overflow)[0]


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
    return decode_operand(codes, parse_operand(fmt, "fmt"), mode, bias, "codes")
