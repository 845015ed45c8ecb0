"""Matrices of any size as jobs that a core can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.errors import ParameterError
from hfp8_hw.jobs import MAX_SIZE, GemmJob
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.parameters.layout import Layout

from .program import Codes, Task

_LONGEST = 16
"""Jobs in a list, at the most."""


@dataclass(frozen=True)
class Part:
    """A job, and the part of C that it computes."""

    task: Task
    rows: slice
    columns: slice

    @property
    def elements(self) -> int:
        """Elements of C in it."""
        return self.task.job.m * self.task.job.n


def slices(p: CoreParameters, m: int, n: int, k: int) -> list[slice]:
    """The products of each sum that one job takes, one job after another that adds to it.

    One, if pages hold k products. Else the first takes as many chunks as they hold, and each of
    the others one: chunk sums are added in order, as in one job.

    Raises
    ------
    ParameterError
        If there are no such jobs.
    """
    if not p.in_chunks and k > p.terms:
        raise ParameterError(
            f"sums of {k} products are not allowed for terms={p.terms!r}: "
            f"matrices with K of at most {p.terms}"
            + (f", or terms={k}" if k <= MAX_SIZE else "")
            + "; an exact sum is rounded once, so it cannot be split, but sums in chunks can"
        )
    if k <= MAX_SIZE and min(_held(p, k)) > 0:
        return [slice(0, k)]
    first = min(k, MAX_SIZE) // p.chunk * p.chunk if p.in_chunks and p.epilogue == "full" else 0
    while first and min(_held(p, first)) == 0:
        first -= p.chunk
    if not first:
        _refuse(p, m, n, k)
    return [slice(0, first), *(slice(i, min(i + p.chunk, k)) for i in range(first, k, p.chunk))]


def _held(p: CoreParameters, k: int) -> tuple[int, int]:
    """Rows of A and columns of B that pages hold with k products each."""
    a, b = p.a_layout, p.b_layout
    # A is stored by rows, along k; B across it.
    return a.words // a.row_words(k) * a.short, _columns(b, k)


def _columns(layout: Layout, k: int) -> int:
    """Columns that a page holds of k rows."""
    return layout.words // -(-k // layout.short) // layout.parts * layout.beat


def _refuse(p: CoreParameters, m: int, n: int, k: int) -> NoReturn:
    """Say which page is too small for sums of k products, and what would do."""
    split = ""
    if not p.in_chunks:
        split = "; an exact sum is rounded once, so it cannot be split, but sums in chunks can"
    elif p.epilogue != "full":
        split = "; or epilogue='full', which adds job to job, a chunk in each"
    if k > MAX_SIZE and split:
        raise ParameterError(
            f"sums of {k} products are not allowed: at most {MAX_SIZE} in a job{split}"
        )
    if not split:
        k, split = p.chunk, f", for a chunk of {p.chunk}"
    a, b = p.a_layout, p.b_layout
    rows, columns = _held(p, k)
    for name, most, block, layout in (
        ("a_size", rows, min(m, p.rows), a), ("b_size", columns, min(n, p.tile_cols), b),
    ):  # fmt: skip
        if most == 0:
            shape = (block, k) if name == "a_size" else (k, block)
            size = layout.outer * layout.lanes
            while size < layout.matrix_words(shape) * layout.outer * layout.lanes:
                size *= 2
            raise ParameterError(
                f"sums of {k} products are not allowed for {name}={getattr(p, name)!r}: a page "
                f"is too small; for whole tiles, at least {name}={size}{split}"
            )
    raise AssertionError("pages hold these sums")


def sizes(p: CoreParameters, m: int, n: int, k: int, biased: bool = False) -> tuple[int, int]:
    """Rows and columns of C in a job whose sums of k products pages hold (`slices`)."""
    rows, columns = _held(p, k)
    if biased:
        columns = min(columns, p.bias_size)
    return _whole(rows, p.rows, m), _whole(columns, p.tile_cols, n)


def result_beats(p: CoreParameters, m: int, n: int) -> int:
    """Beats of the output stream for C of this shape."""
    whole, rest = divmod(m, p.rows)
    return n * (whole * (p.rows // p.drains) + -(-rest // p.drains))


def _fewer(p: CoreParameters, height: int, width: int, beats: int) -> tuple[int, int]:
    """A block of whole tiles within another one, of so many beats of results; a tile at least."""
    while result_beats(p, height, width) > beats and (width > p.tile_cols or height > p.rows):
        if width > p.tile_cols:
            width = max(1, width // 2 // p.tile_cols) * p.tile_cols
        else:
            height = max(1, height // 2 // p.rows) * p.rows
    return height, width


def _whole(most: int, tile: int, size: int) -> int:
    """Whole tiles, where there is more than one, in parts that are about as large as each other."""
    most = min(most, MAX_SIZE)
    if size <= most:
        return size
    most = most // tile * tile or most
    parts = -(-size // most)
    return min(most, -(-size // (parts * tile)) * tile)


def parts(
    p: CoreParameters,
    a: Codes,
    b: Codes,
    mode_a: int = 0,
    mode_b: int = 0,
    *,
    c: Codes | None = None,
    bias: Codes | None = None,
    beats: int | None = None,
) -> Iterator[list[Part]]:
    """C = A B as jobs, in lists that can each start from a reset.

    In a list, one operand stays where it is, and the other comes in part by part.

    Parameters
    ----------
    a, b : ndarray
        Codes, (M, K) and (K, N); K as `slices` allows it.
    c, bias : ndarray, optional
        Codes that are added to C, (M, N) and (N,).
    beats : int, optional
        How many beats of results may wait outside of the core. What is added to C comes in while
        results go out, so one who does not take results meanwhile needs room for a job's.
    """
    (m, k), n = a.shape, b.shape[1]
    height, width = sizes(p, m, n, k, bias is not None)
    if c is not None and beats is not None:
        height, width = _fewer(p, height, width, beats)
    rows = [slice(i, min(i + height, m)) for i in range(0, m, height)]
    columns = [slice(j, min(j + width, n)) for j in range(0, n, width)]
    # The beats of all loads if A stays, and if B does.
    per_a = m * p.a_layout.row_beats(k)
    per_b = k * sum(p.b_layout.row_beats(c.stop - c.start) for c in columns)
    keep_a = per_b * len(rows) <= per_a * len(columns)
    for kept in rows if keep_a else columns:
        found: list[Part] = []
        for page, moving in enumerate(columns if keep_a else rows):
            at = (kept, moving) if keep_a else (moving, kept)
            first = not found
            job = GemmJob(
                at[0].stop - at[0].start,
                at[1].stop - at[1].start,
                k,
                mode_a=mode_a,
                mode_b=mode_b,
                load_a=first or not keep_a,
                load_b=first or keep_a,
                page_a=0 if keep_a else page % 2,
                page_b=page % 2 if keep_a else 0,
                bias=bias is not None,
                accumulate=c is not None,
            )
            operands: list[NDArray[np.uint32] | None] = [
                x if loaded else None
                for x, loaded in ((a[at[0]], job.load_a), (b[:, at[1]], job.load_b))
            ]
            operands += [None if bias is None else bias[at[1]], None if c is None else c[at]]
            found.append(Part(Task(job, *operands), *at))
            if len(found) == _LONGEST:
                yield found
                found = []
        if found:
            yield found
