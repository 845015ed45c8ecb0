"""The loops of a job: over the tiles of C, and in each along k."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...parameters import CoreParameters
from ..numbers.raw import wire
from ..numbers.shape import Amaranth
from .address import Address
from .convolution.window import Window
from .records import SIZE_BITS, accepted, reading, step


class Sequencer(wiring.Component):
    """Issues a block of each operand a clock: along k, then the next columns, then the next rows.

    Nothing behind it can wait. So the last block of a tile is issued only when its results have a
    place in the output queue, and not before the results of the tile ahead have left the array,
    which takes ``slots`` clocks. With sums in chunks that holds for the last block of every chunk,
    and `CoreParameters.chunk_interval` between two chunks of a tile. A job follows another without
    a clock in between.

    Where sums take turns, ``turns`` blocks of B follow each other for every one of A, and such
    rounds begin every ``turns`` clocks only: an element's sums cannot wait, one for another.

    Members
    -------
    i : stream of `accepted` jobs whose operands are loaded
    room : 1 bit
        The results of a tile have a place.
    valid : 1 bit; with ``o`` (`step`), ``read_a`` and ``read_b`` (`reading`)
    cols : of this block's columns those of C
    tile_end : 1 bit, of the last block of a tile
    active : 1 bit, there is a job
    held : 1 bit, its next block has to wait
    done : 1 bit, for the clock of the last block of a job
    page_a, page_b
        What the job reads, under ``active``.
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        page_bits = (p.pages - 1).bit_length()
        super().__init__(
            {
                "i": In(stream.Signature(accepted(p))),
                "room": In(1),
                "valid": Out(1),
                "cols": Out(p.cols.bit_length()),
                "tile_end": Out(1),
                "o": Out(step(p)),
                "read_a": Out(reading(p, "a")),
                "read_b": Out(reading(p, "b")),
                "active": Out(1),
                "held": Out(1),
                "done": Out(1),
                "page_a": Out(page_bits),
                "page_b": Out(page_bits),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        i: Any = self.i
        o: Any = self.o

        def register(name: str, width: int, reset: bool = False) -> Signal:
            return Signal(width, name=f"loop_{name}", reset_less=not reset, attrs={"stage": "loop"})

        active = register("active", 1, True)
        k, n, rows, columns, depth = (
            register(name, SIZE_BITS) for name in ("k_left", "n_left", "m_left", "n", "k")
        )
        mode_a, mode_b = register("mode_a", 1), register("mode_b", 1)
        pages = {side: register(f"page_{side}", len(self.page_a)) for side in ("a", "b")}
        first = register("first", 1)
        wait = register("wait", (p.chunk_interval - 1).bit_length(), True)

        # Whether a loop is at its end is known from a register, not from what is left: the first
        # thing in a clock, on which all others wait. With a convolution k counts through a tap, and
        # n through a line.
        tap_end, line_end = register("tap_end", 1), register("line_end", 1)
        last_m = register("last_m", 1)
        waits = register("waits", 1, True)
        window = Window(p) if p.convolution == "yes" else None
        convolve = register("convolve", 1)
        last_k, last_n = tap_end, line_end
        if window is not None:
            m.submodules.window = window
            last_k = wire(m, tap_end & (window.last_tap | ~convolve), "loop_last_k")
            last_n = wire(m, line_end & (window.last_line | ~convolve), "loop_last_n")
        left = register("chunk_left", (p.chunk_steps - 1).bit_length() if p.in_chunks else 0)
        chunk_end, opening = register("chunk_end", 1), register("opening", 1)
        sum_end = wire(m, last_k | chunk_end, "loop_sum_end") if p.in_chunks else last_k
        blocked = wire(m, sum_end & waits | last_k & ~self.room, "loop_blocked")
        turn, begin, go, step, round_end = self._turns(m, active & ~blocked)
        tile_end = wire(m, step & last_k, "loop_tile_end")
        row_end = wire(m, tile_end & last_n, "loop_row_end")
        done = wire(m, row_end & last_m, "loop_done")
        take = wire(m, i.valid & (done | ~active & round_end), "loop_take")
        m.d.comb += i.ready.eq(done | ~active & round_end)

        with m.If(waits):
            m.d.sync += [wait.eq(wait - 1), waits.eq(wait != 1)]
        with m.If(begin & sum_end):
            pause = Mux(last_k, p.slots - 1, p.chunk_interval - 1)
            m.d.sync += [wait.eq(pause), waits.eq(pause != 0)]
        with m.If(step):
            m.d.sync += [k.eq(k - p.lanes), tap_end.eq(k <= 2 * p.lanes), first.eq(sum_end)]
        if p.in_chunks:
            with m.If(step):
                m.d.sync += [left.eq(left - 1), chunk_end.eq(left == 1)]
            with m.If((step & sum_end) | take):
                m.d.sync += [left.eq(p.chunk_steps - 1), chunk_end.eq(p.chunk_steps == 1)]
                m.d.sync += opening.eq(last_k | take)
        with m.If(step & tap_end):
            m.d.sync += [k.eq(depth), tap_end.eq(depth <= p.lanes)]
        with m.If(tile_end):
            m.d.sync += [n.eq(n - p.tile_cols), line_end.eq(n <= 2 * p.tile_cols)]
            with m.If(line_end):
                m.d.sync += [n.eq(columns), line_end.eq(columns <= p.tile_cols)]
        with m.If(row_end):
            m.d.sync += [rows.eq(rows - p.rows), last_m.eq(rows <= 2 * p.rows)]
        with m.If(done):
            m.d.sync += active.eq(0)
        job = i.payload.job
        width, deep = job.n, job.k
        if window is not None:
            lead = job.first_channel[: (p.lanes - 1).bit_length()]
            width = Mux(job.convolve, job.out_width, job.n)
            deep = Mux(job.convolve, lead + job.channels, job.k)
        with m.If(take):
            m.d.sync += [
                active.eq(1), first.eq(1), rows.eq(job.m), n.eq(width), columns.eq(width),
                k.eq(deep), depth.eq(deep), mode_a.eq(job.mode_a), mode_b.eq(job.mode_b),
                pages["a"].eq(job.page_a), pages["b"].eq(job.page_b),
                tap_end.eq(deep <= p.lanes), line_end.eq(width <= p.tile_cols),
                last_m.eq(job.m <= p.rows),
            ]  # fmt: skip

        for side, deep in (("a", ~job.transpose_a), ("b", job.transpose_b)):
            m.submodules[side] = walk = Address(p, side)
            aside = tile_end & ~last_n
            m.d.comb += [
                walk.load.eq(take),
                walk.size.eq(i.payload[side]),
                walk.page.eq(job[f"page_{side}"]),
                walk.deep.eq(deep),
                walk.step.eq(step & ~last_k),
                walk.again.eq(aside if side == "a" else 0),
                walk.ahead.eq(row_end if side == "a" else aside),
                walk.restart.eq(0 if side == "a" else row_end),
                getattr(self, f"read_{side}").eq(walk.read),
                getattr(self, f"page_{side}").eq(pages[side]),
            ]
            if side == "b" and p.turns > 1:
                m.d.comb += walk.across.eq(go & ~step)

        mask = Cat(*(k > lane for lane in range(p.lanes)))
        if window is not None:
            self._convolve(m, window, take, step, tap_end, line_end)
            fresh, lead_now = register("tap_first", 1), register("lead", len(lead))
            with m.If(step):
                m.d.sync += fresh.eq(tap_end)
            with m.If(take):
                m.d.sync += [fresh.eq(1), convolve.eq(job.convolve), lead_now.eq(lead)]
            # The last lane is never ahead of the first channel.
            lanes = Cat(*(~(fresh & (lead_now > lane)) for lane in range(p.lanes - 1)), Const(1, 1))
            mask = Mux(convolve, mask & lanes, mask)

        def at_most(left: Amaranth, most: int) -> Amaranth:
            return Mux(left < most, left, most)

        m.d.comb += [
            self.active.eq(active),
            self.held.eq(active & ~go),
            self.done.eq(done),
            self.valid.eq(go),
            self.tile_end.eq(tile_end),
            o.first.eq(first),
            o.last.eq(sum_end),
            o.mask.eq(mask),
            o.mode_a.eq(mode_a),
            o.mode_b.eq(mode_b),
            o.tile.rows.eq(at_most(rows, p.rows)),
            o.turn.eq(turn),
            o.tile.cols.eq(at_most(n, p.tile_cols)),
            o.tile.last.eq(last_n & last_m),
        ]
        # The columns that are left for this turn and those after it.
        there = n
        if p.turns > 1:
            later = register("cols_left", SIZE_BITS)
            there = wire(m, Mux(turn == 0, n, later), "loop_cols_there")
            m.d.sync += later.eq(Mux(there < p.cols, 0, there - p.cols))
        m.d.comb += self.cols.eq(at_most(there, p.cols))
        if window is not None:
            inside = window.columns & Cat(*(n > u for u in range(p.cols)))
            m.d.comb += o.columns.eq((1 << p.cols) - 1)
            with m.If(convolve):
                m.d.comb += [
                    self.read_b.eq(window.read),
                    o.columns.eq(inside),
                    self.cols.eq(sum(inside, Const(0, 1))),
                ]
        if p.in_chunks:
            m.d.comb += [o.tile.opening.eq(opening), o.tile.closing.eq(last_k)]
        return m

    def _convolve(
        self,
        m: Module,
        window: Window,
        take: Amaranth,
        step: Amaranth,
        tap_end: Amaranth,
        line_end: Amaranth,
    ) -> None:
        """Move the window with the loops."""
        given: Any = self.i.payload
        m.d.comb += [
            window.load.eq(take),
            window.job.eq(given.job),
            window.plan.eq(given.plan),
            window.size.eq(given.b),
            window.page.eq(given.job.page_b),
            window.step.eq(step),
            window.tap_end.eq(tap_end),
            window.aside.eq(~line_end),
        ]

    def _turns(self, m: Module, may: Amaranth) -> tuple[Amaranth, ...]:
        """(turn, a round begins, a block is issued, a round's last one is, whether this clock is
        the last of a round); a round begins if it ``may`` then."""
        turns = self.parameters.turns
        if turns == 1:
            go = wire(m, may, "loop_go")
            return Const(0, 0), go, go, go, Const(1, 1)
        turn = Signal(range(turns), name="loop_turn", attrs={"stage": "loop"})
        going = Signal(name="loop_going", attrs={"stage": "loop"})
        # Both are known a clock ahead: what ends a round has begun clocks ago, so that the loops
        # need not wait for whether one may begin.
        end = Signal(name="loop_round_end", attrs={"stage": "loop"})
        step = Signal(name="loop_step", attrs={"stage": "loop"})
        begin = wire(m, (turn == 0) & may, "loop_begin")
        go = wire(m, begin | going, "loop_go")
        ahead = turn == turns - 2
        m.d.sync += [
            turn.eq(Mux(end, 0, turn + 1)),
            end.eq(ahead),
            step.eq((begin if turns == 2 else going) & ahead),
            going.eq(go & ~end),
        ]
        return turn, begin, go, step, end
