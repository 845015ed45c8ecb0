"""Random words that do not depend on the device, on the order of calls or on the shape of a run."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

_WORD = 0xFFFFFFFF
_Words = TypeVar("_Words", int, Tensor)


def _mixed(x: _Words) -> _Words:
    """A bijection of 32-bit words, in ``int64`` or a number, all of whose bits depend on all
    (Wellons, "Prospecting for Hash Functions", 2018: the function lowbias32)."""
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D) & _WORD
    x = x ^ (x >> 15)
    x = (x * 0x846CA68B) & _WORD
    return x ^ (x >> 16)


def random_bits(seed: int, step: int, stream: int, count: int, bits: int, device: Any) -> Tensor:
    """``count`` integers of ``bits`` random bits, 1 to 32, in ``int64``: element k of a stream of a
    step is always the same."""
    start = 0
    for word in (seed, seed >> 32, step, stream):
        start = _mixed((start + (word & _WORD) + 0x9E3779B9) & _WORD)
    index = torch.arange(count, dtype=torch.int64, device=device)
    return _mixed(_mixed(index & _WORD) ^ start) >> (32 - bits)
