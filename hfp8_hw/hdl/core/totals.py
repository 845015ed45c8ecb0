"""Adds chunk sums up: one adder, and a memory of the sums so far."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, unsigned
from amaranth.lib import memory

from ...parameters import CoreParameters
from ..numbers.add import add
from ..numbers.pipeline import Pipeline, registered_cuts
from ..numbers.raw import wire
from ..numbers.round import Rounder
from ..numbers.shape import Amaranth
from ..numbers.unpack import unpack
from ..sums.ring import RING_CUTS


def total_cuts(p: CoreParameters) -> tuple[str, ...]:
    """The cuts that `running_total` crosses."""
    # A large memory takes most of a clock to put out a sum; one that large leaves time for that.
    return ("read", *registered_cuts(p.total_registers, (*RING_CUTS, "held")), "total")


def running_total(
    m: Module, ahead: Pipeline, part: Amaranth, flags: Amaranth, p: CoreParameters
) -> tuple[Amaranth, Amaranth]:
    """(code, flags) of the sum so far with the chunk sum ``part`` added, `total_cuts` later.

    ``ahead`` is the pipeline that it comes from, which never waits. What that carries says which of
    ``slots`` sums it is, ``place``, and whether it is the first to come, which is added to +0,
    ``opening``. Chunks of a sum must not follow each other in less than ``total_registers + 2``
    clocks.
    """
    fmt = p.acc_format
    bank = memory.Memory(shape=unsigned(fmt.width + 4), depth=max(p.slots, 2), init=[])
    m.submodules.totals = bank
    port: Any = bank.read_port(domain="sync")
    write: Any = bank.write_port()
    pipe = Pipeline(m, ahead.valid, total_cuts(p))
    pipe.carried = {"place": ahead.carried["place"]}
    cut = pipe.cut("read")
    m.d.comb += [pipe.ready.eq(1), port.addr.eq(ahead.carried["place"]), port.en.eq(1)]
    part, flags = cut("part", part), cut("flags", flags)
    opening = cut("opening", ahead.carried["opening"])
    held = wire(m, Mux(opening, 0, port.data)[: len(port.data)], "total_held")
    cut = pipe.cut("held")
    held, part, flags = cut("total", held), cut("part", part), cut("flags", flags)
    pipe.carried["seen"] = wire(m, held[fmt.width :] | flags, "total_seen")
    x = unpack(m, held[: fmt.width], (fmt,), name="total")
    y = unpack(m, part, (fmt,), name="part")
    total = add(m, x, y, p.element.rounding_mode, "sum", cut=pipe.cut, precision=fmt.man_bits + 1)
    rounder = Rounder(fmt, p.element.rounding_mode, p.element.overflow)
    rounded = rounder.build(m, total.raw, name="y", invalid=total.invalid, cut=pipe.cut)
    seen = wire(m, pipe.carried["seen"] | rounded.flags, "total_flags")
    m.d.comb += [
        write.addr.eq(pipe.carried["place"]),
        write.data.eq(Cat(rounded.code, seen)),
        write.en.eq(pipe.valid),
    ]
    cut = pipe.cut("total")
    return cut("code", rounded.code), cut("flags", seen)
