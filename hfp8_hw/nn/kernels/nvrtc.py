"""Compile CUDA C++ with the NVRTC that PyTorch brings.

PyTorch has a function of its own for that, but some versions look for ``libnvrtc.so``, a name that
only a full CUDA toolkit has. Loading the machine code is PyTorch's.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from ...errors import RunError, ToolMissing


def candidates() -> list[str]:
    """Where NVRTC may be: on the loader's path, or in the packages that PyTorch needs."""
    major = (torch.version.cuda or "13").split(".")[0]
    names = [f"libnvrtc.so.{major}", "libnvrtc.so"]
    spec = find_spec("nvidia")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        found = Path(folder).glob(f"*/lib/libnvrtc.so.{major}")
        names += sorted(str(path) for path in found)
    return names


@cache
def library() -> Any:
    """NVRTC; raises ToolMissing where there is none."""
    for name in candidates():
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise ToolMissing("NVRTC is missing; it comes with PyTorch's CUDA builds")


def cubin(source: str, name: str, arch: str) -> bytes:
    """Machine code for an architecture such as ``sm_90``.

    Raises
    ------
    RunError
        With the compiler's text, if it finds an error.
    """
    lib, program, size = library(), ctypes.c_void_p(), ctypes.c_size_t()
    options = (ctypes.c_char_p * 1)(f"--gpu-architecture={arch}".encode())
    _check(lib.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), f"{name}.cu".encode(), 0, None, None))  # fmt: skip
    try:
        if lib.nvrtcCompileProgram(program, 1, options):
            _check(lib.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
            log = ctypes.create_string_buffer(size.value)
            _check(lib.nvrtcGetProgramLog(program, log))
            raise RunError(f"{name} does not compile for {arch}: {log.value.decode()}")
        _check(lib.nvrtcGetCUBINSize(program, ctypes.byref(size)))
        code = ctypes.create_string_buffer(size.value)
        _check(lib.nvrtcGetCUBIN(program, code))
        return code.raw
    finally:
        lib.nvrtcDestroyProgram(ctypes.byref(program))


def _check(status: int) -> None:
    if status:
        raise RunError(f"NVRTC stopped with status {status}")


def kernel(source: str, name: str) -> Any:
    """A kernel for the current device, to be called with ``grid``, ``block`` and ``args``."""
    from torch.cuda import _utils

    major, minor = torch.cuda.get_device_capability()
    return _utils._cuda_load_module(cubin(source, name, f"sm_{major}{minor}"), [name])[name]
