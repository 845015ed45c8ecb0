"""Parameters of the weight update."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ParameterError
from ..formats import FloatFormat, parse_format
from ..rounding import Rounding, default_rounding, parse_rounding
from .base import Ports, UnitParameters, parameter


@dataclass(frozen=True)
class WeightUpdateParameters(UnitParameters):
    """One weight and its residual; see `hfp8_hw.golden.weight_update`."""

    unit: ClassVar[str] = "weight_update"
    summary: ClassVar[str] = "8-bit weight with its round-off residual, minus an update"
    golden: ClassVar[str] = "hfp8_hw.golden:weight_update"
    max_stages: ClassVar[int] = 9

    stages: int = parameter(8, "register stages, 1 to 9")
    fmt: str = parameter("HFP8_FWD", "format of the weight, at most 8 bits")
    acc: str = parameter("DLFLOAT16", "format of residual and update, one with -0 and NaN")
    rounding: str = parameter("RNE", "of the weight, deterministic")

    def __post_init__(self) -> None:
        self._check_stages()
        if self.format.width > 8:
            raise ParameterError(f"fmt={self.fmt!r} is not allowed: a weight has at most 8 bits")
        if not (self.acc_format.has_neg_zero and self.acc_format.has_nan):
            raise ParameterError(f"acc={self.acc!r} is not allowed: a format with -0 and NaN")
        if self.rounding_mode.mode == "SR":
            raise ParameterError(
                f"rounding={self.rounding!r} is not allowed for weight_update: a deterministic one"
            )
        self._set(rounding=str(self.rounding_mode))

    @cached_property
    def format(self) -> FloatFormat:
        """The format of the weight."""
        return parse_format(self.fmt, "fmt")

    @cached_property
    def acc_format(self) -> FloatFormat:
        """The format of residual and update."""
        return parse_format(self.acc, "acc")

    @cached_property
    def rounding_mode(self) -> Rounding:
        """The weight's rounding, parsed."""
        return parse_rounding(self.rounding)

    @property
    def acc_rounding(self) -> Rounding:
        """The accumulator's rounding."""
        return default_rounding(self.acc_format)

    @property
    def narrow_rounding(self) -> Rounding:
        """Of a weight on its way to the accumulator's format, if that does not hold it."""
        return Rounding("RNE")

    @property
    def golden_arguments(self) -> dict[str, Any]:
        return {"fmt": self.fmt, "acc": self.acc, "rounding": self.rounding}

    @property
    def golden_ports(self) -> Ports:
        return {name: f"i_{name}" for name in ("weight", "residual", "update")}

    @property
    def golden_outputs(self) -> list[str]:
        return ["o_y", "o_residual", "o_flags"]
