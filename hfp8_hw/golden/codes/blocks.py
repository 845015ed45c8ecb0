"""Working through broadcast arrays a block at a time, so that temporaries stay small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from .arrays import as_array

BLOCK = 1 << 15
"""Elements in a block."""


def broadcast_shape(*arrays: NDArray[Any] | None) -> tuple[int, ...]:
    """The common shape of the arrays that are not None.

    Raises
    ------
    ParameterError
        If they do not broadcast.
    """
    shapes = [a.shape for a in arrays if a is not None]
    try:
        return np.broadcast_shapes(*shapes)
    except (ValueError, RuntimeError):  # RuntimeError: more axes than NumPy can have.
        words = ", ".join(map(repr, shapes))
        raise ParameterError(f"shapes {words} are not allowed: they do not broadcast") from None


def blocks(
    shape: tuple[int, ...], *arrays: NDArray[Any] | None
) -> Iterator[tuple[slice, list[Any]]]:
    """Flat blocks of all arrays broadcast to ``shape``, and where they lie in a flat result.

    None stays None. There is always a block, an empty one for an empty shape, so that whatever
    checks the elements is called.
    """
    size = int(np.prod(shape, dtype=np.int64))
    wide = [None if a is None else np.broadcast_to(a, shape) for a in arrays]
    flat = [a.reshape(-1) if a is not None and a.flags.c_contiguous else a for a in wide]
    for start in range(0, max(size, 1), BLOCK):
        where = slice(start, min(start + BLOCK, size))
        yield where, [a if a is None else _part(a, where, size) for a in flat]


def _part(array: NDArray[Any], where: slice, size: int) -> NDArray[Any]:
    if array.ndim == 1 and array.size == size:
        return array[where]
    if size == 0:
        return array.reshape(-1)
    part: NDArray[Any] = array.flat[where]
    return part


def as_arrays(**values: Any) -> list[Any]:
    """Array-likes, by the names of the arguments, as arrays; None stays None."""
    return [None if v is None else as_array(v, name) for name, v in values.items()]
