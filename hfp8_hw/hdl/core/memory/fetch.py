"""Reads the matrices of one operand from memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.raw import wire
from ...numbers.shape import Amaranth
from .bus import burst, matrix, part, unit_bytes
from .gearbox import Gearbox
from .size import Size

BURSTS, LEAST = 4, 32
"""So many bursts of an operand, and so many words at the least, are on their way at once."""


def request(p: CoreParameters) -> data.StructLayout:
    """A burst to read; ``last`` ends a matrix, and ``tail`` then says how many bytes of the burst's
    last word belong to it, less one."""
    return data.StructLayout({"burst": burst(p), "last": 1, "tail": range(p.bus // 8)})


class Fetch(wiring.Component):
    """Asks for bursts as there is room for what they bring, so that nothing has to wait for room.

    A burst ends where the address is a multiple of the longest burst, so none goes across a
    multiple of 4 KiB.

    Members
    -------
    i : stream of `matrix`
    ask : stream of `request`
    push : 1 bit; with ``word``, ``word_last`` and ``tail``
        A word comes; it is the last of a matrix, with this tail.
    o : stream of {data, last}, the beats of the operand
    """

    def __init__(self, parameters: CoreParameters, beat_bytes: int, step: int, name: str) -> None:
        self.parameters, self.beat_bytes, self.step, self.name = parameters, beat_bytes, step, name
        p = parameters
        super().__init__(
            {
                "i": In(stream.Signature(matrix(p))),
                "ask": Out(stream.Signature(request(p))),
                "push": In(1),
                "word": In(p.bus),
                "word_last": In(1),
                "tail": In(range(p.bus // 8)),
                "o": Out(stream.Signature(data.StructLayout({"data": 8 * beat_bytes, "last": 1}))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        m.submodules.size = size = Size(p, self.step, f"{self.name}_size")
        wiring.connect(m, wiring.flipped(self.i), size.i)
        popped = self._words(m)
        self._bursts(m, size, popped)
        return m

    def _register(self, label: str, shape: Any, **facts: Any) -> Signal:
        return Signal(shape, name=label, attrs={"stage": self.name}, **facts)

    @property
    def depth(self) -> int:
        """Words that there is room for."""
        return max(LEAST, BURSTS * self.parameters.burst)

    def _bursts(self, m: Module, size: Size, popped: Amaranth) -> None:
        """Ask for one burst after another."""
        p = self.parameters
        given: Any = size.o
        ask: Any = self.ask
        low = (p.bus // 8 - 1).bit_length()
        end = wire(m, given.payload.beats * self.beat_bytes - 1, "end")
        asking = self._register("asking", 1)
        address = self._register("address", len(given.payload.address))
        left = self._register("left", len(end) - low)
        tail = self._register("tail", low)
        # Words up to the next multiple of the longest burst, less one, and those of the matrix.
        block = (p.burst - 1).bit_length()
        ahead: Amaranth = ~address[:block]
        last = wire(m, (left >> block == 0) & (left[:block] <= ahead), "last")
        free = self._register("free", range(self.depth + 1), init=self.depth)
        room = wire(m, free >= p.burst, "room")
        more = wire(m, Mux(last, left[:block], ahead)[:block], "more")
        m.d.comb += [
            given.ready.eq(~asking),
            ask.valid.eq(asking & room),
            ask.payload.burst.address.eq(address),
            ask.payload.burst.more.eq(more),
            ask.payload.last.eq(last),
            ask.payload.tail.eq(tail),
        ]
        asks = wire(m, ask.valid & ask.ready, "asks")
        m.d.sync += free.eq(free + popped - Mux(asks, more + 1, 0))
        with m.If(asks):
            m.d.sync += [
                address.eq(Cat(Const(0, block), address[block:] + 1)),
                left.eq(left - more - 1),
                asking.eq(~last),
            ]
        with m.If(given.valid & given.ready):
            m.d.sync += [
                asking.eq(1),
                address.eq(given.payload.address),
                left.eq(end >> low),
                tail.eq(end[:low]),
            ]

    def _words(self, m: Module) -> Amaranth:
        """From words that come to beats; whether a word makes room."""
        p = self.parameters
        bus_bytes = p.bus // 8
        unit = unit_bytes(bus_bytes, self.beat_bytes)
        layout = part(bus_bytes, unit)
        m.submodules.words = words = fifo.SyncFIFOBuffered(width=layout.size, depth=self.depth)
        m.submodules.gearbox = gearbox = Gearbox(bus_bytes, self.beat_bytes, f"{self.name}_gear")
        came: Any = Signal(layout, name="came")
        i: Any = gearbox.i
        o: Any = gearbox.o
        out: Any = self.o
        tail: Amaranth = self.tail
        shift = (unit - 1).bit_length()
        m.d.comb += [
            came.data.eq(self.word),
            came.last.eq(self.word_last),
            came.count.eq(Mux(self.word_last, (tail >> shift) + 1, bus_bytes // unit)),
            words.w_data.eq(Value.cast(came)),
            words.w_en.eq(self.push),
            i.payload.as_value().eq(words.r_data),
            i.valid.eq(words.r_rdy),
            words.r_en.eq(i.ready),
            out.valid.eq(o.valid),
            out.payload.data.eq(o.payload.data),
            out.payload.last.eq(o.payload.last),
            o.ready.eq(out.ready),
        ]
        return wire(m, words.r_rdy & words.r_en, "popped")
