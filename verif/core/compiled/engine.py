"""The compiled core as an engine: jobs of any size, cut into those that its pages hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.golden.engine import ProductJob
from hfp8_hw.golden.engine.jobs import Progress, silent
from hfp8_hw.parameters import CoreParameters
from rtl_gen.package import Package

from ..compare_core import place
from ..pieces import Piece, modes, pieces
from ..program import Program, check_streams
from ..threads import in_threads
from ..tiling import slices
from . import native
from .native_run import NativeRan, run_natively

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
        modes(self.p, job)
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
            runs = _runs(pieces(self.p, job, step, before))
            for found, ran in in_threads(map(run, runs), progress):
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


def _runs(found: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces, several of them for a run from a reset on."""
    run: list[Piece] = []
    for piece in found:
        if run and sum(len(one) for _, _, one in run) + len(piece[2]) > _JOBS:
            yield run
            run = []
        run.append(piece)
    if run:
        yield run
