"""Automatic loss scaling."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned

from ...parameters import LossScaleParameters
from ..numbers.pipeline import Pipeline
from ..numbers.stream_unit import StreamUnit


class LossScale(StreamUnit):
    """Decides about the loss scale after each step of training.

    Golden function: `hfp8_hw.golden.loss_scale`. One step a clock, one clock latency; reset
    starts again from ``initial``.

    Members
    -------
    i : stream of ``overflow`` (1 bit: the step's gradients overflowed)
    o : stream of ``y`` (the exponent from now on, two's complement), ``flags`` (bit 0: skip this
        step)
    """

    units = ("loss_scale",)

    def __init__(self, parameters: LossScaleParameters) -> None:
        self.parameters = self.checked(parameters)
        super().__init__({"overflow": unsigned(1)}, {"y": unsigned(7), "flags": unsigned(4)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        pipe = Pipeline(m, self.i.valid, ("output",))
        overflow = self.i.payload.overflow
        scale = Signal(signed(7), init=p.initial, name="scale", attrs={"stage": "scale"})
        left = Signal(range(p.growth), init=p.growth - 1, name="left", attrs={"stage": "scale"})
        after = Signal(signed(7), name="after")
        m.d.comb += after.eq(scale)
        with m.If(overflow):
            m.d.comb += after.eq(Mux(scale == p.floor, scale, scale - 1))
        with m.Elif(left == 0):
            m.d.comb += after.eq(Mux(scale == p.ceiling, scale, scale + 1))
        with m.If(pipe.valid & pipe.ready):
            m.d.sync += [
                scale.eq(after),
                left.eq(Mux(overflow | (left == 0), p.growth - 1, left - 1)),
            ]
        self.put_out(m, pipe, after.as_unsigned(), Cat(overflow, Const(0, 3)))
        return m
