"""Takes jobs in: refuses what is not allowed, and counts out how large the operands are."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...jobs import JobError
from ...parameters import CoreParameters
from ...parameters.layout import Layout
from ..numbers.raw import is_const, wire
from ..numbers.shape import Amaranth
from .convolution.plan import Plan
from .records import SIZE_BITS, accepted, bias_length, job_record


class Intake(wiring.Component):
    """One job at a time; a job takes as many clocks as a row of it has beats, and it has rows of
    squares.

    Members
    -------
    i : stream of jobs
    o : stream of `accepted` jobs
    accepted : 1 bit
        ``o`` begins to offer a job in the next clock; it has its payload already.
    refused : 1 bit, for one clock
    error : code of `JobError` under ``refused``
    busy : 1 bit, a job is being looked at
    """

    def __init__(self, parameters: CoreParameters) -> None:
        self.parameters = parameters
        super().__init__(
            {
                "i": In(stream.Signature(job_record(parameters))),
                "o": Out(stream.Signature(accepted(parameters))),
                "accepted": Out(1),
                "refused": Out(1),
                "error": Out(5),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        p = self.parameters
        job: Any = Signal(
            job_record(p), name="intake_job", reset_less=True, attrs={"stage": "intake"}
        )
        busy, offered = (
            Signal(name=f"intake_{name}", attrs={"stage": "intake"}) for name in ("busy", "offered")
        )
        i: Any = self.i
        take = wire(m, i.valid & ~busy, "intake_take")
        m.d.comb += [i.ready.eq(~busy), self.busy.eq(busy)]
        with m.If(take):
            m.d.sync += [job.eq(i.payload), busy.eq(1)]

        new = i.payload
        counts = {}
        operands = [
            ("a", p.a_layout, new.transpose_a, new.m, new.k),
            ("b", p.b_layout, new.transpose_b, new.k, new.n),
        ]
        if p.keeps:
            # C is stored the other way round, or not at all.
            stored = [Mux(new.store, size, 0)[:SIZE_BITS] for size in (new.m, new.n)]
            operands.append(("y", p.a_layout, Const(1, 1), *stored))
        plan = self._plan(m, job, take) if p.convolution == "yes" else None
        for side, layout, transposed, height, width in operands:
            rows = Mux(transposed, width, height)
            columns = Mux(transposed, height, width)
            start, hold = take, Const(0, 1)
            if plan is not None and side == "b":
                rows = Mux(job.convolve, plan.o.rows, Mux(job.transpose_b, job.n, job.k))
                columns = Mux(job.convolve, job.map_channels, Mux(job.transpose_b, job.k, job.n))
                start, hold = self._planned(m, job, busy, take, plan)
            counts[side] = _Count(m, layout, start, busy, rows, columns, f"intake_{side}", hold)

        early, late = self._checks(job, counts)
        # What needs no counting is found in the first clock of a job, and known from the second on.
        checked = Signal(name="intake_checked", attrs={"stage": "intake"})
        m.d.sync += checked.eq(busy & ~offered)
        early = [(code, self._found(m, code, wrong)) for code, wrong in early]
        planned: Amaranth = Const(1, 1)
        if plan is not None:
            late.insert(0, (JobError.SHAPE, job.convolve & plan.wrong))
            planned = ~job.convolve | plan.done | counts["b"].large | plan.wrong
            m.d.comb += [
                plan.sized.eq(counts["b"].done),
                plan.row_words.eq(counts["b"].row_words),
            ]
        error: Amaranth = Const(JobError.NONE, 5)
        for code, wrong in reversed(early + late):
            error = Mux(wrong, int(code), error)
        error = wire(m, error, "intake_error")
        # No operand's size is known before all are; a fault that needs none may come first.
        at_once = wire(m, Cat(*(wrong for _, wrong in early)).any(), "intake_early")
        counted = wire(
            m, Cat(*(one.done for one in counts.values()), planned).all(), "intake_counted"
        )
        looking = wire(m, busy & ~offered & checked, "intake_looking")
        good = wire(m, looking & counted & (error == 0), "intake_good")
        m.d.comb += [
            self.error.eq(error),
            self.accepted.eq(good),
            self.refused.eq(looking & (at_once | (counted & (error != 0)))),
        ]
        o: Any = self.o
        with m.If(good):
            m.d.sync += offered.eq(1)
        with m.If(self.refused | (offered & o.ready)):
            m.d.sync += [busy.eq(0), offered.eq(0)]
        m.d.comb += [o.valid.eq(offered), o.payload.job.eq(job)]
        for side in counts:
            m.d.comb += [
                o.payload[side].row_words.eq(counts[side].row_words),
                o.payload[side].group_words.eq(counts[side].group_words),
            ]
        if plan is not None:
            m.d.comb += o.payload.plan.eq(plan.o)
        return m

    def _found(self, m: Module, code: JobError, wrong: Amaranth) -> Amaranth:
        """A fault a clock later."""
        if is_const(wrong):
            return wrong
        found = Signal(
            name=f"intake_{code.name.lower()}", reset_less=True, attrs={"stage": "intake"}
        )
        m.d.sync += found.eq(wrong)
        return found

    def _plan(self, m: Module, job: Any, take: Amaranth) -> Any:
        """What is found out about a convolution."""
        plan = Plan(self.parameters)
        m.submodules.plan = plan
        m.d.comb += [plan.start.eq(take), plan.job.eq(job)]
        return plan

    def _planned(
        self, m: Module, job: Any, busy: Amaranth, take: Amaranth, plan: Any
    ) -> tuple[Amaranth, Amaranth]:
        """(B's size begins to be counted, it is not known before that)."""
        waiting = Signal(name="intake_waiting", attrs={"stage": "intake"})
        start = wire(m, busy & waiting & (~job.convolve | plan.rows_known), "intake_start_b")
        with m.If(take):
            m.d.sync += waiting.eq(1)
        with m.Elif(start):
            m.d.sync += waiting.eq(0)
        return start, waiting

    def _checks(
        self, job: Any, counts: dict[str, _Count]
    ) -> tuple[list[tuple[JobError, Amaranth]], list[tuple[JobError, Amaranth]]]:
        """(what is wrong with a job at first sight, with the sizes of its operands), in the order
        of `CoreParameters.refusal`."""
        p = self.parameters
        sides = {"a": p.a_formats, "b": p.b_formats}
        if p.epilogue != "none":
            sides["y"] = p.y_formats
        modes = [job[f"mode_{side}"] for side, formats in sides.items() if len(formats) == 1]
        pages = [job[f"page_{side}"] >> (p.pages - 1).bit_length() for side in sides]
        early: list[tuple[JobError, Amaranth]] = [
            (JobError.EMPTY, (job.m == 0) | (job.n == 0) | (job.k == 0)),
            (JobError.LONG, Const(0, 1) if p.in_chunks else job.k > p.terms),
            (JobError.MODE, Cat(*modes).any() if modes else Const(0, 1)),
            (JobError.PAGE, Cat(*pages).any()),
        ]
        shape: list[tuple[JobError, Amaranth]] = []
        if p.convolution == "yes":
            sizes = (job.height, job.width, job.channels, job.kernel_height, job.kernel_width,
                     job.stride, job.dilation)  # fmt: skip
            outside = job.first_channel + job.channels > job.map_channels
            empty = Cat(*(size == 0 for size in sizes)).any()
            shape.append((JobError.SHAPE, job.convolve & (empty | outside | ~job.transpose_b)))
        else:
            early.append((JobError.CONVOLUTION, job.convolve))
        late: list[tuple[JobError, Amaranth]] = [
            (JobError.LARGE_A, counts["a"].large),
            (JobError.LARGE_B, counts["b"].large),
        ]
        if p.epilogue == "none":
            early.append((JobError.EPILOGUE, job.asks))
            return early + shape, late
        if p.epilogue == "full":
            early.append((JobError.BIAS, job.bias & (bias_length(p, job) > p.bias_size)))
        else:
            early.append((JobError.EPILOGUE, job.bias | job.accumulate))
        kept = job.quantize & (job.page_y != job.page_a) if p.keeps else Const(0, 1)
        early.append((JobError.STORE, job.store & ~kept))
        early += shape
        if p.keeps:
            late.append((JobError.LARGE_Y, counts["y"].large))
        return early, late


class _Count:
    """Counts, without a divider or a multiplier, how many words a stored matrix has.

    Members
    -------
    done : 1 bit
    large : 1 bit, it does not fit a page
        Both known a clock after they are found.
    row_words, group_words
        As in `records.sizes`.
    """

    def __init__(
        self,
        m: Module,
        layout: Layout,
        start: Amaranth,
        busy: Amaranth,
        rows: Amaranth,
        columns: Amaranth,
        name: str,
        hold: Amaranth,
    ) -> None:
        def register(label: str, shape: Any) -> Amaranth:
            return Signal(shape, name=f"{name}_{label}", attrs={"stage": "intake"})

        left = {
            "rows": register("rows_left", signed(SIZE_BITS + 2)),
            "columns": register("columns_left", signed(SIZE_BITS + 2)),
        }
        bits = layout.words.bit_length()
        self.row_words = register("row_words", bits)
        self.group_words = register("group_words", (layout.words * layout.groups).bit_length())
        words = register("words", bits + 1)
        # What is left counts down to 0 or below.
        more_columns = wire(m, left["columns"] > 0, f"{name}_more_columns")
        more_rows = wire(m, left["rows"] > 0, f"{name}_more_rows")
        wide = wire(m, self.row_words == layout.words, f"{name}_full_row")
        too_wide = wire(m, more_columns & wide, f"{name}_too_wide")
        too_large = wire(m, words > layout.words, f"{name}_too_large")
        large = wire(m, (too_wide | too_large) & ~hold, f"{name}_too_much")
        self.large, self.done = register("large", 1), register("done", 1)
        counted = large | ~(more_columns | more_rows)
        m.d.sync += [self.large.eq(large), self.done.eq(counted & ~hold)]
        with m.If(start):
            m.d.sync += [
                self.large.eq(0),
                self.done.eq(0),
                left["rows"].eq(rows),
                left["columns"].eq(columns),
                self.row_words.eq(0),
                self.group_words.eq(0),
                words.eq(0),
            ]
        with m.Elif(busy & ~large):
            with m.If(more_columns):
                m.d.sync += [
                    left["columns"].eq(left["columns"] - layout.beat),
                    self.row_words.eq(self.row_words + layout.parts),
                    self.group_words.eq(self.group_words + layout.groups * layout.parts),
                ]
            with m.Elif(more_rows):
                m.d.sync += [
                    left["rows"].eq(left["rows"] - layout.short),
                    words.eq(words + self.row_words),
                ]
