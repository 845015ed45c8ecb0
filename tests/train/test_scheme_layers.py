"""Layers compute what PyTorch's do where every number and sum is one of the formats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hfp8_hw import ParameterError, golden, parse_format
from hfp8_hw.nn import arithmetic, convert, from_numpy
from hfp8_hw.nn.scheme import attention, matmul, softmax
from hfp8_hw.nn.scheme.operands import Operand, activation
from hfp8_hw.nn.scheme.products import product

TRAINS = ("hfp8", "hfp8-fast", "e5m2", "ocp")
EXACT = arithmetic("hfp8")


def small(*shape: int, seed: int = 0) -> Tensor:
    """Multiples of 1/4 up to 3/4: in every format, and so are short sums of their products."""
    g = torch.Generator().manual_seed(seed)
    return torch.randint(-3, 4, shape, generator=g) / 4


def run(layer: nn.Module, inputs: tuple[Tensor, ...], error: Tensor | None) -> list[Tensor]:
    """The output and all gradients."""
    given = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    layer.zero_grad()
    y = layer(*given)
    y.backward(small(*y.shape, seed=9) if error is None else error)
    gradients = [x.grad for x in (*given, *layer.parameters()) if x.grad is not None]
    return [y.detach(), *gradients]


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(6, 5), (2, 3, 6)),
    "no bias": (lambda: nn.Linear(6, 5, bias=False), (4, 6)),
    "conv1d": (lambda: nn.Conv1d(2, 4, 3, stride=2, padding=2, dilation=2, groups=2), (2, 2, 9)),
    "conv2d": (lambda: nn.Conv2d(3, 4, 3, padding=1), (2, 3, 5, 4)),
    "groups": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 7, 6)),
    "depthwise": (lambda: nn.Conv2d(4, 8, 3, stride=2, groups=4), (2, 4, 8, 7)),
    "sides": (lambda: nn.Conv2d(2, 3, (3, 2), (2, 1), (1, 2), (2, 1)), (2, 2, 9, 5)),
    "padding beyond the kernel": (lambda: nn.Conv2d(2, 2, 1, stride=2, padding=1), (1, 2, 5, 5)),
    "same": (lambda: nn.Conv2d(2, 3, (2, 4), padding="same"), (1, 2, 5, 5)),
    "around": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), (1, 2, 4, 4)),
    "one image": (lambda: nn.Conv2d(2, 3, 3), (2, 5, 5)),
    "one row": (lambda: nn.Conv1d(2, 3, 3), (2, 5)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("arith", TRAINS)
@pytest.mark.parametrize("kind", LAYERS)
def test_products_of_numbers_that_all_formats_have(kind: str, arith: str, wide: bool) -> None:
    make, shape = LAYERS[kind]
    plain = make()
    for k, p in enumerate(plain.parameters()):
        p.data = small(*p.shape, seed=k)
    mine = convert(plain, arith, first_last=wide).model
    x = small(*shape, seed=5)
    for got, want in zip(run(mine, (x,), None), run(plain, (x,), None), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("arith", TRAINS)
@pytest.mark.parametrize("kind", ["linear", "conv1d", "groups", "sides"])
def test_how_a_tensor_lies_in_memory_does_not_matter(kind: str, arith: str, wide: bool) -> None:
    make, shape = LAYERS[kind]
    mine = convert(make(), arith, first_last=wide).model
    x = small(*shape, seed=5)
    error = small(*mine(x).shape, seed=9)
    turned = [t.transpose(0, -1).contiguous().transpose(0, -1) for t in (x, error)]
    assert not turned[0].is_contiguous()
    spread = [t.repeat_interleave(2, 0)[::2] for t in (x, error)]
    want = run(mine, (x,), error)
    for other in (turned, spread):
        for got, expected in zip(run(mine, (other[0],), other[1]), want, strict=True):
            assert torch.equal(got, expected)
    one = run(mine, (x,), torch.ones(1).expand(error.shape))
    for got, expected in zip(one, run(mine, (x,), torch.ones(error.shape)), strict=True):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("arith", TRAINS)
def test_embedding(arith: str, wide: bool) -> None:
    plain = nn.Embedding(7, 4, padding_idx=2)
    plain.weight.data = small(7, 4)
    mine = convert(plain, arith, first_last=wide).model
    index = torch.tensor([[1, 2, 1], [6, 1, 0]])
    for got, want in zip(run(mine, (index,), None), run(plain, (index,), None), strict=True):
        assert torch.equal(got, want)


def test_the_order_of_errors_of_an_embedding_does_not_matter() -> None:
    """A large error, its negative and small ones: the sum is exact before its one rounding."""
    layer: Any = convert(nn.Embedding(2, 1), "hfp8", first_last=True).model
    index = torch.zeros(5, dtype=torch.int64)
    errors = torch.tensor([2.0**32, 2.0**-30, -(2.0**32), 2.0**-30, 1.0])[:, None]
    for order in ([0, 1, 2, 3, 4], [4, 1, 3, 0, 2], [0, 2, 4, 3, 1]):
        layer.weight.grad = None
        layer(index).backward(errors[order])
        assert layer.weight.grad.tolist() == [[1.0], [0.0]]
    layer.weight.grad = None
    layer(index).backward(torch.full((5, 1), torch.inf))
    assert layer.weight.grad.isnan().tolist() == [[True], [False]]


@pytest.mark.parametrize("chunk", [64, 1, 7, None])
@pytest.mark.parametrize(("fmt_a", "fmt_b"), [("HFP8_FWD", "HFP8_FWD"), ("HFP8_BWD", "HFP8_FWD"),
                                              ("HFP8_BWD", "HFP8_BWD"),
                                              ("DLFLOAT16", "DLFLOAT16")])  # fmt: skip
def test_the_loop_sums_as_golden_does(fmt_a: str, fmt_b: str, chunk: int | None) -> None:
    """With NaN, overflow and sums below the smallest value; the depth is no multiple of a chunk."""
    rng = np.random.default_rng(2)
    kinds = [np.uint8 if f != "DLFLOAT16" else np.uint16 for f in (fmt_a, fmt_b)]
    tops = [np.iinfo(kind).max + 1 for kind in kinds]
    a = rng.integers(0, tops[0], (2, 6, 70)).astype(kinds[0])
    b = rng.integers(0, tops[1], (2, 70, 5)).astype(kinds[1])
    a[0, :3] &= 0x83 if kinds[0] == np.uint8 else 0x83FF
    b[0, :, :3] &= 0x87 if kinds[1] == np.uint8 else 0x83FF
    if fmt_a != "HFP8_FWD":
        finite = golden.decode(a, fmt_a)
        a[~np.isfinite(finite)] = 0
        a[1, 1, 3] = 0x7F if kinds[0] == np.uint8 else 0x7FFF
    how = arithmetic(EXACT, chunk=chunk)
    semantics = {"semantics": "fma"} if chunk is None else {"semantics": "chunked", "chunk": chunk}
    want = np.stack([golden.matmul(x, y, fmt_a, fmt_b, "DLFLOAT16", **semantics)
                     for x, y in zip(a, b, strict=True)])  # fmt: skip
    want = golden.decode(want, "DLFLOAT16")
    x = activation_of(a, fmt_a), activation_of(b, fmt_b)
    got = product(*x, how).numpy()
    assert np.array_equal(got, want.astype(np.float32), equal_nan=True)
    assert np.array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0]))


def test_a_sum_of_two_to_the_minus_31_goes_up() -> None:
    """7 x 13 - 6 x 15 = 1 in units of 2**-31, which is no number of (1,6,9). Less 1280, what it
    has become shows: -1279 is in the middle of two numbers, and a little more goes to -1278."""
    a = np.array([[3, 0x82, 0x91, 0x11, 3, 0x82, 0]], np.uint8)
    b = np.array([[5, 7, 8, 8, 5, 7, 0]], np.uint8).T
    for depth in range(2, 8):
        x, y = a[:, :depth], b[:depth]
        got = product(activation_of(x, "HFP8_BWD"), activation_of(y, "HFP8_FWD"), EXACT)
        want = golden.decode(golden.matmul(x, y, "HFP8_BWD", "HFP8_FWD", "DLFLOAT16",
                                           semantics="chunked", chunk=64), "DLFLOAT16")  # fmt: skip
        assert got.item() == want.item()
        assert depth != 2 or got.item() == 2.0**-31 * (1 + 2.0**-9)
        assert depth != 3 or got.item() == -1278 * 2.0**-31


def activation_of(codes: np.ndarray, name: str) -> Operand:
    return Operand(from_numpy(codes), parse_format(name))


@pytest.mark.parametrize("arith", TRAINS)
def test_attention_products(arith: str) -> None:
    a, b = small(2, 3, 4, 5, seed=1), small(3, 5, 6, seed=2)
    e = small(2, 3, 4, 6, seed=3)
    found = []
    for multiply in (lambda x, y: matmul(x, y, arith), torch.matmul):
        x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
        out = multiply(x, y)
        out.backward(e)
        found.append([out.detach(), x.grad, y.grad])
    for got, want in zip(*found, strict=True):
        assert torch.equal(got, want)


def test_softmax_subtracts_and_rounds() -> None:
    scores = torch.tensor([[1000.0, 1000.0 - 1 / 3, 998.0, 5.0]], requires_grad=True)
    blocked = torch.tensor([[False, False, False, True]])
    got = softmax(scores, blocked)
    below = torch.tensor([[0.0, -683 / 2048, -2.0, -torch.inf]])
    assert torch.equal(got, torch.softmax(below, -1))
    got[0, 0].backward()
    assert scores.grad is not None and scores.grad.isfinite().all() and scores.grad[0, 3] == 0


def near(got: Tensor, want: Tensor, share: float) -> bool:
    got, want = got.detach(), want.detach()
    return float((got - want).norm()) <= share * float(want.norm())


RECURRENT = [{"num_layers": 2, "bidirectional": True, "batch_first": True}, {"bias": False},
             {"num_layers": 2, "dropout": 0.5}]  # fmt: skip


@pytest.mark.parametrize("arith", TRAINS)
@pytest.mark.parametrize("how", RECURRENT)
def test_lstm_is_near_pytorchs(how: dict[str, Any], arith: str) -> None:
    torch.manual_seed(3)
    plain = nn.LSTM(12, 16, **how).eval()
    mine = convert(plain, arith).model
    ways = (2 if plain.bidirectional else 1) * plain.num_layers
    start = (torch.randn(ways, 3, 16) / 2, torch.randn(ways, 3, 16) / 2)
    x = torch.randn(3, 5, 12) if plain.batch_first else torch.randn(5, 3, 12)
    found = []
    for layer in (plain, mine):
        given = [one.clone().requires_grad_() for one in (x, *start)]
        layer.zero_grad()
        y, (h, c) = layer(given[0], (given[1], given[2]))
        ((y * small(*y.shape)).sum() + h.sum() + (c * c).sum()).backward()
        grads = [p.grad for p in (*given, *layer.parameters())]
        found.append([y.detach(), h.detach(), c.detach(), *grads])
    for got, want in zip(*found, strict=True):
        assert got.shape == want.shape and near(got, want, 0.15)


def test_lstm_of_one_sequence_and_of_none_too_narrow() -> None:
    """Unbatched input; and where nothing is lost the recurrence is PyTorch's to the last bits."""
    plain = nn.LSTM(4, 3)
    mine = convert(plain, "hfp8-fast").model
    x = torch.randn(6, 4)
    y, (h, c) = mine(x)
    assert y.shape == (6, 3) and h.shape == c.shape == (1, 3) and torch.equal(y[-1], h[0])
    with pytest.raises(ParameterError, match="input='PackedSequence' is not allowed: a tensor"):
        mine(nn.utils.rnn.pack_sequence([x]))


