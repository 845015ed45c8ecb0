"""What the parameters of all units have in common."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, ClassVar

from ..errors import ParameterError, check_choice, check_int, shown
from ..formats import FloatFormat
from ..rounding import Rounding

BIASES = ("static", "runtime")
MAX_NAME = 100

Ports = dict[str, str | list[str]]
"""Arguments of a golden function, and the port or ports that feed each."""


def parameter(default: Any, help: str) -> Any:
    """A field of a parameter object, with the text that commands show for it."""
    return field(default=default, metadata={"help": help})


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
        values: dict[str, Any] = {}
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
            if not isinstance(value, int | str | FloatFormat | Rounding):
                raise ParameterError(
                    f"{name}={shown(value)} is not allowed: an integer, or the name of a value"
                )
            values[name] = value
        return cls(**values)

    def to_dict(self) -> dict[str, int | str]:
        """Every parameter by name, defaults included."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def golden_function(self) -> str:
        """The golden function for these parameters."""
        return self.golden

    @property
    def golden_arguments(self) -> dict[str, Any]:
        """The constant arguments of the golden function, ``flags`` aside."""
        raise NotImplementedError

    @property
    def golden_ports(self) -> Ports:
        """What ports may feed the other arguments; the unit need not have all of them."""
        raise NotImplementedError

    @property
    def golden_outputs(self) -> list[str | list[str]]:
        """The ports that carry what the golden function returns; a list: its last axis."""
        return ["o_y", "o_flags"]

    @property
    def framed(self) -> bool:
        """Whether the unit sums what comes between ``first`` and ``last``."""
        return False

    @property
    def sums(self) -> int:
        """How many sums take turns, item by item."""
        return 1

    @property
    def latency(self) -> int | None:
        """Clocks from taking an item (for a sum, its last) to the result's valid; None: varies."""
        return self.stages

    @property
    def interval(self) -> int | Fraction:
        """Clocks from one item to the next, of one long sum if the unit sums.

        That is with an input always offered and the output always taken.
        """
        return 1

    @property
    def sum_interval(self) -> int | None:
        """Clocks from one sum's end to the next, at the least; None: the unit does not sum."""
        return None

    @property
    def lsb(self) -> int | None:
        """Exponent of the lowest bit of a fixed-point result; None: the result is no such number.

        With run-time biases, before these are subtracted.
        """
        return None

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


def check_runtime(bias: str, parameter: str, formats: tuple[FloatFormat, ...]) -> None:
    """Raise ParameterError unless formats of this width may have that kind of bias."""
    check_choice("bias", bias, BIASES)
    if bias == "runtime" and any(f.width > 8 for f in formats):
        raise ParameterError(
            f"bias={bias!r} is not allowed for {parameter}={formats[0]}: "
            "only formats of up to 8 bits have a run-time bias"
        )
