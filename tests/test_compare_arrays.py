"""The arrays that `hfp8 compare` takes: shapes, lengths of sums, dtypes and formats."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfp8_hw import ParameterError, parse_format
from hfp8_hw.formats import parse_operand
from hfp8_hw.golden import scalar
from hfp8_hw.parameters import unit_parameters
from hfp8_hw.rounding import parse_rounding
from verif.simulation import compare as comparing
from verif.simulation.user_arrays import prepare

from .compared import (
    DTYPES,
    FITTING,
    ODD,
    UNITS,
    VALUES,
    Arrays,
    arrays_of,
    check_whole,
    golden_comparison,
    inputs,
    package,
    random_array,
    streamed,
)


@pytest.mark.parametrize("name", UNITS)
def test_any_arrays_are_run_or_refused_in_one_line(name: str) -> None:
    @settings(max_examples=30, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(arrays_of(name, ODD, DTYPES) | arrays_of(name, FITTING, [*VALUES, "u1", "u2", "i1"]))
    def check(arrays: Arrays) -> None:
        try:
            check_whole(name, arrays)
        except ParameterError as error:
            assert "\n" not in str(error) and "not allowed" in str(error), error

    check()


def value_of(x: float) -> Any:
    return scalar.from_float(float(x))


@pytest.mark.parametrize("name", UNITS)
def test_values_of_any_dtype_become_the_twins_codes(name: str) -> None:
    """Values that fit are never refused, and are rounded once to the input's format."""
    ports = inputs(name)
    needed = [key for key, port in ports.items() if "format" in port]

    @settings(max_examples=10, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.lists(st.builds(random_array, st.sampled_from(VALUES), st.just((2, 4)),
                              st.integers(0, 999)), min_size=2, max_size=2),
           st.integers(0, 1))  # fmt: skip
    def check(both: list[np.ndarray[Any, Any]], mode: int) -> None:
        arrays = dict(zip(needed, both, strict=False))
        for key in ports:
            if key.startswith("mode"):
                arrays[key] = np.array(mode)
        ready = check_whole(name, arrays)
        for key in needed:
            formats = parse_operand(ports[key]["format"])
            fmt = formats[mode if len(formats) > 1 else 0]
            overflow = "special" if fmt.has_nan else "saturate"
            for x, code in zip(arrays[key].flat, ready.inputs[key].flat, strict=True):
                want, _ = scalar.quantize(value_of(x), fmt, parse_rounding("RNE"), overflow)
                assert code == want, (x, fmt)

    check()


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize(
    ("shape", "dims"), [((5,), 1), ((2, 0), 2), ((9, 9), 2), ((2, 3, 5), 3), ((1,) * 30 + (5,), 31)]
)
def test_every_array_of_a_shape_that_does_not_fit(
    name: str, shape: tuple[int, ...], dims: int
) -> None:
    ports = inputs(name)
    good = {key: np.ones((3, 4), np.float32) for key, port in ports.items() if "format" in port}
    for key in ports:
        bad = np.zeros(shape, np.float32 if key in good else np.int64)
        if set(good) == {key} and len(ports) == 1 and 0 not in shape:
            continue  # the only array fits itself
        others = {"mode": np.zeros((3, 4), int)} if set(good) == {key} else {}
        others = {k: v for k, v in others.items() if k in ports}
        if set(good) == {key} and not others and 0 not in shape:
            others = {next(k for k in ports if k != key): np.zeros((3, 4), int)}
        with pytest.raises(ParameterError) as raised:
            prepare(package(name), {**good, **others, key: bad}, 1)
        assert f"{key} {shape!r}" in str(raised.value)


def test_sums_need_a_last_axis_and_elements_do_not() -> None:
    one = np.float32(1)
    with pytest.raises(ParameterError, match=r"a \(\), b \(\) are not allowed: .* no last axis"):
        prepare(package("mac"), {"a": np.array(one), "b": np.array(one)}, 1)
    ready = check_whole("fp_add", {"a": np.array(one), "b": np.array(one)})
    assert ready.shape == () and ready.inputs["a"].tolist() == [0x3F800000]


# Exact sums longer than `terms`: the accumulator may wrap, and only acc=fixed says so.


