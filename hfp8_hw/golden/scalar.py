"""The slow twin: one value at a time, in exact rationals, written to be read.

It shares no arithmetic with the vectorised model: a code is decoded from its definition, and a
value is rounded by finding its two neighbours by bisection over the codes and comparing. A real
value is a `fractions.Fraction`; the values that are not real numbers are the strings ``"nan"``,
``"inf"``, ``"-inf"`` and ``"-0"`` (a zero with its sign; Fraction(0) is +0).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from fractions import Fraction

from ..formats import FloatFormat
from ..rounding import Rounding

Value = Fraction | str

OVERFLOW, UNDERFLOW, INEXACT, INVALID = 1, 2, 4, 8


def magnitude(code: int, fmt: FloatFormat) -> Fraction:
    """What the magnitude code would be worth if no code were special.

    Codes beyond the format's last one go on in further binades: the grid that "unbounded
    exponent range" speaks of in IEEE 754-2019 section 7.4.
    """
    m = code % 2**fmt.man_bits
    e = code // 2**fmt.man_bits
    if e == 0 and (m == 0 or fmt.zero_exp == "flush"):
        return Fraction(0)
    if e == 0 and fmt.zero_exp == "gradual":
        return Fraction(m, 2**fmt.man_bits) * Fraction(2) ** (1 - fmt.bias)
    return (1 + Fraction(m, 2**fmt.man_bits)) * Fraction(2) ** (e - fmt.bias)


def decode(code: int, fmt: FloatFormat) -> Value:
    """The value of one code."""
    negative = code >= 2 ** (fmt.exp_bits + fmt.man_bits)
    mag = code % 2 ** (fmt.exp_bits + fmt.man_bits)
    e_ones = mag // 2**fmt.man_bits == 2**fmt.exp_bits - 1
    m_zero = mag % 2**fmt.man_bits == 0
    m_ones = mag % 2**fmt.man_bits == 2**fmt.man_bits - 1
    infinity = "-inf" if negative else "inf"
    match fmt.specials:
        case "ieee" if e_ones:
            return infinity if m_zero else "nan"
        case "fn" | "dl" if e_ones and m_ones:
            return "nan"
        case "fnuz" | "p3109" if negative and mag == 0:
            return "nan"
        case "p3109" if e_ones and m_ones:
            return infinity
    value = magnitude(mag, fmt)
    if value == 0:
        return "-0" if negative and fmt.specials not in ("fnuz", "p3109") else Fraction(0)
    return -value if negative else value


def from_float(x: float) -> Value:
    """A Python float as a Value."""
    if math.isnan(x):
        return "nan"
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    if x == 0 and math.copysign(1, x) < 0:
        return "-0"
    return Fraction(x)


def _largest_finite(fmt: FloatFormat) -> int:
    """The largest magnitude code that decodes to a number: all special ones lie above it."""
    codes = range(2 ** (fmt.exp_bits + fmt.man_bits))
    special = bisect_left(codes, True, key=lambda code: isinstance(decode(code, fmt), str))
    return special - 1


def _neighbours(x: Fraction, fmt: FloatFormat) -> tuple[int, int]:
    """The magnitude codes (lo, hi) with magnitude(lo) <= x < magnitude(hi), hi the next above."""
    first = 2**fmt.man_bits if fmt.zero_exp == "flush" else 1
    if x < magnitude(first, fmt):
        return 0, first
    lo, hi = first, 2 * first
    while magnitude(hi, fmt) <= x:
        hi *= 2
    while hi - lo > 1:
        middle = (lo + hi) // 2
        if magnitude(middle, fmt) <= x:
            lo = middle
        else:
            hi = middle
    return lo, hi


def _takes_upper(
    f: Fraction, lo: int, negative: bool, rounding: Rounding, random: int | None
) -> bool:
    """Whether a value the fraction f of the way up from code lo goes to the code above it.

    Zero counts as even and its upper neighbour as odd, also where that neighbour is not code 1
    (`flush`), so that RNE breaks that tie to zero and RTO never loses a value.
    """
    half = Fraction(1, 2)
    match rounding.mode:
        case "RNE":
            return f > half or (f == half and lo % 2 == 1)
        case "RNA":
            return f >= half
        case "RTZ":
            return False
        case "RUP":
            return f > 0 and not negative
        case "RDN":
            return f > 0 and negative
        case "RTO":
            return f > 0 and lo % 2 == 0
        case "SR":
            assert random is not None
            return math.floor(f * 2**rounding.sr_bits) + random >= 2**rounding.sr_bits
    raise AssertionError(rounding)


def quantize(
    x: Value,
    fmt: FloatFormat,
    rounding: Rounding,
    overflow: str,
    random: int | None = None,
    invalid: bool = False,
) -> tuple[int, int]:
    """Round one value: (code, flag bits). ``invalid`` marks a NaN that an operation made."""
    sign_bit = 2 ** (fmt.exp_bits + fmt.man_bits)
    largest = _largest_finite(fmt)
    flags = INVALID if invalid else 0
    if x == "nan":
        if fmt.specials == "none":
            return largest, flags | INVALID
        return _special(fmt, "nan"), flags
    negative = x in ("-0", "-inf") or (isinstance(x, Fraction) and x < 0)
    has_neg_zero = fmt.specials not in ("fnuz", "p3109")
    sign = sign_bit if negative else 0
    if x == "-0" or x == 0:
        return (sign if has_neg_zero else 0), flags
    if isinstance(x, str):
        result = largest if overflow == "saturate" else _special(fmt, "inf")
        return _signed(result, sign, fmt), flags | OVERFLOW | INEXACT

    absolute = abs(x)
    lo, hi = _neighbours(absolute, fmt)
    f = (absolute - magnitude(lo, fmt)) / (magnitude(hi, fmt) - magnitude(lo, fmt))
    result = hi if _takes_upper(f, lo, negative, rounding, random) else lo
    if f > 0:
        flags |= INEXACT
        tiny = magnitude(1, fmt) if fmt.zero_exp == "normal" else Fraction(2) ** (1 - fmt.bias)
        if absolute < tiny:
            flags |= UNDERFLOW
    if magnitude(result, fmt) > magnitude(largest, fmt):
        flags |= OVERFLOW | INEXACT
        toward_zero = {"RTZ": True, "RTO": True, "RUP": negative, "RDN": not negative}
        if overflow == "saturate" or toward_zero.get(rounding.mode, False):
            result = largest
        else:
            result = _special(fmt, "inf")
    if result == 0 and not has_neg_zero:
        sign = 0
    return _signed(result, sign, fmt), flags


def _special(fmt: FloatFormat, wanted: str) -> int:
    """The code of NaN, or the magnitude code of Inf, NaN where there is none."""
    e_ones = (2**fmt.exp_bits - 1) * 2**fmt.man_bits
    all_ones = 2 ** (fmt.exp_bits + fmt.man_bits) - 1
    match fmt.specials:
        case "ieee":
            return e_ones if wanted == "inf" else e_ones + 2 ** (fmt.man_bits - 1)
        case "fn" | "dl":
            return all_ones
        case "fnuz":
            return all_ones + 1
        case "p3109":
            return all_ones if wanted == "inf" else all_ones + 1
    raise AssertionError(fmt)


def _signed(result: int, sign: int, fmt: FloatFormat) -> int:
    """Put the sign on a magnitude code, but not on a NaN: there is one NaN that units write."""
    return result if decode(result, fmt) == "nan" else result + sign


def multiply(a: Value, b: Value) -> tuple[Value, bool]:
    """The exact product, and whether the operation is invalid (0 x Inf)."""
    if a == "nan" or b == "nan":
        return "nan", False
    negative = _is_negative(a) != _is_negative(b)
    a_zero, b_zero = a in ("-0", 0), b in ("-0", 0)
    if (isinstance(a, str) and "inf" in a) or (isinstance(b, str) and "inf" in b):
        if a_zero or b_zero:
            return "nan", True
        return ("-inf" if negative else "inf"), False
    if a_zero or b_zero:
        return ("-0" if negative else Fraction(0)), False
    assert isinstance(a, Fraction) and isinstance(b, Fraction)
    return a * b, False


def _is_negative(x: Value) -> bool:
    return x in ("-0", "-inf") if isinstance(x, str) else x < 0


def add(terms: Iterable[Value], rounding: Rounding) -> tuple[Value, bool]:
    """The exact sum of any number of terms, and whether it is invalid (Inf - Inf).

    A zero sum of terms that are not all zeros of one sign is +0, with RDN -0 (IEEE 754 6.3).
    """
    terms = list(terms)
    if "nan" in terms:
        return "nan", False
    if "inf" in terms or "-inf" in terms:
        if "inf" in terms and "-inf" in terms:
            return "nan", True
        return ("inf" if "inf" in terms else "-inf"), False
    total = sum((t for t in terms if isinstance(t, Fraction)), Fraction(0))
    if total != 0:
        return total, False
    if all(t == "-0" for t in terms):
        return "-0", False
    if all(t == 0 for t in terms):
        return Fraction(0), False
    return ("-0" if rounding.mode == "RDN" else Fraction(0)), False


def accumulate(
    products: Sequence[tuple[Value, bool]],
    acc: FloatFormat,
    rounding: Rounding,
    overflow: str,
    group: int,
) -> tuple[int, int]:
    """acc' = round(acc + a group of products), from +0 over all products: (code, flags ORed)."""
    code, flags = 0, 0
    for start in range(0, len(products), group):
        members = products[start : start + group]
        code, new = _step(code, members, acc, rounding, overflow)
        flags |= new
    return code, flags


