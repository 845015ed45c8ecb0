"""Every fast path of the golden model against exact rationals, at the edges where it applies."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hfp8_hw import FloatFormat, ParameterError, parse_format
from hfp8_hw.formats import SPECIALS, ZERO_EXP
from hfp8_hw.golden import decode, dot, matmul, quantize, scalar, sgd_update
from hfp8_hw.golden.fast import jit, lookup
from hfp8_hw.rounding import parse_rounding

DETERMINISTIC = ("RNE", "RNA", "RTZ", "RUP", "RDN", "RTO")


@pytest.fixture(params=["numpy", "numba"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each engine, however small the arrays are."""
    monkeypatch.setenv("HFP8_NUMBA", "1" if request.param == "numba" else "0")
    monkeypatch.setattr(jit, "_WORTH_COMPILING", 0)
    assert (jit.kernels(1) is None) == (request.param == "numpy")
    return str(request.param)


def edge_biases(exp_bits: int, man_bits: int) -> set[int]:
    """Where the conditions of the paths change: ends of binary32, of the table, of the formats."""
    ends = {-128, 383, -127, 126, 127, 128, 149, 150}
    ends |= {(1 << exp_bits) - 128 + k for k in (-2, -1, 0)} | {-104 - man_bits, -103 - man_bits}
    return ends | {k - man_bits for k in (130, 131, 132, 133, 149, 150)}


def edge_formats(rng: np.random.Generator, count: int, width: int | None = None) -> Iterator[Any]:
    """Formats with biases at those edges or anywhere."""
    for _ in range(count):
        exp_bits = int(rng.integers(2, 9 if width is None else width - 1))
        most = 23 if width is None else width - 1 - exp_bits
        man_bits = most if width else int(rng.integers(1, most + 1))
        edges = sorted(b for b in edge_biases(exp_bits, man_bits) if -128 <= b <= 383)
        bias = int(rng.choice(edges)) if rng.random() < 0.7 else int(rng.integers(-128, 384))
        zero_exp, specials = str(rng.choice(ZERO_EXP)), str(rng.choice(SPECIALS))
        yield FloatFormat(exp_bits, man_bits, bias, zero_exp, specials)


def single_values(fmt: FloatFormat, rng: np.random.Generator) -> NDArray[np.float32]:
    """float32 at and beside the format's values and halfway points, and at float32's own ends."""
    man = 1 << fmt.man_bits
    codes = [0, 1, 2, man - 1, man, man + 1, fmt.max_code - 1, fmt.max_code, fmt.max_code + 1]
    codes += rng.integers(0, fmt.max_code, 4).tolist()
    exact = []
    for code in codes:
        low, high = scalar.magnitude(code, fmt), scalar.magnitude(code + 1, fmt)
        exact += [low, (low + high) / 2]
    with np.errstate(over="ignore", under="ignore"):
        near = np.array([float(v) for v in exact]).astype(np.float32)
        ends = np.array([1, 2, 3, 0xFFFF, 1 << 16, 3 << 16, (1 << 23) - 1, 1 << 23, 0x7F7FFFFF])
        near = np.concatenate([near, ends.astype(np.uint32).view(np.float32)])
        near = np.concatenate([near, np.nextafter(near, np.float32(0)), near * np.float32(1.01)])
    near = np.unique(near[np.isfinite(near)])
    signs = np.where(rng.random(near.size) < 0.5, np.float32(-1), np.float32(1))
    tail = np.array([0.0, -0.0, math.inf, -math.inf, math.nan], np.float32)
    return np.concatenate([near * signs, tail])


def wanted(
    values: NDArray[Any], fmt: FloatFormat, rounding: str, overflow: str, rbits: Any = None
) -> list[tuple[int, int]]:
    """Codes and flags by the rational twin."""
    how = parse_rounding(rounding)
    words = [None] * values.size if rbits is None else rbits.tolist()
    return [
        scalar.quantize(scalar.from_float(float(v)), fmt, how, overflow, r)
        for v, r in zip(values, words, strict=True)
    ]


def check(want: list[tuple[int, int]], got: Any, what: object) -> None:
    codes, flags = got
    found = list(zip(codes.reshape(-1).tolist(), flags.reshape(-1).tolist(), strict=True))
    assert found == want, what


def policy(fmt: FloatFormat, rng: np.random.Generator) -> str:
    return "special" if fmt.has_nan and rng.random() < 0.5 else "saturate"


