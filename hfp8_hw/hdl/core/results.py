"""The queue of results in front of the output stream, and the places kept in it."""

from __future__ import annotations

from typing import Any, cast

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ...parameters import CoreParameters
from ..numbers.raw import wire
from ..numbers.shape import Amaranth
from .records import UNCHECKED, result_beat, sent_beat, summary


def queue_depth(p: CoreParameters, latency: int) -> int:
    """Beats of the queue: those of two tiles, and what is under way meanwhile."""
    # One beat is in the register behind the memory; a place is free a clock after its beat left.
    return (1 << (2 * p.slots + latency + 1).bit_length()) + 1


class Results(wiring.Component):
    """Keeps places for tiles that are issued, so that results never have to wait in the array.

    Members
    -------
    room : 1 bit
        There are places for one more tile.
    reserve : 1 bit
        They are taken.
    push : 1 bit; with ``beat`` (`sent_beat`)
    skipped : 0 to 2
        So many places are given back unused.
    o : stream of `result_beat`
    sent : 1 bit; with an epilogue also ``summary`` (`summary`)
        The last result of a job has been taken.
    """

    def __init__(self, parameters: CoreParameters, latency: int) -> None:
        self.parameters = p = parameters
        self.depth = queue_depth(p, latency)
        super().__init__(
            {
                "room": Out(1),
                "reserve": In(1),
                "push": In(1),
                "beat": In(sent_beat(p)),
                "skipped": In(2),
                "o": Out(stream.Signature(result_beat(p))),
                "sent": Out(1),
                **({} if p.epilogue == "none" else {"summary": Out(summary(p))}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        o: Any = self.o
        beat = Value.cast(self.beat)
        m.submodules.queue = queue = _Queue(width=len(beat), depth=self.depth)
        # The memory takes most of a clock to put out a beat.
        head: Any = Signal(
            sent_beat(p), name="queue_head", reset_less=True, attrs={"stage": "queue_head"}
        )
        there = Signal(name="queue_head_valid", attrs={"stage": "queue_head"})
        silent: Amaranth = Const(0, 1) if p.epilogue == "none" else head.silent
        leaves = wire(m, there & (o.ready | silent), "queue_head_leaves")
        m.d.comb += [
            queue.w_data.eq(beat),
            queue.w_en.eq(self.push),
            queue.r_en.eq(~there | leaves),
            o.payload.eq(head.beat),
            o.valid.eq(there & ~silent),
        ]
        with m.If(queue.r_en):
            m.d.sync += [there.eq(queue.r_rdy), head.eq(queue.r_data)]
        free = Signal(
            range(self.depth + 1), init=self.depth, name="places_free", attrs={"stage": "places"}
        )
        room = Signal(init=1, name="places_room", attrs={"stage": "places"})
        # A clock later than they are free: no other has to wait for what comes out here.
        back = Signal(2, name="places_back", attrs={"stage": "places"})
        m.d.sync += back.eq(self.skipped + (queue.r_rdy & queue.r_en))
        m.d.comb += self.sent.eq(leaves & head.beat.last)
        if p.epilogue != "none":
            m.d.comb += self.summary.eq(head.summary)
        following = wire(m, (free + back)[: len(free)], "places_following")
        # What is reserved is known late in a clock.
        m.d.sync += [free.eq(following), room.eq(following >= p.slots)]
        with m.If(self.reserve):
            m.d.sync += [free.eq(following - p.slots), room.eq(following >= 2 * p.slots)]
        m.d.comb += self.room.eq(room)
        return m


class _Queue(fifo.SyncFIFOBuffered):
    """One whose memory is `UNCHECKED`: it reads no word in the clock that writes it."""

    def elaborate(self, platform: Any) -> Module:
        m: Any = super().elaborate(platform)
        m.submodules.storage.attrs.update(UNCHECKED)
        return cast("Module", m)
