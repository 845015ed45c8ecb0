"""Tensors as codes of 8 bits, with one scale each, and as values of 16 bits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FloatFormat, parse_format
from ..golden import decode, quantize
from ..golden.codes.operands import value_table
from ..scales import INT8_MOST, fitting_exponent

KINDS = {"HFP8": "HFP8_FWD", "e4m3": "E4M3FN", "e5m2": "HFP8_BWD", "int8": "INT8"}
"""What weights and activations may be, and the format that it is."""

INT8 = "INT8"
WIDE = "DLFLOAT16"
"""Operands of 16 bits, and sums."""


@dataclass(frozen=True)
class Coded:
    """A tensor's codes.

    Members
    -------
    codes : ndarray
        ``uint8``; of INT8 ``int8``.
    saturated, underflown, invalid : int
        Elements beyond the largest value, below the smallest normal one and not exact, and NaN.
    zeroed : int
        Elements that became 0 and were not.
    """

    codes: NDArray[Any]
    saturated: int
    underflown: int
    invalid: int
    zeroed: int


@dataclass(frozen=True)
class Number:
    """How a tensor is rounded to codes, to nearest with ties to even (in 16 bits away from 0),
    saturating.

    Members
    -------
    kind : str
        A format of 8 bits, `WIDE`, or INT8.
    scale : float
        A code's value times the scale is what it stands for. Of a format it is a power of two: the
        format with its exponent bias moved.
    factors : ndarray or None
        What the scale is multiplied by, for each channel, in a shape that goes with the tensor's.
    """

    kind: str
    scale: float
    factors: NDArray[np.float32] | None = None

    @property
    def moved(self) -> int | None:
        """How far the exponent bias is moved: up for small numbers; None for INT8."""
        return None if self.kind == INT8 else -round(math.log2(self.scale))

    def code(self, x: NDArray[Any]) -> Coded:
        """The codes of a tensor."""
        scaled = _divided(x, self.scale)
        if self.factors is not None:
            with np.errstate(over="ignore", under="ignore"):
                scaled = scaled / self.factors
        if self.kind == INT8:
            nan = np.isnan(scaled)
            whole = np.rint(np.where(nan, 0, scaled))
            codes = np.clip(whole, -INT8_MOST, INT8_MOST).astype(np.int8)
            beyond = int((np.abs(whole) > INT8_MOST).sum())
            small = int(((whole == 0) & (scaled != 0)).sum())
            return Coded(codes, beyond, small, int(nan.sum()), small)
        fmt = parse_format(self.kind)
        rounding = "RNA" if self.kind == WIDE else "RNE"
        codes, flags = quantize(scaled, fmt, rounding=rounding, overflow="saturate", flags=True)
        counts = np.bincount(flags.reshape(-1), minlength=16)
        of = [int(sum(counts[k] for k in range(16) if k >> bit & 1)) for bit in range(4)]
        zeros = np.count_nonzero((value_table(fmt) == 0)[codes]) - np.count_nonzero(scaled == 0)
        return Coded(codes, of[0], of[1], of[3], int(zeros))

    def values(self, codes: NDArray[Any]) -> NDArray[Any]:
        """What codes stand for, in binary32; in binary64 where it has not the range."""
        if self.kind == INT8:
            found: NDArray[Any] = codes.astype(np.float64) * self.scale
        else:
            found = (value_table(parse_format(self.kind)) * self.scale)[codes]
        if self.factors is not None:
            found = found * self.factors
        return found.astype(np.float32) if ordinary(self.scale) else found


_ENDS = (-1070, 1020)
"""Of exponents of scales: every binary64 number has one."""


def ordinary(scale: float) -> bool:
    """Whether binary32 has room for numbers of some units of a scale, and for its inverse."""
    return 2.0**-80 < scale < 2.0**80


def _divided(x: NDArray[Any], scale: float) -> NDArray[Any]:
    """By a scale: in binary64 what is binary64, or what binary32 would not hold."""
    if x.dtype == np.float64 or not ordinary(scale):
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.asarray(x, np.float64) / scale)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.asarray(x, np.float32) * np.float32(1 / scale))


def scaled_sums(
    sums: NDArray[Any], scales: tuple[float, float], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Values of sums times the scales of both operands: in binary32, or of binary64 operands in
    that. A result that has no such number is infinite or 0."""
    scale = scales[0] * scales[1]
    with np.errstate(over="ignore", under="ignore"):
        if dtype != np.float64 and ordinary(scale):
            return np.asarray(sums * np.float32(scale))
        wide = sums.astype(np.float64)
        found = wide * scale if math.isfinite(scale) else wide * scales[0] * scales[1]
        return found.astype(np.float64 if dtype == np.float64 else np.float32)


