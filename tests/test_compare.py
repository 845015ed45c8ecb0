"""`hfp8 compare`: what it does with a user's arrays and files, nearly all of it unsimulated."""

from __future__ import annotations

import json
import math
import warnings
import zipfile
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfp8_hw import ParameterError, parse_format
from hfp8_hw.formats import parse_operand
from hfp8_hw.golden import scalar
from hfp8_hw.parameters import unit_parameters
from hfp8_hw.rounding import FLAGS, parse_rounding
from rtl_gen.package import Package, generate
from verif.simulation import compare as comparing
from verif.simulation.compare import Comparison, compare
from verif.simulation.run_arrays import Applied, arrange, collect
from verif.simulation.simulate import Outcome
from verif.simulation.user_arrays import Prepared, merged, prepare
from verif.stimulus.reference import expected

from .conftest import Cli

Arrays = dict[str, np.ndarray[Any, Any]]

UNITS: dict[str, tuple[str, dict[str, Any]]] = {
    "quantizer": ("quantizer", {"src": "FP16", "rounding": "SR(8)", "bias": "runtime",
                                "scale": "runtime"}),
    "dequantizer": ("dequantizer", {"bias": "runtime"}),
    "relu": ("relu", {"fmt": "E3M2B3"}),
    "fp_add": ("fp_add", {"fmt": "FP32"}),
    "mul": ("mul", {"b": "E4M3FN", "bias": "runtime", "out": "FP16", "rounding": "SR(4)"}),
    "mac": ("mac", {"bias": "runtime", "chunk": 3}),
    "mac in turns": ("mac", {"semantics": "fma", "interleave": 3}),
    "mac exact": ("mac", {"semantics": "exact", "terms": 4, "acc": "FP32", "b": "E3M2:gradual:fnuz",
                          "bias": "runtime"}),
    "mac fixed": ("mac", {"semantics": "exact", "terms": 3, "acc": "fixed", "b": "HFP8_FWD",
                          "a": "E2M1B1:gradual:none", "bias": "runtime"}),
    "dot": ("dot", {"lanes": 2, "chunk": 4, "a": "E4M3FN", "bias": "runtime"}),
    "dot exact": ("dot", {"lanes": 8, "semantics": "exact", "a": "E4M3FNUZ", "b": "E5M2",
                          "acc": "FP32", "rounding": "RDN"}),
    "dotN": ("dot", {"lanes": 4, "semantics": "dotN"}),
}  # fmt: skip
"""Units of every kind of input: modes, biases, scales, random bits, several products a clock."""

FITTING = [(), (1,), (4,), (2, 4), (2, 1), (3, 1, 4), (1, 1, 1, 4)]
ODD = [*FITTING, (0,), (3,), (5,), (4, 2), (2, 0), (7, 1, 1, 4), (1,) * 40, (2, 4, 1)]
VALUES = ["f2", "f4", "f8"]
DTYPES = [*VALUES, ">f4", "g", "u1", "u2", "u4", "u8", ">u2", "i1", "i2", "i4", "i8", "?", "V1",
          "V2", "V3", "V4", "c8", "M8[s]", "m8[s]", "U3", "S2", "i4,f4", "2u1"]  # fmt: skip
FORMATS = ["BF16", "FP32", "E4M3FN", "E3M2", "HFP8", "HFP8_BWD", "nonsense", ""]


@cache
def package(name: str) -> Package:
    unit, parameters = UNITS[name]
    return generate(unit_parameters(unit, parameters))


@cache
def inputs(name: str) -> dict[str, dict[str, Any]]:
    """The ports that a unit's arrays feed."""
    ports = merged(package(name).manifest)["ports"]
    given = [p for p in ports if p["dir"] == "in" and p["role"] in ("data", "config")]
    return {p["name"][2:]: p for p in given}


