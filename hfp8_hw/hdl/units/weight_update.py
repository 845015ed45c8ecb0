"""The weight update of HFP8 training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import Const, Module, Value, unsigned

from ...parameters import WeightUpdateParameters
from ..numbers.add import add
from ..numbers.pipeline import Pipeline, Register, registered_cuts
from ..numbers.raw import Raw
from ..numbers.round import Rounder
from ..numbers.shape import Amaranth, FloatShape
from ..numbers.stream_unit import StreamUnit
from ..numbers.unpack import unpack

_STEPS = ("before", "target", "left")
_CUTS = (
    *(f"{step}_{cut}" for cut in ("rounded", "sum") for step in _STEPS),
    "output",
    "weight",
    *(
        f"{step}_{cut}"
        for cut in ("normalised", "operands", "align", "aligned", "ordered", "coarse", "place")
        for step in _STEPS
    ),
    "input",
)
"""Most valuable first."""


class WeightUpdate(StreamUnit):
    """Updates an 8-bit weight and keeps what its rounding left out.

    Golden function: `hfp8_hw.golden.weight_update`. One weight a clock, ``stages`` clocks latency.

    Members
    -------
    i : stream of ``weight`` (code of ``fmt``), ``residual``, ``update`` (codes of ``acc``)
    o : stream of ``y`` (code of ``fmt``), ``residual`` (code of ``acc``), ``flags`` (of the
        weight's rounding: overflow, underflow, inexact, invalid)
    """

    units = ("weight_update",)

    def __init__(self, parameters: WeightUpdateParameters) -> None:
        self.parameters = p = self.checked(parameters)
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
        pipe.carried = {"update": item["update"]}
        start = self._sum(m, pipe, weight, residual, "before")
        minus = _negative(self._number(m, pipe.carried.pop("update"), "update", wide=True))
        target = self._sum(m, pipe, self._number(m, start, "start", wide=True), minus, "target")
        wanted = unpack(m, target, (p.acc_format,), name="wanted")
        y = Rounder(p.format, p.rounding_mode, "saturate").build(
            m, wanted, name="y", invalid=Const(0, 1)
        )
        cut = pipe.cut("weight")
        code, target = cut("y", y.code), cut("target", target)
        pipe.carried = {"y": code, "flags": cut("flags", y.flags)}
        wanted = self._number(m, target, "kept_target", wide=True)
        left = self._sum(m, pipe, wanted, _negative(self._number(m, code, "kept")), "left")
        cut = pipe.cut("output")
        m.d.comb += [
            self.o.payload.residual.eq(cut("residual", left)),
            self.o.payload.y.eq(pipe.carried["y"]),
            self.o.payload.flags.eq(pipe.carried["flags"]),
            self.o.valid.eq(pipe.valid),
            self.i.ready.eq(pipe.ready),
        ]
        pipe.finish(self.o.ready)
        return m

    def _number(self, m: Module, code: Amaranth, name: str, wide: bool = False) -> Raw:
        """A code as a number; weights go to the accumulator's format first."""
        p = self.parameters
        if wide:
            return unpack(m, code, (p.acc_format,), name=name, loose=True)
        raw = unpack(m, code, (p.format,), name=name)
        as_wide = Rounder(p.acc_format, p.narrow_rounding, "special").build(
            m, raw, name=f"{name}_wide", invalid=Const(0, 1)
        )
        return unpack(m, as_wide.code, (p.acc_format,), name=f"{name}_number", loose=True)

    def _sum(self, m: Module, pipe: Pipeline, x: Raw, y: Raw, step: str) -> Amaranth:
        """round(x + y), through the cuts of a step."""
        p = self.parameters

        def cut(name: str) -> Register:
            return pipe.cut(f"{step}_{name}")

        total = add(m, x, y, p.acc_rounding, step, cut=cut, loose=True)
        rounded = Rounder(p.acc_format, p.acc_rounding, "special").build(
            m, total.raw, name=f"{step}_rounded", invalid=total.invalid, cut=cut
        )
        return cut("rounded")("code", rounded.code)


def _negative(raw: Raw) -> Raw:
    return replace(raw, sign=~raw.sign)
