"""Launches the kernels of ``rounded.cu`` and ``exact.cu``."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...formats import FloatFormat
from ...golden.codes.operands import value_table
from ..limits import Exact, chunk_limits, exact_limits, reach
from .launch import Defines, Launch, on_gpu
from .plan import Plan, choose

DEPTH = 8
"""Steps of k that the kernels take at once."""

MANY = 256
"""From that many rows and columns on the tensor cores want codes looked up once for all blocks."""

UNIT = 31
"""The kernels' sums are in units of 2**-31."""


def defines(plan: Plan, step: int, tensor: bool, split: bool, packed: bool) -> Defines:
    """What ``rounded.cu`` is compiled with."""
    return (("DOWN", plan.down), ("ACROSS", plan.across), ("HIGH", plan.high), ("WIDE", plan.wide),
            ("STEP", step), ("TENSOR", int(tensor)), ("SPLIT", int(split)),
            ("PACKED", int(packed)))  # fmt: skip


@lru_cache(maxsize=64)
def applies(fmt_a: FloatFormat, fmt_b: FloatFormat) -> bool:
    """Whether the kernels take operands of these formats: 8 bits, sums in binary32, and room there
    for units of 2**-31 and for 2**14 times a sum."""
    largest = reach(fmt_a).most * reach(fmt_b).most
    return (
        max(fmt_a.width, fmt_b.width) <= 8
        and chunk_limits(fmt_a, fmt_b, 1).single
        and max(largest, reach(fmt_a).most, reach(fmt_b).most) < 1 << 64
    )


@lru_cache(maxsize=64)
def step(fmt_a: FloatFormat, fmt_b: FloatFormat, chunk: int) -> int:
    """What each rounding has to look at: STEP of ``rounded.cu``."""
    limits = chunk_limits(fmt_a, fmt_b, chunk)
    if limits.plain:
        return 0
    return 1 if limits.no_overflow and limits.one_gap else 2


def matmul(
    a: Tensor,
    b: Tensor,
    fmt_a: FloatFormat,
    fmt_b: FloatFormat,
    chunk: int | None,
    exact: bool,
    launch: Launch = on_gpu,
    plan: Plan | None = None,
    tensor: bool | None = None,
    packed: bool | None = None,
) -> Tensor:
    """Codes of the product of a (..., m, k) and b (..., k, n), leading axes alike, none empty.

    ``launch`` is what runs a kernel; for measuring and tests, ``plan`` overrides how the work is
    shared out, ``tensor`` whether the tensor cores add, ``packed`` whether codes are looked up once
    for all blocks.

    Which of the two a kernel calls ``a`` is free, as products commute and the order of the sums is
    the same: the longer side takes the rows of a tile, and with exact sums the operand with the
    larger range is the one that is split.
    """
    shape = (*a.shape[:-1], b.shape[-1])
    alone = int(chunk is None)
    chunk = min(chunk or a.shape[-1], a.shape[-1])
    left, right = _flat(a), _flat(b.transpose(-1, -2))
    limits = exact_limits(fmt_a, fmt_b, chunk) if exact else None
    swap = limits is None if exact else shape[-2] < shape[-1]
    if swap:
        left, right, fmt_a, fmt_b = right, left, fmt_b, fmt_a
        limits = exact_limits(fmt_a, fmt_b, chunk) if exact else None
    out = torch.empty(max(len(left), len(right)), *shape[-2:], dtype=torch.int16, device=a.device)
    strides = (1, shape[-1]) if swap else (shape[-1], 1)
    if limits is not None:
        _exact(left, right, fmt_a, fmt_b, chunk, alone, limits, out, strides, launch)
    else:
        normal = step(fmt_a, fmt_b, chunk) == 0
        tensor = normal and (_has_tensor_cores(a.device) if tensor is None else tensor)
        packed = tensor and min(shape[-2:]) >= MANY if packed is None else packed
        _rounded(left, right, fmt_a, fmt_b, chunk, alone, out, strides, launch, plan, tensor,
                 packed)  # fmt: skip
    return out.reshape(shape)


