"""Weight updates and the loss scale on tensors give golden's codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hfp8_hw import ParameterError, golden, nn, parse_format

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


ROUNDED = [("DLFLOAT16", "SR(12)"), ("DLFLOAT16", "SR(1)"), ("DLFLOAT16", "RNE"),
           ("HFP8_FWD", "SR(19)"), ("HFP8_BWD", "RTZ"), ("E4M3B11FNUZ", "SR(8)"),
           ("FP9", "RNA")]  # fmt: skip


@pytest.mark.parametrize(("fmt", "rounding"), ROUNDED)
def test_sgd_update(fmt: str, rounding: str) -> None:
    """Weights, momenta, gradients and rates of every kind, with the random bits' ends."""
    rng, count = np.random.default_rng(6), 60000
    if fmt == "DLFLOAT16":
        weight = rng.choice(wide(400, 7), count)
    else:
        weight = rng.integers(0, 1 << parse_format(fmt).width, count).astype(np.uint16)
        weight = weight.astype(np.uint8) if parse_format(fmt).width <= 8 else weight
    momentum, gradient, rate, decay = (rng.choice(wide(400, k), count) for k in range(8, 12))
    how = {"fmt": fmt, "rounding": rounding, "flags": True}
    rbits = None
    if rounding.startswith("SR"):
        top = 1 << int(rounding[3:-1])
        rbits = rng.integers(0, top, count)
        rbits[::5], rbits[1::5] = 0, top - 1
    given = (weight, momentum, gradient, rate, decay)
    want = golden.sgd_update(*given, rbits=rbits, **how)
    bits = None if rbits is None else torch.from_numpy(rbits)
    got = nn.sgd_update(*map(nn.from_numpy, given), rbits=bits, **how)
    for mine, theirs in zip(got, want, strict=True):
        assert np.array_equal(nn.to_numpy(mine), theirs)


def test_a_sum_rounded_to_odd_keeps_what_it_lost() -> None:
    """1 - 2**-70 lies below 1, so a stochastic rounding may go down; 1 may not."""
    one, tiny, zero = (torch.tensor([c], dtype=torch.int16) for c in (31 << 9, 1, 0))
    for update, want in ((zero, 1.0), (tiny, 1.0 - 2.0**-10)):
        codes, _ = nn.sgd_update(one, zero, update, tiny, zero, rbits=torch.tensor([0]))
        assert nn.decode(codes, "DLFLOAT16").item() == want


def test_fma() -> None:
    rng = np.random.default_rng(12)
    a, b, c = (rng.choice(wide(400, k), 50000) for k in (13, 14, 15))
    got = nn.fma(*map(nn.from_numpy, (a, b, c)))
    assert np.array_equal(
        nn.to_numpy(got), golden.fma(a, b, c, "DLFLOAT16", "DLFLOAT16", "DLFLOAT16")
    )


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
    with pytest.raises(ParameterError, match=r"rounding='SR\(14\)' is not allowed for DLFLOAT16: "
                       r"SR\(n\) with n from 1 to 13"):  # fmt: skip
        nn.sgd_update(r, r, r, r, r, rounding="SR(14)", rbits=w)
    with pytest.raises(ParameterError, match="fmt='FP16' is not allowed: only values of DLFLOAT16"):
        nn.sgd_update(r, r, r, r, r, fmt="FP16", rounding="RNE")
    with pytest.raises(ParameterError, match=r"rate has dtype torch.uint8, which is not allowed"):
        nn.sgd_update(r, r, r, w, r, rounding="RNE")
    with pytest.raises(ParameterError, match=r"overflow is not allowed: a tensor of torch.bool"):
        nn.loss_scale(w)
    with pytest.raises(ParameterError, match="initial=30 is not allowed"):
        nn.loss_scale(w.bool(), initial=30)


def test_shapes_that_do_not_broadcast_are_one_line() -> None:
    four, three = torch.zeros(4, dtype=torch.int16), torch.zeros(3, dtype=torch.int16)
    narrow, bits = torch.zeros(4, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)
    for wrong in (
        lambda: nn.add(four, three),
        lambda: nn.fma(four, three, four),
        lambda: nn.weight_update(narrow, three, four),
        lambda: nn.sgd_update(four, three, four, four, four, rbits=bits),
    ):
        with pytest.raises(ParameterError, match=r"of shape \(4,\), .* of shape \(3,\)") as caught:
            wrong()
        assert "\n" not in str(caught.value)


def test_arrays_that_are_codes_and_those_that_are_not() -> None:
    codes = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    fixed = codes.copy()
    fixed.flags.writeable = False
    swapped = codes.astype(codes.dtype.newbyteorder())
    for array in (codes, codes.T, codes[::-1, ::2], fixed, swapped, codes[1, 2], codes[:0],
                  np.array(7, np.uint8), codes.astype(np.uint8)):  # fmt: skip
        tensor = nn.from_numpy(array)
        assert tensor.shape == array.shape
        back = nn.to_numpy(tensor)
        np.testing.assert_array_equal(back, array)
    for wrong in (codes.astype(np.int64), codes.astype(np.float32), [1, 2], 3, None):
        with pytest.raises(ParameterError, match="an array of uint8 or uint16"):
            nn.from_numpy(wrong)
    for bad in (torch.ones(2), torch.ones(2, dtype=torch.int64), codes, [1]):
        with pytest.raises(ParameterError, match=r"uint8 or torch\.int16"):
            nn.to_numpy(bad)
