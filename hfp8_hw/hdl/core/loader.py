"""Brings an operand from its input stream into its page of the scratchpad."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...parameters import CoreParameters
from ..numbers.raw import wire
from .records import SIZE_BITS, address_bits, beat, operand_codes


class Loader(wiring.Component):
    """Writes the beats of a stored matrix, row by row; each row begins with a new beat.

    Members
    -------
    start : 1 bit; with ``rows`` (of the stored matrix), ``row_words`` and ``page``
        Not while ``busy``.
    busy : 1 bit
        Words are still to come; from the clock after ``start`` on.
    hold : 1 bit
        The scratchpad's port is not free in this clock.
    i : stream of beats
    write : 1 bit; with ``address``, ``row`` (of the square), ``turn`` (of the groups) and ``data``
        ``address`` is that of the first of the beat's words, ``data`` has all of them.
    misplaced : 1 bit, for one clock
        ``last`` came before the end, or did not come there.
    """

    def __init__(self, parameters: CoreParameters, side: str) -> None:
        self.parameters, self.side = parameters, side
        p = parameters
        self.layout = p.a_layout if side == "a" else p.b_layout
        count, bits = operand_codes(p, side)
        super().__init__(
            {
                "start": In(1),
                "rows": In(SIZE_BITS),
                "row_words": In(self.layout.words.bit_length()),
                "page": In((p.pages - 1).bit_length()),
                "busy": Out(1),
                "hold": In(1),
                "i": In(stream.Signature(beat(p, side))),
                "write": Out(1),
                "address": Out(address_bits(self.layout, p.pages)),
                "row": Out((self.layout.short - 1).bit_length()),
                "turn": Out((self.layout.groups - 1).bit_length()),
                "data": Out(count * bits),
                "misplaced": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        layout, stage = self.layout, f"load_{self.side}"

        def register(name: str, width: int) -> Signal:
            return Signal(width, name=f"{stage}_{name}", attrs={"stage": stage})

        busy = register("busy", 1)
        rows = register("rows_left", SIZE_BITS)
        row_words, words = (
            register(name, len(self.row_words)) for name in ("row_words", "words_left")
        )
        parts = layout.parts
        address, base = (register(n, len(self.address)) for n in ("address", "base"))
        row, turn = register("row", len(self.row)), register("turn", len(self.turn))
        i: Any = self.i
        go = wire(m, busy & i.valid & ~self.hold, f"{stage}_go")
        row_end = wire(m, words == parts, f"{stage}_row_end")
        end = wire(m, row_end & (rows == 1), f"{stage}_end")
        square_end = row == layout.short - 1 if len(row) else Const(1, 1)
        next_base = wire(m, (base + row_words)[: len(base)], f"{stage}_next_base")
        first = self.page << (len(self.address) - len(self.page))
        with m.If(self.start):
            m.d.sync += busy.eq(1)
        # In every clock of a loader that waits: `start` is known late, and has one register to set.
        with m.If(~busy):
            m.d.sync += [
                rows.eq(self.rows), row_words.eq(self.row_words), words.eq(self.row_words),
                address.eq(first), base.eq(first), row.eq(0), turn.eq(0),
            ]  # fmt: skip
        with m.Elif(go):
            m.d.sync += [address.eq(address + parts), words.eq(words - parts)]
            with m.If(row_end):
                m.d.sync += [words.eq(row_words), rows.eq(rows - 1)]
                m.d.sync += [address.eq(base), row.eq(row + 1)]
                with m.If(square_end):
                    m.d.sync += [address.eq(next_base), base.eq(next_base), row.eq(0)]
                    if layout.groups > 1:
                        m.d.sync += turn.eq(Mux(turn == layout.groups - 1, 0, turn + 1))
            with m.If(end):
                m.d.sync += busy.eq(0)
        m.d.comb += [
            self.busy.eq(busy), i.ready.eq(busy & ~self.hold), self.write.eq(go),
            self.address.eq(address), self.row.eq(row), self.turn.eq(turn),
            self.data.eq(i.payload.data),
            self.misplaced.eq(go & (i.payload.last ^ end)),
        ]  # fmt: skip
        return m
