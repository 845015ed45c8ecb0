"""Shapes, dtypes, refusals, and the fast paths against the general one."""

import inspect
from typing import Any

import numpy as np
import pytest

from hfp8_hw import CATALOGUE, ParameterError, golden, parse_format
from hfp8_hw.golden import decode, dot, fma, matmul, mul, quantize
from hfp8_hw.golden.fast import jit

from .conftest import EIGHT_BIT

A = np.arange(6, dtype=np.uint8).reshape(2, 3)


@pytest.fixture(params=["numpy", "numba"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HFP8_NUMBA", "1" if request.param == "numba" else "0")
    assert (jit.kernels(1 << 30) is None) == (request.param == "numpy")
    return str(request.param)


def test_shapes_and_dtypes() -> None:
    assert quantize(1.0, "HFP8_FWD").shape == ()
    assert quantize(np.zeros((0, 3)), "HFP8_FWD").shape == (0, 3)
    assert quantize(np.zeros((2, 3), np.float16), "FP9").dtype == np.uint16
    assert quantize([1, 2], "FP32").dtype == np.uint32
    codes, flags = quantize(np.zeros((4, 1)), "HFP8_FWD", bias=np.zeros((1, 5), int), flags=True)
    assert codes.shape == flags.shape == (4, 5)
    assert decode(A, "HFP8_FWD").dtype == np.float64
    assert dot(A, A, "HFP8_FWD", "HFP8_FWD", "DLFLOAT16").dtype == np.uint16
    assert dot(A[:, :0], A[:, :0], "HFP8_FWD", "HFP8_FWD", "FP16").tolist() == [0, 0]
    assert matmul(A, A.T, "HFP8_FWD", "HFP8_FWD", "FP32").shape == (2, 2)
    assert mul(A, A[0], "HFP8_FWD", "HFP8_FWD").shape == (2, 3)


def test_strided_and_broadcast_inputs() -> None:
    x = np.linspace(-40, 40, 7 * 50000).reshape(7, -1).astype(np.float32)
    np.testing.assert_array_equal(quantize(x.T[::3], "E4M3FN"), quantize(x, "E4M3FN").T[::3])
    np.testing.assert_array_equal(
        quantize(x[:, ::5], "E4M3FN", rounding="RUP", flags=True)[0],
        quantize(x, "E4M3FN", rounding="RUP")[:, ::5],
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: quantize(1.0, "E9"), "fmt='E9' is not allowed"),
        (lambda: quantize(1.0, "E5M2", rounding="up"), "rounding='up' is not allowed: one of RNE"),
        (lambda: quantize(1.0, "E5M2", rounding="SR"), r"rounding='SR' is not allowed.*SR\(n\)"),
        (lambda: quantize(1.0, "E5M2", rounding="SR(33)"), "n from 1 to 32"),
        (lambda: quantize(1.0, "E5M2", rounding="SR(4)"), r"rbits=None is not allowed: SR\(4\)"),
        (
            lambda: quantize(1.0, "E5M2", rounding="SR(4)", rbits=16),
            "rbits=16 is not allowed: integers from 0 to 15",
        ),
        (lambda: quantize(1.0, "E5M2", rbits=1), "rbits is not allowed with rounding='RNE'"),
        (
            lambda: quantize(1.0, "HFP8_FWD", overflow="special"),
            "overflow='special' is not allowed for HFP8_FWD: it has no Inf or NaN",
        ),
        (lambda: quantize(1.0, "E5M2", overflow="wrap"), "overflow='wrap' is not allowed: one of"),
        (lambda: quantize(1.0, "E5M2", bias=0.5), "bias=0.5 is not allowed: integers from -128"),
        (lambda: quantize(1.0, "E5M2", bias=400), "bias=400 is not allowed"),
        (lambda: quantize(A, "E5M2"), "x has dtype 'uint8', which is not allowed without src"),
        (lambda: quantize(1j, "E5M2"), "x has dtype 'complex128'"),
        (lambda: quantize("a", "E5M2"), "x has dtype '<U1'"),
        (
            lambda: quantize(2**60, "E5M2"),
            r"x holds the integer 1152921504606846976, .*none beyond 2\*\*53",
        ),
        (lambda: quantize(300, "E5M2", src="E5M2"), "src holds the code 300.* 0 to 255"),
        (lambda: quantize(1.0, "E5M2", src="E5M2"), "src has dtype 'float64'"),
        (lambda: quantize(np.zeros(3), "E5M2", bias=[1, 2]), "do not broadcast"),
        (lambda: quantize(1.0, "E5M2", src_bias=3), "not allowed without src"),
        (lambda: decode([-1], "E5M2"), "codes holds the code -1"),
        (lambda: decode([1.5], "E5M2"), "codes has dtype 'float64'"),
        (lambda: decode([1], "HFP8"), "^mode=None is not allowed"),
        (lambda: decode([1], "HFP8", mode=2), "^mode=2 is not allowed: 0"),
        (lambda: mul(A, A, "HFP8_FWD", "E5M2", mode_a=1), "mode_a is not allowed"),
        (lambda: mul(A, A[:, :2], "E5M2", "E5M2"), "do not broadcast"),
        (lambda: mul([1], [1], "FP32", "FP32"), "out='exact' is not allowed for a=FP32, b=FP32"),
        (lambda: dot(A, A[:, :2], "E5M2", "E5M2", "FP32"), r"shapes \(2, 3\) and \(2, 2\)"),
        (lambda: dot(1, 1, "E5M2", "E5M2", "FP32"), "a last axis to sum"),
        (lambda: dot(A, A, "E5M2", "E5M2", "FP32", semantics="x"), "semantics='x' is not allowed"),
        (lambda: dot(A, A, "E5M2", "E5M2", "FP32", chunk=0), "chunk=0 is not allowed"),
        (lambda: dot(A, A, "E5M2", "E5M2", "FP32", lanes="2"), "lanes='2' is not allowed"),
        (
            lambda: dot(A, A, "E5M2", "E5M2", "FP32", rounding="SR(4)"),
            r"rounding='SR\(4\)' is not allowed for an accumulator",
        ),
        (
            lambda: dot(A, A, "E5M2", "E5M2", "HFP8_FWD", overflow="special"),
            "overflow='special' is not allowed",
        ),
        (lambda: fma(A, A, A[:, :2], "E5M2", "E5M2", "FP32"), "do not broadcast"),
        (lambda: matmul(A, A, "E5M2", "E5M2", "FP32"), r"\(m, k\) and \(k, n\)"),
    ],
)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(ParameterError, match=text) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [*EIGHT_BIT, "E2M5:normal:p3109", "E3M4B3:flush:fn", "E2M1B1"])
def test_the_table_decides_as_the_general_path(name: str, engine: str) -> None:
    halves = np.arange(1 << 16, dtype=np.uint32) << 16
    low = np.array([0, 1, 0x8000, 0xFFFF], np.uint32)
    with np.errstate(invalid="ignore"):
        x = (halves[:, None] | low).view(np.float32)
        wide = x.astype(np.float64)
    for rounding in ("RNE", "RNA", "RTZ", "RUP", "RDN", "RTO"):
        np.testing.assert_array_equal(
            quantize(x, name, rounding=rounding), quantize(wide, name, rounding=rounding)
        )
        policies = ("saturate", "special") if parse_format(name).has_nan else ("saturate",)
        for overflow in policies:
            options: dict[str, Any] = {"rounding": rounding, "overflow": overflow, "flags": True}
            slow = quantize(wide, name, **options)
            for fast in (
                quantize(x, name, **options),
                quantize(x.view(np.uint32), name, src="FP32", **options),
            ):
                np.testing.assert_array_equal(fast[0], slow[0])
                np.testing.assert_array_equal(fast[1], slow[1])


