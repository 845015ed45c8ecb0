"""The epilogue: the steps between the array and the queue of results."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ..records import accepted, result_beat, sent_beat
from .quantize import QUANTIZE_CUTS, Quantize


def epilogue_latency(p: CoreParameters) -> int:
    """Clocks from the array's results to the queue's."""
    return 0 if p.epilogue == "none" else len(QUANTIZE_CUTS)


class Epilogue(wiring.Component):
    """What the output stream gets of the array's results. No clock stops it.

    Parameters
    ----------
    latency : int
        Clocks from the issue of a tile's last products to the end of the path.

    Members
    -------
    take : 1 bit; with ``job`` (`accepted`)
        The sequencer begins a job.
    valid : 1 bit; with ``i`` (`result_beat`)
        A beat of results in the accumulator's format.
    o_valid : 1 bit; with ``o`` (`sent_beat`), ``epilogue_latency(p)`` clocks later
    skipped : 1 bit
        A beat goes no further: its job is silent.
    """

    def __init__(self, parameters: CoreParameters, latency: int) -> None:
        self.parameters = p = parameters
        # The jobs whose last tiles are on their way, the one at work and the next one.
        self.depth = latency // p.slots + 4
        super().__init__(
            {
                "take": In(1),
                "job": In(accepted(p)),
                "valid": In(1),
                "i": In(result_beat(p)),
                "o_valid": Out(1),
                "o": Out(sent_beat(p)),
                "skipped": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        given: Any = self.job
        m.submodules.quantize = quantize = Quantize(p, self.depth)
        o: Any = quantize.o
        # The last one always goes on: with it the job ends.
        dropped = o.silent & ~o.beat.last
        m.d.comb += [
            quantize.take.eq(self.take),
            quantize.job.eq(given.job),
            quantize.valid.eq(self.valid),
            quantize.i.eq(self.i),
            self.o_valid.eq(quantize.o_valid & ~dropped),
            self.o.eq(o),
            self.skipped.eq(quantize.o_valid & dropped),
        ]
        return m
