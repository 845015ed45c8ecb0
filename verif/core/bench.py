"""The cocotb bench of the core: AXI masters at every port."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from hfp8_hw.registers import register, unpacked


class Ports:
    """The masters at the core's ports; ``started`` counts the jobs that were started."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.started = 0
        self.control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
        self.operands = {
            side: AxiStreamSource(AxiStreamBus.from_prefix(dut, f"s_axis_{side}"), dut.clk, dut.rst)
            for side in ("a", "b", "c")
            if hasattr(dut, f"s_axis_{side}_tvalid")
        }
        self.results = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)

    async def write(self, name: str, value: int) -> None:
        """Write a register."""
        await self.control.write_dword(register(name).address, value)

    async def read(self, name: str) -> int:
        """Read a register."""
        return int(await self.control.read_dword(register(name).address))

    def stall(self, rate: float, seed: int) -> None:
        """Let every port wait at random, each for itself."""
        channels = [
            *self.operands.values(), self.results,
            self.control.write_if.aw_channel, self.control.write_if.w_channel,
            self.control.write_if.b_channel, self.control.read_if.ar_channel,
            self.control.read_if.r_channel,
        ]  # fmt: skip
        for k, channel in enumerate(channels):
            channel.clear_pause_generator()
            channel.pause = False
            if rate:
                channel.set_pause_generator(_pauses(rate, random.Random(f"{seed} {k}")))

    def clear(self) -> None:
        """Forget what has not been sent or taken."""
        for source in self.operands.values():
            source.clear()
        self.results.clear()


def _pauses(rate: float, rng: random.Random) -> Iterator[bool]:
    """Runs of clocks in which a port waits never, often, or nearly always."""
    while True:
        now = rng.choice([0.0, rate, 0.9])
        for _ in range(rng.randint(1, 40)):
            yield rng.random() < now


async def _reset(dut: Any) -> None:
    dut.rst.value = 1
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


async def _start(ports: Ports, tasks: list[dict[str, Any]], burst: int) -> None:
    """Write the jobs, one after another, as the queue has room; in bursts, the streams of operands
    begin when so many jobs are there."""
    held: dict[str, int] = {}
    for number, task in enumerate(tasks):
        if burst and number % burst == 0:
            while unpacked("STATUS", await ports.read("STATUS"))["busy"]:
                pass
            for source in ports.operands.values():
                source.pause = True
        for name, value in task["words"].items():
            if name != "START" and held.get(name) != value:
                await ports.write(name, value)
                held[name] = value
        while unpacked("STATUS", await ports.read("STATUS"))["full"]:
            pass
        await ports.write("START", 1)
        ports.started += 1
        if burst and (number % burst == burst - 1 or number == len(tasks) - 1):
            # Each of the streams is late in its turn.
            sources = list(ports.operands.values())
            late = sources[number // burst % len(sources)]
            for source in sources:
                source.pause = source is late
            await ClockCycles(ports.dut.clk, 100)
            late.pause = False


async def _run(ports: Ports, program: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Send everything, collect all frames; ``results``, ``registers`` and ``error``."""
    for task in program["tasks"]:
        for side, names in task["operands"].items():
            for name in names:
                await ports.operands[side].send(AxiStreamFrame((folder / name).read_bytes()))
    starting = cocotb.start_soon(_start(ports, program["tasks"], program["burst"]))
    try:
        return await _collected(ports, starting, program)
    finally:
        starting.cancel()


async def _collected(ports: Ports, starting: Any, program: dict[str, Any]) -> dict[str, Any]:
    """What comes while jobs are started and after that, as in `_run`."""
    due, patience = program["due"], program["patience"]
    results: list[dict[str, Any]] = []
    idle, error, started = 0, None, ports.started
    while error is None and (len(results) < due or not starting.done()):
        await RisingEdge(ports.dut.clk)
        idle += 1
        if int(ports.dut.m_axis_tvalid.value) or ports.started != started:
            idle, started = 0, ports.started
        while not ports.results.empty():
            results.append(_frame(ports.results.recv_nowait(compact=False)))
        if idle > patience:
            error = f"{len(results)} of {due} results came, then nothing for {idle} clocks"
    ports.stall(0, 0)
    for _ in range(patience):
        if error or not unpacked("STATUS", await ports.read("STATUS"))["busy"]:
            break
    else:
        error = "the core did not come to rest"
    if error is None and not ports.results.empty():
        error = "more results came than were due"
    registers = {name: 0 if error else await ports.read(name) for name in program["reads"]}
    registers["irq"] = int(ports.dut.irq.value)
    return {"results": results, "registers": registers, "error": error}


def _frame(frame: Any) -> dict[str, Any]:
    keep = frame.tkeep if frame.tkeep is not None else [1] * len(frame.tdata)
    user = frame.tuser if isinstance(frame.tuser, list) else [frame.tuser] * len(frame.tdata)
    return {
        "data": bytes(frame.tdata).hex(),
        "keep": "".join(str(int(k)) for k in keep),
        "user": [int(u) for u in user],
    }


@cocotb.test()
async def jobs(dut: Any) -> None:
    """Run all programs; write ``result.json``."""
    folder = Path(os.environ["HFP8_JOB"])
    given = json.loads((folder / "job.json").read_text())
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 1
    ports = Ports(dut)
    found = []
    for number, program in enumerate(given["programs"]):
        await _reset(dut)
        if program["reset_at"] is not None:
            ports.stall(program["stall"], given["seed"] + 1000 + number)
            early = cocotb.start_soon(_run(ports, program, folder))
            await ClockCycles(dut.clk, program["reset_at"])
            early.cancel()
            ports.stall(0, 0)
            ports.clear()
            await _reset(dut)
            ports.clear()
        ports.stall(program["stall"], given["seed"] + number)
        found.append(await _run(ports, program, folder))
        if found[-1]["error"]:
            break
    (folder / "result.json").write_text(json.dumps(found))