def test_exact_sums_of_more_than_terms_products_are_refused() -> None:
    four = {"a": np.ones((2, 4)), "b": np.ones((2, 4))}
    check_whole("mac exact", four)
    five = {key: np.ones((2, 5)) for key in four}
    with pytest.raises(ParameterError) as raised:
        prepare(package("mac exact"), five, 1)
    assert str(raised.value) == (
        "sums of 5 products are not allowed for terms=4, where they may wrap without a flag: "
        "shorter sums, or terms=5"
    )
    huge = {key: np.broadcast_to(np.float32(1), (1, (1 << 24) + 1)) for key in four}
    with pytest.raises(ParameterError, match="shorter sums, or at most 16777216 products"):
        prepare(package("mac exact"), huge, 1)


def test_fixed_sums_of_more_than_terms_products_wrap_as_documented() -> None:
    """40 products 6 * 30 of E2M1 and HFP8_FWD in a number for 3 of them, by hand."""
    count = 40
    arrays = {"a": np.full((2, count), 6.0), "b": np.full((2, count), 30.0)}
    comparison = golden_comparison("mac fixed", arrays)
    assert comparison.may_wrap == 2 and comparison.mismatches == 0
    ready = prepare(package("mac fixed"), arrays, 1)
    codes, _ = comparing.expected(package("mac fixed"), ready)
    fixed = unit_parameters(*UNITS["mac fixed"]).fixed
    # With run-time biases the unit is 2**(lsb - bias_a - bias_b); the formats' own are 1 and 11.
    total = Fraction(180 * count) / Fraction(2) ** (fixed.lsb - 1 - 11)
    assert total.denominator == 1 and total >= 2 ** (fixed.width - 1)
    assert codes.tolist() == [int(total) % 2**fixed.width] * 2
    assert golden_comparison("mac fixed", {k: v[:, :3] for k, v in arrays.items()}).may_wrap == 0


def test_a_bias_that_changes_within_an_exact_sum_is_refused() -> None:
    ones = {"a": np.ones((2, 4)), "b": np.ones((2, 4))}
    per_sum = np.array([[3], [4]])
    per_item = np.array([[3, 3, 3, 4]])
    for name in ("mac exact", "mac fixed", "dot"):
        for key in ("bias_a", "bias_b"):
            check_whole(name, {**ones, key: per_sum})
            with pytest.raises(ParameterError, match=f"'{key}' is not allowed: it changes within"):
                prepare(package(name), {**ones, key: per_item}, 1)
    check_whole("mac", {**ones, "bias_a": per_item})


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("count", range(1, 9))
def test_last_clocks_that_are_not_full_keep_the_sign_of_zero(count: int, sign: int) -> None:
    """By hand, with RDN: a sum starts from +0, and any product of -0 makes it -0 (IEEE 754 6.3).
    Zeros that fill up the last clock change nothing. E4M3FNUZ has no -0: -1 times +0 is -0."""
    a, b = np.full((1, count), 1.0 * sign), np.zeros((1, count))
    ready = check_whole("dot exact", {"a": a, "b": b})
    codes, _ = streamed(package("dot exact"), ready)
    assert codes.tolist() == [0 if sign > 0 else 0x80000000]
    check_whole("dot", {"a": b * sign, "b": a * sign, "mode_b": np.array(1)})
    a[0, 0] = -a[0, 0]
    want = 0 if count == 1 and sign < 0 else 0x80000000  # RDN: zeros of both signs give -0
    assert streamed(package("dot exact"), prepare(package("dot exact"), {"a": a, "b": b}, 1))[
        0
    ].tolist() == [want]


# What dtypes mean.


def test_codes_of_a_named_format() -> None:
    """The same numbers, however they are stored, by hand."""
    bf16 = np.array([0x3F80, 0xBFC0, 0x8000, 0x7F80], np.uint16)  # 1, -1.5, -0, inf
    want = [0x3F800000, 0xBFC00000, 0x80000000, 0x7F800000]
    for stored in (
        bf16,
        bf16.view("V2"),
        bf16.view(np.int16),
        bf16.astype(np.int64),
        bf16.astype(">u2"),
    ):
        for word in (np.array("BF16"), np.array(b"BF16"), np.array(["BF16"])):
            arrays = {"a": stored, "a_format": word, "b": np.zeros(4)}
            ready = check_whole("fp_add", arrays)
            assert ready.inputs["a"].tolist() == want, stored.dtype
            assert ready.reals["a"].tolist() == [1, -1.5, 0, np.inf]
    # A NaN's payload is kept in the input's own format, and lost in another.
    nan = np.array([0xFFC12345], np.uint32)
    own = {"a": nan.view(np.int32), "a_format": np.array("FP32"), "b": np.zeros(1)}
    assert check_whole("fp_add", own).inputs["a"].tolist() == [0xFFC12345]
    other = {"a": np.array([0xFFC1], np.uint16), "a_format": np.array("BF16"), "b": np.zeros(1)}
    assert check_whole("fp_add", other).inputs["a"].tolist() == [0x7FC00000]


