"""Counts out, one sum a clock, how a convolution moves through the stored map."""

from __future__ import annotations

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.raw import wire
from ...numbers.shape import Amaranth
from ..records import SIZE_BITS, job_record, map_plan, word_bits

PRODUCT_BITS = 2 * SIZE_BITS + 2


class _Step(NamedTuple):
    """``name`` becomes ``base + times * amount``."""

    name: str
    times: Amaranth
    amount: Amaranth
    base: Amaranth


class Plan(wiring.Component):
    """Divides by repeated subtraction, and multiplies bit by bit: one adder does all in turn.

    Members
    -------
    start : 1 bit; with ``job``, which stays
    sized : 1 bit; with ``row_words``, of a stored row of the map
        They are known, after ``rows_known``.
    rows_known : 1 bit
        ``o.rows`` and ``wrong`` are.
    wrong : 1 bit
        n or k does not belong to the convolution, or the map has too many positions.
    done : 1 bit
    o : `map_plan`
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        super().__init__(
            {
                "start": In(1),
                "job": In(job_record(p)),
                "sized": In(1),
                "row_words": In(p.b_layout.words.bit_length()),
                "rows_known": Out(1),
                "wrong": Out(1),
                "done": Out(1),
                "o": Out(map_plan(p)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p, layout = self.parameters, self.parameters.b_layout
        job: Any = self.job
        o: Any = self.o

        def register(name: str, shape: Any) -> Signal:
            return Signal(shape, name=f"plan_{name}", reset_less=True, attrs={"stage": "plan"})

        divided = self._divide(m, register)
        row_bits, turn_bits = (layout.short - 1).bit_length(), (layout.groups - 1).bit_length()
        bits = max(word_bits(layout), turn_bits) + row_bits
        found: dict[str, Signal] = {
            name: register(name, PRODUCT_BITS)
            for name in ("line", "rows", "positions", "taps", "depth")
        }
        moves = ("start", "down", "under", "beside", "around")
        found |= {name: register(name, bits) for name in moves if name != "around"}
        found |= {f"{name}_words": register(f"{name}_words", word_bits(layout)) for name in moves}
        line, zero = found["line"], Const(0, 1)
        # Around the end of the phases: the first of them again, and a position further.
        around = wire(m, (found["beside"] - line + 1)[:bits], "plan_around")
        whole = (p.lanes - 1).bit_length()
        behind = (job.first_channel[:whole] + job.channels + (p.lanes - 1)) >> whole
        long_bits = row_bits + turn_bits
        steps = [
            _Step("line", job.stride, o.phase, zero),
            _Step("rows", job.height, line, zero),
            _Step("positions", job.out_height, job.out_width, zero),
            _Step("taps", job.kernel_width, behind << whole, zero),
            _Step("depth", job.kernel_height, found["taps"], zero),
        ]
        early = len(steps)
        steps += [
            _Step("start", o.phase_first, o.phase, o.index_first),
            _Step("start", job.pad_top, (-line)[:PRODUCT_BITS], found["start"]),
            _Step("down", job.stride, line, zero),
            _Step("under", job.dilation, line, zero),
            _Step("beside", o.phase_step, o.phase, o.index_step),
        ]
        positions = {**{name: found[name] for name in moves if name != "around"}, "around": around}
        for name, position in positions.items():
            base = job.first_channel >> long_bits if name == "start" else zero
            steps.append(_Step(f"{name}_words", self.row_words, position[row_bits:], base))

        number = Signal(range(len(steps) + 1), name="plan_number", attrs={"stage": "plan"})
        begun = Signal(name="plan_begun", attrs={"stage": "plan"})
        total, amount = register("total", PRODUCT_BITS), register("amount", PRODUCT_BITS)
        times = register("times", max(len(step.times) for step in steps))
        ready = wire(m, (number < early) | self.sized, "plan_ready")
        with m.If(self.start):
            m.d.sync += [number.eq(0), begun.eq(0)]
        with m.Elif(divided & (number != len(steps)) & ready & ~begun):
            m.d.sync += begun.eq(1)
            with m.Switch(number):
                for k, step in enumerate(steps):
                    with m.Case(k):
                        m.d.sync += [
                            total.eq(step.base), times.eq(step.times), amount.eq(step.amount)
                        ]  # fmt: skip
        with m.Elif(begun):
            m.d.sync += [
                total.eq(total + Mux(times[0], amount, 0)),
                times.eq(times >> 1), amount.eq(amount << 1),
            ]  # fmt: skip
            with m.If(times == 0):
                m.d.sync += [number.eq(number + 1), begun.eq(0)]
                with m.Switch(number):
                    for k, step in enumerate(steps):
                        with m.Case(k):
                            m.d.sync += found[step.name].eq(total)

        m.d.comb += [
            self.rows_known.eq(divided & (number >= early)),
            self.wrong.eq(
                (found["positions"] != job.n) | (found["depth"] != job.k)
                | (found["rows"] >> SIZE_BITS).any()
            ),
            self.done.eq(divided & (number == len(steps))),
            o.rows.eq(found["rows"]),
        ]  # fmt: skip
        # Where groups of squares lie one below the other, the first channel may be in any of them.
        first = job.first_channel[row_bits:long_bits] if layout.outer > layout.lanes else 0
        for name, position in positions.items():
            turn = position[row_bits : row_bits + turn_bits]
            m.d.comb += [
                o[name].words.eq(found[f"{name}_words"]),
                o[name].turn.eq(turn + first if name == "start" else turn),
                o[name].row.eq(position[:row_bits]),
            ]
        return m

    def _divide(self, m: Module, register: Any) -> Amaranth:
        """The quotients by the stride and what is left; whether they are known."""
        job: Any = self.job
        o: Any = self.o
        columns = register("columns", signed(SIZE_BITS + 2))
        ahead, aside = register("ahead", signed(10)), register("aside", 8)
        phase = register("phase", SIZE_BITS)
        index_first, index_step = register("index_first", signed(9)), register("index_step", 8)
        started = Signal(name="plan_started", attrs={"stage": "plan"})
        with m.If(self.start):
            m.d.sync += started.eq(0)
        with m.Elif(~started):
            m.d.sync += [
                started.eq(1), columns.eq(job.width), ahead.eq(-job.pad_left),
                aside.eq(job.dilation), phase.eq(0), index_first.eq(0), index_step.eq(0),
            ]  # fmt: skip
        with m.Else():
            with m.If(columns > 0):
                m.d.sync += [columns.eq(columns - job.stride), phase.eq(phase + 1)]
            with m.If(ahead < 0):
                m.d.sync += [ahead.eq(ahead + job.stride), index_first.eq(index_first - 1)]
            with m.If(aside >= job.stride):
                m.d.sync += [aside.eq(aside - job.stride), index_step.eq(index_step + 1)]
        m.d.comb += [
            o.phase.eq(phase),
            o.phase_last.eq(columns + job.stride - 1),
            o.phase_first.eq(ahead),
            o.phase_step.eq(aside),
            o.index_first.eq(index_first),
            o.index_step.eq(index_step),
        ]
        busy = Cat(columns > 0, ahead < 0, aside >= job.stride).any()
        return wire(m, started & ~busy, "plan_divided")
