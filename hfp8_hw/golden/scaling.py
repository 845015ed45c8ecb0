"""Automatic loss scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ParameterError
from ..formats import check_loss_scale
from .codes.arrays import check_flag, check_switch


def loss_scale(
    overflow: ArrayLike,
    *,
    initial: int = 16,
    growth: int = 2000,
    floor: int = 0,
    ceiling: int = 24,
    flags: bool = False,
) -> Any:
    """The exponents of the loss scale after each step.

    A step whose gradients overflowed halves the scale and is to be skipped; ``growth`` steps
    without overflow in a row double it (Micikevicius et al., "Mixed Precision Training", ICLR
    2018, section 3.2, made dynamic as is usual since).

    Parameters
    ----------
    overflow : array_like of bool, or of the integers 0 and 1
        For each step, along the first axis; other axes are independent.
    initial, floor, ceiling : int
        Exponents of two from -64 to 63, floor <= initial <= ceiling.
    growth : int
        1 to 65536 steps.
    flags : bool
        Whether to return the flags too: bit 0 where the step is to be skipped.

    Returns
    -------
    exponents as 7-bit two's complement codes (uint8), or (exponents, flag_bytes)

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    check_loss_scale(initial, growth, floor, ceiling)
    check_flag(flags)
    hit = check_switch(overflow, "overflow")
    if not hit.ndim:
        raise ParameterError("shape () is not allowed: there is no axis of steps")
    scale = np.full(hit.shape[1:], initial, np.int64)
    clean = np.zeros(hit.shape[1:], np.int64)
    codes = np.empty(hit.shape, np.uint8)
    for step, bad in enumerate(hit):
        clean = np.where(bad, 0, clean + 1)
        grown = clean == growth
        scale = np.where(bad, np.maximum(scale - 1, floor), scale)
        scale = np.where(grown, np.minimum(scale + 1, ceiling), scale)
        clean = np.where(grown, 0, clean)
        codes[step] = scale & 0x7F
    return (codes, hit.astype(np.uint8)) if flags else codes
