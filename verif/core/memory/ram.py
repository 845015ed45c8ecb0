"""A memory that answers late, and with errors where it is told to."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.queue import Queue
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiRam


class Ram:
    """`AxiRam` with ``latency`` and ``faults``, which can be set between programs."""

    def __init__(self, dut: Any, size: int) -> None:
        self.dut, self.size = dut, size
        self.latency, self.faults = 0, [(0, 0)]
        self.clock = 0
        self.ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=size)
        cocotb.start_soon(self._count())
        for half, name in ((self.ram.read_if, "_read"), (self.ram.write_if, "_write")):
            self._guard(half, name)
        self._delay(self.ram.read_if.ar_channel)
        self._delay_answers(self.ram.write_if.b_channel)

    @property
    def channels(self) -> list[Any]:
        """All that can wait."""
        read, write = self.ram.read_if, self.ram.write_if
        return [read.ar_channel, read.r_channel, write.aw_channel, write.w_channel,
                write.b_channel]  # fmt: skip

    async def _count(self) -> None:
        while True:
            await RisingEdge(self.dut.clk)
            self.clock += 1

    def _guard(self, half: Any, name: str) -> None:
        """An access to a part that is faulty raises, which gives SLVERR."""
        access = getattr(half, name)

        async def guarded(address: int, what: Any) -> Any:
            if any(low <= address < high for low, high in self.faults):
                raise ValueError(f"{address:#x} is faulty")
            return await access(address, what)

        setattr(half, name, guarded)

    def _delay(self, channel: Any) -> None:
        """What a channel brings is given ``latency`` clocks later; so much may be on its way."""
        receive, late = channel.recv, Queue[tuple[int, Any]]()

        async def take() -> None:
            while True:
                item = await receive()
                late.put_nowait((self.clock + self.latency, item))

        async def give() -> Any:
            due, item = await late.get()
            while self.clock < due:
                await RisingEdge(self.dut.clk)
            return item

        channel.recv = give
        cocotb.start_soon(take())

        def clear() -> None:
            while not late.empty():
                late.get_nowait()
            forget()

        forget, channel.clear = channel.clear, clear

    def _delay_answers(self, channel: Any) -> None:
        """What is sent on a channel goes out ``latency`` clocks later."""
        send, late = channel.send, Queue[tuple[int, Any]]()
        # Sending never waits: what waited through a reset would come after it.
        channel.queue_occupancy_limit = -1

        async def give() -> None:
            while True:
                due, item = await late.get()
                while self.clock < due:
                    await RisingEdge(self.dut.clk)
                if not late_cleared(due):
                    await send(item)

        cleared_at = [-1]

        def late_cleared(due: int) -> bool:
            return due - self.latency <= cleared_at[0]

        async def later(item: Any) -> None:
            late.put_nowait((self.clock + self.latency, item))

        def clear() -> None:
            cleared_at[0] = self.clock
            forget()

        channel.send = later
        forget, channel.clear = channel.clear, clear
        cocotb.start_soon(give())