def _step(
    code: int,
    terms: Sequence[tuple[Value, bool]],
    acc: FloatFormat,
    rounding: Rounding,
    overflow: str,
) -> tuple[int, int]:
    total, invalid = add([decode(code, acc), *(value for value, _ in terms)], rounding)
    invalid = invalid or any(bad for _, bad in terms)
    return quantize(total, acc, rounding, overflow, invalid=invalid)


def dot(
    a: Sequence[Value],
    b: Sequence[Value],
    acc: FloatFormat,
    rounding: Rounding,
    overflow: str,
    semantics: str,
    chunk: int = 64,
    lanes: int = 1,
) -> tuple[int, int]:
    """The dot product in each of the semantics that `hfp8_hw.golden.dot` names."""
    products = [multiply(x, y) for x, y in zip(a, b, strict=True)]
    match semantics:
        case "fma":
            return accumulate(products, acc, rounding, overflow, 1)
        case "fmma":
            return accumulate(products, acc, rounding, overflow, 2)
        case "dotN":
            return accumulate(products, acc, rounding, overflow, lanes)
        case "exact":
            return accumulate(products, acc, rounding, overflow, max(1, len(products)))
    group = 1 if semantics == "chunked" else chunk
    total, flags = 0, 0
    for start in range(0, len(products), chunk):
        members = products[start : start + chunk]
        part, part_flags = accumulate(members, acc, rounding, overflow, group)
        total, new = _step(total, [(decode(part, acc), False)], acc, rounding, overflow)
        flags |= part_flags | new
    return total, flags