def number(kind: str, most: float, room: int = 0) -> Number:
    """The number for tensors whose largest magnitude is ``most``.

    ``room`` is how many binades above it a format keeps free; INT8 keeps none.

    Of a format the scale is the least power of two with which nothing is beyond the largest value;
    of INT8 it makes 127 of ``most``. Without any magnitude it is 1.
    """
    if not (math.isfinite(most) and most > 0):
        return Number(kind, 1.0)
    if kind == INT8:
        return Number(kind, max(most / INT8_MOST, 2.0 ** _ENDS[0]))
    exponent = fitting_exponent(most, _top(parse_format(kind)), _ENDS) + room
    return Number(kind, 2.0**exponent)


STEPS = 16
"""Scales in a binade that a channel may have."""


def by_channel(whole: Number, w: NDArray[Any], axis: int) -> Number:
    """The number for all of some weights with a scale for each channel, along an axis.

    Of a format it is, among `STEPS` in the binade from the power of two that `number` gives the
    channel, the one with the least squared error: where a channel's weights lie between codes is
    changed by that, not by powers of two. Of INT8 it makes 127 of the channel's largest magnitude.
    """
    rows = np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1)
    most = np.abs(rows).max(1, initial=0).astype(np.float64)
    least = np.array([number(whole.kind, m).scale if m else whole.scale for m in most])
    base = np.maximum(least / whole.scale, 2.0**-60)
    shape = [-1 if k == axis % w.ndim else 1 for k in range(w.ndim)]
    best = np.full(len(rows), np.inf)
    found = np.ones(len(rows), np.float32)
    for step in range(1 if whole.kind == INT8 else STEPS):
        factors = (base * 2.0 ** (step / STEPS)).astype(np.float32)
        one = Number(whole.kind, whole.scale, factors.reshape(shape))
        off = one.values(one.code(w).codes).astype(np.float64) - w
        errors = np.square(np.moveaxis(off, axis, 0).reshape(len(rows), -1)).sum(1)
        better = errors < best
        best[better], found[better] = errors[better], factors[better]
    return Number(whole.kind, whole.scale, found.reshape(shape))


def _top(fmt: FloatFormat) -> float:
    """What the largest magnitude of a tensor may become: the largest value, or less in formats
    whose products, or sums of them, would leave the accumulator's range. 2**8 leaves (1,5,2) more
    binades below than (1,4,3) has in all."""
    return min(fmt.max, 448.0)


def wide_sums(x: NDArray[Any]) -> NDArray[np.float32]:
    """Rounded to (1,6,9) as sums are: to nearest, ties away, an overflow to NaN."""
    return sums_values(quantize(x, WIDE, rounding="RNA", overflow="special"), WIDE)


def sums_values(codes: NDArray[Any], acc: str) -> NDArray[np.float32]:
    """Values of sums; of INT8, whose sums are integers, these."""
    if codes.dtype == np.int64:
        return codes.astype(np.float32)
    fmt = parse_format(acc)
    if fmt.width <= 16:
        return value_table(fmt).astype(np.float32)[codes]
    return np.asarray(decode(codes, fmt), np.float32)