VIEWS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "as it is": lambda x: x,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "strided": lambda x: np.repeat(x, 3)[1::3],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "a column": lambda x: x[:, None],
    "a list": lambda x: x.tolist(),
    "binary64": lambda x: x.astype(np.float64),
    "big-endian binary64": lambda x: x.astype(">f8"),
}
CODES: dict[str, Callable[[NDArray[Any]], Any]] = {
    "uint32": lambda x: x.view(np.uint32),
    "big-endian uint32": lambda x: x.view(np.uint32).astype(">u4"),
    "strided uint32": lambda x: np.repeat(x.view(np.uint32), 2)[::2],
    "int64": lambda x: x.view(np.uint32).astype(np.int64),
    "uint64": lambda x: x.view(np.uint32).astype(np.uint64),
    "a list": lambda x: x.view(np.uint32).tolist(),
}


def check_single(fmt: FloatFormat, rng: np.random.Generator, rounding: str) -> None:
    """float32 values, and FP32 codes, in every dtype and layout."""
    values, overflow = single_values(fmt, rng), policy(fmt, rng)
    how: dict[str, Any] = {"rounding": rounding, "overflow": overflow}
    if rounding.startswith("SR"):
        top = 1 << parse_rounding(rounding).sr_bits
        how["rbits"] = rng.choice([0, 1, top // 2, top - 1, int(rng.integers(0, top))], values.size)
    want = wanted(values, fmt, rounding, overflow, how.get("rbits"))
    for what, present in VIEWS.items():
        if "rbits" in how and what == "a column":
            continue
        check(want, quantize(present(values), fmt, flags=True, **how), (fmt, how, what))
    for what, present in CODES.items():
        got = quantize(present(values), fmt, src="FP32", flags=True, **how)
        check(want, got, (fmt, how, what))
    plain = quantize(values, fmt, **how)  # without flags some paths are others
    assert plain.tolist() == [code for code, _ in want], (fmt, how)


@pytest.mark.parametrize("seed", range(2))
def test_single_precision(seed: int, engine: str) -> None:
    rng = np.random.default_rng([51, seed])
    for width in (8, 8, 6, None):
        for fmt in edge_formats(rng, 5, width):
            check_single(fmt, rng, str(rng.choice(DETERMINISTIC)))


def test_nearest_at_the_edges_of_its_range(engine: str) -> None:
    """Few fields, so that few kernels are compiled; every bias where something changes."""
    rng = np.random.default_rng(52)
    for exp_bits, man_bits in ((6, 1), (4, 3)):
        for bias in sorted(edge_biases(exp_bits, man_bits)):
            for zero_exp in ZERO_EXP:
                check_single(FloatFormat(exp_bits, man_bits, bias, zero_exp, "ieee"), rng, "RNE")


@pytest.mark.parametrize("bits", [1, 12, 32])
def test_stochastic_single_precision(bits: int, engine: str) -> None:
    rng = np.random.default_rng([53, bits])
    for fmt in edge_formats(rng, 6, 8):
        check_single(fmt, rng, f"SR({bits})")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_single_precision_at_length(seed: int, engine: str) -> None:
    rng = np.random.default_rng([54, seed])
    for width in (8, 8, 7, 5, None):
        for fmt in edge_formats(rng, 20, width):
            check_single(fmt, rng, str(rng.choice([*DETERMINISTIC, "SR(4)"])))


def test_the_table_is_used_wherever_it_is_right() -> None:
    """By hand: half a step at the bottom of E4M3 is 2**(-B-3), of `normal` formats 2**(-B-4)."""
    right = {"E4M3B129": True, "E4M3B130": False, "E4M3B128:normal": True, "E3M5": False}
    right |= {"E4M3B129:normal": False, "E4M3B-128": True}
    for text, applies in right.items():
        assert lookup.applies(parse_format(text)) == applies, text


def test_arithmetic_is_used_wherever_it_is_right() -> None:
    """By hand: the constant of subnormals is 2**(24-B-M), and 2**127 is the largest power there is.
    It was taken beyond that, and subnormals came out as something else."""
    right = {"E4M3B-106": True, "E4M3B-107": False, "E4M3B-107:flush": True, "E2M5B-108": True,
             "E2M5B-109": False, "E4M3": True}  # fmt: skip
    for text, applies in right.items():
        assert lookup.nearest_applies(parse_format(text)) == applies, text


def test_half_precision_and_integers() -> None:
    rng = np.random.default_rng(55)
    halves = np.concatenate([rng.integers(0, 1 << 16, 60), [0x7C00, 0xFC00, 0x7E00, 1, 0x8000]])
    halves = halves.astype(np.uint16).view(np.float16)
    for fmt in edge_formats(rng, 6):
        rounding, overflow = str(rng.choice(DETERMINISTIC)), policy(fmt, rng)
        how: dict[str, Any] = {"rounding": rounding, "overflow": overflow, "flags": True}
        want = wanted(halves, fmt, rounding, overflow)
        for x in (halves, halves.astype(">f2"), np.repeat(halves, 2)[::2]):
            check(want, quantize(x, fmt, **how), fmt)
        for dtype in ("i1", "i2", ">i2", "i4", ">i4", "i8", ">i8"):
            limit = min(np.iinfo(dtype).max, 1 << 53)
            x = np.concatenate([[-limit, -1, 0, 1, limit], rng.integers(-limit, limit, 8)])
            want = wanted(x.astype(object), fmt, rounding, overflow)
            check(want, quantize(x.astype(dtype), fmt, **how), (fmt, dtype))
            check(want, quantize(x.tolist(), fmt, **how), (fmt, dtype))


@pytest.mark.parametrize(
    "x",
    [
        [2**53 + 1],
        [-(2**53) - 1],
        np.array([2**53 + 1]),
        np.array([-(2**63)]),
        np.array(2**53 + 1, ">i8"),
        [2**53 + 1, 0.5],
        [[0.5, 1.0], [np.int64(2**53 + 1), 2.0]],
        [2**63, -1],
        2**53 + 1,
        2**63,
        2**64,
        10**5000,
        np.array([2**64, 1], object),
        np.array([2**53 + 1], np.uint64),
        np.array([2**53 + 1], np.longdouble),
    ],
    ids=map(str, itertools.count()),
)
def test_integers_that_binary64_lacks_are_refused(x: Any) -> None:
    with pytest.raises(ParameterError, match=r"^x[ =]"):
        quantize(x, "FP32", rounding="RUP", flags=True)


@pytest.mark.parametrize("seed", range(3))
def test_scaled_products_are_exact(seed: int) -> None:
    """From one end of binary64 to the other, by scales that lead out of it."""
    rng = np.random.default_rng([56, seed])
    values = np.array([5e-324, -5e-324, 2**-1074 * 3, 2.0**-1022, 1e308, -1.7e308, 1.0, -0.0])
    values = np.concatenate([values, [math.inf, -math.inf, math.nan], rng.standard_normal(4)])
    scales = rng.choice([-64, -63, -1, 0, 1, 62, 63], values.size)
    for fmt in (*edge_formats(rng, 8), parse_format("E4M3FN"), parse_format("E5M2")):
        rounding, overflow = str(rng.choice(DETERMINISTIC)), policy(fmt, rng)
        want = []
        for x, scale in zip(values.tolist(), scales.tolist(), strict=True):
            exact = scalar.from_float(x)
            if isinstance(exact, Fraction):
                exact *= Fraction(2) ** scale
            want.append(scalar.quantize(exact, fmt, parse_rounding(rounding), overflow))
        how: dict[str, Any] = {"rounding": rounding, "overflow": overflow, "flags": True}
        check(want, quantize(values, fmt, scale=scales, **how), (fmt, how))


def test_scales_that_lead_out_of_binary64() -> None:
    """By hand: 2**-1075 lies below every value of E4M3FN, whose smallest has the code 1."""
    codes, flags = quantize([5e-324], "E4M3FN", rounding="RUP", scale=-1, flags=True)
    assert (codes.tolist(), flags.tolist()) == ([1], [6])
    huge = quantize([1e308], "E5M2", rounding="RTZ", overflow="special", scale=63)
    assert huge.tolist() == [0x7B]


def test_decode_of_every_range() -> None:
    rng = np.random.default_rng(57)
    for fmt in edge_formats(rng, 60):
        codes = np.concatenate([rng.integers(0, 1 << fmt.width, 12), [0, 1, fmt.max_code]])
        bias = None if rng.random() < 0.5 else int(rng.integers(-128, 384))
        as_if = fmt if bias is None else fmt.with_bias(bias)
        for value, code in zip(decode(codes, fmt, bias=bias).tolist(), codes.tolist(), strict=True):
            assert scalar.from_float(value) == scalar.decode(code, as_if), (as_if, code)


# Sums that the binary32 path must leave to the general one: an operand below or beyond binary32
# though products are not; sums that rounding drives past the largest value although the products
# add up to less.
SUMS = [
    ("E4M3B160:fn", 2.0**-160, "E4M3B-110:fn", 2.0**110, "BF16", 2),
    ("E4M3B-124:fn", 2.0**130, "E4M3B140:fn", 2.0**-130, "BF16", 3),
    ("E4M4", 17.0, "E4M4", 1.0, "E5M7B19:fn", 400),
]


@pytest.mark.parametrize("rounding", ["RNE", "RNA"])
@pytest.mark.parametrize(("fmt_a", "a", "fmt_b", "b", "acc", "depth"), SUMS)
def test_matmul_beyond_binary32(
    fmt_a: str, a: float, fmt_b: str, b: float, acc: str, depth: int, rounding: str, engine: str
) -> None:
    forms, target = (parse_format(fmt_a), parse_format(fmt_b)), parse_format(acc)
    codes = [int(quantize(v, f)) for v, f in ((a, forms[0]), (b, forms[1]))]
    terms = [[scalar.decode(c, f)] * depth for c, f in zip(codes, forms, strict=True)]
    assert terms[0][0] == Fraction(a) and terms[1][0] == Fraction(b)
    want, _ = scalar.dot(*terms, target, parse_rounding(rounding), "special", "fma")
    x, y = np.full((1, depth), codes[0]), np.full((depth, 1), codes[1])
    for kind in (np.uint8, np.int64, np.uint64):
        operands = x.astype(np.int64).astype(np.uint16), y.astype(np.int64).astype(np.uint16)
        narrow = [
            v.astype(kind) if f.width <= 8 else v for v, f in zip(operands, forms, strict=True)
        ]
        got = matmul(*narrow, fmt_a, fmt_b, acc, semantics="fma", rounding=rounding)
        assert got.tolist() == [[want]]


@pytest.mark.parametrize("seed", range(4))
def test_matmul_of_any_formats(seed: int, engine: str) -> None:
    """Biases anywhere, so that sums land within, around and outside the accumulator's range."""
    rng = np.random.default_rng([58, seed])
    for _ in range(6):
        a, b = (next(edge_formats(rng, 1, 8)) for _ in range(2))
        middle = int(np.clip(20 + a.bias + b.bias, -128, 383)) if rng.random() < 0.7 else 127
        acc = FloatFormat(8, int(rng.integers(1, 12)), min(middle, 383), "gradual", "ieee")
        x, y = rng.integers(0, 256, (2, 5)), rng.integers(0, 256, (5, 3))
        rounding = str(rng.choice(["RNE", "RNA", "RTZ"]))
        how: dict[str, Any] = {"rounding": rounding, "semantics": "chunked", "chunk": 3}
        got = matmul(x, y, a, b, acc, **how)
        for i in range(2):
            for j in range(3):
                left = [scalar.decode(int(c), a) for c in x[i]]
                right = [scalar.decode(int(c), b) for c in y[:, j]]
                want = scalar.dot(
                    left, right, acc, parse_rounding(rounding), "special", "chunked", 3
                )
                assert int(got[i, j]) == want[0], (a, b, acc, how)


def test_every_random_bit_of_a_weight_counts() -> None:
    """w - rate v needs 56 bits before SR(32) to 24: more than binary64 has."""
    one, fmt, how = 0x3F800000, parse_format("FP32"), parse_rounding("SR(32)")
    for power in (-54, -55, -56):
        rate = int(quantize(2.0**power, fmt))
        step = Fraction(1) - Fraction(2) ** power
        for r in (0, 1, 2**31, 2**32 - 1, *(2**32 - (1 << k) for k in range(6))):
            want = scalar.quantize(step, fmt, how, "saturate", random=r)
            new, _, flags = sgd_update(
                one, 0, one, rate, 0, fmt=fmt, acc=fmt, rounding=how, rbits=r, flags=True
            )
            assert (int(new), int(flags)) == want, (power, r)


def test_cut_off_sums_with_one_bias() -> None:
    """The other bias is the format's own: the same bits as with both given."""
    a, b = np.array([[0x38, 0x31, 0x01]]), np.array([[0x3C, 0x41, 0x02]])
    formats = "E4M3FN", "E5M2", "FP32"
    how: dict[str, Any] = {"semantics": "exact", "drop": 4}
    both = dot(a, b, *formats, bias_a=[9], bias_b=[15], **how)
    assert dot(a, b, *formats, bias_a=[9], **how).tolist() == both.tolist()
    assert dot([1], [1], *formats, bias_a=[7], **how) == dot([1], [1], *formats, **how)
