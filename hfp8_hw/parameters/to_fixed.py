"""Parameters of the decoder for fixed-point operands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ParameterError
from ..fixed import scale
from ..formats import FloatFormat, parse_format
from .base import Ports, UnitParameters, parameter, stages

MAX_WIDTH, MAX_MAGNITUDE = 16, 60


@dataclass(frozen=True)
class ToFixedParameters(UnitParameters):
    """One operand on its format's fixed-point grid; see `hfp8_hw.golden.to_fixed`."""

    unit: ClassVar[str] = "to_fixed"
    summary: ClassVar[str] = "a code as a fixed-point operand, for mac and dot with operands=fixed"
    golden: ClassVar[str] = "hfp8_hw.golden:to_fixed"
    max_stages: ClassVar[int] = 4
    in_name: ClassVar[tuple[str, ...]] = ("fmt", "stages")

    stages: int = stages(3, 4)
    fmt: str = parameter(
        "E4M3FN",
        "Format of the input x.",
        values="any format of at most 16 bits whose magnitudes fit 60 bits in fixed point",
    )

    def _check(self) -> None:
        self._check_stages()
        if self.format.width > MAX_WIDTH:
            raise ParameterError(
                f"fmt={self.fmt!r} is not allowed for {self.unit}: at most {MAX_WIDTH} bits"
            )
        bits = scale((self.format,)).reach
        if bits > MAX_MAGNITUDE:
            raise ParameterError(
                f"fmt={self.fmt!r} is not allowed for {self.unit}: its magnitudes have {bits} "
                f"bits, at most {MAX_MAGNITUDE}"
            )

    @cached_property
    def format(self) -> FloatFormat:
        """The operand's format."""
        return parse_format(self.fmt, "fmt")

    @property
    def golden_arguments(self) -> dict[str, Any]:
        return {"fmt": self.fmt}

    @property
    def golden_ports(self) -> Ports:
        return {"x": "i_x"}
