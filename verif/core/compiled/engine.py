"""The compiled core as an engine: jobs of any size, cut into those that its pages hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import parse_format
from hfp8_hw.golden.engine import ProductJob
from hfp8_hw.golden.engine.jobs import Progress, silent
from hfp8_hw.golden.engine.unfold import blocks, padded, unfolded
from hfp8_hw.parameters import CoreParameters
from rtl_gen.package import Package

from ..compare_core import place
from ..program import Program, check_streams
from ..threads import in_threads
from ..tiling import Part, parts, slices
from . import native
from .native_run import NativeRan, run_natively

_COLUMNS = 1 << 14
"""Columns of a convolution's matrix that are unfolded at a time."""
_JOBS = 32
"""Jobs of a run, at the most, unless one matrix has more."""


class CoreEngine:
    """Jobs on the compiled RTL of a core, in as many copies as there are processor cores.

    Each copy does a part of a job's products; together they take the clocks that one core would
    take for all.

    Parameters
    ----------
    package : Package
        A generated core.
    p : CoreParameters
        Its parameters, with ``ports=streams``.

    Members
    -------
    clocks : int
        Of all jobs until now, from the reset before each run until its registers were read.
    macs : int
        Products of these jobs.

    Raises
    ------
    ParameterError, ToolMissing, ToolError
        For a core without streams, and as `verif.core.compiled.native.model`.
    """

    def __init__(self, package: Package, p: CoreParameters) -> None:
        check_streams(p)
        self.package, self.p = package, p
        self.clocks = self.macs = 0
        self._idle = [native.model(package)]

    @property
    def utilisation(self) -> float:
        """Products, to what the array could sum in these clocks."""
        return self.macs / (self.clocks * self.p.macs) if self.clocks else 0.0

    def run(self, job: ProductJob, progress: Progress = silent) -> NDArray[Any]:
        """As `hfp8_hw.golden.engine.Engine.run`.

        Raises
        ------
        ParameterError
            For formats and sums that are not the core's, and sums that its pages do not hold.
        SimulationError
            If the core does not give what it should.
        """
        modes = [
            _mode(name, getattr(job, name), formats)
            for name, formats in (("fmt_a", self.p.a_formats), ("fmt_b", self.p.b_formats))
        ]
        has = (self.p.acc_format, self.p.semantics, *([self.p.chunk] if self.p.in_chunks else []))
        asked = (parse_format(job.sums.acc), job.sums.semantics,
                 *([job.sums.chunk] if self.p.in_chunks else []))  # fmt: skip
        if has != asked:
            raise ParameterError(
                f"sums={job.sums!r} is not allowed: the core has acc={self.p.acc!r}, "
                f"semantics={self.p.semantics!r}, chunk={self.p.chunk!r}"
            )
        codes = np.zeros((job.groups, job.m, job.n), np.uint32)
        if not (codes.size and job.k):
            return codes

        def run(found: list[Piece]) -> Callable[[Progress], tuple[list[Piece], NativeRan]]:
            def call(tell: Progress) -> tuple[list[Piece], NativeRan]:
                model = self._idle.pop() if self._idle else native.model(self.package)
                every = [part for _, _, one in found for part in one]
                try:
                    ran = run_natively(model, Program(self.p, [part.task for part in every]))
                finally:
                    self._idle.append(model)
                tell(sum(part.elements * part.task.job.k for part in every))
                return found, ran

            return call

        steps = slices(self.p, job.m, job.n, job.k)
        for step in steps:
            before = codes.copy() if step.start else None
            for found, ran in in_threads(
                map(run, _runs(self.p, job, modes, step, before)), progress
            ):
                first = 0
                for group, columns, one in found:
                    frames = ran.frames[first : first + len(one)]
                    first += len(one)
                    flags = np.zeros((job.m, columns.stop - columns.start), np.uint8)
                    part = codes[group, :, columns]
                    place(self.p, one, replace(ran, frames=frames), part, flags, "native")
                self.clocks += ran.clocks
        self.macs += job.macs
        return codes


Piece = tuple[int, slice, list[Part]]
"""Jobs of one group and some columns."""


def _mode(name: str, text: str, formats: tuple[Any, ...]) -> int:
    fmt = parse_format(text, name)
    if fmt not in formats:
        words = " or ".join(map(str, formats))
        raise ParameterError(f"{name}={text!r} is not allowed: the core takes {words}")
    return formats.index(fmt)


def _runs(
    p: CoreParameters, job: ProductJob, modes: list[int], step: slice, before: NDArray[Any] | None
) -> Iterator[list[Piece]]:
    """A job's products as jobs of the core, several of them for a run from a reset on.

    ``step`` are the products of each sum that are taken, ``before`` the sums of those before.
    """
    codes, count = padded(job, job.b), 0
    found: list[Piece] = []
    for block in blocks(job, max(1, _COLUMNS // job.groups)):
        columns = unfolded(job, codes, block)
        for group in range(job.groups):
            a = job.a[group, :, step].astype(np.uint32)
            b = columns[group, step].astype(np.uint32)
            c = None if before is None else before[group, :, block.n]
            for one in parts(p, a, b, modes[0], modes[1], c=c):
                if found and count + len(one) > _JOBS:
                    yield found
                    found, count = [], 0
                found.append((group, block.n, one))
                count += len(one)
    if found:
        yield found
