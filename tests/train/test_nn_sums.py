"""The accumulator's rounding against the exact-rational twin."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from hfp8_hw import CATALOGUE
from hfp8_hw.golden import scalar
from hfp8_hw.nn import sums
from hfp8_hw.rounding import Rounding
from tests.conftest import edge_values

ACC, RNA = CATALOGUE["DLFLOAT16"], Rounding("RNA")


def expected(value: scalar.Value) -> int:
    return scalar.quantize(value, ACC, RNA, "special")[0]


def edges(dtype: type) -> list[float]:
    """Values, halves between them, their neighbours in the wider format, and both ends."""
    with np.errstate(over="ignore", under="ignore"):
        found = edge_values(ACC).astype(dtype)
        ends = [2.0**-31, sums.SMALLEST, sums.SMALLEST / 2, sums.LARGEST, float(sums.BEYOND)]
        for end in np.array(ends, dtype):
            found = np.append(found, [end, -end])
            for way in (np.inf, -np.inf):
                found = np.append(found, np.nextafter(end, dtype(way)))
    return [float(x) for x in found]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_round_any(dtype: torch.dtype) -> None:
    values = edges(np.float32 if dtype == torch.float32 else np.float64)
    got = sums.encode(sums.round_any(torch.tensor(values, dtype=dtype)))
    want = [expected(scalar.from_float(x)) for x in values]
    assert [code & 0xFFFF for code in got.tolist()] == want


def test_round_normal_within_the_range() -> None:
    values = [x for x in edges(np.float32) if x == 0 or sums.SMALLEST <= abs(x) < sums.BEYOND]
    assert len(values) > 100
    got = sums.encode(sums.round_normal_(torch.tensor(values)))
    assert [code & 0xFFFF for code in got.tolist()] == [
        expected(scalar.from_float(x)) for x in values
    ]


@pytest.mark.parametrize("lsb", [-31, -28, -40])
def test_from_fixed(lsb: int) -> None:
    """Sums of up to 62 bits: ties, one unit beside them, and any."""
    units = [0, 1, 2, 3, (1 << 62) - 1]
    for shift in range(52):
        tie = (0x2AB << 1 | 1) << shift
        units += [tie, tie - 1, tie + 1]
    rng = np.random.default_rng(1)
    shifts = zip(rng.integers(0, 1 << 62, 200), rng.integers(0, 62, 200), strict=True)
    units += [int(x) >> int(n) for x, n in shifts]
    units = [x for x in units if x < 1 << 62]
    units += [-x for x in units]
    got = sums.encode(sums.from_fixed(torch.tensor(units), lsb))
    want = [expected(Fraction(x) * Fraction(2) ** lsb) for x in units]
    assert [code & 0xFFFF for code in got.tolist()] == want


@pytest.mark.parametrize("down", [False, True])
def test_terms_and_sums_cut_off_round_to_the_same(down: bool) -> None:
    """As tensor cores add: each term cut off 23 bits below the larger exponent, then the sum."""
    rng = np.random.default_rng(3)

    def cut(value: Fraction, unit: Fraction) -> Fraction:
        units = value / unit
        return unit * (units.__floor__() if down else int(units))

    for _ in range(4000):
        total = Fraction(int(rng.integers(512, 1024)) * int(rng.choice([-1, 1])), 512)
        factor = Fraction(int(rng.integers(1, 16)) * int(rng.integers(1, 16)), 64)
        shift = int(rng.integers(-30, 12))
        term = factor * Fraction(2) ** shift * int(rng.choice([-1, 1]))
        top = max(0, math.floor(math.log2(abs(term))))
        unit = Fraction(2) ** (top - 23)
        found = cut(total, unit) + cut(term, unit)
        if found:
            found = cut(found, Fraction(2) ** (math.floor(math.log2(abs(found))) - 23))
        assert expected(found) == expected(total + term), (total, term)
