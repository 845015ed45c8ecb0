"""The memory of biases, and the biases of each beat."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.pipeline import Pipeline
from ...numbers.raw import wire
from ...numbers.shape import Amaranth
from ..records import addend_beat, addend_bits, job_record, result_beat
from .addends import BIASES
from .jobs import job_ahead
from .walk import Walk


class Bias(wiring.Component):
    """Finds the bias of each beat's column, or with a convolution those of its rows.

    Members
    -------
    take : 1 bit; with ``job``
        The sequencer begins a job.
    write : 1 bit; with ``word`` and ``beat`` (`addend_beat`)
        A word of the next bias.
    written : 1 bit
        It was its last.
    vacant : 1 bit
        There is room for another bias.
    valid : 1 bit; with ``i`` (`result_beat`)
    o_valid : 1 bit; with ``o`` (`result_beat`), a clock later
    use : 1 bit; with ``codes``
        Their job has a bias; it is this for each result of the beat.
    """

    def __init__(self, parameters: CoreParameters, depth: int) -> None:
        self.parameters, self.depth = parameters, depth
        p = parameters
        super().__init__(
            {
                "take": In(1),
                "job": In(job_record(p)),
                "write": In(1),
                "word": In(range(p.bias_words)),
                "beat": In(addend_beat(p)),
                "written": In(1),
                "vacant": Out(1),
                "valid": In(1),
                "i": In(result_beat(p)),
                "o_valid": Out(1),
                "o": Out(result_beat(p)),
                "use": Out(1),
                "codes": Out(p.drains * p.acc_format.width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        i: Any = self.i
        o: Any = self.o
        given: Any = self.job
        end = wire(m, self.valid & i.last, "end")
        asked = {name: given[name] for name in ("bias", "m", "n")}
        if p.convolution == "yes":
            asked["convolve"] = given.convolve
        job = job_ahead(m, "ahead", self.depth, self.take, asked, end)
        walk = Walk(m, p, "walk", job.m, job.n, self.valid)

        def register(name: str, shape: Any) -> Signal:
            return Signal(shape, name=name, attrs={"stage": "bias"})

        word, lane = register("column_word", range(p.bias_words)), register("lane", range(p.drains))
        wraps: Amaranth = lane == p.drains - 1 if p.drains > 1 else Const(1, 1)
        with m.If(self.valid & walk.column_end):
            m.d.sync += lane.eq(Mux(wraps, 0, lane + 1))
            with m.If(wraps):
                m.d.sync += word.eq(word + 1)
            with m.If(walk.row_end):
                m.d.sync += [lane.eq(0), word.eq(0)]
        if p.convolution == "yes":
            # A word has the biases of a beat's rows; each column begins with the first of them.
            first = register("row_word", range(p.bias_words))
            following = wire(m, (word + 1)[: len(word)], "following_word")
            with m.If(self.valid & job.convolve):
                m.d.sync += [lane.eq(0), word.eq(following)]
                with m.If(walk.column_end & ~walk.row_end):
                    m.d.sync += word.eq(first)
                with m.If(walk.row_end):
                    m.d.sync += first.eq(following)
            with m.If(end):
                m.d.sync += [word.eq(0), first.eq(0)]

        # Biases take the places in turn.
        filled, used = register("filled", range(BIASES)), register("used", range(BIASES))
        held = register("held", range(BIASES + 1))
        leaves = wire(m, end & job.bias, "leaves")
        m.d.sync += [
            filled.eq(filled + self.written),
            used.eq(used + leaves),
            held.eq(held + self.written - leaves),
        ]
        m.d.comb += self.vacant.eq(held != BIASES)
        width, bits = p.acc_format.width, addend_bits(p)
        places = 1 << len(self.word)
        bank = memory.Memory(shape=unsigned(p.drains * width), depth=BIASES * places, init=[])
        m.submodules.bank = bank
        write: Any = bank.write_port()
        read: Any = bank.read_port(domain="sync")
        beat: Any = self.beat
        m.d.comb += [
            write.addr.eq(Cat(self.word, filled)),
            write.data.eq(Cat(*(beat.data[k * bits :][:width] for k in range(p.drains)))),
            write.en.eq(self.write),
            read.addr.eq(Cat(word, used)),
            read.en.eq(1),
        ]
        found = Signal(p.drains * width, name="found", attrs={"stage": "bias_read"})
        m.d.comb += found.eq(read.data)
        pipe = Pipeline(m, self.valid, ("bias_read",))
        m.d.comb += pipe.ready.eq(1)
        pipe.carried = {"use": job.bias, "lane": lane}
        if p.convolution == "yes":
            pipe.carried["by_row"] = job.convolve
        cut = pipe.cut("bias_read")
        # Of one word of the memory, the code in the column's place.
        code: Amaranth = found[:width]
        for k in range(1, p.drains):
            code = Mux(pipe.carried["lane"] == k, found[k * width :][:width], code)
        codes = code.replicate(p.drains)
        if p.convolution == "yes":
            codes = Mux(pipe.carried["by_row"], found, codes)
        m.d.comb += [
            self.o_valid.eq(pipe.valid),
            *(o[name].eq(cut(name, i[name])) for name in o.shape().members),
            self.use.eq(pipe.carried["use"]),
            self.codes.eq(codes),
        ]
        return m
