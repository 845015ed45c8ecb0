"""A core on a board as an engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hfp8_hw.golden.engine.jobs import Progress
from hfp8_hw.host import CoreRegisters, Device
from hfp8_hw.host.link import Traffic
from hfp8_hw.parameters import CoreParameters
from rtl_gen.package import Package

from ..core.engine.cut_engine import CutEngine, Results
from ..core.engine.pieces import Piece
from .core import run_parts


class BoardEngine(CutEngine):
    """Jobs on a core on a board, one after the other. Clocks are those in which the core was at
    work, by its own counter BUSY.

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
    seconds : float
        How long the jobs took, the line included, by the clock of the device's transport.
    traffic : Traffic
        What went over the line for them.

    Raises
    ------
    ParameterError
        For a core without streams.
    RunError
        If the design on the board is another one.
    """

    def __init__(self, device: Device, package: Package, p: CoreParameters) -> None:
        super().__init__(p)
        device.check(package.manifest)
        self.device, self.package = device, package
        self.room = device.facts.results
        self.seconds = 0.0
        self._before = device.link.traffic
        self._registers = CoreRegisters(device.link.read, device.link.write)

    @property
    def traffic(self) -> Traffic:
        """See the class."""
        return self.device.link.traffic - self._before

    def perform(self, found: Iterable[Piece], progress: Progress) -> Results:
        """As `CutEngine.perform`.

        Raises
        ------
        RunError
            If the board does not answer, refuses, or is reset again and again.
        SimulationError
            If results come in other places than they should.
        """
        for piece in found:
            start = self.device.link.transport.now()

            def action(piece: Piece = piece) -> tuple[Any, int]:
                results = run_parts(self.device, self.package, self.p, piece.parts)
                # A reset clears the counter, so it is read before the next one.
                return results, self._registers.counter("BUSY")

            results, busy = self.device.again(action)
            self.clocks += busy
            self.seconds += self.device.link.transport.now() - start
            yield piece, [codes for codes, _ in results]
            progress(piece.macs)
