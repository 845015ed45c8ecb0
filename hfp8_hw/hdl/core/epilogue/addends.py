"""Brings biases, and what C held before, from their stream."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.raw import wire
from ..records import SIZE_BITS, addend_beat
from .walk import Walk

BIASES = 2
"""Jobs whose biases are there at once."""


class Addends(wiring.Component):
    """For one job after another, first the bias, then C.

    A bias goes to a memory, if it has a place for one more. C goes to a queue, in which all of a
    tile has to be before its last products are issued.

    Members
    -------
    start : 1 bit; with ``rows``, ``columns``, ``bias`` and ``accumulate``
        Of a job that needs one of both, while not ``busy``; with ``codes``, of its bias, and
        where there are convolutions ``line``, the columns after which a tile ends early.
    busy : 1 bit
        From the clock after ``start`` on: beats are still to come.
    i : stream of `addend_beat`
    vacant : 1 bit
        The memory can take a bias.
    write_bias : 1 bit; with ``word``
        ``i`` is that word of the bias.
    bias_end : 1 bit, its last
    room : 1 bit
        The queue can take a beat.
    push : 1 bit
        ``i`` belongs to C.
    tile_end : 1 bit, its last of a tile
    misplaced : 1 bit, for one clock
        ``last`` came before the end of a bias or of C, or did not come there.
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        super().__init__(
            {
                "start": In(1),
                "rows": In(SIZE_BITS),
                "columns": In(SIZE_BITS),
                "codes": In(SIZE_BITS),
                **({"line": In(SIZE_BITS)} if p.convolution == "yes" else {}),
                "bias": In(1),
                "accumulate": In(1),
                "busy": Out(1),
                "i": In(stream.Signature(addend_beat(p))),
                "vacant": In(1),
                "write_bias": Out(1),
                "word": Out(range(p.bias_words)),
                "bias_end": Out(1),
                "room": In(1),
                "push": Out(1),
                "tile_end": Out(1),
                "misplaced": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters

        def register(name: str, shape: Any) -> Signal:
            return Signal(shape, name=name, attrs={"stage": "addends"})

        bias, accumulate = register("bias", 1), register("accumulate", 1)
        rows, columns = register("rows", SIZE_BITS), register("columns", SIZE_BITS)
        left, word = register("left", SIZE_BITS), register("word", range(p.bias_words))
        column = register("column", range(p.tile_cols))
        i: Any = self.i
        write = wire(m, i.valid & bias & self.vacant, "write")
        push = wire(m, i.valid & ~bias & accumulate & self.room, "push")
        walk = Walk(m, p, "walk", rows, columns, push)
        bias_end = wire(m, left <= p.drains, "bias_end")
        full_tile = column == p.tile_cols - 1 if p.tile_cols > 1 else Const(1, 1)
        line_end = walk.row_end
        if p.convolution == "yes":
            line, columns_left = register("line", SIZE_BITS), register("line_left", SIZE_BITS)
            line_end = wire(m, columns_left == 1, "line_end")
            with m.If(self.start):
                m.d.sync += [line.eq(self.line), columns_left.eq(self.line)]
            with m.Elif(push & walk.column_end):
                m.d.sync += columns_left.eq(Mux(line_end, line, columns_left - 1))
        tile_end = wire(m, walk.column_end & (full_tile | line_end), "tile_end")
        with m.If(self.start):
            m.d.sync += [
                bias.eq(self.bias), accumulate.eq(self.accumulate), rows.eq(self.rows),
                columns.eq(self.columns), left.eq(self.codes), word.eq(0),
            ]  # fmt: skip
        with m.If(write):
            m.d.sync += [left.eq(left - p.drains), word.eq(word + 1), bias.eq(~bias_end)]
        with m.If(push):
            m.d.sync += accumulate.eq(~walk.end)
            with m.If(walk.column_end):
                m.d.sync += column.eq(column + 1)
            with m.If(tile_end):
                m.d.sync += column.eq(0)
        m.d.comb += [
            self.busy.eq(bias | accumulate),
            i.ready.eq((bias & self.vacant) | (~bias & accumulate & self.room)),
            self.write_bias.eq(write),
            self.word.eq(word),
            self.bias_end.eq(write & bias_end),
            self.push.eq(push),
            self.tile_end.eq(push & tile_end),
            self.misplaced.eq((write & (i.payload.last ^ bias_end))
                              | (push & (i.payload.last ^ walk.end))),
        ]  # fmt: skip
        return m