@pytest.mark.parametrize("name", [*EIGHT_BIT, "E4M3B11:flush:none", "E5M2:normal:ieee"])
def test_compiled_stochastic_rounding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(23)
    fmt = parse_format(name)
    x = rng.integers(0, 1 << 32, 1 << 17).astype(np.uint32)
    fields = np.clip(127 - fmt.bias + rng.integers(-9, 40, x.size), 0, 255).astype(np.uint32)
    x[::2] = x[::2] & 0x807FFFFF | fields[::2] << 23
    x[::5] &= np.uint32(0xFFF00000)
    for bits, overflow in ((1, "saturate"), (3, "special"), (12, "saturate"), (23, "special")):
        if overflow == "special" and not fmt.has_nan:
            continue
        words = rng.choice([0, (1 << bits) - 1, 1 << (bits - 1)], x.size)
        words[::2] = rng.integers(0, 1 << bits, x[::2].size)
        options: dict[str, Any] = {"rounding": f"SR({bits})", "overflow": overflow, "flags": True}
        found = []
        for numba in ("1", "0"):
            monkeypatch.setenv("HFP8_NUMBA", numba)
            found.append(quantize(x, name, src="FP32", rbits=words, **options))
        np.testing.assert_array_equal(found[0][0], found[1][0])
        np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("rounding", ["RNE", "RNA"])
