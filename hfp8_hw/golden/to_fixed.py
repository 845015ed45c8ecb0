"""Operands as fixed-point words."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ParameterError
from ..formats import FloatFormat, parse_format
from .codes.arrays import check_flag
from .codes.operands import check_codes, value_table

MAX_MAGNITUDE = 60


@lru_cache(maxsize=256)
def _grid(fmt: FloatFormat) -> tuple[int, int]:
    """(the exponent of the lowest bit that any value has, bits of the largest magnitude)."""
    if fmt.width > 16:
        raise ParameterError(f"fmt={str(fmt)!r} is not allowed for to_fixed: at most 16 bits")
    values = value_table(fmt)
    values = np.abs(values[np.isfinite(values) & (values != 0)])
    unit = int(np.frexp(values.min())[1])
    while (np.ldexp(values, -unit) % 1).any():
        unit -= 1
    bits = int(np.frexp(values.max())[1]) - unit
    if bits > MAX_MAGNITUDE:
        raise ParameterError(
            f"fmt={str(fmt)!r} is not allowed for to_fixed: its magnitudes have {bits} bits, "
            f"at most {MAX_MAGNITUDE}"
        )
    return unit, bits


def to_fixed(x: ArrayLike, fmt: FloatFormat | str, *, flags: bool = False) -> Any:
    """Codes as the words that units with ``operands=fixed`` take.

    Parameters
    ----------
    x : array_like of int
        Codes of ``fmt``, of which magnitudes in units of the lowest bit that any value has need
        at most 60 bits.
    flags : bool
        Whether to return flags, always 0, beside the words.

    Returns
    -------
    words : ndarray of int64
        The shape of ``x``, ``()`` for a single code; never negative. From bit 0 up: magnitude,
        sign, NaN (if ``fmt`` has one), infinity (likewise). The magnitude of NaN is 0, that of an
        infinity 1.
    flag_bytes : ndarray of uint8
        Only with ``flags=True``; of the same shape.

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    check_flag(flags)
    form = parse_format(fmt, "fmt")
    unit, bits = _grid(form)
    codes = check_codes(x, form, "x")
    values = value_table(form)[codes]
    nan, inf = np.isnan(values), np.isinf(values)
    words = np.ldexp(np.abs(np.where(nan | inf, 0.0, values)), -unit).astype(np.int64)
    words |= inf.astype(np.int64)
    marks = [codes.astype(np.int64) >> (form.width - 1)]
    marks += [nan] if form.has_nan else []
    marks += [inf] if form.inf_code is not None else []
    for k, mark in enumerate(marks):
        words |= mark.astype(np.int64) << (bits + k)
    words = np.asarray(words)
    return (words, np.zeros(words.shape, np.uint8)) if flags else words
