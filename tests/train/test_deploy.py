"""Models deployed in other arithmetics, against the scheme's layers and against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from hfp8_hw import golden
from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import CATALOGUE
from hfp8_hw.nn import convert
from hfp8_hw.nn.deployment import DEPLOYED, deploy, retune
from hfp8_hw.nn.deployment.layers import TABLE, adopt
from hfp8_hw.nn.deployment.rounders import Rounder
from hfp8_hw.nn.tasks.models.convnets import ResNet
from hfp8_hw.nn.tasks.models.transformer import Reader, Translator
from hfp8_hw.nn.tasks.speech import Listener


class Small(nn.Module):
    """A convolution, a normalization, a convolution of groups, one of one dimension, a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2, padding_mode="reflect")
        self.third = nn.Conv1d(8, 6, 3, padding="same")
        self.last = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(torch.relu(self.norm(self.first(x))))
        return self.last(torch.relu(self.third(y.flatten(2))).mean(2))


def pictures() -> torch.Tensor:
    return torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(2))


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[torch.Tensor, ...]]]] = {
    "small": (Small, lambda: (pictures(),)),
    "resnet": (lambda: ResNet(blocks=1, width=4), lambda: (pictures(),)),
    "lstm": (lambda: Listener(5, 8, True), lambda: (torch.randn(3, 6, 32),)),
    "reader": (lambda: Reader(9, 8, 64, 1), lambda: (torch.randint(0, 9, (2, 8)),)),
    "translator": (
        lambda: Translator(9, 8, 64, 1),
        lambda: (torch.randint(0, 9, (2, 6)), torch.randint(1, 9, (2, 5))),
    ),
}


def made(name: str) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    torch.manual_seed(4)
    model, inputs = MODELS[name][0](), MODELS[name][1]()
    model.train()
    model(*inputs)  # So that running statistics are not those of a new model.
    return model.eval(), inputs


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("arith", ["hfp8", "hfp8-fast", "e5m2"])
@torch.no_grad()
def test_without_scales_they_compute_what_the_scheme_does(name: str, arith: str) -> None:
    model, inputs = made(name)
    want = convert(model, arith).model.eval()(*inputs)
    deployed = deploy(model, arith)
    assert torch.equal(deployed(*inputs), want)
    plain = dict(model.named_parameters())
    assert any(not torch.equal(p, plain[n]) for n, p in deployed.named_parameters())


@torch.no_grad()
def test_every_arithmetic_is_its_own() -> None:
    model, inputs = made("reader")
    model.blocks[0].inner.weight.data *= 0.02  # type: ignore[operator,index,union-attr]
    found = [deploy(model, a, batches=[lambda m: m(*inputs)])(*inputs) for a in DEPLOYED]
    found.append(model(*inputs))
    for k, one in enumerate(found):
        assert not any(torch.equal(one, other) for other in found[:k]), k
        assert (one - found[-1]).abs().max() < 0.1 * found[-1].abs().max()


def linear(x: np.ndarray) -> tuple[nn.Linear, torch.Tensor]:
    """A layer with a weight of its own size in each row."""
    rng = np.random.default_rng(3)
    layer = nn.Linear(x.shape[1], 4)
    weight = rng.normal(size=(4, x.shape[1])) * [[0.01], [0.3], [7], [500]]
    layer.weight.data = torch.tensor(weight, dtype=torch.float32)
    layer.bias.data = torch.tensor(rng.normal(size=4), dtype=torch.float32)
    return layer, torch.tensor(x, dtype=torch.float32)


X = np.random.default_rng(5).normal(size=(40, 16))


def nearest(values: np.ndarray, fmt: str) -> np.ndarray:
    return np.asarray(golden.decode(golden.quantize(values, fmt), fmt))


@torch.no_grad()
def test_int8_against_numpy() -> None:
    layer, x = linear(X)
    found = deploy(
        layer, "int8", first_last=False, batches=[lambda m: m(x[:20]), lambda m: m(x[20:30])]
    )
    w, b = layer.weight.numpy(), layer.bias.numpy()
    by_row = (np.abs(w).max(1) / np.float32(127)).astype(np.float32)[:, None]
    scale = np.float32(np.abs(x.numpy()[:30]).max() / np.float32(127))
    codes = np.clip(np.round(x.numpy() / scale), -128, 127)
    want = codes.astype(np.int64) @ np.round(w / by_row).astype(np.int64).T
    np.testing.assert_allclose(
        found(x).numpy(), want * (scale * by_row.T) + b, rtol=1e-5, atol=1e-5
    )
    assert np.abs(x.numpy()[30:]).max() > 1.02 * np.abs(x.numpy()[:30]).max()  # Some saturate.


