"""Scale, ReLU, and the format of the result; the largest magnitude of a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ....formats import FloatFormat
from ....parameters import CoreParameters
from ...numbers.adjust import positive_part, times_power
from ...numbers.pipeline import Pipeline, Register, prefixed
from ...numbers.raw import any_of, is_const, wire
from ...numbers.round import Rounded, Rounder
from ...numbers.running_max import Size, larger, largest_so_far, magnitude
from ...numbers.shape import Amaranth
from ...numbers.unpack import specials, unpack
from ...numbers.xorshift import lane_seeds, xorshift32
from ..records import job_record, result_beat, result_bits, sent_beat
from .jobs import job_ahead

QUANTIZE_CUTS = ("unpack", "place", "align", "output")

_ASKED = ("relu", "quantize", "mode_y", "silent", "scale")


class Quantize(wiring.Component):
    """The last step of the epilogue.

    Golden functions: `hfp8_hw.golden.relu`, then `hfp8_hw.golden.quantize`.

    Members
    -------
    take : 1 bit; with ``job``
        The sequencer begins a job.
    valid : 1 bit; with ``i`` (`result_beat`)
        Codes in the accumulator's format.
    o_valid : 1 bit; with ``o`` (`sent_beat`), ``len(QUANTIZE_CUTS)`` clocks later
    """

    def __init__(self, parameters: CoreParameters, depth: int) -> None:
        self.parameters, self.depth = parameters, depth
        super().__init__(
            {
                "take": In(1),
                "job": In(job_record(parameters)),
                "valid": In(1),
                "i": In(result_beat(parameters)),
                "o_valid": Out(1),
                "o": Out(sent_beat(parameters)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        i: Any = self.i
        given: Any = self.job
        end = wire(m, self.valid & i.last, "end")
        job = job_ahead(
            m, "ahead", self.depth, self.take, {name: given[name] for name in _ASKED}, end
        )
        fresh = Signal(init=1, name="fresh", attrs={"stage": "track"})
        with m.If(self.valid):
            m.d.sync += fresh.eq(i.last)
        frame = Pipeline(m, self.valid, QUANTIZE_CUTS)
        m.d.comb += frame.ready.eq(1)
        frame.carried = {
            "keep": i.keep, "last": i.last, "silent": job.silent, "quantize": job.quantize,
            "mode": job.mode_y, "clear": fresh,
        }  # fmt: skip
        rounding = p.result_rounding
        words: list[Amaranth | None] = [None] * p.drains
        if rounding.mode == "SR":
            draw = wire(m, self.valid & job.quantize, "draw")
            words = [
                xorshift32(m, draw, seed, f"random{path}")[32 - rounding.sr_bits :]
                for path, seed in enumerate(lane_seeds(p.random_seed, p.drains))
            ]
        bits, acc = result_bits(p), p.acc_format
        paths: list[tuple[Module, Pipeline, list[Rounded]]] = []
        sizes: list[Size] = []
        for path in range(p.drains):
            m.submodules[f"path{path}"] = part = Module()
            pipe = Pipeline(part, self.valid, QUANTIZE_CUTS)
            part.d.comb += pipe.ready.eq(1)
            pipe.carried = {"flags": i.flags[4 * path :][:4]}
            code = wire(part, i.data[path * bits :][: acc.width], "x")
            nan, _ = specials(part, code, code[: acc.width - 1], acc, "x")
            code = wire(part, positive_part(part, code, nan, acc, "chosen", job.relu), "positive")
            sizes.append(_size(part, code, i.keep[path], acc))
            paths.append((part, pipe, self._rounded(part, pipe, code, job.scale, words[path])))
        size = _largest(m, frame, sizes)
        before = frame.carried
        codes, marks = [], []
        for path, (part, pipe, choices) in enumerate(paths):
            y, *quantized = choices
            code = quantized[0].code
            flags = quantized[0].flags
            if len(quantized) > 1:
                code = Mux(before["mode"], quantized[1].code, code)
                flags = Mux(before["mode"], quantized[1].flags, flags)
            code = Mux(before["quantize"], code, y.code)
            flags = Mux(before["quantize"], flags, y.flags) | pipe.carried["flags"]
            there = before["keep"][path]
            marks.append(wire(part, Mux(there, flags, 0)[:4], "marks"))
            cut = pipe.cut("output")
            code = cut("code", wire(part, Mux(there, code, 0)[: len(code)], "code"))
            codes.append(Cat(code, Const(0, bits - len(code))))
        largest, special, seen = largest_so_far(m, frame, before["clear"], size, marks)
        cut = frame.cut("output")
        o: Any = self.o
        m.d.comb += [
            self.o_valid.eq(frame.valid),
            o.beat.data.eq(Cat(*codes)),
            o.beat.flags.eq(cut("flags", Cat(*marks))),
            o.beat.keep.eq(frame.carried["keep"]),
            o.beat.last.eq(frame.carried["last"]),
            o.silent.eq(frame.carried["silent"]),
            o.summary.flags.eq(seen),
            o.summary.amax.eq(largest),
            o.summary.special.eq(special),
        ]
        return m

    def _rounded(
        self, m: Module, pipe: Pipeline, code: Amaranth, scale: Amaranth, word: Amaranth | None
    ) -> list[Rounded]:
        """The code times 2**scale, up to the cut ``output``: in the accumulator's format, and in
        each of the formats of quantized results."""
        p = self.parameters
        raw = unpack(m, code, (p.acc_format,), name="x")
        cross = pipe.cut("unpack")
        raw = raw.through(prefixed(cross, "x_"))
        raw = times_power(m, raw, cross("scale", scale), "x")
        if word is not None:
            word = cross("rbits", word)
        element = p.element
        kinds = [("acc", p.acc_format, element.rounding_mode, element.overflow, None)]
        for k, fmt in enumerate(p.y_formats):
            kinds.append((f"y{k}", fmt, p.result_rounding, p.y_overflow, word))
        return [
            Rounder(fmt, rounding, overflow).build(
                m,
                raw,
                name=name,
                invalid=Const(0, 1),
                rbits=rbits,
                cut=_own_cuts(pipe, name),
            )
            for name, fmt, rounding, overflow, rbits in kinds
        ]


def _own_cuts(pipe: Pipeline, name: str) -> Callable[[str], Register]:
    """A pipeline's cuts for one of several rounders."""
    return lambda at: prefixed(pipe.cut(at), f"{name}_")


