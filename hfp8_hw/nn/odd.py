"""Sums in binary64 and binary32 that remember, in their last bit, whether they are exact.

A value rounded to the odd neighbour where it is not exact can be rounded again, to fewer bits and
in any way, as if it were exact (Boldo and Melquiond, "Emulation of a FMA and Correctly Rounded
Sums", IEEE Transactions on Computers 57 (4), 2008, section 3): it lies between the same two values
of the coarser grid, and on neither of them, nor on their middle.
"""

from __future__ import annotations

import torch
from torch import Tensor


def add(a: Tensor, b: Tensor) -> Tensor:
    """a + b in ``float64``, rounded to odd; the operands' exponents must be far from both ends."""
    total = a + b
    back = total - a
    left = (a - (total - back)) + (b - back)  # Exactly what the sum left out (Knuth's TwoSum).
    left = torch.where(total.isfinite(), left, 0.0)
    toward = torch.where((left != 0) & ((left < 0) != (total < 0)), 1, 0)
    word = total.view(torch.int64) - toward  # One step toward zero: now it is cut off.
    return (word | (left != 0).to(torch.int64)).view(torch.float64)


def single(value: Tensor) -> Tensor:
    """``float64`` values, within binary32's normal range, in ``float32``, rounded to odd."""
    near = value.to(torch.float32)
    exact = near.to(torch.float64)
    beyond = (exact.abs() > value.abs()).to(torch.int32)
    inexact = ((exact != value) & ~value.isnan()).to(torch.int32)
    return ((near.view(torch.int32) - beyond) | inexact).view(torch.float32)
