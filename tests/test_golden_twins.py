"""The vectorised model against the one in rationals."""

from typing import Any

import numpy as np
import pytest

from hfp8_hw import CATALOGUE, FloatFormat, parse_format
from hfp8_hw.formats import SPECIALS, ZERO_EXP
from hfp8_hw.golden import SEMANTICS, decode, dot, fma, matmul, mul, quantize, scalar
from hfp8_hw.products import product_format
from hfp8_hw.rounding import default_rounding, parse_rounding

from .conftest import ALL_ROUNDINGS, edge_values

OPERANDS = ("HFP8_FWD", "HFP8_BWD", "E4M3FN", "E5M2", "P3109_8P3", "E2M5:normal:p3109",
            "E3M4B3:flush:fn")  # fmt: skip
ACCUMULATORS = ("DLFLOAT16", "FP16", "BF16", "FP32", "E5M3B20:flush:ieee", "HFP8_BWD")
BUSY = [0, 1, 0x80, 0x81, 0x7E, 0x7F, 0x40, 0xC0, 0x38, 0xB8]


@pytest.mark.parametrize("rounding", ALL_ROUNDINGS)
def test_quantize_edges(fmt: FloatFormat, rounding: str) -> None:
    how = parse_rounding(rounding)
    values = edge_values(fmt)
    rng = np.random.default_rng(5)
    if len(values) > 250:
        values = np.concatenate([rng.choice(values[:-4], 250, replace=False), values[-4:]])
    rbits = rng.integers(0, 1 << how.sr_bits, values.size) if how.mode == "SR" else None
    for overflow in ("saturate", "special") if fmt.has_nan else ("saturate",):
        codes, flags = quantize(
            values, fmt, rounding=rounding, overflow=overflow, rbits=rbits, flags=True
        )
        for k, value in enumerate(values.tolist()):
            random = None if rbits is None else int(rbits[k])
            want = scalar.quantize(scalar.from_float(value), fmt, how, overflow, random)
            assert (int(codes[k]), int(flags[k])) == want, (value.hex(), overflow)


@pytest.mark.parametrize("specials", SPECIALS)
@pytest.mark.parametrize("zero_exp", ZERO_EXP)
def test_codes_too_wide_for_a_table(zero_exp: str, specials: str) -> None:
    fmt = FloatFormat(6, 18, 31, zero_exp, specials)
    man = 1 << 18
    low = [0, 1, 2, man - 1, man, man + 1, fmt.max_code - 1, fmt.max_code, fmt.mag_mask]
    codes = [code for mag in low for code in (mag, mag | fmt.sign_mask)]
    codes += np.random.default_rng(8).integers(0, 1 << fmt.width, 300).tolist()
    want, got = np.array([fmt.value(code) for code in codes]), decode(codes, fmt)
    np.testing.assert_array_equal(got, want)
    real = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[real]), np.signbit(want[real]))


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ALL_ROUNDINGS)
def test_quantize_every_edge(fmt: FloatFormat, rounding: str) -> None:
    how = parse_rounding(rounding)
    values = edge_values(fmt, seed=2)
    rbits = None
    if how.mode == "SR":
        rbits = np.random.default_rng(6).integers(0, 1 << how.sr_bits, values.size)
    codes, flags = quantize(values, fmt, rounding=rounding, rbits=rbits, flags=True)
    for k, value in enumerate(values.tolist()):
        random = None if rbits is None else int(rbits[k])
        want = scalar.quantize(scalar.from_float(value), fmt, how, "saturate", random)
        assert (int(codes[k]), int(flags[k])) == want, value.hex()


