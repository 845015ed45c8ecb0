"""The cocotb bench of a core with ``ports=memory``."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from hfp8_hw.registers import unpacked

from ..bench import Ports, _pauses, _reset, _start
from .placed import BASE, SIZE
from .ram import Ram
from .rules import Rules


class MemoryPorts(Ports):
    """The registers' master, and the memory."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
        self.memory = Ram(dut, SIZE)
        self.rules = Rules(dut)
        self.shy, self.started = False, 0
        cocotb.start_soon(self.rules.watch())
        cocotb.start_soon(self._shy())

    def stall(self, rate: float, seed: int) -> None:
        """Let every port wait at random, each for itself."""
        control = self.control
        channels = [
            *self.memory.channels, control.write_if.aw_channel, control.write_if.w_channel,
            control.write_if.b_channel, control.read_if.ar_channel, control.read_if.r_channel,
        ]  # fmt: skip
        for k, channel in enumerate(channels):
            channel.clear_pause_generator()
            channel.pause = False
            if rate:
                channel.set_pause_generator(_pauses(rate, random.Random(f"{seed} {k}")))

    async def _shy(self) -> None:
        """While ``shy`` is set, memory is ready for what is valid, and for nothing else."""
        read, write = self.memory.ram.read_if, self.memory.ram.write_if
        sinks = {"ar": read.ar_channel, "aw": write.aw_channel, "w": write.w_channel}
        while True:
            await RisingEdge(self.dut.clk)
            if self.shy:
                await ReadOnly()
                seen = {k: int(getattr(self.dut, f"m_axi_{k}valid").value) for k in sinks}
                for name, channel in sinks.items():
                    channel.pause = not seen[name]

    def load(self, given: dict[str, Any], folder: Path) -> None:
        """Fill the memory for a program."""
        image = (folder / given["image"]).read_bytes()
        self.memory.ram.write(BASE % SIZE, image)
        self.memory.latency = given["latency"]
        self.memory.faults = [(low, high) for low, high in given["faults"]]
        self.rules.begin(given["reads"], given["writes"])
        self.rules.most_burst = given["burst"]
        self.shy = given["shy"]


async def _run(ports: MemoryPorts, given: dict[str, Any]) -> dict[str, Any]:
    """Start all jobs and wait until the core is at rest; ``registers``, ``clocks``, ``error``."""
    rules = ports.rules
    begun = ports.memory.clock
    starting = cocotb.start_soon(_start(ports, given["tasks"], 0))
    error, started = None, ports.started
    try:
        while error is None:
            await ClockCycles(ports.dut.clk, 20)
            if rules.broken:
                error = rules.broken[0]
            elif ports.started != started:
                rules.quiet, started = 0, ports.started
            elif starting.done() and not unpacked("STATUS", await ports.read("STATUS"))["busy"]:
                break
            elif rules.quiet > given["patience"]:
                error = f"the bus was quiet for {rules.quiet} clocks, and the core busy"
    finally:
        starting.cancel()
    clocks = ports.memory.clock - begun
    ports.stall(0, 0)
    names = given["registers"]
    registers = {name: 0 if error else await ports.read(name) for name in names}
    registers["irq"] = int(ports.dut.irq.value)
    if error is None and rules.open:
        error = f"{rules.open} bursts are open at the end"
    return {"registers": registers, "error": error, "clocks": clocks, "words": rules.words,
            "most_reads": rules.most_reads}  # fmt: skip


@cocotb.test()
async def jobs(dut: Any) -> None:
    """Run all programs; write ``result.json``, and the memory after each."""
    folder = Path(os.environ["HFP8_JOB"])
    described = json.loads((folder / "job.json").read_text())
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 1
    ports = MemoryPorts(dut)
    found = []
    for number, given in enumerate(described["programs"]):
        await _reset(dut)
        ports.load(given, folder)
        ports.stall(given["stall"], described["seed"] + number)
        if given["reset_at"] is not None:
            early = cocotb.start_soon(_run(ports, given))
            await ClockCycles(dut.clk, given["reset_at"])
            early.cancel()
            await _reset(dut)
            ports.load(given, folder)
        found.append(await _run(ports, given))
        after = ports.memory.ram.read(BASE % SIZE, (folder / given["image"]).stat().st_size)
        (folder / f"after{number}.bin").write_bytes(after)
        if found[-1]["error"]:
            break
    (folder / "result.json").write_text(json.dumps(found))
