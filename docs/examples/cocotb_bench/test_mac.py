"""A cocotb bench for a generated MAC: drive sums, stall at random, compare with the golden model.

The manifest says which golden function computes what the unit outputs, and its arguments.
"""

import json
import os
import random
from importlib import import_module
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

MANIFEST = json.loads(Path(os.environ["MANIFEST"]).read_text())


def golden(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(codes, flags) that the unit must output, from the function that the manifest names."""
    module, function = MANIFEST["golden"]["function"].split(":")
    return getattr(import_module(module), function)(a, b, **MANIFEST["golden"]["arguments"])


async def drive(dut: Any, a: np.ndarray, b: np.ndarray, rng: random.Random) -> None:
    """Offer each pair until it is taken."""
    for row_a, row_b in zip(a, b, strict=True):
        for k, (code_a, code_b) in enumerate(zip(row_a, row_b, strict=True)):
            while rng.random() < 0.2:
                dut.i_valid.value = 0
                await RisingEdge(dut.clk)
            dut.i_a.value, dut.i_b.value = int(code_a), int(code_b)
            dut.i_first.value, dut.i_last.value = k == 0, k == len(row_a) - 1
            dut.i_valid.value = 1
            await RisingEdge(dut.clk)
            while not dut.i_ready.value:
                await RisingEdge(dut.clk)
    dut.i_valid.value = 0


async def monitor(dut: Any, count: int, rng: random.Random) -> list[tuple[int, int]]:
    """Take results, not in every clock."""
    found = []
    while len(found) < count:
        ready = rng.random() < 0.7
        dut.o_ready.value = ready
        await RisingEdge(dut.clk)
        if ready and dut.o_valid.value:
            found.append((dut.o_y.value.to_unsigned(), dut.o_flags.value.to_unsigned()))
    return found


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def sums_match_the_golden_model(dut: Any) -> None:
    """A hundred sums of twenty products, of every kind of code."""
    a, b = np.random.default_rng(1).integers(0, 256, (2, 100, 20), np.uint8)
    Clock(dut.clk, 10, "ns").start()
    dut.i_valid.value = dut.o_ready.value = 0
    dut.rst.value = 1
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    dut.rst.value = 0
    cocotb.start_soon(drive(dut, a, b, random.Random(2)))
    found = await monitor(dut, len(a), random.Random(3))
    codes, flags = golden(a, b)
    assert found == list(zip(codes.tolist(), flags.tolist(), strict=True))
