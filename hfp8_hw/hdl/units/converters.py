"""Units that convert codes to another format: quantizer, dequantizer and convert."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import Cat, Const, Module, ShapeLike, Value, signed, unsigned

from ...formats import RUNTIME_BIAS_RANGE, RUNTIME_BIAS_WIDTH, SCALE_RANGE, SCALE_WIDTH, FloatFormat
from ...parameters import (
    ConverterParameters,
    ConvertParameters,
    DequantizerParameters,
    QuantizerParameters,
)
from ..numbers.adjust import times_power
from ..numbers.pipeline import Pipeline, Register, prefixed, registered_cuts
from ..numbers.raw import wire
from ..numbers.round import Rounded, Rounder
from ..numbers.running_max import Size, keep_largest, larger, magnitude
from ..numbers.shape import Amaranth, FloatShape
from ..numbers.stream_unit import StreamUnit, operand_fields
from ..numbers.unpack import unpack
from ..numbers.xorshift import lane_seeds, xorshift32

_CUTS = ("output", "align", "place", "unpack", "input")


class _Converter(StreamUnit):
    """unpack, align, round."""

    def __init__(
        self,
        parameters: ConverterParameters,
        dst_bias: bool,
        src_bias: bool,
    ) -> None:
        self.parameters = self.checked(parameters)
        rounding = parameters.rounding_mode
        lanes = getattr(parameters, "lanes", 1)
        self._tags = [str(k) for k in range(lanes)] if lanes > 1 else [""]
        self._generator = getattr(parameters, "random", "input") != "input"
        self._scaled = getattr(parameters, "scale", "none") != "none"
        self._tracked = getattr(parameters, "track", "none") != "none"
        inputs: dict[str, ShapeLike] = {}
        outputs: dict[str, ShapeLike] = {}
        for tag in self._tags:
            inputs |= operand_fields(
                f"x{tag}", parameters.src_formats, "mode", "bias" if src_bias else None
            )
            if rounding.mode == "SR" and not self._generator:
                inputs[f"rbits{tag}"] = unsigned(rounding.sr_bits)
            outputs |= {f"y{tag}": FloatShape(parameters.dst_format), f"flags{tag}": unsigned(4)}
        if dst_bias:
            inputs["bias"] = signed(RUNTIME_BIAS_WIDTH)
        if self._scaled:
            inputs["scale"] = signed(SCALE_WIDTH)
        if self._tracked:
            inputs["clear"] = unsigned(1)
            outputs |= {"amax": FloatShape(parameters.src_formats[0]), "sticky": unsigned(4)}
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
        super().__init__(inputs, outputs)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p: Any = self.parameters
        pipe = Pipeline(m, self.i.valid, registered_cuts(p.stages, _CUTS))
        given = {name: Value.cast(self.i.payload[name]) for name in self.inputs}
        if self._generator:
            seeds = lane_seeds(p.random_seed, len(self._tags))
            for tag, seed in zip(self._tags, seeds, strict=True):
                word = xorshift32(m, self.i.valid & self.i.ready, seed, f"random{tag}")
                given[f"rbits{tag}"] = word[32 - p.rounding_mode.sr_bits :]
        cut = pipe.cut("input")
        item = {name: cut(name, value) for name, value in given.items()}
        done = {tag: self._lane(m, pipe, item, tag) for tag in self._tags}
        if self._tracked:
            self._track(m, pipe, item, [y.flags for y in done.values()])
        cut = pipe.cut("output")
        for tag, y in done.items():
            m.d.comb += [
                self.o.payload[f"y{tag}"].eq(cut(f"y{tag}", y.code)),
                self.o.payload[f"flags{tag}"].eq(cut(f"flags{tag}", y.flags)),
            ]
        m.d.comb += [self.o.valid.eq(pipe.valid), self.i.ready.eq(pipe.ready)]
        pipe.finish(self.o.ready)
        return m

    def _lane(self, m: Module, pipe: Pipeline, item: dict[str, Amaranth], tag: str) -> Rounded:
        """One element, up to the cut ``output``."""
        p: Any = self.parameters
        bias, rbits = item.get("bias"), item.get(f"rbits{tag}")
        code, formats = item[f"x{tag}"], p.src_formats

        def cut(name: str) -> Register:
            return prefixed(pipe.cut(name), f"lane{tag}_" if tag else "")

        if self._loose:
            code, formats = _narrow(m, code, formats, p, f"x{tag}")
            code = cut("unpack")("narrow", code)
        raw = unpack(
            m,
            code,
            formats,
            name=f"x{tag}",
            mode=item.get("mode"),
            bias=None if self._dst_bias else bias,
            loose=self._loose,
        )
        cross = cut("unpack")
        if not self._loose:
            raw = raw.through(prefixed(cross, "x_"))
        if rbits is not None:
            rbits = cross("rbits", rbits)
        if self._scaled:
            raw = times_power(m, raw, cross("scale", item["scale"]), f"x{tag}")
        if bias is not None and self._dst_bias:
            bias = cross("bias", bias)
        return Rounder(p.dst_format, p.rounding_mode, p.overflow).build(
            m,
            raw,
            name=f"y{tag}",
            invalid=Const(0, 1),
            bias=bias if self._dst_bias else None,
            rbits=rbits,
            cut=cut,
        )

    def _track(
        self, m: Module, pipe: Pipeline, item: dict[str, Amaranth], flags: list[Amaranth]
    ) -> None:
        """Keep the largest magnitude and all flags, from the next transfer output on."""
        (src,) = self.parameters.src_formats
        clear = item["clear"]
        sizes = [magnitude(m, item[f"x{tag}"], src, f"size{tag}") for tag in self._tags]
        levels = (len(sizes) - 1).bit_length()
        cuts = ("unpack", "place", "align")
        for k, name in enumerate(cuts):
            while len(sizes) > 1 << (levels * (len(cuts) - 1 - k) // len(cuts)):
                sizes = [
                    larger(m, sizes[n : n + 2], f"size{len(sizes)}_{n}")
                    for n in range(0, len(sizes), 2)
                ]
            cut = pipe.cut(name)
            clear = cut("clear", clear)
            sizes = [
                Size(cut(f"size{n}", s.mag), cut(f"nan{n}", s.nan)) for n, s in enumerate(sizes)
            ]
        keep_largest(m, self.o.payload, src, pipe, clear, sizes[0], flags)


def _narrow(
    m: Module,
    code: Amaranth,
    formats: tuple[FloatFormat, ...],
    p: ConverterParameters,
    name: str,
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
    return wire(m, narrow, f"{name}_narrow"), (replace(src, man_bits=man_bits),)


class Quantizer(_Converter):
    """Rounds codes of any format to one of at most 8 bits.

    Golden function: `hfp8_hw.golden.quantize`, with ``track=amax``
    `hfp8_hw.golden.quantize_tracked`. ``lanes`` elements a clock, ``stages`` clocks latency. With
    several lanes ``x``, ``rbits``, ``y`` and ``flags`` have the lane's number at their names.

    Members
    -------
    i : stream of ``x`` (code of ``src``), ``mode`` (``src=HFP8``), ``bias`` (``bias=runtime``,
        of ``dst``), ``rbits`` (``SR(n)`` with ``random=input``, n bits), ``scale``
        (``scale=runtime``: a power of two that x is multiplied by), ``clear`` (``track=amax``:
        forget what came before)
    o : stream of ``y`` (code of ``dst``), ``flags`` (overflow, underflow, inexact, invalid); with
        ``track=amax`` also ``amax`` (code of ``src``: the largest magnitude since ``clear``, this
        transfer included; NaN if there was one) and ``sticky`` (the flags since then, ORed)
    """

    units = ("quantizer",)

    def __init__(self, parameters: QuantizerParameters) -> None:
        bias = self.checked(parameters).bias
        super().__init__(parameters, dst_bias=bias == "runtime", src_bias=False)


class Convert(_Converter):
    """Converts a code of any format to any other.

    Golden function: `hfp8_hw.golden.quantize` with ``src``. One element a clock, ``stages``
    clocks latency.

    Members
    -------
    i : stream of ``x`` (code of ``src``), ``mode`` (``src=HFP8``), ``rbits`` (``SR(n)``, n bits)
    o : stream of ``y`` (code of ``dst``), ``flags`` (overflow, underflow, inexact, invalid)
    """

    units = ("convert",)

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

    units = ("dequantizer",)

    def __init__(self, parameters: DequantizerParameters) -> None:
        bias = self.checked(parameters).bias
        super().__init__(parameters, dst_bias=False, src_bias=bias == "runtime")
