"""Fixed-point sums, cut-off products and element-wise functions against exact rationals."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from hfp8_hw import CATALOGUE, FloatFormat, ParameterError
from hfp8_hw.fixed import fixed_point
from hfp8_hw.golden import (
    add,
    decode,
    dot,
    fixed_dot,
    loss_scale,
    maximum,
    quantize,
    quantize_tracked,
    relu,
    scalar,
    sgd_update,
    weight_update,
    xorshift32,
)
from hfp8_hw.golden.random import lane_seeds
from hfp8_hw.rounding import default_rounding, parse_rounding

PAIRS = [("HFP8_FWD", "HFP8_FWD"), ("HFP8_BWD", "HFP8_FWD"), ("E4M3FN", "E5M2"), ("P3109_8P3",) * 2]


def fraction(code: int, fmt: str) -> Fraction | None:
    """The value of a code; None for NaN and infinities."""
    value = CATALOGUE[fmt].value(code)
    return Fraction(value) if np.isfinite(value) else None


def cut(x: Fraction, lsb: int) -> int:
    """x in units of 2**lsb, toward zero."""
    scaled = abs(x) / Fraction(2) ** lsb
    return (-1 if x < 0 else 1) * (scaled.numerator // scaled.denominator)


@pytest.mark.parametrize("drop", [0, 5, 20])
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_fixed_dot(a: str, b: str, drop: int) -> None:
    rng = np.random.default_rng([31, drop])
    formats = (CATALOGUE[a],), (CATALOGUE[b],)
    fixed = fixed_point(*formats, 50, drop=drop)
    x, y = rng.integers(0, 256, (2, 40, 9))
    codes, flags = fixed_dot(x, y, a, b, terms=50, drop=drop, flags=True)
    for k in range(40):
        pairs = [
            (fraction(int(i), a), fraction(int(j), b)) for i, j in zip(x[k], y[k], strict=True)
        ]
        if any(i is None or j is None for i, j in pairs):
            assert (int(codes[k]), int(flags[k])) == (0, 8)
            continue
        total = sum(cut(i * j, fixed.lsb) for i, j in pairs if i is not None and j is not None)
        assert abs(total) < 1 << (fixed.width - 1)
        assert (int(codes[k]), int(flags[k])) == (total % (1 << fixed.width), 0)


def test_fixed_dot_wraps_beyond_its_terms() -> None:
    """More products than promised: the sum modulo 2**width, as the register has it."""
    largest = np.full(40, 0x7F)
    one = int(fixed_dot(largest[:1], largest[:1], "HFP8_FWD", "HFP8_FWD", terms=3))
    width = fixed_point((CATALOGUE["HFP8_FWD"],), (CATALOGUE["HFP8_FWD"],), 3).width
    many = fixed_dot(largest, largest, "HFP8_FWD", "HFP8_FWD", terms=3)
    assert int(many) == one * 40 % (1 << width) != one * 40


def test_fixed_dot_with_biases_is_unbiased() -> None:
    rng = np.random.default_rng(32)
    x, y = rng.integers(0, 256, (2, 5, 7))
    biases = {"bias_a": np.full((5, 1), 9), "bias_b": np.full((5, 1), -3)}
    plain = {name: np.zeros((5, 1), np.int64) for name in biases}
    moved = fixed_dot(x, y, "HFP8_FWD", "HFP8_FWD", **biases)
    np.testing.assert_array_equal(moved, fixed_dot(x, y, "HFP8_FWD", "HFP8_FWD", **plain))


@pytest.mark.parametrize("drop", [4, 7, 12])
@pytest.mark.parametrize(("a", "b"), PAIRS[:2])
def test_bound_of_cut_off_products(a: str, b: str, drop: int) -> None:
    """Every pair of codes: less than one unit of the last bit away, toward zero."""
    lsb = fixed_point((CATALOGUE[a],), (CATALOGUE[b],), 1, drop=drop).lsb
    x, y = (axis.reshape(-1) for axis in np.meshgrid(np.arange(256), np.arange(256)))
    exact = decode(x, a) * decode(y, b)
    finite = np.isfinite(exact)
    exact = exact[finite]
    # FP32 holds every product, so the sum of one product is that product, cut off.
    options = {"semantics": "exact", "drop": drop}
    codes = dot(x[finite, None], y[finite, None], a, b, "FP32", **options)
    kept = decode(codes, "FP32")
    assert (np.abs(exact - kept) < 2.0**lsb).all()
    assert (np.abs(kept) <= np.abs(exact)).all()
    assert np.abs(exact - kept).max() > 2.0 ** (lsb - 1)  # the bound is not idle


def test_cut_off_chunks() -> None:
    rng = np.random.default_rng(33)
    x, y = rng.integers(0, 256, (2, 30, 10))
    fmt, acc = CATALOGUE["HFP8_FWD"], CATALOGUE["DLFLOAT16"]
    lsb = fixed_point((fmt,), (fmt,), 1, drop=11).lsb
    codes = dot(x, y, fmt, fmt, acc, semantics="exact_chunk", chunk=4, drop=11)
    how = default_rounding(acc)
    for k in range(30):
        total = 0
        for start in range(0, 10, 4):
            part = sum(
                cut(Fraction(fmt.value(int(i))) * Fraction(fmt.value(int(j))), lsb)
                for i, j in zip(x[k, start : start + 4], y[k, start : start + 4], strict=True)
            )
            value = float(Fraction(part) * Fraction(2) ** lsb)
            chunk, _ = scalar.quantize(scalar.from_float(value), acc, how, "special")
            terms = [scalar.decode(total, acc), scalar.decode(chunk, acc)]
            total, _ = scalar.quantize(scalar.add(terms, how)[0], acc, how, "special")
        assert int(codes[k]) == total


@pytest.mark.parametrize("rounding", ["RNE", "RNA", "RTZ", "RUP", "RDN", "RTO"])
@pytest.mark.parametrize("name", ["HFP8_BWD", "E4M3FNUZ", "DLFLOAT16", "FP16", "FP32"])
def test_add(name: str, rounding: str) -> None:
    rng = np.random.default_rng(34)
    fmt, how = CATALOGUE[name], parse_rounding(rounding)
    a = rng.integers(0, 1 << fmt.width, 400)
    near = (a ^ rng.integers(0, 8, 400)) ^ fmt.sign_mask
    b = np.where(rng.random(400) < 0.5, near, rng.integers(0, 1 << fmt.width, 400))
    codes, flags = add(a, b, fmt, rounding=rounding, flags=True)
    for k in range(400):
        terms = [scalar.decode(int(c), fmt) for c in (a[k], b[k])]
        total, invalid = scalar.add(terms, how)
        want = scalar.quantize(total, fmt, how, "special", invalid=invalid)
        assert (int(codes[k]), int(flags[k])) == want


@pytest.mark.parametrize("name", ["HFP8_FWD", "HFP8_BWD", "E5M2", "E4M3FNUZ", "P3109_8P4"])
def test_maximum_and_relu(name: str) -> None:
    """Every pair of codes, by Python's floats."""
    fmt = CATALOGUE[name]
    values = [fmt.value(c) for c in range(256)]
    every = np.arange(256)
    largest, flags = maximum(every[:, None], every[None], fmt, flags=True)
    assert not flags.any()
    for i, x in enumerate(values):
        for j, y in enumerate(values):
            if x != x or y != y:
                want = fmt.nan_code
            elif x == y:
                want = min(i, j)  # the code without the sign bit, where that is all that differs
            else:
                want = i if x > y else j
            assert int(largest[i, j]) == want
    for code, x in zip(relu(every, fmt).tolist(), values, strict=True):
        assert code == (fmt.nan_code if x != x else values.index(x) if x > 0 else 0)


