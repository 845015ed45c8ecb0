"""What a quantizer keeps of all it has seen: the largest magnitude, and which flags were set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ParameterError
from ..formats import FloatFormat, parse_format
from ..rounding import Rounding
from .codes.arrays import check_flag, check_switch
from .convert import decode, quantize


def quantize_tracked(
    x: ArrayLike,
    fmt: FloatFormat | str,
    *,
    src: FloatFormat | str,
    clear: ArrayLike,
    lanes: int = 1,
    flags: bool = True,
    rounding: str | Rounding = "RNE",
    overflow: str = "saturate",
    rbits: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    src_bias: ArrayLike | None = None,
    src_mode: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    random: str | None = None,
    seed: int = 1,
) -> tuple[NDArray[Any], ...]:
    """Round a stream of codes, and keep the largest magnitude and the flags seen so far.

    Parameters
    ----------
    x : array_like of int
        Codes of ``src``: the first axis is time; with ``lanes`` above 1 the last one is the lanes.
    clear : array_like of bool, or of the integers 0 and 1
        Whether to forget, before an element or all lanes of one time, what came before.
    flags : bool
        Must be True: the flags are part of what is kept.
    rounding, overflow, rbits, bias, src_bias, src_mode, scale, random, seed
        As in `quantize`.

    Returns
    -------
    codes, flag_bytes : ndarray
        As from `quantize`.
    amax : ndarray
        Codes of ``src``, without the axis of lanes: the largest magnitude since `clear`, this
        time included; NaN if there was one.
    sticky : ndarray of uint8
        The flags since ``clear``, ORed.

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    if not check_flag(flags):
        raise ParameterError(f"flags={flags!r} is not allowed: they are part of what is kept")
    source = parse_format(src, "src")
    codes, marks = quantize(
        x, fmt, src=src, flags=True, lanes=lanes, rounding=rounding, overflow=overflow,
        rbits=rbits, bias=bias, src_bias=src_bias, src_mode=src_mode, scale=scale, random=random,
        seed=seed,
    )  # fmt: skip
    if not codes.ndim or (lanes > 1 and codes.shape[-1] != lanes):
        raise ParameterError(
            f"lanes={lanes!r} is not allowed for shape {codes.shape!r}: an axis of time, and with "
            "several lanes a last one for them"
        )
    sizes = np.abs(decode(np.broadcast_to(np.asarray(x), codes.shape), source))
    ored = marks
    if lanes > 1:
        # The largest of numbers with a NaN among them is NaN for NumPy too.
        sizes, ored = sizes.max(axis=-1), np.bitwise_or.reduce(marks, axis=-1)
    forget = check_switch(clear, "clear")
    if lanes > 1 and forget.ndim == codes.ndim:
        forget = forget[..., 0]
    try:
        forget = np.broadcast_to(forget, sizes.shape)
    except ValueError:
        raise ParameterError(
            f"clear has shape {forget.shape!r}, which is not allowed: one that broadcasts to "
            f"{sizes.shape!r}"
        ) from None
    largest, sticky = np.zeros(sizes.shape[1:]), np.zeros(sizes.shape[1:], np.uint8)
    amax, seen = np.empty_like(sizes), np.empty_like(ored)
    for k in range(len(sizes)):
        largest = np.maximum(np.where(forget[k], 0.0, largest), sizes[k])
        sticky = np.where(forget[k], 0, sticky) | ored[k]
        amax[k], seen[k] = largest, sticky
    return codes, marks, quantize(amax, source, overflow=_kept(source)), seen


def _kept(fmt: FloatFormat) -> str:
    """An overflow policy under which every value of a format stays as it is."""
    return "special" if fmt.has_nan else "saturate"
