"""The weight updates, with a residual or stochastic, and the loss scale."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..errors import ParameterError, shown
from ..formats import FloatFormat, check_loss_scale, parse_format
from ..rounding import Rounding, parse_rounding
from . import odd
from .codes import check_broadcast, check_codes, decode, parse_narrow
from .kernels import elementwise
from .rounding import quantize
from .sums import ACC, encode_any, round_any


@lru_cache(maxsize=64)
def held(fmt: FloatFormat) -> bool:
    """Whether every finite value of a format is one of DLFLOAT16."""
    return ACC.holds(fmt)


def _add(x: Tensor, y: Tensor) -> Tensor:
    """Values of x + y, DLFLOAT16 values all."""
    return round_any(x + y)


def add(a: Tensor, b: Tensor) -> Tensor:
    """a + b of DLFLOAT16 codes (``int16``; they broadcast), as `golden.add`.

    Raises
    ------
    ParameterError
        For codes of another dtype, or shapes that do not broadcast.
    """
    x, y = (decode(check_codes(c, ACC, name), ACC) for c, name in ((a, "a"), (b, "b")))
    check_broadcast(a=a, b=b)
    return encode_any(x + y)


def weight_update(
    weight: Tensor,
    residual: Tensor,
    update: Tensor,
    *,
    fmt: FloatFormat | str = "HFP8_FWD",
    rounding: str | Rounding = "RNE",
) -> tuple[Tensor, Tensor]:
    """The deterministic update of an 8-bit weight with its round-off residual, in DLFLOAT16.

    As `golden.weight_update`: w' = (w + residual) - update, each operation rounded; the new weight
    is w' rounded to ``fmt``, saturating, the new residual w' minus it.

    Parameters
    ----------
    weight : Tensor
        ``uint8`` codes of ``fmt``, a format of at most 8 bits with only DLFLOAT16 values.
    residual, update : Tensor
        ``int16`` DLFLOAT16 codes; all broadcast.
    rounding : str
        Of the weight: RNE, RNA or RTZ.

    Returns
    -------
    (weight codes, residual codes)

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    narrow, how = parse_format(fmt, "fmt"), parse_rounding(rounding)
    if narrow.width > 8 or not held(narrow):
        raise ParameterError(
            f"fmt={shown(fmt)} is not allowed: at most 8 bits and only values of {ACC}"
        )
    if how.mode == "SR":
        raise ParameterError(
            f"rounding={str(how)!r} is not allowed for weight_update: a deterministic one"
        )
    w = decode(check_codes(weight, narrow, "weight"), narrow)
    r = decode(check_codes(residual, ACC, "residual"), ACC)
    u = decode(check_codes(update, ACC, "update"), ACC)
    check_broadcast(weight=weight, residual=residual, update=update)
    target = _add(_add(round_any(w), r), -u)
    codes = quantize(target, narrow, rounding=how)
    return codes, encode_any(target - round_any(decode(codes, narrow)))


