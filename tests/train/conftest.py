"""The GPU's kernels, compiled for the CPU."""

from __future__ import annotations

import ctypes
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hfp8_hw.nn.kernels.launch import SOURCES, Defines, Grid, Launch, source

HERE = Path(__file__).parent


def call(name: str, pointers: list[str], numbers: int, run: str = "run") -> str:
    """A kernel as a function of its arguments: pointers in p, integers in i."""
    given = [f"({kind} *)p[{k}]" for k, kind in enumerate(pointers)]
    given += [f"i[{k}]" for k in range(numbers)]
    return (
        f'extern "C" void call_{name}'
        "(const int *grid, const int *block, void **p, const int *i) {\n"
        f"    {run}(grid, block, [=] {{ {name}({', '.join(given)}); }});\n}}\n"
    )


CALLS = {
    "pack": call("pack", ["u8", "float", "float", "int"], 9),
    "exact_gemm": call("exact_gemm", ["float", "float", "int", "int", "short"], 13),
    "rounded_gemm": call(
        "rounded_gemm", ["u8", "u8", *["u32"] * 4, "int", "int", "short", "float"], 20
    ),
    "pairs": call("pairs", ["u8", "u32", "u32", "int"], 9),
    "join": call("join", ["float", "short"], 5),
    "wide_gemm": call("wide_gemm", ["short", "short", "float", "short"], 14),
    "narrow": call("narrow", ["float", "int", "Rule", "float", "code_t", "float"], 1, "run_apart"),
    "look_up": call("look_up", ["code_t", "real", "real"], 1, "run_apart"),
    "fma_codes": call("fma_codes", ["short"] * 4, 4, "run_apart"),
    "to_sums": call("to_sums", ["real", "short", "real"], 1, "run_apart"),
}


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """Launches a kernel on tensors of the CPU; those of one file are compiled together."""
    folder = tmp_path_factory.mktemp("kernels")

    @cache
    def library(files: tuple[str, ...], defines: Defines) -> Any:
        names = [name for name in CALLS if SOURCES[name] == files]
        path = folder / "-".join([names[0], *(str(value) for _, value in defines)])
        parts = [(HERE / "on_host.h").read_text(), source(names[0], defines)]
        parts += [CALLS[name] for name in names]
        path.with_suffix(".cc").write_text("\n".join(parts))
        subprocess.run(
            ["g++", "-std=c++20", "-O1", "-ffp-contract=off", "-fno-strict-aliasing", "-w",
             "-pthread", "-shared", "-fPIC", "-o", f"{path}.so", f"{path}.cc"],
            check=True,
        )  # fmt: skip
        return ctypes.CDLL(f"{path}.so")

    def launch(name: str, defines: Defines, grid: Grid, block: Grid,
               args: list[Any]) -> None:  # fmt: skip
        tensors = [x for x in args if isinstance(x, torch.Tensor)]
        numbers = [x for x in args if isinstance(x, int)]
        assert args == [*tensors, *numbers] or len(args) == len(tensors) + len(numbers)
        library(SOURCES[name], defines)[f"call_{name}"](
            (ctypes.c_int * 3)(*grid),
            (ctypes.c_int * 3)(*block),
            (ctypes.c_void_p * len(tensors))(*(x.data_ptr() for x in tensors)),
            (ctypes.c_int * len(numbers))(*numbers),
        )

    return launch


def random_words(rounding: str, count: int) -> np.ndarray[Any, Any] | None:
    """Words for SR(n), the ends among them; None for another rounding."""
    if not rounding.startswith("SR"):
        return None
    top = 1 << int(rounding[3:-1])
    words = np.random.default_rng(3).integers(0, top, count)
    words[::5], words[1::5] = 0, top - 1
    return words
