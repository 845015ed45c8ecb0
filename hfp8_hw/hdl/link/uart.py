"""A UART, 8N1, with a rate that can change."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

DIVISOR_BITS = 16


class UartReceiver(wiring.Component):
    """Bytes from a pin.

    Members
    -------
    pin : in, 1 bit
        Not synchronous to the clock; 1 when idle.
    divisor : in, 16 bits
        Clocks of a bit, 8 at the least.
    data, valid : out
        A byte, in the one clock in which ``valid`` is 1.
    broken : out, 1 bit
        With ``valid``: there was no stop bit.
    """

    def __init__(self) -> None:
        super().__init__({
            "pin": In(1),
            "divisor": In(DIVISOR_BITS),
            "data": Out(8),
            "valid": Out(1),
            "broken": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        early = Signal(init=1)
        line = Signal(init=1)
        m.d.sync += [early.eq(self.pin), line.eq(early)]
        timer = Signal(DIVISOR_BITS)
        left = Signal(4)
        m.d.comb += self.broken.eq(~line)
        with m.If(left == 0):
            # Half a bit from the edge is the middle of the start bit.
            m.d.sync += timer.eq(self.divisor >> 1)
            with m.If(~line):
                m.d.sync += left.eq(10)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), left.eq(left - 1)]
            with m.If((left == 10) & line):
                m.d.sync += left.eq(0)  # no start bit, only a spike
            with m.Elif(left == 1):
                m.d.comb += self.valid.eq(1)
            with m.Else():
                m.d.sync += self.data.eq(Cat(self.data[1:], line))
        return m


class UartTransmitter(wiring.Component):
    """A pin from bytes.

    Members
    -------
    pin : out, 1 bit
    divisor : in, 16 bits
    data, valid, ready
        A byte is taken in a clock in which both ``valid`` and ``ready`` are 1.
    """

    def __init__(self) -> None:
        super().__init__({
            "pin": Out(1, init=1),
            "divisor": In(DIVISOR_BITS),
            "data": In(8),
            "valid": In(1),
            "ready": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bits = Signal(9, init=0x1FF)
        timer = Signal(DIVISOR_BITS)
        left = Signal(4)
        pin = Signal(init=1)
        m.d.sync += pin.eq(bits[0])
        m.d.comb += [self.pin.eq(pin), self.ready.eq(left == 0)]
        with m.If(left == 0):
            m.d.sync += timer.eq(self.divisor - 1)
            with m.If(self.valid):
                m.d.sync += [bits.eq(Cat(0, self.data)), left.eq(10)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), left.eq(left - 1), bits.eq(Cat(bits[1:], 1))]
        return m
