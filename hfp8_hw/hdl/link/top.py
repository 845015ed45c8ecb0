"""The module on a board: a design behind a UART."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .dispatcher import Dispatcher
from .receiver import FrameReceiver
from .sender import FrameSender
from .target import Target
from .uart import UartReceiver, UartTransmitter


class BoardTop(wiring.Component):
    """A design behind the protocol of docs/reference/link.md.

    Parameters
    ----------
    target : Target
    clock : int
        Hz.
    manifest : bytes
        Eight bytes that tell designs apart.
    depth : int
        Results that may wait to be stored.

    Members
    -------
    rx, tx : 1 bit
        The UART, 8N1.
    build : in, 64 bits
        Tells bitstreams apart; constant.
    active : out, 1 bit
        A request is being dealt with: a light.
    """

    def __init__(self, target: Target, clock: int, manifest: bytes, depth: int = 256) -> None:
        self.target, self.clock, self.manifest, self.depth = target, clock, manifest, depth
        super().__init__({
            "rx": In(1),
            "tx": Out(1),
            "build": In(64),
            "active": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        t = self.target
        m.submodules.target = t
        m.submodules.receive = receive = UartReceiver()
        m.submodules.transmit = transmit = UartTransmitter()
        m.submodules.frames = frames = FrameReceiver()
        m.submodules.sender = sender = FrameSender()
        m.submodules.dispatcher = d = Dispatcher(
            self.clock, self.manifest, t.streams, t.item, t.result, self.depth
        )
        fifo = SyncFIFOBuffered(width=8 * t.result, depth=self.depth)
        m.submodules.results = ResetInserter(d.clear)(fifo)

        def join(sink: Any, source: Any, names: str) -> None:
            for name in names.split():
                m.d.comb += getattr(sink, name).eq(getattr(source, name))

        m.d.comb += [receive.pin.eq(self.rx), self.tx.eq(transmit.pin), self.active.eq(frames.full)]
        m.d.comb += [uart.divisor.eq(d.divisor) for uart in (receive, transmit)]
        join(frames, receive, "data valid broken")
        join(d, frames, "full version sequence opcode length byte byte_valid good damaged")
        join(frames, d, "byte_ready done")
        join(sender, d, "begin put put_valid finish again")
        join(transmit, sender, "data valid")
        join(sender, transmit, "ready")
        join(t, d, "clear select last i_data i_valid address write read w_data")
        join(d, t, "i_ready r_data acknowledge refused")
        taken = Signal()
        m.d.comb += [
            d.build.eq(self.build),
            d.busy.eq(sender.busy | ~transmit.ready),
            d.took.eq(t.i_valid & t.i_ready),
            fifo.w_data.eq(t.o_data),
            fifo.w_en.eq(t.o_valid),
            t.o_ready.eq(fifo.w_rdy),
            taken.eq(t.o_valid & fifo.w_rdy),
            d.gave.eq(taken),
            d.r_record.eq(fifo.r_data),
            d.r_level.eq(fifo.level),
            fifo.r_en.eq(d.r_take),
        ]
        return m