@torch.no_grad()
def test_ocp_against_golden() -> None:
    layer, x = linear(X)
    found = deploy(layer, "ocp", first_last=False, batches=[lambda m: m(x[:20])])
    w, b = layer.weight.numpy().astype(np.float64), layer.bias.numpy()
    x64 = x.numpy().astype(np.float64)
    fits = [2.0**k for k in range(-40, 40)]
    for_w = min(s for s in fits if np.abs(w).max() / s <= 448)
    for_x = min(s for s in fits if np.abs(x64[:20]).max() / s <= 448)
    assert for_w != 1 and for_x != 1
    want = (nearest(x64 / for_x, "E4M3FN") * for_x) @ (nearest(w / for_w, "E4M3FN") * for_w).T + b
    np.testing.assert_allclose(found(x).numpy(), want, rtol=1e-5, atol=1e-4)


@torch.no_grad()
def test_scales_come_from_the_largest_magnitude_and_need_no_range() -> None:
    """A tensor times a power of two gives the same codes; a tensor of zeros has scale 1."""
    layer, x = linear(X)
    for arith in ("ocp", "int8"):
        one = deploy(layer, arith, first_last=False, batches=[lambda m: m(x)])
        other = deploy(layer, arith, first_last=False, batches=[lambda m: m(x * 2.0**40)])
        rounded = one.round_input(x)
        assert torch.equal(rounded * 2.0**40, other.round_input(x * 2.0**40)), arith
        assert float(other.round_input.scale / one.round_input.scale) == 2.0**40
        nothing = deploy(layer, arith, first_last=False, batches=[lambda m: m(x * 0)])
        assert float(nothing.round_input.scale) == 1
    most = CATALOGUE["E4M3FN"].max
    exact = deploy(layer, "ocp", first_last=False, batches=[lambda m: m(x.clamp(-1, 1) * most)])
    assert float(exact.round_input.scale) == 1  # The largest value itself needs no more room.


@torch.no_grad()
def test_weights_are_rounded_once_and_only_narrow_ones_to_8_bits() -> None:
    model, _ = made("small")
    deployed = deploy(model, "hfp8-fast")
    plain = dict(model.named_parameters())
    for name, value in deployed.named_parameters():
        x = plain[name].numpy()
        wide = name.startswith(("first", "last")) or name.endswith("bias")
        if name.startswith("norm"):
            want = x
        elif wide:
            want = np.asarray(
                golden.decode(golden.quantize(x, "DLFLOAT16", rounding="RNA"), "DLFLOAT16")
            )
        else:
            want = nearest(x, "HFP8_FWD")
        np.testing.assert_array_equal(value.numpy(), want, name)
    for module in deployed.modules():
        stored = getattr(module, "stored", {})
        for name, one in stored.items():
            assert torch.equal(one.values(), getattr(module, name))


@torch.no_grad()
def test_retuned_statistics_are_those_of_the_deployed_arithmetic() -> None:
    model, (x,) = made("small")
    deployed = deploy(model, "e5m2")
    batches = [x[:3] * 2, x[3:] + 1]
    before = deployed(x)
    assert retune(deployed, [lambda m, b=b: m(b) for b in batches]) == 2
    seen = [deployed.first(b) for b in batches]
    mean = torch.stack([y.mean((0, 2, 3)) for y in seen]).mean(0)
    var = torch.stack([y.var((0, 2, 3)) for y in seen]).mean(0)
    torch.testing.assert_close(deployed.norm.running_mean, mean)
    torch.testing.assert_close(deployed.norm.running_var, var)
    assert not torch.equal(deployed(x), before)
    assert not any(m.training for m in deployed.modules())
    assert deployed.norm.momentum == model.norm.momentum  # type: ignore[union-attr]
    other = deploy(model, "e5m2")
    assert torch.equal(other(x), before)  # The model that it came from is as it was.


@pytest.mark.parametrize("name", MODELS)
def test_what_a_layer_is_given_lies_where_the_layer_is(name: str) -> None:
    """On another device than the CPU; "meta" is there without a GPU, and has no data."""
    model = convert(made(name)[0], "ocp").model.to("meta")
    layers = [module for module in model.modules() if type(module) in TABLE]
    for layer in layers:
        adopt(layer)
    scales = [buffer for part in model.modules() if isinstance(part, Rounder)
              for buffer in part.buffers()]  # fmt: skip
    assert layers and scales and {buffer.device.type for buffer in scales} == {"meta"}


@torch.no_grad()
def test_nothing_to_retune() -> None:
    model, _ = made("lstm")
    calls: list[nn.Module] = []
    assert retune(deploy(model, "hfp8-fast"), [calls.append]) == 0 and not calls


def test_refusals() -> None:
    with pytest.raises(ParameterError) as error:
        deploy(nn.Linear(2, 2), "fp32")
    assert str(error.value).startswith("arith='fp32' is not allowed: one of hfp8, hfp8-fast, ")
