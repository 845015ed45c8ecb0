"""Adds a code to each result of a beat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.add import CUTS, add
from ...numbers.pipeline import Pipeline
from ...numbers.raw import Raw, is_const, wire
from ...numbers.round import Rounder
from ...numbers.shape import Amaranth
from ...numbers.unpack import unpack
from ..records import result_beat, result_bits

ADD_CUTS = (*CUTS, "place", "align", "output")


class AddCodes(wiring.Component):
    """The sum of codes in the accumulator's format, rounded to it; flags are added to those there.

    Golden function: `hfp8_hw.golden.add`.

    Members
    -------
    valid : 1 bit; with ``i`` (`result_beat`)
    use : 1 bit
        Add something; else the beat stays as it is.
    addends : ``drains`` codes
    o_valid : 1 bit; with ``o`` (`result_beat`), ``len(ADD_CUTS)`` clocks later
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        super().__init__(
            {
                "valid": In(1),
                "i": In(result_beat(p)),
                "use": In(1),
                "addends": In(p.drains * p.acc_format.width),
                "o_valid": Out(1),
                "o": Out(result_beat(p)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        i: Any = self.i
        o: Any = self.o
        frame = Pipeline(m, self.valid, ADD_CUTS)
        m.d.comb += frame.ready.eq(1)
        frame.carried = {"keep": i.keep, "last": i.last}
        for name in ADD_CUTS:
            frame.cut(name)
        bits, width = result_bits(p), p.acc_format.width
        how = p.element.rounding_mode
        codes, marks = [], []
        for path in range(p.drains):
            m.submodules[f"path{path}"] = part = Module()
            pipe = Pipeline(part, self.valid, ADD_CUTS)
            part.d.comb += pipe.ready.eq(1)
            pipe.carried = {"flags": i.flags[4 * path :][:4]}
            given = {"x": i.data[path * bits :][:width], "y": self.addends[path * width :][:width]}
            x, y = (
                unpack(part, wire(part, code, name), (p.acc_format,), name=name, loose=True)
                for name, code in given.items()
            )
            y = _or_nothing(part, y, self.use, int(how.mode != "RDN"))
            total = add(part, x, y, how, "sum", cut=pipe.cut, loose=True)
            rounded = Rounder(p.acc_format, how, p.element.overflow).build(
                part, total.raw, name="y", invalid=total.invalid, cut=pipe.cut
            )
            flags = wire(part, rounded.flags | pipe.carried["flags"], "marks")
            cut = pipe.cut("output")
            codes.append(Cat(cut("code", rounded.code), Const(0, bits - width)))
            marks.append(cut("marks", flags))
        m.d.comb += [
            self.o_valid.eq(frame.valid),
            o.data.eq(Cat(*codes)),
            o.flags.eq(Cat(*marks)),
            o.keep.eq(frame.carried["keep"]),
            o.last.eq(frame.carried["last"]),
        ]
        return m


def _or_nothing(m: Module, y: Raw, use: Amaranth, sign: int) -> Raw:
    """``y``, or the zero of a sign that changes no number that it is added to."""

    def unless(name: str, value: Amaranth, otherwise: int) -> Amaranth:
        if is_const(value) and value.value == otherwise:
            return value
        return wire(m, Mux(use, value, otherwise)[:1], f"addend_{name}")

    return replace(
        y,
        nan=unless("nan", y.nan, 0),
        inf=unless("inf", y.inf, 0),
        zero=unless("zero", y.zero, 1),
        sign=unless("sign", y.sign, sign),
    )
