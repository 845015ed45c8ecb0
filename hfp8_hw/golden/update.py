"""The weight update of HFP8 training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ParameterError
from ..formats import FloatFormat, parse_format
from ..rounding import Rounding
from .convert import quantize
from .elementwise import add


def weight_update(
    weight: ArrayLike,
    residual: ArrayLike,
    update: ArrayLike,
    *,
    fmt: FloatFormat | str = "HFP8_FWD",
    acc: FloatFormat | str = "DLFLOAT16",
    rounding: str | Rounding = "RNE",
    flags: bool = False,
) -> Any:
    """The deterministic update of an 8-bit weight with its round-off residual.

    w' = (w + residual) - update, each operation rounded to ``acc``; the new weight is w' rounded
    to ``fmt``, saturating, and the new residual what that left out, w' - w, in ``acc`` (Sun et
    al., "Hybrid 8-bit Floating Point (HFP8) Training and Inference for Deep Neural Networks",
    NeurIPS 2019, round-off residual).

    Parameters
    ----------
    weight : array_like of int
        Codes of ``fmt``.
    residual, update : array_like of int
        Codes of ``acc``, a format with -0; they broadcast.
    rounding : str
        Of the weight, deterministic; ``acc`` rounds as an accumulator does.
    flags : bool
        Whether to return the flags of the weight's rounding too.

    Returns
    -------
    (weight codes, residual codes), or (weight codes, residual codes, flag_bytes)

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    wide = parse_format(acc, "acc")
    if not wide.has_neg_zero:
        raise ParameterError(f"acc={acc!r} is not allowed: a format with -0")
    w, r, u = np.broadcast_arrays(*(np.asarray(v) for v in (weight, residual, update)))

    def negative(codes: Any) -> Any:
        return codes.astype(np.int64) ^ wide.sign_mask

    before = add(quantize(w, wide, src=fmt, overflow="special"), r, wide)
    target = add(before, negative(u), wide)
    codes, marks = quantize(target, fmt, src=wide, rounding=rounding, flags=True)
    kept = quantize(codes, wide, src=fmt, overflow="special")
    left = add(target, negative(kept), wide)
    return (codes, left, marks) if flags else (codes, left)
