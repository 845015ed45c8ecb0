"""Weight updates and the loss scale on tensors give golden's codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hfp8_hw import ParameterError, golden, nn

EDGES = np.array([0, 1, 2, 0x1FF, 0x200, 0x3E00, 0x3E01, 0x7FFD, 0x7FFE, 0x7FFF], np.uint16)
EDGES = np.concatenate([EDGES, EDGES | 0x8000]).astype(np.uint16)


def wide(count: int, seed: int) -> np.ndarray:
    """DLFLOAT16 codes: all edges, the range of weights, and any."""
    rng = np.random.default_rng(seed)
    near = rng.integers(0x2600, 0x4800, count).astype(np.uint16)
    near |= rng.integers(0, 2, count).astype(np.uint16) << 15
    anything = rng.integers(0, 1 << 16, count).astype(np.uint16)
    return np.concatenate([EDGES, near, anything])


def test_sums() -> None:
    a, b = wide(300, 1), wide(300, 2)
    got = nn.add(nn.from_numpy(a)[:, None], nn.from_numpy(b))
    assert np.array_equal(nn.to_numpy(got), golden.add(a[:, None], b, "DLFLOAT16"))


@pytest.mark.parametrize("rounding", ["RNE", "RNA", "RTZ"])
@pytest.mark.parametrize("fmt", ["HFP8_FWD", "HFP8_BWD", "E4M3FN", "E5M2", "E4M3B11FNUZ"])
def test_weight_update(fmt: str, rounding: str) -> None:
    """Every weight, with residuals and updates of every kind."""
    weight = np.arange(256, dtype=np.uint8)[:, None]
    residual, update = wide(150, 3), wide(150, 4)
    want = golden.weight_update(weight, residual, update, fmt=fmt, rounding=rounding)
    given = (nn.from_numpy(x) for x in (weight, residual, update))
    got = nn.weight_update(*given, fmt=fmt, rounding=rounding)
    for mine, theirs in zip(got, want, strict=True):
        assert np.array_equal(nn.to_numpy(mine), theirs)


def test_loss_scale() -> None:
    steps = np.random.default_rng(5).random((400, 3)) < 0.1
    for how in ({}, {"initial": 3, "growth": 4, "floor": -2, "ceiling": 5}):
        got = nn.loss_scale(torch.from_numpy(steps), **how)
        assert np.array_equal(got.numpy(), golden.loss_scale(steps, **how))


def test_refusals() -> None:
    w, r = torch.zeros(2, dtype=torch.uint8), torch.zeros(2, dtype=torch.int16)
    with pytest.raises(ParameterError, match=r"update has dtype torch.uint8, which is not allowed"):
        nn.weight_update(w, r, w)
    with pytest.raises(ParameterError, match="fmt='FP16' is not allowed: at most 8 bits"):
        nn.weight_update(r, r, r, fmt="FP16")
    with pytest.raises(
        ParameterError, match=r"rounding='SR\(8\)' is not allowed for weight_update"
    ):
        nn.weight_update(w, r, r, rounding="SR(8)")
    with pytest.raises(ParameterError, match=r"overflow is not allowed: a tensor of torch.bool"):
        nn.loss_scale(w)
    with pytest.raises(ParameterError, match="initial=30 is not allowed"):
        nn.loss_scale(w.bool(), initial=30)
