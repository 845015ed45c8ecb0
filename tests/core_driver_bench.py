"""A cocotb bench in which `hfp8_hw.host.CoreRegisters` drives the core's AXI4-Lite port."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiStreamFrame

from hfp8_hw.errors import RunError
from hfp8_hw.host import CoreRegisters
from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters import CoreParameters
from verif.core.bench import Ports

SIZES = (3, 0, 4)
"""Rows of the jobs' results. A row of A takes two beats of two codes, one of B takes one."""


def story(core: CoreRegisters, level: Callable[[], int]) -> dict[str, Any]:
    """Good jobs, and bad ones between them, as a program would start them."""
    said = []
    interrupts: list[Any] = [core.interrupts(), level()]
    core.check(CoreParameters(rows=2, cols=2, lanes=2))
    for other in (CoreParameters(rows=2, cols=2, lanes=2, pages=4), CoreParameters(rows=4)):
        try:
            core.check(other)
        except RunError as error:
            said.append(str(error))
    for size in SIZES:
        core.start(GemmJob(m=size, n=2, k=3))
        try:
            core.wait()
        except RunError as error:
            said.append(str(error))
    core.wait()
    found = {"said": said, "counters": core.counters(), "done": core.word("DONE")}
    for cause in ("error", "refused"):
        core.enable_interrupts(**{cause: 1})
        interrupts.append(level())
    interrupts += [core.interrupts(), level()]
    core.enable_interrupts(done=1, error=1)
    # The row of A comes as two frames.
    core.start(GemmJob(m=1, n=2, k=3))
    try:
        core.wait()
    except RunError as error:
        said.append(str(error))
    interrupts.append(level())
    core.set("INTERRUPT_PENDING", done=1)
    interrupts += [level(), core.interrupts(), level()]
    return found | {"interrupts": interrupts}


@cocotb.test()
async def drive(dut: Any) -> None:
    """Run the story in a thread; write ``result.json``."""
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 1
    ports = Ports(dut)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    for size in SIZES:
        if size:
            await ports.operands["a"].send(AxiStreamFrame(bytes(4 * size)))
            await ports.operands["b"].send(AxiStreamFrame(bytes(2 * 3)))

    for _ in range(2):
        await ports.operands["a"].send(AxiStreamFrame(bytes(2)))
    await ports.operands["b"].send(AxiStreamFrame(bytes(2 * 3)))

    @resume
    async def level() -> int:
        return int(dut.irq.value)

    @resume
    async def read(address: int) -> int:
        return int(await ports.control.read_dword(address))

    @resume
    async def write(address: int, word: int) -> None:
        await ports.control.write_dword(address, word)

    found = await bridge(story)(CoreRegisters(read, write, patience=60), level)
    (Path(os.environ["HFP8_JOB"]) / "result.json").write_text(json.dumps(found))
