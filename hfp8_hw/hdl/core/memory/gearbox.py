"""Between words of one width and words of another."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...numbers.raw import wire
from .bus import part, unit_bytes


class Gearbox(wiring.Component):
    """Gives the bytes that it takes, in words of another width; each matrix begins with a new word.

    It can take a word and give one in every clock, as far as their widths allow.

    Members
    -------
    i, o : streams of `part`
    """

    def __init__(self, i_bytes: int, o_bytes: int, name: str) -> None:
        self.unit = unit_bytes(i_bytes, o_bytes)
        self.i_units, self.o_units = i_bytes // self.unit, o_bytes // self.unit
        self.name = name
        super().__init__(
            {
                "i": In(stream.Signature(part(i_bytes, self.unit))),
                "o": Out(stream.Signature(part(o_bytes, self.unit))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        i: Any = self.i
        o: Any = self.o
        if self.i_units == self.o_units:
            wiring.connect(m, wiring.flipped(i), wiring.flipped(o))
            return m
        # With no more than this a word can still be taken. Where the widths do not divide each
        # other, what is left of one word may not be enough for the next.
        even = self.i_units % self.o_units == 0 or self.o_units % self.i_units == 0
        most = self.o_units if even else 2 * self.o_units - 1
        size = most + self.i_units
        bits = 8 * self.unit

        def register(label: str, shape: Any) -> Signal:
            return Signal(shape, name=label, attrs={"stage": self.name})

        held = register("held", size * bits)
        count, ended = register("count", range(size + 1)), register("ended", 1)
        full = wire(m, count >= self.o_units, "full")
        final = wire(m, ended & (count <= self.o_units), "final")
        m.d.comb += [
            o.valid.eq(full | ended),
            o.payload.data.eq(held[: self.o_units * bits]),
            o.payload.count.eq(Mux(full, self.o_units, count)),
            o.payload.last.eq(final),
            i.ready.eq(~ended & (count <= most)),
        ]
        gives = wire(m, o.valid & o.ready, "gives")
        takes = wire(m, i.valid & i.ready, "takes")
        kept = wire(m, Mux(gives, held >> (self.o_units * bits), held), "kept")
        left = wire(
            m,
            Mux(gives, Mux(final, 0, count - self.o_units), count)[: len(count)],
            "left",
        )
        m.d.sync += [count.eq(left), held.eq(kept)]
        with m.If(gives & final):
            m.d.sync += ended.eq(0)
        with m.If(takes):
            m.d.sync += [count.eq(left + i.payload.count), ended.eq(i.payload.last)]
            with m.Switch(left):
                for place in range(most + 1):
                    with m.Case(place):
                        low, high = place * bits, (place + self.i_units) * bits
                        m.d.sync += held[low:high].eq(i.payload.data)
        return m
