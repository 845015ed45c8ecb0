"""Quantize and decode on tensors give golden's codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hfp8_hw import CATALOGUE, ParameterError, golden, nn, parse_format
from tests.conftest import EXOTIC, edge_values

from .conftest import random_words

NARROW = tuple(name for name, fmt in CATALOGUE.items() if fmt.width <= 16)
ROUNDINGS = ("RNE", "RNA", "RTZ", "SR(1)", "SR(8)", "SR(24)")


def values(name: str) -> np.ndarray:
    """Edges of the format as binary32, and binary32 words of every kind."""
    rng = np.random.default_rng(7)
    words = rng.integers(0, 1 << 32, 3000, dtype=np.uint32).view(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        edges = edge_values(parse_format(name)).astype(np.float32)
    tiny = np.float32(2.0**-149) * np.arange(-40, 41, dtype=np.float32)
    x = np.concatenate([edges, words, tiny, [np.float32(2.0**-31), -np.float32(2.0**-31)]])
    return np.where(np.isnan(x), np.float32(np.nan), x).astype(np.float32)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", [*NARROW, *EXOTIC])
def test_quantize(name: str, rounding: str) -> None:
    fmt, x = parse_format(name), values(name)
    rbits = random_words(rounding, x.size)
    bits = None if rbits is None else torch.from_numpy(rbits)
    for overflow in ("saturate", "special") if fmt.has_nan else ("saturate",):
        want = golden.quantize(
            x, fmt, rounding=rounding, overflow=overflow, rbits=rbits, flags=True
        )
        got = nn.quantize(
            torch.from_numpy(x), fmt, rounding=rounding, overflow=overflow, rbits=bits
        )
        assert np.array_equal(nn.to_numpy(got), want[0]), (name, rounding, overflow)
        got = nn.quantize(
            torch.from_numpy(x), fmt, rounding=rounding, overflow=overflow, rbits=bits, flags=True
        )
        for mine, theirs in zip(got, want, strict=True):
            assert np.array_equal(nn.to_numpy(mine), theirs), (name, rounding, overflow)


@pytest.mark.parametrize("name", [*NARROW, *EXOTIC])
def test_decode_every_code(name: str) -> None:
    fmt = parse_format(name)
    kind = np.uint8 if fmt.width <= 8 else np.uint16
    codes = np.arange(1 << fmt.width, dtype=np.uint32).astype(kind)
    got = nn.decode(nn.from_numpy(codes), fmt, dtype=torch.float64).numpy()
    want = golden.decode(codes, fmt)
    assert np.array_equal(got, want, equal_nan=True)
    assert np.array_equal(np.signbit(got), np.signbit(want))


def test_the_power_of_two_below_the_smallest_value_goes_up() -> None:
    x = torch.tensor([2.0**-31, -(2.0**-31), 2.0**-32, 2.0**-32 * (1 + 2.0**-9)])
    assert nn.quantize(x, "DLFLOAT16", rounding="RNA").tolist() == [1, 1 - 0x8000, 0, 1]


REFUSED = [
    ({"x": torch.zeros(2, dtype=torch.float64)},
     "x has dtype torch.float64, which is not allowed: a tensor of torch.float32"),
    ({"x": [1.0]}, r"x is \[1.0\], which is not allowed: a tensor of torch.float32"),
    ({"fmt": "FP32"}, "fmt='FP32' is not allowed: a format of up to 16 bits"),
    ({"rounding": "RUP"}, "rounding='RUP' is not allowed: one of RNE, RNA, RTZ, or SR"),
    ({"rounding": "SR(25)"}, r"rounding='SR\(25\)' is not allowed"),
    ({"rounding": "SR(8)"}, r"rbits=None is not allowed: SR\(8\) needs its random bits"),
    ({"rounding": "SR(8)", "rbits": torch.tensor([256, 0])},
     "rbits=256 is not allowed: integers from 0 to 255"),
    ({"rounding": "SR(8)", "rbits": torch.zeros(3, dtype=torch.int64)},
     r"rbits of shape \(3,\) is not allowed: it does not broadcast to \(2,\)"),
    ({"rounding": "SR(8)", "rbits": torch.zeros(2)}, "rbits is not allowed: a tensor of integers"),
    ({"rbits": torch.zeros(2, dtype=torch.int64)}, "rbits is not allowed with rounding='RNE'"),
    ({"overflow": "special"}, "overflow='special' is not allowed for HFP8_FWD"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_what_quantize_refuses(given: dict[str, object], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        nn.quantize(**{"x": torch.ones(2), "fmt": "HFP8_FWD", **given})  # type: ignore[arg-type]


def test_codes_of_another_dtype_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"codes has dtype torch.int64, which is not allowed"):
        nn.decode(torch.zeros(2, dtype=torch.int64), "HFP8_FWD")
    with pytest.raises(ParameterError, match=r"codes holds the code 64, which is not allowed"):
        nn.decode(torch.tensor([64], dtype=torch.uint8), "E3M2")
    with pytest.raises(ParameterError, match=r"fmt=.* is not allowed with float32"):
        nn.decode(torch.zeros(2, dtype=torch.uint8), "E5M2B200")
