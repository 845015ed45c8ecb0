"""The products of an engine's job as jobs of a core."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import parse_format
from hfp8_hw.golden.engine import ProductJob
from hfp8_hw.golden.engine.unfold import blocks, padded, unfolded
from hfp8_hw.parameters import CoreParameters

from ..tiling import Part, parts

_COLUMNS = 1 << 14
"""Columns of a convolution's matrix that are unfolded at a time."""


class Piece(NamedTuple):
    """A group, some of its columns, and jobs that compute parts of these, from a reset on."""

    group: int
    columns: slice
    parts: list[Part]

    @property
    def macs(self) -> int:
        """Products of all its jobs."""
        return sum(part.elements * part.task.job.k for part in self.parts)

    @property
    def sent(self) -> list[Part]:
        """Those whose results leave the core."""
        return [part for part in self.parts if not part.task.job.silent]


def modes(p: CoreParameters, job: ProductJob) -> tuple[int, int]:
    """Which of the core's formats the operands have.

    Raises
    ------
    ParameterError
        For formats and sums that are not the core's.
    """
    found = (
        _mode("fmt_a", job.fmt_a, p.a_formats),
        _mode("fmt_b", job.fmt_b, p.b_formats),
    )
    has = (p.acc_format, p.semantics, *([p.chunk] if p.in_chunks else []))
    asked = (parse_format(job.sums.acc), job.sums.semantics,
             *([job.sums.chunk] if p.in_chunks else []))  # fmt: skip
    if has != asked:
        raise ParameterError(
            f"sums={job.sums!r} is not allowed: the core has acc={p.acc!r}, "
            f"semantics={p.semantics!r}, chunk={p.chunk!r}"
        )
    return found


def _mode(name: str, text: str, formats: tuple[Any, ...]) -> int:
    fmt = parse_format(text, name)
    if fmt not in formats:
        words = " or ".join(map(str, formats))
        raise ParameterError(f"{name}={text!r} is not allowed: the core takes {words}")
    return formats.index(fmt)


def pieces(
    p: CoreParameters,
    job: ProductJob,
    step: slice,
    before: NDArray[Any] | None,
    beats: int | None = None,
) -> Iterator[Piece]:
    """A job's products as jobs of the core.

    ``step`` are the products of each sum that are taken, of `tiling.slices`, and ``before`` the
    sums of those before, if there are any; ``beats`` is as `tiling.parts` has it.
    """
    codes, (mode_a, mode_b) = padded(job, job.b), modes(p, job)
    for block in blocks(job, max(1, _COLUMNS // job.groups)):
        columns = unfolded(job, codes, block)
        for group in range(job.groups):
            a = job.a[group, :, step].astype(np.uint32)
            b = columns[group, step].astype(np.uint32)
            c = None if before is None else before[group, :, block.n]
            for one in parts(p, a, b, mode_a, mode_b, c=c, beats=beats):
                yield Piece(group, block.n, one)