@pytest.mark.parametrize("arith", TRAINS)
@pytest.mark.parametrize("kind", ["self", "cross"])
def test_multihead_attention_is_near_pytorchs(kind: str, arith: str) -> None:
    torch.manual_seed(6)
    wide = {} if kind == "self" else {"kdim": 10, "vdim": 6}
    plain = nn.MultiheadAttention(16, 4, batch_first=kind == "self", **wide)
    mine = convert(plain, arith).model
    assert isinstance(mine, nn.MultiheadAttention)
    if kind == "self":
        x = torch.randn(3, 5, 16)
        inputs, keys, images = [x, x, x], 5, 3
        mask = nn.Transformer.generate_square_subsequent_mask(5)
        more = {"attn_mask": mask, "is_causal": True}
    else:
        inputs = [torch.randn(4, 2, 16), torch.randn(5, 2, 10), torch.randn(5, 2, 6)]
        keys, images = 5, 2
        more = {"attn_mask": torch.rand(8, 4, keys) < 0.3}
    padding = torch.zeros(images, keys, dtype=torch.bool)
    padding[1, 3:] = True
    for options in ({}, {"key_padding_mask": padding}, more):
        found = []
        for layer in (plain, mine):
            layer.zero_grad()
            y, shares = layer(*inputs, **options)
            (y * small(*y.shape)).sum().backward()
            found.append([y.detach(), shares.detach(), *(p.grad for p in layer.parameters())])
        for (name, _), got, want in zip([("y", 0), ("shares", 0), *plain.named_parameters()],
                                        *found, strict=True):  # fmt: skip
            if name == "in_proj_bias":  # The keys' bias moves no score: its gradient is noise.
                got, want = got[32:], want[32:]
            assert near(got, want, 0.3 if arith == "e5m2" else 0.15), (name, options)


