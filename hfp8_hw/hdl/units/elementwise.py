"""Units that work element by element in one format: sum, maximum, positive part."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Value

from ...formats import FloatFormat
from ...parameters import FpAddParameters, FpMaxParameters, ReluParameters
from ..numbers.add import add
from ..numbers.adjust import positive_part
from ..numbers.pipeline import Pipeline, registered_cuts
from ..numbers.raw import any_of, wire
from ..numbers.round import Rounder
from ..numbers.shape import Amaranth, FloatShape, less
from ..numbers.stream_unit import StreamUnit, result_fields
from ..numbers.unpack import specials, unpack


class FpAdd(StreamUnit):
    """Adds two numbers.

    Golden function: `hfp8_hw.golden.add`. One sum a clock, ``stages`` clocks latency.

    Members
    -------
    i : stream of ``a``, ``b`` (codes of ``fmt``)
    o : stream of ``y`` (code of ``fmt``), ``flags`` (overflow, underflow, inexact, invalid)
    """

    units = ("fp_add",)

    _CUTS = (
        "output", "sum", "operands", "normalised", "align", "aligned", "ordered", "coarse", "input",
    )  # fmt: skip

    def __init__(self, parameters: FpAddParameters) -> None:
        self.parameters = self.checked(parameters)
        shape = FloatShape(parameters.format)
        super().__init__({"a": shape, "b": shape}, result_fields(parameters.format))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        pipe = Pipeline(m, self.i.valid, registered_cuts(p.stages, self._CUTS))
        cut = pipe.cut("input")
        codes = {name: cut(name, Value.cast(self.i.payload[name])) for name in ("a", "b")}
        x, y = (unpack(m, code, (p.format,), name=n, loose=True) for n, code in codes.items())
        total = add(m, x, y, p.rounding_mode, "sum", cut=pipe.cut, loose=True)
        rounded = Rounder(p.format, p.rounding_mode, p.overflow).build(
            m, total.raw, name="y", invalid=total.invalid, cut=pipe.cut
        )
        self.put_out(m, pipe, rounded.code, rounded.flags)
        return m


class _Ordered(StreamUnit):
    """Comparison only."""

    _CUTS = ("output", "input")
    _NAMES: tuple[str, ...]

    def __init__(self, parameters: FpMaxParameters | ReluParameters) -> None:
        self.parameters = self.checked(parameters)
        shape = FloatShape(parameters.format)
        super().__init__(dict.fromkeys(self._NAMES, shape), result_fields(parameters.format))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p, fmt = self.parameters, self.parameters.format
        pipe = Pipeline(m, self.i.valid, registered_cuts(p.stages, self._CUTS))
        cut = pipe.cut("input")
        codes = [cut(name, Value.cast(self.i.payload[name])) for name in self._NAMES]
        nan = any_of(
            *(
                specials(m, code, code[: fmt.width - 1], fmt, name)[0]
                for name, code in zip(self._NAMES, codes, strict=True)
            )
        )
        self.put_out(m, pipe, self._choose(m, codes, nan, fmt), Const(0, 4))
        return m

    def _choose(
        self, m: Module, codes: list[Amaranth], nan: Amaranth, fmt: FloatFormat
    ) -> Amaranth:
        raise NotImplementedError


class FpMax(_Ordered):
    """The larger of two numbers.

    Golden function: `hfp8_hw.golden.maximum`. One result a clock, ``stages`` clocks latency.

    Members
    -------
    i : stream of ``a``, ``b`` (codes of ``fmt``)
    o : stream of ``y`` (code of ``fmt``), ``flags`` (always 0)
    """

    units = ("fp_max",)

    _NAMES = ("a", "b")

    def _choose(
        self, m: Module, codes: list[Amaranth], nan: Amaranth, fmt: FloatFormat
    ) -> Amaranth:
        # Sign and magnitude, in the order of unsigned integers.
        keys = [
            wire(m, Cat(c[:-1] ^ c[-1].replicate(fmt.width - 1), ~c[-1]), f"key_{name}")
            for name, c in zip(self._NAMES, codes, strict=True)
        ]
        code = wire(m, Mux(less(keys[1], keys[0]), codes[0], codes[1]), "chosen")
        return code if fmt.nan_code is None else Mux(nan, fmt.nan_code, code)[: fmt.width]


class Relu(_Ordered):
    """The positive part of a number.

    Golden function: `hfp8_hw.golden.relu`. One result a clock, ``stages`` clocks latency.

    Members
    -------
    i : stream of ``x`` (code of ``fmt``)
    o : stream of ``y`` (code of ``fmt``), ``flags`` (always 0)
    """

    units = ("relu",)

    _NAMES = ("x",)

    def _choose(
        self, m: Module, codes: list[Amaranth], nan: Amaranth, fmt: FloatFormat
    ) -> Amaranth:
        return positive_part(m, codes[0], nan, fmt, "chosen")
