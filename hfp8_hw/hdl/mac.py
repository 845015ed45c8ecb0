"""The multiply-accumulate unit."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, unsigned

from ..parameters import MacParameters
from .arithmetic import add
from .mul import product_stages, two_operand_fields
from .pipeline import Pipeline, registered_cuts
from .raw import Raw, any_of
from .round import Rounder
from .shape import Amaranth
from .stream_unit import StreamUnit, result_fields
from .unpack import unpack

_CUTS = ("product", "unpack", "input")


class Mac(StreamUnit):
    """Sums products in a floating-point accumulator, one product every clock.

    Golden function: `hfp8_hw.golden.dot`. ``first`` starts a sum from +0 whatever came before,
    ``last`` ends it and puts out the result; the item after a ``last`` starts a sum by itself.
    Sums may follow one another without a gap. ``fma`` rounds after every product; ``chunked``
    adds up chunks of ``chunk`` products that way, and the chunk sums in a second adder.
    Latency from the ``last`` item is ``stages`` clocks, one more for ``chunked``.

    Members
    -------
    i : stream of ``a``, ``b`` (codes), ``mode_a``, ``mode_b`` (for HFP8 operands), ``bias_a``,
        ``bias_b`` (``bias=runtime``), ``first``, ``last``
    o : stream of ``y`` (code of ``acc``), ``flags`` (overflow, underflow, inexact, invalid; each
        ORed over all roundings of the sum)
    """

    def __init__(self, parameters: MacParameters) -> None:
        self.parameters = parameters
        inputs = two_operand_fields(parameters)
        inputs |= {"first": unsigned(1), "last": unsigned(1)}
        super().__init__(inputs, result_fields(parameters.acc_format))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        pipe = Pipeline(m, self.i.valid, registered_cuts(p.stages - 1, _CUTS))
        product, invalid, frame = product_stages(m, pipe, self.i.payload, p, ("first", "last"))
        m.d.comb += self.i.ready.eq(pipe.ready)
        if p.semantics == "fma":
            ready = self._sum(
                m, "sum", pipe.valid, product, invalid, Const(0, 4), frame["first"], frame["last"]
            )
        else:
            ready = self._chunks(m, pipe.valid, product, invalid, frame["first"], frame["last"])
        pipe.finish(ready)
        return m

    def _sum(
        self,
        m: Module,
        name: str,
        valid: Amaranth,
        term: Raw,
        invalid: Amaranth,
        flags: Amaranth,
        first: Amaranth,
        last: Amaranth,
    ) -> Amaranth:
        """Add terms to a running sum and put it out at ``last``; returns ready."""
        running = Signal(self.parameters.acc_format.width, name=f"{name}_running")
        seen = Signal(4, name=f"{name}_seen")
        code, marks = self._step(m, name, Mux(first, 0, running), term, invalid)
        marks = marks | flags | Mux(first, 0, seen)
        o = self.o
        held_valid = Signal(name="o_held")
        y = Signal.like(running, name="o_y_held", reset_less=True)
        y_flags = Signal(4, name="o_flags_held", reset_less=True)
        ready = Signal(name=f"{name}_ready")
        m.d.comb += [
            ready.eq(~(last & held_valid & ~o.ready)),
            o.valid.eq(held_valid),
            o.payload.y.eq(y),
            o.payload.flags.eq(y_flags),
        ]
        with m.If(o.ready):
            m.d.sync += held_valid.eq(0)
        with m.If(valid & ready):
            m.d.sync += [running.eq(Mux(last, 0, code)), seen.eq(Mux(last, 0, marks))]
            with m.If(last):
                m.d.sync += [held_valid.eq(1), y.eq(code), y_flags.eq(marks)]
        return ready

    def _chunks(
        self,
        m: Module,
        valid: Amaranth,
        product: Raw,
        invalid: Amaranth,
        first: Amaranth,
        last: Amaranth,
    ) -> Amaranth:
        """Sum each chunk of products, and hand the chunk sums to `_sum`; returns ready."""
        p = self.parameters
        running = Signal(p.acc_format.width, name="chunk_running")
        seen = Signal(4, name="chunk_seen")
        opening = Signal(init=1, name="opening")  # the next item is in a sum's first chunk
        now_opening = Signal(name="now_opening")
        start, end = Signal(name="chunk_start"), Signal(name="chunk_end")
        count = Signal(range(p.chunk), name="count") if p.chunk > 1 else Const(0, 1)
        now = Mux(first, 0, count)
        m.d.comb += [
            now_opening.eq(first | opening),
            start.eq(now == 0),
            end.eq(last | (now == p.chunk - 1)),
        ]
        code, marks = self._step(m, "chunk", Mux(start, 0, running), product, invalid)
        marks = marks | Mux(start, 0, seen)

        held = Signal(name="part_valid")
        part = Signal(p.acc_format.width, name="part", reset_less=True)
        part_flags = Signal(4, name="part_flags", reset_less=True)
        part_first = Signal(name="part_first", reset_less=True)
        part_last = Signal(name="part_last", reset_less=True)
        addend = unpack(m, part, (p.acc_format,), name="part")
        onward = self._sum(m, "total", held, addend, Const(0, 1), part_flags, part_first, part_last)
        ready = Signal(name="chunk_ready")
        m.d.comb += ready.eq(~(end & held & ~onward))
        with m.If(onward):
            m.d.sync += held.eq(0)
        with m.If(valid & ready):
            m.d.sync += [running.eq(code), seen.eq(marks), opening.eq(Mux(end, last, now_opening))]
            if p.chunk > 1:
                m.d.sync += count.eq(Mux(end, 0, now + 1))
            with m.If(end):
                m.d.sync += [
                    held.eq(1),
                    part.eq(code),
                    part_flags.eq(marks),
                    part_first.eq(now_opening),
                    part_last.eq(last),
                ]
        return ready

    def _step(
        self, m: Module, name: str, state: Amaranth, term: Raw, invalid: Amaranth
    ) -> tuple[Amaranth, Amaranth]:
        """round(state + term): (code, flags)."""
        p = self.parameters
        now = Signal(p.acc_format.width, name=f"{name}_state")
        m.d.comb += now.eq(state)
        augend = unpack(m, now, (p.acc_format,), name=f"{name}_augend")
        total, clash = add(m, augend, term, p.rounding_mode, f"{name}_add")
        return Rounder(p.acc_format, p.rounding_mode, p.overflow).build(
            m, total, name=f"{name}_round", invalid=any_of(invalid, clash)
        )
