"""What the parameters of all units have in common."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, ClassVar

from ..errors import ParameterError, check_choice, check_int, integer, shown
from ..formats import FloatFormat
from ..rounding import Rounding

BIASES = ("static", "runtime")
MAX_NAME = 100
"""Tools shorten longer names of modules and files, each in its own way."""

Ports = dict[str, str | list[str]]
"""Arguments of a golden function, and the port or ports that feed each."""


def parameter(
    default: Any, help: str, *, values: str = "", shown: str = "", off: Any = None
) -> Any:
    """A field of a parameter object, with the text that commands show for it.

    Parameters
    ----------
    default : int or str
        What holds where nothing is given. The field itself defaults to None, "not given".
    help : str
        A sentence: what the parameter does.
    values : str
        What is allowed, in words.
    shown : str
        The default in words, where it depends on other parameters.
    off : int or str, optional
        The value of a parameter that has no meaning for the others given; it may be given then.
    """
    facts = {"default": default, "text": help, "values": values, "shown": shown, "off": off}
    parts = [help, f"Allowed: {values}." if values else "", f"Default: {shown or default}."]
    return field(default=None, metadata={**facts, "help": " ".join(p for p in parts if p)})


@dataclass(frozen=True)
class UnitParameters:
    """What all units have in common.

    A parameter that is None was not given and gets its default. A format or a rounding may be an
    object or its name, and is kept as its name. Words are taken only as `hfp8 list` spells them,
    without blanks and in that case. One that has no meaning for the
    others, as ``chunk`` has none where sums have no chunks, is refused if it is given; it is None
    (or its "off" value) in the object, and left out of `to_dict` and of names.

    Raises
    ------
    ParameterError
        On construction, for any value that is not allowed.
    """

    unit: ClassVar[str]
    summary: ClassVar[str]
    golden: ClassVar[str]
    max_stages: ClassVar[int]
    in_name: ClassVar[tuple[str, ...]]
    """The parameters that a default name spells out, in this order."""

    stages: int

    def __post_init__(self) -> None:
        given = [f.name for f in fields(self) if getattr(self, f.name) is not None]
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name not in given:
                self._set(**{f.name: f.metadata["default"]})
            elif isinstance(value, FloatFormat | Rounding):
                self._set(**{f.name: str(value)})
        self._check_choices()
        idle = self.idle
        for f in fields(self):
            if f.name not in idle:
                continue
            value, off = getattr(self, f.name), f.metadata["off"]
            if f.name in given and (value != off or type(value) is not type(off)):
                raise ParameterError(f"{f.name}={value!r} is not allowed for {idle[f.name]}")
            self._set(**{f.name: off})
        for name, value in self.defaults.items():
            if name not in given and name not in idle:
                self._set(**{name: value})
        self._check()

    def _check_choices(self) -> None:
        """Check the parameters that decide which others have a meaning."""

    def _check(self) -> None:
        """Check all values, and replace what stands for a default."""
        raise NotImplementedError

    @property
    def defaults(self) -> dict[str, Any]:
        """The defaults that follow from other parameters, by name."""
        return {}

    @property
    def idle(self) -> dict[str, str]:
        """The parameters that have no meaning for the others, and why: ``for ...`` of an error."""
        return {}

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> UnitParameters:
        """Build from names and values.

        Integers may be given as strings of ASCII digits; None means that a parameter is not given.

        Raises
        ------
        ParameterError
            For an unknown name or a value that is not allowed.
        """
        if not isinstance(given, Mapping):
            raise ParameterError(
                f"given={shown(given)} is not allowed: a mapping of parameters to values"
            )
        known = {f.name: f for f in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known:
                raise ParameterError(
                    f"{name}={shown(value)} is not allowed: {cls.unit} has no such parameter, only "
                    f"{', '.join(known)}"
                )
            if known[name].type == "int" and isinstance(value, str):
                try:
                    value = integer(value)
                except ValueError:
                    raise ParameterError(
                        f"{name}={shown(value)} is not allowed: an integer"
                    ) from None
            wanted = "an integer" if known[name].type == "int" else "a name"
            if value is not None and not isinstance(value, int | str | FloatFormat | Rounding):
                raise ParameterError(f"{name}={shown(value)} is not allowed: {wanted}")
            values[name] = value
        return cls(**values)

    def to_dict(self) -> dict[str, int | str]:
        """Every parameter that has a meaning, by name, defaults included."""
        idle = self.idle
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in idle}

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
    def timing_text(self) -> str:
        """Latency and intervals in words."""
        latency = "latency varies" if self.latency is None else f"latency {self.latency}"
        words = f"{latency}, interval {self.interval}"
        if self.sum_interval is not None:
            words += f", sum interval {self.sum_interval}"
        return f"{words} (clocks)"

    @property
    def timing(self) -> dict[str, int | float | None]:
        """`latency`, `interval` and `sum_interval` by name, as JSON can hold them."""
        interval = self.interval
        return {
            "latency": self.latency,
            "interval": interval if isinstance(interval, int) else float(interval),
            "sum_interval": self.sum_interval,
        }

    @property
    def lsb(self) -> int | None:
        """Exponent of the lowest bit of a fixed-point result; None: the result is no such number.

        With run-time biases, before these are subtracted.
        """
        return None

    @property
    def top(self) -> str:
        """A name for the generated module and its files.

        ``hfp8_``, the unit, the parameters in `in_name` that have a meaning (``s3``: three
        stages), and eight digits of a hash of all of them: ``hfp8_mul_HFP8_HFP8_exact_s2_...``.
        The hash is of every parameter that has a meaning and is not switched off, whether it
        was given or not, so that a name means the same where a default has changed or a new
        parameter has come. Where that is longer than `MAX_NAME`, the middle is left out.
        """
        meant = self.to_dict()
        off = {f.name: f.metadata["off"] for f in fields(self)}
        facts = {name: value for name, value in meant.items() if value != off[name]}
        text = json.dumps([self.unit, facts], sort_keys=True)
        end = hashlib.sha256(text.encode()).hexdigest()[:8]
        words = ["s" * (name == "stages") + str(meant[name]) for name in self.in_name
                 if name in meant]  # fmt: skip
        middle = re.sub(r"[^A-Za-z0-9]+", "_", "_".join(words).replace("-", "m")).strip("_")
        name = f"hfp8_{self.unit}_{middle}_{end}"
        return name if len(name) <= MAX_NAME else f"hfp8_{self.unit}_{end}"

    def _check_stages(self) -> None:
        check_int("stages", self.stages, 1, self.max_stages)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


ROUNDED = "RNE, RNA, RTZ, RUP, RDN, RTO, or SR(n) with n random bits"
DETERMINISTIC = "RNE, RNA, RTZ, RUP, RDN or RTO"
OVERFLOW = (
    "What an overflow or an infinity becomes: the largest number of the format, or its Inf or NaN."
)
SPECIAL = "saturate, or special if the format has an Inf or a NaN"
SPECIAL_FIRST = "special, or saturate if the format has neither an Inf nor a NaN"
"""Wordings of `parameter` that several units share."""


def stages(default: int, most: int) -> Any:
    """The field of the number of stages."""
    return parameter(
        default,
        "Number of register stages. More of them allow a faster clock and add latency.",
        values=f"1 to {most}" if most > 1 else "1",
    )


def check_runtime(bias: str, parameter: str, formats: tuple[FloatFormat, ...]) -> None:
    """Raise ParameterError unless formats of this width may have that kind of bias."""
    check_choice("bias", bias, BIASES)
    if bias == "runtime" and any(f.width > 8 for f in formats):
        raise ParameterError(
            f"bias={bias!r} is not allowed for {parameter}={formats[0]}: "
            "only formats of up to 8 bits have a run-time bias"
        )
