"""The decoder for multiply-accumulate units that take fixed-point operands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Value, unsigned

from ...fixed import scale
from ...parameters import ToFixedParameters
from ..numbers.pipeline import Pipeline, registered_cuts
from ..numbers.raw import any_of, is_const
from ..numbers.shape import FixedShape, FloatShape
from ..numbers.stream_unit import StreamUnit
from ..sums.align import in_fixed_point, shifted_by_word, shifted_within_word
from ..sums.scaled import unpack_scaled

_CUTS = ("output", "unpack", "half", "input")


class ToFixed(StreamUnit):
    """Sets a code on its format's fixed-point grid, for units with ``operands=fixed``.

    Golden function: `hfp8_hw.golden.to_fixed`. One operand a clock, ``stages`` clocks latency. In
    an array of multiply-accumulate units one decoder serves a row or a column.

    Members
    -------
    i : stream of ``x`` (code of ``fmt``)
    o : stream of ``y`` (magnitude, sign, NaN, infinity: `FixedShape`), ``flags`` (always 0)
    """

    units = ("to_fixed",)

    def __init__(self, parameters: ToFixedParameters) -> None:
        self.parameters = self.checked(parameters)
        outputs = {"y": FixedShape(parameters.format), "flags": unsigned(4)}
        super().__init__({"x": FloatShape(parameters.format)}, outputs)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        fmt = self.parameters.format
        grid = scale((fmt,))
        pipe = Pipeline(m, self.i.valid, registered_cuts(self.parameters.stages, _CUTS))
        code = pipe.cut("input")("x", Value.cast(self.i.payload.x))
        x = unpack_scaled(m, code, (fmt,), grid, name="x", explicit=True)
        special = any_of(x.nan, x.inf)
        if not is_const(special):
            x = replace(x, sig=Mux(special, 0, x.sig)[: grid.bits])
        x = shifted_within_word(m, x, "x").through(pipe.cut("unpack"))
        x = shifted_by_word(m, x, grid, "x").through(pipe.cut("half"))
        x = in_fixed_point(m, x, grid, "x")
        bits = x.sig if is_const(x.inf) else Cat(x.sig[0] | x.inf, x.sig[1:])
        marks = [x.nan] if fmt.has_nan else []
        marks += [x.inf] if fmt.inf_code is not None else []
        self.put_out(m, pipe, Cat(bits, x.sign, *marks), Const(0, 4))
        return m
