"""The cocotb test: sends jobs and operands, and keeps what comes back.

Runs in the simulator's process; ``HFP8_JOB`` is a folder with ``job.json`` and ``words.npz``.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

STUCK = 20_000
"""Clocks without a transfer after which the core has hung."""


def pauses(rate: float, seed: str) -> Iterator[bool]:
    """Whether to pause, clock by clock."""
    draw = random.Random(seed)
    return (draw.random() < rate for _ in itertools.count())


@cocotb.test()
async def run(dut: Any) -> None:
    """Every phase: reset, send all, and collect a frame a job."""
    folder = Path(os.environ["HFP8_JOB"])
    job = json.loads((folder / "job.json").read_text())
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    sources = {
        name: AxiStreamSource(AxiStreamBus.from_prefix(dut, f"s_axis_{name}"), dut.clk, dut.rst)
        for name in ("job", "a", "b")
    }
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis_c"), dut.clk, dut.rst)
    result: list[dict[str, Any]] = []
    with np.load(folder / "words.npz") as saved:
        words = {name: saved[name] for name in saved.files}
    for number, phase in enumerate(job["phases"]):
        for name, source in sources.items():
            source.clear()
            source.set_pause_generator(pauses(phase["stall"], f"{job['seed']}{number}{name}"))
        sink.clear()
        sink.set_pause_generator(pauses(phase["stall"], f"{job['seed']}{number}c"))
        for clocks in [*phase["resets"], None]:
            dut.rst.value = 1
            await ClockCycles(dut.clk, 2)
            dut.rst.value = 0
            for name, source in sources.items():
                source.clear()
                await source.send(AxiStreamFrame(words[f"{name}{number}"].tobytes()))
            if clocks is not None:
                await ClockCycles(dut.clk, clocks)
        sink.clear()
        result.append(await collect(dut, sink, phase["frames"]))
    (folder / "result.json").write_text(json.dumps(result))


async def collect(dut: Any, sink: AxiStreamSink, frames: int) -> dict[str, Any]:
    """The frames, the clocks they took, and whether the core hung."""
    got: list[dict[str, Any]] = []
    clocks = waited = 0
    while len(got) < frames and waited < STUCK:
        await RisingEdge(dut.clk)
        clocks, waited = clocks + 1, waited + 1
        while not sink.empty():
            frame = sink.recv_nowait(compact=False)
            got.append({"data": bytes(frame.tdata).hex(), "keep": [int(x) for x in frame.tkeep],
                        "user": [int(x) for x in frame.tuser]})  # fmt: skip
            waited = 0
    return {"frames": got, "clocks": clocks, "hung": len(got) < frames}
