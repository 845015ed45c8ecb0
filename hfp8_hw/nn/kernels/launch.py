"""Compile kernels and launch them."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor

from . import nvrtc

Defines = tuple[tuple[str, int], ...]
Grid = tuple[int, int, int]
Launch = Callable[[str, Defines, Grid, Grid, list[Any]], None]
"""Run a kernel: its name, the macros it is compiled with, grid, block, arguments."""

SOURCES = {
    "pairs": ("operand.cu",),
    "rounded_gemm": ("operand.cu", "rounded.cu"),
    "join": ("join.cu",),
    "pack": ("exact.cu",),
    "exact_gemm": ("exact.cu",),
    "wide_gemm": ("wide.cu",),
    "narrow": ("elementwise.cu",),
    "look_up": ("elementwise.cu",),
    "to_sums": ("elementwise.cu",),
}
"""Where a kernel is, after ``common.cu``."""


def source(name: str, defines: Defines) -> str:
    """The text to compile for a kernel."""
    folder = files(__package__)
    parts = [folder.joinpath(part).read_text("utf-8") for part in ("common.cu", *SOURCES[name])]
    return "".join([*(f"#define {word} {value}\n" for word, value in defines), *parts])


@cache
def _compiled(name: str, defines: Defines, device: int) -> Any:
    """A kernel compiled for a device: by NVRTC, which comes with PyTorch, so nothing else has to be
    installed; a second or two, once a process."""
    with torch.cuda.device(device):
        return nvrtc.kernel(source(name, defines), name).func


@cache
def _driver() -> tuple[Any, Any]:
    """What launches a kernel, and what checks its answer."""
    from torch.cuda import _utils

    return _utils._get_gpu_runtime_library().cuLaunchKernel, _utils._check_cuda


_WORD = (1 << 64) - 1


class _Begun(threading.local):
    """The devices on which a thread has begun to work."""

    def __init__(self) -> None:
        self.devices: set[int] = set()


_begun = _Begun()


def _begin(device: int) -> None:
    """Let a thread work on the current device: it may be new, as that of a backward pass, and the
    driver takes launches only from threads that PyTorch's own have come from before."""
    if device not in _begun.devices:
        torch.zeros(1, device=torch.device("cuda", device))
        _begun.devices.add(device)


def on_gpu(name: str, defines: Defines, grid: Grid, block: Grid, args: list[Any]) -> None:
    """Launch a kernel on the device of its first argument, in the current stream.

    Tensors are passed as addresses and integers as they are: eight bytes each, of which a kernel
    reads as many as it wants. PyTorch's own call does the same with several times the work, which
    counts where a kernel does as little as most do.
    """
    device = args[0].device.index
    if device != torch.cuda.current_device():
        with torch.cuda.device(device):
            return on_gpu(name, defines, grid, block, args)
    _begin(device)
    function = _compiled(name, defines, device)
    launch, check = _driver()
    words = [arg.data_ptr() if isinstance(arg, Tensor) else arg & _WORD for arg in args]
    held = (ctypes.c_uint64 * len(words))(*words)
    first = ctypes.addressof(held)
    places = (ctypes.c_void_p * len(words))(*range(first, first + 8 * len(words), 8))
    stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
    check(launch(function, *grid, *block, 0, stream, places, None))

