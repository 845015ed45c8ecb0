"""Optimizers move codes as golden does; a run that stops goes on to the same bits."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hfp8_hw import ParameterError, golden
from hfp8_hw.nn import HFP8SGD, HFP8Adam, LossScaler, arithmetic, convert, to_numpy
from hfp8_hw.nn.scheme.random import random_bits

ACC, FWD = "DLFLOAT16", "HFP8_FWD"


def wide(x: np.ndarray) -> np.ndarray:
    return golden.quantize(x, ACC, rounding="RNA", overflow="special")


def values(codes: np.ndarray, fmt: str = ACC) -> np.ndarray:
    return golden.decode(codes, fmt).astype(np.float32)


def net() -> nn.Sequential:
    torch.manual_seed(8)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 8), nn.ReLU(),
                         nn.Linear(8, 3))  # fmt: skip


def batch(step: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(step)
    return torch.randn(10, 6, generator=g), torch.randint(0, 3, (10,), generator=g)


MAKE: dict[str, Callable[..., Any]] = {
    "sgd": lambda p, **how: HFP8SGD(p, 0.1, 0.9, 1e-2, True, **how),
    "plain sgd": lambda p, **how: HFP8SGD(p, 0.1, **how),
    "adam": lambda p, **how: HFP8Adam(p, 1e-2, weight_decay=1e-2, amsgrad=True, **how),
    "adamw": lambda p, **how: HFP8Adam(p, 1e-2, weight_decay=0.1, decoupled=True, **how),
}
PYTORCH: dict[str, Callable[..., Any]] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=1e-2, nesterov=True),
    "plain sgd": lambda p: torch.optim.SGD(p, 0.1),
    "adam": lambda p: torch.optim.Adam(p, 1e-2, weight_decay=1e-2, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, 1e-2, weight_decay=0.1),
}


def train(model: nn.Module, optimizer: Any, scaler: LossScaler, steps: range) -> None:
    for step in steps:
        x, y = batch(step)
        optimizer.zero_grad()
        scaler.backward(nn.functional.cross_entropy(model(x), y))
        scaler.step(optimizer)


@pytest.mark.parametrize("arith", ["fp32", "ocp"])
@pytest.mark.parametrize("kind", MAKE)
def test_without_codes_they_are_pytorchs(kind: str, arith: str) -> None:
    """Also on a model whose weights are marked, where it is `fp32` that is asked for."""
    models = [convert(net(), "hfp8-fast").model for _ in range(2)]
    mine = MAKE[kind](models[0].parameters(), arith=arith)
    theirs = PYTORCH[kind](models[1].parameters())
    for model, optimizer in zip(models, (mine, theirs), strict=True):
        train(model, optimizer, LossScaler("hfp8-fast", initial=8), range(4))
    for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_adam_moves_codes_by_pytorchs_update(kind: str) -> None:
    """The update is what PyTorch takes off a weight of 0 without decay; the rest is golden's."""
    model = convert(net(), "hfp8-fast").model
    optimizer = MAKE[kind](model.parameters(), arith="hfp8-fast", seed=3)
    twin = [nn.Parameter(torch.zeros_like(p)) for p in model.parameters()]
    theirs = torch.optim.Adam(twin, 1e-2, amsgrad=kind == "adam")
    for step in range(5):
        x, y = batch(step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        before = [p.detach().clone() for p in model.parameters()]
        residuals = {k: optimizer.state[p]["residual"].clone() for k, p in
                     enumerate(model.parameters()) if "residual" in optimizer.state[p]}  # fmt: skip
        for q, p in zip(twin, model.parameters(), strict=True):
            q.data.zero_()
            assert p.grad is not None
            q.grad = p.grad + 1e-2 * p.detach() if kind == "adam" else p.grad.clone()
        theirs.step()
        optimizer.step()
        assert set(residuals) == {4}
        words = random_bits(3, step, 0, sum(before[k].numel() for k in (0, 1, 5, 6, 7)), 12, "cpu")
        for k, p in enumerate(model.parameters()):
            update = -twin[k].detach()
            if kind == "adamw":
                update = update.add(before[k], alpha=1e-2 * 0.1)
            if k in (2, 3):  # The normalization's.
                assert torch.allclose(p, before[k] - update, atol=1e-6)
                continue
            u = wide(update.numpy())
            if k == 4:
                w = golden.quantize(before[k].numpy(), FWD)
                new, left = golden.weight_update(w, to_numpy(residuals[k]), u)
                assert np.array_equal(p.detach().numpy(), values(new, FWD))
                assert np.array_equal(to_numpy(optimizer.state[p]["residual"]), left)
                continue
            mine, words = words[: p.numel()].reshape(p.shape), words[p.numel() :]
            one, zero = wide(np.ones(1, np.float32)), np.zeros(1, np.uint16)
            new, _ = golden.sgd_update(wide(before[k].numpy()), zero, u, one, zero,
                                       rbits=mine.numpy())  # fmt: skip
            assert np.array_equal(p.detach().numpy(), values(new))


def test_a_weight_starts_as_a_code_and_a_residual() -> None:
    model = convert(net(), "hfp8").model
    weight = model[2].weight.detach().clone()
    optimizer = HFP8SGD(model.parameters(), arith="hfp8")
    code = golden.quantize(weight.numpy(), FWD)
    assert np.array_equal(model[2].weight.detach().numpy(), values(code, FWD))
    left = wide(weight.numpy() - values(code, FWD))
    assert np.array_equal(to_numpy(optimizer.state[model[2].weight]["residual"]), left)
    other = convert(net(), "hfp8").model
    optimizer.add_param_group({"params": list(other.parameters()), "lr": 0.5})
    assert torch.equal(other[2].weight, model[2].weight)
    assert "residual" in optimizer.state[other[2].weight]


def test_small_updates_add_up_in_the_residual() -> None:
    """A hundredth of the last place of a weight, 200 times: two places."""
    model = convert(nn.Linear(1, 1, bias=False), "hfp8", first_last=False).model
    model.weight.data.fill_(1.0)
    optimizer = HFP8SGD(model.parameters(), lr=1.0, arith="hfp8")
    for _ in range(200):
        model.weight.grad = torch.full((1, 1), 2.0**-3 / 64)
        optimizer.step()
    whole = model.weight.item() + values(to_numpy(optimizer.state[model.weight]["residual"])).item()
    assert model.weight.item() < 1.0 and whole == 1.0 - 200 * 2.0**-9


@pytest.mark.parametrize("arith", ["hfp8", "hfp8-fast", "e5m2", "ocp", "fp32"])
@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_a_run_that_stops_goes_on_to_the_same_bits(kind: str, arith: str) -> None:
    def start() -> tuple[nn.Module, Any, LossScaler]:
        model = convert(net(), arith).model
        optimizer = MAKE[kind](model.parameters(), arith=arith, seed=11)
        return model, optimizer, LossScaler(arith, initial=20, growth=3)

    whole = start()
    train(*whole, range(4))
    file = io.BytesIO()
    torch.save([one.state_dict() for one in whole], file)
    train(*whole, range(4, 8))
    file.seek(0)
    again = start()
    train(*again, range(1))  # Whatever it has done before is forgotten.
    for one, state in zip(again, torch.load(file, weights_only=True), strict=True):
        one.load_state_dict(state)
    train(*again, range(4, 8))
    for p, q in zip(whole[0].parameters(), again[0].parameters(), strict=True):
        assert torch.equal(p, q)
        mine, theirs = whole[1].state[p], again[1].state[q]
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            if isinstance(value, Tensor):
                assert value.dtype == theirs[name].dtype and torch.equal(value, theirs[name])
    assert whole[2].state_dict() == again[2].state_dict()
    seeds = copy.deepcopy(whole[1].param_groups[0])
    assert seeds["moves"] == again[1].param_groups[0]["moves"]


def test_another_seed_rounds_otherwise() -> None:
    found = []
    for seed in (1, 1, 2):
        model = convert(net(), "hfp8-fast").model
        train(model, HFP8SGD(model.parameters(), 0.1, seed=seed, arith="hfp8-fast"),
              LossScaler("hfp8-fast"), range(3))  # fmt: skip
        found.append(model[0].weight.detach())
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_random_bits() -> None:
    """By hand: the words of a plain integer loop; all bits come out ones half of the time."""

    def mixed(x: int) -> int:
        for factor, shift in ((0x7FEB352D, 16), (0x846CA68B, 15)):
            x = (x ^ x >> shift) * factor & 0xFFFFFFFF
        return x ^ x >> 16

    start = 0
    for word in (7, 1, 5, 2):
        start = mixed(start + word + 0x9E3779B9 & 0xFFFFFFFF)
    got = random_bits(7 + (1 << 32), 5, 2, 4096, 12, "cpu")
    assert got[:50].tolist() == [mixed(mixed(k) ^ start) >> 20 for k in range(50)]
    ones = torch.stack([(got >> k & 1).double().mean() for k in range(12)])
    assert ((ones - 0.5).abs() < 0.04).all()
    assert not torch.equal(got, random_bits(7 + (1 << 32), 6, 2, 4096, 12, "cpu"))


def test_the_scaler_is_goldens() -> None:
    rng = np.random.default_rng(3)
    overflow = rng.random(200) < 0.15
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    scaler = LossScaler("hfp8", initial=5, growth=4, floor=2, ceiling=7)
    want = golden.loss_scale(overflow, initial=5, growth=4, floor=2, ceiling=7)
    for bad, exponent in zip(overflow, want, strict=True):
        optimizer.zero_grad()
        before = weight.detach().clone()
        scaler.backward((weight * torch.tensor([1.0, torch.nan if bad else 3.0])).sum())
        scale = scaler.scale
        assert weight.grad is not None and weight.grad[0] == scale
        assert scaler.step(optimizer) is bool(not bad)
        moved = before - weight.detach()
        assert torch.equal(moved, torch.zeros(2)) if bad else weight.grad.tolist() == [1.0, 3.0]
        assert scaler.exponent == exponent
    assert scaler.skipped == overflow.sum()


def test_unscale_once_and_without_scaling() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    scaler = LossScaler("hfp8")
    scaler.backward((weight * 3).sum())
    assert scaler.unscale(optimizer) and scaler.unscale(optimizer)
    assert weight.grad is not None and weight.grad.tolist() == [3.0, 3.0]
    for name, took in (("fp32", True), ("hfp8", False)):
        off = LossScaler(arithmetic(name, loss_scaling=False))
        optimizer.zero_grad()
        off.backward((weight * torch.inf).sum())
        assert off.scale == 1 and off.step(optimizer) is took and off.exponent == 0
        weight.data.fill_(1.0)


def test_refusals() -> None:
    model = convert(net(), "e5m2").model
    with pytest.raises(
        ParameterError, match="arith='hfp8' is not allowed for a weight of HFP8_BWD"
    ):
        HFP8SGD(model.parameters(), arith="hfp8")
    with pytest.raises(ParameterError, match="arithmetic='x' is not allowed: one of fp32"):
        HFP8Adam(model.parameters(), arith="x")
    with pytest.raises(ParameterError, match="seed=-1 is not allowed"):
        HFP8SGD(model.parameters(), arith="e5m2", seed=-1)
    with pytest.raises(ParameterError, match="initial=30 is not allowed: an integer from 0 to 24"):
        LossScaler(initial=30)
    with pytest.raises(
        ParameterError, match=r"state=\{\} is not allowed: exponent, clean, skipped"
    ):
        LossScaler().load_state_dict({})
    with pytest.raises(ParameterError, match="exponent=99 is not allowed"):
        LossScaler().load_state_dict({"exponent": 99, "clean": 0, "skipped": 0})


@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
@pytest.mark.parametrize("number", [np.nan, np.inf, 1e30])
def test_numbers_that_do_not_fit_move_nothing(name: str, number: float) -> None:
    model = convert(net(), "hfp8-fast").model
    optimizer = HFP8SGD(model.parameters(), 0.1, 0.9)
    x, y = batch(1)
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.param_groups[0][name] = number
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(ParameterError, match=rf"{name}=.* is not allowed: a magnitude below 8577"):
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("kind", "option"),
    [(HFP8SGD, {"maximize": True}), (HFP8SGD, {"dampening": 0.5}), (HFP8Adam, {"maximize": True})],
)
def test_options_that_codes_do_not_have(kind: Any, option: dict[str, Any]) -> None:
    model = convert(net(), "hfp8").model
    with pytest.raises(ParameterError, match=f"{next(iter(option))}=.* is not allowed"):
        kind([{"params": list(model.parameters()), **option}])
    optimizer = kind(list(model[0].parameters()))
    with pytest.raises(ParameterError, match=f"{next(iter(option))}=.* is not allowed"):
        optimizer.add_param_group({"params": list(model[1].parameters()), **option})
    plain = convert(net(), "ocp").model  # There it is PyTorch's own optimizer.
    kind([{"params": list(plain.parameters()), **option}], arith="ocp")


@pytest.mark.parametrize("ends", [("fp32", "hfp8"), ("hfp8", "fp32"), ("ocp", "hfp8-fast")])
def test_the_state_of_another_arithmetic_is_refused(ends: tuple[str, str]) -> None:
    made = []
    for arith in ends:
        model = convert(net(), arith).model
        optimizer = HFP8SGD(model.parameters(), 0.1, 0.9, arith=arith)
        x, y = batch(1)
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        made.append(optimizer)
    before = copy.deepcopy(made[1].state_dict())
    with pytest.raises(ParameterError, match="of an optimizer of the same arithmetic"):
        made[1].load_state_dict(made[0].state_dict())
    made[1].load_state_dict(before)
