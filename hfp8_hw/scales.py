"""Scales of tensors that are rounded to 8 bits: one rule for the golden model's networks and the
PyTorch twin's."""

from __future__ import annotations

import math

INT8_MOST = 127
"""What the largest magnitude of a tensor becomes in INT8; -128 is not used."""


def fitting_exponent(most: float, largest: float, ends: tuple[int, int] = (-63, 64)) -> int:
    """The least e between ``ends`` with ``most <= largest * 2**e``: a tensor of that largest
    magnitude, divided by 2**e, has nothing beyond a format's largest value. 0 for zero, infinities
    and NaN."""
    if not (math.isfinite(most) and most > 0):
        return 0
    part, exponent = math.frexp(most)
    limit, top = math.frexp(largest)
    return min(ends[1], max(ends[0], exponent - top + (part > limit)))
