"""A convolution's sums, and how its operands are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ParameterError, shown
from ...jobs import Convolution
from ..codes.arrays import as_array
from ..dot import accumulator, dot
from ..elementwise import add


def stored_map(convolution: Convolution, codes: ArrayLike) -> NDArray[Any]:
    """A feature map as a job takes it: a row of ``map_channels`` codes for each position.

    The columns of a line are sorted by what is left of their number divided by the stride; where
    that leaves places free, there are codes 0, which do not count.

    Parameters
    ----------
    codes : array_like of int
        Of shape (height, width, map_channels).

    Raises
    ------
    ParameterError
        For another shape, for what is no integer, and for what is no `Convolution`.
    """
    c = _checked(convolution)
    given = _shaped("codes", codes, (c.height, c.width, c.map_channels))
    lines = np.zeros((c.height, c.phase * c.stride, c.map_channels), given.dtype)
    lines[:, : c.width] = given
    phases = lines.reshape(c.height, c.phase, c.stride, c.map_channels)
    return phases.transpose(0, 2, 1, 3).reshape(c.map_shape)


def stored_kernel(convolution: Convolution, codes: ArrayLike) -> NDArray[Any]:
    """A kernel as a job takes it: a row for each channel of the result, in it the taps line by
    line, each of them filled up, on both sides, to the channels `Convolution.tap_channels`.

    Parameters
    ----------
    codes : array_like of int
        Of shape (m, kernel_height, kernel_width, channels).

    Raises
    ------
    ParameterError
        For another shape, for what is no integer, and for what is no `Convolution`.
    """
    c = _checked(convolution)
    array = as_array(codes, "codes")
    m = array.shape[0] if array.ndim else 0
    given = _shaped("codes", codes, (m, c.kernel_height, c.kernel_width, c.channels))
    held = c.tap_channels
    ahead = c.first_channel - held.start
    behind = len(held) - ahead - c.channels
    return np.pad(given, ((0, 0), (0, 0), (0, 0), (ahead, behind))).reshape(m, c.depth)


def _checked(convolution: object) -> Convolution:
    if not isinstance(convolution, Convolution):
        raise ParameterError(f"convolution={shown(convolution)} is not allowed: a Convolution")
    return convolution


def _shaped(name: str, codes: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
    array = as_array(codes, name)
    if array.size and array.dtype.kind not in "ui":
        raise ParameterError(
            f"{name} has dtype {str(array.dtype)!r}, which is not allowed: integer codes"
        )
    if array.shape != shape:
        raise ParameterError(
            f"{name} of shape {array.shape!r} is not allowed for the convolution: {shape}"
        )
    return array


def window_sums(
    convolution: Convolution,
    rows: NDArray[Any],
    stored: NDArray[Any],
    formats: tuple[Any, Any, Any],
    *,
    semantics: str,
    chunk: int,
    **given: Any,
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """(codes, flags) of the sums of a kernel's rows and a stored map's windows, as `dot` with
    ``given`` has them of those products that there are.

    Chunks are of the columns of A, also where these do not count; a sum of none is +0.
    """
    places, taken = _windows(convolution)
    depth = convolution.depth
    size = {"exact": depth, "exact_chunk": chunk}.get(semantics)
    if size is None:
        raise ParameterError(
            f"semantics={semantics!r} is not allowed for a convolution: exact or exact_chunk"
        )
    shape = (len(rows), len(places))
    codes = np.zeros(shape, np.uint32)
    marks = np.zeros(shape, np.uint8)
    how = accumulator(formats[2], given["rounding"], given["overflow"])
    # Windows that leave the map at the same taps are summed together.
    kinds, which = np.unique(places >= 0, axis=0, return_inverse=True)
    for kind, inside in enumerate(kinds):
        some = np.flatnonzero(which.reshape(-1) == kind)
        there = (inside[:, None] & taken[None, :]).reshape(-1)
        values = stored[places[some]][:, :, _channels(convolution, taken)]
        full = np.zeros((len(some), len(inside), len(taken)), stored.dtype)
        full[:, :, taken] = values
        columns = full.reshape(len(some), depth)
        total: Any = np.zeros((len(rows), len(some)), np.uint32)
        flags = np.zeros(total.shape, np.uint8)
        for begin in range(0, depth, size):
            use = begin + np.flatnonzero(there[begin : begin + size])
            part, seen = dot(
                rows[:, None, use], columns[None, :, use], *formats, semantics="exact", **given
            )
            if semantics == "exact":
                total, flags = part, seen
                break
            total, more = add(
                total, part, how.fmt, rounding=how.rounding, overflow=how.overflow, flags=True
            )
            flags = flags | seen | more
        codes[:, some], marks[:, some] = total, flags
    return codes, marks


def _channels(convolution: Convolution, taken: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.array(convolution.tap_channels)[taken]


def _windows(convolution: Convolution) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(for each position of the result and each tap, the row of the stored map, or -1 outside of
    it; for each of a tap's channels, whether the kernel takes it)."""
    c = convolution

    def inputs(count: int, taps: int, pad: int) -> NDArray[np.int64]:
        return np.arange(count)[:, None] * c.stride - pad + np.arange(taps) * c.dilation

    y = inputs(c.out_height, c.kernel_height, c.pad_top)[:, None, :, None]
    x = inputs(c.out_width, c.kernel_width, c.pad_left)[None, :, None, :]
    inside = (y >= 0) & (y < c.height) & (x >= 0) & (x < c.width)
    row = (y * c.stride + x % c.stride) * c.phase + x // c.stride
    places = np.where(inside, row, -1).reshape(c.positions, -1)
    channels = np.array(c.tap_channels)
    first = c.first_channel
    return places, (channels >= first) & (channels < first + c.channels)
