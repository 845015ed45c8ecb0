"""What a converted model must refuse, because PyTorch's own does, and what it must take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hfp8_hw.errors import ParameterError
from hfp8_hw.nn import convert
from hfp8_hw.nn.deployment import deploy
from hfp8_hw.nn.scheme import functions
from hfp8_hw.nn.sums import round_any

ARITHMETICS = ("hfp8", "hfp8-fast", "ocp")
Q = torch.ones(3, 4, 8)


def lstm_state(*shape: int) -> tuple[Tensor, Tensor]:
    return torch.ones(shape), torch.ones(shape)


def mask(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.bool)


def attention() -> nn.Module:
    return nn.MultiheadAttention(8, 2, batch_first=True)


REFUSED: dict[str, tuple[Callable[[], nn.Module], tuple[Any, ...], dict[str, Any]]] = {
    "few features": (lambda: nn.Linear(100, 4), (torch.ones(3, 50),), {}),
    "many features": (lambda: nn.Linear(100, 4), (torch.ones(3, 150),), {}),
    "no axis": (lambda: nn.Linear(100, 4), (torch.ones(()),), {}),
    "integers": (lambda: nn.Linear(4, 4), (torch.ones(3, 4, dtype=torch.int64),), {}),
    "bytes": (lambda: nn.Conv2d(1, 4, 3), (torch.ones(1, 1, 8, 8, dtype=torch.uint8),), {}),
    "few channels": (lambda: nn.Conv2d(4, 6, 3, groups=2), (torch.ones(2, 2, 8, 8),), {}),
    "many channels": (lambda: nn.Conv2d(4, 6, 3, groups=2), (torch.ones(2, 8, 8, 8),), {}),
    "odd channels": (lambda: nn.Conv2d(4, 6, 3, groups=2), (torch.ones(2, 5, 8, 8),), {}),
    "five axes": (lambda: nn.Conv2d(4, 6, 3), (torch.ones(1, 1, 4, 8, 8),), {}),
    "small picture": (lambda: nn.Conv2d(4, 6, 3, dilation=2), (torch.ones(2, 4, 4, 8),), {}),
    "few channels, 1d": (lambda: nn.Conv1d(4, 6, 3), (torch.ones(2, 3, 8),), {}),
    "short": (lambda: nn.Conv1d(4, 6, 3), (torch.ones(2, 4, 2),), {}),
    "four axes, 1d": (lambda: nn.Conv1d(4, 6, 3), (torch.ones(2, 4, 2, 2),), {}),
    "few inputs": (lambda: nn.LSTM(6, 5), (torch.ones(3, 2, 4),), {}),
    "many inputs": (lambda: nn.LSTM(6, 5), (torch.ones(3, 2, 8),), {}),
    "no steps": (lambda: nn.LSTM(6, 5), (torch.ones(0, 2, 6),), {}),
    "four axes, lstm": (lambda: nn.LSTM(6, 5), (torch.ones(1, 3, 2, 6),), {}),
    "state turned": (lambda: nn.LSTM(6, 5, 2), (torch.ones(3, 4, 6), lstm_state(4, 2, 5)), {}),
    "float index": (lambda: nn.Embedding(5, 4), (torch.ones(3),), {}),
    "bool index": (lambda: nn.Embedding(5, 4), (torch.ones(5, dtype=torch.bool),), {}),
    "narrow query": (attention, (Q[..., :6], Q, Q), {}),
    "fewer values": (attention, (Q, Q, Q[:, :3]), {}),
    "other batch": (attention, (Q, Q[:1], Q[:1]), {}),
    "padding turned": (attention, (Q, Q, Q), {"key_padding_mask": mask(4, 3)}),
    "mask of integers": (attention, (Q, Q, Q), {"attn_mask": mask(4, 4).long()}),
}  # fmt: skip


@pytest.mark.parametrize("arith", ARITHMETICS)
@pytest.mark.parametrize("case", REFUSED)
def test_what_pytorch_refuses_is_refused_in_one_line(case: str, arith: str) -> None:
    make, given, named = REFUSED[case]
    plain = make()
    with pytest.raises((RuntimeError, ValueError, AssertionError, IndexError)):
        plain(*given, **named)
    for wide in (False, True):
        with pytest.raises(ParameterError, match="not allowed") as caught:
            convert(plain, arith, first_last=wide).model(*given, **named)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [5, -1])
def test_a_number_that_is_no_row_is_refused(number: int) -> None:
    plain = nn.Embedding(5, 4)
    for model in (plain, convert(plain, "hfp8").model):
        with pytest.raises(IndexError):
            model(torch.tensor([number]))


@pytest.mark.parametrize("shapes", [((2, 3), (4, 2)), ((3,), (3, 2)), ((2, 1, 2), (3, 2, 2))])
def test_a_product_that_there_is_not(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a, b = (torch.ones(shape) for shape in shapes)
    if shapes[0] == (2, 1, 2):
        assert functions.matmul(a[:1], b).shape == (3, 1, 2)
    with pytest.raises(ParameterError, match=r"\(\.\.\., m, k\)"):
        functions.matmul(a, b)


def test_sums_of_16_bits_are_refused() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.int64, torch.int32):
        with pytest.raises(ParameterError, match="float32"):
            round_any(torch.ones(4, 4, dtype=dtype))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("arith", ARITHMETICS)
def test_numbers_of_16_bits_are_their_values(arith: str, dtype: torch.dtype, wide: bool) -> None:
    model = convert(nn.Linear(4, 3), arith, first_last=wide).model
    x = torch.randn(2, 4, generator=torch.Generator().manual_seed(1)).to(dtype)
    assert torch.equal(model(x), model(x.float()))


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.Flatten(),
                         nn.Linear(32, 8), nn.Linear(8, 4), nn.Linear(4, 3))  # fmt: skip


@pytest.mark.parametrize("arith", ARITHMETICS)
def test_autocast_changes_no_bit(arith: str) -> None:
    torch.manual_seed(2)
    x, found = torch.randn(3, 2, 6, 6), []
    model = convert(network(), arith).model
    for enabled in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y = model(x)
            y.square().sum().backward()
        found.append([y.detach(), *(p.grad for p in model.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("arith", ["hfp8-fast", "int8"])
def test_autocast_changes_no_bit_of_a_deployed_model(arith: str) -> None:
    torch.manual_seed(2)
    x = torch.randn(3, 2, 6, 6)
    model = deploy(network(), arith, batches=[lambda one: one(x)])
    want = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model(x), want)
    with pytest.raises(ParameterError, match="int64"):
        model(x.long())


@pytest.mark.parametrize("sizes", [(0, 4, 4), (3, 0, 4), (3, 4, 0)])
def test_attention_of_nothing(sizes: tuple[int, int, int]) -> None:
    batch, queries, keys = sizes
    plain = attention()
    query, key = torch.ones(batch, queries, 8), torch.ones(batch, keys, 8)
    mine = convert(plain, "hfp8").model(query, key, key)
    want = plain(query, key, key)
    assert [one.shape for one in mine] == [one.shape for one in want]
    if not keys:  # Nothing to look at: the bias of the last projection alone, which is 0.
        assert not mine[0].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_only_a_model_in_float32_is_converted(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)).to(dtype)
    with pytest.raises(ParameterError, match=rf"0\.weight is of {dtype}"):
        convert(model, "hfp8")
    assert convert(model, "fp32").model(torch.ones(1, 4, dtype=dtype)).dtype == dtype


class Twice(nn.Module):
    """One layer in two places."""

    def __init__(self) -> None:
        super().__init__()
        one = nn.Linear(4, 4)
        self.body, self.head = nn.Sequential(one), nn.Sequential(one, nn.ReLU())
        self.last = nn.Linear(4, 4)


def test_a_module_in_two_places_has_two_names() -> None:
    for name in ("body.0", "head.0", "head", "body"):
        found = convert(Twice(), "hfp8", keep=[name])
        assert [line.partition(":")[0] for line in found.converted] == ["last"]
    for name in ("body.0", "head.0"):
        model: Any = convert(Twice(), "hfp8", first_last=name).model
        assert model.head[0].wide and not model.last.wide


@pytest.mark.parametrize("given", [None, 1, [3], [["a"]]])
def test_names_that_are_none(given: Any) -> None:
    for parameter in ("keep", "first_last"):
        with pytest.raises(ParameterError, match=f"{parameter}=.* is not allowed"):
            convert(Twice(), "hfp8", **{parameter: given})


def test_shapes_alone() -> None:
    model = convert(nn.Linear(4, 3, device="meta"), "hfp8-fast", first_last=False).model
    assert model(torch.ones(2, 4, device="meta")).shape == (2, 3)