def _rounded(left: Tensor, right: Tensor, fmt_a: FloatFormat, fmt_b: FloatFormat, chunk: int,
             alone: int, out: Tensor, strides: tuple[int, int], launch: Launch,
             plan: Plan | None, tensor: bool, packed: bool) -> None:  # fmt: skip
    (_, m, depth), n, batch = left.shape, right.shape[1], len(out)
    chunks = -(-depth // chunk)
    how = step(fmt_a, fmt_b, chunk)
    plan = plan or choose(m, n, batch, chunks, chunk)
    split = plan.span < chunks
    parts = torch.empty((batch, chunks, m, n) if split else 1, device=out.device)
    blocks = _ceil(m, plan.rows) * _ceil(n, plan.cols) * batch * _ceil(chunks, plan.span)
    tables = _words(fmt_a, UNIT, out.device), _words(fmt_b, 0, out.device)
    unused = torch.empty(1, dtype=torch.int32, device=out.device)
    x = y = bad_x = bad_y = unused
    if packed:
        x, bad_x = _pairs(left, tables[0], chunk, max(128, plan.rows), launch)
        y, bad_y = _pairs(right, tables[1], chunk, max(128, plan.cols), launch)
    args = [left, right, *tables, x, y, bad_x, bad_y, out, parts, m, n, depth, chunk, *strides,
            len(left), len(right), *_layout(left, chunk), *_layout(right, chunk), x.shape[-1],
            y.shape[-1], alone, plan.span]  # fmt: skip
    words = defines(plan, how, tensor, split, packed)
    launch("rounded_gemm", words, (blocks, 1, 1), (plan.threads, 1, 1), args)
    if split:
        args = [parts, out, m, n, chunks, *strides]
        launch("join", (), (_ceil(m * n, 256), batch, 1), (256, 1, 1), args)


def _pairs(codes: Tensor, table: Tensor, chunk: int, unit: int,
           launch: Launch) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Values (batch, pairs of k, rows padded to ``unit``), and the marks of rows that are NaN."""
    batch, rows, depth = codes.shape
    padded = _up(rows, unit)
    steps = depth // chunk * _ceil(chunk, DEPTH) + _ceil(depth % chunk, DEPTH)
    out = torch.empty(batch, steps * DEPTH // 2, padded, dtype=torch.int32, device=codes.device)
    bad = torch.zeros(batch, padded, dtype=torch.int32, device=codes.device)
    args = [codes, table, out, bad, rows, depth, chunk, *_layout(codes, chunk), padded, steps]
    launch("pairs", (), (padded // 128, _ceil(steps, 4), batch), (128, 1, 1), args)
    return out, bad


@cache
def _has_tensor_cores(device: torch.device) -> bool:
    """Whether they take bfloat16: from compute capability 8.0 on."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8


def _layout(codes: Tensor, chunk: int) -> tuple[int, int, int, int]:
    """Strides of rows, k and batches, and how to read: 1 for four rows at a time, not four steps of
    k; 2 if four codes lie side by side and on a multiple of four."""
    by_batch, by_row, by_k = codes.stride()
    turned = by_row == 1 and by_k != 1
    near, far = (by_row, by_k) if turned else (by_k, by_row)
    steps = chunk if not turned and chunk < codes.shape[2] else 0
    whole = near == 1 and not any(x % 4 for x in (far, by_batch, steps, codes.data_ptr()))
    return by_row, by_k, by_batch, int(turned) + 2 * int(whole)


def _exact(left: Tensor, right: Tensor, fmt_a: FloatFormat, fmt_b: FloatFormat, chunk: int,
           alone: int, limits: Exact, out: Tensor, strides: tuple[int, int],
           launch: Launch) -> None:  # fmt: skip
    """Each operand is packed once and read k by k."""
    (_, m, depth), n = left.shape, right.shape[1]
    padded = _up(chunk, DEPTH)
    deep = depth // chunk * padded + _up(depth % chunk, DEPTH)
    x, bad_x = _pack(left, fmt_a, deep, chunk, launch)
    y, bad_y = _pack(right, fmt_b, deep, chunk, launch)
    args = [x, y, bad_x, bad_y, out, m, n, x.shape[2], y.shape[2], deep, padded, *strides,
            len(left), len(right), alone, math.frexp(limits.split)[1] - 1, limits.lsb]  # fmt: skip
    grid = (_ceil(n, 64), _ceil(m, 64), len(out))
    launch("exact_gemm", (), grid, (256, 1, 1), args)


def _ceil(count: int, unit: int) -> int:
    return -(-count // unit)


def _up(count: int, unit: int) -> int:
    return _ceil(count, unit) * unit


def _flat(operand: Tensor) -> Tensor:
    """(batch, rows, k), a batch of one if all are the same matrix."""
    if all(step == 0 or size == 1 for size, step in
           zip(operand.shape[:-2], operand.stride()[:-2], strict=True)):  # fmt: skip
        return operand[(0,) * (operand.ndim - 2)].unsqueeze(0)
    return operand.reshape(-1, *operand.shape[-2:])


@lru_cache(maxsize=64)
def _table(fmt: FloatFormat, scale: int, device: torch.device) -> Tensor:
    """256 values, times 2**scale; codes beyond a narrow format do not occur."""
    values = np.zeros(256, np.float32)
    values[: 1 << fmt.width] = np.ldexp(value_table(fmt), scale)
    return torch.from_numpy(values).to(device)


@lru_cache(maxsize=64)
def _words(fmt: FloatFormat, scale: int, device: torch.device) -> Tensor:
    """The same in bfloat16, whose 8 bits of significand are enough for any format of 8 bits; bit 31
    alone for NaN and infinities."""
    values = _table(fmt, scale, torch.device("cpu"))
    words = values.view(torch.int32) >> 16 & 0xFFFF
    return torch.where(values.isfinite(), words, -1 << 31).to(torch.int32).to(device)


def _pack(codes: Tensor, fmt: FloatFormat, deep: int, chunk: int,
          launch: Launch) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Values (batch, k, rows), padded, and the marks of rows with NaN or infinities."""
    batch, rows, depth = codes.shape
    wide = _up(rows, 64)
    out = torch.empty(batch, deep, wide, dtype=torch.float32, device=codes.device)
    bad = torch.zeros(batch, wide, dtype=torch.int32, device=codes.device)
    by_batch, by_row, by_k = codes.stride()
    args: list[Any] = [codes, _table(fmt, 0, codes.device), out, bad, rows, depth, wide, deep,
                       chunk, _up(chunk, DEPTH), by_row, by_k, by_batch]  # fmt: skip
    launch("pack", (), (wide // 32, _ceil(deep, 32), batch), (32, 8, 1), args)
    return out, bad
