"""Floating-point formats as data: five facts, and the catalogue of named ones.

A code is ``sign | exponent field e | mantissa m``. This module is the one thing that the golden
model and the hardware share, and needs nothing beyond the standard library.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from .errors import ParameterError, check_choice, check_int, shown

ZERO_EXP = ("gradual", "normal", "flush")
SPECIALS = ("none", "ieee", "fn", "fnuz", "dl", "p3109")

BIAS_RANGE = (-128, 383)
"""Static biases: wide enough for BF16 and FP32 (127), narrow enough that the product of any two
values is exact in binary64."""

RUNTIME_BIAS_RANGE = (-16, 47)
"""What a run-time bias input carries; it is a 7-bit two's complement port."""

RUNTIME_BIAS_WIDTH = 7

SCALE_RANGE = (-64, 63)
"""What a power-of-two scale input carries; it is a 7-bit two's complement port."""

SCALE_WIDTH = 7


def check_loss_scale(initial: int, growth: int, floor: int, ceiling: int) -> None:
    """Refuse what automatic loss scaling cannot have.

    Raises
    ------
    ParameterError
        Unless floor <= initial <= ceiling, all in `SCALE_RANGE`, and growth is 1 to 65536.
    """
    check_int("floor", floor, *SCALE_RANGE)
    check_int("ceiling", ceiling, *SCALE_RANGE)
    if ceiling < floor:
        raise ParameterError(
            f"ceiling={ceiling!r} is not allowed with floor={floor!r}: an integer from floor to "
            f"{SCALE_RANGE[1]}"
        )
    if not floor <= check_int("initial", initial, *SCALE_RANGE) <= ceiling:
        raise ParameterError(
            f"initial={initial!r} is not allowed with floor={floor!r} and ceiling={ceiling!r}: "
            "an integer from floor to ceiling"
        )
    check_int("growth", growth, 1, 65536)


