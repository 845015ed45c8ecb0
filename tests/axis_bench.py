"""A cocotb bench in which cocotbext-axi drives a unit's AXI4-Stream wrapper, with pauses."""

import json
import os
import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Timer
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource


def pauses(seed: int) -> Any:
    rng = random.Random(seed)
    while True:
        yield rng.random() < 0.4


@cocotb.test()
async def drive(dut: Any) -> None:
    """Send the frames of ``frames.json``; write what came as ``result.json``."""
    folder = Path(os.environ["HFP8_JOB"])
    job = json.loads((folder / "frames.json").read_text())
    name, low = job["reset"], job["low"]
    reset = getattr(dut, name)
    reset.value = not low
    dut.s_axis_tvalid.value = 1
    dut.m_axis_tready.value = 1
    await Timer(3, unit="ns")
    # With an asynchronous reset, no clock is needed for it to begin.
    before = None
    if name.startswith("arst"):
        reset.value = low
        await Timer(1, unit="ns")
        reset.value = not low
        await Timer(1, unit="ns")
        before = [int(dut.s_axis_tready.value), int(dut.m_axis_tvalid.value)]
    dut.s_axis_tvalid.value = 0
    Clock(dut.clk, 10, unit="ns").start()
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, reset, not low,
                             byte_lanes=job["item"])  # fmt: skip
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, reset, not low,
                         byte_lanes=job["result"])  # fmt: skip
    source.set_pause_generator(pauses(1))
    sink.set_pause_generator(pauses(2))
    await ClockCycles(dut.clk, 5)
    reset.value = low
    for frame in job["frames"]:
        await source.send(AxiStreamFrame(bytes.fromhex(frame)))
    found = [bytes((await sink.recv()).tdata).hex() for _ in job["frames"]]
    await ClockCycles(dut.clk, 30)
    more = not sink.empty()
    (folder / "result.json").write_text(json.dumps({"found": found, "more": more, "idle": before}))
