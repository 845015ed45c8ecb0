"""The golden model as an engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Event, Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cores import cores
from ...errors import ParameterError
from ...formats import FloatFormat, parse_format
from ..codes.operands import used_values, value_table
from ..codes.pack import code_dtype
from ..convert import quantize
from ..dot import accumulator, matmul
from ..fast import gemm, wide, windows
from ..steps import Accumulator
from .jobs import ProductJob, Progress, Windows, silent
from .unfold import Block, blocks, padded, unfolded

_COLUMNS, _FEW_COLUMNS, _FEW_ROWS = 2048, 64, 8
_WORTH_A_TASK = 1 << 20
_BYTES = 1 << 21
"""What a block of unfolded values may take: a second-level cache, and a little more."""


class GoldenEngine:
    """Jobs on the golden model, block by block in as many threads as there are cores."""

    def run(self, job: ProductJob, progress: Progress = silent) -> NDArray[Any]:
        """As `Engine.run`; formats of up to 8 bits, and all `Sums`."""
        fmt_a, fmt_b = (_narrow(name, getattr(job, name)) for name in ("fmt_a", "fmt_b"))
        how = accumulator(job.sums.acc, None, None)
        out = np.zeros((job.groups, job.m, job.n), code_dtype(how.fmt))
        if out.size and job.k:
            _in_threads(_tasks(job, fmt_a, fmt_b, how, out), progress)
        return out


def _narrow(name: str, text: str) -> FloatFormat:
    fmt = parse_format(text, name)
    if fmt.width > 8:
        raise ParameterError(f"{name}={text!r} is not allowed: a format of at most 8 bits")
    return fmt


Compute = Callable[[Block, slice, NDArray[Any]], None]
"""Computes a block of columns and some rows of the result, of all groups."""
Task = Callable[[], int]
"""Computes a part of the result, and says how many products that took."""
Multiply = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any] | None]


def _tasks(
    job: ProductJob, fmt_a: FloatFormat, fmt_b: FloatFormat, how: Accumulator, out: NDArray[Any]
) -> list[Task]:
    """The job in pieces, by the quickest way that gives the right bits."""
    used = _values(job, fmt_a, fmt_b, how)
    if (
        job.windows is not None
        and job.sums.semantics == "chunked"
        and windows.applies(job.m, job.k // job.windows.taps, job.macs)
        and gemm.applies(*used, job.k, job.sums.chunk, how)
    ):
        return _direct(job, job.windows, fmt_a, fmt_b, how, out)
    one = _compute(job, fmt_a, fmt_b, how, used)
    least = max(_FEW_COLUMNS, _WORTH_A_TASK // (job.groups * job.m * job.k))
    share = max(least, -(-job.n // (4 * cores())))
    most = max(1, min(_COLUMNS, share, _BYTES // (4 * job.groups * job.k)))
    return _blocks_and_rows(job, most, one, out)


def _values(
    job: ProductJob, fmt_a: FloatFormat, fmt_b: FloatFormat, how: Accumulator
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Values that operands have, or may have: where all of a format's will do, which of them there
    are need not be known."""
    every = value_table(fmt_a), value_table(fmt_b)
    if job.sums.semantics == "chunked" and gemm.applies(*every, job.k, job.sums.chunk, how):
        return every
    a, b = used_values(job.a, fmt_a), used_values(job.b, fmt_b)
    return a, b if job.windows is None else np.append(b, 0.0)


