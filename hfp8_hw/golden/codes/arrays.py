"""Arguments as arrays: what cannot be one, or is not of the kind asked for, is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ParameterError, shown

LARGEST_INTEGER = 1 << 53
"""Integers up to this magnitude are binary64 values."""


def as_array(values: Any, parameter: str) -> NDArray[Any]:
    """``values`` as an array, none of them changed by that.

    Raises
    ------
    ParameterError
        If they have no rectangular shape, or are no array at all; for integers beyond 2**53 that
        stand among floats in a list, where NumPy would round them.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind == "f" and not hasattr(values, "dtype"):
            mixed = [v for v in np.asarray(values, object).flat if isinstance(v, int | np.integer)]
            _check_largest(*mixed, parameter=parameter)
        return array
    except ParameterError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ParameterError(
            f"{parameter}={shown(values)} is not allowed: an array, all rows of one length"
        ) from None


def check_integers(
    values: Any, parameter: str, low: int, high: int, allowed: str, kinds: str = "ui"
) -> NDArray[np.int64]:
    """Integers within a range, as an array; an empty list, of floats to NumPy, will do.

    Raises
    ------
    ParameterError
        If they are not; the text gives the first bad one, or the dtype.
    """
    array = as_array(values, parameter)
    if array.size == 0 and array.dtype.kind == "f":
        return array.astype(np.int64)
    if array.dtype.kind not in kinds:
        what = shown(values) if array.ndim == 0 else f"<dtype {str(array.dtype)!r}>"
        raise ParameterError(f"{parameter}={what} is not allowed: {allowed}")
    outside = (array < low) | (array > high)
    if outside.any():
        bad = int(array[outside].flat[0]) if array.ndim else int(array)
        raise ParameterError(f"{parameter}={bad!r} is not allowed: {allowed}")
    return array.astype(np.int64)


def check_switch(values: Any, parameter: str) -> NDArray[np.bool_]:
    """Booleans, or the integers 0 and 1, as an array."""
    return check_integers(values, parameter, 0, 1, "True or False, 1 or 0", "uib").astype(bool)


def check_flag(value: object, parameter: str = "flags") -> bool:
    """A single True or False; 1 and 0 will do."""
    if isinstance(value, bool | np.bool_ | int) and value in (0, 1):
        return bool(value)
    raise ParameterError(f"{parameter}={shown(value)} is not allowed: True or False")


def check_reals(x: ArrayLike, parameter: str) -> NDArray[np.float64]:
    """Real numbers as binary64, none of them changed by that.

    Raises
    ------
    ParameterError
        For integers beyond 2**53, and for what is no real number.
    """
    array = as_array(x, parameter)
    kind = array.dtype.kind
    if kind == "u":
        raise ParameterError(
            f"{parameter} has dtype {str(array.dtype)!r}, which is not allowed without src: "
            "name the format of these codes, or convert them to float"
        )
    # Types that packages add to NumPy, bfloat16 for one, have a safe conversion; records have not.
    added = (
        kind == "V"
        and array.dtype.type is not np.void
        and np.can_cast(array.dtype, np.float64, "safe")
    )
    if not (kind in "if" or added) or array.dtype.itemsize > 8:
        raise ParameterError(
            f"{parameter} has dtype {str(array.dtype)!r}, which is not allowed: real numbers"
        )
    if kind == "i":
        _check_largest(array.min(initial=0), array.max(initial=0), parameter=parameter)
    with np.errstate(invalid="ignore"):  # signalling NaNs are NaNs
        return array.astype(np.float64)


def _check_largest(*values: Any, parameter: str) -> None:
    for value in values:
        if abs(int(value)) > LARGEST_INTEGER:
            raise ParameterError(
                f"{parameter} holds the integer {int(value)}, which is not allowed: "
                "none beyond 2**53"
            )
