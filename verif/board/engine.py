"""A core on a board as an engine."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.golden.engine import ProductJob
from hfp8_hw.golden.engine.jobs import Progress, silent
from hfp8_hw.host import CoreRegisters, Device
from hfp8_hw.parameters import CoreParameters
from rtl_gen.package import Package

from ..core.pieces import Piece, modes, pieces
from ..core.program import check_streams
from ..core.tiling import slices
from .core import run_parts


class BoardEngine:
    """Jobs on a core on a board, one after the other. All operands and results go over the line.

    Parameters
    ----------
    device : Device
        Opened; whoever opened it closes it.
    package : Package
        The core.
    p : CoreParameters
        Its parameters, with ``ports=streams``.

    Members
    -------
    macs : int
        Products of all jobs until now.
    busy : int
        Clocks in which the core was at work on them, by its own counter BUSY.
    seconds : float
        How long they took, the line included.

    Raises
    ------
    ParameterError
        For a core without streams.
    RunError
        If the design on the board is another one.
    """

    def __init__(self, device: Device, package: Package, p: CoreParameters) -> None:
        check_streams(p)
        device.check(package.manifest)
        self.device, self.package, self.p = device, package, p
        self.macs = self.busy = 0
        self.seconds = 0.0
        self._registers = CoreRegisters(device.link.read, device.link.write)

    @property
    def utilisation(self) -> float:
        """Products, to what the array could sum while the core was at work."""
        return self.macs / (self.busy * self.p.macs) if self.busy else 0.0

    def run(self, job: ProductJob, progress: Progress = silent) -> NDArray[Any]:
        """As `hfp8_hw.golden.engine.Engine.run`.

        Raises
        ------
        ParameterError
            For formats and sums that are not the core's, and sums that its pages do not hold.
        RunError
            If the board does not answer, refuses, or is reset again and again.
        SimulationError
            If results come in other places than they should.
        """
        modes(self.p, job)
        codes = np.zeros((job.groups, job.m, job.n), np.uint32)
        if not (codes.size and job.k):
            return codes
        start = time.monotonic()
        for step in slices(self.p, job.m, job.n, job.k):
            before = codes.copy() if step.start else None
            beats = self.device.facts.results
            for piece in pieces(self.p, job, step, before, beats):
                self._run(piece, codes)
                progress(sum(part.elements * part.task.job.k for part in piece[2]))
        self.seconds += time.monotonic() - start
        self.macs += job.macs
        return codes

    def _run(self, piece: Piece, codes: NDArray[np.uint32]) -> None:
        group, columns, found = piece
        block = codes[group, :, columns]

        def action() -> tuple[Any, int]:
            results = run_parts(self.device, self.package, self.p, found)
            # A reset clears the counter, so it is read before the next one.
            return results, self._registers.counter("BUSY")

        results, busy = self.device.again(action)
        for part, (values, _) in zip(found, results, strict=True):
            block[part.rows, part.columns] = values
        self.busy += busy
