"""The weight updates of 8-bit training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ParameterError, check_int, shown
from ..formats import FloatFormat, parse_format
from ..rounding import Rounding, parse_rounding
from .codes.arrays import check_flag
from .codes.blocks import blocks, broadcast_shape
from .codes.operands import check_codes, check_rbits, decode_one
from .codes.pack import code_dtype
from .convert import generated_bits, quantize
from .dot import fma
from .elementwise import add
from .multiply import Products, products
from .random import SEED_RANGE
from .steps import Accumulator, add_term


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
        Codes of ``acc``, a format with -0, NaN and every finite value of ``fmt``; they broadcast.
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
    if not (wide.has_neg_zero and wide.has_nan):
        raise ParameterError(f"acc={shown(acc)} is not allowed: a format with -0 and NaN")
    check_flag(flags)
    narrow, chosen = parse_format(fmt, "fmt"), parse_rounding(rounding)
    if narrow.width > 8:
        raise ParameterError(f"fmt={shown(fmt)} is not allowed: a weight has at most 8 bits")
    if not wide.holds(narrow):
        raise ParameterError(
            f"acc={shown(acc)} is not allowed for fmt={shown(fmt)}: "
            "a format that has every finite value of the weight's"
        )
    if chosen.mode == "SR":
        raise ParameterError(
            f"rounding={str(chosen)!r} is not allowed for weight_update: "
            "choose a deterministic rounding"
        )
    w = check_codes(weight, narrow, "weight")
    r, u = check_codes(residual, wide, "residual"), check_codes(update, wide, "update")
    w, r, u = (np.broadcast_to(v, broadcast_shape(w, r, u)) for v in (w, r, u))

    def negative(codes: Any) -> Any:
        return codes.astype(np.int64) ^ wide.sign_mask

    before = add(quantize(w, wide, src=narrow, overflow="special"), r, wide)
    target = add(before, negative(u), wide)
    codes, marks = quantize(target, narrow, src=wide, rounding=chosen, flags=True)
    kept = quantize(codes, wide, src=narrow, overflow="special")
    left = add(target, negative(kept), wide)
    return (codes, left, marks) if flags else (codes, left)


def _check_accumulator(fmt: FloatFormat, given: Any) -> None:
    if not fmt.has_nan:
        raise ParameterError(
            f"acc={shown(given)} is not allowed: it has no Inf or NaN for sums that overflow"
        )


def sgd_update(
    weight: ArrayLike,
    momentum: ArrayLike,
    gradient: ArrayLike,
    rate: ArrayLike,
    decay: ArrayLike,
    *,
    fmt: FloatFormat | str = "DLFLOAT16",
    acc: FloatFormat | str = "DLFLOAT16",
    rounding: str | Rounding = "SR(12)",
    rbits: ArrayLike | None = None,
    random: str | None = None,
    seed: int = 1,
    flags: bool = False,
) -> Any:
    """Stochastic gradient descent with momentum, the weight rounded stochastically.

    v' = round_acc(gradient + decay * v), w' = round_fmt(w - rate * v'): each one exact sum and one
    rounding, v' as an accumulator rounds, w' by ``rounding`` and saturating (Wang et al.,
    "Training Deep Neural Networks with 8-bit Floating Point Numbers", NeurIPS 2018, section 3.2:
    weight updates in (1,6,9) with stochastic rounding).

    Parameters
    ----------
    weight : array_like of int
        Codes of ``fmt``.
    momentum, gradient, rate, decay : array_like of int
        Codes of ``acc``; all broadcast.
    rounding, rbits, random, seed
        Of the weight, as in `quantize`.
    flags : bool
        Whether to return the flags of the weight's rounding too; invalid also marks
        Inf - Inf and 0 * Inf.

    Returns
    -------
    (weight codes, momentum codes), or (weight codes, momentum codes, flag_bytes)

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    narrow, wide = parse_format(fmt, "fmt"), parse_format(acc, "acc")
    chosen = parse_rounding(rounding)
    check_flag(flags)
    _check_accumulator(wide, acc)
    check_int("seed", seed, *SEED_RANGE)
    others = {"momentum": momentum, "gradient": gradient, "rate": rate, "decay": decay}
    given = [check_codes(weight, narrow, "weight")]
    given += [check_codes(codes, wide, name) for name, codes in others.items()]
    shape = broadcast_shape(*given)
    if random is not None:
        rbits = generated_bits(random, seed, chosen, shape, rbits)
    drawn = check_rbits(rbits, chosen)
    if drawn is not None and broadcast_shape(drawn, np.empty(shape, np.uint8)) != shape:
        raise ParameterError(
            f"rbits of shape {drawn.shape} is not allowed: it must broadcast to {shape}"
        )
    arrays = [*given, drawn]
    codes, marks = np.empty(shape, code_dtype(narrow)), np.empty(shape, np.uint8)
    moved = np.empty(shape, code_dtype(wide))
    for where, (w, v, g, eta, mu, r) in blocks(shape, *arrays):
        new = fma(v, mu, g, wide, wide, wide)
        x, y = decode_one(new, wide, None, "momentum"), decode_one(eta, wide, None, "rate")
        step = products(x, y)
        how = Accumulator(narrow, chosen, "saturate")
        less = Products(-step.values, step.invalid)
        done = add_term(decode_one(w, narrow, None, "weight"), less, how, r)
        codes.reshape(-1)[where], marks.reshape(-1)[where] = done
        moved.reshape(-1)[where] = new
    return (codes, moved, marks) if flags else (codes, moved)
