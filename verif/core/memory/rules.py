"""What AXI4 asks of a manager, watched clock by clock; written from the specification alone."""

from __future__ import annotations

from collections import deque
from typing import Any

from cocotb.triggers import ReadOnly, RisingEdge

PAGE = 4096
CHANNELS = {
    "aw": ("addr", "len", "size", "burst", "id", "cache", "prot"),
    "ar": ("addr", "len", "size", "burst", "id", "cache", "prot"),
    "w": ("data", "strb", "last"),
}


class Rules:
    """Watches the port ``m_axi``.

    Members
    -------
    broken : list of str
        The rules that were broken, in words.
    words, most_reads : int
        Words of operands that came, and the most bursts of them that were on their way at once.
    quiet : int
        Clocks since anything was handed over.
    """

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.step = len(dut.m_axi_wdata) // 8
        self.broken: list[str] = []
        self.most_burst = 256
        self.begin([], [])

    def begin(self, reads: list[tuple[int, int]], writes: list[tuple[int, int]]) -> None:
        """After a reset: bursts may read and write these parts of memory."""
        self.allowed = {"ar": reads, "aw": writes}
        self.held: dict[str, tuple[int, ...] | None] = dict.fromkeys(CHANNELS)
        self.sent: deque[int] = deque()
        self.written: deque[int] = deque()
        self.now, self.reading, self.answers = 0, 0, 0
        self.words = self.most_reads = self.quiet = 0

    @property
    def open(self) -> int:
        """Bursts that have not come to their end."""
        return self.reading + self.answers + len(self.sent) + len(self.written) + self.now

    def _get(self, name: str) -> int:
        return int(getattr(self.dut, f"m_axi_{name}").value)

    def _say(self, text: str) -> None:
        self.broken.append(text)

    async def watch(self) -> None:
        """For ever."""
        while True:
            await RisingEdge(self.dut.clk)
            await ReadOnly()
            if int(self.dut.rst.value):
                self.held = dict.fromkeys(CHANNELS)
                continue
            self.quiet += 1
            for channel, names in CHANNELS.items():
                self._handshake(channel, names)
            if self._get("bvalid") and self._get("bready"):
                self.quiet = 0
                self.answers -= 1
                if self.answers < 0:
                    self._say("an answer came before its burst")
            if self._get("rvalid") and self._get("rready"):
                self.quiet = 0
                self.words += 1
                self.reading -= self._get("rlast")

    def _handshake(self, channel: str, names: tuple[str, ...]) -> None:
        valid, ready = self._get(f"{channel}valid"), self._get(f"{channel}ready")
        held = self.held[channel]
        if held is not None and not valid:
            self._say(f"{channel}valid went before {channel}ready came")
        self.held[channel] = None
        if not valid:
            return
        payload = tuple(self._get(f"{channel}{name}") for name in names)
        if held not in (None, payload):
            self._say(f"{channel} changed while it waited")
        if not ready:
            self.held[channel] = payload
            return
        self.quiet = 0
        if channel == "w":
            self._word(*payload)
            return
        self._burst(channel, *payload[:4])
        if channel == "ar":
            self.reading += 1
            self.most_reads = max(self.most_reads, self.reading)
        else:
            self.sent.append(payload[1] + 1)
            self._pair()

    def _burst(self, channel: str, address: int, more: int, size: int, kind: int) -> None:
        end = address + (more + 1) * self.step
        where = f"{channel}addr {address:#x} and {channel}len {more}"
        if kind != 1 or 1 << size != self.step or address % self.step:
            self._say(f"{where} with {channel}burst {kind} and {channel}size {size}")
        if address // PAGE != (end - 1) // PAGE:
            self._say(f"{where} go across a multiple of {PAGE}")
        if more >= self.most_burst:
            self._say(f"{where}: longer than {self.most_burst} words")
        # The last word of results need not be all theirs.
        rounded = [(low, -(-high // self.step) * self.step) for low, high in self.allowed[channel]]
        if not any(low <= address and end <= high for low, high in rounded):
            self._say(f"{where} touch what is no matrix")

    def _word(self, data: int, strobes: int, last: int) -> None:
        full = (1 << self.step) - 1
        if not last and strobes != full:
            self._say(f"wstrb {strobes:#x} within a burst")
        self.now += 1
        if last:
            self.written.append(self.now)
            self.now = 0
            self._pair()

    def _pair(self) -> None:
        """Bursts of words against their addresses; either may come first."""
        while self.sent and self.written:
            due, came = self.sent.popleft(), self.written.popleft()
            self.answers += 1
            if due != came:
                self._say(f"wlast came after {came} words, awlen says {due}")
