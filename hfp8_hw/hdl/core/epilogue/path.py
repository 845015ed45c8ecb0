"""The epilogue: the steps between the array and the queue of results."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.raw import wire
from ..records import (
    accepted,
    addend_beat,
    addend_bits,
    bias_length,
    result_beat,
    sent_beat,
)
from ..results import queue_depth
from .add_codes import ADD_CUTS, AddCodes
from .addends import BIASES, Addends
from .bias import Bias
from .jobs import job_ahead
from .keep import Keep, pad_write
from .quantize import QUANTIZE_CUTS, Quantize


def epilogue_latency(p: CoreParameters) -> int:
    """Clocks from the array's results to the queue's."""
    if p.epilogue == "none":
        return 0
    added = 2 * len(ADD_CUTS) + 1 if p.epilogue == "full" else 0
    return added + len(QUANTIZE_CUTS)


class Epilogue(wiring.Component):
    """What the output stream gets of the array's results. No clock stops it.

    Parameters
    ----------
    latency : int
        Clocks from the issue of a tile's last products to the end of the path.

    Members
    -------
    there : 1 bit; with ``job`` (`accepted`)
        The job that comes next.
    take : 1 bit
        The sequencer begins it.
    valid : 1 bit; with ``i`` (`result_beat`)
        A beat of results in the accumulator's format.
    o_valid : 1 bit; with ``o`` (`sent_beat`), ``epilogue_latency(p)`` clocks later
    skipped : 1 bit
        A beat goes no further: its job is silent.

    Where results can be kept, also:

    write : 1 bit; with ``kept`` (`pad_write`)
    pending : a bit for each page
        It is still to be written.

    With ``epilogue=full`` also:

    c : stream of `addend_beat`
    claim, done : 1 bit
        The last products of a tile are issued; of a job.
    room : 1 bit
        What these need of ``c`` is there.
    misplaced : 1 bit
        ``last`` of ``c`` is.
    """

    def __init__(self, parameters: CoreParameters, latency: int) -> None:
        self.parameters = p = parameters
        # The jobs whose last tiles are on their way, the one at work and the next one.
        self.depth = latency // p.slots + 4
        self.ahead = latency - epilogue_latency(p)
        more: dict[str, Any] = {}
        if p.epilogue == "full":
            more = {
                "c": In(stream.Signature(addend_beat(p))),
                "claim": In(1),
                "done": In(1),
                "room": Out(1),
                "misplaced": Out(1),
            }
        if p.keeps:
            more |= {"write": Out(1), "kept": Out(pad_write(p)), "pending": Out(p.pages)}
        super().__init__(
            {
                "there": In(1),
                "take": In(1),
                "job": In(accepted(p)),
                "valid": In(1),
                "i": In(result_beat(p)),
                "o_valid": Out(1),
                "o": Out(sent_beat(p)),
                "skipped": Out(1),
                **more,
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        given: Any = self.job
        valid, beat = self._added(m) if p.epilogue == "full" else (self.valid, self.i)
        m.submodules.quantize = quantize = Quantize(p, self.depth)
        o: Any = quantize.o
        # The last one always goes on: with it the job ends.
        dropped = o.silent & ~o.beat.last
        m.d.comb += [
            quantize.take.eq(self.take),
            quantize.job.eq(given.job),
            quantize.valid.eq(valid),
            quantize.i.eq(beat),
            self.o_valid.eq(quantize.o_valid & ~dropped),
            self.o.eq(o),
            self.skipped.eq(quantize.o_valid & dropped),
        ]
        if p.keeps:
            m.submodules.keep = keep = Keep(p, self.depth)
            m.d.comb += [
                keep.take.eq(self.take),
                keep.job.eq(self.job),
                keep.valid.eq(quantize.o_valid),
                keep.i.eq(o),
                self.write.eq(keep.write),
                self.kept.eq(keep.o),
                self.pending.eq(keep.pending),
            ]
        return m

    def _added(self, m: Module) -> tuple[Any, Any]:
        """(valid, beat) of the results with what C held before, and with the bias."""
        p = self.parameters
        given: Any = self.job
        i: Any = self.i
        m.submodules.addends = addends = self._addends(m)
        c: Any = self.c
        width, bits = p.acc_format.width, addend_bits(p)
        m.submodules.before = before = fifo.SyncFIFOBuffered(
            width=p.drains * width, depth=queue_depth(p, self.ahead)
        )
        end = wire(m, self.valid & i.last, "end")
        asked = {"accumulate": given.job.accumulate}
        job = job_ahead(m, "before", self.depth, self.take, asked, end)
        m.submodules.add_before = add_before = AddCodes(p)
        m.submodules.bias = bias = Bias(p, self.depth)
        m.submodules.add_bias = add_bias = AddCodes(p)
        m.d.comb += [
            addends.vacant.eq(bias.vacant),
            addends.room.eq(before.w_rdy),
            before.w_en.eq(addends.push),
            before.w_data.eq(Cat(*(c.payload.data[k * bits :][:width] for k in range(p.drains)))),
            before.r_en.eq(self.valid & job.accumulate),
            add_before.valid.eq(self.valid),
            add_before.i.eq(self.i),
            add_before.use.eq(job.accumulate),
            add_before.addends.eq(before.r_data),
            bias.take.eq(self.take),
            bias.job.eq(given.job),
            bias.write.eq(addends.write_bias),
            bias.word.eq(addends.word),
            bias.beat.eq(c.payload),
            bias.written.eq(addends.bias_end),
            bias.valid.eq(add_before.o_valid),
            bias.i.eq(add_before.o),
            add_bias.valid.eq(bias.o_valid),
            add_bias.i.eq(bias.o),
            add_bias.use.eq(bias.use),
            add_bias.addends.eq(bias.codes),
        ]
        return add_bias.o_valid, add_bias.o

    def _addends(self, m: Module) -> Addends:
        """From their stream, and whether there are enough of them to go on."""
        p = self.parameters
        given: Any = self.job
        addends = Addends(p)
        wiring.connect(m, wiring.flipped(self.c), addends.i)

        def register(name: str, shape: Any) -> Signal:
            return Signal(shape, name=name, attrs={"stage": "addends"})

        started, with_bias, with_before = (
            register(name, 1) for name in ("started", "with_bias", "with_before")
        )
        wanted = given.job.bias | given.job.accumulate
        # The job at work has all its addends before it ends. So one that is taken has started.
        start = wire(m, self.there & wanted & ~started & ~addends.busy, "start_addends")
        with m.If(self.take):
            m.d.sync += started.eq(0)
        with m.Elif(start):
            m.d.sync += started.eq(1)
        needs_bias = wire(m, Mux(self.take, given.job.bias, with_bias), "needs_bias")
        needs_before = wire(m, Mux(self.take, given.job.accumulate, with_before), "needs_before")
        # Biases and tiles that are there and not yet asked for.
        biases = register("biases", range(BIASES + 1))
        tiles = register("tiles", range(queue_depth(p, self.ahead) + 2))
        biases_left = biases + addends.bias_end - (self.done & with_bias)
        biases_left = wire(m, biases_left[: len(biases)], "biases_left")
        tiles_left = tiles + addends.tile_end - (self.claim & with_before)
        tiles_left = wire(m, tiles_left[: len(tiles)], "tiles_left")
        room = Signal(init=1, name="addends_room", attrs={"stage": "addends"})
        m.d.sync += [
            with_bias.eq(needs_bias),
            with_before.eq(needs_before),
            biases.eq(biases_left),
            tiles.eq(tiles_left),
            room.eq(~((needs_bias & (biases_left == 0)) | (needs_before & (tiles_left == 0)))),
        ]
        m.d.comb += [
            addends.start.eq(start),
            addends.rows.eq(given.job.m),
            addends.columns.eq(given.job.n),
            addends.codes.eq(bias_length(p, given.job)),
            addends.bias.eq(given.job.bias),
            addends.accumulate.eq(given.job.accumulate),
            self.room.eq(room),
            self.misplaced.eq(addends.misplaced),
        ]
        if p.convolution == "yes":
            m.d.comb += addends.line.eq(Mux(given.job.convolve, given.job.out_width, given.job.n))
        return addends
