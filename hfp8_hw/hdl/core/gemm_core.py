"""The core without its control port: jobs and operands in, results out, as streams."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...parameters import CoreParameters
from ..numbers.raw import wire
from .array import ISSUE_CUTS, Array
from .drain import drain_cuts
from .elements import element_cuts
from .intake import Intake
from .loader import Loader
from .records import JOB, accepted, beat, result_beat
from .results import Results
from .scratchpad import Scratchpad
from .sequencer import Sequencer

EVENTS = data.StructLayout(
    {
        "accepted": 1,
        "refused": 1,
        "error": 4,
        "done": 1,
        "sent": 1,
        "misplaced_a": 1,
        "misplaced_b": 1,
        "busy": 1,
        "stall_in": 1,
        "stall_out": 1,
        "idle": 1,
    }
)
"""What happens in a clock: a job is taken in, refused (with ``error``), its last products are
issued (``done``), its last results taken (``sent``); ``last`` of an input stream is misplaced;
``busy``: a job has all its operands and is at work; of these clocks, ``stall_out``: it has to wait
for results to leave; ``stall_in``: jobs wait for operands and none is at work; ``idle``: no job is
there, and no result."""


def issue_to_result(p: CoreParameters) -> int:
    """Clocks from the issue of a tile's last products to its first results' entry in the queue."""
    return len(ISSUE_CUTS) + 1 + len(element_cuts(p)) + 1 + len(drain_cuts(p))


class GemmCore(wiring.Component):
    """Multiplies matrices, job after job.

    Golden function: `hfp8_hw.golden.gemm_job`.

    Operands come as they are stored, row by row, each row from a new beat on; ``a_layout.long``
    and ``b_layout.long`` codes a beat. Results leave by groups of ``rows`` rows of C, in each
    column by column, in each ``drains`` rows a beat; ``keep`` says which of them there are.

    Members
    -------
    job : stream of jobs
    a, b : streams of operands
    y : stream of results
    events : `EVENTS`
    step_rows, step_cols, step_mask
        What is issued in this clock: so many rows and columns of C, and in which lanes.
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        super().__init__(
            {
                "job": In(stream.Signature(JOB)),
                "a": In(stream.Signature(beat(p, "a"))),
                "b": In(stream.Signature(beat(p, "b"))),
                "y": Out(stream.Signature(result_beat(p))),
                "events": Out(EVENTS),
                "step_rows": Out(p.rows.bit_length()),
                "step_cols": Out(p.cols.bit_length()),
                "step_mask": Out(p.lanes),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        m.submodules.intake = intake = Intake(p)
        m.submodules.sequencer = sequencer = Sequencer(p)
        m.submodules.array = array = Array(p)
        m.submodules.results = results = Results(p, issue_to_result(p))
        loaders, pads = {}, {}
        for side in ("a", "b"):
            loaders[side] = m.submodules[f"load_{side}"] = Loader(p, side)
            pads[side] = m.submodules[f"pad_{side}"] = Scratchpad(p, side)
            wiring.connect(m, wiring.flipped(getattr(self, side)), loaders[side].i)
        wiring.connect(m, wiring.flipped(self.job), intake.i)
        wiring.connect(m, results.o, wiring.flipped(self.y))
        waiting = self._load(m, intake, sequencer, loaders)

        for side, pad in pads.items():
            loader = loaders[side]
            m.d.comb += [
                pad.write.eq(loader.write), pad.address.eq(loader.address),
                pad.row.eq(loader.row), pad.turn.eq(loader.turn), pad.data.eq(loader.data),
                pad.read.eq(getattr(sequencer, f"read_{side}")),
                getattr(array, side).eq(pad.codes),
            ]  # fmt: skip
        m.d.comb += [
            array.valid.eq(sequencer.valid),
            array.i.eq(sequencer.o),
            sequencer.room.eq(results.room),
            results.reserve.eq(sequencer.tile_end),
            results.push.eq(array.o_valid),
            results.beat.eq(array.o),
            results.skipped.eq(array.skipped),
        ]
        y: Any = self.y
        events: Any = self.events
        sent = wire(m, y.valid & y.ready & y.payload.last, "job_sent")
        unsent = Signal(16, name="jobs_unsent", attrs={"stage": "events"})
        m.d.sync += unsent.eq(unsent + sequencer.done - sent)
        m.d.comb += [
            events.accepted.eq(intake.o.valid & intake.o.ready),
            events.refused.eq(intake.refused),
            events.error.eq(intake.error),
            events.done.eq(sequencer.done),
            events.sent.eq(sent),
            events.misplaced_a.eq(loaders["a"].misplaced),
            events.misplaced_b.eq(loaders["b"].misplaced),
            events.busy.eq(sequencer.active),
            events.stall_out.eq(sequencer.held),
            events.stall_in.eq(~sequencer.active & waiting),
            events.idle.eq(
                ~self.job.valid & ~intake.busy & ~waiting & ~sequencer.active & (unsent == 0)
            ),
            self.step_rows.eq(sequencer.o.tile.rows),
            self.step_cols.eq(sequencer.cols),
            self.step_mask.eq(Mux(sequencer.valid, sequencer.o.mask, 0)),
        ]
        return m

    def _load(self, m: Module, intake: Intake, sequencer: Sequencer, loaders: Any) -> Any:
        """One job's operands on their way, and one job ready for the sequencer; whether there is
        any of these."""
        p = self.parameters
        layout = accepted(p)
        offered: Any = intake.o
        coming, ready = (
            Signal(layout, name=f"{name}_job", reset_less=True, attrs={"stage": name})
            for name in ("coming", "ready")
        )
        is_coming, is_ready = (
            Signal(name=f"{name}_there", attrs={"stage": name}) for name in ("coming", "ready")
        )
        started = Signal(2, name="coming_started", attrs={"stage": "coming"})
        to: Any = sequencer.i
        m.d.comb += [to.valid.eq(is_ready), to.payload.eq(ready)]
        leaves = wire(m, is_ready & to.ready, "ready_leaves")
        finished = []
        page_bits = (p.pages - 1).bit_length()
        for k, (side, loader) in enumerate(loaders.items()):
            job = coming.job
            page = job[f"page_{side}"][:page_bits]
            # A page that a job ahead reads, or will, is not written.
            free = ~(sequencer.active & (getattr(sequencer, f"page_{side}") == page))
            free &= ~(is_ready & (ready.job[f"page_{side}"][:page_bits] == page))
            wanted = job[f"load_{side}"]
            start = wire(m, is_coming & ~started[k] & wanted & free, f"start_{side}")
            rows = (
                (job.transpose_a, job.m, job.k) if side == "a" else (job.transpose_b, job.k, job.n)
            )
            m.d.comb += [
                loader.start.eq(start),
                loader.rows.eq(Mux(rows[0], rows[2], rows[1])),
                loader.row_words.eq(coming[side].row_words),
                loader.page.eq(page),
            ]
            with m.If(start):
                m.d.sync += started[k].eq(1)
            finished.append(~wanted | (started[k] & ~loader.busy))
        moves = wire(
            m, is_coming & finished[0] & finished[1] & (~is_ready | leaves), "coming_moves"
        )
        m.d.comb += offered.ready.eq(~is_coming | moves)
        with m.If(leaves):
            m.d.sync += is_ready.eq(0)
        with m.If(moves):
            m.d.sync += [ready.eq(coming), is_ready.eq(1), is_coming.eq(0), started.eq(0)]
        with m.If(offered.valid & offered.ready):
            m.d.sync += [coming.eq(offered.payload), is_coming.eq(1)]
        return is_coming | is_ready
