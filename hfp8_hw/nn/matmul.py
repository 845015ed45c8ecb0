"""Matrix products of codes, summed as the hardware sums them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import ParameterError, check_choice, check_int
from ..formats import FloatFormat
from . import sums
from .codes import broadcast, check_codes, decode, parse_narrow
from .kernels import gemm
from .limits import chunk_limits, exact_limits, reach

SEMANTICS = ("chunked", "exact_chunk")
_TILE = 1 << 20
"""Sums at once, so that what is computed on the way stays small."""


def matmul(
    a: Tensor,
    b: Tensor,
    fmt_a: FloatFormat | str,
    fmt_b: FloatFormat | str,
    *,
    semantics: str = "chunked",
    chunk: int | None = 64,
    kernel: bool = True,
) -> Tensor:
    """The matrix product of codes in DLFLOAT16, as `golden.matmul` with ``acc="DLFLOAT16"``.

    Parameters
    ----------
    a, b : Tensor
        Codes of shapes (..., m, k) and (..., k, n), with any strides; leading axes broadcast.
    fmt_a, fmt_b : FloatFormat or str
        Their formats, of at most 16 bits.
    semantics : str
        ``chunked``: RNA after every product, chunk sums added in order. ``exact_chunk``: each run
        of ``chunk`` products summed exactly and rounded once; added in order.
    chunk : int or None
        Products in a chunk, 1 to 65536. None for a single sum that is added to nothing: golden's
        ``fma`` for ``chunked`` and ``exact`` for ``exact_chunk``. There a negative sum that rounds
        to zero stays -0; a chunk's sum is added to +0 first, as golden does.
    kernel : bool
        Whether tensors on a GPU go through the compiled kernels, where these apply, or through the
        same loop as on a CPU. The bits are the same.

    Returns
    -------
    Tensor
        ``int16`` codes of DLFLOAT16, of shape (..., m, n).

    Raises
    ------
    ParameterError
        For any argument that is not allowed; for ``exact_chunk`` of formats whose sums do not fit
        into 62 bits.
    """
    x_fmt, y_fmt = parse_narrow(fmt_a, "fmt_a"), parse_narrow(fmt_b, "fmt_b")
    check_choice("semantics", semantics, SEMANTICS)
    if chunk is not None:
        check_int("chunk", chunk, 1, 65536)
    check_codes(a, x_fmt, "a")
    check_codes(b, y_fmt, "b")
    shape = _shape(a, b)
    if a.device != b.device:
        raise ParameterError(f"b on {b.device} is not allowed: on {a.device}, as a is")
    depth = a.shape[-1]
    length = min(chunk or depth, depth) or 1
    start = -0.0 if chunk is None else 0.0
    exact = semantics == "exact_chunk"
    if exact and exact_limits(*_wider_first(x_fmt, y_fmt), length) is None:
        raise ParameterError(
            f"chunk={chunk!r} is not allowed for exact_chunk of {x_fmt} and {y_fmt}: "
            "its sums need more than 62 bits"
        )
    if 0 in (*shape, depth):
        return torch.zeros(shape, dtype=torch.int16, device=a.device)
    a = a.expand(*shape[:-2], *a.shape[-2:])
    b = b.expand(*shape[:-2], *b.shape[-2:])
    if kernel and a.is_cuda and gemm.applies(x_fmt, y_fmt):
        return gemm.matmul(a, b, x_fmt, y_fmt, chunk, exact)
    flat_a, flat_b = a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:])
    out = torch.empty(len(flat_a), *shape[-2:], dtype=torch.int16, device=a.device)
    rows = max(1, _TILE // shape[-1])
    for one, left, right in zip(out, flat_a, flat_b, strict=True):
        for row in range(0, shape[-2], rows):
            part = left[row : row + rows]
            total = (_exact if exact else _rounded)(part, right, x_fmt, y_fmt, length, start)
            one[row : row + rows] = sums.encode(total)
    return out.reshape(shape)


def _shape(a: Tensor, b: Tensor) -> tuple[int, ...]:
    """The shape of the product."""
    try:
        if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
            raise RuntimeError
        leading = broadcast(a.shape[:-2], b.shape[:-2])
    except RuntimeError:
        raise ParameterError(
            f"shapes {tuple(a.shape)!r} and {tuple(b.shape)!r} are not allowed: "
            "(..., m, k) and (..., k, n)"
        ) from None
    return (*leading, a.shape[-2], b.shape[-1])


def _rounded(a: Tensor, b: Tensor, fmt_a: FloatFormat, fmt_b: FloatFormat, chunk: int,
             first: float) -> Tensor:  # fmt: skip
    """DLFLOAT16 values of one product, rounded after every term.

    ``first`` is what the chunks' sums are added to, here and below: +0, or -0, which changes no
    value, for a sum that stands alone.
    """
    limits = chunk_limits(fmt_a, fmt_b, chunk)
    dtype = torch.float32 if limits.single else torch.float64
    x, y = decode(a, fmt_a, dtype=dtype), decode(b, fmt_b, dtype=dtype)
    bad = _not_finite(x, y)
    x, y = x.nan_to_num(0, 0, 0), y.nan_to_num(0, 0, 0)
    columns = x.t().contiguous().unsqueeze(-1)
    rows = y.contiguous()
    total = torch.full((x.shape[0], y.shape[1]), first, dtype=dtype, device=x.device)
    term, part = torch.empty_like(total), torch.empty_like(total)
    for start in range(0, x.shape[1], chunk):
        part.zero_()
        for k in range(start, min(start + chunk, x.shape[1])):
            torch.mul(columns[k], rows[k], out=term)
            part.add_(term)
            part = sums.round_normal_(part) if limits.plain else sums.round_any(part)
        total = sums.round_any(total + part)
    return total.masked_fill_(bad, torch.nan)


def _exact(a: Tensor, b: Tensor, fmt_a: FloatFormat, fmt_b: FloatFormat, chunk: int,
           first: float) -> Tensor:  # fmt: skip
    """DLFLOAT16 values of one product, rounded once a chunk.

    Both binary64 matrix products are exact, whatever the order of their sums; see `exact_limits`.
    """
    if _wider_first(fmt_a, fmt_b)[0] != fmt_a:
        return _exact(b.t(), a.t(), fmt_b, fmt_a, chunk, first).t()
    limits = exact_limits(fmt_a, fmt_b, chunk)
    assert limits is not None
    x, y = decode(a, fmt_a, dtype=torch.float64), decode(b, fmt_b, dtype=torch.float64)
    bad = _not_finite(x, y)
    x, y = x.nan_to_num(0, 0, 0), y.nan_to_num(0, 0, 0)
    high = torch.where(x.abs() >= limits.split, x, 0.0)
    unit = 2.0**-limits.lsb
    total = torch.full((x.shape[0], y.shape[1]), first, device=x.device)
    for start in range(0, x.shape[1], chunk):
        k = slice(start, start + chunk)
        units = torch.zeros(total.shape, dtype=torch.int64, device=x.device)
        for piece in (high[:, k], x[:, k] - high[:, k]):
            units += ((piece @ y[k]) * unit).to(torch.int64)
        total = sums.round_any(total + sums.from_fixed(units, limits.lsb))
    return total.masked_fill_(bad, torch.nan)


def _wider_first(a: FloatFormat, b: FloatFormat) -> tuple[FloatFormat, FloatFormat]:
    """The formats, the one with the larger range first: it is the one that is split."""
    spread = [reach(f).most / reach(f).least for f in (a, b)]
    return (a, b) if spread[0] >= spread[1] else (b, a)


def _not_finite(x: Tensor, y: Tensor) -> Tensor:
    """Where a NaN or an infinity takes part: there the sum is NaN-Inf, which stays.

    An infinity times anything is an infinity or NaN, and DLFLOAT16 has one code for all of them.
    """
    return ~x.isfinite().all(-1).unsqueeze(-1) | ~y.isfinite().all(-2)