def test_xorshift32_is_marsaglias() -> None:
    """The sequence from 2463534242 as published: Marsaglia 2003, and any xorshift32 since."""
    words = xorshift32(2463534242, 3).tolist()
    assert words == [723471715, 2497366906, 2064144800]
    assert np.unique(xorshift32(1, 5000)).size == 5000


def test_generated_random_bits() -> None:
    x = np.random.default_rng(35).standard_normal((50, 4))
    words = xorshift32(7, 50).astype(np.int64)[:, None] >> (32 - 9)
    made = quantize(x, "HFP8_BWD", rounding="SR(9)", random="xorshift32", seed=7)
    np.testing.assert_array_equal(made, quantize(x, "HFP8_BWD", rounding="SR(9)", rbits=words))


@pytest.mark.parametrize("scale", [-64, -3, 0, 12, 63])
def test_scale(scale: int) -> None:
    x = np.random.default_rng(36).standard_normal(500).astype(np.float32)
    x = np.append(x, np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45]))
    scaled = quantize(x, "E5M2", scale=scale, overflow="special", flags=True)
    plain = quantize(x.astype(np.float64) * 2.0**scale, "E5M2", overflow="special", flags=True)
    np.testing.assert_array_equal(scaled, plain)


def test_weight_update() -> None:
    """Each step in exact rationals, for random weights; and nothing is lost but in rounding."""
    rng = np.random.default_rng(37)
    fmt, acc = CATALOGUE["HFP8_FWD"], CATALOGUE["DLFLOAT16"]
    how = default_rounding(acc)
    w = rng.integers(0, 256, 300)
    r, u = (quantize(rng.standard_normal(300) * s, acc).astype(np.int64) for s in (0.1, 0.02))
    new, left, flags = weight_update(w, r, u, flags=True)

    def rounded(*terms: scalar.Value) -> int:
        total, _ = scalar.add(list(terms), how)
        return scalar.quantize(total, acc, how, "special")[0]

    for k in range(300):
        start = rounded(scalar.decode(int(w[k]), fmt), scalar.decode(int(r[k]), acc))
        minus = scalar.decode(int(u[k]) ^ acc.sign_mask, acc)
        target = scalar.decode(rounded(scalar.decode(start, acc), minus), acc)
        code, marks = scalar.quantize(target, fmt, parse_rounding("RNE"), "saturate")
        rest = rounded(target, scalar.decode(code ^ fmt.sign_mask, fmt))
        assert (int(new[k]), int(left[k]), int(flags[k])) == (code, rest, marks)


