"""Products of operands, summed as the arithmetic says; the results are (1,6,9) values."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from ...errors import ParameterError
from ...formats import FloatFormat
from .. import sums
from ..codes import broadcast, decode
from ..kernels import gemm, wide
from ..limits import Chunk, chunk_limits
from ..matmul import matmul as code_product
from .arithmetic import Arithmetic
from .operands import Operand, decoded

_ON_CPU, _ON_GPU = 1 << 16, 1 << 24
"""Sums at once: on a CPU as many as stay in its cache, on a GPU as many as fill it."""


_GAP, _LAST_PLACE = 0x30000000, 0x4000
"""2**-31 as a binary32 word, and the last of its ten bits."""


def product(a: Operand, b: Operand, arith: Arithmetic) -> Tensor:
    """The matrix product of (..., m, k) and (..., k, n), in ``float32``; leading axes broadcast.

    All values are of (1,6,9), with RNA, and an overflow is NaN; but with factors or integers the
    product is rounded only where the operands have a format, after the factors.

    Raises
    ------
    ParameterError
        For shapes of which there is no product.
    """
    _check_shapes(a.codes.shape, b.codes.shape)
    if not arith.exact or a.fmt is None or b.fmt is None:
        with single(a.codes):
            return finished(a.values() @ b.values(), a, b)
    if a.codes.is_cuda and gemm.applies(a.fmt, b.fmt):
        return decoded(code_product(a.codes, b.codes, a.fmt, b.fmt, chunk=arith.chunk))
    if wide.takes(a.codes, b.codes, a.fmt, b.fmt):
        return decoded(wide.matmul(a.codes, b.codes, arith.chunk))
    return _loop(a.codes, b.codes, a.fmt, b.fmt, arith.chunk)


def single(x: Tensor) -> AbstractContextManager[Any]:
    """Sums on the tensor's device in binary32, also where `torch.autocast` would have 16 bits."""
    kind = x.device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)


def _check_shapes(a: torch.Size, b: torch.Size) -> None:
    try:
        if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
            raise RuntimeError
        broadcast(a[:-2], b[:-2])
    except RuntimeError:
        raise ParameterError(
            f"operands of shapes {tuple(a)!r} and {tuple(b)!r} are not allowed: "
            "(..., m, k) and (..., k, n)"
        ) from None


def finished(total: Tensor, a: Operand, b: Operand) -> Tensor:
    """Binary32 sums of products of two operands' values, with their factors, rounded once."""
    for one in (a, b):
        if one.factor is not None:
            total = total * one.factor
    return total if a.fmt is None or b.fmt is None else sums.round_any(total)


def _loop(
    x: Tensor, y: Tensor, fmt_x: FloatFormat, fmt_y: FloatFormat, chunk: int | None
) -> Tensor:
    """As `nn.matmul`, in a loop over the products of a chunk, with all chunks side by side.

    A chunk that is not full is filled with products that are -0, which change no sum.
    """
    depth = x.shape[-1]
    leading = broadcast(x.shape[:-2], y.shape[:-2])
    m, n = x.shape[-2], y.shape[-1]
    out = torch.zeros(*leading, m, n, dtype=torch.float32, device=x.device)
    if not out.numel() or not depth:
        return out
    length = min(chunk or depth, depth)
    chunks = -(-depth // length)
    limits = chunk_limits(fmt_x, fmt_y, length)
    dtype = torch.float32 if limits.single else torch.float64
    columns = decode(y, fmt_y, dtype=dtype).transpose(-1, -2)
    left = _chunked(decode(x, fmt_x, dtype=dtype), leading, chunks, length, -0.0)
    right = _chunked(columns, leading, chunks, length, 0.0)
    flat = out.view(-1, m, n)
    most = _ON_GPU if x.is_cuda else _ON_CPU
    rows = min(m, max(1, most // (chunks * n)))
    group = max(1, most // (chunks * n * rows))
    for first in range(0, len(flat), group):
        for row in range(0, m, rows):
            part = left[:, :, first : first + group, row : row + rows, None]
            whole = _chunks(part, right[:, :, first : first + group, None], limits)
            whole = whole.to(torch.float32)
            total = whole[0] if chunk is None else _joined(whole)
            flat[first : first + group, row : row + rows] = total
    return out


def _joined(whole: Tensor) -> Tensor:
    """The sums of the chunks, along the first axis, added to +0 in order.

    There may be thousands of them and few sums at a time, so what counts is the number of
    operations: the rounding for the normal range is tried first, and done again with care if any
    sum was not in it.
    """
    totals = torch.empty_like(whole)
    last = torch.zeros_like(whole[0])
    for total, part in zip(totals, whole, strict=True):
        last = sums.round_normal_(torch.add(last, part, out=total))
    size = totals.abs()
    fine = (size >= sums.SMALLEST) & (size <= sums.LARGEST) | (size == 0)
    if bool(fine.all()):
        return last
    last = torch.zeros_like(last)
    for part in whole:
        last = sums.round_any(last + part)
    return last


def _chunks(left: Tensor, right: Tensor, limits: Chunk) -> Tensor:
    """Sums of each chunk, rounded after every product; the first axis counts its products."""
    gap = limits.single and limits.no_overflow and limits.one_gap
    rounded = sums.round_any
    if limits.plain or gap:
        rounded = sums.round_normal_ if limits.plain else _round_gap_
    part = sums.round_any(left[0] * right[0] + 0.0)
    term = torch.empty_like(part)
    for x, y in zip(left[1:], right[1:], strict=True):
        torch.mul(x, y, out=term)
        part.add_(term)
        part = rounded(part)
    return sums.round_any(part)  # Infinities are NaN.


def _round_gap_(total: Tensor) -> Tensor:
    """As `sums.round_normal_`, where the one sum below the smallest value is 2**-31: it goes up."""
    word = sums.round_normal_(total).view(torch.int32)
    word.add_((word & 0x7FFFFFFF) == _GAP, alpha=_LAST_PLACE)
    return total


def _chunked(
    values: Tensor, leading: tuple[int, ...], chunks: int, length: int, fill: float
) -> Tensor:
    """(..., rows, k), filled up, as (products of a chunk, chunks, batch, rows), contiguous."""
    missing = chunks * length - values.shape[-1]
    if missing:
        values = torch.nn.functional.pad(values, (0, missing), value=fill)
    values = values.expand(*leading, *values.shape[-2:])
    rows = values.shape[-2]
    return values.reshape(-1, rows, chunks, length).permute(3, 2, 0, 1).contiguous()