@dataclass(frozen=True)
class FloatFormat:
    """A binary floating-point format of at most 32 bits.

    Parameters
    ----------
    exp_bits : int
        Width E of the exponent field, 2 to 8.
    man_bits : int
        Width M of the mantissa field, 1 to 23.
    bias : int
        The absolute encoded bias B: a normal code is worth ``(-1)**s * 2**(e-B) * (1 + m/2**M)``.
        The HFP8 paper's "(1,4,3) with bias 4" is the IEEE bias 7 shifted by 4, so B = 11.
    zero_exp : str
        What exponent field 0 means. ``gradual``: subnormals, as IEEE 754. ``normal``: an ordinary
        binade in which only m = 0 is zero, as DLFloat. ``flush``: every such code is zero.
    specials : str
        Which codes are not numbers. ``none``: no code. ``ieee``: e all ones, Inf for m = 0, else
        NaN. ``fn``: e and m all ones is NaN, no Inf (OCP E4M3). ``fnuz``: 1.0..0 is NaN, no Inf
        and no -0. ``dl``: e and m all ones is one merged NaN-Inf (DLFloat). ``p3109``: 1.0..0 is
        NaN, the largest magnitude is Inf, no -0 (IEEE P3109 draft).

    Raises
    ------
    ParameterError
        If a fact is out of range.
    """

    exp_bits: int
    man_bits: int
    bias: int
    zero_exp: str = "gradual"
    specials: str = "ieee"

    def __post_init__(self) -> None:
        check_int("exp_bits", self.exp_bits, 2, 8)
        check_int("man_bits", self.man_bits, 1, 23)
        check_int("bias", self.bias, *BIAS_RANGE)
        check_choice("zero_exp", self.zero_exp, ZERO_EXP)
        check_choice("specials", self.specials, SPECIALS)

    # -- fields ------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """Bits of a code."""
        return 1 + self.exp_bits + self.man_bits

    @property
    def sign_mask(self) -> int:
        """The code with only the sign bit set."""
        return 1 << (self.width - 1)

    @property
    def mag_mask(self) -> int:
        """The bits of a code below its sign."""
        return self.sign_mask - 1

    # -- special codes -----------------------------------------------------------------------

    @property
    def has_nan(self) -> bool:
        """Whether any code is NaN (or DLFloat's NaN-Inf)."""
        return self.specials != "none"

    @property
    def has_inf(self) -> bool:
        """Whether there are codes for the two infinities."""
        return self.specials in ("ieee", "p3109")

    @property
    def has_neg_zero(self) -> bool:
        """Whether -0 has a code of its own."""
        return self.specials not in ("fnuz", "p3109")

    @property
    def nan_code(self) -> int | None:
        """The NaN that every unit writes: positive and quiet; None where there is none."""
        match self.specials:
            case "none":
                return None
            case "ieee":
                return ((1 << self.exp_bits) - 1 << self.man_bits) | 1 << (self.man_bits - 1)
            case "fn" | "dl":
                return self.mag_mask
            case _:
                return self.sign_mask

    @property
    def inf_code(self) -> int | None:
        """The magnitude code of infinity; None where there is none."""
        match self.specials:
            case "ieee":
                return (1 << self.exp_bits) - 1 << self.man_bits
            case "p3109":
                return self.mag_mask
            case _:
                return None

    @property
    def max_code(self) -> int:
        """The code of the largest finite magnitude."""
        match self.specials:
            case "none" | "fnuz":
                return self.mag_mask
            case "ieee":
                return ((1 << self.exp_bits) - 1 << self.man_bits) - 1
            case _:
                return self.mag_mask - 1

    @property
    def min_code(self) -> int:
        """The code of the smallest magnitude above zero."""
        return 1 << self.man_bits if self.zero_exp == "flush" else 1

    # -- values ------------------------------------------------------------------------------

    @property
    def max(self) -> float:
        """The largest finite value."""
        return self.value(self.max_code)

    @property
    def min(self) -> float:
        """The smallest value above zero."""
        return self.value(self.min_code)

    @property
    def min_normal(self) -> float:
        """The smallest value above zero with the full M+1 bits of significand."""
        return self.min if self.zero_exp == "normal" else 2.0 ** (1 - self.bias)

    def check_code(self, code: object) -> int:
        """Return ``code`` if it is an integer that fits, else raise ParameterError."""
        return check_int("code", code, 0, (1 << self.width) - 1)

    def is_nan(self, code: int) -> bool:
        """Whether ``code`` is NaN (or NaN-Inf)."""
        mag = self.check_code(code) & self.mag_mask
        match self.specials:
            case "none":
                return False
            case "ieee":
                return mag > self.max_code + 1
            case "fn" | "dl":
                return mag == self.mag_mask
            case _:
                return code == self.sign_mask

    def is_inf(self, code: int) -> bool:
        """Whether ``code`` is an infinity."""
        return self.inf_code is not None and self.check_code(code) & self.mag_mask == self.inf_code

    def value(self, code: int) -> float:
        """The value of one code: exact, since every format here fits into binary64."""
        if self.is_nan(code):
            return math.nan
        sign = -1.0 if code & self.sign_mask else 1.0
        if self.is_inf(code):
            return sign * math.inf
        e, m = divmod(code & self.mag_mask, 1 << self.man_bits)
        if e == 0 and (self.zero_exp == "flush" or m == 0):
            return sign * 0.0 if self.has_neg_zero else 0.0
        if e == 0 and self.zero_exp == "gradual":
            return sign * math.ldexp(m, 1 - self.bias - self.man_bits)
        return sign * math.ldexp((1 << self.man_bits) + m, e - self.bias - self.man_bits)

    def holds(self, other: FloatFormat) -> bool:
        """Whether every finite value of ``other``, a format of at most 16 bits, is one of this."""
        if not -self.max <= other.max <= self.max:
            return False
        return all(self._holds(other.value(code)) for code in range(1, other.max_code + 1))

    def _holds(self, value: float) -> bool:
        """Whether a value from 0 to the largest one is one of this format."""
        if value == 0.0:
            return True
        exponent = max(math.frexp(value)[1] - 1, 1 - self.bias - (self.zero_exp == "normal"))
        whole = math.ldexp(value, self.man_bits - exponent).is_integer()
        return whole and (self.zero_exp == "gradual" or value >= self.min)

    def decode_table(self) -> list[float]:
        """The value of every code, in the order of the codes.

        Raises
        ------
        ParameterError
            If the format is wider than 16 bits.
        """
        if self.width > 16:
            raise ParameterError(f"format={self.name!r} is not allowed: a table needs <= 16 bits")
        return [self.value(code) for code in range(1 << self.width)]

    def next_up(self, code: int) -> int | None:
        """The code of the next larger finite value; None for NaN, Inf and the largest one.

        Both zeros count as one value and step to the smallest positive code.
        """
        return self._step(code, up=True)

    def next_down(self, code: int) -> int | None:
        """The code of the next smaller finite value; None for NaN, Inf and the lowest one."""
        return self._step(code, up=False)

    def _step(self, code: int, up: bool) -> int | None:
        if self.is_nan(code) or self.is_inf(code):
            return None
        sign, mag = code & self.sign_mask, code & self.mag_mask
        if self.value(code) == 0.0:
            return self.min_code if up else self.sign_mask | self.min_code
        if (sign == 0) == up:
            return None if mag == self.max_code else sign | mag + 1
        if mag == self.min_code:
            return sign if self.has_neg_zero else 0
        return sign | mag - 1

    # -- names and exchange ------------------------------------------------------------------

    def with_bias(self, bias: int) -> FloatFormat:
        """The same format with another bias: what a unit with a run-time bias computes in."""
        return replace(self, bias=bias)

    @cached_property
    def name(self) -> str:
        """The catalogue name, or else the literal that `parse_format` reads back."""
        for name, fmt in CATALOGUE.items():
            if fmt == self:
                return name
        return self.literal

    @property
    def literal(self) -> str:
        """``E4M3B11:normal:none``: all five facts."""
        return f"E{self.exp_bits}M{self.man_bits}B{self.bias}:{self.zero_exp}:{self.specials}"

    def __str__(self) -> str:
        return self.name

    def to_dict(self) -> dict[str, int | str]:
        """The five facts, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> FloatFormat:
        """The inverse of `to_dict`.

        Raises
        ------
        ParameterError
            For a missing or unknown fact, or one out of range.
        """
        names = ("exp_bits", "man_bits", "bias", "zero_exp", "specials")
        if not isinstance(facts, dict) or set(facts) != set(names):
            raise ParameterError(
                f"format={shown(facts)} is not allowed: exactly {', '.join(names)}"
            )
        return cls(**facts)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> FloatFormat:
        """The inverse of `to_json`; raises ParameterError for anything else."""
        try:
            facts = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            raise ParameterError(
                f"format={shown(text)} is not allowed: JSON of the five facts"
            ) from None
        return cls.from_dict(facts)


CATALOGUE: MappingProxyType[str, FloatFormat] = MappingProxyType(
    {
        "HFP8_FWD": FloatFormat(4, 3, 11, "normal", "none"),
        "HFP8_BWD": FloatFormat(5, 2, 15, "normal", "dl"),
        "AIU_143": FloatFormat(4, 3, 7, "normal", "dl"),
        "E4M3B11FNUZ": FloatFormat(4, 3, 11, "gradual", "fnuz"),
        "E4M3FN": FloatFormat(4, 3, 7, "gradual", "fn"),
        "E5M2": FloatFormat(5, 2, 15, "gradual", "ieee"),
        "E4M3": FloatFormat(4, 3, 7, "gradual", "ieee"),
        "E4M3FNUZ": FloatFormat(4, 3, 8, "gradual", "fnuz"),
        "E5M2FNUZ": FloatFormat(5, 2, 16, "gradual", "fnuz"),
        "P3109_8P4": FloatFormat(4, 3, 8, "gradual", "p3109"),
        "P3109_8P3": FloatFormat(5, 2, 16, "gradual", "p3109"),
        "FP9": FloatFormat(5, 3, 15, "normal", "dl"),
        "DLFLOAT16": FloatFormat(6, 9, 31, "normal", "dl"),
        "FP16": FloatFormat(5, 10, 15, "gradual", "ieee"),
        "BF16": FloatFormat(8, 7, 127, "gradual", "ieee"),
        "FP32": FloatFormat(8, 23, 127, "gradual", "ieee"),
    }
)
"""Every named format."""

HFP8 = "HFP8"
"""The name of an operand whose format is picked at run time by a mode input."""

HFP8_MODES = (CATALOGUE["HFP8_FWD"], CATALOGUE["HFP8_BWD"])
"""The formats of `HFP8`, by mode: 0 forward (1,4,3), 1 backward (1,5,2)."""

_LITERAL = re.compile(r"E(\d)M(\d\d?)(?:B(-?\d{1,3}))?(?::([a-z]+))?(?::([a-z0-9]+))?", re.ASCII)


def parse_format(text: object, parameter: str = "format") -> FloatFormat:
    """A `FloatFormat`, a catalogue name or a literal, as a `FloatFormat`.

    A literal is ``E<exp_bits>M<man_bits>[B<bias>][:<zero_exp>][:<specials>]``, by default with
    the IEEE bias 2**(E-1)-1, ``gradual`` and ``ieee``; either of the last two may stand alone.

    Raises
    ------
    ParameterError
        If it is none of these; ``parameter`` is the name used in the text.
    """
    if isinstance(text, FloatFormat):
        return text
    if isinstance(text, str):
        if text in CATALOGUE:
            return CATALOGUE[text]
        if match := _LITERAL.fullmatch(text):
            e, m, bias, *words = match.groups()
            zero_exp, specials = "gradual", "ieee"
            given = [word for word in words if word is not None]
            if len(given) == 2 or (given and given[0] in ZERO_EXP):
                zero_exp = given.pop(0)
            if given:
                specials = given[0]
            try:
                ieee_bias = (1 << max(int(e), 1) - 1) - 1
                return FloatFormat(
                    int(e), int(m), ieee_bias if bias is None else int(bias), zero_exp, specials
                )
            except ParameterError as error:
                raise ParameterError(f"{parameter}={text!r}: {error}") from None
    raise ParameterError(
        f"{parameter}={shown(text)} is not allowed: one of {', '.join(CATALOGUE)}, "
        "or a literal such as 'E4M3B11:normal:none'"
    )


def parse_operand(text: object, parameter: str = "format") -> tuple[FloatFormat, ...]:
    """The formats an operand may be in: one, or both HFP8 formats for ``"HFP8"`` (by mode)."""
    if isinstance(text, str) and text == HFP8:
        return HFP8_MODES
    try:
        return (parse_format(text, parameter),)
    except ParameterError as error:
        if isinstance(text, str) and _LITERAL.fullmatch(text):
            raise
        raise ParameterError(str(error).replace("one of ", f"one of {HFP8}, ", 1)) from None
