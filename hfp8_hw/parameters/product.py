"""Parameters of the multiplier, and what all units with two operands have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..formats import HFP8, FloatFormat, parse_format, parse_operand
from ..products import product_format
from ..rounding import Rounding, check_overflow, default_overflow, parse_rounding
from .base import (
    OVERFLOW,
    ROUNDED,
    SPECIAL,
    Ports,
    UnitParameters,
    check_runtime,
    parameter,
    stages,
)


def operand(name: str) -> Any:
    """The field of an operand's format."""
    return parameter(
        HFP8,
        f"Format of the input {name}. With HFP8, an input, mode_{name}, says which of its two "
        f"formats {name} is in.",
        values="any format",
    )


def biases() -> Any:
    """The field that says where the operands' biases come from."""
    return parameter(
        "static",
        "Whether the exponent biases of a and b are fixed or inputs.",
        values="static, or runtime for formats of at most 8 bits",
    )


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
    in_name: ClassVar[tuple[str, ...]] = ("a", "b", "out", "rounding", "overflow", "stages")

    stages: int = stages(2, 6)
    a: str = operand("a")
    b: str = operand("b")
    out: str = parameter(
        "exact",
        "Format of the output y. With exact, it is the smallest format that holds every product.",
        values="exact, or any format",
    )
    rounding: str = parameter(
        "RNE", "How the product is rounded to out.", values=f"{ROUNDED}; not with out=exact"
    )
    overflow: str = parameter(
        "",
        OVERFLOW,
        values=SPECIAL,
        shown="special with out=exact where a or b has a NaN, else saturate",
    )
    bias: str = biases()

    @property
    def defaults(self) -> dict[str, Any]:
        exact = self.out == "exact"
        return {"overflow": default_overflow(self.out_format) if exact else "saturate"}

    @property
    def idle(self) -> dict[str, str]:
        return {"rounding": "out='exact': it is never rounded"} if self.out == "exact" else {}

    def _check(self) -> None:
        self._check_operands(self.bias)
        if "rounding" not in self.idle:
            self._set(rounding=str(parse_rounding(self.rounding)))
        check_overflow(self.overflow, self.out_format)

    @cached_property
    def out_format(self) -> FloatFormat:
        """The format of the output."""
        if self.out == "exact":
            return product_format(self.a_formats, self.b_formats, self.bias == "runtime")
        return parse_format(self.out, "out")

    @cached_property
    def rounding_mode(self) -> Rounding:
        """The rounding, parsed; an exact product needs none."""
        return parse_rounding(self.rounding or "RNE")

    @property
    def golden_arguments(self) -> dict[str, Any]:
        rounding = {} if "rounding" in self.idle else {"rounding": self.rounding}
        return {
            **rounding,
            "overflow": self.overflow,
            "fmt_a": self.a,
            "fmt_b": self.b,
            "out": self.out,
        }
