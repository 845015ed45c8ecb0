"""Parameters of the units that work element by element in one format."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ParameterError
from ..formats import FloatFormat, parse_format
from ..rounding import Rounding, check_overflow, default_overflow, default_rounding, parse_rounding
from .base import (
    DETERMINISTIC,
    OVERFLOW,
    SPECIAL,
    SPECIAL_FIRST,
    Ports,
    UnitParameters,
    parameter,
    stages,
)


@dataclass(frozen=True)
class _Rounded(UnitParameters):
    """Two operands, one rounded result, all in one format."""

    max_stages: ClassVar[int] = 6
    in_name: ClassVar[tuple[str, ...]] = ("fmt", "rounding", "overflow", "stages")

    stages: int = stages(4, 6)
    fmt: str = parameter(
        "DLFLOAT16", "Format of the inputs a and b and of the output y.", values="any format"
    )
    rounding: str = parameter(
        "", "How the result is rounded.", values=DETERMINISTIC, shown="RNA for DLFLOAT16, else RNE"
    )
    overflow: str = parameter("special", OVERFLOW, values=SPECIAL, shown=SPECIAL_FIRST)

    @property
    def defaults(self) -> dict[str, Any]:
        return {
            "rounding": str(default_rounding(self.format)),
            "overflow": default_overflow(self.format),
        }

    def _check(self) -> None:
        self._check_stages()
        rounding = parse_rounding(self.rounding)
        if rounding.mode == "SR":
            raise ParameterError(
                f"rounding={self.rounding!r} is not allowed for {self.unit}: "
                "choose a deterministic rounding"
            )
        self._set(rounding=str(rounding))
        check_overflow(self.overflow, self.format)

    @cached_property
    def format(self) -> FloatFormat:
        """The format of operands and result."""
        return parse_format(self.fmt, "fmt")

    @cached_property
    def rounding_mode(self) -> Rounding:
        """The rounding, parsed."""
        return parse_rounding(self.rounding)

    @property
    def golden_ports(self) -> Ports:
        return {"a": "i_a", "b": "i_b"}


@dataclass(frozen=True)
class FpAddParameters(_Rounded):
    """One sum of two; see `hfp8_hw.golden.add`."""

    unit: ClassVar[str] = "fp_add"
    summary: ClassVar[str] = "sum of two numbers of one format, rounded once"
    golden: ClassVar[str] = "hfp8_hw.golden:add"
    max_stages: ClassVar[int] = 9

    stages: int = stages(4, 9)

    @property
    def golden_arguments(self) -> dict[str, Any]:
        return {"fmt": self.fmt, "rounding": self.rounding, "overflow": self.overflow}


@dataclass(frozen=True)
class FpMulParameters(_Rounded):
    """One product of two; see `hfp8_hw.golden.mul`."""

    unit: ClassVar[str] = "fp_mul"
    summary: ClassVar[str] = "product of two numbers of one format, rounded once"
    golden: ClassVar[str] = "hfp8_hw.golden:mul"

    @property
    def golden_arguments(self) -> dict[str, Any]:
        formats = dict.fromkeys(("fmt_a", "fmt_b", "out"), self.fmt)
        return {**formats, "rounding": self.rounding, "overflow": self.overflow}

    @property
    def a_formats(self) -> tuple[FloatFormat, ...]:
        """As `MulParameters.a_formats`."""
        return (self.format,)

    b_formats = a_formats

    @property
    def out_format(self) -> FloatFormat:
        """As `MulParameters.out_format`."""
        return self.format

    bias: ClassVar[str] = "static"


@dataclass(frozen=True)
class _Ordered(UnitParameters):
    """Comparison only: never rounds, never sets a flag."""

    max_stages: ClassVar[int] = 2
    in_name: ClassVar[tuple[str, ...]] = ("fmt", "stages")

    stages: int = stages(1, 2)
    fmt: str = parameter(
        "DLFLOAT16",
        "Format of the inputs and of the output.",
        values="any format with a single code for each zero",
    )

    def _check(self) -> None:
        self._check_stages()
        if self.format.zero_exp == "flush":
            raise ParameterError(
                f"fmt={self.fmt!r} is not allowed for {self.unit}: its zeros have several codes"
            )

    @cached_property
    def format(self) -> FloatFormat:
        """The format of operands and result."""
        return parse_format(self.fmt, "fmt")

    @property
    def golden_arguments(self) -> dict[str, Any]:
        return {"fmt": self.fmt}


@dataclass(frozen=True)
class FpMaxParameters(_Ordered):
    """The larger of two; see `hfp8_hw.golden.maximum`."""

    unit: ClassVar[str] = "fp_max"
    summary: ClassVar[str] = "the larger of two numbers; NaN if either is NaN"
    golden: ClassVar[str] = "hfp8_hw.golden:maximum"

    @property
    def golden_ports(self) -> Ports:
        return {"a": "i_a", "b": "i_b"}


@dataclass(frozen=True)
class ReluParameters(_Ordered):
    """The positive part; see `hfp8_hw.golden.relu`."""

    unit: ClassVar[str] = "relu"
    summary: ClassVar[str] = "a positive number as it is, +0 for a negative one; NaN stays NaN"
    golden: ClassVar[str] = "hfp8_hw.golden:relu"

    @property
    def golden_ports(self) -> Ports:
        return {"x": "i_x"}
