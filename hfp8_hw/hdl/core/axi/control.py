"""What the core's registers hold: the next job, errors, counters."""

from __future__ import annotations

import operator
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ....registers import (
    ADDRESS_REGISTERS,
    BUS_READ,
    BUS_WRITE,
    CONVOLUTION_REGISTERS,
    COUNTER_BITS,
    COUNTERS,
    JOB_REGISTERS,
    QUEUE_FULL,
    fixed_words,
    register,
    registers_of,
)
from ...numbers.raw import any_of, wire
from ...numbers.shape import Amaranth
from ..gemm_core import EVENTS
from ..records import queued_job, summary
from .axi_lite import AXI_LITE, AxiLite, word

QUEUE = 3
"""Jobs that wait in the queue; one more is looked at, one loaded, one ready, and one at work."""


class Control(wiring.Component):
    """The registers of `hfp8_hw.registers` and the queue of jobs.

    Members
    -------
    axi_* : the AXI4-Lite port
    job : stream of jobs
    events : `EVENTS`
    step_rows, step_cols, step_mask
        As `GemmCore` has them.
    flags : 4 bits, of the results taken in this clock, ORed
    summary : `summary`, with an epilogue
    ended : 1 bit
        It is that of a job of which all results have left.
    read_fault, write_fault : 1 bit, with ``ports=memory``
        The bus gave an error.
    interrupt : 1 bit
        Something is pending that is to interrupt.
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        super().__init__(
            {
                **{f"axi_{name}": member for name, member in AXI_LITE.items()},
                "job": Out(stream.Signature(queued_job(p))),
                "events": In(EVENTS),
                "step_rows": In(p.rows.bit_length()),
                "step_cols": In(p.cols.bit_length()),
                "step_mask": In(p.lanes),
                "flags": In(4),
                "interrupt": Out(1),
                "ended": In(1),
                **({} if p.epilogue == "none" else {"summary": In(summary(p))}),
                **({"read_fault": In(1), "write_fault": In(1)} if p.ports == "memory" else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        m.submodules.axi = axi = AxiLite(registers_of(p))
        for name, member in AXI_LITE.items():
            outer, inner = getattr(self, f"axi_{name}"), getattr(axi, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        events: Any = self.events
        full, overflow = self._queue(m, axi)

        def show(name: str, **values: Amaranth) -> None:
            m.d.comb += getattr(axi, f"value_{name}").eq(word(register(name), values))

        for name, fixed in fixed_words(p).items():
            m.d.comb += getattr(axi, f"value_{name}").eq(fixed)
        busy = Signal(name="status_busy", attrs={"stage": "events"})
        m.d.sync += busy.eq(~events.idle)
        show("STATUS", busy=busy, full=full)

        code = Signal(5, name="error_code", attrs={"stage": "events"})
        faults: dict[int, Amaranth] = {}
        if p.ports == "memory":
            faults = {BUS_READ: self.read_fault, BUS_WRITE: self.write_fault}
        found: Amaranth = Const(0, 5)
        for number, happens in reversed([*faults.items(), (QUEUE_FULL, overflow)]):
            found = Mux(happens, number, found)
        found = wire(m, Mux(events.refused, events.error, found)[:5], "error_found")
        with m.If(axi.wrote_ERROR | (code == 0)):
            m.d.sync += code.eq(found)
        misplaced = {
            name: self._seen(m, getattr(events, name), axi.wrote_ERROR, name)
            for name in ("misplaced_a", "misplaced_b", "misplaced_c")
        }
        show("ERROR", code=code, **misplaced)
        flags: Amaranth = self.flags
        amax: dict[str, Amaranth] = {"value": Const(0, 31), "special": Const(0, 1)}
        if p.epilogue != "none":
            end: Any = self.summary
            flags = flags | Mux(self.ended, end.flags, 0)
            amax = {
                "value": Signal(len(end.amax), name="amax", attrs={"stage": "events"}),
                "special": Signal(name="amax_special", attrs={"stage": "events"}),
            }
            with m.If(self.ended):
                m.d.sync += [amax["value"].eq(end.amax), amax["special"].eq(end.special)]
        show("FLAGS", flags=self._seen(m, flags, axi.wrote_FLAGS, "sticky"))
        show("AMAX", **amax)
        refused = wire(m, events.refused | overflow, "job_refused")
        show("REFUSED", value=self._count(m, refused, 32, "refused"))
        show("DONE", value=self._count(m, events.sent, 32, "sent"))
        others = any_of(*(getattr(events, name) for name in misplaced), *faults.values())
        self._interrupt(m, axi, Cat(events.sent, refused, others))
        self._counters(m, axi)
        return m

    def _interrupt(self, m: Module, axi: AxiLite, causes: Amaranth) -> None:
        """What happens, bit by bit as INTERRUPT_PENDING has it, stays there until it is cleared."""
        pending = Signal(len(causes), name="interrupt_pending", attrs={"stage": "events"})
        strobe = axi.wrote_INTERRUPT_PENDING & axi.wstrb[0]
        m.d.sync += pending.eq((pending & ~Mux(strobe, axi.wdata[: len(causes)], 0)) | causes)
        m.d.comb += [
            axi.value_INTERRUPT_PENDING.eq(pending),
            self.interrupt.eq((pending & axi.value_INTERRUPT_ENABLE).any()),
        ]

    def _queue(self, m: Module, axi: AxiLite) -> tuple[Amaranth, Amaranth]:
        """(the queue is full, a job came that found it so)."""
        layout = queued_job(self.parameters)
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=layout.size, depth=QUEUE)
        names: tuple[str, ...] = JOB_REGISTERS
        if self.parameters.convolution == "yes":
            names += CONVOLUTION_REGISTERS
        words = {name: getattr(axi, f"value_{name}") for name in names}
        fields: dict[str, Amaranth] = {
            field.name: words[name][field.low :][: field.width]
            for name in names
            for field in register(name).fields
        }
        others = ("M", "N", "K", *(ADDRESS_REGISTERS if self.parameters.ports == "memory" else ()))
        fields |= {name.lower(): getattr(axi, f"value_{name}") for name in others}
        fields["asks"] = words["RESULT"].any()
        start = wire(m, axi.wrote_START & axi.wdata[0] & axi.wstrb[0], "job_start")
        job: Any = self.job
        m.d.comb += [
            queue.w_data.eq(Cat(*(fields[name][: layout[name].width] for name in layout.members))),
            queue.w_en.eq(start),
            job.valid.eq(queue.r_rdy),
            job.payload.as_value().eq(queue.r_data),
            queue.r_en.eq(job.ready),
        ]
        return ~queue.w_rdy, wire(m, start & ~queue.w_rdy, "job_lost")

    def _seen(self, m: Module, now: Amaranth, clear: Amaranth, name: str) -> Amaranth:
        seen = Signal(len(now), name=f"{name}_seen", attrs={"stage": "events"})
        with m.If(clear):
            m.d.sync += seen.eq(now)
        with m.Else():
            m.d.sync += seen.eq(seen | now)
        return seen

    def _count(self, m: Module, amount: Amaranth, width: int, name: str) -> Amaranth:
        """Counts a clock later, as what is counted comes late in its own."""
        count = Signal(width, name=f"{name}_count", attrs={"stage": "events"})
        now = Signal(len(amount), name=f"{name}_counted", attrs={"stage": "events"})
        m.d.sync += [now.eq(amount), count.eq(count + now)]
        return count

    def _counters(self, m: Module, axi: AxiLite) -> None:
        """The counters of `COUNTERS`, and what a read keeps of the upper half."""
        p = self.parameters
        events: Any = self.events
        step = {}
        for name in ("rows", "cols", "mask"):
            value = getattr(self, f"step_{name}")
            step[name] = Signal(len(value), name=f"macs_{name}", attrs={"stage": "macs"})
            m.d.sync += step[name].eq(value)
        issued = step["mask"].any()

        def register_of(name: str, value: Amaranth, most: int, enable: Amaranth = 1) -> Amaranth:
            held = Signal(range(most + 1), name=f"macs_{name}", attrs={"stage": "macs"})
            with m.If(enable):
                m.d.sync += held.eq(value)
            return held

        # Blocks are for the array, which has one for each product.
        times = _times if p.align == "dsp" else operator.mul
        area = register_of("area", times(step["rows"], step["cols"]), p.rows * p.cols, issued)
        lanes = register_of("lanes", sum(step["mask"], Const(0, 1)), p.lanes)
        # Their product in two halves, each in a clock of its own.
        half = (len(lanes) + 1) // 2
        low = register_of("low", times(area, lanes[:half]), p.macs)
        high: Amaranth = Const(0, 1)
        if half < len(lanes):
            high = register_of("high", times(area, lanes[half:]), p.macs >> half)
        amounts = {
            "BUSY": events.busy,
            "STALL_OUT": events.stall_out,
            "STALL_IN": events.stall_in,
            "MACS": (low + (high << half))[: p.macs.bit_length()],
        }
        kept = Signal(
            COUNTER_BITS - 32, name="upper_kept", reset_less=True, attrs={"stage": "events"}
        )
        for name in COUNTERS:
            count = self._count(m, amounts[name], COUNTER_BITS, name.lower())
            m.d.comb += [
                getattr(axi, f"value_{name}_LOW").eq(count[:32]),
                getattr(axi, f"value_{name}_HIGH").eq(kept),
            ]
            with m.If(getattr(axi, f"read_{name}_LOW")):
                m.d.sync += kept.eq(count[32:])


def _times(x: Amaranth, y: Amaranth) -> Amaranth:
    """The product of two short numbers, of which synthesis makes no DSP block."""
    return sum((Mux(x[k], y << k, 0) for k in range(len(x))), Const(0, 1))
