"""The kernels for every element, compiled for the CPU, have golden's codes and values."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from hfp8_hw import CATALOGUE, golden, nn, parse_format
from hfp8_hw.nn import sums
from hfp8_hw.nn.kernels import elementwise, launch, wide
from hfp8_hw.nn.kernels.launch import Launch
from hfp8_hw.nn.rounding import quantize_values
from hfp8_hw.nn.scheme.operands import Operand
from hfp8_hw.nn.scheme.products import product
from tests.conftest import EXOTIC

from .conftest import random_words
from .test_nn_matmul import codes
from .test_nn_rounding import NARROW, ROUNDINGS, values

ACC = CATALOGUE["DLFLOAT16"]


@pytest.fixture
def kernels(host: Launch, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Tensors on the CPU go through the kernels, whose names are listed as they are launched."""
    launched: list[str] = []

    def launched_one(name: str, *rest: object) -> None:
        launched.append(name)
        host(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(elementwise, "takes", lambda x: not elementwise._plain and x.numel() > 0)
    monkeypatch.setattr(elementwise, "_launch", launched_one)
    yield launched


def same(mine: Tensor, want: Tensor | np.ndarray) -> bool:
    """Whether all bits are the same, but for those of NaN."""
    got, expected = mine.numpy(), np.asarray(want)
    if got.dtype.kind != "f":
        return got.dtype == expected.dtype and np.array_equal(got, expected)
    signs = np.array_equal(np.signbit(got) & ~np.isnan(got), np.signbit(expected) & ~np.isnan(got))
    return got.dtype == expected.dtype and np.array_equal(got, expected, equal_nan=True) and signs


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_quantize(kernels: list[str], rounding: str) -> None:
    for name in (*NARROW, *EXOTIC):
        fmt, x = parse_format(name), values(name)
        rbits = random_words(rounding, x.size)
        bits = None if rbits is None else torch.from_numpy(rbits)
        for overflow in ("saturate", "special") if fmt.has_nan else ("saturate",):
            how = {"rounding": rounding, "overflow": overflow}
            want = golden.quantize(x, fmt, rbits=rbits, **how)
            got = nn.quantize(torch.from_numpy(x), fmt, rbits=bits, **how)
            assert np.array_equal(nn.to_numpy(got), want), (name, overflow)
            if rbits is None:
                found = quantize_values(torch.from_numpy(x), fmt, **how)
                assert torch.equal(found[0], got), (name, overflow)
                with np.errstate(over="ignore"):
                    decoded = golden.decode(want, fmt).astype(np.float32)
                assert same(found[1], decoded), (name, overflow)
    assert set(kernels) == {"narrow"}


@pytest.mark.parametrize("name", [*NARROW, *EXOTIC])
def test_decode_every_code(kernels: list[str], name: str) -> None:
    fmt = parse_format(name)
    kind = np.uint8 if fmt.width <= 8 else np.uint16
    every = np.arange(1 << fmt.width, dtype=np.uint32).astype(kind)
    want = golden.decode(every, fmt)
    assert same(nn.decode(nn.from_numpy(every), fmt, dtype=torch.float64), want)
    with np.errstate(over="ignore"):
        single = want.astype(np.float32)
    if np.array_equal(single, want, equal_nan=True):
        assert same(nn.decode(nn.from_numpy(every), fmt), single)
    assert set(kernels) == {"look_up"}


def sums_to_round(dtype: torch.dtype) -> Tensor:
    """Every code's value, what lies about and between them, the ends, and words of every kind."""
    exact = golden.decode(np.arange(1 << 16, dtype=np.uint16), ACC)
    exact = np.unique(exact[np.isfinite(exact)])
    middle = (exact[1:] + exact[:-1]) / 2
    rng = np.random.default_rng(1)
    kind = np.float32 if dtype == torch.float32 else np.float64
    word = np.uint32 if dtype == torch.float32 else np.uint64
    random = rng.integers(0, np.iinfo(word).max, 200_000, dtype=word, endpoint=True).view(kind)
    ends = [sums.SMALLEST, sums.SMALLEST / 2, 2.0**-31, sums.LARGEST, sums.BEYOND, np.inf, np.nan,
            0.0, 1e-45, 3e38]  # fmt: skip
    some = np.concatenate([exact, middle, ends, np.negative(ends)]).astype(kind)
    near = [np.nextafter(some, kind(np.inf)), np.nextafter(some, kind(-np.inf))]
    small = (rng.normal(size=50_000) * 2.0 ** rng.integers(-36, 36, 50_000)).astype(kind)
    return torch.from_numpy(np.concatenate([some, *near, small, random]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_rounding_to_sums(kernels: list[str], dtype: torch.dtype) -> None:
    x = sums_to_round(dtype)
    with elementwise.plain():
        rounded = sums.round_any(x)
        encoded = sums.encode(rounded)
    assert not kernels
    if dtype == torch.float32:
        want = golden.quantize(x.numpy(), ACC, rounding="RNA", overflow="special")
        good = np.isfinite(x.numpy())
        assert np.array_equal(nn.to_numpy(encoded)[good], want[good])
    assert same(sums.round_any(x), rounded)
    assert torch.equal(sums.encode(rounded), encoded)
    assert torch.equal(sums.encode_any(x), encoded)
    both = sums.encode_and_round(x)
    assert torch.equal(both[0], encoded)
    assert same(both[1], rounded)
    assert set(kernels) == {"to_sums"}


def test_fma(kernels: list[str]) -> None:
    """All codes with some, as numbers for all and one by one; other shapes as before."""
    rng = np.random.default_rng(2)
    every = np.arange(1 << 16, dtype=np.uint16)
    some = [every, rng.permutation(every), rng.permutation(every), np.array([0x3E00], np.uint16)]
    for a, b, c in ((0, 1, 2), (3, 1, 0), (0, 3, 3), (3, 3, 3)):
        given = [some[k] for k in (a, b, c)]
        want = golden.fma(*given, fmt_a=ACC, fmt_b=ACC, acc=ACC)
        assert np.array_equal(nn.to_numpy(nn.fma(*map(nn.from_numpy, given))), want)
    assert kernels == ["fma_codes"] * 4
    row = nn.from_numpy(every[:5])
    got = nn.fma(row, row[:, None], row)
    assert "look_up" in kernels
    with elementwise.plain():
        assert torch.equal(got, nn.fma(row, row[:, None], row))


def test_any_strides(kernels: list[str]) -> None:
    """Dense tensors keep their order; gaps and repeated elements are copied."""
    x = torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(1))
    for one in (x, x.transpose(0, 2), x.permute(2, 0, 1), x[::2, 1:], x[:1].expand(3, 5, 4),
                x[:, :1], x.unsqueeze(0)[:, ::2], x[0, 0, 0]):  # fmt: skip
        with elementwise.plain():
            want = nn.quantize(one, "HFP8_FWD")
            decoded, rounded = nn.decode(want, "HFP8_FWD"), sums.round_any(one)
            codes = sums.encode(rounded)
        got = nn.quantize(one, "HFP8_FWD")
        assert torch.equal(got, want)
        assert torch.equal(nn.decode(got, "HFP8_FWD"), decoded)
        assert torch.equal(sums.round_any(one), rounded)
        assert all(torch.equal(a, b) for a, b in
                   zip(sums.encode_and_round(one), (codes, rounded), strict=True))  # fmt: skip
        assert torch.equal(nn.decode(codes, "DLFLOAT16"), rounded)
    assert nn.quantize(x[:0], "HFP8_FWD").shape == (0, 5, 4)


@pytest.mark.parametrize(
    ("left", "right", "chunk"),
    [
        ((20, 70), (70, 18), 64),
        ((3, 200), (200, 5), 7),
        ((2, 1, 5, 9), (3, 9, 17), 4),
        ((4, 6, 3), (4, 3, 2), None),
        ((1, 1), (1, 1), 1),
    ],
)
def test_products_of_16_bits(host: Launch, left: tuple[int, ...], right: tuple[int, ...],
                             chunk: int | None) -> None:  # fmt: skip
    a = nn.from_numpy(codes("DLFLOAT16", left, 1, specials=len(left) > 2))
    b = nn.from_numpy(codes("DLFLOAT16", right, 2))
    how = nn.arithmetic("hfp8", chunk=chunk)
    want = product(Operand(a, ACC), Operand(b, ACC), how)
    for x in (a, a.transpose(-1, -2).contiguous().transpose(-1, -2)):
        got = nn.decode(wide.matmul(x, b, chunk, host), ACC)
        assert same(got, want)
    assert same(want, nn.decode(nn.matmul(a, b, ACC, ACC, chunk=chunk), ACC)) or chunk is None


def test_a_layer_launches_few(kernels: list[str]) -> None:
    """Forward: each operand once, with its values, and the sum. Backward: the error once, the kept
    operands, two sums."""
    torch.manual_seed(1)
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    first = torch.nn.Conv2d(4, 5, 3)
    found = []
    for plain in (True, False):
        layer = nn.convert(first, "hfp8-fast", first_last=False).model
        x.grad = None
        if plain:
            with elementwise.plain():
                out = layer(x)
                out.sum().backward()
        else:
            kernels.clear()
            out = layer(x)
            forward = list(kernels)
            out.sum().backward()
        found.append((out.detach(), x.grad.clone(), layer.weight.grad.clone()))
    assert forward == ["narrow", "narrow", *["to_sums"] * 3]
    assert kernels[len(forward) :][:1] == ["narrow"]
    assert len(kernels) < 15
    assert all(same(a, b) for a, b in zip(*found, strict=True))


def test_where_the_driver_finds_arguments() -> None:
    """Eight bytes each, of which an int takes the first four."""
    words, places = launch._thread.room(3)
    words[:] = [1 << 40, -2, 5]
    assert ctypes.c_uint64.from_address(places[0]).value == 1 << 40
    assert [ctypes.c_int.from_address(places[k]).value for k in (1, 2)] == [-2, 5]
    assert launch._thread.room(3)[0] is words


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_on_a_gpu(rounding: str) -> None:
    """A million words a format, through the kernels and through PyTorch's operations."""
    random = torch.Generator("cuda").manual_seed(1)
    words = torch.randint(-(1 << 31), 1 << 31, (1 << 20,), generator=random, device="cuda")
    x = words.to(torch.int32).view(torch.float32)
    for name in (*NARROW, *EXOTIC):
        fmt, rbits = parse_format(name), None
        if rounding.startswith("SR"):
            rbits = words & ((1 << int(rounding[3:-1])) - 1)
        for overflow in ("saturate", "special") if fmt.has_nan else ("saturate",):
            got = nn.quantize(x, fmt, rounding=rounding, overflow=overflow, rbits=rbits)
            decoded = nn.decode(got, fmt, dtype=torch.float64)
            with elementwise.plain():
                want = nn.quantize(x, fmt, rounding=rounding, overflow=overflow, rbits=rbits)
                assert torch.equal(got, want), (name, overflow)
                assert same(decoded.cpu(), nn.decode(want, fmt, dtype=torch.float64).cpu())
    for one in (x, words.view(torch.float64)):
        got, rounded = sums.encode_any(one), sums.round_any(one)
        with elementwise.plain():
            assert torch.equal(got, sums.encode_any(one))
            assert same(rounded.cpu(), sums.round_any(one).cpu())