def test_sgd_update() -> None:
    """Both steps in exact rationals, the weight by the definition of stochastic rounding."""
    rng = np.random.default_rng(38)
    fmt, acc = CATALOGUE["HFP8_FWD"], CATALOGUE["DLFLOAT16"]
    w = rng.integers(0, 256, 300)
    v, g = (quantize(rng.standard_normal(300) * s, acc).astype(np.int64) for s in (1.0, 0.3))
    rate, decay = (int(quantize(x, acc)) for x in (0.05, 0.9))
    rbits = rng.integers(0, 1 << 9, 300)
    new, moved, flags = sgd_update(
        w, v, g, rate, decay, fmt=fmt, rounding="SR(9)", rbits=rbits, flags=True
    )
    how = default_rounding(acc)

    def value(code: int, of: FloatFormat) -> Fraction:
        return Fraction(of.value(code))

    for k in range(300):
        total = value(int(g[k]), acc) + value(decay, acc) * value(int(v[k]), acc)
        momentum, _ = scalar.quantize(total, acc, how, "special")
        assert int(moved[k]) == momentum
        step = value(int(w[k]), fmt) - value(rate, acc) * value(momentum, acc)
        code, marks = scalar.quantize(
            step, fmt, parse_rounding("SR(9)"), "saturate", random=int(rbits[k])
        )
        assert (int(new[k]), int(flags[k])) == (code, marks)
    made = sgd_update(w, v, g, rate, decay, fmt=fmt, rounding="SR(9)", random="xorshift32", seed=3)
    words = xorshift32(3, 300).astype(np.int64) >> 23
    given = sgd_update(w, v, g, rate, decay, fmt=fmt, rounding="SR(9)", rbits=words)
    for one, other in zip(made, given, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("src", ["FP32", "E4M3FNUZ", "HFP8_FWD"])
def test_quantize_tracked(src: str) -> None:
    """The largest magnitude and the flags by going through the list again for every element."""
    rng = np.random.default_rng(39)
    fmt = CATALOGUE[src]
    x = rng.integers(0, 1 << fmt.width, (40, 3))
    x[:35] = quantize(rng.standard_normal((35, 3)) * 8, fmt)
    clear = rng.random(40) < 0.2
    codes, marks, amax, sticky = quantize_tracked(
        x, "HFP8_BWD", src=fmt, clear=clear, lanes=3, overflow="special"
    )
    plain = quantize(x, "HFP8_BWD", src=fmt, overflow="special", flags=True)
    np.testing.assert_array_equal(codes, plain[0])
    np.testing.assert_array_equal(marks, plain[1])
    for t in range(40):
        start = max([s for s in range(t + 1) if clear[s]], default=0)
        sizes = [abs(fmt.value(int(c))) for c in x[start : t + 1].ravel()]
        largest = fmt.value(int(amax[t]))
        assert (largest != largest) if any(s != s for s in sizes) else largest == max(sizes)
        seen = 0
        for mark in marks[start : t + 1].ravel().tolist():
            seen |= mark
        assert int(sticky[t]) == seen


def test_quantize_tracked_says_what_is_wrong() -> None:
    with pytest.raises(ParameterError, match="lanes=3 is not allowed for shape"):
        quantize_tracked([[1, 2]], "E5M2", src="E5M2", clear=[0], lanes=3)
    with pytest.raises(ParameterError, match=r"clear has shape \(3,\), which is not allowed"):
        quantize_tracked([1, 2], "E5M2", src="E5M2", clear=[0, 1, 0])


def test_lanes_have_random_words_far_apart() -> None:
    """Lane k starts 2**26 words after lane k - 1: by steps of the images of single bits."""
    seeds = lane_seeds(12345, 3)
    assert seeds[0] == 12345 and lane_seeds(seeds[1], 2)[1] == seeds[2]
    one = {1 << k: int(xorshift32(1 << k, 1)[0]) for k in range(32)}
    word, steps = 12345, one
    for _ in range(5):
        word = _apply(one, word)
    assert word == xorshift32(12345, 5)[-1]
    for _ in range(26):
        steps = {bit: _apply(steps, image) for bit, image in steps.items()}
    assert _apply(steps, 12345) == seeds[1]


def _apply(images: dict[int, int], word: int) -> int:
    result = 0
    for bit, image in images.items():
        result ^= image if word & bit else 0
    return result


@pytest.mark.parametrize("semantics", ["chunked", "fma", "fmma", "dotN"])
def test_sums_take_turns(semantics: str) -> None:
    rng = np.random.default_rng(40)
    a, b = rng.integers(0, 128, (2, 4, 48))
    item = {"fmma": 2, "dotN": 4}.get(semantics, 1)

    def sums(x: NDArray[np.int64], y: NDArray[np.int64], interleave: int) -> NDArray[np.int64]:
        formats = "HFP8_FWD", "HFP8_FWD", "DLFLOAT16"
        codes: NDArray[np.int64] = dot(
            x, y, *formats, semantics=semantics, chunk=5, lanes=4, interleave=interleave
        )
        return codes

    got = sums(a, b, 3)
    for k in range(3):
        own = [n for n in range(48) if n // item % 3 == k]
        np.testing.assert_array_equal(got[:, k], sums(a[:, own], b[:, own], 1))
    with pytest.raises(ParameterError, match="interleave=5 is not allowed for 48 products a row"):
        sums(a, b, 5)


def test_loss_scale() -> None:
    """Step by step, as a person would."""
    overflow = [0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    want = [4, 5, 4, 4, 5, 5, 6, 6, 6, 5, 4, 3, 3]
    codes, flags = loss_scale(overflow, initial=4, growth=2, floor=3, ceiling=6, flags=True)
    assert codes.tolist() == want and flags.tolist() == overflow
    assert loss_scale([[1], [1]], initial=-3, floor=-5, ceiling=0).tolist() == [[124], [123]]


def test_bad_arguments() -> None:
    with pytest.raises(
        ParameterError, match="terms=0 is not allowed: an integer from 1 to 16777216"
    ):
        fixed_dot([1], [1], "HFP8_FWD", "HFP8_FWD", terms=0)
    with pytest.raises(ParameterError, match="drop=33 is not allowed: an integer from 0 to 32"):
        dot([1], [1], "HFP8_FWD", "HFP8_FWD", "FP32", semantics="exact", drop=33)
    with pytest.raises(ParameterError, match=r"rounding='SR\(3\)' is not allowed"):
        add([1], [1], "FP16", rounding="SR(3)")
    with pytest.raises(
        ParameterError,
        match="initial=3 is not allowed with floor=4 and ceiling=24: an integer from floor to",
    ):
        loss_scale([0], initial=3, floor=4)
    with pytest.raises(ParameterError, match="there is no axis of steps"):
        loss_scale(0)
    with pytest.raises(ParameterError, match="scale=64 is not allowed: integers from -64 to 63"):
        quantize([1.0], "E5M2", scale=64)
    with pytest.raises(ParameterError, match="seed=0 is not allowed: an integer from 1 to"):
        quantize([1.0], "E5M2", rounding="SR(3)", random="xorshift32", seed=0)
    with pytest.raises(ParameterError, match="random='xorshift32' is not allowed here"):
        quantize([1.0], "E5M2", random="xorshift32")
    with pytest.raises(ParameterError, match="fmt='FP17' is not allowed"):
        maximum([1], [1], "FP17")


@pytest.mark.parametrize("semantics", ["exact", "exact_chunk"])
def test_biases_that_differ_within_a_sum_are_refused_where_it_has_one_unit(semantics: str) -> None:
    """The unit's accumulator is a fixed-point number: its unit cannot change on the way."""
    operands = [[0x3C, 0x40]], [[0x3C, 0x41]], "E4M3FN", "E4M3FN", "FP32"
    words = "bias_b=an array is not allowed: biases that differ within a sum, which has one unit"
    with pytest.raises(ParameterError, match=words):
        dot(*operands, semantics=semantics, bias_b=[[7, 8]])
    assert dot(*operands, semantics=semantics, bias_b=[[8]]) != dot(*operands, semantics=semantics)
    dot(*operands, semantics="chunked", bias_b=[[7, 8]])
