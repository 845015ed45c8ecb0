"""Keeps quantized results in a page of A's scratchpad, as the operand of a later job."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.raw import wire
from ...numbers.shape import Amaranth
from ..records import accepted, address_bits, operand_codes, result_bits, sent_beat, word_bits
from .jobs import job_ahead
from .walk import Walk


def pad_write(p: CoreParameters) -> data.StructLayout:
    """What is written to A's scratchpad in a clock; ``groups`` says in which groups of squares,
    ``words`` as which word of a beat."""
    layout = p.a_layout
    count, bits = operand_codes(p, "a")
    return data.StructLayout(
        {
            "address": address_bits(layout, p.pages),
            "row": (layout.short - 1).bit_length(),
            "turn": (layout.groups - 1).bit_length(),
            "groups": layout.groups,
            "words": layout.parts,
            "data": count * bits,
        }
    )


class Keep(wiring.Component):
    """Writes each beat, ``rows`` results of a column of C, as a part of a row of the matrix N x M.

    Members
    -------
    take : 1 bit; with ``job`` (`accepted`)
        The sequencer begins a job.
    valid : 1 bit; with ``i`` (`sent_beat`)
    write : 1 bit; with ``o`` (`pad_write`)
    pending : a bit for each page
        A job that has begun is to write it, and has not come to its end.
    """

    def __init__(self, parameters: CoreParameters, depth: int) -> None:
        self.parameters, self.depth = parameters, depth
        super().__init__(
            {
                "take": In(1),
                "job": In(accepted(parameters)),
                "valid": In(1),
                "i": In(sent_beat(parameters)),
                "write": Out(1),
                "o": Out(pad_write(parameters)),
                "pending": Out(parameters.pages),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p, layout = self.parameters, self.parameters.a_layout
        given: Any = self.job
        i: Any = self.i
        o: Any = self.o
        end = wire(m, self.valid & i.beat.last, "end")
        page_bits = (p.pages - 1).bit_length()
        page = given.job.page_y[:page_bits]
        asked = {
            "store": given.job.store, "m": given.job.m, "n": given.job.n, "page": page,
            "row_words": given.y.row_words,
        }  # fmt: skip
        job = job_ahead(m, "ahead", self.depth, self.take, asked, end)
        walk = Walk(m, p, "walk", job.m, job.n, self.valid)

        def register(name: str, shape: Any) -> Signal:
            return Signal(shape, name=name, attrs={"stage": "keep"})

        word, first = register("word", word_bits(layout)), register("first", word_bits(layout))
        row, turn = register("row", len(o.row)), register("turn", range(layout.groups))
        # A beat is a whole word's row, or the part of it that is in one group.
        parts = layout.groups if layout.outer < layout.lanes else 1
        part = register("part", range(parts))

        def next_of(value: Amaranth, count: int) -> tuple[Amaranth, Amaranth]:
            """(the next of ``count``, it is the first again)."""
            if count == 1:
                return Const(0, 1), Const(1, 1)
            wraps = value == count - 1
            return Mux(wraps, 0, value + 1), wraps

        row_after, square_end = next_of(row, layout.short)
        part_after, word_end = next_of(part, parts)
        turn_after, _ = next_of(turn, layout.groups)
        further = wire(m, (first + word_end)[: len(first)], "further")
        with m.If(self.valid):
            m.d.sync += row.eq(row_after)
            with m.If(square_end):
                m.d.sync += [word.eq(word + job.row_words), turn.eq(turn_after)]
            with m.If(walk.row_end):
                m.d.sync += [
                    word.eq(further), first.eq(further), part.eq(part_after), row.eq(0),
                    # With several parts, the group that the part is in.
                    turn.eq(part_after if parts > 1 else 0),
                ]  # fmt: skip
            with m.If(i.beat.last):
                m.d.sync += [word.eq(0), first.eq(0), part.eq(0), turn.eq(0)]

        count, bits = operand_codes(p, "a")
        width, places = p.a_formats[0].width, result_bits(p)
        codes = [
            Cat(i.beat.data[k * places :][:width], Const(0, bits - width)) for k in range(p.rows)
        ]
        here = [turn == k if parts > 1 else Const(1, 1) for k in range(layout.groups)]
        m.d.comb += [
            self.write.eq(self.valid & job.store),
            o.address.eq(Cat(word, job.page)),
            o.row.eq(row),
            o.turn.eq(0 if parts > 1 else turn),
            o.groups.eq(Cat(*here)),
            o.words.eq(1 << word[: (layout.parts - 1).bit_length()]),
            o.data.eq(Cat(*codes * (count // p.rows))),
        ]
        for k in range(p.pages):
            waits = Signal(name=f"pending{k}", attrs={"stage": "keep"})
            with m.If(end & job.store & (job.page == k)):
                m.d.sync += waits.eq(0)
            with m.If(self.take & given.job.store & (page == k)):
                m.d.sync += waits.eq(1)
            m.d.comb += self.pending[k].eq(waits)
        return m