@pytest.mark.parametrize("name", ["HFP8_FWD", "E5M2", "E3M4B3:flush:fn"])
def test_every_random_word_of_sr(name: str) -> None:
    fmt, how = parse_format(name), parse_rounding("SR(4)")
    values = np.repeat(edge_values(fmt)[::17], 16)
    rbits = np.tile(np.arange(16), len(values) // 16)
    codes = quantize(values, fmt, rounding=how, rbits=rbits)
    for k, value in enumerate(values.tolist()):
        want, _ = scalar.quantize(scalar.from_float(value), fmt, how, "saturate", int(rbits[k]))
        assert int(codes[k]) == want


@pytest.mark.parametrize("bias", [-16, -1, 0, 11, 30, 47])
@pytest.mark.parametrize("name", ["HFP8_FWD", "HFP8_BWD", "E4M3FNUZ"])
def test_runtime_bias_is_the_format_with_that_bias(name: str, bias: int) -> None:
    fmt = parse_format(name)
    other = fmt.with_bias(bias)
    values = edge_values(other)
    np.testing.assert_array_equal(quantize(values, fmt, bias=bias), quantize(values, other))
    codes = np.arange(256)
    np.testing.assert_array_equal(decode(codes, fmt, bias=bias), decode(codes, other))
    np.testing.assert_array_equal(decode(codes, other), [other.value(c) for c in range(256)])


def test_runtime_bias_for_each_element() -> None:
    values, biases = np.full(64, 0.7), np.arange(-16, 48)
    codes = quantize(values, "HFP8_FWD", bias=biases)
    one_by_one = [quantize(0.7, CATALOGUE["HFP8_FWD"].with_bias(int(b))) for b in biases]
    np.testing.assert_array_equal(codes, one_by_one)


@pytest.mark.parametrize("out", ["exact", "HFP8_BWD", "DLFLOAT16", "E4M3FN", "FP32"])
@pytest.mark.parametrize("a", ["HFP8_FWD", "HFP8_BWD", "E5M2"])
def test_mul_on_random_pairs(a: str, out: str) -> None:
    rng = np.random.default_rng(7)
    b = "HFP8_FWD" if a != "E5M2" else "E4M3FN"
    fmt_a, fmt_b = parse_format(a), parse_format(b)
    pairs = rng.integers(0, 256, (500, 2))
    pairs[:100] = rng.choice(BUSY, (100, 2))
    codes, flags = mul(pairs[:, 0], pairs[:, 1], a, b, out, rounding="RNE", flags=True)
    exact = out == "exact"
    target = product_format([fmt_a], [fmt_b]) if exact else parse_format(out)
    policy = "special" if exact and target.has_nan else "saturate"
    for k, (x, y) in enumerate(pairs.tolist()):
        product, invalid = scalar.multiply(scalar.decode(x, fmt_a), scalar.decode(y, fmt_b))
        want = scalar.quantize(product, target, parse_rounding("RNE"), policy, invalid=invalid)
        assert (int(codes[k]), int(flags[k])) == want


def test_exact_products_lose_nothing() -> None:
    for a, b in (("HFP8_FWD", "HFP8_FWD"), ("HFP8_BWD", "HFP8_FWD"), ("E5M2", "E4M3FN")):
        grid = np.meshgrid(np.arange(256), np.arange(256))
        target = product_format([parse_format(a)], [parse_format(b)])
        codes, flags = mul(*grid, a, b, flags=True)
        with np.errstate(invalid="ignore"):
            want = decode(grid[0], a) * decode(grid[1], b)
        np.testing.assert_array_equal(decode(codes, target), want)
        assert not (flags[np.isfinite(want)]).any()


def _sums(rng: np.random.Generator) -> tuple[Any, Any]:
    """Operand codes: random, or busy ones in pairs that cancel."""
    depth = int(rng.choice([1, 2, 3, 7, 9, 20]))
    if rng.random() < 0.5:
        return rng.integers(0, 256, (6, depth)), rng.integers(0, 256, (6, depth))
    a, b = rng.choice(BUSY, (6, depth)), rng.choice(BUSY, (6, depth))
    if depth % 2 == 0:
        a[:, 1::2], b[:, 1::2] = a[:, ::2], b[:, ::2] ^ 0x80
    return a, b


def _check_dot(rng: np.random.Generator, semantics: str) -> None:
    fmt_a, fmt_b = (parse_format(str(rng.choice(OPERANDS))) for _ in range(2))
    acc = parse_format(str(rng.choice(ACCUMULATORS)))
    a, b = _sums(rng)
    how = parse_rounding(str(rng.choice(ALL_ROUNDINGS[:6])))
    if rng.random() < 0.2:
        how = default_rounding(acc)
    policy = str(rng.choice(["special", "saturate"]))
    chunk, lanes = int(rng.choice([1, 2, 3, 4, 64])), int(rng.choice([1, 2, 3, 4]))
    options = {"semantics": semantics, "chunk": chunk, "lanes": lanes, "overflow": policy}
    codes, flags = dot(a, b, fmt_a, fmt_b, acc, rounding=how, flags=True, **options)
    product = matmul(a, b.T, fmt_a, fmt_b, acc, rounding=how, **options)
    np.testing.assert_array_equal(np.diag(product), codes)
    for row in range(len(a)):
        want = scalar.dot(
            [scalar.decode(int(c), fmt_a) for c in a[row]],
            [scalar.decode(int(c), fmt_b) for c in b[row]],
            acc, how, policy, semantics, chunk, lanes,
        )  # fmt: skip
        assert (int(codes[row]), int(flags[row])) == want, (a[row], b[row], options, how)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("semantics", SEMANTICS)
def test_dot(semantics: str, seed: int) -> None:
    rng = np.random.default_rng([11, seed])
    for _ in range(12):
        _check_dot(rng, semantics)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("semantics", SEMANTICS)
def test_dot_at_length(semantics: str, seed: int) -> None:
    rng = np.random.default_rng([12, seed])
    for _ in range(40):
        _check_dot(rng, semantics)


def test_fma_starts_anywhere() -> None:
    rng = np.random.default_rng(13)
    acc = CATALOGUE["DLFLOAT16"]
    a, b, c = rng.integers(0, 256, 400), rng.integers(0, 256, 400), rng.integers(0, 1 << 16, 400)
    codes, flags = fma(a, b, c, "HFP8_BWD", "HFP8_FWD", acc, flags=True)
    for k in range(400):
        term = scalar.multiply(
            scalar.decode(int(a[k]), CATALOGUE["HFP8_BWD"]),
            scalar.decode(int(b[k]), CATALOGUE["HFP8_FWD"]),
        )
        total, invalid = scalar.add([scalar.decode(int(c[k]), acc), term[0]], default_rounding(acc))
        want = scalar.quantize(
            total, acc, default_rounding(acc), "special", invalid=invalid or term[1]
        )
        assert (int(codes[k]), int(flags[k])) == want


def test_hybrid_mode_selects_the_format() -> None:
    rng = np.random.default_rng(14)
    a, b = rng.integers(0, 256, (2, 30, 9))
    for mode_a, name_a in enumerate(("HFP8_FWD", "HFP8_BWD")):
        for mode_b, name_b in enumerate(("HFP8_FWD", "HFP8_BWD")):
            by_mode = dot(a, b, "HFP8", "HFP8", "DLFLOAT16", mode_a=mode_a, mode_b=mode_b)
            np.testing.assert_array_equal(by_mode, dot(a, b, name_a, name_b, "DLFLOAT16"))
