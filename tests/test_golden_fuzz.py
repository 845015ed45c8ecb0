"""Anything into the golden model's public calls: one line of ParameterError, or a right answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hfp8_hw import CATALOGUE, FloatFormat, ParameterError, golden, parse_format
from hfp8_hw.fixed import fixed_point
from hfp8_hw.formats import SPECIALS, ZERO_EXP, parse_operand
from hfp8_hw.golden import scalar
from hfp8_hw.parameters import UNITS, unit_parameters
from hfp8_hw.products import product_format
from hfp8_hw.rounding import Rounding, parse_rounding

QUICK = settings(
    max_examples=60, derandomize=True, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
LONG = settings(QUICK, max_examples=6_000)

formats = st.builds(
    FloatFormat, st.integers(2, 8), st.integers(1, 23), st.integers(-128, 383),
    st.sampled_from(ZERO_EXP), st.sampled_from(SPECIALS),
)  # fmt: skip
STRANGE = [
    None, True, "", "x", b"x", 1j, 0.5, -1, 2**63, 2**64, 10**5000, float("nan"), [], [[]],
    [1, [2]], {}, object(), [None], ["a"], np.zeros(2, "V3"), np.zeros(2, [("a", "f8")]),
    np.zeros(0, "V3"),
    np.zeros(3, "M8[s]"), np.zeros((2, 0)), np.array([1, 2**64], object), np.float32([1, 2, 3]),
    np.array([0, 1], ">u2"), np.array(1, np.uint64), np.array([True, False]), [2**53 + 1, 0.5],
    np.zeros(2, "S2"), np.zeros(2, np.complex64), np.zeros(2, np.longdouble), range(3), "E٤M3",
]  # fmt: skip
strange = st.sampled_from(STRANGE)
small = st.integers(-3, 300)
shapes = st.sampled_from([(), (1,), (2,), (3,), (2, 3), (0,), (3, 1)])
numbers = st.builds(
    lambda shape, dtype, seed: np.random.default_rng(seed).integers(0, 256, shape).astype(dtype),
    shapes, st.sampled_from(["u1", "u2", ">u4", "i8", "u8", "f4", "f8"]), st.integers(0, 99),
)  # fmt: skip
names = st.sampled_from(["HFP8", "HFP8_FWD", "E5M2", "E4M3FN", "FP16", "FP32", "DLFLOAT16"])
words = st.sampled_from(
    [
        *golden.SEMANTICS,
        "RNE",
        "RTZ",
        "SR(4)",
        "SR(32)",
        "saturate",
        "special",
        "exact",
        "xorshift32",
    ]
)
anything = st.one_of(strange, small, numbers, names, words, formats, formats.map(str))


def likely(name: str) -> st.SearchStrategy[Any]:
    """What goes to an argument of this name, more often than not."""
    if name.startswith(("fmt", "acc", "out", "src")) and "_" not in name.removeprefix("fmt_"):
        return st.one_of(names, formats)
    if name in ("rounding", "overflow", "semantics", "random"):
        return words
    if name.startswith(("mode", "src_mode", "clear")) or name == "overflow":
        return st.sampled_from([0, 1, [0, 1], [1, 0, 0]])
    if name in ("flags",):
        return st.booleans()
    return st.one_of(numbers, small)


PUBLIC = [name for name in golden.__all__ if callable(getattr(golden, name))]


@st.composite
def calls(draw: Any, name: str) -> tuple[list[Any], dict[str, Any]]:
    """Arguments of a function: the right kind, or with one chance in five anything."""
    given, options = [], {}
    for key, parameter in inspect.signature(getattr(golden, name)).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        value = draw(anything if draw(st.integers(0, 9)) < 2 else likely(key))
        if key == "count" and isinstance(value, int) and value > 10**6:
            continue
        if parameter.default is inspect.Parameter.empty:
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                options[key] = value
            else:
                given.append(value)
        elif draw(st.integers(0, 9)) < 3:
            options[key] = value
    return given, options


def one_line(call: Callable[[], Any]) -> Any:
    """What a call gives; None where it refuses, in one line."""
    try:
        return call()
    except ParameterError as error:
        assert "\n" not in str(error) and str(error).strip()
        return None


def check_call(name: str, data: st.DataObject) -> None:
    given, options = data.draw(calls(name))
    function = getattr(golden, name)
    if len(given) < sum(
        p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
        for p in inspect.signature(function).parameters.values()
    ):
        return
    one_line(lambda: function(*given, **options))


@pytest.mark.parametrize("name", PUBLIC)
def test_nothing_but_refusals(name: str) -> None:
    QUICK(given(st.data())(lambda data: check_call(name, data)))()


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLIC)
def test_nothing_but_refusals_at_length(name: str) -> None:
    LONG(given(st.data())(lambda data: check_call(name, data)))()


@QUICK
@given(anything)
@example("E٤M3")
@example([1])
@example(np.array(["HFP8", "FP16"]))
def test_parsers(text: Any) -> None:
    for parse in (parse_format, parse_operand, parse_rounding, Rounding, FloatFormat.from_json,
                  FloatFormat.from_dict, lambda t: Rounding("SR", t),
                  lambda t: FloatFormat(t, 3, 7), lambda t: FloatFormat(4, 3, t)):  # fmt: skip
        result = one_line(lambda parse=parse: parse(text))
        if isinstance(result, FloatFormat):
            assert parse_format(result.literal) == result
        elif isinstance(result, Rounding):
            assert parse_rounding(str(result)) == result
    if isinstance(text, str) and not text.isascii():
        assert one_line(lambda: parse_format(text)) is None


@QUICK
@given(st.sampled_from(sorted(UNITS)), st.data())
def test_parameters(unit: str, data: st.DataObject) -> None:
    known = sorted(UNITS[unit].from_mapping({}).to_dict())
    chosen = data.draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
    given = {key: data.draw(st.one_of(anything, words, st.just("runtime"))) for key in chosen}
    made = one_line(lambda: unit_parameters(unit, given))
    if made is not None:
        assert unit_parameters(unit, made.to_dict()) == made


# Answers, where one comes, are those of exact rationals.


def real(code: int, fmt: FloatFormat, bias: int | None) -> scalar.Value:
    return scalar.decode(code, fmt if bias is None else fmt.with_bias(bias))


narrow = st.builds(
    FloatFormat, st.integers(2, 4), st.integers(1, 3), st.integers(-128, 383),
    st.sampled_from(ZERO_EXP), st.sampled_from(SPECIALS),
)  # fmt: skip
biases = st.one_of(st.none(), st.integers(-128, 383), st.integers(-16, 47))
codes = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=1, max_size=4)


@settings(QUICK, max_examples=60)
@given(codes, narrow, narrow, biases, biases, st.one_of(st.just("exact"), formats))
@example([(1, 1)], CATALOGUE["E4M3FN"], parse_format("E4M3B150"), 7, None, "exact")
@example([(1, 1)], CATALOGUE["E4M3FN"], CATALOGUE["E5M2"], 300, 7, "exact")
def test_products(
    pairs: list[tuple[int, int]], a: FloatFormat, b: FloatFormat, bias_a: int | None,
    bias_b: int | None, out: Any,
) -> None:  # fmt: skip
    x, y = ([p[k] % (1 << f.width) for p in pairs] for k, f in ((0, a), (1, b)))
    given = {"bias_a": bias_a, "bias_b": bias_b}
    runtime = bias_a is not None or bias_b is not None
    got = one_line(lambda: golden.mul(x, y, a, b, out, flags=True, **given))
    used = [f.bias if v is None else v for f, v in ((a, bias_a), (b, bias_b))]
    if out == "exact":
        held = not runtime or all(-16 <= bias <= 47 for bias in used)
        target = one_line(lambda: product_format([a], [b], runtime))
        assert (got is not None) == (held and target is not None)
        if got is None:
            return
    else:
        target = out
    overflow = "special" if out == "exact" and target.has_nan else "saturate"
    for i, j, code, flags in zip(x, y, *(v.tolist() for v in got), strict=True):
        exact, invalid = scalar.multiply(real(i, a, bias_a), real(j, b, bias_b))
        want = scalar.quantize(exact, target, parse_rounding("RNE"), overflow, invalid=invalid)
        assert (code, flags) == want
        assert out != "exact" or not flags & 6 or flags & 1  # nothing is lost


def cut(x: Fraction, lsb: int) -> int:
    scaled = abs(x) / Fraction(2) ** lsb
    return (-1 if x < 0 else 1) * (scaled.numerator // scaled.denominator)


@settings(QUICK, max_examples=60)
@given(codes, narrow, narrow, biases, biases, st.integers(0, 32))
@example([(1, 1)], CATALOGUE["E4M3FN"], CATALOGUE["E5M2"], 7, None, 0)
@example([(1, 1)], CATALOGUE["E4M3FN"], CATALOGUE["E5M2"], 7, None, 4)
def test_fixed_point_sums(
    pairs: list[tuple[int, int]], a: FloatFormat, b: FloatFormat, bias_a: int | None,
    bias_b: int | None, drop: int,
) -> None:  # fmt: skip
    """The unit is 2**(lsb - bias_a - bias_b), lsb that of bias 0, a missing bias the format's."""
    x, y = ([p[k] % (1 << f.width) for p in pairs] for k, f in ((0, a), (1, b)))
    given = {"bias_a": bias_a, "bias_b": bias_b}
    fixed = fixed_point([a.with_bias(0)], [b.with_bias(0)], len(pairs), drop=drop)
    used = [f.bias if v is None else v for f, v in ((a, bias_a), (b, bias_b))]
    unit = fixed.lsb - sum(used)
    terms = [
        scalar.multiply(real(i, a, used[0]), real(j, b, used[1])) for i, j in zip(x, y, strict=True)
    ]
    numbers = [Fraction(0) if v == "-0" else v for v, _ in terms]
    code, flags = golden.fixed_dot(x, y, a, b, terms=len(pairs), drop=drop, flags=True, **given)
    if any(isinstance(v, str) for v in numbers):
        assert (int(code), int(flags)) == (0, 8)
        return
    total = sum(cut(v, unit) for v in numbers if isinstance(v, Fraction))
    assert (int(code), int(flags)) == (total % (1 << fixed.width), 0)
    how = {"semantics": "exact", "drop": drop}
    want = scalar.quantize(
        Fraction(total) * Fraction(2) ** unit, CATALOGUE["FP32"], parse_rounding("RNE"), "special"
    )
    if drop and total:
        assert int(golden.dot(x, y, a, b, "FP32", **how, **given)) == want[0]
