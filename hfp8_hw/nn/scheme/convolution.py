"""Convolutions as products of matrices.

Exact sums run over (input channel, kernel row, kernel column) forward, in this order, as in
``weight.reshape(out, -1)``; over (output channel, window row, window column) for the input's
gradient, whose window slides over the errors, spread by the stride and padded, with the kernel
turned by half a turn; and over (image, output row, output column) for the weight's gradient.
Padding adds products of +0, which change no sum.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...errors import ParameterError, shown
from .arithmetic import Arithmetic
from .functions import bias_gradient, save, saved, with_bias
from .operands import Operand, activation, error
from .products import finished, product, single

Pair = tuple[int, int]


class Geometry(NamedTuple):
    """Rows and columns of what `torch.nn.Conv2d` calls so, and the number of groups."""

    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry,
                arith: Arithmetic, wide: bool) -> Tensor:  # fmt: skip
    """x (images, channels, rows, columns) by weight (out, channels / groups, rows, columns).

    Raises
    ------
    ParameterError
        For sides that are, padded, less than the kernel's.
    """
    for side, k, p, d in zip(x.shape[2:], weight.shape[2:], *geometry[1:3], strict=True):
        if side + 2 * p < d * (k - 1) + 1:
            raise ParameterError(
                f"an input with a side of {side} is not allowed: at least "
                f"{d * (k - 1) + 1 - 2 * p}, as the kernel needs"
            )
    return _Convolution.apply(x, weight, bias, geometry, arith, wide)


def check_input(x: Tensor, channels: int, sides: str) -> None:
    """Raise ParameterError unless x has these channels before its sides, with or without images."""
    axes = sides.count(",") + 2
    if not isinstance(x, Tensor) or x.ndim not in (axes, axes + 1) or x.shape[-axes] != channels:
        got = f"of shape {tuple(x.shape)!r}" if isinstance(x, Tensor) else shown(x)
        raise ParameterError(
            f"input {got} is not allowed: (images, {channels}, {sides}) or ({channels}, {sides})"
        )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry,
                arith: Arithmetic, wide: bool) -> Tensor:  # fmt: skip
        a, w = activation(x, arith, wide), activation(weight, arith, wide)
        save(ctx, a, w)
        ctx.geometry, ctx.arith, ctx.wide = geometry, arith, wide
        if arith.exact:
            out = _forward(a, w, geometry, arith)
        else:
            with single(x):
                out = torch.nn.functional.conv2d(a.values(), w.values(), None, *geometry)
                out = finished(out, a, w)
        return with_bias(out, None if bias is None else bias.view(-1, 1, 1), arith)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        a, w = saved(ctx)
        e = error(gradient, ctx.arith, ctx.wide)
        geometry, arith, needs = ctx.geometry, ctx.arith, ctx.needs_input_grad
        if arith.exact:
            to_x = _input_gradient(e, w, geometry, a.codes.shape, arith) if needs[0] else None
            to_w = _weight_gradient(e, a, geometry, w.codes.shape, arith) if needs[1] else None
        else:
            to_x, to_w, _ = torch.ops.aten.convolution_backward(
                e.values(), a.values(), w.values(), None, *geometry[:3], False, (0, 0),
                geometry.groups, (needs[0], needs[1], False),
            )  # fmt: skip
            to_x = None if to_x is None else finished(to_x, e, w)
            to_w = None if to_w is None else finished(to_w, e, a)
        to_bias = None
        if needs[2]:
            rows = e.codes.permute(0, 2, 3, 1).reshape(-1, e.codes.shape[1])
            to_bias = bias_gradient(e.moved(rows), arith)
        return to_x, to_w, to_bias, None, None, None


def windows(codes: Tensor, size: Pair, stride: Pair, dilation: Pair, groups: int) -> Tensor:
    """(images, channels, rows, columns) as (groups, windows, channels / groups x window)."""
    images, channels, *sides = codes.shape
    rows, columns = (
        (side - d * (k - 1) - 1) // s + 1
        for side, k, s, d in zip(sides, size, stride, dilation, strict=True)
    )
    by_image, by_channel, by_row, by_column = codes.stride()
    each = channels // groups
    view = codes.as_strided(
        (groups, images, rows, columns, each, *size),
        (by_channel * each, by_image, by_row * stride[0], by_column * stride[1], by_channel,
         by_row * dilation[0], by_column * dilation[1]),
    )  # fmt: skip
    return view.reshape(groups, images * rows * columns, each * size[0] * size[1])


def _padded(codes: Tensor, rows: Pair, columns: Pair) -> Tensor:
    """With so many codes of +0 before and after; negative numbers cut off."""
    return torch.nn.functional.pad(codes, (*columns, *rows)).contiguous()


def _of_input(a: Operand, size: Pair, geometry: Geometry) -> Operand:
    (rows, columns), groups = geometry.padding, geometry.groups
    codes = _padded(a.codes, (rows, rows), (columns, columns))
    return a.moved(windows(codes, size, geometry.stride, geometry.dilation, groups))


def _grouped(e: Operand, groups: int) -> Operand:
    """(images, out, rows, columns) as (groups, images x rows x columns, out / groups)."""
    images, out, rows, columns = e.codes.shape
    codes = e.codes.reshape(images, groups, out // groups, rows, columns).permute(1, 0, 3, 4, 2)
    return e.moved(codes.reshape(groups, images * rows * columns, out // groups))


def _images(result: Tensor, images: int, rows: int, columns: int) -> Tensor:
    """The inverse of `_grouped`."""
    groups, _, each = result.shape
    view = result.view(groups, images, rows, columns, each).permute(1, 0, 4, 2, 3)
    return view.reshape(images, groups * each, rows, columns)


def _forward(a: Operand, w: Operand, geometry: Geometry, arith: Arithmetic) -> Tensor:
    size = (w.codes.shape[2], w.codes.shape[3])
    kernel = w.moved(w.codes.reshape(geometry.groups, -1, w.codes[0].numel()))
    result = product(_of_input(a, size, geometry), kernel.turned(), arith)
    sides = [
        (side + 2 * p - d * (k - 1) - 1) // s + 1
        for side, k, s, p, d in zip(a.codes.shape[2:], size, *geometry[:3], strict=True)
    ]
    return _images(result, len(a.codes), *sides)


def _input_gradient(
    e: Operand, w: Operand, geometry: Geometry, shape: torch.Size, arith: Arithmetic
) -> Tensor:
    size = (w.codes.shape[2], w.codes.shape[3])
    images, out, *sides = e.codes.shape
    wide = [(side - 1) * s + 1 for side, s in zip(sides, geometry.stride, strict=True)]
    spread = e.codes
    if geometry.stride != (1, 1):
        spread = torch.zeros(images, out, *wide, dtype=e.codes.dtype, device=e.codes.device)
        spread[:, :, :: geometry.stride[0], :: geometry.stride[1]] = e.codes
    pads = []
    for side, have, k, p, d in zip(
        shape[2:], wide, size, geometry.padding, geometry.dilation, strict=True
    ):
        before = d * (k - 1) - p
        pads.append((before, side + d * (k - 1) - have - before))
    codes = _padded(spread, *pads)
    groups = geometry.groups
    columns = e.moved(windows(codes, size, (1, 1), geometry.dilation, groups))
    kernel = w.codes.reshape(groups, out // groups, -1, *size).flip(-2, -1)
    kernel = kernel.permute(0, 1, 3, 4, 2).reshape(groups, -1, shape[1] // groups)
    result = product(columns, w.moved(kernel), arith)
    return _images(result, images, shape[2], shape[3])


def _weight_gradient(
    e: Operand, a: Operand, geometry: Geometry, shape: torch.Size, arith: Arithmetic
) -> Tensor:
    columns = _of_input(a, (shape[2], shape[3]), geometry)
    result = product(_grouped(e, geometry.groups).turned(), columns, arith)
    return result.reshape(shape)
