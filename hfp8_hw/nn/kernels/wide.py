"""Launches the kernel of ``wide.cu``: products of DLFLOAT16 codes, rounded after every one."""

from __future__ import annotations

import torch
from torch import Tensor

from ...formats import CATALOGUE, FloatFormat
from ..codes import broadcast
from . import elementwise
from .launch import Launch, on_gpu

SIDE = 16
"""Rows and columns of a block's tile."""

_ACC = CATALOGUE["DLFLOAT16"]
_MOST = (1 << 31) - 1


def takes(a: Tensor, b: Tensor, fmt_a: FloatFormat, fmt_b: FloatFormat) -> bool:
    """Whether `matmul` takes operands: DLFLOAT16 both, on a GPU.

    A product has 20 bits then, and its sum with a DLFLOAT16 value in binary64, rounded to 10 bits,
    is the exact one rounded once; see `sums`.
    """
    sizes = (a.numel(), b.numel(), _extent(a), _extent(b))
    fits = fmt_a == fmt_b == _ACC and max(sizes) <= _MOST
    return fits and elementwise.takes(a) and elementwise.takes(b)


def _extent(x: Tensor) -> int:
    return sum((size - 1) * step for size, step in zip(x.shape, x.stride(), strict=True))


def matmul(a: Tensor, b: Tensor, chunk: int | None, launch: Launch = on_gpu) -> Tensor:
    """Codes of the product of a (..., m, k) and b (..., k, n), leading axes broadcast, none empty;
    ``chunk`` as in `nn.matmul`."""
    (m, depth), n = a.shape[-2:], b.shape[-1]
    leading = broadcast(a.shape[:-2], b.shape[:-2])
    left, right = _batched(a, leading), _batched(b, leading)
    batch = max(len(left), len(right))
    length = min(chunk or depth, depth)
    chunks = -(-depth // length)
    out = torch.empty(batch, m, n, dtype=torch.int16, device=a.device)
    parts = torch.empty((batch, chunks, m, n) if chunks > 1 else 1, device=a.device)
    blocks = -(-n // SIDE) * -(-m // SIDE) * chunks * batch
    args = [left, right, parts, out, m, n, depth, length, chunks, len(left), len(right),
            *left.stride(), *right.stride(), int(chunk is None)]  # fmt: skip
    launch("wide_gemm", (), (blocks, 1, 1), (SIDE, SIDE, 1), args)
    if chunks > 1:
        args = [parts, out, m, n, chunks, n, 1]
        launch("join", (), (-(-m * n // 256), batch, 1), (256, 1, 1), args)
    return out.reshape(*leading, m, n)


def _batched(x: Tensor, leading: torch.Size) -> Tensor:
    """Three axes; a batch of one if all are the same matrix."""
    if all(size == 1 for size in x.shape[:-2]):
        return x.reshape(1, *x.shape[-2:]) if x.ndim != 3 else x
    return x.expand(*leading, *x.shape[-2:]).reshape(-1, *x.shape[-2:])
