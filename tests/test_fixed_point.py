"""Fixed-point sums by docs/numerics.md alone: the unit of their lowest bit, and their value.

The reference here knows formats by the five facts on that page and nothing else of the project.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from hfp8_hw.fixed import fixed_point
from hfp8_hw.formats import CATALOGUE, FloatFormat
from hfp8_hw.golden import fixed_dot
from hfp8_hw.parameters import DotParameters, MacParameters
from rtl_gen.package import generate

OPERANDS: dict[str, list[FloatFormat]] = {
    **{name: [fmt] for name, fmt in CATALOGUE.items() if fmt.width <= 9},
    "HFP8": [CATALOGUE["HFP8_FWD"], CATALOGUE["HFP8_BWD"]],
    "E3M4B5:flush:fn": [FloatFormat(3, 4, 5, "flush", "fn")],
    "E2M1B1:gradual:none": [FloatFormat(2, 1, 1, "gradual", "none")],
}


def magnitude(e: int, m: int, f: FloatFormat) -> Fraction:
    """What a finite code's fields are worth."""
    if e == 0 and (f.zero_exp == "flush" or m == 0):
        return Fraction(0)
    part = Fraction(m, 2**f.man_bits)
    if e == 0 and f.zero_exp == "gradual":
        return part * Fraction(2) ** (1 - f.bias)
    return (1 + part) * Fraction(2) ** (e - f.bias)


def value(code: int, f: FloatFormat) -> Fraction | None:
    """What a code is worth; None for NaN and infinities."""
    sign, e = code >> (f.exp_bits + f.man_bits), code >> f.man_bits & (2**f.exp_bits - 1)
    m = code & (2**f.man_bits - 1)
    ones, all_m = e == 2**f.exp_bits - 1, m == 2**f.man_bits - 1
    nothing = sign == 1 and e == m == 0
    special = {
        "none": False, "ieee": ones, "fn": ones and all_m, "fnuz": nothing, "dl": ones and all_m,
        "p3109": nothing or (ones and all_m),
    }[f.specials]  # fmt: skip
    return None if special else (-1) ** sign * magnitude(e, m, f)


def lowest_bit(formats: list[FloatFormat]) -> int:
    """Exponent of the lowest bit that any value has."""
    values = {
        abs(x) for f in formats for c in range(2**f.width) if (x := value(c, f)) is not None and x
    }
    return min(exponent(x) for x in values)


def exponent(x: Fraction) -> int:
    """That of the lowest bit of a number that is not 0."""
    low = (x.numerator & -x.numerator).bit_length() - 1
    return low - (x.denominator.bit_length() - 1)


LOWEST = {name: lowest_bit(formats) for name, formats in OPERANDS.items()}
LARGEST = {
    name: max(x for f in formats for c in range(2**f.width) if (x := value(c, f)) is not None)
    for name, formats in OPERANDS.items()
}


@pytest.mark.parametrize("drop", [0, 3])
def test_lsb_and_width_of_every_pair(drop: int) -> None:
    for a, b in product(OPERANDS, repeat=2):
        for terms in (1, 5, 1000):
            fixed = fixed_point(OPERANDS[a], OPERANDS[b], terms, drop=drop)
            assert fixed.lsb == LOWEST[a] + LOWEST[b] + drop, (a, b)
            # Wide enough for the largest products, and not a bit wider than a full code's.
            most = LARGEST[a] * LARGEST[b] * terms / Fraction(2) ** fixed.lsb
            assert most < 2 ** (fixed.width - 1), (a, b, terms)
            assert most * 4 > 2 ** (fixed.width - 1), (a, b, terms)


@pytest.mark.parametrize("a", OPERANDS)
def test_values_of_sums(a: str) -> None:
    rng = np.random.default_rng([13, list(OPERANDS).index(a)])
    for b in OPERANDS:
        formats = OPERANDS[a], OPERANDS[b]
        drop = int(rng.choice([0, 2, 7]))
        unit = Fraction(2) ** (LOWEST[a] + LOWEST[b] + drop)
        x, y = (rng.integers(0, 2 ** f[0].width, (12, 6)) for f in formats)
        modes = [rng.integers(0, len(f), (12, 6)) for f in formats]
        given = {
            f"mode_{n}": mode for n, f, mode in zip("ab", formats, modes, strict=True) if len(f) > 1
        }
        width = MacParameters(a=a, b=b, semantics="exact", terms=6, drop=drop).fixed.width
        codes, flags = fixed_dot(x, y, a, b, terms=6, drop=drop, flags=True, **given)
        for k in range(12):
            total = 0
            for i in range(6):
                u, v = (
                    value(int(n[k, i]), f[int(mode[k, i])])
                    for n, f, mode in zip((x, y), formats, modes, strict=True)
                )
                if u is None or v is None:
                    break
                size = abs(u * v) / unit
                total += (size.numerator // size.denominator) * (-1 if u * v < 0 else 1)
            else:
                assert (int(codes[k]), int(flags[k])) == (total % 2**width, 0), (a, b)
                continue
            assert (int(codes[k]), int(flags[k])) == (0, 8), (a, b)


def test_lsb_is_in_the_manifest() -> None:
    p = MacParameters(a="HFP8_FWD", b="HFP8", semantics="exact", terms=16, acc="fixed")
    lsb = generate(p).manifest["lsb"]
    assert lsb == LOWEST["HFP8_FWD"] + LOWEST["HFP8"] == -31
    exact = value(0x58, CATALOGUE["HFP8_FWD"]) * value(0x3C, CATALOGUE["HFP8_BWD"])  # type: ignore[operator]
    code = int(fixed_dot([0x58], [0x3C], "HFP8_FWD", "HFP8", terms=16, mode_b=[1]))
    assert code == exact / Fraction(2) ** lsb == 0x80000000
    for other in (MacParameters(semantics="exact"), MacParameters(), DotParameters()):
        assert other.lsb is None
