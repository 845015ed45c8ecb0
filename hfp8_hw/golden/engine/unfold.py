"""A convolution as a matrix product: its windows, unfolded block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .jobs import ProductJob


@dataclass(frozen=True)
class Block:
    """Columns of a result: of some images, some lines and some columns of each.

    Where there is more than one image in it, it has all their lines, and where there is more than
    one line, all their columns, so that its columns are neighbours.
    """

    images: slice
    lines: slice
    columns: slice
    n: slice


def blocks(job: ProductJob, most: int) -> Iterator[Block]:
    """All columns of a job's result, in order, at most ``most`` (or 1) at a time."""
    images = 1 if job.windows is None else int(job.b.shape[0])
    lines, columns = job.places
    image_step = max(1, most // max(lines * columns, 1))
    line_step = max(1, most // max(columns, 1)) if lines * columns > most else max(lines, 1)
    column_step = most if columns > most else max(columns, 1)
    start = 0
    for image in range(0, images, image_step):
        for line in range(0, lines, line_step):
            for column in range(0, columns, column_step):
                parts = [
                    slice(first, min(first + step, end))
                    for first, step, end in (
                        (image, image_step, images), (line, line_step, lines),
                        (column, column_step, columns),
                    )
                ]  # fmt: skip
                stop = start + int(np.prod([part.stop - part.start for part in parts]))
                yield Block(parts[0], parts[1], parts[2], slice(start, stop))
                start = stop


def padded(job: ProductJob, b: NDArray[Any]) -> NDArray[Any]:
    """B as `unfolded` takes it: a map with its padding, of 0, or a matrix as it is."""
    if job.windows is None:
        return b
    top, left, bottom, right = job.windows.pads
    if not any(job.windows.pads):
        return b
    return np.pad(b, ((0, 0), (0, 0), (top, bottom), (left, right)))


def unfolded(job: ProductJob, b: NDArray[Any], block: Block) -> NDArray[Any]:
    """Columns of B, (groups, k, columns of the block).

    Parameters
    ----------
    b : ndarray
        From `padded`; codes, or the values that belong to them.
    """
    w = job.windows
    if w is None:
        return b[:, :, block.n]
    groups, taps = job.groups, w.taps
    channels = job.k // taps
    count = (block.images.stop - block.images.start, block.lines.stop - block.lines.start,
             block.columns.stop - block.columns.start)  # fmt: skip
    found = np.empty((groups, taps, channels, *count), b.dtype)
    for down in range(w.kernel[0]):
        for across in range(w.kernel[1]):
            first = (
                block.lines.start * w.strides[0] + down * w.dilations[0],
                block.columns.start * w.strides[1] + across * w.dilations[1],
            )
            rows, columns = (
                slice(start, start + (many - 1) * step + 1, step)
                for start, many, step in zip(first, count[1:], w.strides, strict=True)
            )
            part = b[block.images, :, rows, columns]
            part = part.reshape(part.shape[0], groups, channels, *part.shape[2:])
            found[:, down * w.kernel[1] + across] = part.transpose(1, 2, 0, 3, 4)
    return found.reshape(groups, job.k, -1)
