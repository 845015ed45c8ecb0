"""Products and look-ups that PyTorch can differentiate.

Whatever a forward pass keeps for the backward pass it keeps as codes, a byte a number with 8 bits.
Results and gradients are (1,6,9) values in ``float32``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...errors import ParameterError, shown
from .. import sums
from ..sums import ACC
from .arithmetic import Arithmetic, arithmetic
from .operands import Operand, activation, error
from .products import product


def matmul(a: Tensor, b: Tensor, arith: str | Arithmetic = "hfp8", *, wide: bool = False) -> Tensor:
    """The product of two tensors of activations, such as Q K^T and P V in attention.

    Forward a and b are rounded to the forward format; backward the error e to the backward format,
    and the gradients are e b^T and a^T e.

    Parameters
    ----------
    a, b : Tensor
        (..., m, k) and (..., k, n); leading axes broadcast.
    arith : str or Arithmetic
        Such as ``"hfp8"``.
    wide : bool
        Whether both operands, and the error, have 16 bits instead.

    Returns
    -------
    Tensor
        (..., m, n), (1,6,9) values in ``float32``; NaN where a sum overflows.

    Raises
    ------
    ParameterError
        For an unknown arithmetic, or in the backward pass of one for inference.
    """
    how = arithmetic(arith)
    if how.plain:
        return a @ b
    return _Product.apply(a, b, None, how, wide)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, arith: Arithmetic, wide: bool) -> Tensor:
    """x (..., k) times weight (n, k) transposed, plus the bias, each rounded to (1,6,9).

    Products of the weight's gradient are summed over the rows of x in order, and those of the
    bias's gradient are the errors times 1.

    Raises
    ------
    ParameterError
        If the last axis of x is not k long.
    """
    if not isinstance(x, Tensor) or x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        got = f"of shape {tuple(x.shape)!r}" if isinstance(x, Tensor) else shown(x)
        raise ParameterError(f"input {got} is not allowed: a tensor (..., {weight.shape[1]})")
    out = _Product.apply(x.reshape(-1, x.shape[-1]), weight.t(), bias, arith, wide)
    return out.reshape(*x.shape[:-1], weight.shape[0])


def with_bias(y: Tensor, bias: Tensor | None, arith: Arithmetic) -> Tensor:
    """y + bias, (1,6,9) values all but for integers; the bias broadcasts."""
    if bias is None:
        return y
    if arith.forward_format is None:
        return y + bias
    return sums.round_any(y + sums.round_any(bias))


def bias_gradient(errors: Operand, arith: Arithmetic) -> Tensor:
    """The column sums of errors (rows, n): the product of a row of ones with them."""
    fmt = ACC if errors.fmt is None or errors.fmt.width > 8 else arith.forward_format
    ones = torch.ones(1, errors.codes.shape[0], device=errors.codes.device)
    one = activation(ones, arith, wide=fmt == ACC)
    return product(one, errors, arith)[0]


def save(ctx: Any, *operands: Operand, rest: tuple[Tensor, ...] = ()) -> None:
    """Keep operands, and the rest, where PyTorch frees it after the backward pass."""
    ctx.kept = [(one.fmt, one.factor) for one in operands]
    ctx.save_for_backward(*(one.codes for one in operands), *rest)


def saved(ctx: Any) -> list[Operand]:
    """The operands that `save` kept."""
    codes = ctx.saved_tensors[: len(ctx.kept)]
    return [Operand(one, *how) for one, how in zip(codes, ctx.kept, strict=True)]


class _Product(torch.autograd.Function):
    """a b + bias."""

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, bias: Tensor | None, arith: Arithmetic, wide: bool
    ) -> Tensor:
        x, y = activation(a, arith, wide), activation(b, arith, wide)
        save(ctx, x, y)
        ctx.arith, ctx.wide, ctx.shapes = arith, wide, (a.shape, b.shape)
        return with_bias(product(x, y, arith), bias, arith)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, y = saved(ctx)
        e = error(gradient, ctx.arith, ctx.wide)
        needs, arith = ctx.needs_input_grad, ctx.arith
        to_a = _reduced(product(e, y.turned(), arith), ctx.shapes[0]) if needs[0] else None
        to_b = _reduced(product(x.turned(), e, arith), ctx.shapes[1]) if needs[1] else None
        to_bias = bias_gradient(e, arith) if needs[2] else None
        return to_a, to_b, to_bias, None, None


def _reduced(gradient: Tensor, shape: torch.Size) -> Tensor:
    """The gradient summed over the axes along which the operand was broadcast."""
    if gradient.shape == shape:
        return gradient
    return sums.round_any(gradient.sum_to_size(shape))


def embedding(
    weight: Tensor, index: Tensor, padding: int | None, arith: Arithmetic, wide: bool
) -> Tensor:
    """Rows of the weight, rounded. The gradient of a row is the sum of its errors, exact through
    fixed point and rounded to (1,6,9) once, whatever their order.

    Raises
    ------
    ParameterError
        If the index has no integers of 32 or 64 bits.
    IndexError
        For a number that is no row, as PyTorch does.
    """
    if not isinstance(index, Tensor) or index.dtype not in (torch.int32, torch.int64):
        got = f"of {index.dtype}" if isinstance(index, Tensor) else shown(index)
        raise ParameterError(f"input {got} is not allowed: a tensor of torch.int64 or torch.int32")
    return _Lookup.apply(weight, index, padding, arith, wide)


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, index: Tensor, padding: int | None, arith: Arithmetic, wide: bool
    ) -> Tensor:
        ctx.save_for_backward(index)
        ctx.arith, ctx.wide, ctx.padding, ctx.rows = arith, wide, padding, weight.shape[0]
        found = activation(torch.nn.functional.embedding(index, weight), arith, wide)
        values = found.values()
        return values if found.factor is None else values * found.factor

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (index,) = ctx.saved_tensors
        e = error(gradient, ctx.arith, ctx.wide)
        flat = index.reshape(-1)
        total = _row_sums(e.values().reshape(len(flat), -1), flat, ctx.rows)
        if e.factor is not None:
            total = total * e.factor
        total = sums.round_any(total).to(torch.float32)
        if ctx.padding is not None:
            total[ctx.padding] = 0
        return total, None, None, None, None


_HIGH, _LOW = 6, -40
"""Units of the two fixed-point numbers that hold a (1,6,9) value: 2**6 and 2**-40."""


def _row_sums(errors: Tensor, index: Tensor, rows: int) -> Tensor:
    """Sums in binary64 of the errors with the same index, through integers, so that their order
    does not matter; NaN where one is not finite."""
    wide = errors.to(torch.float64)
    bad = ~wide.isfinite()
    wide = wide.masked_fill(bad, 0.0)
    high = (wide * 2.0**-_HIGH).trunc()
    low = (wide - high * 2.0**_HIGH) * 2.0**-_LOW

    def summed(units: Tensor) -> Tensor:
        total = torch.zeros(rows, units.shape[1], dtype=torch.int64, device=units.device)
        return total.index_add_(0, index, units.to(torch.int64))

    total = summed(high).to(torch.float64) * 2.0**_HIGH + summed(low).to(torch.float64) * 2.0**_LOW
    return total.masked_fill(summed(bad) > 0, torch.nan)