def random_array(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    """Random bits, half of them small numbers where the dtype has numbers."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind in "US":
        return np.full(shape, FORMATS[seed % len(FORMATS)]).astype(kind.kind)
    if kind.kind in "ui" and seed % 4:
        return rng.integers(0, 2 if seed % 2 else 64, shape).astype(kind)
    if kind.kind == "f" and seed % 4:
        special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.5, 5e-324, 1e300, -1e-3, 65504.0]
        with np.errstate(over="ignore", under="ignore"):
            return rng.choice(special, shape).astype(kind)
    raw = rng.bytes(math.prod(shape) * kind.itemsize)
    if kind.kind == "b":
        raw = bytes(byte & 1 for byte in raw)
    return np.frombuffer(raw, kind.base).reshape((*shape, *kind.shape))


def arrays_of(name: str, shapes: list[tuple[int, ...]], dtypes: list[str]) -> Any:
    one = st.builds(
        random_array, st.sampled_from(dtypes), st.sampled_from(shapes), st.integers(0, 999)
    )
    word = st.sampled_from(FORMATS).map(np.array)
    ports = inputs(name)
    needed = {key: one for key, port in ports.items() if "format" in port}
    optional = {key: one for key, port in ports.items() if "format" not in port}
    optional |= {f"{key}_format": word | one for key in needed}
    return st.fixed_dictionaries(needed, optional=optional)


def streamed(unit: Package, ready: Prepared) -> tuple[Any, Any]:
    """What the golden model gives for the transfers that the bench would drive."""
    phases, shape = arrange(unit, ready.inputs)
    return collect([expected(unit.manifest, phase.inputs)[0] for phase in phases], shape)


def check_whole(name: str, arrays: Arrays) -> Prepared:
    """The golden model on whole arrays gives what it gives transfer by transfer."""
    unit = package(name)
    ready = prepare(unit, arrays, 1)
    codes, flags = comparing.expected(unit, ready)
    assert codes.size == math.prod(ready.shape)
    got_codes, got_flags = streamed(unit, ready)
    np.testing.assert_array_equal(codes, got_codes)
    np.testing.assert_array_equal(flags, got_flags)
    return ready


def as_applied(unit: Package, simulator: str, given: Arrays, seed: int) -> Applied:
    """In place of a simulation: the golden model, transfer by transfer."""
    return Applied(*streamed(unit, Prepared((), given, {}, 0, {})), Outcome(1, 0, 0.1))


def golden_comparison(name: str, arrays: Arrays) -> Comparison:
    unit = package(name)
    return compare(unit, prepare(unit, arrays, 1), "icarus", 1, as_applied)


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


# The report.


def test_numbers_far_beyond_the_format_leave_no_warning_and_the_right_figures() -> None:
    """By hand; a warning would be an error here."""
    x = np.array([1e300, -1e300, 1e-300, np.nan, 5e-324])
    comparison = golden_comparison("relu", {"x": x})
    assert comparison.mismatches == 0 and comparison.not_finite == 4 - 2
    assert json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    # fp_add of 1e30 and -1e30 in FP32: what is lost is 1e300 squared if squares are taken as is.
    big = golden_comparison("fp_add", {"a": np.array([1e30, 2e38]), "b": np.array([1e30, 1e300])})
    assert big.not_finite == 1 and big.max_rel is not None and big.max_rel < 1e-7
    tiny = golden_comparison("fp_add", {"a": np.array([3e-320, 1.0]), "b": np.array([0.0, 0.0])})
    assert tiny.max_abs == 3e-320 and tiny.max_rel == 1.0 and tiny.sqnr_db == pytest.approx(
        20 * (math.log10(1.0) - math.log10(3e-320)), rel=1e-3)  # fmt: skip


def test_flags_of_rounding_the_inputs_are_counted() -> None:
    """By hand. The largest number of HFP8_FWD is 30, that of HFP8_BWD 98304."""

    def input_flags(name: str, arrays: Arrays) -> list[int]:
        flags = golden_comparison(name, arrays).flags
        assert list(flags) == [*FLAGS, *(f"input {flag}" for flag in FLAGS)]
        return [flags[f"input {flag}"] for flag in ("overflow", "underflow", "inexact", "invalid")]

    ones, a = np.ones(3), np.array([3000.0, 0.3, 1.0])
    assert input_flags("mac", {"a": a, "b": ones}) == [1, 0, 2, 0]
    # What is broadcast counts as often as it is used; codes are not rounded.
    assert input_flags("mac", {"a": a, "b": np.ones((5, 3))}) == [5, 0, 10, 0]
    assert input_flags("mac", {"a": np.zeros(3, np.uint8), "b": np.ones(3)}) == [0, 0, 0, 0]
    # Those of the format that the mode chooses: 3072 is a number of HFP8_BWD.
    modes = {"mode_a": np.array(1), "mode_b": np.array(0)}
    pairs = {"a": np.array([3072.0, 1e-9]), "b": np.array([1.0, 1e9])}
    assert input_flags("mac", pairs | modes) == [1, 1, 2, 0]
    # A format without NaN.
    assert input_flags("mac fixed", {"a": np.array([np.nan, 1e-3]), "b": np.ones(2)}) == [
        0,
        1,
        1,
        1,
    ]


def test_errors_count_scales_and_run_time_biases() -> None:
    """Numbers that the formats hold: no error, whatever the bias and the scale are."""
    x = np.array([1.0, 1.5, -3.0])
    for bias in (3, 11, 20):
        for name in ("quantizer", "dequantizer"):
            arrays = {"x": np.ldexp(x, 11 - bias), "bias": np.array(bias)}
            comparison = golden_comparison(name, arrays)
            assert (comparison.max_abs, comparison.not_finite) == (0, 0), (name, bias)
    scaled = golden_comparison("quantizer", {"x": np.ldexp(x, -3), "scale": np.array(3)})
    assert scaled.max_abs == 0
    # A bias that is not given is the format's own, by mode.
    given = {"x": np.array([0x58, 0x3C], np.uint8), "mode": np.array([0, 1])}
    ready = prepare(package("dequantizer"), given, 1)
    assert ready.inputs["bias"].tolist() == [11, 15] and ready.reals["x"].tolist() == [1.0, 1.0]
    # Codes under a run-time bias are worth what the bias says: HFP8_FWD's 0x58 is 1 with 11.
    arrays = {"x": np.array([0x58], np.uint8), "bias": np.array(10)}
    assert prepare(package("dequantizer"), arrays, 1).reals["x"].tolist() == [2.0]


def test_the_first_mismatch_is_told_in_the_users_terms() -> None:
    def broken(unit: Package, simulator: str, given: Arrays, seed: int) -> Applied:
        done = as_applied(unit, simulator, given, seed)
        done.codes[4] ^= 1
        return done

    unit = package("mac")
    arrays = {"a": np.ones((2, 1, 2)), "b": np.ones((3, 2)), "mode_a": np.array(1)}
    found = compare(unit, prepare(unit, arrays, 1), "icarus", 1, broken)
    assert found.mismatches == 1 and found.elements == 6
    # 2 in DLFLOAT16: exponent field 32. 1 in HFP8_FWD (bias 11) and in HFP8_BWD (bias 15).
    assert found.first == {
        "index": [1, 1],
        "inputs": {"a": [0x3C, 0x3C], "b": [0x58, 0x58], "mode_a": 1, "mode_b": 0, "bias_a": 15,
                   "bias_b": 11},
        "expected": {"y": 32 << 9, "flags": 0},
        "got": {"y": (32 << 9) | 1, "flags": 0},
    }  # fmt: skip


# Files.


def refused(cli: Cli, path: Path, *words: str | Path) -> str:
    """The line; nothing is written."""
    before = sorted(path.parent.iterdir())
    line = cli.refused("compare", "relu", "--inputs", path, *words)
    assert sorted(path.parent.iterdir()) == before
    return line


def test_files_that_cannot_be_read(cli: Cli, tmp_path: Path) -> None:
    path, report = tmp_path / "t.npz", tmp_path / "r.json"

    def said() -> str:
        return refused(cli, path, "--report", report)

    assert "cannot be read: No such file" in said()
    assert "cannot be read: Is a directory" in refused(cli, tmp_path)
    np.savez(path, x=np.array([object()]))
    assert "array 'x' is not allowed: it holds Python objects, not numbers" in said()
    np.savez(path)
    assert "inputs=[] is not allowed: relu needs the arrays x" in said()
    np.savez(path, x=np.zeros(3), z=np.zeros(3))
    assert "array 'z' is not allowed" in said()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.txt", "hello")
    assert "an .npz file of plain arrays, and 'x.txt' is none" in said()
    with zipfile.ZipFile(path, "w") as file:
        header = "{'descr': '<f1', 'fortran_order': False, 'shape': (3,), }".ljust(117) + "\n"
        file.writestr("x.npy", b"\x93NUMPY\x01\x00\x76\x00" + header.encode() + b"123")
    assert "array 'x' is not allowed: its dtype is unknown to NumPy" in said()


def broken_files(path: Path, compressed: bool) -> list[bytes]:
    """A file cut off, and with bytes changed, everywhere."""
    save: Callable[..., None] = np.savez_compressed if compressed else np.savez
    save(path, x=np.arange(100, dtype=np.float32))
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    found = [whole[:k] for k in range(0, len(whole), 7)]
    for _ in range(150):
        changed = bytearray(whole)
        for k in rng.integers(0, len(whole), 3):
            changed[k] = rng.integers(256)
        found.append(bytes(changed))
    return found


@pytest.mark.parametrize("compressed", [False, True])
def test_files_that_are_not_whole(tmp_path: Path, compressed: bool) -> None:
    from hfp8_hw.cli.compare import load_arrays

    path = tmp_path / "t.npz"
    refusals = 0
    for content in broken_files(path, compressed):
        path.write_bytes(content)
        try:
            load_arrays(path)
        except ParameterError as error:
            refusals += 1
            assert "\n" not in str(error)
    assert refusals > 100


def test_reports_that_could_not_be_written(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, x=np.zeros(3))
    whole = path.read_bytes()
    assert "it has the inputs" in refused(cli, path, "--report", path)
    assert "it is a folder" in refused(cli, path, "--report", tmp_path)
    assert "no such folder" in refused(cli, path, "--report", tmp_path / "no" / "r.json")
    assert path.read_bytes() == whole


@pytest.mark.parametrize("interrupted", [True, False])
def test_interrupted_it_leaves_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    path, report = tmp_path / "t.npz", tmp_path / "r.json"
    np.savez(path, x=np.array([1.0, 1e300, -1.0]))
    old = b"what was there"
    report.write_bytes(old)

    def run(unit: Package, given: Prepared, simulator: str, seed: int) -> Comparison:
        if interrupted:
            raise KeyboardInterrupt
        return compare(unit, given, simulator, seed, as_applied)

    monkeypatch.setattr(comparing, "compare", run)
    words: list[str | Path] = [
        "compare",
        "relu",
        "--fmt",
        "E3M2B3",
        "--inputs",
        path,
        "--report",
        report,
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        status, out, err = cli(*words)
    assert sorted(tmp_path.iterdir()) == [report, path]
    if interrupted:
        assert (status, err.strip()) == (130, "hfp8: error: interrupted")
        assert report.read_bytes() == old
    else:
        assert (status, err) == (0, "") and "elements" in out
        assert json.loads(report.read_text())["runs"][0]["elements"] == 3


def test_long_fixed_sums_are_counted_on_the_screen(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(unit: Package, given: Prepared, simulator: str, seed: int) -> Comparison:
        return compare(unit, given, simulator, seed, as_applied)

    monkeypatch.setattr(comparing, "compare", run)
    path = tmp_path / "t.npz"
    np.savez(path, a=np.ones((5, 9)), b=np.ones((5, 9)))
    words = ["compare", "mac", "--semantics", "exact", "--acc", "fixed", "--terms", "8"]
    words += ["--a", "E4M3FN", "--b", "E4M3FN", "--inputs", str(path)]
    status, out, _ = cli(*words)
    assert status == 0 and "5 sums have more than terms=8 products and may wrap" in out
    words[words.index("8")] = "9"
    assert "may wrap" not in cli(*words)[1]


@pytest.mark.parametrize("name", ["mac fixed", "mac in turns"])
def test_simulated(name: str) -> None:
    """The hardware agrees where the arrangement of the arrays decides: sums that wrap, and that
    take turns."""
    rng = np.random.default_rng(1)
    a, b = rng.choice([-1.0, 0.0, 6.0, 30.0], (2, 40, 11))
    a[:9], b[:9] = -1.0, 0.0
    unit = package(name)
    found = compare(unit, prepare(unit, {"a": a, "b": b}, 1), "icarus", 1)
    assert found.elements == 40 and found.mismatches == 0 and found.first is None
