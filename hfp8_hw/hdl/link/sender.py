"""Bytes from frames: CRC-32 added, COBS encoded, kept so that they can be sent again."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ETHERNET
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ...protocol import BUFFER
from .target import byte_of

_LONGEST = 254
"""Bytes of a block of COBS that no zero ends."""


class FrameSender(wiring.Component):
    """One frame at a time; a zero byte stands before and behind it.

    Members
    -------
    begin : in, 1 bit
        Forget the last frame.
    put, put_valid : in
        A byte of header or payload; taken at once.
    finish : in, 1 bit
        That was all: add the CRC and send.
    again : in, 1 bit
        Send the last frame once more.
    busy : out, 1 bit
        It is being sent: none of the above is allowed.
    data, valid : out; ready : in
        Bytes, as `UartTransmitter` takes them.
    """

    def __init__(self) -> None:
        super().__init__({
            "begin": In(1),
            "put": In(8),
            "put_valid": In(1),
            "finish": In(1),
            "again": In(1),
            "busy": Out(1),
            "data": Out(8),
            "valid": Out(1),
            "ready": In(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=BUFFER, init=[])
        m.submodules.crc = crc = CRC32_ETHERNET(data_width=8).create()
        write, read = memory.write_port(), memory.read_port()
        count = Signal(range(BUFFER))
        start, place = Signal(range(BUFFER)), Signal(range(BUFFER))
        run = Signal(8)  # bytes of this block
        zero = Signal()  # a zero ends it
        at = Signal(2)
        m.d.comb += [
            crc.start.eq(self.begin),
            crc.valid.eq(self.put_valid),
            crc.data.eq(self.put),
            write.addr.eq(count),
            write.data.eq(self.put),
            write.en.eq(self.put_valid),
            read.addr.eq(place),
        ]
        with m.If(self.begin):
            m.d.sync += count.eq(0)
        with m.Elif(write.en):
            m.d.sync += count.eq(count + 1)
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("idle"))
            with m.State("idle"):
                m.d.sync += [place.eq(0), start.eq(0), at.eq(0)]
                with m.If(self.finish):
                    m.next = "check"
                with m.Elif(self.again):
                    m.next = "open"
            with m.State("check"):
                m.d.comb += [write.en.eq(1), write.data.eq(byte_of(crc.crc, at))]
                m.d.sync += at.eq(at + 1)
                with m.If(at == 3):
                    m.next = "open"
            with m.State("open"):
                m.d.comb += self.valid.eq(1)
                with m.If(self.ready):
                    m.next = "block"
            with m.State("block"):
                m.d.sync += [run.eq(0), zero.eq(0), place.eq(start)]
                m.next = "look"
            with m.State("look"):  # what is at place comes in the next clock
                m.next = "see"
            with m.State("see"):
                with m.If((place == count) | (run == _LONGEST)):
                    m.next = "code"
                with m.Elif(read.data == 0):
                    m.d.sync += zero.eq(1)
                    m.next = "code"
                with m.Else():
                    m.d.sync += [place.eq(place + 1), run.eq(run + 1)]
                    m.next = "look"
            with m.State("code"):
                m.d.comb += [self.valid.eq(1), self.data.eq(run + 1)]
                with m.If(self.ready):
                    m.d.sync += place.eq(start)
                    m.next = "fetch"
            with m.State("fetch"):
                m.next = "bytes"
            with m.State("bytes"):
                m.d.comb += [self.valid.eq(run != 0), self.data.eq(read.data)]
                with m.If(run == 0):
                    m.d.sync += start.eq(place + zero)
                    # A frame that ends with a zero has an empty block behind it.
                    with m.If((place == count) & ~zero):
                        m.next = "close"
                    with m.Else():
                        m.next = "block"
                with m.Elif(self.ready):
                    m.d.sync += [place.eq(place + 1), run.eq(run - 1)]
                    m.next = "fetch"
            with m.State("close"):
                m.d.comb += self.valid.eq(1)
                with m.If(self.ready):
                    m.next = "idle"
        return m
