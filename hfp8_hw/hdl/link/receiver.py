"""Frames from bytes: COBS decoded, checked, kept until they have been dealt with."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ETHERNET
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ...protocol import BUFFER, CRC, HEADER, MAX_PAYLOAD


class FrameReceiver(wiring.Component):
    """One frame at a time.

    A zero byte ends a frame and begins the next one, whatever came before. A frame that is too
    long, cut short, or whose length or CRC-32 is wrong is dropped, and so is one that comes while
    the last one is still ``full``.

    Members
    -------
    data, valid, broken : in
        Bytes, as `UartReceiver` has them.
    full : out, 1 bit
        There is a frame. ``version``, ``sequence``, ``opcode`` and ``length`` are its header.
    byte, byte_valid : out; byte_ready : in
        Its payload, byte by byte; what has not been read is dropped with the frame.
    done : in, 1 bit
        The frame has been dealt with.
    good, damaged : out, 1 bit
        A frame was accepted, or dropped, in this clock.
    """

    def __init__(self) -> None:
        super().__init__({
            "data": In(8),
            "valid": In(1),
            "broken": In(1),
            "full": Out(1),
            "version": Out(8),
            "sequence": Out(8),
            "opcode": Out(8),
            "length": Out(16),
            "byte": Out(8),
            "byte_valid": Out(1),
            "byte_ready": In(1),
            "done": In(1),
            "good": Out(1),
            "damaged": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=BUFFER, init=[])
        m.submodules.crc = crc = CRC32_ETHERNET(data_width=8).create()
        write, read = memory.write_port(), memory.read_port()
        count = Signal(range(BUFFER + 1))
        left = Signal(8)  # bytes of the block still to come
        owed = Signal()  # the last block stands for a zero that follows it
        begun = Signal()
        spoilt = Signal()

        emit, out = Signal(), Signal(8)
        end = Signal()
        m.d.comb += end.eq(self.valid & (self.data == 0) & ~self.broken)
        with m.If(self.valid & ~end):
            m.d.sync += begun.eq(1)
            with m.If(self.broken | self.full | (count == BUFFER)):
                m.d.sync += spoilt.eq(1)
            with m.Elif(left == 0):
                m.d.comb += emit.eq(owed)
                m.d.sync += [left.eq(self.data - 1), owed.eq(self.data != 0xFF)]
            with m.Else():
                m.d.comb += [emit.eq(1), out.eq(self.data)]
                m.d.sync += left.eq(left - 1)
        whole = Signal()
        m.d.comb += [
            whole.eq(
                ~spoilt & (left == 0) & (count == self.length + HEADER + CRC)
                & (self.length <= MAX_PAYLOAD) & crc.match_detected
            ),
            self.good.eq(end & begun & whole),
            self.damaged.eq(end & begun & ~whole),
            crc.start.eq(end),
            crc.valid.eq(emit),
            crc.data.eq(out),
            write.addr.eq(count),
            write.data.eq(out),
            write.en.eq(emit),
        ]  # fmt: skip
        with m.If(emit):
            m.d.sync += count.eq(count + 1)
            with m.Switch(count):
                for place, field in enumerate((self.version, self.sequence, self.opcode,
                                               self.length[:8], self.length[8:])):  # fmt: skip
                    with m.Case(place):
                        m.d.sync += field.eq(out)
        with m.If(end):
            m.d.sync += [count.eq(0), left.eq(0), owed.eq(0), begun.eq(0), spoilt.eq(0)]
            with m.If(self.good):
                m.d.sync += self.full.eq(1)

        place = Signal(range(BUFFER))
        m.d.comb += [read.addr.eq(place), self.byte.eq(read.data)]
        with m.If(~self.full | self.done):
            m.d.sync += [place.eq(HEADER), self.byte_valid.eq(0)]
        with m.Elif(self.byte_valid & self.byte_ready):
            m.d.sync += [place.eq(place + 1), self.byte_valid.eq(0)]
        with m.Else():
            m.d.sync += self.byte_valid.eq(1)
        with m.If(self.done):
            m.d.sync += self.full.eq(0)
        return m
