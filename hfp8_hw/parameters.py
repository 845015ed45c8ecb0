"""The parameters of each unit: one validated object for hardware, golden model and manifest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

from .errors import ParameterError, check_choice, check_int
from .formats import HFP8, FloatFormat, parse_format, parse_operand
from .products import product_format
from .rounding import (
    Rounding,
    check_overflow,
    default_rounding,
    parse_rounding,
)

BIASES = ("static", "runtime")
MAX_NAME = 100


def _parameter(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


def _width(formats: tuple[FloatFormat, ...]) -> int:
    return formats[0].width


@dataclass(frozen=True)
class UnitParameters:
    """What all units have in common.

    Raises
    ------
    ParameterError
        On construction, for any value that is not allowed.
    """

    unit: ClassVar[str]
    summary: ClassVar[str]
    golden: ClassVar[str]
    max_stages: ClassVar[int]

    stages: int

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> UnitParameters:
        """Build from names and values; integers may be given as decimal strings.

        Raises
        ------
        ParameterError
            For an unknown name or a value that is not allowed.
        """
        known = {f.name: f for f in fields(cls)}
        values = {}
        for name, value in given.items():
            if name not in known:
                raise ParameterError(
                    f"{name}={value!r} is not allowed: {cls.unit} has no such parameter, only "
                    f"{', '.join(known)}"
                )
            if known[name].type == "int" and isinstance(value, str):
                try:
                    value = int(value, 10)
                except ValueError:
                    raise ParameterError(f"{name}={value!r} is not allowed: an integer") from None
            values[name] = value
        return cls(**values)

    def to_dict(self) -> dict[str, int | str]:
        """Every parameter by name, defaults included."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def latency(self) -> int:
        """Clocks from taking an item (for a sum, its last) to the result's valid."""
        return self.stages

    @property
    def interval(self) -> int:
        """Clocks between inputs, if the output is never stalled."""
        return 1

    @property
    def top(self) -> str:
        """A name for the generated module: unit and every parameter that is not the default.

        Where that is longer than `MAX_NAME` (tools shorten such names, each in its own way), the
        unit and a hash of it.
        """
        words = [self.unit]
        defaults = self.from_mapping({}).to_dict()
        for f in fields(self):
            value = getattr(self, f.name)
            if value != defaults[f.name]:
                words += [f.name, str(value)]
        name = "_".join(words).replace("-", "m")
        name = re.sub(r"[^A-Za-z0-9]+", "_", name).rstrip("_")
        if len(name) <= MAX_NAME:
            return name
        return f"{self.unit}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"

    def _check_stages(self) -> None:
        check_int("stages", self.stages, 1, self.max_stages)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class _Converter(UnitParameters):
    """Shared by quantizer and dequantizer: one code in, one code out."""

    golden: ClassVar[str] = "hfp8_hw.golden:quantize"
    max_stages: ClassVar[int] = 4

    def _check(self, src: tuple[FloatFormat, ...]) -> None:
        self._check_stages()
        rounding = parse_rounding(self.rounding)  # type: ignore[attr-defined]
        check_choice("bias", self.bias, BIASES)  # type: ignore[attr-defined]
        self._set(rounding=str(rounding))
        check_overflow(self.overflow, self.dst_format)  # type: ignore[attr-defined]

    @cached_property
    def src_formats(self) -> tuple[FloatFormat, ...]:
        """The formats of the input, by mode."""
        return parse_operand(self.src, "src")  # type: ignore[attr-defined]

    @cached_property
    def dst_format(self) -> FloatFormat:
        """The format of the output."""
        return parse_format(self.dst, "dst")  # type: ignore[attr-defined]

    @cached_property
    def rounding_mode(self) -> Rounding:
        """The rounding, parsed."""
        return parse_rounding(self.rounding)  # type: ignore[attr-defined]


def _check_runtime(bias: str, parameter: str, formats: tuple[FloatFormat, ...]) -> None:
    check_choice("bias", bias, BIASES)
    if bias == "runtime" and any(f.width > 8 for f in formats):
        raise ParameterError(
            f"bias={bias!r} is not allowed for {parameter}={formats[0]}: "
            "only formats of up to 8 bits have a run-time bias"
        )


@dataclass(frozen=True)
class QuantizerParameters(_Converter):
    """Any format to an 8-bit one, in any rounding; see `hfp8_hw.golden.quantize`."""

    unit: ClassVar[str] = "quantizer"
    summary: ClassVar[str] = "any format to an 8-bit format, any rounding, four flags"

    stages: int = _parameter(2, "register stages, 1 to 4")
    src: str = _parameter("FP32", "format of the input x (HFP8: by input mode)")
    dst: str = _parameter("HFP8_FWD", "format of the output y, at most 8 bits")
    rounding: str = _parameter("RNE", "RNE, RNA, RTZ, RUP, RDN, RTO or SR(n)")
    overflow: str = _parameter("saturate", "saturate or special")
    bias: str = _parameter("static", "static, or runtime: the bias of dst is an input")

    def __post_init__(self) -> None:
        self._check(self.src_formats)
        if self.dst_format.width > 8:
            raise ParameterError(
                f"dst={self.dst!r} is not allowed: a quantizer's output has at most 8 bits"
            )
        _check_runtime(self.bias, "dst", (self.dst_format,))