def fma(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """a b + c of DLFLOAT16 codes (``int16``; they broadcast), rounded once, as `golden.fma`.

    Raises
    ------
    ParameterError
        For codes of another dtype, or shapes that do not broadcast.
    """
    for one, name in ((a, "a"), (b, "b"), (c, "c")):
        check_codes(one, ACC, name)
    check_broadcast(a=a, b=b, c=c)
    found = elementwise.fma(a, b, c)
    if found is not None:
        return found
    x, y, z = (decode(one, ACC, dtype=torch.float64) for one in (a, b, c))
    return encode_any(z + x * y)


def sgd_update(
    weight: Tensor,
    momentum: Tensor,
    gradient: Tensor,
    rate: Tensor,
    decay: Tensor,
    *,
    fmt: FloatFormat | str = "DLFLOAT16",
    rounding: str | Rounding = "SR(12)",
    rbits: Tensor | None = None,
    flags: bool = False,
) -> Any:
    """Stochastic gradient descent with momentum, as `golden.sgd_update` with ``acc="DLFLOAT16"``.

    v' = gradient + decay v, w' = w - rate v': each one exact sum and one rounding, v' with RNA to
    DLFLOAT16, w' to ``fmt`` by ``rounding``, saturating.

    Parameters
    ----------
    weight : Tensor
        Codes of ``fmt``, a format of at most 16 bits with only DLFLOAT16 values.
    momentum, gradient, rate, decay : Tensor
        ``int16`` DLFLOAT16 codes; all broadcast.
    rounding : str
        Of the weight: RNE, RNA, RTZ or SR(n); with M bits of mantissa, M + n at most 22.
    rbits : Tensor, optional
        For SR(n): an integer in 0 .. 2**n-1 for each weight (or broadcast).
    flags : bool
        Whether to return the flags of the weight's rounding too.

    Returns
    -------
    (weight codes, momentum codes), or (weight codes, momentum codes, flag_bytes)

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    narrow, how = parse_narrow(fmt), parse_rounding(rounding)
    if not held(narrow):
        raise ParameterError(f"fmt={shown(fmt)} is not allowed: only values of {ACC}")
    if how.sr_bits + narrow.man_bits > 22:
        raise ParameterError(
            f"rounding={str(how)!r} is not allowed for {narrow}: "
            f"SR(n) with n from 1 to {22 - narrow.man_bits}"
        )
    w = decode(check_codes(weight, narrow, "weight"), narrow, dtype=torch.float64)
    given = ((rate, "rate"), (momentum, "momentum"), (gradient, "gradient"), (decay, "decay"))
    eta, *_ = (decode(check_codes(c, ACC, name), ACC, dtype=torch.float64) for c, name in given)
    check_broadcast(weight=weight, **{name: one for one, name in given})
    moved = fma(decay, momentum, gradient)
    step = eta * decode(moved, ACC, dtype=torch.float64)
    target = odd.single(odd.add(*torch.broadcast_tensors(w, -step)))
    done = quantize(target, narrow, rounding=how, rbits=rbits, flags=flags)
    moved = moved.expand(target.shape)
    return (done[0], moved, done[1]) if flags else (done, moved)


def scale_step(
    exponent: Tensor, clean: Tensor, overflow: Tensor, growth: int, floor: int, ceiling: int
) -> tuple[Tensor, Tensor]:
    """One step of the loss scale: (exponent, clean steps in a row), each after the step."""
    clean = torch.where(overflow, 0, clean + 1)
    grown = clean == growth
    exponent = torch.where(overflow, (exponent - 1).clamp_min(floor), exponent)
    exponent = torch.where(grown, (exponent + 1).clamp_max(ceiling), exponent)
    return exponent, torch.where(grown, 0, clean)


def loss_scale(
    overflow: Tensor, *, initial: int = 16, growth: int = 2000, floor: int = 0, ceiling: int = 24
) -> Tensor:
    """The exponents of the loss scale after each step, as `golden.loss_scale`.

    Parameters
    ----------
    overflow : Tensor
        ``bool``; steps along the first axis, other axes are independent.
    initial, floor, ceiling : int
        Exponents of two from -64 to 63, floor <= initial <= ceiling.
    growth : int
        1 to 65536 steps without overflow that raise the exponent by one.

    Returns
    -------
    Tensor
        ``uint8``: exponents as 7-bit two's complement codes.

    Raises
    ------
    ParameterError
        For any argument that is not allowed.
    """
    check_loss_scale(initial, growth, floor, ceiling)
    if not isinstance(overflow, Tensor) or overflow.dtype != torch.bool or not overflow.ndim:
        raise ParameterError(
            "overflow is not allowed: a tensor of torch.bool with an axis of steps"
        )
    exponent = torch.full(overflow.shape[1:], initial, dtype=torch.int64, device=overflow.device)
    clean = torch.zeros_like(exponent)
    codes = torch.empty(overflow.shape, dtype=torch.uint8, device=overflow.device)
    for step, bad in enumerate(overflow):
        exponent, clean = scale_step(exponent, clean, bad, growth, floor, ceiling)
        codes[step] = (exponent & 0x7F).to(torch.uint8)
    return codes
