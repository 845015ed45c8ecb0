"""Codes in tensors, and their values."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ParameterError, shown
from ..formats import FloatFormat, parse_format
from ..golden.codes.operands import value_table
from .kernels import elementwise

WIDEST = 16


def parse_narrow(fmt: object, parameter: str = "fmt") -> FloatFormat:
    """A format of at most 16 bits; raises ParameterError for others."""
    form = parse_format(fmt, parameter)
    if form.width > WIDEST:
        raise ParameterError(f"{parameter}={shown(fmt)} is not allowed: a format of up to 16 bits")
    return form


def code_dtype(fmt: FloatFormat) -> torch.dtype:
    """``uint8`` for codes of up to 8 bits, ``int16`` for others."""
    return torch.uint8 if fmt.width <= 8 else torch.int16


def check_codes(codes: object, fmt: FloatFormat, parameter: str = "codes") -> Tensor:
    """A tensor of the format's dtype, whose codes fit.

    Codes of formats of 8 or 16 bits always fit; those of other widths are looked at.

    Raises
    ------
    ParameterError
        If it is no such tensor.
    """
    want = code_dtype(fmt)
    if not isinstance(codes, Tensor) or codes.dtype != want:
        got = f"has dtype {codes.dtype}" if isinstance(codes, Tensor) else f"is {shown(codes)}"
        raise ParameterError(f"{parameter} {got}, which is not allowed: a tensor of {want}")
    if fmt.width not in (8, 16) and codes.numel():
        top = (1 << fmt.width) - 1
        bad = codes[(codes < 0) | (codes > top)]
        if bad.numel():
            raise ParameterError(
                f"{parameter} holds the code {int(bad[0])!r}, which is not allowed: "
                f"{fmt} codes are 0 to {top}"
            )
    return codes


def broadcast(a: torch.Size, b: torch.Size) -> torch.Size:
    """`torch.broadcast_shapes`, which takes its time, of two shapes that mostly are the same."""
    return a if a == b else torch.broadcast_shapes(a, b)


def check_broadcast(**given: Tensor) -> None:
    """Raise ParameterError unless tensors broadcast; their names are in the text."""
    shapes = [one.shape for one in given.values()]
    if all(shape == shapes[0] for shape in shapes):
        return
    try:
        torch.broadcast_shapes(*shapes)
    except RuntimeError:
        said = ", ".join(f"{name} of shape {tuple(one.shape)!r}" for name, one in given.items())
        raise ParameterError(f"{said} are not allowed: shapes that broadcast") from None


def from_numpy(codes: NDArray[Any], device: torch.device | str = "cpu") -> Tensor:
    """Golden's codes (uint8 or uint16, of any shape) as a tensor of the same bits, with a memory of
    its own if the array's is not to be written to or is not in order.

    Raises
    ------
    ParameterError
        For anything else.
    """
    dtype = codes.dtype.newbyteorder("=") if isinstance(codes, np.ndarray | np.generic) else None
    if dtype is None or dtype not in (np.uint8, np.uint16):
        got = f"of {dtype}" if isinstance(codes, np.ndarray) else shown(codes)
        raise ParameterError(f"codes {got} are not allowed: an array of uint8 or uint16")
    array = np.require(codes, dtype, ("C", "W"))
    return torch.from_numpy(array.view(np.int16) if array.dtype == np.uint16 else array).to(device)


def to_numpy(codes: Tensor) -> NDArray[Any]:
    """The inverse of `from_numpy`; the integers of INT8 as they are.

    Raises
    ------
    ParameterError
        For anything but a tensor of ``uint8``, ``int16`` or ``int8``.
    """
    if not isinstance(codes, Tensor) or codes.dtype not in (torch.uint8, torch.int16, torch.int8):
        got = f"of {codes.dtype}" if isinstance(codes, Tensor) else shown(codes)
        raise ParameterError(f"codes {got} are not allowed: a tensor of torch.uint8 or torch.int16")
    array: NDArray[Any] = codes.detach().cpu().numpy()
    return array.view(np.uint16) if array.dtype == np.int16 else array


def index(codes: Tensor) -> Tensor:
    """Codes as indices of a table: the bits of an ``int16`` read as unsigned."""
    return codes.to(torch.int32) & 0xFFFF


def decode(codes: Tensor, fmt: FloatFormat | str, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """The exact values of codes, as `golden.decode`.

    Parameters
    ----------
    codes : Tensor
        ``uint8`` or ``int16`` codes of ``fmt``, any shape.
    fmt : FloatFormat or str
        A format of at most 16 bits, every value of which is one of ``dtype``.
    dtype : torch.dtype
        ``float32`` or ``float64``.

    Returns
    -------
    Tensor
        Of ``dtype``; NaN (and DLFloat's NaN-Inf) as NaN, -0 as -0.0.

    Raises
    ------
    ParameterError
        For codes of another dtype, or a format with values beyond ``dtype``.
    """
    form = parse_narrow(fmt)
    check_codes(codes, form)
    if dtype == torch.float32 and not _single(form):
        raise ParameterError(f"fmt={shown(fmt)} is not allowed with float32: use dtype=float64")
    if dtype not in (torch.float32, torch.float64):
        raise ParameterError(f"dtype={dtype} is not allowed: torch.float32 or torch.float64")
    if elementwise.takes(codes):
        return elementwise.look_up(codes, form, dtype)
    return elementwise.value_list(form, dtype, codes.device)[index(codes)]


@lru_cache(maxsize=64)
def _single(fmt: FloatFormat) -> bool:
    """Whether every value of a format is a binary32 value."""
    table = value_table(fmt)
    with np.errstate(over="ignore"):
        return bool(np.array_equal(table, table.astype(np.float32), equal_nan=True))