@pytest.mark.parametrize("acc", ["DLFLOAT16", "FP16", "BF16"])
def test_matmul_is_dot(acc: str, rounding: str, engine: str) -> None:
    rng = np.random.default_rng(21)
    top = 64 if acc == "FP16" else 100  # keep sums inside FP16, so that the fast path applies
    a, b = (rng.integers(32, top, shape).astype(np.uint8) for shape in ((41, 67), (67, 52)))
    a |= (rng.integers(0, 2, a.shape) << 7).astype(np.uint8)
    for semantics, chunk in (("chunked", 5), ("chunked", 64), ("fma", 1)):
        options: dict[str, Any] = {"semantics": semantics, "chunk": chunk, "rounding": rounding}
        fast = matmul(a, b, "HFP8_FWD", "HFP8_FWD", acc, **options)
        slow = dot(a[:, None], b.T[None], "HFP8_FWD", "HFP8_FWD", acc, **options)
        np.testing.assert_array_equal(fast, slow)


@pytest.mark.parametrize("names", [("HFP8_BWD", "HFP8_BWD"), ("HFP8_BWD", "HFP8_FWD")])
def test_matmul_is_dot_where_sums_leave_the_normal_range(names: tuple[str, str]) -> None:
    rng = np.random.default_rng(22)
    a, b = rng.integers(0, 256, (9, 30)), rng.integers(0, 256, (30, 8))
    tiny = rng.integers(0, 6, (9, 30)) | (rng.integers(0, 2, (9, 30)) << 7)
    for left in (a, tiny):
        np.testing.assert_array_equal(
            matmul(left, b % 7, *names, "DLFLOAT16"),
            dot(left[:, None], (b % 7).T[None], *names, "DLFLOAT16"),
        )


def test_blocks_join(engine: str) -> None:
    x = np.random.default_rng(23).standard_normal(300_001)
    whole = quantize(x, "HFP8_BWD", rounding="RNA")
    assert whole[-1] == quantize(x[-1], "HFP8_BWD", rounding="RNA")
    np.testing.assert_array_equal(whole[:1000], quantize(x[:1000], "HFP8_BWD", rounding="RNA"))
    codes = np.resize(np.arange(256, dtype=np.uint8), 100_003)
    np.testing.assert_array_equal(decode(codes, "E5M2")[-7:], decode(codes[-7:], "E5M2"))


def test_negative_zero_and_missing_zero() -> None:
    assert quantize(-0.0, "HFP8_FWD") == 0x80
    assert quantize(-0.0, "E4M3FNUZ") == 0
    assert quantize(-1e-30, "E4M3FNUZ") == 0
    assert quantize(-1e-30, "HFP8_FWD") == 0x80


def test_nan_into_a_format_without_one() -> None:
    codes, flags = quantize([np.nan, -np.nan], "HFP8_FWD", flags=True)
    assert codes.tolist() == [0x7F, 0x7F] and flags.tolist() == [8, 8]
    assert CATALOGUE["HFP8_FWD"].value(0x7F) == 30


