"""Exact sums of products in fixed point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import check_int
from ..fixed import fixed_point
from ..formats import FloatFormat
from .codes.arrays import check_flag
from .codes.operands import operand_formats, unbiased
from .dot import shape_with_items
from .multiply import decoded_operands, products


def fixed_dot(
    a: ArrayLike,
    b: ArrayLike,
    fmt_a: FloatFormat | str,
    fmt_b: FloatFormat | str,
    *,
    terms: int = 1024,
    drop: int = 0,
    bias_a: ArrayLike | None = None,
    bias_b: ArrayLike | None = None,
    mode_a: ArrayLike | None = None,
    mode_b: ArrayLike | None = None,
    flags: bool = False,
) -> Any:
    """The exact sum of a * b over the last axis, as a two's complement number.

    What the `mac` unit with ``acc=fixed`` outputs: the sum in units of ``2**lsb``, ``lsb`` and
    the width from `hfp8_hw.fixed.fixed_point` for sums of up to ``terms`` products; longer ones
    wrap. With run-time biases, the same for all items of a sum, the unit is
    ``2**(lsb - bias_a - bias_b)``. Where only one of the two is given, the other is its format's
    own, also in the unit.

    Other parameters as in `dot`.

    Returns
    -------
    codes : ndarray
        The broadcast shape without its last axis, ``()`` for a single sum. uint64, or Python's
        integers (dtype object) where the sum has more than 64 bits.
    flag_bytes : ndarray of uint8
        Only with ``flags=True``; of the same shape. The flag ``invalid`` says that there was a
        NaN or an infinity, and then the code is 0.

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    check_int("terms", terms, 1, 1 << 24)
    formats = operand_formats(fmt_a, "a"), operand_formats(fmt_b, "b")
    runtime = bias_a is not None or bias_b is not None
    check_int("drop", drop, 0, 32)
    check_flag(flags)
    fixed = fixed_point(*formats, terms, runtime, drop)
    # The sum is of unbiased operands where biases are run-time inputs.
    zero_a = zero_b = None
    if runtime:
        zero_a = unbiased(formats[0], bias_a, mode_a, "a")
        zero_b = unbiased(formats[1], bias_b, mode_b, "b")
    x, y = decoded_operands(a, b, fmt_a, fmt_b, zero_a, zero_b, mode_a, mode_b)
    shape_with_items(x, y)
    values = products(x, y).values
    finite = np.isfinite(values)
    scaled = np.trunc(np.where(finite, values, 0.0) * 2.0**-fixed.lsb)
    if fixed.width <= 53 and terms >= values.shape[-1]:
        total = scaled.sum(axis=-1).astype(np.int64).astype(np.uint64)  # exact: below 2**53
        total &= np.uint64((1 << fixed.width) - 1)
    else:
        mask = (1 << fixed.width) - 1
        integers = np.asarray(np.frompyfunc(int, 1, 1)(scaled), dtype=object)
        total = np.asarray(integers.sum(axis=-1) & mask, dtype=object)
        if fixed.width <= 64:
            total = total.astype(np.uint64)
    lost = ~finite.all(axis=-1)
    total = np.where(lost, 0, total).astype(total.dtype)
    return (total, np.asarray(lost * 8, np.uint8)) if flags else total
