"""Launches the kernels of ``gemm.cu``."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...formats import FloatFormat
from ...golden.operands import value_table
from ..limits import Exact, chunk_limits, exact_limits
from . import nvrtc

DEPTH = 8
"""Steps of k that the kernels take at once."""

ENOUGH = 264
"""Blocks that keep an H100 or H200 busy: two for each of the 132 multiprocessors."""

TILES = ((64, 128), (128, 64), (128, 32), (256, 16))
"""Rows and columns of a block's sums. The narrow ones are for few columns, as a network's first
layers have them: a block computes what is beyond the edge too."""

Defines = tuple[tuple[str, int], ...]

PLAIN: Defines = (("ROWS", 64), ("COLS", 64), ("STEP", 0), ("ADDS", 0), ("SPLIT", 0))
"""For the kernels that do not depend on them."""

ADDS = (1, 2, 0)
"""By STEP of ``gemm.cu``: which of the GPU's units add half. Per product the integer unit (64 a
clock) then has 1.5, 2 and all operations, the multipliers (128) 1.5, 2 and 1; with 0 for all three
it had 2, 3 and more, which bounds an H200 to 8.4 and 5.6 x 10**12 products a second."""

Grid = tuple[int, int, int]
Launch = Callable[[str, Defines, Grid, Grid, list[Any]], None]
"""Run a kernel: its name, the macros it is compiled with, grid, block, arguments."""


def source(defines: Defines) -> str:
    """The text to compile."""
    text = files(__package__).joinpath("gemm.cu").read_text(encoding="utf-8")
    return "".join(f"#define {name} {value}\n" for name, value in defines) + text


@cache
def _compiled(name: str, defines: Defines, device: int) -> Any:
    """A kernel compiled for a device: by NVRTC, which comes with PyTorch, so nothing else has to be
    installed; a second or two, once a process."""
    with torch.cuda.device(device):
        return nvrtc.kernel(source(defines), name)


def _launch(name: str, defines: Defines, grid: Grid, block: Grid, args: list[Any]) -> None:
    device = args[0].device
    with torch.cuda.device(device):
        _compiled(name, defines, device.index)(grid=grid, block=block, args=args)


def applies(fmt_a: FloatFormat, fmt_b: FloatFormat) -> bool:
    """Whether the kernels take operands of these formats: 8 bits, sums in binary32."""
    return max(fmt_a.width, fmt_b.width) <= 8 and chunk_limits(fmt_a, fmt_b, 1).single


def step(fmt_a: FloatFormat, fmt_b: FloatFormat, chunk: int) -> int:
    """What each rounding has to look at: STEP of ``gemm.cu``."""
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
    launch: Launch = _launch,
    adds: int | None = None,
) -> Tensor:
    """Codes of the product of a (..., m, k) and b (..., k, n), leading axes alike, none empty.

    ``adds`` overrides `ADDS`, for measuring; ``launch`` is what runs a kernel.

    Each operand is packed once and read k by k. Which of the two a kernel calls ``a`` is free, as
    products commute and the order of the sums is the same: the longer side takes the rows of a
    tile, and with exact sums the operand with the larger range is the one that is split.
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
    m, n, depth = left.shape[1], right.shape[1], left.shape[2]
    tile = (64, 64) if exact else min(TILES, key=lambda t: _up(m, t[0]) * _up(n, t[1]))
    how = step(fmt_a, fmt_b, chunk)
    units = ADDS[how] if adds is None else adds
    padded = _up(chunk, DEPTH)
    deep = depth // chunk * padded + _up(depth % chunk, DEPTH)
    x, bad_x = _pack(left, fmt_a, tile[0], deep, chunk, True, launch)
    y, bad_y = _pack(right, fmt_b, tile[1], deep, chunk, False, launch)
    batch = max(len(left), len(right))
    out = torch.empty(batch, *shape[-2:], dtype=torch.int16, device=a.device)
    strides = (1, shape[-1]) if swap else (shape[-1], 1)
    sizes = (m, n, x.shape[2], y.shape[2])
    rest = (*strides, len(left), len(right))
    across, down = _up(n, tile[1]) // tile[1], _up(m, tile[0]) // tile[0]
    if limits is not None:
        args: list[Any] = [x, y, bad_x, bad_y, out, *sizes, deep, padded, *rest]
        launch("exact_gemm", PLAIN, (across, down, batch), (256, 1, 1),
               [*args, alone, *_exponents(limits)])  # fmt: skip
        return out.reshape(shape)
    chunks = -(-depth // chunk)
    each = _chunks_a_block(chunks, across * down * batch)
    split = int(each < chunks)
    parts = torch.empty((batch, chunks, m, n) if split else 1, device=a.device)
    defines = (("ROWS", tile[0]), ("COLS", tile[1]), ("STEP", how), ("ADDS", units),
               ("SPLIT", split))  # fmt: skip
    grid = (across, down, batch * -(-chunks // each))
    args = [x, y, bad_x, bad_y, out, parts, *sizes, deep, padded, *rest, alone, 1, each * padded]
    launch("rounded_gemm", defines, grid, (tile[0] * tile[1] // 64, 1, 1), args)
    if split:
        args = [parts, bad_x, bad_y, out, *sizes, chunks, *rest]
        launch("join", PLAIN, (-(-m * n // 128), 1, batch), (128, 1, 1), args)
    return out.reshape(shape)


def _chunks_a_block(chunks: int, blocks: int) -> int:
    """How many chunks a block sums: all, unless the blocks are too few to fill a GPU."""
    if blocks >= ENOUGH or chunks == 1:
        return chunks
    return -(-chunks // min(chunks, -(-2 * ENOUGH // blocks)))


def packed(
    a: Tensor, b: Tensor, fmt_a: FloatFormat, fmt_b: FloatFormat, chunk: int
) -> tuple[Tensor, Tensor]:
    """What `matmul` does first, for measuring: both operands of (m, k) times (k, n), packed."""
    deep = a.shape[-1] // chunk * _up(chunk, DEPTH) + _up(a.shape[-1] % chunk, DEPTH)
    x, _ = _pack(_flat(a), fmt_a, 64, deep, chunk, True, _launch)
    y, _ = _pack(_flat(b.transpose(-1, -2)), fmt_b, 64, deep, chunk, False, _launch)
    return x, y


def _up(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def _exponents(limits: Exact) -> tuple[int, int]:
    return math.frexp(limits.split)[1] - 1, limits.lsb


def _flat(operand: Tensor) -> Tensor:
    """(batch, rows, k), a batch of one if all are the same matrix."""
    if all(step == 0 or size == 1 for size, step in
           zip(operand.shape[:-2], operand.stride()[:-2], strict=True)):  # fmt: skip
        return operand[(0,) * (operand.ndim - 2)].unsqueeze(0)
    return operand.reshape(-1, *operand.shape[-2:])


@lru_cache(maxsize=64)
def _table(fmt: FloatFormat, device: torch.device) -> Tensor:
    """256 values; codes beyond a narrow format do not occur."""
    values = np.zeros(256, np.float32)
    values[: 1 << fmt.width] = value_table(fmt)
    return torch.from_numpy(values).to(device)


def _pack(
    codes: Tensor,
    fmt: FloatFormat,
    unit: int,
    deep: int,
    chunk: int,
    negative: bool,
    launch: Launch,
) -> tuple[Tensor, Tensor]:
    """Values (batch, k, rows), padded, and the marks of rows with NaN or infinities."""
    batch, rows, depth = codes.shape
    wide = _up(rows, math.lcm(unit, 32))
    out = torch.empty(batch, deep, wide, dtype=torch.float32, device=codes.device)
    bad = torch.zeros(batch, wide, dtype=torch.int32, device=codes.device)
    by_batch, by_row, by_k = codes.stride()
    args: list[Any] = [codes, _table(fmt, codes.device), out, bad, rows, depth, wide, deep, chunk,
                       _up(chunk, DEPTH), by_row, by_k, by_batch, int(negative)]  # fmt: skip
    grid = (wide // 32, -(-deep // 32), batch)
    launch("pack", PLAIN, grid, (32, 8, 1), args)
    return out, bad
