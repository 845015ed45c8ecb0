"""Parameters of the multiplier, and what all units with two operands have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..formats import HFP8, FloatFormat, parse_format, parse_operand
from ..products import product_format
from ..rounding import Rounding, check_overflow, parse_rounding
from .base import Ports, UnitParameters, check_runtime, parameter


@dataclass(frozen=True)
class TwoOperandParameters(UnitParameters):
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
        check_runtime(bias, "a", self.a_formats)
        check_runtime(bias, "b", self.b_formats)

    @property
    def golden_ports(self) -> Ports:
        names = ("a", "b", "mode_a", "mode_b", "bias_a", "bias_b", "rbits")
        return {name: f"i_{name}" for name in names}


@dataclass(frozen=True)
class MulParameters(TwoOperandParameters):
    """One product; see `hfp8_hw.golden.mul`."""

    unit: ClassVar[str] = "mul"
    summary: ClassVar[str] = "product of two codes, exact or rounded to a format"
    golden: ClassVar[str] = "hfp8_hw.golden:mul"
    max_stages: ClassVar[int] = 6

    stages: int = parameter(2, "register stages, 1 to 6")
    a: str = parameter(HFP8, "format of the input a (HFP8: by input mode_a)")
    b: str = parameter(HFP8, "format of the input b (HFP8: by input mode_b)")
    out: str = parameter("exact", "format of the output y; exact: one that holds every product")
    rounding: str = parameter("RNE", "RNE, RNA, RTZ, RUP, RDN, RTO or SR(n)")
    overflow: str = parameter("", "saturate or special; by default saturate, special if exact")
    bias: str = parameter("static", "static, or runtime: the biases of a and b are inputs")

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

    @property
    def golden_arguments(self) -> dict[str, Any]:
        return {
            "rounding": self.rounding,
            "overflow": self.overflow,
            "fmt_a": self.a,
            "fmt_b": self.b,
            "out": self.out,
        }
