"""Adam sets up its own state beside the residuals of 8-bit weights."""

import pytest
import torch
from torch import nn

from hfp8_hw.nn import HFP8Adam, LossScaler, convert


@pytest.mark.parametrize("arith", ["fp32", "hfp8", "hfp8-fast", "e5m2", "ocp"])
def test_adam_moves_a_layer_that_is_neither_the_first_nor_the_last(arith: str) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    model = convert(model, arith).model
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer, scaler = HFP8Adam(model.parameters(), 0.1, arith=arith), LossScaler(arith)
    x = torch.randn(16, 4)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = (model(x) - x[:, :2]).square().mean()
        scaler.backward(loss)
        assert scaler.step(optimizer)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0], losses
    assert all(not torch.equal(p, before[name]) for name, p in model.named_parameters())
