"""Sum, maximum and positive part of codes, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import FloatFormat, parse_format
from ..rounding import Rounding
from .codes.arrays import check_flag
from .codes.blocks import as_arrays, blocks, broadcast_shape
from .codes.operands import check_codes, decode_one
from .codes.pack import code_dtype
from .dot import accumulator
from .multiply import Products
from .steps import step


def add(
    a: ArrayLike,
    b: ArrayLike,
    fmt: FloatFormat | str,
    *,
    rounding: str | Rounding | None = None,
    overflow: str | None = None,
    flags: bool = False,
) -> Any:
    """a + b, codes of one format, exact and rounded once.

    Parameters
    ----------
    a, b : array_like of int
        Codes of ``fmt``; they broadcast.
    rounding : str, optional
        A deterministic rounding; by default RNA for DLFLOAT16, else RNE.
    overflow : str, optional
        ``special`` or ``saturate``; by default ``special`` where ``fmt`` has an Inf or a NaN.
    flags : bool
        Whether to return the flags too; invalid also marks Inf - Inf.

    Returns
    -------
    codes, or (codes, flag_bytes) with ``flags=True``

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    check_flag(flags)
    how = accumulator(fmt, rounding, overflow, "fmt")
    arrays = as_arrays(a=a, b=b)
    shape = broadcast_shape(*arrays)
    codes, marks = np.empty(shape, code_dtype(how.fmt)), np.empty(shape, np.uint8)
    for where, (part_a, part_b) in blocks(shape, *arrays):
        x, y = decode_one(part_a, how.fmt, None, "a"), decode_one(part_b, how.fmt, None, "b")
        done = step(x, Products(y, np.zeros(y.shape, bool)), how)
        codes.reshape(-1)[where], marks.reshape(-1)[where] = done
    return (codes, marks) if flags else codes


def maximum(a: ArrayLike, b: ArrayLike, fmt: FloatFormat | str, *, flags: bool = False) -> Any:
    """The larger of two codes of one format, +0 above -0; the format's NaN if either is NaN.

    IEEE 754-2019 section 9.6, ``maximum``. No flag is ever set; arguments as in `add`.

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    check_flag(flags)
    form = parse_format(fmt, "fmt")
    x, y = check_codes(a, form, "a"), check_codes(b, form, "b")
    broadcast_shape(x, y)
    values_x, values_y = decode_one(x, form, None, "a"), decode_one(y, form, None, "b")
    first = (values_x > values_y) | ((values_x == values_y) & ~np.signbit(values_x))
    return _with_nan(np.where(first, x, y), np.isnan(values_x) | np.isnan(values_y), form, flags)


def relu(x: ArrayLike, fmt: FloatFormat | str, *, flags: bool = False) -> Any:
    """A code where its value is above 0, else +0; the format's NaN where it is NaN.

    No flag is ever set; ``flags=True`` returns zeros beside the codes.

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    check_flag(flags)
    form = parse_format(fmt, "fmt")
    codes = check_codes(x, form, "x")
    values = decode_one(codes, form, None, "x")
    return _with_nan(np.where(values > 0, codes, 0), np.isnan(values), form, flags)


def _with_nan(codes: NDArray[Any], nan: NDArray[np.bool_], fmt: FloatFormat, flags: bool) -> Any:
    codes = np.where(nan, fmt.nan_code or 0, codes).astype(code_dtype(fmt))
    return (codes, np.zeros(codes.shape, np.uint8)) if flags else codes
