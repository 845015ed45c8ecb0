"""Classes of codes: what a code stands for, as ranges, for arrays and for Verilog alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.formats import FloatFormat

CLASSES = ("zero", "smallest", "lowest", "normal", "largest", "inf", "nan")
"""smallest: the smallest magnitude above zero. lowest: others with exponent field 0. largest: the
largest finite magnitude. normal: the other numbers."""


@lru_cache(maxsize=256)
def ranges(fmt: FloatFormat) -> dict[str, tuple[tuple[int, int], ...]]:
    """First and last code of the ranges of each class that the format has."""
    field = 1 << fmt.man_bits
    low, top = fmt.min_code, fmt.max_code
    mags = {
        "zero": (0, low - 1),
        "smallest": (low, low),
        "lowest": (low + 1, min(field, top) - 1),
        "normal": (max(field, low + 1), top - 1),
        "largest": (top, top),
    }
    if fmt.inf_code is not None:
        mags["inf"] = (fmt.inf_code, fmt.inf_code)
    if fmt.has_nan:
        assert fmt.nan_code is not None
        # One code without a sign, or every magnitude above the largest number and infinity.
        above = top if fmt.inf_code is None else fmt.inf_code
        alone = fmt.nan_code == fmt.sign_mask
        mags["nan"] = (fmt.sign_mask, fmt.sign_mask) if alone else (above + 1, fmt.mag_mask)
    found = {}
    for name, (first, last) in mags.items():
        pairs = [(first, last)]
        if first < fmt.sign_mask and not (name == "zero" and not fmt.has_neg_zero):
            pairs.append((first | fmt.sign_mask, last | fmt.sign_mask))
        if first <= last:
            found[name] = tuple(pairs)
    return found


def classify(codes: NDArray[np.int64], fmt: FloatFormat) -> NDArray[np.int64]:
    """The index in `CLASSES` of each code."""
    found = np.full(codes.shape, -1, np.int64)
    for name, pairs in ranges(fmt).items():
        for first, last in pairs:
            found[(codes >= first) & (codes <= last)] = CLASSES.index(name)
    return found


def condition(port: str, name: str, formats: Sequence[FloatFormat], mode: str | None) -> str:
    """Verilog: whether a port's code is of a class, in the format that the mode picks."""
    parts = []
    for number, fmt in enumerate(formats):
        digits = fmt.width
        tests = [f"({port} >= {digits}'d{first} && {port} <= {digits}'d{last})"
                 for first, last in ranges(fmt).get(name, ())]  # fmt: skip
        text = " || ".join(tests) or "1'b0"
        parts.append(f"({text})" if mode is None else f"({mode} == {number} && ({text}))")
    return "(" + " || ".join(parts) + ")"
