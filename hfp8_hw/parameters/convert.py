"""Parameters of the units that convert a code to another format."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ParameterError, check_choice, check_int
from ..formats import FloatFormat, parse_format, parse_operand
from ..rounding import Rounding, check_overflow, default_overflow, parse_rounding
from .base import (
    BIASES,
    OVERFLOW,
    ROUNDED,
    SPECIAL,
    SPECIAL_FIRST,
    Ports,
    UnitParameters,
    check_runtime,
    parameter,
    stages,
)

MAX_LANES = 64


def random_idle(rounding: Rounding, random: str) -> dict[str, str]:
    """Which of ``random`` and ``random_seed`` have no meaning, and why."""
    if rounding.mode != "SR":
        why = f"rounding={str(rounding)!r}: only SR(n) needs random bits"
        return {"random": why, "random_seed": why}
    if random == "input":
        return {"random_seed": "random='input': only xorshift32 has a seed"}
    return {}


@dataclass(frozen=True)
class ConverterParameters(UnitParameters):
    """Shared by the units with one code in and one code out."""

    golden: ClassVar[str] = "hfp8_hw.golden:quantize"
    max_stages: ClassVar[int] = 5
    in_name: ClassVar[tuple[str, ...]] = ("src", "dst", "rounding", "overflow", "stages")

    def _check(self) -> None:
        self._check_stages()
        _ = self.src_formats
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

    stages: int = stages(2, 5)
    src: str = parameter(
        "FP32",
        "Format of the input x. With HFP8, an input, mode, says which of its two formats x is in.",
        values="any format",
    )
    dst: str = parameter(
        "HFP8_FWD", "Format of the output y.", values="any format of at most 8 bits"
    )
    rounding: str = parameter("RNE", "How x is rounded.", values=ROUNDED)
    overflow: str = parameter("saturate", OVERFLOW, values=SPECIAL)
    bias: str = parameter(
        "static",
        "Whether the exponent bias of dst is fixed or an input.",
        values="static or runtime",
    )
    scale: str = parameter(
        "none",
        "Whether x is multiplied by 2**scale before it is rounded, scale being an input.",
        values="none or runtime",
    )
    random: str = parameter(
        "input",
        "Where the random bits of rounding SR(n) come from: an input, or a generator in the unit.",
        values="input, or xorshift32 with rounding SR(n)",
        off="input",
    )
    random_seed: int = parameter(
        1, "Seed of the random generator.", values="1 to 2**32-1, with random=xorshift32 only"
    )
    lanes: int = parameter(1, "Number of elements converted in a clock.", values="1 to 64")
    track: str = parameter(
        "none",
        "Whether the unit keeps the largest magnitude of its inputs, and all flags.",
        values="none, or amax if src is one format",
    )

    @property
    def idle(self) -> dict[str, str]:
        return random_idle(self.rounding_mode, self.random)

    def _check_choices(self) -> None:
        check_choice("random", self.random, ("input", "xorshift32"))

    def _check(self) -> None:
        super()._check()
        if self.dst_format.width > 8:
            raise ParameterError(
                f"dst={self.dst!r} is not allowed: a quantizer's output has at most 8 bits"
            )
        check_runtime(self.bias, "dst", (self.dst_format,))
        check_choice("scale", self.scale, ("none", "runtime"))
        if "random_seed" not in self.idle:
            check_int("random_seed", self.random_seed, 1, (1 << 32) - 1)
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

    stages: int = stages(2, 5)
    src: str = parameter(
        "HFP8",
        "Format of the input x. With HFP8, an input, mode, says which of its two formats x is in.",
        values="any format of at most 8 bits",
    )
    dst: str = parameter("FP32", "Format of the output y.", values="any format")
    rounding: str = parameter("RNE", "How x is rounded where dst cannot hold it.", values=ROUNDED)
    overflow: str = parameter("special", OVERFLOW, values=SPECIAL, shown=SPECIAL_FIRST)
    bias: str = parameter(
        "static",
        "Whether the exponent bias of src is fixed or an input.",
        values="static or runtime",
    )

    @property
    def defaults(self) -> dict[str, Any]:
        return {"overflow": default_overflow(self.dst_format)}

    def _check(self) -> None:
        super()._check()
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

    stages: int = stages(3, 5)
    src: str = parameter(
        "FP32",
        "Format of the input x. With HFP8, an input, mode, says which of its two formats x is in.",
        values="any format",
    )
    dst: str = parameter("DLFLOAT16", "Format of the output y.", values="any format")
    rounding: str = parameter("RNE", "How x is rounded.", values=ROUNDED)
    overflow: str = parameter("special", OVERFLOW, values=SPECIAL, shown=SPECIAL_FIRST)

    bias: ClassVar[str] = "static"

    @property
    def defaults(self) -> dict[str, Any]:
        return {"overflow": default_overflow(self.dst_format)}

    @property
    def golden_ports(self) -> Ports:
        return {"x": "i_x", "src_mode": "i_mode", "rbits": "i_rbits"}
