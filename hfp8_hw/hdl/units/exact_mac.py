"""The multiply-accumulate unit with a fixed-point accumulator."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, unsigned

from ...parameters import MacParameters
from ..numbers.pipeline import Pipeline, registered_cuts
from ..numbers.raw import any_of, is_const, wire
from ..numbers.round import Rounder
from ..numbers.shape import Amaranth
from ..numbers.stream_unit import StreamUnit, result_fields, two_operand_fields
from ..sums.exact_products import exact_products
from ..sums.fixed_sum import Item, fixed_sum, sum_cuts
from ..sums.pipelined_rounder import ROUND_CUTS, round_sum
from ..sums.scaled import Scaled
from ..sums.serial_rounder import FinishedSum, SerialTotal

_CUTS = {
    "lut": ("place", "shift", "product", "unpack", "input"),
    "dsp": ("place", "shift", "product", "unpack", "operand", "half"),
    "fixed": ("place", "product", "operand"),
}


class ExactMac(StreamUnit):
    """Sums products exactly in fixed point, an item a clock within a sum or chunk.

    Golden function: `hfp8_hw.golden.dot`, or `hfp8_hw.golden.fixed_dot` for ``acc=fixed``.
    ``first`` starts a sum whatever came before, ``last`` ends it and outputs the result; the
    item after a ``last`` starts a sum by itself. Biases must be the same for all items of a sum.

    ``acc=fixed`` outputs the sum itself, ``latency`` clocks after the ``last`` item. Else a
    bit-serial back end rounds the sums (``exact``) or the chunks' sums and adds those up
    (``exact_chunk``). Sums or chunks that end more often than it takes wait for it:
    `MacParameters.sum_clocks` has the clocks. With ``rounder=pipelined`` (``exact``) none waits.

    Members
    -------
    i : stream of ``a``, ``b`` (codes), ``mode_a``, ``mode_b`` (for HFP8 operands), ``bias_a``,
        ``bias_b`` (``bias=runtime``), ``first``, ``last``
    o : stream of ``y`` (code of ``acc``, or the fixed-point sum), ``flags`` (overflow, underflow,
        inexact, invalid; each ORed over all roundings of the sum)
    """

    units = ("mac", "dot")
    semantics = ("exact", "exact_chunk")

    def __init__(self, parameters: MacParameters) -> None:
        self.parameters = p = self.checked(parameters)
        inputs = two_operand_fields(p) | {"first": unsigned(1), "last": unsigned(1)}
        if p.is_fixed:
            outputs = {"y": unsigned(p.fixed.width), "flags": unsigned(4)}
        else:
            outputs = result_fields(p.acc_format)
        super().__init__(inputs, outputs)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        cuts = [
            *registered_cuts(p.stages - 1, _CUTS["fixed" if p.operands == "fixed" else p.align]),
            *(f"tree{k}" for k in range((p.products - 1).bit_length())),
            *sum_cuts(p.segments),
        ]
        pipe = Pipeline(m, self.i.valid, cuts)
        m.d.comb += self.i.ready.eq(pipe.ready)
        addend = exact_products(m, pipe, self.i.payload, p, self._notes)
        carried, pipe.carried = pipe.carried, {}
        first, last = carried.pop("first"), carried.pop("last")
        config = {"bias": carried.pop("bias")} if "bias" in carried else {}
        if p.is_fixed:
            config = {}
        added = Item(addend, first, last, carried, config)
        chunk = p.chunk_clocks if p.semantics == "exact_chunk" else None
        self._finish(m, pipe, *fixed_sum(m, pipe, added, chunk, p.fixed.width, p.segments))
        return m

    def _notes(self, products: list[Scaled]) -> dict[str, Amaranth]:
        """Whether a sum of zero is -0, which fixed point cannot tell."""
        p = self.parameters
        if p.is_fixed or p.rounding_mode.mode != "RDN":
            return {}
        return {"minus_zero": any_of(*(t.sign | ~any_of(t.zero, t.sig == 0) for t in products))}

    def _finish(
        self,
        m: Module,
        pipe: Pipeline,
        end: Amaranth,
        total: Amaranth,
        extra: dict[str, Amaranth],
    ) -> None:
        """Hold finished sums, and output them or hand them to the back end."""
        p, o = self.parameters, self.o
        if p.is_pipelined:
            self._round(m, pipe, end, total, extra)
            return
        valid = Signal(name="held_valid", attrs={"stage": "held"})
        taken = Signal(name="held_taken")
        # The back end takes its time anyway: there the stall need not wait for `taken`.
        full = valid & ~taken if p.is_fixed else valid
        pipe.finish(~(end & full))
        capture = wire(m, pipe.ready & pipe.valid & end, "capture")
        with m.If(capture):
            m.d.sync += valid.eq(1)
        with m.Elif(taken):
            m.d.sync += valid.eq(0)
        never = Const(0, 1)
        names = ("nan", "invalid", "plus_inf", "minus_inf")
        lost = any_of(*(extra.get(name, never) for name in names))

        def held(name: str, value: Amaranth) -> Amaranth:
            if is_const(value):
                return value
            register = Signal(
                value.shape(), name=f"held_{name}", reset_less=True, attrs={"stage": "held"}
            )
            with m.If(capture):
                m.d.sync += register.eq(value)
            return register

        if p.is_fixed:
            y, flag = held("total", total), held("lost", lost)
            if not is_const(lost):
                # A sum that was lost to NaN or infinity is output as 0.
                with m.If(capture & lost):
                    m.d.sync += y.eq(0)
            m.d.comb += [
                o.valid.eq(valid),
                taken.eq(o.ready),
                o.payload.y.eq(y),
                o.payload.flags.eq(Cat(Const(0, 3), flag)),
            ]
            return
        total = held("total", total)
        extra = {name: held(name, value) for name, value in extra.items()}
        nan, invalid = extra["nan"], extra["invalid"]
        plus_inf, minus_inf = extra.get("plus_inf", never), extra.get("minus_inf", never)
        back = SerialTotal(
            Rounder(p.acc_format, p.rounding_mode, p.overflow),
            p.fixed,
            p.rate,
            add=p.semantics == "exact_chunk",
        )
        finished = FinishedSum(
            valid, total, nan, plus_inf, minus_inf, invalid,
            extra.get("minus_zero", never), extra.get("bias"),
            extra.get("opening", never), extra.get("last", never),
        )  # fmt: skip
        m.d.comb += taken.eq(back.build(m, finished, o))

    def _round(
        self,
        m: Module,
        pipe: Pipeline,
        end: Amaranth,
        total: Amaranth,
        extra: dict[str, Amaranth],
    ) -> None:
        """Round finished sums in a pipeline of their own, which stalls only what ends a sum."""
        p = self.parameters
        back = Pipeline(m, wire(m, pipe.valid & end, "sum_ends"), ("held", *ROUND_CUTS))
        pipe.finish(~end | back.ready)
        # Of a sum that is zero: only rounding down gives -0, and a sum of +0 alone is +0.
        zero_sign = extra.pop("minus_zero", Const(0, 1))
        back.carried = {**extra, "zero_sign": zero_sign}
        total = back.cut("held")("total", total)
        code, flags = round_sum(
            m, back, total, p.fixed.lsb, p.acc_format, p.rounding_mode, p.overflow
        )
        back.finish(self.o.ready)
        m.d.comb += [
            self.o.valid.eq(back.valid),
            self.o.payload.y.eq(code),
            self.o.payload.flags.eq(flags),
        ]