def _direct(
    job: ProductJob, w: Windows, fmt_a: FloatFormat, fmt_b: FloatFormat, how: Accumulator,
    out: NDArray[Any],
) -> list[Task]:  # fmt: skip
    """Groups of images and, where these are few, rows, with no window unfolded."""
    a = value_table(fmt_a).astype(np.float32)[job.a]
    maps = np.ascontiguousarray(job.b)
    shape = windows.Geometry(w.kernel, w.strides, w.dilations, w.pads, job.places)
    count = job.groups * len(maps)
    parts = max(1, min(4 * cores(), job.macs // _WORTH_A_TASK))
    edges = _edges(count, min(parts, count))
    rows = _edges(job.m, max(1, min(2 * cores() // (len(edges) - 1), parts, job.m)))

    def task(units: slice, some: slice) -> Task:
        def call() -> int:
            windows.convolve(a, maps, fmt_b, shape, job.sums.chunk, how, out, units, some)
            share = (units.stop - units.start) * (some.stop - some.start)
            return share * (job.macs // (count * job.m))

        return call

    return [task(slice(*u), slice(*r)) for u in pairwise(edges) for r in pairwise(rows)]


def _edges(count: int, parts: int) -> list[int]:
    """Where to cut ``count`` things into parts of nearly the same size."""
    return [count * k // parts for k in range(parts + 1)]


def _compute(
    job: ProductJob, fmt_a: FloatFormat, fmt_b: FloatFormat, how: Accumulator,
    used: tuple[NDArray[Any], NDArray[Any]],
) -> Compute:  # fmt: skip
    """A way to a block's results."""
    chunk, semantics = job.sums.chunk, job.sums.semantics
    if semantics == "chunked" and gemm.applies(*used, job.k, chunk, how):
        return _on_values(
            job, fmt_a, fmt_b, np.float32, lambda x, y: gemm.grouped(x, y, chunk, how, job.macs)
        )
    if semantics == "chunked" and wide.chunked_applies(*used, how):
        return _on_values(
            job, fmt_a, fmt_b, np.float64, lambda x, y: wide.chunked(x, y, chunk, how, job.macs)
        )
    if semantics == "exact" and wide.exact_applies(*used, job.k):
        return _on_values(job, fmt_a, fmt_b, np.float64, lambda x, y: _exact(x, y, how))
    return _general(job)


def _exact(x: NDArray[Any], y: NDArray[Any], how: Accumulator) -> NDArray[Any]:
    # A sum starts from +0, so that no sum of zeros is -0.
    sums = x @ y + 0.0
    return np.asarray(quantize(sums, how.fmt, rounding=how.rounding, overflow=how.overflow))


def _on_values(
    job: ProductJob, fmt_a: FloatFormat, fmt_b: FloatFormat, dtype: type, multiply: Multiply
) -> Compute:
    """By a way that takes values, or else the general one."""
    x = value_table(fmt_a).astype(dtype)[job.a]
    y = padded(job, value_table(fmt_b).astype(dtype)[job.b])
    rest = _general(job)

    def block(at: Block, rows: slice, out: NDArray[Any]) -> None:
        some = np.ascontiguousarray(x[:, rows])
        found = multiply(some, np.ascontiguousarray(unfolded(job, y, at)))
        if found is None:
            rest(at, rows, out)
        else:
            out[:, rows, at.n] = found

    return block


def _general(job: ProductJob) -> Compute:
    codes = padded(job, job.b)

    def block(at: Block, rows: slice, out: NDArray[Any]) -> None:
        columns = unfolded(job, codes, at)
        sums = job.sums
        for group in range(job.groups):
            out[group, rows, at.n] = matmul(
                job.a[group, rows], columns[group], job.fmt_a, job.fmt_b, sums.acc,
                semantics=sums.semantics, chunk=sums.chunk,
            )  # fmt: skip

    return block


def _blocks_and_rows(job: ProductJob, most: int, one: Compute, out: NDArray[Any]) -> list[Task]:
    """Blocks of columns and, where these are fewer than threads could use, of rows."""
    columns = list(blocks(job, most))
    parts = min(2 * cores() // len(columns), job.m // _FEW_ROWS, job.macs // _WORTH_A_TASK)
    parts = max(parts, 1)
    edges = _edges(job.m, parts)

    def task(block: Block, rows: slice) -> Task:
        def call() -> int:
            one(block, rows, out)
            done = (rows.stop - rows.start) * (block.n.stop - block.n.start)
            return job.groups * job.k * done

        return call

    return [task(block, slice(*ends)) for block in columns for ends in pairwise(edges)]


def _in_threads(tasks: list[Task], progress: Progress) -> None:
    stop, lock = Event(), Lock()

    def call(task: Task) -> None:
        if stop.is_set():
            return
        done = task()
        with lock:
            progress(done)

    if len(tasks) == 1 or cores() == 1:
        for task in tasks:
            call(task)
        return
    with ThreadPoolExecutor(cores()) as pool:
        try:
            for future in [pool.submit(call, task) for task in tasks]:
                future.result()
        finally:
            stop.set()