def _size(m: Module, code: Amaranth, there: Amaranth, fmt: FloatFormat) -> Size:
    """A magnitude if it is finite, else 0; in ``nan`` whether it is not."""
    size = magnitude(m, code, fmt, "size")
    _, inf = specials(m, code, code[: fmt.width - 1], fmt, "size")
    special = any_of(size.nan, inf)
    counts = there if is_const(special) else there & ~special
    mag = wire(m, Mux(counts, size.mag, 0)[: len(size.mag)], "size_finite")
    return Size(mag, special if is_const(special) else wire(m, special & there, "size_special"))


def _largest(m: Module, frame: Pipeline, sizes: list[Size]) -> Size:
    """The largest, across all cuts but ``output``."""
    levels, cuts = (len(sizes) - 1).bit_length(), QUANTIZE_CUTS[:-1]
    for k, name in enumerate(cuts):
        while len(sizes) > 1 << (levels * (len(cuts) - 1 - k) // len(cuts)):
            sizes = [
                larger(m, sizes[n : n + 2], f"size{len(sizes)}_{n}")
                for n in range(0, len(sizes), 2)
            ]
        cut = frame.cut(name)
        sizes = [Size(cut(f"size{n}", s.mag), cut(f"nan{n}", s.nan)) for n, s in enumerate(sizes)]
    return sizes[0]
