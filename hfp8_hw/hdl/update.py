"""The weight update of HFP8 training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import Const, Module, Value, unsigned

from ..parameters import WeightUpdateParameters
from .arithmetic import add
from .pipeline import Pipeline, registered_cuts
from .raw import Raw
from .round import Rounder
from .shape import Amaranth, FloatShape
from .stream_unit import StreamUnit
from .unpack import unpack

_CUTS = ("output", "target", "weight", "before", "left", "sum1", "sum2", "sum3", "input")


class WeightUpdate(StreamUnit):
    """Updates an 8-bit weight and keeps what its rounding left out.

    Golden function: `hfp8_hw.golden.weight_update`. One weight a clock, ``stages`` clocks latency.

    Members
    -------
    i : stream of ``weight`` (code of ``fmt``), ``residual``, ``update`` (codes of ``acc``)
    o : stream of ``y`` (code of ``fmt``), ``residual`` (code of ``acc``), ``flags`` (of the
        weight's rounding: overflow, underflow, inexact, invalid)
    """

    def __init__(self, parameters: WeightUpdateParameters) -> None:
        self.parameters = p = parameters
        narrow, wide = FloatShape(p.format), FloatShape(p.acc_format)
        super().__init__(
            {"weight": narrow, "residual": wide, "update": wide},
            {"y": narrow, "residual": wide, "flags": unsigned(4)},
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        pipe = Pipeline(m, self.i.valid, registered_cuts(p.stages, _CUTS))
        cut = pipe.cut("input")
        item = {name: cut(name, Value.cast(self.i.payload[name])) for name in self.inputs}
        weight = self._number(m, item["weight"], "weight")
        residual = self._number(m, item["residual"], "residual", wide=True)
        before, (update,) = self._sum(m, pipe, weight, residual, ("sum1", "before"), item["update"])
        minus = _negative(self._number(m, update, "update", wide=True))
        start = self._number(m, before, "start", wide=True)
        target, _ = self._sum(m, pipe, start, minus, ("sum2", "target"))
        wanted = self._number(m, target, "wanted", wide=True)
        code, flags = Rounder(p.format, p.rounding_mode, "saturate").build(
            m, wanted, name="y", invalid=Const(0, 1)
        )
        cut = pipe.cut("weight")
        code, flags, target = cut("y", code), cut("flags", flags), cut("target", target)
        wanted = self._number(m, target, "target", wide=True)
        kept = _negative(self._number(m, code, "kept"))
        left, (code, flags) = self._sum(m, pipe, wanted, kept, ("sum3", "left"), code, flags)
        cut = pipe.cut("output")
        m.d.comb += self.o.payload.residual.eq(cut("residual", left))
        m.d.comb += [
            self.o.payload.y.eq(cut("y", code)),
            self.o.payload.flags.eq(cut("flags", flags)),
            self.o.valid.eq(pipe.valid),
            self.i.ready.eq(pipe.ready),
        ]
        pipe.finish(self.o.ready)
        return m

    def _number(self, m: Module, code: Amaranth, name: str, wide: bool = False) -> Raw:
        """A code as a number; weights go to the accumulator's format first."""
        p = self.parameters
        raw = unpack(m, code, (p.acc_format if wide else p.format,), name=name)
        if wide:
            return raw
        as_wide, _ = Rounder(p.acc_format, p.narrow_rounding, "special").build(
            m, raw, name=f"{name}_wide", invalid=Const(0, 1)
        )
        return unpack(m, as_wide, (p.acc_format,), name=f"{name}_number")

    def _sum(
        self, m: Module, pipe: Pipeline, x: Raw, y: Raw, cuts: tuple[str, str], *extra: Amaranth
    ) -> tuple[Amaranth, list[Amaranth]]:
        """round(x + y) and ``extra``, through two cuts."""
        p = self.parameters
        total, invalid = add(m, x, y, p.acc_rounding, cuts[0])
        cut = pipe.cut(cuts[0])
        total, invalid = total.through(cut), cut("invalid", invalid)
        passed = [cut(f"extra{k}", value) for k, value in enumerate(extra)]
        code, _ = Rounder(p.acc_format, p.acc_rounding, "special").build(
            m, total, name=cuts[1], invalid=invalid
        )
        cut = pipe.cut(cuts[1])
        return cut("code", code), [cut(f"extra{k}", value) for k, value in enumerate(passed)]


def _negative(raw: Raw) -> Raw:
    return replace(raw, sign=~raw.sign)
