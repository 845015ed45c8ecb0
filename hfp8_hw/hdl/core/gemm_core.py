"""The core without its control port: jobs and operands in, results out, as streams."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...parameters import CoreParameters
from ..numbers.raw import any_of, wire
from ..numbers.shape import Amaranth
from .array import Array, issue_cuts
from .drain import drain_cuts
from .elements import element_cuts, operand_cuts
from .epilogue.path import Epilogue, epilogue_latency
from .intake import Intake
from .loader import Loader
from .records import SIZE_BITS, accepted, addend_beat, beat, job_record, result_beat, summary
from .results import Results
from .scratchpad import Scratchpad
from .sequencer import Sequencer

EVENTS = data.StructLayout(
    {
        "accepted": 1,
        "refused": 1,
        "error": 5,
        "done": 1,
        "sent": 1,
        "misplaced_a": 1,
        "misplaced_b": 1,
        "misplaced_c": 1,
        "busy": 1,
        "stall_in": 1,
        "stall_out": 1,
        "idle": 1,
    }
)
"""What happens in a clock: a job is found allowed, refused (with ``error``), its last products are
issued (``done``), its last results taken (``sent``); ``last`` of an input stream is misplaced;
``busy``: a job has all its operands and is at work; of these clocks, ``stall_out``: it has to wait
for results to leave; ``stall_in``: jobs wait for operands and none is at work, or that one waits
for its bias or for what C held before; ``idle``: no job is
there, and no result."""


def issue_to_result(p: CoreParameters) -> int:
    """Clocks from the issue of a tile's last products to its first results' entry in the queue."""
    summed = len(issue_cuts(p)) + len(operand_cuts(p)) + len(element_cuts(p)) + 1
    return summed + len(drain_cuts(p)) + epilogue_latency(p)


class GemmCore(wiring.Component):
    """Multiplies matrices, job after job.

    Golden function: `hfp8_hw.golden.gemm_job`.

    Operands come as they are stored, row by row, each row from a new beat on; ``a_layout.beat``
    and ``b_layout.beat`` codes a beat. Results leave by groups of ``rows`` rows of C, in each
    column by column, in each ``drains`` rows a beat; ``keep`` says which of them there are.

    Members
    -------
    job : stream of jobs
    a, b : streams of operands
    c : stream of biases and of what C held before; with ``epilogue=full``
    y : stream of results
    events : `EVENTS`
    step_rows, step_cols, step_mask
        What is issued in this clock: so many rows and columns of C, and in which lanes.
    summary : `summary`, under ``events.sent``; with an epilogue
    row_beats_a, row_beats_b
        Beats of a stored row, under ``events.accepted``.
    map_rows
        Stored rows of a convolution's map, likewise.
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = p = parameters
        super().__init__(
            {
                "job": In(stream.Signature(job_record(p))),
                "a": In(stream.Signature(beat(p, "a"))),
                "b": In(stream.Signature(beat(p, "b"))),
                "y": Out(stream.Signature(result_beat(p))),
                "events": Out(EVENTS),
                "step_rows": Out(p.rows.bit_length()),
                "step_cols": Out(p.cols.bit_length()),
                "step_mask": Out(p.lanes),
                "row_beats_a": Out(SIZE_BITS),
                "row_beats_b": Out(SIZE_BITS),
                "map_rows": Out(SIZE_BITS),
                **({} if p.epilogue == "none" else {"summary": Out(summary(p))}),
                **({"c": In(stream.Signature(addend_beat(p)))} if p.epilogue == "full" else {}),
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
        epilogue = None
        if p.epilogue != "none":
            m.submodules.epilogue = epilogue = Epilogue(p, issue_to_result(p))
        waiting, there = self._load(m, intake, sequencer, loaders, epilogue)

        for side, pad in pads.items():
            loader = loaders[side]
            write: Amaranth = Const(0, 1)
            kept: Any = None
            if epilogue is not None and p.keeps and side == "a":
                write, kept = epilogue.write, epilogue.kept
            m.d.comb += [
                loader.hold.eq(write),
                pad.write.eq(loader.write | write),
                pad.groups.eq((1 << len(pad.groups)) - 1),
                pad.words.eq((1 << len(pad.words)) - 1),
                pad.read.eq(getattr(sequencer, f"read_{side}")),
                getattr(array, side).eq(pad.codes),
            ]
            for name in ("address", "row", "turn", "data"):
                m.d.comb += getattr(pad, name).eq(getattr(loader, name))
            if kept is not None:
                with m.If(write):
                    for name in kept.shape().members:
                        m.d.comb += getattr(pad, name).eq(kept[name])
        m.d.comb += [
            array.valid.eq(sequencer.valid),
            array.i.eq(sequencer.o),
            results.reserve.eq(sequencer.tile_end),
        ]
        lacking, misplaced = self._finish(m, sequencer, array, results, epilogue, there)
        events: Any = self.events
        # Counted a clock later: whether a job is done is known late in its clock.
        unsent = Signal(16, name="jobs_unsent", attrs={"stage": "events"})
        ended = Signal(name="jobs_ended", attrs={"stage": "events"})
        sent = Signal(name="jobs_sent", attrs={"stage": "events"})
        m.d.sync += [
            ended.eq(sequencer.done),
            sent.eq(results.sent),
            unsent.eq(unsent + ended - sent),
        ]
        m.d.comb += [
            events.accepted.eq(intake.accepted),
            events.refused.eq(intake.refused),
            events.error.eq(intake.error),
            events.done.eq(sequencer.done),
            events.sent.eq(results.sent),
            events.misplaced_a.eq(loaders["a"].misplaced),
            events.misplaced_b.eq(loaders["b"].misplaced),
            events.misplaced_c.eq(misplaced),
            events.busy.eq(sequencer.active),
            events.stall_out.eq(sequencer.held & ~lacking),
            events.stall_in.eq((~sequencer.active & waiting) | (sequencer.held & lacking)),
            events.idle.eq(
                ~(self.job.valid | intake.busy | waiting | sequencer.active | ended) & (unsent == 0)
            ),
            self.row_beats_a.eq(intake.o.payload.a.row_words >> _halvings(p.a_layout.parts)),
            self.row_beats_b.eq(intake.o.payload.b.row_words >> _halvings(p.b_layout.parts)),
            self.map_rows.eq(intake.o.payload.plan.rows if p.convolution == "yes" else 0),
            self.step_rows.eq(sequencer.o.tile.rows),
            self.step_cols.eq(sequencer.cols),
            self.step_mask.eq(Mux(sequencer.valid, sequencer.o.mask, 0)),
        ]
        return m

    def _finish(
        self,
        m: Module,
        sequencer: Sequencer,
        array: Array,
        results: Results,
        epilogue: Epilogue | None,
        there: Amaranth,
    ) -> tuple[Amaranth, Amaranth]:
        """The way from the array to the results; whether there is a lack of what is added on it,
        and whether that comes with a misplaced end."""
        p = self.parameters
        if epilogue is None:
            m.d.comb += [
                sequencer.room.eq(results.room),
                results.push.eq(array.o_valid),
                results.beat.beat.eq(array.o),
                results.skipped.eq(array.skipped),
            ]
            return Const(0, 1), Const(0, 1)
        m.d.comb += [
            epilogue.there.eq(there),
            epilogue.take.eq(sequencer.i.valid & sequencer.i.ready),
            epilogue.job.eq(sequencer.i.payload),
            epilogue.valid.eq(array.o_valid),
            epilogue.i.eq(array.o),
            results.push.eq(epilogue.o_valid),
            results.beat.eq(epilogue.o),
            results.skipped.eq(array.skipped + epilogue.skipped),
            self.summary.eq(results.summary),
        ]
        if p.epilogue != "full":
            m.d.comb += sequencer.room.eq(results.room)
            return Const(0, 1), Const(0, 1)
        wiring.connect(m, wiring.flipped(self.c), epilogue.c)
        m.d.comb += [
            epilogue.claim.eq(sequencer.tile_end),
            epilogue.done.eq(sequencer.done),
            sequencer.room.eq(results.room & epilogue.room),
        ]
        return wire(m, results.room & ~epilogue.room, "addends_lacking"), epilogue.misplaced

    def _load(
        self,
        m: Module,
        intake: Intake,
        sequencer: Sequencer,
        loaders: Any,
        epilogue: Epilogue | None,
    ) -> tuple[Amaranth, Amaranth]:
        """One job's operands on their way, and one job ready for the sequencer; whether there is
        any of these, and the latter."""
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
        blocked: Amaranth = Const(0, 1)
        pending: Amaranth = Const(0, p.pages)
        if epilogue is not None and p.keeps:
            # Pages that results of jobs ahead are to be written to.
            pending = epilogue.pending
            own = ready.job
            blocked = (~own.load_a & _marked(pending, own.page_a)) | (
                own.store & _marked(pending, own.page_y)
            )
            blocked = wire(m, blocked, "ready_blocked")
        m.d.comb += [to.valid.eq(is_ready & ~blocked), to.payload.eq(ready)]
        leaves = wire(m, to.valid & to.ready, "ready_leaves")
        finished = []
        page_bits = (p.pages - 1).bit_length()
        for k, (side, loader) in enumerate(loaders.items()):
            job = coming.job
            page = job[f"page_{side}"][:page_bits]
            # A page that a job ahead reads, or will, is not written.
            free = ~(sequencer.active & (getattr(sequencer, f"page_{side}") == page))
            free &= ~(is_ready & (ready.job[f"page_{side}"][:page_bits] == page))
            if epilogue is not None and p.keeps and side == "a":
                free &= ~_marked(pending, page)
                free &= ~(is_ready & ready.job.store & (ready.job.page_y[:page_bits] == page))
            wanted = job[f"load_{side}"]
            start = wire(m, is_coming & ~started[k] & wanted & free, f"start_{side}")
            rows = (
                (job.transpose_a, job.m, job.k) if side == "a" else (job.transpose_b, job.k, job.n)
            )
            stored = Mux(rows[0], rows[2], rows[1])
            if side == "b" and p.convolution == "yes":
                stored = Mux(job.convolve, coming.plan.rows, stored)
            m.d.comb += [
                loader.start.eq(start),
                loader.rows.eq(stored),
                loader.row_words.eq(coming[side].row_words),
                loader.page.eq(page),
            ]
            with m.If(start):
                m.d.sync += started[k].eq(1)
            finished.append(~wanted | (started[k] & ~loader.busy))
        # Not in the clock in which the job ahead leaves: that is the last thing known in a clock.
        moves = wire(m, is_coming & finished[0] & finished[1] & ~is_ready, "coming_moves")
        m.d.comb += offered.ready.eq(~is_coming | moves)
        with m.If(leaves):
            m.d.sync += is_ready.eq(0)
        with m.If(moves):
            m.d.sync += [ready.eq(coming), is_ready.eq(1), is_coming.eq(0), started.eq(0)]
        with m.If(offered.valid & offered.ready):
            m.d.sync += [coming.eq(offered.payload), is_coming.eq(1)]
        return is_coming | is_ready, is_ready


def _halvings(power: int) -> int:
    """Of a power of two, until 1."""
    return (power - 1).bit_length()


def _marked(pages: Amaranth, page: Amaranth) -> Amaranth:
    """Whether the bit of a page is set."""
    return any_of(*(pages[k] & (page == k) for k in range(len(pages))))
