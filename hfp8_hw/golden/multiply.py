"""Exact products of codes, and products rounded to a format."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ParameterError
from ..formats import RUNTIME_BIAS_RANGE, FloatFormat, parse_format
from ..products import product_format
from ..rounding import Rounding, check_overflow, parse_rounding
from .codes.arrays import check_flag
from .codes.blocks import as_arrays, blocks, broadcast_shape
from .codes.operands import check_rbits, decode_operand, full_bias, operand_formats
from .codes.pack import code_dtype
from .convert import pack_values


class Products(NamedTuple):
    """Exact products in binary64, and where an operation was invalid (0 x Inf)."""

    values: NDArray[np.float64]
    invalid: NDArray[np.bool_]

    def part(self, which: slice | int) -> Products:
        """A part of the last axis."""
        return Products(self.values[..., which], self.invalid[..., which])


def products(a: NDArray[np.float64], b: NDArray[np.float64]) -> Products:
    """a * b, exact for values of any two formats; NaN where invalid."""
    with np.errstate(invalid="ignore"):
        values = a * b
    invalid = np.isnan(values)
    if invalid.any():
        invalid &= ~np.isnan(a) & ~np.isnan(b)
    return Products(values, invalid)


def decoded_operands(
    a: ArrayLike,
    b: ArrayLike,
    fmt_a: Any,
    fmt_b: Any,
    bias_a: Any,
    bias_b: Any,
    mode_a: Any,
    mode_b: Any,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both operands' values, every argument checked."""
    return (
        decode_operand(a, operand_formats(fmt_a, "a"), mode_a, bias_a, "a"),
        decode_operand(b, operand_formats(fmt_b, "b"), mode_b, bias_b, "b"),
    )


def mul(
    a: ArrayLike,
    b: ArrayLike,
    fmt_a: FloatFormat | str,
    fmt_b: FloatFormat | str,
    out: FloatFormat | str = "exact",
    *,
    rounding: str | Rounding = "RNE",
    overflow: str | None = None,
    rbits: ArrayLike | None = None,
    bias_a: ArrayLike | None = None,
    bias_b: ArrayLike | None = None,
    mode_a: ArrayLike | None = None,
    mode_b: ArrayLike | None = None,
    flags: bool = False,
) -> Any:
    """Multiply codes element by element: what the `mul` unit computes.

    Parameters
    ----------
    a, b : array_like of int
        Codes; they broadcast.
    fmt_a, fmt_b : FloatFormat or str
        Their formats; ``"HFP8"`` with ``mode_a``/``mode_b`` 0 (forward) or 1 (backward).
    out : FloatFormat or str
        The format of the result; ``"exact"`` for `hfp8_hw.products.product_format`.
    rounding, overflow, rbits
        As in `quantize`; ``overflow=None`` is ``saturate``, and ``special`` with
        ``out="exact"``, where only an infinite operand is an overflow.
    bias_a, bias_b : array_like of int, optional
        Run-time biases of the operands. Where only one is given the other is the format's own.
        With ``out="exact"`` both go from -16 to 47, as the exact format holds products of those.
    mode_a, mode_b : array_like of int, optional
        For each ``"HFP8"`` operand, and only for those.
    flags : bool
        Whether to return the flags too; invalid also marks 0 x Inf.

    Returns
    -------
    codes, or (codes, flag_bytes) with ``flags=True``

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    check_flag(flags)
    rounding = parse_rounding(rounding)
    exact = isinstance(out, str) and out == "exact"
    if exact:
        runtime = bias_a is not None or bias_b is not None
        fmt = product_format(operand_formats(fmt_a, "a"), operand_formats(fmt_b, "b"), runtime)
        if runtime:
            _check_reach(fmt_a, bias_a, mode_a, "a")
            _check_reach(fmt_b, bias_b, mode_b, "b")
    else:
        fmt = parse_format(out, "out")
    if overflow is None:
        overflow = "special" if exact and fmt.has_nan else "saturate"
    overflow = check_overflow(overflow, fmt)
    random = check_rbits(rbits, rounding)
    given = {"bias_a": bias_a, "bias_b": bias_b, "mode_a": mode_a, "mode_b": mode_b}
    arrays = [*as_arrays(a=a, b=b, **given), random]
    shape = broadcast_shape(*arrays)
    codes = np.empty(shape, code_dtype(fmt))
    marks = np.empty(shape, np.uint8)
    for where, (part_a, part_b, *operands, r) in blocks(shape, *arrays):
        x, y = decoded_operands(part_a, part_b, fmt_a, fmt_b, *operands)
        values, invalid = products(x, y)
        done = pack_values(values, fmt, rounding, overflow, rbits=r, invalid=invalid)
        codes.reshape(-1)[where], marks.reshape(-1)[where] = done
    return (codes, marks) if flags else codes


def _check_reach(fmt: Any, bias: Any, mode: Any, name: str) -> None:
    """Refuse biases for which the exact format was not made; a missing one is the format's own."""
    low, high = RUNTIME_BIAS_RANGE
    used = full_bias(operand_formats(fmt, name), bias, mode, name)
    outside = used[(used < low) | (used > high)]
    if outside.size:
        own = f"None, that is {outside.flat[0]}, the bias of {fmt}," if bias is None else None
        raise ParameterError(
            f"bias_{name}={own or outside.flat[0]} is not allowed with out='exact': "
            f"integers from {low} to {high}; name an output format"
        )
