"""Sends off the bursts of all operands, and hands on what they bring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.raw import any_of, wire
from .bus import burst
from .fetch import Fetch, request

BURSTS = 16
"""Bursts that are on their way at once."""


class ReadChannel(wiring.Component):
    """Operands take turns, burst by burst. All bursts have one ID, so they come back in order.

    Members
    -------
    ar : stream of `burst`
    r_valid, r_ready, r_last, r_data, r_resp
        The channel R.
    fault : 1 bit
        A word came with an error.
    """

    def __init__(self, parameters: CoreParameters, sides: int) -> None:
        self.parameters, self.sides = parameters, sides
        p = parameters
        asks = {f"ask{k}": In(stream.Signature(request(p))) for k in range(sides)}
        super().__init__(
            {
                **asks,
                **{f"push{k}": Out(1) for k in range(sides)},
                "word_last": Out(1),
                "tail": Out(range(p.bus // 8)),
                "ar": Out(stream.Signature(burst(p))),
                "r_valid": In(1),
                "r_ready": Out(1),
                "r_last": In(1),
                "r_resp": In(2),
                "fault": Out(1),
            }
        )

    def connect(self, m: Module, fetches: Sequence[Fetch], word: Any) -> None:
        """Wire up what asks for bursts."""
        for k, fetch in enumerate(fetches):
            wiring.connect(m, fetch.ask, getattr(self, f"ask{k}"))
            m.d.comb += [
                fetch.push.eq(getattr(self, f"push{k}")),
                fetch.word.eq(word),
                fetch.word_last.eq(self.word_last),
                fetch.tail.eq(self.tail),
            ]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        asks: list[Any] = [getattr(self, f"ask{k}") for k in range(self.sides)]
        layout = data.StructLayout(
            {"side": range(self.sides), "last": 1, "tail": range(p.bus // 8)}
        )
        m.submodules.order = order = fifo.SyncFIFOBuffered(width=layout.size, depth=BURSTS)
        sent: Any = Signal(layout, name="sent")
        valid = Signal(name="valid", attrs={"stage": "read"})
        held: Any = Signal(burst(p), name="burst", reset_less=True, attrs={"stage": "read"})
        turn = Signal(range(self.sides), name="turn", attrs={"stage": "read"})
        ar: Any = self.ar
        free = wire(m, (~valid | ar.ready) & order.w_rdy, "free")
        m.d.comb += [ar.valid.eq(valid), ar.payload.eq(held)]
        chosen = Signal(range(self.sides), name="chosen")
        with m.Switch(turn):
            for now in range(self.sides):
                with m.Case(now):
                    # The one whose turn it was comes last.
                    for k in range(self.sides):
                        side = (now - k) % self.sides
                        with m.If(asks[side].valid):
                            m.d.comb += chosen.eq(side)
        goes = wire(m, free & any_of(*(ask.valid for ask in asks)), "goes")
        with m.If(ar.ready):
            m.d.sync += valid.eq(0)
        m.d.comb += [order.w_en.eq(goes), order.w_data.eq(Value.cast(sent)), sent.side.eq(chosen)]
        with m.If(goes):
            m.d.sync += [valid.eq(1), turn.eq(chosen)]
        with m.Switch(chosen):
            for k, ask in enumerate(asks):
                with m.Case(k):
                    m.d.comb += [
                        ask.ready.eq(goes),
                        sent.last.eq(ask.payload.last),
                        sent.tail.eq(ask.payload.tail),
                    ]
                    with m.If(goes):
                        m.d.sync += held.eq(ask.payload.burst)

        due: Any = Signal(layout, name="due")
        comes = wire(m, self.r_valid & order.r_rdy, "comes")
        m.d.comb += [
            due.eq(order.r_data),
            self.r_ready.eq(order.r_rdy),
            order.r_en.eq(comes & self.r_last),
            self.word_last.eq(self.r_last & due.last),
            self.tail.eq(due.tail),
            self.fault.eq(comes & self.r_resp[1]),
        ]
        for k in range(self.sides):
            m.d.comb += getattr(self, f"push{k}").eq(comes & (due.side == k))
        return m
