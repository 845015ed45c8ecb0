"""Writes results to memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.raw import wire
from ..records import result_bits
from .bus import burst, part, unit_bytes, word_address_bits
from .gearbox import Gearbox

BURSTS = 16
"""Bursts that memory has not answered, at the most."""
ADDRESSES = 4
"""Bursts whose address has not been taken."""


def target(p: CoreParameters) -> data.StructLayout:
    """Where the results of a job go; a ``silent`` one has none."""
    return data.StructLayout({"address": word_address_bits(p), "silent": 1})


class Store(wiring.Component):
    """Gathers a burst of results, then sends it off: data never make the bus wait.

    A burst ends where the address is a multiple of the longest burst, as those of `Fetch` do.

    Members
    -------
    job : stream of `target`, of jobs in the order of their results
    silent_done : 1 bit
        Of a silent job the last result was dropped.
    i : stream of {data, last}, the beats of results
    aw : stream of `burst`
    w : stream of {data, strb, last}, words of the bus
    b_valid, b_ready, b_resp
        The channel B.
    done : 1 bit
        The results of a job are in memory.
    fault : 1 bit
        Memory answered with an error.
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        self.beat_bytes = p.drains * result_bits(p) // 8
        word = {"data": p.bus, "strb": p.bus // 8, "last": 1}
        super().__init__(
            {
                "job": In(stream.Signature(target(p))),
                "silent_done": In(1),
                "i": In(
                    stream.Signature(data.StructLayout({"data": 8 * self.beat_bytes, "last": 1}))
                ),
                "aw": Out(stream.Signature(burst(p))),
                "w": Out(stream.Signature(data.StructLayout(word))),
                "b_valid": In(1),
                "b_ready": Out(1),
                "b_resp": In(2),
                "done": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        bus_bytes = p.bus // 8
        unit = unit_bytes(bus_bytes, self.beat_bytes)
        m.submodules.gearbox = gearbox = Gearbox(self.beat_bytes, bus_bytes, "store_gear")
        word = data.StructLayout({"part": part(bus_bytes, unit), "last": 1})
        answer = data.StructLayout({"burst": 1, "end": 1})
        depth = max(16, 2 * p.burst)
        m.submodules.words = words = fifo.SyncFIFOBuffered(width=word.size, depth=depth)
        m.submodules.bursts = bursts = fifo.SyncFIFOBuffered(width=burst(p).size, depth=ADDRESSES)
        m.submodules.answers = answers = fifo.SyncFIFOBuffered(width=answer.size, depth=BURSTS)

        def register(label: str, shape: Any) -> Signal:
            return Signal(shape, name=label, attrs={"stage": "store"})

        i: Any = self.i
        job: Any = self.job
        gear: Any = gearbox.i
        o: Any = gearbox.o
        active = register("active", 1)
        address = register("address", word_address_bits(p))
        block = (p.burst - 1).bit_length()
        more = register("more", block)
        dropped = register("dropped", 16)
        room = wire(m, bursts.w_rdy & answers.w_rdy, "room")
        goes = wire(m, o.valid & o.ready, "goes")
        end = wire(m, o.payload.last | (address[:block] == p.burst - 1), "end")
        skips = wire(m, ~active & job.valid & job.payload.silent & (dropped != 0) & room, "skips")
        begins = wire(m, ~active & job.valid & ~job.payload.silent, "begins")
        came: Any = Signal(word, name="word")
        new: Any = Signal(burst(p), name="burst")
        due: Any = Signal(answer, name="answer")
        m.d.comb += [
            gear.valid.eq(i.valid),
            gear.payload.data.eq(i.payload.data),
            gear.payload.last.eq(i.payload.last),
            gear.payload.count.eq(self.beat_bytes // unit),
            i.ready.eq(gear.ready),
            o.ready.eq(active & room & words.w_rdy),
            job.ready.eq(skips | begins),
            came.part.eq(o.payload),
            came.last.eq(end),
            words.w_data.eq(Value.cast(came)),
            words.w_en.eq(goes),
            new.address.eq(Cat((address[:block] - more)[:block], address[block:])),
            new.more.eq(more),
            bursts.w_data.eq(Value.cast(new)),
            bursts.w_en.eq(goes & end),
            due.burst.eq(goes),
            due.end.eq(skips | o.payload.last),
            answers.w_data.eq(Value.cast(due)),
            answers.w_en.eq((goes & end) | skips),
        ]
        m.d.sync += dropped.eq(dropped + self.silent_done - skips)
        with m.If(begins):
            m.d.sync += [active.eq(1), address.eq(job.payload.address), more.eq(0)]
        with m.If(goes):
            m.d.sync += [
                address.eq(address + 1),
                more.eq(Mux(end, 0, more + 1)),
                active.eq(~o.payload.last),
            ]
        self._channels(m, words, bursts, answers, wire(m, goes & end, "whole"))
        return m

    def _channels(self, m: Module, words: Any, bursts: Any, answers: Any, whole: Any) -> None:
        """From the queues to the bus; ``whole``: one more burst has all its words."""
        p = self.parameters
        bus_bytes = p.bus // 8
        unit = unit_bytes(bus_bytes, self.beat_bytes)
        aw: Any = self.aw
        w: Any = self.w
        part_at_head = part(bus_bytes, unit)
        head: Any = Signal(data.StructLayout({"part": part_at_head, "last": 1}), name="head")
        answer: Any = Signal(data.StructLayout({"burst": 1, "end": 1}), name="due")
        ready = Signal(range(words.depth + 1), name="ready", attrs={"stage": "store"})
        m.d.comb += [
            aw.payload.as_value().eq(bursts.r_data),
            aw.valid.eq(bursts.r_rdy),
            bursts.r_en.eq(aw.ready),
            head.eq(words.r_data),
            w.payload.data.eq(head.part.data),
            w.payload.last.eq(head.last),
            w.valid.eq(words.r_rdy & (ready != 0)),
            words.r_en.eq(w.valid & w.ready),
        ]
        strobes = [head.part.count > k // unit for k in range(bus_bytes)]
        m.d.comb += w.payload.strb.eq(Cat(*strobes))
        m.d.sync += ready.eq(ready + whole - (w.valid & w.ready & head.last))
        m.d.comb += [
            answer.eq(answers.r_data),
            self.b_ready.eq(answers.r_rdy & answer.burst),
            answers.r_en.eq(~answer.burst | self.b_valid),
            self.done.eq(answers.r_rdy & answers.r_en & answer.end),
            self.fault.eq(self.b_valid & self.b_ready & self.b_resp[1]),
        ]
