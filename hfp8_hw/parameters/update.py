"""Parameters of the weight updates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..errors import ParameterError, check_choice, check_int
from ..formats import FloatFormat, parse_format
from ..rounding import Rounding, default_rounding, parse_rounding
from .base import DETERMINISTIC, ROUNDED, Ports, UnitParameters, parameter, stages
from .convert import random_idle


@dataclass(frozen=True)
class _Update(UnitParameters):
    """A weight in one format, all else in another."""

    in_name: ClassVar[tuple[str, ...]] = ("fmt", "acc", "rounding", "stages")

    stages: int = stages(1, 1)
    fmt: str = parameter("HFP8_FWD", "Format of the weight.")
    acc: str = parameter("DLFLOAT16", "Format of everything else.")
    rounding: str = parameter("RNE", "How the new weight is rounded.")

    @cached_property
    def format(self) -> FloatFormat:
        """The format of the weight."""
        return parse_format(self.fmt, "fmt")

    @cached_property
    def acc_format(self) -> FloatFormat:
        """The format of everything else."""
        return parse_format(self.acc, "acc")

    @cached_property
    def rounding_mode(self) -> Rounding:
        """The weight's rounding, parsed."""
        return parse_rounding(self.rounding)


@dataclass(frozen=True)
class WeightUpdateParameters(_Update):
    """One weight and its residual; see `hfp8_hw.golden.weight_update`."""

    unit: ClassVar[str] = "weight_update"
    summary: ClassVar[str] = "8-bit weight with its round-off residual, minus an update"
    golden: ClassVar[str] = "hfp8_hw.golden:weight_update"
    max_stages: ClassVar[int] = 30

    stages: int = stages(12, 30)
    fmt: str = parameter("HFP8_FWD", "Format of the weight.", values="any format of at most 8 bits")
    acc: str = parameter(
        "DLFLOAT16",
        "Format of the residual and of the update.",
        values="a format with -0, NaN and every finite value of fmt",
    )
    rounding: str = parameter("RNE", "How the new weight is rounded.", values=DETERMINISTIC)

    def _check(self) -> None:
        self._check_stages()
        if self.format.width > 8:
            raise ParameterError(f"fmt={self.fmt!r} is not allowed: a weight has at most 8 bits")
        if not (self.acc_format.has_neg_zero and self.acc_format.has_nan):
            raise ParameterError(f"acc={self.acc!r} is not allowed: a format with -0 and NaN")
        if not self.acc_format.holds(self.format):
            raise ParameterError(
                f"acc={self.acc!r} is not allowed for fmt={self.fmt!r}: "
                "a format that has every finite value of the weight's"
            )
        if self.rounding_mode.mode == "SR":
            raise ParameterError(
                f"rounding={self.rounding!r} is not allowed for weight_update: "
                "choose a deterministic rounding"
            )
        self._set(rounding=str(self.rounding_mode))

    @property
    def acc_rounding(self) -> Rounding:
        """The accumulator's rounding."""
        return default_rounding(self.acc_format)

    @property
    def narrow_rounding(self) -> Rounding:
        """Of a weight on its way to the accumulator's format, which has all its finite values."""
        return Rounding("RNE")

    @property
    def golden_arguments(self) -> dict[str, Any]:
        return {"fmt": self.fmt, "acc": self.acc, "rounding": self.rounding}

    @property
    def golden_ports(self) -> Ports:
        return {name: f"i_{name}" for name in ("weight", "residual", "update")}

    @property
    def golden_outputs(self) -> list[str | list[str]]:
        return ["o_y", "o_residual", "o_flags"]


@dataclass(frozen=True)
class SgdUpdateParameters(_Update):
    """One weight and its momentum; see `hfp8_hw.golden.sgd_update`."""

    unit: ClassVar[str] = "sgd_update"
    summary: ClassVar[str] = "gradient descent with momentum, the weight rounded stochastically"
    golden: ClassVar[str] = "hfp8_hw.golden:sgd_update"
    max_stages: ClassVar[int] = 23

    stages: int = stages(12, 23)
    fmt: str = parameter(
        "DLFLOAT16", "Format of the weight.", values="any format of at most 16 bits"
    )
    acc: str = parameter(
        "DLFLOAT16",
        "Format of the momentum, the gradient, the rate and the decay.",
        values="a format of at most 16 bits with a NaN",
    )
    rounding: str = parameter("SR(12)", "How the new weight is rounded.", values=ROUNDED)
    random: str = parameter(
        "xorshift32",
        "Where the random bits of rounding SR(n) come from: an input, or a generator in the unit.",
        values="input, or xorshift32 with rounding SR(n)",
        off="input",
    )
    random_seed: int = parameter(
        1, "Seed of the random generator.", values="1 to 2**32-1, with random=xorshift32 only"
    )

    @property
    def idle(self) -> dict[str, str]:
        return random_idle(self.rounding_mode, self.random)

    def _check_choices(self) -> None:
        check_choice("random", self.random, ("input", "xorshift32"))

    def _check(self) -> None:
        self._check_stages()
        for name, fmt in (("fmt", self.format), ("acc", self.acc_format)):
            if fmt.width > 16:
                raise ParameterError(
                    f"{name}={getattr(self, name)!r} is not allowed for sgd_update: "
                    "a format of at most 16 bits"
                )
        if not self.acc_format.has_nan:
            raise ParameterError(f"acc={self.acc!r} is not allowed: a format with NaN")
        self._set(rounding=str(self.rounding_mode))
        if "random_seed" not in self.idle:
            check_int("random_seed", self.random_seed, 1, (1 << 32) - 1)

    @property
    def generator(self) -> bool:
        """Whether the unit makes random bits itself."""
        return self.rounding_mode.mode == "SR" and self.random != "input"

    @property
    def golden_arguments(self) -> dict[str, Any]:
        given: dict[str, Any] = {"fmt": self.fmt, "acc": self.acc, "rounding": self.rounding}
        if self.generator:
            given |= {"random": self.random, "seed": self.random_seed}
        return given

    @property
    def golden_ports(self) -> Ports:
        names = ("weight", "momentum", "gradient", "rate", "decay", "rbits")
        return {name: f"i_{name}" for name in names}

    @property
    def golden_outputs(self) -> list[str | list[str]]:
        return ["o_y", "o_momentum", "o_flags"]
