"""The roundings and overflow policies by name: data, no arithmetic."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ParameterError, check_choice, check_int, shown
from .formats import CATALOGUE, FloatFormat

DETERMINISTIC = ("RNE", "RNA", "RTZ", "RUP", "RDN", "RTO")
OVERFLOWS = ("saturate", "special")
FLAGS = ("overflow", "underflow", "inexact", "invalid")
"""The flag bits, from bit 0 up."""

SR_BITS_RANGE = (1, 32)
_SR = re.compile(r"SR(?:\((\d{1,2})\)|(\d{1,2}))", re.ASCII)


@dataclass(frozen=True)
class Rounding:
    """A rounding: ``mode`` is one of `DETERMINISTIC` or ``SR``; ``sr_bits`` is 0 but for SR.

    RNE: nearest, ties to the even code. RNA: nearest, ties away from zero. RTZ: toward zero.
    RUP, RDN: toward plus, minus infinity. RTO: to the odd code where inexact. SR(n): stochastic
    with n explicit random bits r, up iff ``floor(f * 2**n) + r >= 2**n``.

    Raises
    ------
    ParameterError
        For another mode, or bits that do not go with it.
    """

    mode: str
    sr_bits: int = 0

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, (*DETERMINISTIC, "SR"))
        check_int("sr_bits", self.sr_bits, *(SR_BITS_RANGE if self.mode == "SR" else (0, 0)))

    def __str__(self) -> str:
        return f"SR({self.sr_bits})" if self.mode == "SR" else self.mode


def parse_rounding(text: object, parameter: str = "rounding") -> Rounding:
    """A `Rounding`, or its name (``SR8`` reads as ``SR(8)``), as a `Rounding`.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    if isinstance(text, Rounding):
        return text
    if isinstance(text, str):
        if text in DETERMINISTIC:
            return Rounding(text)
        if match := _SR.fullmatch(text):
            bits = int(match[1] or match[2])
            if SR_BITS_RANGE[0] <= bits <= SR_BITS_RANGE[1]:
                return Rounding("SR", bits)
    raise ParameterError(
        f"{parameter}={shown(text)} is not allowed: one of {', '.join(DETERMINISTIC)}, "
        f"or SR(n) with n from {SR_BITS_RANGE[0]} to {SR_BITS_RANGE[1]}"
    )


def default_rounding(acc: FloatFormat) -> Rounding:
    """How an accumulator of this format rounds if nothing is said: DLFloat RNA, others RNE."""
    return Rounding("RNA" if acc == CATALOGUE["DLFLOAT16"] else "RNE")


def default_overflow(fmt: FloatFormat) -> str:
    """The overflow policy if nothing is said: special where the format has an Inf or a NaN."""
    return "special" if fmt.has_nan else "saturate"


def check_overflow(policy: object, fmt: FloatFormat, parameter: str = "overflow") -> str:
    """Return ``policy`` if it is allowed for results in ``fmt``, else raise ParameterError."""
    policy = check_choice(parameter, policy, OVERFLOWS)
    if policy == "special" and not fmt.has_nan:
        raise ParameterError(
            f"{parameter}={policy!r} is not allowed for {fmt}: it has no Inf or NaN, "
            "only 'saturate'"
        )
    return policy