def test_codes_of_formats_narrower_than_their_dtype() -> None:
    codes = np.arange(64, dtype=np.uint8)
    twin = [scalar.decode(code, parse_format("E3M2B3")) for code in range(64)]
    for stored in (codes, codes.astype(np.uint64)):
        ready = check_whole("relu", {"x": stored})
        for real, want in zip(ready.reals["x"], twin, strict=True):
            assert value_of(real) == want
    for dtype in (np.uint8, np.uint16, np.uint64):
        with pytest.raises(ParameterError, match=r"code 64, .*: E3M2B3\S* codes have 6 bits"):
            prepare(package("relu"), {"x": np.array([1, 64], dtype)}, 1)
    with pytest.raises(ParameterError, match=r"code -1, .*: E3M2B3 codes have 6 bits"):
        prepare(package("relu"), {"x": np.array([-1], np.int8), "x_format": np.array("E3M2B3")}, 1)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros(3, np.int32)}, "dtype 'int32', .* name their format in an array x_format; "
         "if they are values, convert them to float64"),
        ({"x": np.zeros(3, "V2")}, r"dtype '\|V2', .* name their format in an array x_format$"),
        ({"x": np.zeros(3, bool)}, "dtype 'bool', .*: values as float16, float32 or float64, or"),
        ({"x": np.zeros(3, "g")}, "dtype 'float128', .*: values as float16, float32"),
        ({"x": np.zeros(3, "c8")}, "dtype 'complex64', .*: values as float16"),
        ({"x": np.array(["1"])}, "dtype '<U1', .*: values as float16"),
        ({"x": np.zeros(3, "i4,f4")}, "dtype .*'f0'.*: values as float16"),
        ({"x": np.zeros(3, "V2"), "x_format": np.array("FP32")}, "codes of 32 bits, as unsigned"),
        ({"x": np.zeros(3, "V3"), "x_format": np.array("FP32")}, "codes of 32 bits, as unsigned"),
        ({"x": np.zeros(3), "x_format": np.array("FP32")}, "dtype 'float64', .* x_format='FP32'"),
        ({"x": np.zeros(3, int), "x_format": np.array("FP33")}, "x_format='FP33' is not allowed"),
        ({"x": np.zeros(3, int), "x_format": np.array("HFP8")}, "x_format='HFP8' is not allowed"),
        ({"x": np.zeros(3, int), "x_format": np.array(16)}, "array 'x_format' of shape .* name of"),
        ({"x": np.zeros(3, int), "x_format": np.array(["FP32"] * 3)}, "'x_format' of shape "),
        ({"x": np.zeros(3), "y_format": np.array("FP32")}, "array 'y_format' is not allowed: "),
        ({"x": np.zeros(3), "mode": np.zeros(3, int)}, "array 'mode' is not allowed: relu with"),
    ],
)  # fmt: skip
def test_arrays_that_are_refused(arrays: Arrays, said: str) -> None:
    with pytest.raises(ParameterError, match=said) as raised:
        prepare(package("relu"), arrays, 1)
    assert "\n" not in str(raised.value)


def test_integers_that_no_port_has() -> None:
    ones = {"a": np.ones(4), "b": np.ones(4)}
    for values, said in (
        (np.array(np.uint64(2**63)), f"holds {2**63}, which is not allowed: integers from -64 to"),
        (np.array([0, 1, -65, 2]), "holds -65, which"),
        (np.zeros(4), "has dtype 'float64', which is not allowed: integers from"),
        (np.array(["0"] * 4), "has dtype '<U1', which"),
    ):
        with pytest.raises(ParameterError, match=f"array 'bias_a' {said}"):
            prepare(package("mac"), {**ones, "bias_a": values}, 1)
