"""The weight update with its residual, and the loss scale."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import ParameterError, shown
from ..formats import FloatFormat, check_loss_scale, parse_format
from ..rounding import Rounding, parse_rounding
from .codes import check_codes, decode
from .convert import quantize
from .sums import ACC, encode, round_any


def _add(x: Tensor, y: Tensor) -> Tensor:
    """Values of x + y, DLFLOAT16 values all."""
    return round_any(x + y)


def add(a: Tensor, b: Tensor) -> Tensor:
    """a + b of DLFLOAT16 codes (``int16``; they broadcast), as `golden.add`.

    Raises
    ------
    ParameterError
        For codes of another dtype.
    """
    x, y = (decode(check_codes(c, ACC, name), ACC) for c, name in ((a, "a"), (b, "b")))
    return encode(_add(x, y))


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
    if narrow.width > 8 or not ACC.holds(narrow):
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
    target = _add(_add(round_any(w), r), -u)
    codes = quantize(target, narrow, rounding=how)
    left = _add(target, -round_any(decode(codes, narrow)))
    return codes, encode(left)


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
