"""The golden model as an engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cores import cores
from ...errors import ParameterError
from ...formats import FloatFormat, parse_format
from ..codes.operands import used_values, value_table
from ..codes.pack import code_dtype
from ..dot import accumulator, matmul
from ..fast import gemm
from ..steps import Accumulator
from .jobs import ProductJob, Progress, silent
from .unfold import Block, blocks, padded, unfolded

_COLUMNS = 512
_BYTES = 1 << 21
"""What a block of unfolded values may take: a second-level cache, and a little more."""


class GoldenEngine:
    """Jobs on the golden model, block by block in as many threads as there are cores."""

    def run(self, job: ProductJob, progress: Progress = silent) -> NDArray[Any]:
        """As `Engine.run`; formats of up to 8 bits, and all `Sums`."""
        fmt_a, fmt_b = (_narrow(name, getattr(job, name)) for name in ("fmt_a", "fmt_b"))
        how = accumulator(job.sums.acc, None, None)
        out = np.zeros((job.groups, job.m, job.n), code_dtype(how.fmt))
        one = _fast(job, fmt_a, fmt_b, how) or _general(job)
        if out.size and job.k:
            most = max(1, min(_COLUMNS, _BYTES // (4 * job.groups * job.k)))
            _in_threads(job, list(blocks(job, most)), one, out, progress)
        return out


def _narrow(name: str, text: str) -> FloatFormat:
    fmt = parse_format(text, name)
    if fmt.width > 8:
        raise ParameterError(f"{name}={text!r} is not allowed: a format of at most 8 bits")
    return fmt


Compute = Callable[[Block, NDArray[Any]], None]


def _fast(job: ProductJob, fmt_a: FloatFormat, fmt_b: FloatFormat, how: Accumulator) -> Any:
    """Blocks at binary32 speed, where `gemm.applies`; None elsewhere."""
    run_length = job.sums.chunk
    used = used_values(job.a, fmt_a), used_values(job.b, fmt_b)
    if job.windows is not None:
        used = used[0], np.append(used[1], 0.0)
    if job.sums.semantics != "chunked" or not gemm.applies(*used, job.k, run_length, how):
        return None
    x = value_table(fmt_a).astype(np.float32)[job.a]
    y = padded(job, value_table(fmt_b).astype(np.float32)[job.b])

    def block(at: Block, out: NDArray[Any]) -> None:
        columns = np.ascontiguousarray(unfolded(job, y, at))
        for group in range(job.groups):
            out[group, :, at.n] = gemm.matmul(x[group], columns[group], run_length, how)

    return block


def _general(job: ProductJob) -> Compute:
    codes = padded(job, job.b)

    def block(at: Block, out: NDArray[Any]) -> None:
        columns = unfolded(job, codes, at)
        sums = job.sums
        for group in range(job.groups):
            out[group, :, at.n] = matmul(
                job.a[group], columns[group], job.fmt_a, job.fmt_b, sums.acc,
                semantics=sums.semantics, chunk=sums.chunk,
            )  # fmt: skip

    return block


def _in_threads(
    job: ProductJob, every: list[Block], one: Compute, out: NDArray[Any], progress: Progress
) -> None:
    stop, lock = Event(), Lock()

    def call(block: Block) -> None:
        if stop.is_set():
            return
        one(block, out)
        with lock:
            progress(job.groups * job.m * job.k * (block.n.stop - block.n.start))

    if len(every) == 1 or cores() == 1:
        for block in every:
            call(block)
        return
    with ThreadPoolExecutor(cores()) as pool:
        try:
            for future in [pool.submit(call, block) for block in every]:
                future.result()
        finally:
            stop.set()
