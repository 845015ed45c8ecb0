"""A hundred training steps have the codes that the golden model gives, every one of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hfp8_hw import golden
from hfp8_hw.nn import HFP8SGD, LossScaler, convert, to_numpy
from tests.train.on_golden import ACC, Layer, Net, Shape

STEPS, IMAGES = 100, 2
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
OVERFLOWS = (3, 40, 41)
"""Steps whose loss is so large that errors overflow."""

SHAPES = [Shape(1, 4, 3, 2, 1), Shape(4, 8, 3, 1, 1, 2), Shape(72, 9), Shape(9, 7), Shape(7, 3)]
"""Two convolutions, and a perceptron on 8 x 3 x 3 numbers: a sum of 72 products has two chunks."""


def torch_net(shapes: list[Shape]) -> nn.Sequential:
    torch.manual_seed(4)
    layers: list[nn.Module] = []
    for s in shapes:
        if s.kernel > 1:
            how = {"stride": s.stride, "padding": s.padding, "groups": s.groups}
            layers.append(nn.Conv2d(s.inputs, s.outputs, s.kernel, **how))
        else:
            layers += [nn.Flatten(), nn.Linear(s.inputs, s.outputs)]
        layers.append(nn.ReLU())
    return nn.Sequential(*layers[:-1])


def weighted(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]


def golden_net(model: nn.Sequential, shapes: list[Shape], **how: float) -> Net:
    layers = []
    for k, (module, shape) in enumerate(zip(weighted(model), shapes, strict=True)):
        weight = module.weight.detach().numpy().copy()
        weight = weight.reshape(shape.outputs, -1, shape.kernel, shape.kernel)
        bias = module.bias.detach().numpy().copy()
        layers.append(Layer(shape, k in (0, len(shapes) - 1), weight, bias))
    return Net(layers, **how)  # type: ignore[arg-type]


def same(mine: Tensor, codes: np.ndarray, fmt: str = ACC) -> bool:
    """Whether binary32 values are those of codes, -0 and NaN too."""
    want = golden.decode(codes, fmt).astype(np.float32).ravel()
    got = mine.detach().cpu().numpy().ravel()
    equal = np.array_equal(got, want, equal_nan=True)
    return equal and np.array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("nesterov", [False, True])
def test_a_hundred_steps(nesterov: bool, device: str) -> None:
    shapes, steps = SHAPES, 10 if nesterov else STEPS
    plain = torch_net(shapes)
    how = {"momentum": 0.9, "nesterov": nesterov}
    reference = golden_net(plain, shapes, rate=0.05, decay=1e-3, seed=5, **how)
    model = convert(plain, "hfp8").model.to(device)
    optimizer = HFP8SGD(model.parameters(), lr=0.05, weight_decay=1e-3, seed=5, **how)
    scaler = LossScaler("hfp8", initial=10, growth=7)
    outputs: list[Tensor] = []
    for module in weighted(model):
        module.register_forward_hook(lambda _m, _i, out: outputs.append(out))
    rng, skipped, losses = np.random.default_rng(1), [], []
    for step in range(steps):
        labels = rng.integers(0, 3, IMAGES)
        x = rng.normal(size=(IMAGES, 1, 6, 6)).astype(np.float32) + labels[:, None, None, None]
        outputs.clear()
        optimizer.zero_grad()
        logits = model(torch.from_numpy(x).to(device))
        for out in outputs:
            out.retain_grad()
        exponent = scaler.exponent
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels).to(device))
        losses.append(loss.item())
        scaler.backward(loss * 2.0**40 if step in OVERFLOWS else loss)
        mine = [*outputs]
        found = reference.forward(x)
        assert all(same(a, b) for a, b in zip(mine, found, strict=True)), step
        assert logits.grad is not None
        reference.backward(found, logits.grad.cpu().numpy().copy())
        for module, layer in zip(weighted(model), reference.layers, strict=True):
            assert same(module.weight.grad, layer.gradients["weight"]), step
            assert same(module.bias.grad, layer.gradients["bias"]), step
        if not scaler.step(optimizer):
            skipped.append(step)
        else:
            reference.step(exponent)
        for module, layer in zip(weighted(model), reference.layers, strict=True):
            assert same(module.weight, layer.weight, layer.fmt), step
            assert same(module.bias, layer.bias), step
            if optimizer.state[module.weight]:
                state = optimizer.state[module.weight]
                assert np.array_equal(to_numpy(state["velocity"]).ravel(),
                                      layer.velocity["weight"].ravel())  # fmt: skip
                if not layer.wide:
                    assert np.array_equal(to_numpy(state["residual"]).ravel(),
                                          layer.residual.ravel())  # fmt: skip
    assert {k for k in OVERFLOWS if k < steps} <= set(skipped)
    overflow = np.isin(np.arange(steps), skipped)
    assert scaler.exponent == golden.loss_scale(overflow, initial=10, growth=7)[-1]
