"""The way out of the array: results one by one through the rounders."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...parameters import CoreParameters
from ..numbers.pipeline import Pipeline
from ..numbers.raw import wire
from ..sums.pipelined_rounder import ROUND_CUTS, round_sum
from .elements.exact import notes_of
from .elements.operands import finished
from .records import result_beat, result_bits, tile
from .totals import running_total, total_cuts


def drain_cuts(p: CoreParameters) -> tuple[str, ...]:
    """The cuts between the sums that leave the array and the results."""
    return (
        *(ROUND_CUTS if p.element.is_exact else ()),
        *(f"total_{name}" for name in (total_cuts(p) if p.in_chunks else ())),
    )


class Drain(wiring.Component):
    """Counts through the places of a tile while its sums pass by, rounds them if they are not, and
    adds up those of chunks.

    Column by column, in each ``drains`` rows a clock.

    Members
    -------
    start : 1 bit; with ``tile``
        The sums of a tile, or of a chunk of it, begin to pass by, for ``slots`` clocks.
    i : ``drains`` finished sums
    o_valid : 1 bit; with ``o``
        A beat with at least one result, ``len(drain_cuts(p))`` clocks after its sums.
    skipped : 1 bit
        A place went by with no result of C.
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        super().__init__(
            {
                "start": In(1),
                "tile": In(tile(p)),
                "i": In(data.ArrayLayout(finished(p), p.drains)),
                "o_valid": Out(1),
                "o": Out(result_beat(p)),
                "skipped": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        keep, last, passing, chunk = self._places(m)
        there = wire(m, passing & keep.any(), "drain_there")
        closing = chunk.get("closing", Const(1, 1))
        m.d.comb += self.skipped.eq(passing & ~keep.any() & closing)
        frame = Pipeline(m, wire(m, there & closing, "drain_results"), drain_cuts(p))
        frame.carried = {"keep": keep, "last": last}
        m.d.comb += frame.ready.eq(1)
        for name in drain_cuts(p):
            frame.cut(name)
        keep = frame.carried["keep"]
        codes, flags = [], []
        element, bits = p.element, result_bits(p)
        for path in range(p.drains):
            m.submodules[f"rounder{path}"] = part = Module()
            view: Any = self.i[path]
            pipe = Pipeline(part, there, ROUND_CUTS)
            part.d.comb += pipe.ready.eq(1)
            pipe.carried = {**notes_of(view), **chunk}
            if element.is_exact:
                code, flag = round_sum(
                    part, pipe, Value.cast(view.total), element.fixed.lsb, element.acc_format,
                    element.rounding_mode, element.overflow,
                )  # fmt: skip
            else:
                code, flag = Value.cast(view.code), Value.cast(view.flags)
            if p.in_chunks:
                code, flag = running_total(part, pipe, code, flag, p)
            code = Mux(keep[path], code, 0)[: len(code)]
            codes.append(Cat(code, Const(0, bits - len(code))))
            flags.append(Mux(keep[path], flag, 0)[:4])
        o: Any = self.o
        m.d.comb += [
            self.o_valid.eq(frame.valid),
            o.data.eq(Cat(*codes)),
            o.flags.eq(Cat(*flags)),
            o.keep.eq(keep),
            o.last.eq(frame.carried["last"]),
        ]
        return m

    def _places(self, m: Module) -> tuple[Any, Any, Any, dict[str, Any]]:
        """(which results of this clock's are there, they are a job's last, a tile passes by, what
        is known of a chunk: ``place`` and which of the tile's it is)."""
        p = self.parameters
        groups = p.rows // p.drains
        now: Any = self.tile
        going = Signal(name="drain_going", attrs={"stage": "drain"})
        cols, rows, of_rows, last = (
            Signal(width, name=f"drain_{name}", reset_less=True, attrs={"stage": "drain"})
            for name, width in (
                ("cols_left", len(now.cols)),
                ("rows_left", len(now.rows)),
                ("rows", len(now.rows)),
                ("last", 1),
            )
        )
        slot = Signal(range(p.slots), name="drain_slot", attrs={"stage": "drain"})
        passing = wire(m, self.start | going, "drain_passing")
        have_cols = wire(m, Mux(self.start, now.cols, cols), "drain_have_cols")
        have_rows = wire(m, Mux(self.start, now.rows, rows), "drain_have_rows")
        all_rows = wire(m, Mux(self.start, now.rows, of_rows), "drain_all_rows")
        is_last = Mux(self.start, now.last, last)
        group = Signal(range(groups), name="drain_group", attrs={"stage": "drain"})
        group_end = group == groups - 1
        end = slot == p.slots - 1
        m.d.sync += [of_rows.eq(all_rows), last.eq(is_last)]
        with m.If(passing):
            m.d.sync += [going.eq(~end), slot.eq(Mux(end, 0, slot + 1))]
            m.d.sync += [
                group.eq(Mux(group_end, 0, group + 1)),
                rows.eq(Mux(group_end, all_rows, _minus(have_rows, p.drains))),
                cols.eq(Mux(group_end & (have_cols != 0), have_cols - 1, have_cols)),
            ]
        keep = Cat(*((have_cols != 0) & (have_rows > path) for path in range(p.drains)))
        final = is_last & (have_cols == 1)
        if groups > 1:
            final &= have_rows <= p.drains
        chunk: dict[str, Any] = {}
        if p.in_chunks:
            chunk["place"] = slot
            for name in ("opening", "closing"):
                held = Signal(name=f"drain_{name}", reset_less=True, attrs={"stage": "drain"})
                chunk[name] = wire(
                    m, Mux(self.start, getattr(now, name), held), f"drain_now_{name}"
                )
                m.d.sync += held.eq(chunk[name])
        return wire(m, keep, "drain_keep"), wire(m, final, "drain_final"), passing, chunk


def _minus(value: Any, amount: int) -> Any:
    """``value - amount``, at least 0."""
    return Mux(value > amount, value - amount, 0)
