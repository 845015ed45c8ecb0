"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import Module, ShapeLike, Value, unsigned

from ...parameters import SgdUpdateParameters
from ...rounding import default_rounding
from ..numbers.add import add
from ..numbers.multiply import multiply
from ..numbers.pipeline import Pipeline, Register, prefixed, registered_cuts
from ..numbers.raw import any_of
from ..numbers.round import Rounded, Rounder
from ..numbers.shape import Amaranth, FloatShape
from ..numbers.stream_unit import StreamUnit
from ..numbers.unpack import unpack
from ..numbers.xorshift import xorshift32

_STEPS = ("move", "apply")
_CUTS = (
    "move_rounded",
    "output",
    *(
        f"{step}_{cut}"
        for cut in ("product", "sum", "normalised", "operands", "align", "aligned", "ordered",
                    "coarse", "unpack", "place")
        for step in _STEPS
    ),
    "input",
)  # fmt: skip
"""Most valuable first."""


class SgdUpdate(StreamUnit):
    """Updates a momentum and a weight.

    Golden function: `hfp8_hw.golden.sgd_update`. One weight a clock, ``stages`` clocks latency.

    Members
    -------
    i : stream of ``weight`` (code of ``fmt``), ``momentum``, ``gradient``, ``rate``, ``decay``
        (codes of ``acc``), ``rbits`` (``SR(n)`` with ``random=input``, n bits)
    o : stream of ``y`` (the weight, code of ``fmt``), ``momentum`` (code of ``acc``), ``flags`` (of
        the weight's rounding: overflow, underflow, inexact, invalid)
    """

    units = ("sgd_update",)

    def __init__(self, parameters: SgdUpdateParameters) -> None:
        self.parameters = p = self.checked(parameters)
        narrow, wide = FloatShape(p.format), FloatShape(p.acc_format)
        inputs: dict[str, ShapeLike] = {"weight": narrow}
        inputs |= dict.fromkeys(("momentum", "gradient", "rate", "decay"), wide)
        if p.rounding_mode.mode == "SR" and not p.generator:
            inputs["rbits"] = unsigned(p.rounding_mode.sr_bits)
        super().__init__(inputs, {"y": narrow, "momentum": wide, "flags": unsigned(4)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        wide = p.acc_format
        pipe = Pipeline(m, self.i.valid, registered_cuts(p.stages, _CUTS))
        given = {name: Value.cast(self.i.payload[name]) for name in self.inputs}
        bits = p.rounding_mode.sr_bits
        if p.generator:
            word = xorshift32(m, self.i.valid & self.i.ready, p.random_seed)
            given["rbits"] = word[32 - bits :]
        cut = pipe.cut("input")
        item = {name: cut(name, value) for name, value in given.items()}
        names = ("weight", "rate", *(("rbits",) if bits else ()))
        pipe.carried = {name: item[name] for name in names}
        moved = self._step(
            m, pipe, "move", item["gradient"], (item["momentum"], item["decay"]),
            Rounder(wide, default_rounding(wide), "special"),
        )  # fmt: skip
        momentum = pipe.cut("move_rounded")("momentum", moved.code)
        weight, rate = pipe.carried.pop("weight"), pipe.carried.pop("rate")
        pipe.carried["momentum"] = momentum
        y = self._step(
            m, pipe, "apply", weight, (momentum, rate),
            Rounder(p.format, p.rounding_mode, "saturate"),
        )  # fmt: skip
        cut = pipe.cut("output")
        m.d.comb += [
            self.o.payload.y.eq(cut("y", y.code)),
            self.o.payload.flags.eq(cut("flags", y.flags)),
            self.o.payload.momentum.eq(pipe.carried["momentum"]),
            self.o.valid.eq(pipe.valid),
            self.i.ready.eq(pipe.ready),
        ]
        pipe.finish(self.o.ready)
        return m

    def _step(
        self,
        m: Module,
        pipe: Pipeline,
        step: str,
        start: Amaranth,
        factors: tuple[Amaranth, Amaranth],
        rounder: Rounder,
    ) -> Rounded:
        """round(start + product) to move the momentum, round(start - product) to apply it."""
        p = self.parameters
        applies = step == "apply"

        def cut(name: str) -> Register:
            return pipe.cut(f"{step}_{name}")

        base = unpack(m, start, (p.format if applies else p.acc_format,), name=f"{step}_base")
        x, y = (
            unpack(m, code, (p.acc_format,), name=f"{step}_{name}")
            for name, code in zip("xy", factors, strict=True)
        )
        cross = cut("unpack")
        base = base.through(prefixed(cross, "base_"))
        x, y = x.through(prefixed(cross, "x_")), y.through(prefixed(cross, "y_"))
        product, invalid = multiply(m, x, y, f"{step}_p")
        if applies:
            product = replace(product, sign=~product.sign)
        cross = cut("product")
        base, product = (
            base.through(prefixed(cross, "base_")),
            product.through(prefixed(cross, "p_")),
        )
        pipe.carried["invalid"] = cross("invalid", invalid)
        rounding = rounder.rounding
        precision = rounder.fmt.man_bits + 1 + rounding.sr_bits
        total = add(m, base, product, rounding, step, cut=cut, precision=precision)
        rbits = pipe.carried.pop("rbits") if applies and rounding.sr_bits else None
        invalid = any_of(pipe.carried.pop("invalid"), total.invalid)
        return rounder.build(m, total.raw, name=f"{step}_y", invalid=invalid, rbits=rbits, cut=cut)
