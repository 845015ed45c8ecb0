"""The array: rows x cols sums in step, their operands, and the way out for their results."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...parameters import CoreParameters
from ..numbers.pipeline import Pipeline, prefixed
from ..numbers.raw import wire
from ..numbers.shape import Amaranth
from ..numbers.unpack import unpack
from ..sums.exact_products import on_grid
from ..sums.scaled import unpack_scaled
from .drain import Drain
from .elements import element_cuts, operand_cuts
from .elements.exact import ExactElement
from .elements.operands import joined
from .elements.rounded import RoundedElement
from .records import result_beat, step
from .scratchpad import read_cuts


def issue_cuts(p: CoreParameters) -> tuple[str, ...]:
    """What the sequencer issues waits for the scratchpads."""
    return tuple(f"read_{name}" for name in read_cuts(p))


class Array(wiring.Component):
    """Sums tiles of C. No clock stops it: it must not be given more than the results' queue holds.

    Members
    -------
    valid : 1 bit; with ``i`` (`step`)
    a, b : codes
        Of the step, ``len(issue_cuts(p))`` clocks later.
    o_valid : 1 bit; with ``o`` (`result_beat`)
        A beat with at least one result.
    skipped : 1 bit
        In this clock a beat left that had none.
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        self._width = {"a": p.a_formats[0].width, "b": p.b_formats[0].width}
        super().__init__(
            {
                "valid": In(1),
                "i": In(step(p)),
                "a": In(p.rows * p.lanes * self._width["a"]),
                "b": In(p.cols * p.lanes * self._width["b"]),
                "o_valid": Out(1),
                "o": Out(result_beat(p)),
                "skipped": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        cuts = [*issue_cuts(p), *operand_cuts(p), *element_cuts(p), "leaving"]
        pipe = Pipeline(m, self.valid, cuts)
        m.d.comb += pipe.ready.eq(1)
        i: Any = self.i
        pipe.carried = {
            "first": i.first, "last": i.last, "mask": i.mask, "mode_a": i.mode_a,
            "mode_b": i.mode_b, "tile": Value.cast(i.tile),
            "turn": i.turn if p.turns > 1 else Const(0, 0),
        }  # fmt: skip
        if p.convolution == "yes":
            pipe.carried["columns"] = i.columns
        for name in issue_cuts(p):
            pipe.cut(name)
        mask = pipe.carried.pop("mask")
        columns = pipe.carried.pop("columns", None)
        if p.lanes == 1:
            mask = Const(1, 1)
        modes = {side: pipe.carried.pop(f"mode_{side}") for side in ("a", "b")}
        sides: dict[str, list[list[Any]]] = {}
        for side, count in (("a", p.rows), ("b", p.cols)):
            masks = [mask] * count
            if side == "b" and columns is not None:
                masks = [mask & columns[k].replicate(p.lanes) for k in range(count)]
            sides[side] = [
                [
                    self._operand(m, pipe, side, k, lane, modes[side], there[lane])
                    for lane in range(p.lanes)
                ]
                for k, there in enumerate(masks)
            ]
        if columns is not None:
            for name in operand_cuts(p):
                columns = pipe.cut(name)("columns", columns)
        element = ExactElement if p.element.is_exact else RoundedElement
        elements: dict[tuple[int, int], Any] = {}
        for row in range(p.rows):
            for col in range(p.cols):
                one: Any = element(p, sides["a"][0][0], sides["b"][0][0])
                m.submodules[f"e{row}_{col}"] = elements[row, col] = one
                m.d.comb += [
                    one.valid.eq(pipe.valid),
                    one.first.eq(pipe.carried["first"]),
                    Value.cast(one.a).eq(joined(sides["a"][row])),
                    Value.cast(one.b).eq(joined(sides["b"][col])),
                ]
                if columns is not None:
                    m.d.comb += one.there.eq(columns[col])
        control = self._ends(m, pipe)
        m.d.comb += [
            getattr(one, name).eq(value)
            for one in elements.values()
            for name, value in control.items()
        ]
        m.submodules.drain = drain = Drain(p)
        end = wire(m, pipe.valid & pipe.carried["last"], "tile_end")
        if p.turns > 1:
            end = wire(m, end & (pipe.carried["turn"] == 0), "turns_end")
        m.d.comb += [
            drain.start.eq(end),
            drain.tile.as_value().eq(pipe.carried["tile"]),
            self.o_valid.eq(drain.o_valid),
            self.o.eq(drain.o),
            self.skipped.eq(drain.skipped),
        ]
        groups = p.rows // p.drains
        for path in range(p.drains):
            # A column's rows first, then the next column.
            order = [
                elements[group * p.drains + path, col]
                for col in range(p.cols)
                for group in range(groups)
            ]
            for one, behind in pairwise(order):
                m.d.comb += one.beside.eq(behind.o)
            m.d.comb += drain.i[path].eq(order[0].o)
        return m

    def _ends(self, m: Module, pipe: Pipeline) -> dict[str, Amaranth]:
        """Follow the items to where their sums leave; what elements have to know of ends."""
        p = self.parameters
        cuts = (*element_cuts(p), "leaving")
        if p.element.is_exact:
            control = {"last": pipe.carried["last"]}
            for name in cuts:
                pipe.cut(name)
            return control
        for name in cuts[: p.turns]:
            pipe.cut(name)
        end, turn = wire(m, pipe.valid & pipe.carried["last"], "chunk_end"), pipe.carried["turn"]
        for name in cuts[p.turns :]:
            pipe.cut(name)
        # The sums of a turn pass by before those of the next one are loaded.
        period = p.slots // p.turns
        leave = Signal(range(p.turns), name="leave", attrs={"stage": "leave"})
        slot = Signal(range(period), name="leave_slot", attrs={"stage": "leave"})
        going = Signal(name="leave_going", attrs={"stage": "leave"})
        with m.If(end & (turn == 0)):
            m.d.sync += [going.eq(1), leave.eq(0), slot.eq(0)]
        with m.Elif(slot == period - 1):
            m.d.sync += [going.eq(going & (leave != p.turns - 1)), leave.eq(leave + 1), slot.eq(0)]
        with m.Else():
            m.d.sync += slot.eq(slot + 1)
        load = wire(m, going & (slot == 0), "leave_load")
        return {"end": end, "turn": turn, "load": load, "leave": leave}

    def _operand(
        self,
        m: Module,
        pipe: Pipeline,
        side: str,
        number: int,
        lane: int,
        mode: Amaranth,
        there: Amaranth,
    ) -> Any:
        """A code unpacked, for all elements of a row or column; what is not there adds nothing."""
        p = self.parameters
        formats = p.a_formats if side == "a" else p.b_formats
        width, codes = self._width[side], self.a if side == "a" else self.b
        name = f"{side}{number}_{lane}"
        code = codes[(number * p.lanes + lane) * width :][:width]
        # Code 0 is +0 in every format. Beyond k it stands for both operands, whatever the memories
        # hold: their product is +0, which no sum and no flag sees.
        code = wire(m, code & there.replicate(width), f"{name}_there")
        if p.element.is_exact:
            scale = p.element.fixed.a if side == "a" else p.element.fixed.b
            dsp = p.align == "dsp"
            x: Any = unpack_scaled(m, code, formats, scale, name=name, mode=mode, explicit=dsp)
            if dsp:
                return on_grid(m, pipe, x, scale, name)
        else:
            # Such that the product's exponent has the accumulator's offset.
            least = p.acc_format.bias - max(fmt.bias for fmt in p.b_formats)
            offset = least if side == "a" else None
            x = unpack(m, code, formats, name=name, mode=mode, offset=offset)
        # From one register for all elements there are wires to those that each has for itself.
        x = x.through(prefixed(pipe.cut("decoded"), f"{name}_"))
        pipe.cut("operand")
        return x
