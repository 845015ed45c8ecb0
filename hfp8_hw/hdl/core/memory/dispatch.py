"""Hands jobs to the core, and what they need of memory to the parts that get it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ....parameters import CoreParameters
from ...numbers.raw import any_of, wire
from ...numbers.shape import Amaranth
from ..records import SIZE_BITS, bias_length, job_record, queued_job, uses
from .bus import matrix
from .store import target

OPERANDS, RESULTS = 4, 8
"""Matrices of an operand, and results of jobs, that wait for their turn."""


class Dispatch(wiring.Component):
    """One job at a time: refused for its addresses, or for what the core finds.

    Members
    -------
    i : stream of `queued_job`
    job : stream of jobs, to the core
    accepted, refused : 1 bit
        The core takes the job, or refuses it.
    row_beats_a, row_beats_b, map_rows
        Under ``accepted``: beats of a stored row, and the stored rows of a convolution's map.
    a, b, c : streams of `matrix`
    y : stream of `target`
    lost : 1 bit
        A job is refused for its addresses, with the error ``JobError.ADDRESS``.
    busy : 1 bit
        A job is being looked at.
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        self.sides = ("a", "b", "c") if p.epilogue == "full" else ("a", "b")
        super().__init__(
            {
                "i": In(stream.Signature(queued_job(p))),
                "job": Out(stream.Signature(job_record(p))),
                "accepted": In(1),
                "refused": In(1),
                "row_beats_a": In(SIZE_BITS),
                "row_beats_b": In(SIZE_BITS),
                "map_rows": In(SIZE_BITS),
                **{side: Out(stream.Signature(matrix(p))) for side in self.sides},
                "y": Out(stream.Signature(target(p))),
                "lost": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        i: Any = self.i
        job: Any = self.job
        new = i.payload
        held: Any = Signal(
            queued_job(p), name="dispatched", reset_less=True, attrs={"stage": "dispatch"}
        )
        waiting = Signal(name="waiting", attrs={"stage": "dispatch"})
        queues = {side: self._queue(m, side, matrix(p).size, OPERANDS) for side in self.sides} | {
            "y": self._queue(m, "y", target(p).size, RESULTS)
        }
        # A job may have two matrices for c.
        room = wire(
            m,
            ~any_of(*(queue.w_level > queue.depth - 2 for queue in queues.values())),
            "room",
        )
        low = (p.bus // 8 - 1).bit_length()
        odd = any_of(*(used & new[f"address_{name}"][:low].any() for name, used in uses(p, new)))
        refuses = wire(m, i.valid & ~waiting & odd, "refuses")
        m.d.comb += [
            job.valid.eq(i.valid & ~waiting & ~odd & room),
            i.ready.eq(refuses | (job.valid & job.ready)),
            self.lost.eq(refuses),
        ]
        for name in job_record(p).members:
            m.d.comb += job.payload[name].eq(new[name])
        with m.If(job.valid & job.ready):
            m.d.sync += [waiting.eq(1), held.eq(new)]
        second: Amaranth = Const(0, 1)
        if p.epilogue == "full":
            second = Signal(name="second", attrs={"stage": "dispatch"})
            m.d.sync += second.eq(self.accepted & held.bias & held.accumulate)
        with m.If(self.accepted | self.refused):
            m.d.sync += waiting.eq(0)
        m.d.comb += self.busy.eq(waiting)
        self._describe(m, held, queues, second)
        return m

    def _queue(self, m: Module, side: str, width: int, depth: int) -> Any:
        m.submodules[f"{side}_queue"] = queue = fifo.SyncFIFOBuffered(width=width, depth=depth)
        out: Any = getattr(self, side)
        m.d.comb += [
            out.payload.as_value().eq(queue.r_data),
            out.valid.eq(queue.r_rdy),
            queue.r_en.eq(out.ready),
        ]
        return queue

    def _describe(self, m: Module, job: Any, queues: dict[str, Any], second: Amaranth) -> None:
        """Put what an accepted job needs into the queues; ``second``: its C, a clock later."""
        p = self.parameters
        low = (p.bus // 8 - 1).bit_length()

        def put(side: str, when: Amaranth, layout: Any, **values: Amaranth) -> None:
            new: Any = Signal(layout, name=f"{side}_described")
            m.d.comb += [new[name].eq(value) for name, value in values.items()]
            m.d.comb += [queues[side].w_data.eq(Value.cast(new)), queues[side].w_en.eq(when)]

        rows_b = Mux(job.transpose_b, job.n, job.k)
        if p.convolution == "yes":
            rows_b = Mux(job.convolve, self.map_rows, rows_b)
        operands = {
            "a": (job.load_a, Mux(job.transpose_a, job.k, job.m), self.row_beats_a),
            "b": (job.load_b, rows_b, self.row_beats_b),
        }
        for side, (load, rows, beats) in operands.items():
            put(
                side, self.accepted & load, matrix(p), height=rows, width=beats,
                address=job[f"address_{side}"][low:],
            )  # fmt: skip
        silent = Const(0, 1) if p.epilogue == "none" else job.silent
        put("y", self.accepted, target(p), address=job.address_y[low:], silent=silent)
        if p.epilogue != "full":
            return
        bias = wire(m, self.accepted & job.bias, "bias")
        put(
            "c", bias | (self.accepted & job.accumulate) | second, matrix(p),
            height=Mux(bias, bias_length(p, job), job.m), width=Mux(bias, 1, job.n),
            address=Mux(bias, job.address_bias, job.address_c)[low:],
        )  # fmt: skip
