"""Counts how many beats a matrix takes, without a multiplier or a divider."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.raw import wire
from ..records import SIZE_BITS
from .bus import matrix, stretch


class Size(wiring.Component):
    """``height`` divided by ``step``, rounded up, times ``width``.

    It takes a clock for each bit of the product's first factor; where ``step`` is no power of two,
    also one for each of its steps.

    Members
    -------
    i : stream of `matrix`, neither side of it 0
    o : stream of `stretch`
    """

    def __init__(self, parameters: CoreParameters, step: int, name: str) -> None:
        self.step, self.name = step, name
        super().__init__(
            {
                "i": In(stream.Signature(matrix(parameters))),
                "o": Out(stream.Signature(stretch(parameters))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        i: Any = self.i
        o: Any = self.o

        def register(label: str, width: int) -> Signal:
            return Signal(width, name=label, attrs={"stage": self.name})

        busy = register("busy", 1)
        address = register("address", len(i.payload.address))
        steps, factor = register("steps", SIZE_BITS), register("factor", SIZE_BITS)
        addend, total = register("addend", 2 * SIZE_BITS), register("total", 2 * SIZE_BITS)
        shift = (self.step - 1).bit_length()
        direct = self.step == 1 << shift
        counted = wire(m, steps == 0, "counted")
        done = wire(m, busy & counted & (factor == 0), "done")
        m.d.comb += [
            i.ready.eq(~busy),
            o.valid.eq(done),
            o.payload.address.eq(address),
            o.payload.beats.eq(total),
        ]
        with m.If(done & o.ready):
            m.d.sync += busy.eq(0)
        with m.If(busy & ~counted):
            m.d.sync += [
                factor.eq(factor + 1),
                steps.eq(Mux(steps > self.step, steps - self.step, 0)),
            ]
        with m.If(busy & counted):
            m.d.sync += [
                total.eq(total + Mux(factor[0], addend, 0)),
                addend.eq(addend << 1),
                factor.eq(factor >> 1),
            ]
        with m.If(i.valid & i.ready):
            height = i.payload.height
            m.d.sync += [
                busy.eq(1), address.eq(i.payload.address), addend.eq(i.payload.width), total.eq(0),
                steps.eq(0 if direct else height),
                factor.eq((height + (self.step - 1)) >> shift if direct else 0),
            ]  # fmt: skip
        return m
