"""Small networks train, in every arithmetic, and stop and go on to the same bits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hfp8_hw.nn import HFP8SGD, LossScaler, convert

TRAINS = ("fp32", "hfp8", "hfp8-fast", "e5m2", "ocp")


def points() -> tuple[Tensor, Tensor]:
    """Points of four classes."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(256, 12, generator=g)
    return x, (x @ torch.randn(12, 4, generator=g)).argmax(1)


def perceptron() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 24), nn.BatchNorm1d(24), nn.ReLU(),
        nn.Linear(24, 4),
    )  # fmt: skip


@pytest.mark.parametrize("arith", TRAINS)
def test_a_perceptron_learns(arith: str) -> None:
    x, y = points()
    model = convert(perceptron(), arith).model
    optimizer = HFP8SGD(model.parameters(), lr=0.1, momentum=0.9, arith=arith)
    scaler = LossScaler(arith)
    for step in range(24):
        part = slice(step % 4 * 64, step % 4 * 64 + 64)
        optimizer.zero_grad()
        scaler.backward(nn.functional.cross_entropy(model(x[part]), y[part]))
        assert scaler.step(optimizer)
    right = (model(x).argmax(1) == y).float().mean().item()
    assert right > 0.9
