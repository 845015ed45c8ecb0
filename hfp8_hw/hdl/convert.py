"""Units that convert one code to another format: quantizer and dequantizer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, ShapeLike, signed, unsigned

from ..formats import RUNTIME_BIAS_WIDTH
from ..parameters import DequantizerParameters, QuantizerParameters
from .pipeline import Pipeline, registered_cuts
from .round import Rounder
from .stream_unit import StreamUnit, field_value, operand_fields, result_fields
from .unpack import unpack

_CUTS = ("output", "align", "unpack", "input")


class _Converter(StreamUnit):
    """unpack, align, round."""

    def __init__(
        self,
        parameters: QuantizerParameters | DequantizerParameters,
        dst_bias: bool,
        src_bias: bool,
    ) -> None:
        self.parameters = parameters
        rounding = parameters.rounding_mode
        inputs: dict[str, ShapeLike] = operand_fields(
            "x", parameters.src_formats, "mode", "bias" if src_bias else None
        )
        if dst_bias:
            inputs["bias"] = signed(RUNTIME_BIAS_WIDTH)
        if rounding.mode == "SR":
            inputs["rbits"] = unsigned(rounding.sr_bits)
        self._dst_bias = dst_bias
        super().__init__(inputs, result_fields(parameters.dst_format))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        pipe = Pipeline(m, self.i.valid, registered_cuts(p.stages, _CUTS))
        names = ("x", "mode", "bias", "rbits")
        cut = pipe.cut("input")
        item = {
            name: cut(name, value)
            for name in names
            if (value := field_value(self.i.payload, name)) is not None
        }
        bias, rbits = item.get("bias"), item.get("rbits")
        raw = unpack(
            m,
            item["x"],
            p.src_formats,
            name="x",
            mode=item.get("mode"),
            bias=None if self._dst_bias else bias,
        )
        cut = pipe.cut("unpack")
        raw = raw.through(lambda name, value: cut(f"x_{name}", value))
        if rbits is not None:
            rbits = cut("rbits", rbits)
        if bias is not None and self._dst_bias:
            bias = cut("bias", bias)
        code, flags = Rounder(p.dst_format, p.rounding_mode, p.overflow).build(
            m,
            raw,
            name="y",
            invalid=Const(0, 1),
            bias=bias if self._dst_bias else None,
            rbits=rbits,
            cut=pipe.cut("align"),
        )
        self.put_out(m, pipe, code, flags)
        return m


class Quantizer(_Converter):
    """Rounds a code of any format to one of at most 8 bits.

    Golden function: `hfp8_hw.golden.quantize`. One element a clock, ``stages`` clocks latency.

    Members
    -------
    i : stream of ``x`` (code of ``src``), ``mode`` (``src=HFP8``), ``bias`` (``bias=runtime``,
        of ``dst``), ``rbits`` (``SR(n)``, n bits)
    o : stream of ``y`` (code of ``dst``), ``flags`` (overflow, underflow, inexact, invalid)
    """

    def __init__(self, parameters: QuantizerParameters) -> None:
        super().__init__(parameters, dst_bias=parameters.bias == "runtime", src_bias=False)


class Dequantizer(_Converter):
    """Converts a code of at most 8 bits to any format.

    Golden function: `hfp8_hw.golden.quantize` with ``src``. One element a clock, ``stages``
    clocks latency.

    Members
    -------
    i : stream of ``x`` (code of ``src``), ``mode`` (``src=HFP8``), ``bias`` (``bias=runtime``,
        of ``src``), ``rbits`` (``SR(n)``, n bits)
    o : stream of ``y`` (code of ``dst``), ``flags`` (overflow, underflow, inexact, invalid)
    """

    def __init__(self, parameters: DequantizerParameters) -> None:
        super().__init__(parameters, dst_bias=False, src_bias=parameters.bias == "runtime")
