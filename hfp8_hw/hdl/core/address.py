"""Walks through an operand: block by block along k, and from tile to tile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...parameters import CoreParameters
from ..numbers.raw import wire
from ..numbers.shape import Amaranth
from .records import reading, sizes


class Address(wiring.Component):
    """The address of the block that a clock reads; a sum to the one before, never a product.

    A block is ``outer`` codes of rows of A, or columns of B, times ``lanes`` codes along k. Its
    short side moves on by a square: down by a row of squares, or aside by a group, which is a word
    after ``groups`` of them. Its long side moves on by ``groups`` squares: aside by a word, or down
    by ``groups`` rows of squares.

    Members
    -------
    load : 1 bit; with ``size``, ``page`` and ``deep`` (k runs along the stored rows)
        A new job, from its first block on.
    step, again, ahead, restart : 1 bit
        Go on along k; to the start of k in the same rows or columns, in the next ones, or in the
        first.
    across : 1 bit, where sums take turns in B's columns
        To the next columns at the same k. Then ``step`` goes back to the first of them, and
        ``ahead`` to those behind the last.
    read : `reading`
    """

    def __init__(self, parameters: CoreParameters, side: str) -> None:
        self.parameters, self.side = parameters, side
        self.layout = parameters.a_layout if side == "a" else parameters.b_layout
        pages = parameters.pages
        self.in_turns = side == "b" and parameters.turns > 1
        super().__init__(
            {
                **({"across": In(1)} if self.in_turns else {}),
                "load": In(1),
                "size": In(sizes(self.layout)),
                "page": In((pages - 1).bit_length()),
                "deep": In(1),
                "step": In(1),
                "again": In(1),
                "ahead": In(1),
                "restart": In(1),
                "read": Out(reading(parameters, side)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        layout, stage = self.layout, f"{self.side}_address"
        read: Any = self.read
        size: Any = self.size
        bits = len(read.base)

        def register(name: str, width: int) -> Signal:
            return Signal(width, name=f"{stage}_{name}", reset_less=True, attrs={"stage": stage})

        now, start, origin = (register(name, bits) for name in ("now", "start", "origin"))
        row_words, group_words = (
            register(name, len(getattr(size, name))) for name in ("row_words", "group_words")
        )
        turn, along = register("turn", len(read.turn)), register("along", 1)
        narrow = layout.outer <= layout.lanes
        wraps: Amaranth = turn == layout.groups - 1 if layout.groups > 1 else Const(1, 1)
        turned = Mux(wraps, 0, turn + 1)
        # What moving on by a square of the short side adds, and by a block of the long one.
        short = wire(m, Mux(along, row_words, wraps), f"{stage}_short")
        long = wire(m, Mux(along, 1, group_words), f"{stage}_long")
        step, ahead = (long, short) if narrow else (short, long)
        first = self.page << (bits - len(self.page))
        if self.in_turns:
            forward, further = self._in_turns(m, now, start, step, ahead, register)
        else:
            forward = wire(m, (start + ahead)[:bits], f"{stage}_forward")
            further = wire(m, (now + step)[:bits], f"{stage}_further")
        with m.If(self.step):
            m.d.sync += now.eq(further)
        with m.If(self.again):
            m.d.sync += now.eq(start)
        with m.If(self.ahead):
            m.d.sync += [now.eq(forward), start.eq(forward)]
        with m.If(self.restart):
            m.d.sync += [now.eq(origin), start.eq(origin)]
        if layout.groups > 1:
            moved, cleared = (self.ahead, self.restart) if narrow else (
                self.step, self.again | self.ahead | self.restart,
            )  # fmt: skip
            with m.If(moved):
                m.d.sync += turn.eq(turned)
            with m.If(cleared | self.load):
                m.d.sync += turn.eq(0)
        with m.If(self.load):
            m.d.sync += [
                now.eq(first), start.eq(first), origin.eq(first),
                row_words.eq(size.row_words), group_words.eq(size.group_words),
                along.eq(self.deep if narrow else ~self.deep),
            ]  # fmt: skip
        m.d.comb += [
            read.base.eq(now),
            read.stride.eq(Mux(along, 0, row_words)),
            read.turn.eq(turn),
            read.along.eq(along),
        ]
        return m

    def _in_turns(
        self,
        m: Module,
        now: Signal,
        start: Signal,
        step: Amaranth,
        ahead: Amaranth,
        register: Callable[[str, int], Signal],
    ) -> tuple[Amaranth, Amaranth]:
        """(where ``ahead`` goes, where ``step`` does), and moves ``across``."""
        bits = len(now)
        # Of the first turn at this k, if it is not the first k; behind the last turn at the first.
        row, behind, begun = register("row", bits), register("behind", bits), register("begun", 1)
        beside = wire(m, (now + ahead)[:bits], "b_beside")
        back = Mux(begun, row, start)
        further = wire(m, (back + step)[:bits], "b_further")
        with m.If(self.across):
            m.d.sync += now.eq(beside)
        with m.If(self.step):
            m.d.sync += [row.eq(further), begun.eq(1)]
            with m.If(~begun):
                m.d.sync += behind.eq(beside)
        with m.If(self.again | self.ahead | self.restart | self.load):
            m.d.sync += begun.eq(0)
        return wire(m, Mux(begun, behind, beside), "b_forward"), further