@pytest.mark.parametrize(
    ("rbits", "said"),
    [
        ([], r"shapes \(0,\), \(2,\) are not allowed"),
        ([1, 2, 3], r"shapes \(3,\), \(2,\) are not allowed"),
        ([[1, 2], [3, 4]], r"rbits of shape \(2, 2\) is not allowed: it must broadcast to \(2,\)"),
        ([[1], [2]], r"rbits of shape \(2, 1\) is not allowed"),
    ],
)
def test_random_bits_that_do_not_fit_an_update(rbits: object, said: str) -> None:
    w = [1, 2]
    with pytest.raises(ParameterError, match=said):
        golden.sgd_update(w, w, w, w, w, rbits=rbits)


def results_of_one() -> dict[str, tuple[Any, ...]]:
    """Everything that a golden function gives for single codes, and for single sums."""
    pair = ([1, 2], [3, 4])
    return {
        "quantize": quantize(0.5, "E4M3FN", flags=True),
        "decode": (decode(3, "E4M3FN"),),
        "mul": mul(1, 2, "E4M3FN", "E4M3FN", flags=True),
        "dot": dot(*pair, "E4M3FN", "E4M3FN", "FP16", flags=True),
        "fixed_dot": golden.fixed_dot(*pair, "HFP8_FWD", "HFP8_FWD", flags=True),
        "fixed_dot, 75 bits": golden.fixed_dot(*pair, "E5M2", "E5M2", flags=True),
        "fma": fma(1, 1, 1, "E5M2", "E5M2", "FP16", flags=True),
        "add": golden.add(1, 2, "FP16", flags=True),
        "maximum": golden.maximum(1, 2, "FP16", flags=True),
        "relu": golden.relu(1, "FP16", flags=True),
        "to_fixed": golden.to_fixed(3, "E4M3FN", flags=True),
        "weight_update": golden.weight_update(1, 1, 1, flags=True),
        "sgd_update": golden.sgd_update(1, 1, 1, 1, 1, rbits=3, flags=True),
    }


def test_single_codes_give_arrays_without_axes() -> None:
    dtypes = {"decode": np.float64, "to_fixed": np.int64, "fixed_dot": np.uint64}
    for name, results in results_of_one().items():
        assert all(isinstance(r, np.ndarray) and r.shape == () for r in results), name
        if name in dtypes:
            assert results[0].dtype == dtypes[name]
        elif name == "fixed_dot, 75 bits":
            assert results[0].dtype == object and isinstance(results[0].item(), int)
        else:
            assert results[0].dtype in (np.uint8, np.uint16)
        assert name == "decode" or results[-1].dtype == np.uint8


def test_no_golden_function_passes_on_unknown_arguments() -> None:
    """So that Python's own error names the function that was called."""
    for name in golden.__all__:
        function = getattr(golden, name)
        if callable(function):
            kinds = {p.kind for p in inspect.signature(function).parameters.values()}
            assert inspect.Parameter.VAR_KEYWORD not in kinds, name
    tracked: Any = golden.quantize_tracked
    with pytest.raises(TypeError, match=r"quantize_tracked\(\).*'bogus'"):
        tracked([1], "E5M2", src="FP16", clear=[0], bogus=1)


@pytest.mark.parametrize("word", ["rne", " RNE", "Special", "Exact", " fp16", "E5M2 ", "SR( 3)"])
def test_words_are_taken_as_they_are_spelt(word: str) -> None:
    calls: list[Any] = [
        lambda: quantize(1.0, word),
        lambda: quantize(1.0, "E5M2", rounding=word),
        lambda: quantize(1.0, "E5M2", overflow=word),
        lambda: quantize(1.0, "E5M2", random=word, rounding="SR(3)"),
        lambda: quantize([1], "E5M2", src=word),
        lambda: mul(1, 1, "E5M2", "E5M2", word),
        lambda: dot(A, A, word, "E5M2", "FP16"),
        lambda: dot(A, A, "E5M2", "E5M2", word),
        lambda: dot(A, A, "E5M2", "E5M2", "FP16", semantics=word),
        lambda: dot(A, A, "E5M2", "E5M2", "FP16", overflow=word),
    ]
    for call in calls:
        with pytest.raises(ParameterError, match="is not allowed"):
            call()
