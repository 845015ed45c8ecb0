"""Parameters of the units that convert a code to another format."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ParameterError, check_choice, check_int
from ..formats import FloatFormat, parse_format, parse_operand
from ..rounding import Rounding, check_overflow, parse_rounding
from .base import BIASES, Ports, UnitParameters, check_runtime, parameter

MAX_LANES = 64


@dataclass(frozen=True)
class ConverterParameters(UnitParameters):
    """Shared by the units with one code in and one code out."""

    golden: ClassVar[str] = "hfp8_hw.golden:quantize"
    max_stages: ClassVar[int] = 5

    def _check(self, src: tuple[FloatFormat, ...]) -> None:
        self._check_stages()
        rounding = parse_rounding(self.rounding)  # type: ignore[attr-defined]
        check_choice("bias", self.bias, BIASES)  # type: ignore[attr-defined]
        self._set(rounding=str(rounding))
        check_overflow(self.overflow, self.dst_format)  # type: ignore[attr-defined]

    @property
    def golden_arguments(self) -> dict[str, Any]:
        return {
            "rounding": self.rounding,  # type: ignore[attr-defined]
            "overflow": self.overflow,  # type: ignore[attr-defined]
            "fmt": self.dst_format.literal,
            "src": self.src,  # type: ignore[attr-defined]
        }

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


@dataclass(frozen=True)
class QuantizerParameters(ConverterParameters):
    """Any format to an 8-bit one, in any rounding; see `hfp8_hw.golden.quantize`."""

    unit: ClassVar[str] = "quantizer"
    summary: ClassVar[str] = "any format to an 8-bit format, scaled, any rounding, four flags"

    stages: int = parameter(2, "register stages, 1 to 5")
    src: str = parameter("FP32", "format of the input x (HFP8: by input mode)")
    dst: str = parameter("HFP8_FWD", "format of the output y, at most 8 bits")
    rounding: str = parameter("RNE", "RNE, RNA, RTZ, RUP, RDN, RTO or SR(n)")
    overflow: str = parameter("saturate", "saturate or special")
    bias: str = parameter("static", "static, or runtime: the bias of dst is an input")
    scale: str = parameter("none", "none, or runtime: x times 2**scale is rounded, scale an input")
    random: str = parameter("input", "SR's random bits: input, or xorshift32: made in the unit")
    random_seed: int = parameter(1, "of xorshift32, 1 to 2**32-1")
    lanes: int = parameter(1, "elements a clock, 1 to 64")
    track: str = parameter("none", "none, or amax: keep the largest magnitude and the flags")

    def __post_init__(self) -> None:
        self._check(self.src_formats)
        if self.dst_format.width > 8:
            raise ParameterError(
                f"dst={self.dst!r} is not allowed: a quantizer's output has at most 8 bits"
            )
        check_runtime(self.bias, "dst", (self.dst_format,))
        check_choice("scale", self.scale, ("none", "runtime"))
        check_choice("random", self.random, ("input", "xorshift32"))
        check_int("random_seed", self.random_seed, 1, (1 << 32) - 1)
        if self.random != "input" and self.rounding_mode.mode != "SR":
            raise ParameterError(
                f"random={self.random!r} is not allowed for rounding={self.rounding!r}: only SR "
                "needs random bits"
            )
        check_int("lanes", self.lanes, 1, MAX_LANES)
        check_choice("track", self.track, ("none", "amax"))
        if self.track != "none" and len(self.src_formats) > 1:
            raise ParameterError(
                f"track={self.track!r} is not allowed for src={self.src!r}: the largest of codes "
                "in two formats has none of its own"
            )

    def lane(self, name: str) -> str | list[str]:
        """A port, or those of all lanes."""
        return [f"{name}{k}" for k in range(self.lanes)] if self.lanes > 1 else name

    @property
    def golden_function(self) -> str:
        return self.golden if self.track == "none" else "hfp8_hw.golden:quantize_tracked"

    @property
    def golden_arguments(self) -> dict[str, Any]:
        given = super().golden_arguments
        if self.random != "input":
            given |= {"random": self.random, "seed": self.random_seed}
        return given | ({"lanes": self.lanes} if self.lanes > 1 else {})

    @property
    def golden_ports(self) -> Ports:
        ports: Ports = {"x": self.lane("i_x"), "src_mode": "i_mode", "bias": "i_bias"}
        return ports | {"rbits": self.lane("i_rbits"), "scale": "i_scale", "clear": "i_clear"}

    @property
    def golden_outputs(self) -> list[str | list[str]]:
        kept: list[str | list[str]] = ["o_amax", "o_sticky"]
        return [self.lane("o_y"), self.lane("o_flags"), *(kept if self.track != "none" else [])]


@dataclass(frozen=True)
class DequantizerParameters(ConverterParameters):
    """An 8-bit format to any format; see `hfp8_hw.golden.quantize` with ``src``."""

    unit: ClassVar[str] = "dequantizer"
    summary: ClassVar[str] = "an 8-bit format to any format"

    stages: int = parameter(2, "register stages, 1 to 5")
    src: str = parameter("HFP8", "format of the input x, at most 8 bits (HFP8: by input mode)")
    dst: str = parameter("FP32", "format of the output y")
    rounding: str = parameter("RNE", "RNE, RNA, RTZ, RUP, RDN, RTO or SR(n)")
    overflow: str = parameter("special", "saturate or special")
    bias: str = parameter("static", "static, or runtime: the bias of src is an input")

    def __post_init__(self) -> None:
        self._check(self.src_formats)
        if self.src_formats[0].width > 8:
            raise ParameterError(
                f"src={self.src!r} is not allowed: a dequantizer's input has at most 8 bits"
            )

    @property
    def golden_ports(self) -> Ports:
        return {"x": "i_x", "src_mode": "i_mode", "src_bias": "i_bias", "rbits": "i_rbits"}


@dataclass(frozen=True)
class ConvertParameters(ConverterParameters):
    """Any format to any other; see `hfp8_hw.golden.quantize` with ``src``."""

    unit: ClassVar[str] = "convert"
    summary: ClassVar[str] = "any format to any other, any rounding, four flags"

    stages: int = parameter(3, "register stages, 1 to 5")
    src: str = parameter("FP32", "format of the input x (HFP8: by input mode)")
    dst: str = parameter("DLFLOAT16", "format of the output y")
    rounding: str = parameter("RNE", "RNE, RNA, RTZ, RUP, RDN, RTO or SR(n)")
    overflow: str = parameter("special", "saturate or special")

    bias: ClassVar[str] = "static"

    def __post_init__(self) -> None:
        self._check(self.src_formats)

    @property
    def golden_ports(self) -> Ports:
        return {"x": "i_x", "src_mode": "i_mode", "rbits": "i_rbits"}
