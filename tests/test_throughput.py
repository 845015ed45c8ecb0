"""How often units take items: what the parameters promise, counted in simulation.

The input is always offered, the output always taken. Operands stay 0, as nothing here depends on
them, so Amaranth's simulator has little but the control to compute.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.sim import Simulator

from hfp8_hw.errors import ParameterError
from hfp8_hw.hdl import create
from hfp8_hw.parameters import UNITS, MacParameters, unit_parameters
from verif.simulation.configurations import MATRIX

Configuration = tuple[str, dict[str, Any]]

SUMS: list[Configuration] = [("dot", {})]
SUMS += [(unit, given) for unit in ("mac", "dot") for given in MATRIX[unit]]
OTHERS: list[Configuration] = [
    (unit, given) for unit in UNITS if unit not in ("mac", "dot") for given in MATRIX[unit]
]
QUICK: list[Configuration] = [
    ("mac", {}),
    ("mac", {"semantics": "fma", "stages": 1}),
    ("mac", {"acc": "FP16", "chunk": 8, "stages": 4}),
    ("mac", {"acc": "BF16", "bias": "runtime", "chunk": 1}),
    ("mac", {"interleave": 3, "acc": "FP16", "chunk": 7}),
    ("mac", {"interleave": 2, "chunk": 4}),
    ("mac", {"semantics": "exact", "acc": "fixed", "a": "E4M3FN", "b": "E4M3FN"}),
    ("mac", {"semantics": "exact", "a": "AIU_143", "b": "AIU_143", "terms": 8}),
    ("mac", {"semantics": "exact_chunk", "a": "HFP8_FWD", "b": "HFP8_FWD", "chunk": 48}),
    ("mac", {"semantics": "exact_chunk", "acc": "FP16", "chunk": 5, "stages": 2}),
    ("mac", {"semantics": "exact_chunk", "a": "E4M3", "b": "E4M3", "acc": "FP16", "chunk": 1}),
    ("dot", {"semantics": "dotN", "lanes": 2, "a": "E4M3", "b": "E4M3"}),
]


class Counted:
    """A unit that is offered sums, one after another and all of one length.

    Members
    -------
    clocks : dict
        By length: clocks from one sum's end to the next.
    """

    def __init__(self, p: MacParameters, lengths: list[int]) -> None:
        self._sums, self._lengths = p.sums, lengths
        self.clocks: dict[int, Fraction] = {}
        m = Module()
        m.submodules.unit = unit = create(p)
        self._length, self._given, self._restart = Signal(16), Signal(16), Signal()
        turn, item = Signal(8), Signal(16)
        last = item == self._length - 1
        m.d.comb += [unit.i.valid.eq(1), unit.o.ready.eq(1)]
        m.d.comb += [unit.i.payload.first.eq(item == 0), unit.i.payload.last.eq(last)]
        with m.If(unit.i.ready):
            m.d.sync += turn.eq(turn + 1)
            with m.If(turn == p.sums - 1):
                m.d.sync += [turn.eq(0), item.eq(item + 1)]
                with m.If(last):
                    m.d.sync += item.eq(0)
        m.d.sync += self._given.eq(self._given + unit.o.valid)
        simulator = Simulator(ResetInserter(self._restart)(m))
        simulator.add_clock(1)
        simulator.add_testbench(self._count)
        simulator.run()

    async def _count(self, ctx: Any) -> None:
        for length in self._lengths:
            ctx.set(self._length, length)
            ctx.set(self._restart, 1)
            await ctx.tick()
            ctx.set(self._restart, 0)
            ends, clock = [], 0
            for sums in (3, 6):
                while ctx.get(self._given) < sums * self._sums:
                    await ctx.tick()
                    clock += 1
                ends.append(clock)
            self.clocks[length] = Fraction(ends[1] - ends[0], 3 * self._sums)


def check(unit: str, given: dict[str, Any], more: tuple[int, ...] = ()) -> None:
    """Count, for sums of one item and some, up to a chunk's, and of a few chunks."""
    p = unit_parameters(unit, given)
    chunk = p.chunk_clocks if p.semantics in ("chunked", "exact_chunk") else 16
    lengths = {1, 2, chunk, chunk + 1, 2 * chunk, 2 * chunk + 1, *more, *(chunk * n for n in more)}
    clocks = Counted(p, sorted(lengths)).clocks
    assert clocks == {length: p.sum_clocks(length) for length in clocks}
    assert clocks[1] == p.sum_interval
    if p.semantics != "exact":
        assert (clocks[2 * chunk] - clocks[chunk]) / chunk == p.interval
    for length, taken in clocks.items():
        assert max(length * p.interval, p.sum_interval) <= taken
        assert taken < length * p.interval + p.sum_interval


@pytest.mark.parametrize(("unit", "given"), QUICK, ids=str)
def test_clocks_of_sums(unit: str, given: dict[str, Any]) -> None:
    check(unit, given)


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "given"), SUMS, ids=str)
def test_clocks_of_all_sums(unit: str, given: dict[str, Any]) -> None:
    check(unit, given, (3, 7))


@pytest.mark.parametrize(("unit", "given"), OTHERS, ids=str)
def test_what_does_not_sum_takes_an_item_a_clock(unit: str, given: dict[str, Any]) -> None:
    p = unit_parameters(unit, given)
    assert (p.interval, p.sum_interval, p.lsb) == (1, None, None)


def test_the_examples_on_the_page() -> None:
    """docs/units.md, "How often a unit takes items"."""
    mac, dot = unit_parameters("mac", {}), unit_parameters("dot", {})
    assert [mac.sum_clocks(n) for n in (64, 65)] == [64, 66]
    assert [dot.sum_clocks(n) for n in (64, 8, 65)] == [64, 40, 80]
    half = unit_parameters("mac", {"acc": "FP16", "chunk": 8})
    assert half.interval == Fraction(9, 8) and half.timing["interval"] == 1.125
    for items in (0, -1, 1.5, "a", True):
        with pytest.raises(ParameterError, match=r"items=.* is not allowed: an integer from 1 to"):
            mac.sum_clocks(items)


@pytest.mark.parametrize("unit", ["mac", "dot"])
def test_short_sums_never_wait_for_a_pipelined_rounder(unit: str) -> None:
    given = {"semantics": "exact", "rounder": "pipelined"}
    clocks = Counted(unit_parameters(unit, given), [1, 2, 8]).clocks
    assert clocks == {1: 1, 2: 2, 8: 8}
    waits = Counted(unit_parameters(unit, {"semantics": "exact"}), [8]).clocks
    assert waits[8] > 30