def test_attention_refuses_a_mask_of_another_shape() -> None:
    layer = convert(nn.MultiheadAttention(4, 1), "hfp8-fast").model
    x = torch.randn(3, 1, 4)
    with pytest.raises(ParameterError, match=r"attn_mask of shape \(2, 3\) is not allowed: "
                       r"\(3, 3\) or \(1, 3, 3\)"):  # fmt: skip
        layer(x, x, x, attn_mask=torch.zeros(2, 3))
    assert attention(x, x, x, "hfp8-fast", dropout=0.5)[0].shape == x.shape


@pytest.mark.parametrize("kind", [k for k in LAYERS if k != "same"])
def test_int8_infers_and_does_not_train(kind: str) -> None:
    make, shape = LAYERS[kind]
    torch.manual_seed(7)
    plain, x = make(), torch.randn(*shape)
    mine = convert(plain, "int8", first_last=False).model
    y = mine(x)
    assert near(y, plain(x), 0.03)
    with pytest.raises(ParameterError, match="arithmetic='int8' is not allowed for training"):
        y.sum().backward()


def test_scaled_tensors_lose_nothing_at_either_end() -> None:
    how = arithmetic("ocp")
    x = torch.tensor([1.0, -0.5, 0.75])
    for power in (-40, 0, 40):
        a = activation(x * 2.0**power, how)
        assert a.factor is not None and torch.equal(a.values() * a.factor, x * 2.0**power)
        assert a.values().abs().max() == 256
    assert activation(torch.zeros(3), how).values().tolist() == [0, 0, 0]
    assert activation(torch.tensor([448.0, 1]), how).values().tolist() == [448, 1]
    assert activation(torch.tensor([448.5, 1]), how).values().tolist() == [224, 0.5]


def test_errors_that_overflow_show_and_activations_saturate() -> None:
    layer = convert(nn.Linear(1, 1, bias=False), "hfp8", first_last=False).model
    x = torch.tensor([[1e9]], requires_grad=True)
    y = layer(x)
    assert y.isfinite().all()
    y.backward(torch.tensor([[2.0**17]]))
    assert x.grad is not None and x.grad.isnan().all()
