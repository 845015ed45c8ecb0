"""Sums of few products that come to an edge of the accumulator's format, or beside one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.formats import FloatFormat
from hfp8_hw.golden import decode

from .edges import edge_codes

Picks = list[tuple[int, int]]
"""Products: codes of a and b."""

_BELOW = (0.25, 0.4, 0.5, 0.6, 0.75, 0.9)
"""Parts of an accumulator's smallest value that products may differ by."""


def magnitudes(fmt: FloatFormat) -> NDArray[np.int64]:
    """The codes of positive numbers, lowest first: all of an 8-bit format, of wider ones those at
    both ends, powers of two and some between."""
    if fmt.max_code <= 1 << 8:
        return np.arange(max(1, fmt.min_code), fmt.max_code + 1)
    low, high = np.arange(1, 65), np.arange(fmt.max_code - 63, fmt.max_code + 1)
    powers = np.arange(1, (fmt.max_code >> fmt.man_bits) + 1) << fmt.man_bits
    between = np.linspace(1, fmt.max_code, 64).astype(np.int64)
    return np.unique(np.concatenate([low, high, powers, between]))


@dataclass(frozen=True, eq=False)
class _Products:
    """Products of positive codes, their values in order.

    Members
    -------
    order : array of int
        Of each value, where it is among all pairs of codes of a and of b.
    """

    a: FloatFormat
    codes_a: NDArray[np.int64]
    codes_b: NDArray[np.int64]
    values: NDArray[np.float64]
    order: NDArray[np.int64]

    def pick(self, at: int) -> tuple[int, int]:
        """The codes of a product."""
        row, column = divmod(int(self.order[at]), len(self.codes_b))
        return int(self.codes_a[row]), int(self.codes_b[column])

    def difference(self, pair: tuple[int, int]) -> Picks:
        """A product less another."""
        minuend, (code_a, code_b) = (self.pick(at) for at in pair)
        return [minuend, (code_a | self.a.sign_mask, code_b)]

    def composed(self, base: float, step: float, whole: float) -> Picks:
        """Products that add up to ``whole``: first as much of ``base`` as multiples of ``step``
        make, the largest first, so that the accumulator holds it exactly; then one of what is
        left, which is rounded. Empty where there is no such product."""
        coarse = np.flatnonzero(np.fmod(self.values, step) == 0)
        found: list[int] = []
        rest = base
        while len(found) < 12 and coarse.size and rest >= self.values[coarse[0]]:
            at = int(np.searchsorted(self.values[coarse], rest, side="right")) - 1
            found.append(int(coarse[at]))
            rest -= float(self.values[coarse[at]])
        rest += whole - base
        if rest:
            at = int(np.searchsorted(self.values, rest, side="right")) - 1
            if at < 0 or self.values[at] != rest:
                return []
            found.append(at)
        return [self.pick(at) for at in found]


@lru_cache(maxsize=32)
def _products(a: FloatFormat, b: FloatFormat) -> _Products:
    codes_a, codes_b = magnitudes(a), magnitudes(b)
    grid = np.outer(decode(codes_a, a), decode(codes_b, b)).reshape(-1)
    order = np.argsort(grid, kind="stable")
    return _Products(a, codes_a, codes_b, grid[order], order)


@lru_cache(maxsize=32)
def targets(
    formats_a: tuple[FloatFormat, ...], formats_b: tuple[FloatFormat, ...], acc: FloatFormat
) -> list[tuple[Picks, bool]]:
    """Lists of (code of a, code of b), in the last of the formats an operand can be in, whose
    products add up to an edge of ``acc`` or a value beside one, by taking the largest that fits,
    or as the difference of two; and whether that is an end of the format's range."""
    products = _products(formats_a[-1], formats_b[-1])
    values = products.values
    edges = np.array([code for code in edge_codes(acc) if 0 < code <= acc.max_code])
    found: list[tuple[Picks, bool]] = []
    smallest, largest = (float(n) for n in decode(np.array([acc.min_code, acc.max_code]), acc))

    for value in decode(edges, acc):
        step = float(np.spacing(value)) * 2.0 ** (52 - acc.man_bits)
        for quarters in (-2, -1, 0, 1, 2):
            base = float(value) - step if quarters < 0 else float(value)
            picks = products.composed(base, step, float(value) + quarters / 4 * step)
            if picks:
                found.append((picks, value >= 0.9 * largest))
        for pair in _differences(values, float(value), values[0] / 4.0**8):
            found.append((products.difference(pair), value <= 2 * smallest))
    for part in _BELOW:
        for pair in _differences(values[:64], smallest * part, values[0] / 4.0**8, 1):
            found.append((products.difference(pair), True))
    return found


def _differences(
    values: NDArray[np.float64], target: float, least: float, stride: int = 7
) -> list[tuple[int, int]]:
    """Some indices of two values that differ by at most ``target``, and by at least that, but
    by less than half of it away: the nearest first, two each; values are sorted."""
    below: list[tuple[float, int, int]] = []
    above: list[tuple[float, int, int]] = []
    for low in range(0, min(len(values), 600), stride):
        high = int(np.searchsorted(values, values[low] + target))
        for found, at in ((below, high - 1), (above, high)):
            if low < at < len(values):
                difference = values[at] - values[low]
                if abs(difference - target) <= target / 2 and difference > least:
                    found.append((abs(difference - target), at, low))
    return [(at, low) for found in (below, above) for _, at, low in sorted(found)[:2]]


@lru_cache(maxsize=32)
def carries(a: FloatFormat, b: FloatFormat, acc: FloatFormat) -> list[Picks]:
    """Sums just below a power of 2, and then a product that carries over it and leaves something
    small: a unit in the last place and a half, a quarter, an eighth or a sixteenth of one."""
    products, found = _products(a, b), []
    for field in range(1, acc.max_code >> acc.man_bits):
        step = float(acc.value((field << acc.man_bits) | 1) - acc.value(field << acc.man_bits))
        power = step * (2 << acc.man_bits)
        below = products.composed(power - step, step, power - step)
        for part in (2, 4, 8, 16):
            last = products.composed(0.0, step, step + step / part)
            if below and last:
                found.append([*below, *last])
    return found
