"""Units that convert one code to another format: quantizer and dequantizer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import Cat, Const, Module, ShapeLike, Signal, signed, unsigned

from ..formats import RUNTIME_BIAS_RANGE, RUNTIME_BIAS_WIDTH, SCALE_RANGE, SCALE_WIDTH, FloatFormat
from ..parameters import (
    ConverterParameters,
    ConvertParameters,
    DequantizerParameters,
    QuantizerParameters,
)
from .pipeline import Pipeline, registered_cuts
from .random import xorshift32
from .raw import Raw, wire
from .round import Rounder
from .shape import Amaranth, range_shape
from .stream_unit import StreamUnit, field_value, operand_fields, result_fields
from .unpack import unpack

_CUTS = ("output", "align", "place", "unpack", "input")


class _Converter(StreamUnit):
    """unpack, align, round."""

    def __init__(
        self,
        parameters: ConverterParameters,
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
        self._generator = getattr(parameters, "random", "input") != "input"
        if rounding.mode == "SR" and not self._generator:
            inputs["rbits"] = unsigned(rounding.sr_bits)
        self._scaled = getattr(parameters, "scale", "none") != "none"
        if self._scaled:
            inputs["scale"] = signed(SCALE_WIDTH)
        self._dst_bias = dst_bias
        # A source whose normal numbers reach below a quarter of what the result can tell from zero.
        top = RUNTIME_BIAS_RANGE[1] if dst_bias else parameters.dst_format.bias
        top += SCALE_RANGE[1] if self._scaled else 0
        src = parameters.src_formats[0]
        self._loose = (
            len(parameters.src_formats) == 1
            and not src_bias
            and src.zero_exp == "gradual"
            and src.specials in ("ieee", "none")
            and 1 - src.bias + top <= -2
        )
        super().__init__(inputs, result_fields(parameters.dst_format))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p: Any = self.parameters
        pipe = Pipeline(m, self.i.valid, registered_cuts(p.stages, _CUTS))
        names = ("x", "mode", "bias", "rbits", "scale")
        given = {
            name: value
            for name in names
            if (value := field_value(self.i.payload, name)) is not None
        }
        if self._generator:
            word = xorshift32(m, self.i.valid & self.i.ready, p.random_seed)
            given["rbits"] = word[32 - p.rounding_mode.sr_bits :]
        cut = pipe.cut("input")
        item = {name: cut(name, value) for name, value in given.items()}
        bias, rbits = item.get("bias"), item.get("rbits")
        code, formats = item["x"], p.src_formats
        if self._loose:
            code, formats = _narrow(m, code, formats, p)
            cut = pipe.cut("unpack")
            code = cut("narrow", code)
        raw = unpack(
            m,
            code,
            formats,
            name="x",
            mode=item.get("mode"),
            bias=None if self._dst_bias else bias,
            loose=self._loose,
        )
        if not self._loose:
            cut = pipe.cut("unpack")
            raw = raw.through(lambda name, value: cut(f"x_{name}", value))
        if rbits is not None:
            rbits = cut("rbits", rbits)
        if self._scaled:
            raw = _scale(m, raw, cut("scale", item["scale"]))
        if bias is not None and self._dst_bias:
            bias = cut("bias", bias)
        code, flags = Rounder(p.dst_format, p.rounding_mode, p.overflow).build(
            m,
            raw,
            name="y",
            invalid=Const(0, 1),
            bias=bias if self._dst_bias else None,
            rbits=rbits,
            cut=pipe.cut,
        )
        self.put_out(m, pipe, code, flags)
        return m


def _scale(m: Module, raw: Raw, power: Amaranth) -> Raw:
    """The number times ``2**power``."""
    low, high = raw.low + SCALE_RANGE[0], raw.high + SCALE_RANGE[1]
    exp = Signal(range_shape(low + raw.offset, high + raw.offset), name="x_scaled_exp")
    m.d.comb += exp.eq(raw.exp + power)
    return replace(raw, exp=exp, low=low, high=high)


def _narrow(
    m: Module,
    code: Amaranth,
    formats: tuple[FloatFormat, ...],
    p: ConverterParameters,
) -> tuple[Amaranth, tuple[FloatFormat, ...]]:
    """The code, and its format, with the mantissa bits that only matter as a whole ORed to one.

    The class of the number and how it is rounded stay the same.
    """
    (src,) = formats
    man_bits = p.dst_format.man_bits + max(p.rounding_mode.sr_bits, 1) + 1
    drop = src.man_bits - man_bits + 1
    if drop < 2:
        return code, formats
    narrow = Cat(code[:drop].any(), code[drop:])
    return wire(m, narrow, "x_narrow"), (replace(src, man_bits=man_bits),)


class Quantizer(_Converter):
    """Rounds a code of any format to one of at most 8 bits.

    Golden function: `hfp8_hw.golden.quantize`. One element a clock, ``stages`` clocks latency.

    Members
    -------
    i : stream of ``x`` (code of ``src``), ``mode`` (``src=HFP8``), ``bias`` (``bias=runtime``,
        of ``dst``), ``rbits`` (``SR(n)`` with ``random=input``, n bits), ``scale``
        (``scale=runtime``: a power of two that x is multiplied by)
    o : stream of ``y`` (code of ``dst``), ``flags`` (overflow, underflow, inexact, invalid)
    """

    def __init__(self, parameters: QuantizerParameters) -> None:
        super().__init__(parameters, dst_bias=parameters.bias == "runtime", src_bias=False)


class Convert(_Converter):
    """Converts a code of any format to any other.

    Golden function: `hfp8_hw.golden.quantize` with ``src``. One element a clock, ``stages``
    clocks latency.

    Members
    -------
    i : stream of ``x`` (code of ``src``), ``mode`` (``src=HFP8``), ``rbits`` (``SR(n)``, n bits)
    o : stream of ``y`` (code of ``dst``), ``flags`` (overflow, underflow, inexact, invalid)
    """

    def __init__(self, parameters: ConvertParameters) -> None:
        super().__init__(parameters, dst_bias=False, src_bias=False)


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
