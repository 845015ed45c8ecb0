"""Walks through a stored map: along the channels of a tap, from tap to tap, window to window."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.raw import wire
from ..records import SIZE_BITS, job_record, map_plan, place, reading, sizes

INDEX_BITS = SIZE_BITS + 3
"""Of a position in a line or a column, on either side of the map."""


class Window(wiring.Component):
    """Where the block of a clock begins in the map: always a sum of the one before.

    Members
    -------
    load : 1 bit; with ``job``, ``plan`` (`map_plan`), ``size`` and ``page``
        A new job, from its first block on.
    step : 1 bit; with ``tap_end`` and ``aside``
        A block is issued, the last of a tap; behind the last tap another tile of the line follows.
    last_tap, last_line : 1 bit
        Of the block.
    columns : a bit for each of them
        There is something to add.
    read : `reading`
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        super().__init__(
            {
                "load": In(1),
                "job": In(job_record(p)),
                "plan": In(map_plan(p)),
                "size": In(sizes(p.b_layout)),
                "page": In((p.pages - 1).bit_length()),
                "step": In(1),
                "tap_end": In(1),
                "aside": In(1),
                "last_tap": Out(1),
                "last_line": Out(1),
                "columns": Out(p.cols),
                "read": Out(reading(p, "b")),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p, layout = self.parameters, self.parameters.b_layout
        given, new = self.job, self.plan
        job_now: Any = given
        plan_now: Any = new
        read: Any = self.read
        size: Any = self.size
        narrow = layout.outer <= layout.lanes

        def register(name: str, shape: Any) -> Any:
            return Signal(shape, name=f"window_{name}", reset_less=True, attrs={"stage": "window"})

        # What is kept of the job.
        plan = register("plan", map_plan(p))
        height, stride, dilation = (
            register("height", 16),
            register("stride", 4),
            register("dilation", 8),
        )
        taps_wide, taps_high = register("taps_wide", 8), register("taps_high", 8)
        pad_top, out_height = register("pad_top", 8), register("out_height", 16)
        row_words = register("row_words", len(size.row_words))
        group_words = register("group_words", len(size.group_words))
        page = register("page", len(self.page))
        square_first = register("square_first", (layout.groups - 1).bit_length())

        wide_left, high_left, lines = (
            register("wide_left", 8), register("high_left", 8), register("lines_left", 16)
        )  # fmt: skip
        last_wide = wire(m, wide_left == 1, "window_last_wide")
        last_high = wire(m, high_left == 1, "window_last_high")
        last_line = wire(m, lines == 1, "window_last_line")
        moves = wire(m, self.step & self.tap_end, "window_moves")
        beside = wire(m, moves & ~last_wide, "window_beside")
        under = wire(m, moves & last_wide & ~last_high, "window_under")
        tile_end = wire(m, moves & last_wide & last_high, "window_tile_end")
        aside = wire(m, tile_end & self.aside, "window_aside")
        down = wire(m, tile_end & ~self.aside & ~last_line, "window_down")
        again = wire(m, tile_end & ~self.aside & last_line, "window_again")
        with m.If(moves):
            m.d.sync += wide_left.eq(Mux(last_wide, taps_wide, wide_left - 1))
        with m.If(under | tile_end):
            m.d.sync += high_left.eq(Mux(last_high, taps_high, high_left - 1))
        with m.If(down | again):
            m.d.sync += lines.eq(Mux(last_line, out_height, lines - 1))

        # Places: of the output line, the tile, the line of taps, the tap.
        shape = place(p)
        line, tile, row, tap, now = (
            register(f"at_{name}", shape) for name in ("line", "tile", "row", "tap", "now")
        )
        phase = register("phase", 4)
        after = wire(m, phase + plan.phase_step, "window_phase_after")
        around = wire(m, after >= stride, "window_around")
        tile_step: Any = Signal(shape, name="window_tile_step")
        m.d.comb += [
            tile_step.words.eq(row_words if narrow else group_words),
            tile_step.turn.eq(1 if narrow else 0),
        ]
        base: Any = Signal(shape, name="window_base")
        delta: Any = Signal(shape, name="window_delta")
        m.d.comb += [base.eq(tap), delta.eq(plan.beside)]
        with m.If(around):
            m.d.comb += delta.eq(plan.around)
        with m.If(under):
            m.d.comb += [base.eq(row), delta.eq(plan.under)]
        with m.If(aside):
            m.d.comb += [base.eq(tile), delta.eq(tile_step)]
        with m.If(down):
            m.d.comb += [base.eq(line), delta.eq(plan.down)]
        with m.If(again):
            m.d.comb += [base.eq(plan.start), delta.eq(0)]
        row_sum = wire(m, base.row + delta.row, "window_row_sum")
        carry = wire(m, row_sum[len(base.row) :].any(), "window_carry")
        following: Any = Signal(shape, name="window_following")
        m.d.comb += [
            following.row.eq(row_sum),
            following.words.eq(base.words + delta.words + Mux(carry, row_words, 0)),
            following.turn.eq(base.turn + delta.turn + carry),
        ]
        square = register("square", len(square_first))
        wraps = wire(m, square == layout.groups - 1, "window_wraps")
        with m.If(self.step):
            m.d.sync += square.eq(square + 1)
            if narrow:
                m.d.sync += now.words.eq(now.words + 1)
            else:
                m.d.sync += [now.words.eq(now.words + wraps), now.turn.eq(now.turn + 1)]
        with m.If(moves):
            m.d.sync += [now.eq(following), tap.eq(following), square.eq(square_first)]
        with m.If(under | tile_end):
            m.d.sync += row.eq(following)
        with m.If(tile_end):
            m.d.sync += tile.eq(following)
        with m.If(down | again):
            m.d.sync += line.eq(following)

        # The same as numbers: of a line in the map, and of the first column in its phase.
        y_line, y = register("y_line", signed(INDEX_BITS)), register("y", signed(INDEX_BITS))
        x_tile, x = register("x_tile", signed(INDEX_BITS)), register("x", signed(INDEX_BITS))
        top = wire(m, -pad_top, "window_top")
        y_next, x_next = (Signal(signed(INDEX_BITS), name=f"window_{n}_next") for n in "yx")
        m.d.comb += [y_next.eq(y_line), x_next.eq(x_tile + p.cols)]
        with m.If(down | again):
            m.d.comb += [y_next.eq(Mux(again, top, y_line + stride)), x_next.eq(plan.index_first)]
        with m.If(beside):
            m.d.sync += [
                x.eq(x + plan.index_step + around),
                phase.eq(after - Mux(around, stride, 0)),
            ]
        with m.If(under):
            m.d.sync += [x.eq(x_tile), y.eq(y + dilation), phase.eq(plan.phase_first)]
        with m.If(tile_end):
            m.d.sync += [
                x.eq(x_next), x_tile.eq(x_next), y.eq(y_next), y_line.eq(y_next),
                phase.eq(plan.phase_first),
            ]  # fmt: skip

        with m.If(self.load):
            first: Any = plan_now.start
            wide = Value.cast(job_now.first_channel)[(layout.short - 1).bit_length() :]
            start_square = wide[: len(square_first)]
            m.d.sync += [
                plan.eq(new), height.eq(job_now.height), stride.eq(job_now.stride),
                dilation.eq(job_now.dilation), pad_top.eq(job_now.pad_top),
                taps_wide.eq(job_now.kernel_width), wide_left.eq(job_now.kernel_width),
                taps_high.eq(job_now.kernel_height), high_left.eq(job_now.kernel_height),
                out_height.eq(job_now.out_height), lines.eq(job_now.out_height),
                row_words.eq(size.row_words), group_words.eq(size.group_words),
                page.eq(self.page), square_first.eq(start_square), square.eq(start_square),
                *(one.eq(first) for one in (line, tile, row, tap, now)),
                y.eq(-job_now.pad_top), y_line.eq(-job_now.pad_top),
                x.eq(plan_now.index_first), x_tile.eq(plan_now.index_first),
                phase.eq(plan_now.phase_first),
            ]  # fmt: skip

        there = wire(m, (y >= 0) & (y < height), "window_there")
        # The last phases may be a column shorter than the first.
        end = wire(m, plan.phase - (phase > plan.phase_last), "window_end")
        m.d.comb += [
            self.last_tap.eq(last_wide & last_high),
            self.last_line.eq(last_line),
            self.columns.eq(
                Cat(*(there & (x >= -u) & (x + u < end) for u in range(p.cols)))
            ),
            read.base.eq(Cat(now.words, page)),
            read.stride.eq(0 if narrow else row_words),
            read.turn.eq(now.turn),
            read.along.eq(int(narrow)),
            read.row.eq(now.row),
            read.down.eq(row_words),
        ]  # fmt: skip
        return m
