"""Tensors rounded to codes, as the operands of products."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ...errors import ParameterError, shown
from ...formats import FloatFormat
from .. import sums
from ..codes import decode as values_of
from ..rounding import quantize, quantize_values
from ..sums import ACC
from .arithmetic import INT8, Arithmetic


class Operand(NamedTuple):
    """Codes, and what the values of the codes are to be multiplied with.

    Members
    -------
    codes : Tensor
        Of ``fmt``; integers as ``int8`` where ``fmt`` is None.
    fmt : FloatFormat or None
        At most 16 bits.
    factor : Tensor or None
        A ``float32`` scalar; None for 1.
    known : Tensor or None
        The values, if they were computed with the codes.
    """

    codes: Tensor
    fmt: FloatFormat | None
    factor: Tensor | None = None
    known: Tensor | None = None

    def values(self) -> Tensor:
        """The values of the codes in ``float32``, without the factor."""
        if self.known is not None:
            return self.known
        return self.codes.to(torch.float32) if self.fmt is None else values_of(self.codes, self.fmt)

    def moved(self, codes: Tensor) -> Operand:
        """The same operand with its codes in another shape or order."""
        return self._replace(codes=codes, known=None)

    def turned(self) -> Operand:
        """The same operand with its last two axes exchanged."""
        known = None if self.known is None else self.known.transpose(-1, -2)
        return self._replace(codes=self.codes.transpose(-1, -2), known=known)


def encoded(x: Tensor) -> Tensor:
    """The (1,6,9) codes of ``float32`` or ``float64`` values, rounded RNA; overflow is NaN-Inf."""
    return sums.encode_any(x)


def decoded(codes: Tensor) -> Tensor:
    """``float32`` values of (1,6,9) codes."""
    return values_of(codes, ACC)


def floats(x: Tensor) -> Tensor:
    """Floating-point numbers as ``float32`` or ``float64``; those of 16 bits are ``float32`` too.

    Raises
    ------
    ParameterError
        For integers and other numbers.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        got = f"of {x.dtype}" if isinstance(x, Tensor) else shown(x)
        raise ParameterError(
            f"an operand {got} is not allowed: a tensor of floating-point numbers, such as "
            "x.float() gives"
        )
    return x if x.dtype in (torch.float32, torch.float64) else x.to(torch.float32)


def activation(x: Tensor, arith: Arithmetic, wide: bool = False) -> Operand:
    """Weights or activations, saturating; in (1,6,9) with ``wide``.

    Raises
    ------
    ParameterError
        For what `floats` refuses.
    """
    x = floats(x)
    if wide:
        return _wide(x, arith)
    if arith.forward == INT8:
        return _integers(x)
    return _scaled(x, arith, arith.forward_format, "saturate")


def error(x: Tensor, arith: Arithmetic, wide: bool = False) -> Operand:
    """Errors; those that overflow become infinite or NaN, so that the loss scaler finds them.

    Raises
    ------
    ParameterError
        If the arithmetic has no backward pass.
    """
    x, fmt = floats(x), arith.backward_format
    if fmt is None:
        raise ParameterError(
            f"arithmetic={str(arith)!r} is not allowed for training: it is for inference only"
        )
    if wide:
        return _wide(x, arith)
    return _scaled(x, arith, fmt, "special" if fmt.has_nan else "saturate")


def _wide(x: Tensor, arith: Arithmetic) -> Operand:
    if arith.exact or x.dtype != torch.float32:
        return Operand(encoded(x), ACC)
    codes, known = sums.encode_and_round(x)
    return Operand(codes, ACC, None, known)


def _scaled(x: Tensor, arith: Arithmetic, fmt: FloatFormat | None, overflow: str) -> Operand:
    assert fmt is not None
    factor = None
    x = x.to(torch.float32)
    if arith.scaling == "tensor":
        exponent = _exponent(x, fmt)
        x = x * _power(exponent)
        factor = _power(-exponent)
    how = arith.rounding
    if arith.exact:
        return Operand(quantize(x, fmt, rounding=how, overflow=overflow), fmt, factor)
    codes, known = quantize_values(x, fmt, rounding=how, overflow=overflow)
    return Operand(codes, fmt, factor, known)


def _exponent(x: Tensor, fmt: FloatFormat) -> Tensor:
    """The largest e, -64 to 63, with which max |x| 2**e is at most the format's largest value; 0
    where x has a NaN, an infinity or nothing but zeros."""
    if not x.numel():
        return torch.zeros((), dtype=torch.int32, device=x.device)
    most = x.detach().abs().amax()
    part, exponent = torch.frexp(most)
    limit, top = math.frexp(fmt.max)
    found = top - exponent - (part > limit).to(torch.int32)
    return torch.where(most.isfinite() & (most > 0), found, 0).clamp(-64, 63).to(torch.int32)


def _power(exponent: Tensor) -> Tensor:
    """2**exponent, exact."""
    return ((exponent + 127) << 23).view(torch.float32)


def _integers(x: Tensor) -> Operand:
    """Integers from -127 to 127, ties to even, and the scale that gives the tensor's values."""
    most = x.detach().abs().amax() if x.numel() else x.new_zeros(())
    factor = torch.where(most > 0, most / 127, 1.0).to(torch.float32)
    return Operand((x / factor).round().clamp(-127, 127).to(torch.int8), None, factor)
