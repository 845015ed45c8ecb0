"""Launches the kernels of ``elementwise.cu``: in one go what takes PyTorch dozens of operations.

Each has the bits of the function in `codes`, `rounding` or `sums` that calls it; for a tensor on a
CPU, and within `plain`, these do it with PyTorch's operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor

from ...formats import CATALOGUE, FloatFormat
from ...golden.codes.operands import value_table
from ...rounding import Rounding
from .launch import Defines, Launch, on_gpu

MODES = ("RNE", "RNA", "RTZ", "SR")
ZERO_EXP = ("gradual", "normal", "flush")

_DEFINES: dict[tuple[bool, bool], Defines] = {
    (wide, double): (("WIDE", int(wide)), ("DOUBLE", int(double)))
    for wide in (False, True)
    for double in (False, True)
}
"""What the kernels are compiled with, by whether codes have 16 bits and values are binary64."""

_BLOCK, _EACH = 256, 4
_MOST = (1 << 31) - 1
"""Elements that a kernel's ``int`` counts."""

_plain = False
_launch: Launch = on_gpu


@contextmanager
def plain() -> Iterator[None]:
    """No kernels of this module: PyTorch's operations for tensors on a GPU too."""
    global _plain
    before, _plain = _plain, True
    try:
        yield
    finally:
        _plain = before


def takes(x: Tensor) -> bool:
    """Whether the kernels take a tensor: on a GPU, not empty, at most 2**31 - 1 elements."""
    return x.is_cuda and not _plain and 0 < x.numel() <= _MOST


def narrow(x: Tensor, fmt: FloatFormat, how: Rounding, overflow: str, rbits: Tensor | None = None,
           values: bool = False) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Codes of ``float32`` values, as `quantize`, and, with ``values``, theirs in ``float32``.

    Precondition: RNE, RNA, RTZ or SR of up to 24 bits, with words of as many bits, one for each
    element; arguments as `quantize` has checked them.
    """
    if rbits is not None:
        x, rbits = x.contiguous(), rbits.expand(x.shape).to(torch.int32).contiguous()
    facts, table, dtype = _narrowing(fmt, how, overflow, x.device)
    x, codes = _alike(x, dtype)
    found = torch.empty_like(codes, dtype=torch.float32) if values else None
    none = _unused(x.device)
    args = [x, none if rbits is None else rbits, facts, table, codes,
            none if found is None else found, x.numel()]  # fmt: skip
    _run("narrow", _DEFINES[dtype == torch.int16, False], args)
    return codes, found


@lru_cache(maxsize=64)
def _narrowing(fmt: FloatFormat, how: Rounding, overflow: str,
               device: torch.device) -> tuple[Tensor, Tensor, torch.dtype]:  # fmt: skip
    dtype = torch.int16 if fmt.width > 8 else torch.uint8
    return rule(fmt, how, overflow, device), value_list(fmt, torch.float32, device), dtype


def look_up(codes: Tensor, fmt: FloatFormat, dtype: torch.dtype) -> Tensor:
    """Values of codes, as `decode`."""
    codes, out = _alike(codes, dtype)
    table = _list(fmt, dtype, codes.device)
    defines = _DEFINES[codes.dtype == torch.int16, dtype == torch.float64]
    _run("look_up", defines, [codes, table, out, codes.numel()])
    return out


@lru_cache(maxsize=64)
def _list(fmt: FloatFormat, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The table that a look-up needs; none for DLFLOAT16."""
    return _unused(device) if fmt == CATALOGUE["DLFLOAT16"] else value_list(fmt, dtype, device)


def to_sums(x: Tensor, codes: bool, values: bool) -> tuple[Tensor, Tensor]:
    """DLFLOAT16 of ``float32`` or ``float64``: codes as `sums.encode`, values as
    `sums.round_any`; an empty tensor for what is not wanted."""
    none = _unused(x.device)
    x, like = _alike(x, torch.int16 if codes else x.dtype)
    out = like if codes else none
    found = none if not values else torch.empty_like(like, dtype=x.dtype) if codes else like
    _run("to_sums", _DEFINES[True, x.dtype == torch.float64], [x, out, found, x.numel()])
    return out, found


def fma(a: Tensor, b: Tensor, c: Tensor) -> Tensor | None:
    """Codes of a b + c of DLFLOAT16 codes, as `nn.fma`; None where the kernel does not take them.

    Precondition: each is one number or has the shape of the result.
    """
    most = max((a, b, c), key=lambda x: (x.numel(), x.ndim))
    given = [x.contiguous() for x in (a, b, c) if takes(x) and x.ndim <= most.ndim]
    if len(given) < 3 or any(x.numel() > 1 and x.shape != most.shape for x in given):
        return None
    out = torch.empty(most.shape, dtype=torch.int16, device=most.device)
    steps = [int(x.numel() > 1) for x in given]
    _run("fma_codes", _DEFINES[True, True], [*given, out, *steps, out.numel()])
    return out


def _run(name: str, defines: Defines, args: list[Tensor | int]) -> None:
    count = args[-1]
    assert isinstance(count, int)
    blocks = -(-count // (_BLOCK * _EACH))
    _launch(name, defines, (blocks, 1, 1), (_BLOCK, 1, 1), args)


def _alike(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A tensor without gaps, and an empty one whose elements lie in the same order."""
    out = torch.empty_like(x, dtype=dtype)
    if out.stride() == x.stride():
        return x, out
    return x.contiguous(), torch.empty(x.shape, dtype=dtype, device=x.device)


@lru_cache(maxsize=8)
def _unused(device: torch.device) -> Tensor:
    """A tensor without an address."""
    return torch.empty(0, device=device)


@lru_cache(maxsize=64)
def value_list(fmt: FloatFormat, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The values of all codes; infinite where ``dtype`` does not have one."""
    return torch.tensor(value_table(fmt), dtype=dtype, device=device)


@lru_cache(maxsize=64)
def rule(fmt: FloatFormat, how: Rounding, overflow: str, device: torch.device) -> Tensor:
    """``Rule`` of ``elementwise.cu``: the facts of a format and how to round to it."""
    beyond, signed = fmt.nan_code or 0, 0
    if fmt.inf_code is not None:
        beyond, signed = fmt.inf_code, fmt.sign_mask
    if overflow == "saturate":
        beyond, signed = fmt.max_code, fmt.sign_mask
    # A rounding to zero leaves a finite value finite; an infinite one overflows all the same.
    over = (fmt.max_code, fmt.sign_mask) if how.mode == "RTZ" else (beyond, signed)
    nan = fmt.max_code if fmt.nan_code is None else fmt.nan_code
    facts = [fmt.man_bits, fmt.bias, ZERO_EXP.index(fmt.zero_exp), MODES.index(how.mode),
             how.sr_bits, fmt.max_code, fmt.sign_mask, beyond, signed, *over, nan,
             int(fmt.has_neg_zero)]  # fmt: skip
    return torch.tensor(facts, dtype=torch.int32, device=device)
