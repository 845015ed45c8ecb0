"""The compiled core as an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from hfp8_hw.golden.engine.jobs import Progress
from hfp8_hw.parameters import CoreParameters
from rtl_gen.package import Package

from ...errors import SimulationError
from ..engine.cut_engine import CutEngine, Results
from ..engine.pieces import Piece
from ..program import Program, block_of
from ..threads import in_threads
from . import native
from .native_run import NativeRan, run_natively

_JOBS = 32
"""Jobs of a run, at the most, unless one piece has more."""


class CoreEngine(CutEngine):
    """Jobs on the compiled RTL of a core, in as many copies as there are processor cores.

    Each copy does a part of a job's products; together they take the clocks that one core would
    take for all. Clocks are counted from the reset before each run until its registers were read.

    Parameters
    ----------
    package : Package
        A generated core.
    p : CoreParameters
        Its parameters, with ``ports=streams``.

    Raises
    ------
    ParameterError, ToolMissing, ToolError
        For a core without streams, and as `verif.core.compiled.native.model`.
    """

    def __init__(self, package: Package, p: CoreParameters) -> None:
        super().__init__(p)
        self.package = package
        self._idle = [native.model(package)]

    def perform(self, found: Iterable[Piece], progress: Progress) -> Results:
        """As `CutEngine.perform`.

        Raises
        ------
        SimulationError
            If the core does not give what it should.
        """
        for run, ran in in_threads(map(self._call, _runs(found)), progress):
            if ran.error:
                raise SimulationError(f"native: {ran.error}")
            self.clocks += ran.clocks
            frames = iter(ran.frames)
            for piece in run:
                jobs = [part.task.job for part in piece.sent]
                yield piece, [block_of(self.p, (job.m, job.n), next(frames))[0] for job in jobs]

    def _call(self, run: list[Piece]) -> Callable[[Progress], tuple[list[Piece], NativeRan]]:
        def call(tell: Progress) -> tuple[list[Piece], NativeRan]:
            model = self._idle.pop() if self._idle else native.model(self.package)
            tasks = [part.task for piece in run for part in piece.parts]
            try:
                ran = run_natively(model, Program(self.p, tasks))
            finally:
                self._idle.append(model)
            tell(sum(piece.macs for piece in run))
            return run, ran

        return call


def _runs(found: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces, several of them for a run from a reset on."""
    run: list[Piece] = []
    for piece in found:
        if run and sum(len(one.parts) for one in run) + len(piece.parts) > _JOBS:
            yield run
            run = []
        run.append(piece)
    if run:
        yield run
