"""Compile kernels and launch them."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import torch

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
    "fma_codes": ("elementwise.cu",),
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


class _Thread(threading.local):
    """What each thread has of its own: the devices on which it has begun to work, and, by their
    number, places for arguments, with their addresses."""

    def __init__(self) -> None:
        self.devices: set[int] = set()
        self.places: dict[int, tuple[Any, Any]] = {}

    def begin(self, device: int) -> None:
        """Work on the current device. The thread may be new, as that of a backward pass, and the
        driver takes launches only from threads that PyTorch's own have come from before."""
        torch.zeros(1, device=torch.device("cuda", device))
        self.devices.add(device)

    def room(self, count: int) -> tuple[Any, Any]:
        """Places for so many arguments, used again at each launch, which reads them."""
        if count not in self.places:
            words = (ctypes.c_uint64 * count)()
            first = ctypes.addressof(words)
            self.places[count] = (
                words,
                (ctypes.c_void_p * count)(*range(first, first + 8 * count, 8)),
            )
        return self.places[count]


_thread = _Thread()


def on_gpu(name: str, defines: Defines, grid: Grid, block: Grid, args: list[Any]) -> None:
    """Launch a kernel on the device of its first argument, in the current stream.

    Tensors are passed as addresses and integers as they are: eight bytes each, of which a kernel
    reads as many as it wants. PyTorch's own call does the same with several times the work, which
    counts where a kernel does as little as most do.
    """
    device = args[0].get_device()
    if device != torch.cuda.current_device():
        with torch.cuda.device(device):
            return on_gpu(name, defines, grid, block, args)
    if device not in _thread.devices:
        _thread.begin(device)
    function = _compiled(name, defines, device)
    launch, check = _driver()
    words, places = _thread.room(len(args))
    words[:] = [arg if isinstance(arg, int) else arg.data_ptr() for arg in args]
    stream = ctypes.c_void_p(torch._C._cuda_getCurrentRawStream(device))
    status = launch(function, *grid, *block, 0, stream, places, None)
    if status:
        check(status)