@dataclass(frozen=True)
class DequantizerParameters(_Converter):
    """An 8-bit format to any format; see `hfp8_hw.golden.quantize` with ``src``."""

    unit: ClassVar[str] = "dequantizer"
    summary: ClassVar[str] = "an 8-bit format to any format"

    stages: int = _parameter(2, "register stages, 1 to 4")
    src: str = _parameter("HFP8", "format of the input x, at most 8 bits (HFP8: by input mode)")
    dst: str = _parameter("FP32", "format of the output y")
    rounding: str = _parameter("RNE", "RNE, RNA, RTZ, RUP, RDN, RTO or SR(n)")
    overflow: str = _parameter("special", "saturate or special")
    bias: str = _parameter("static", "static, or runtime: the bias of src is an input")

    def __post_init__(self) -> None:
        self._check(self.src_formats)
        if _width(self.src_formats) > 8:
            raise ParameterError(
                f"src={self.src!r} is not allowed: a dequantizer's input has at most 8 bits"
            )


@dataclass(frozen=True)
class _TwoOperands(UnitParameters):
    """Shared by the units that multiply."""

    @cached_property
    def a_formats(self) -> tuple[FloatFormat, ...]:
        """The formats of operand a, by mode."""
        return parse_operand(self.a, "a")  # type: ignore[attr-defined]

    @cached_property
    def b_formats(self) -> tuple[FloatFormat, ...]:
        """The formats of operand b, by mode."""
        return parse_operand(self.b, "b")  # type: ignore[attr-defined]

    def _check_operands(self, bias: str) -> None:
        self._check_stages()
        _check_runtime(bias, "a", self.a_formats)
        _check_runtime(bias, "b", self.b_formats)


@dataclass(frozen=True)
class MulParameters(_TwoOperands):
    """One product; see `hfp8_hw.golden.mul`."""

    unit: ClassVar[str] = "mul"
    summary: ClassVar[str] = "product of two codes, exact or rounded to a format"
    golden: ClassVar[str] = "hfp8_hw.golden:mul"
    max_stages: ClassVar[int] = 5

    stages: int = _parameter(2, "register stages, 1 to 5")
    a: str = _parameter(HFP8, "format of the input a (HFP8: by input mode_a)")
    b: str = _parameter(HFP8, "format of the input b (HFP8: by input mode_b)")
    out: str = _parameter("exact", "format of the output y; exact: one that holds every product")
    rounding: str = _parameter("RNE", "RNE, RNA, RTZ, RUP, RDN, RTO or SR(n)")
    overflow: str = _parameter("", "saturate or special; by default saturate, special if exact")
    bias: str = _parameter("static", "static, or runtime: the biases of a and b are inputs")

    def __post_init__(self) -> None:
        self._check_operands(self.bias)
        self._set(rounding=str(parse_rounding(self.rounding)))
        if self.overflow == "":
            special = self.out == "exact" and self.out_format.has_nan
            self._set(overflow="special" if special else "saturate")
        check_overflow(self.overflow, self.out_format)

    @cached_property
    def out_format(self) -> FloatFormat:
        """The format of the output."""
        if self.out == "exact":
            return product_format(self.a_formats, self.b_formats, self.bias == "runtime")
        return parse_format(self.out, "out")

    @cached_property
    def rounding_mode(self) -> Rounding:
        """The rounding, parsed."""
        return parse_rounding(self.rounding)


@dataclass(frozen=True)
class MacParameters(_TwoOperands):
    """A running sum of products; see `hfp8_hw.golden.dot`."""

    unit: ClassVar[str] = "mac"
    summary: ClassVar[str] = "sum of products in a floating-point accumulator, one product a clock"
    golden: ClassVar[str] = "hfp8_hw.golden:dot"
    max_stages: ClassVar[int] = 4

    stages: int = _parameter(3, "register stages, 1 to 4")
    a: str = _parameter(HFP8, "format of the input a (HFP8: by input mode_a)")
    b: str = _parameter(HFP8, "format of the input b (HFP8: by input mode_b)")
    acc: str = _parameter("DLFLOAT16", "format of the accumulator and of the output y")
    semantics: str = _parameter("chunked", "fma or chunked")
    chunk: int = _parameter(64, "products a chunk, 1 to 65536 (chunked)")
    rounding: str = _parameter("", "deterministic; by default RNA for DLFLOAT16, else RNE")
    overflow: str = _parameter("special", "saturate or special")
    bias: str = _parameter("static", "static, or runtime: the biases of a and b are inputs")

    def __post_init__(self) -> None:
        self._check_operands(self.bias)
        check_choice("semantics", self.semantics, ("fma", "chunked"))
        check_int("chunk", self.chunk, 1, 65536)
        if self.rounding == "":
            self._set(rounding=str(default_rounding(self.acc_format)))
        rounding = parse_rounding(self.rounding)
        if rounding.mode == "SR":
            raise ParameterError(
                f"rounding={self.rounding!r} is not allowed for an accumulator: a deterministic one"
            )
        check_overflow(self.overflow, self.acc_format)

    @property
    def latency(self) -> int:
        return self.stages + (self.semantics == "chunked")

    @cached_property
    def acc_format(self) -> FloatFormat:
        """The format of the accumulator."""
        return parse_format(self.acc, "acc")

    @cached_property
    def rounding_mode(self) -> Rounding:
        """The rounding, parsed."""
        return parse_rounding(self.rounding)


UNITS: dict[str, type[UnitParameters]] = {
    cls.unit: cls
    for cls in (QuantizerParameters, DequantizerParameters, MulParameters, MacParameters)
}
"""Every unit by name."""


def unit_parameters(unit: object, given: Mapping[str, Any]) -> Any:
    """The parameter object of a unit, from a mapping of names to values.

    Raises
    ------
    ParameterError
        For an unknown unit, an unknown parameter or a value that is not allowed.
    """
    return UNITS[check_choice("unit", unit, UNITS)].from_mapping(given)
