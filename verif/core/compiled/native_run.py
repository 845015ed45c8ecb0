"""A program on a compiled core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.jobs import GemmJob
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.parameters.core_cycles import sequence_cycles
from hfp8_hw.registers import job_words

from ..program import (
    Frame,
    Program,
    Ran,
    counters,
    frames,
    interrupting,
    patience,
    reads,
    result_bytes,
)  # fmt: skip
from ..tiling import result_beats
from .native import Model


@dataclass
class NativeRan(Ran):
    """What came of a program, and when.

    Members
    -------
    started, finished : ndarray of int64
        In which clock after the reset each job's start was acknowledged, and the last result of
        each that was not refused was taken.
    clocks : int
        Of the whole run, until its registers were read.
    """

    started: NDArray[np.int64]
    finished: NDArray[np.int64]
    clocks: int


def run_natively(
    model: Model, program: Program, seed: int = 0, progress: Callable[[int], None] | None = None
) -> NativeRan:
    """Run a program from a reset on; ``progress`` is told how many more jobs are done.

    Raises
    ------
    KeyboardInterrupt
        In between, as anywhere; the model can be used again.
    """
    p = program.parameters
    streams: dict[str, list[NDArray[np.uint8]]] = {}
    writes: list[tuple[str, int]] = []
    held: dict[str, int] = {}
    words = interrupting(program, [job_words(task.job) for task in program.tasks])
    for task, job in zip(program.tasks, words, strict=True):
        for name, value in job.items():
            if name == "START" or held.get(name) != value:
                writes.append((name, value))
            held[name] = value
        for side, contents in frames(p, task).items():
            stream = streams.setdefault(f"s_axis_{side}", [])
            stream += [np.frombuffer(content, np.uint8) for content in contents]
    lengths = [result_beats(p, job.m, job.n) for job in program.sent()]
    names = reads(p)
    # Results are as far apart as sums are long.
    longest = max((job.k for job in program.sent()), default=0)
    quiet = patience(p) + 4 * p.turns * longest + p.slots
    # Nothing comes of jobs that keep theirs, for as long as these are at work.
    quiet += 2 * p.turns * sum(steps(p, t.job) for t in program.tasks if t.job.silent)
    taken = model.run(
        writes, streams, names, sum(lengths), len(lengths), stall=program.stall, seed=seed,
        reset_at=program.reset_at, patience=quiet, progress=progress,
    )  # fmt: skip
    found: list[Frame] = []
    if taken.error is None:
        ends = [0, *(np.flatnonzero(taken.last) + 1)]
        found = [_frame(p, *(part[first:end] for part in (taken.data, taken.keep, taken.user)))
                 for first, end in pairwise(ends)]  # fmt: skip
    registers = dict(zip(names, taken.values.tolist(), strict=True)) | {"irq": taken.irq}
    return NativeRan(
        found, registers, taken.error, taken.started, taken.finished, taken.clocks,
    )  # fmt: skip


def other_clocks(program: Program, ran: NativeRan) -> str | None:
    """How the clocks of a run differ from those of `hfp8_hw.parameters.core_cycles`, in words; None
    if they do not, or are not known: with pauses, a reset, a job that is refused, convolutions."""
    jobs = [task.job for task in program.tasks]
    if (
        program.stall
        or program.reset_at is not None
        or program.refusals()
        or any(job.convolve for job in jobs)
    ):
        return None
    # A start is acknowledged a clock after it is written.
    times = sequence_cycles(program.parameters, jobs, [int(n) - 1 for n in ran.started])
    due = [t.finished for t, job in zip(times, jobs, strict=True) if not job.silent]
    for number, (came, clock) in enumerate(zip(ran.finished.tolist(), due, strict=True)):
        if came != clock:
            return f"result {number} ended in clock {came}, due {clock}"
    due_counts = {"BUSY": sum(t.done - t.begun for t in times)}
    if not any(job.bias or job.accumulate or job.store for job in jobs):
        # A job waits from its acceptance on, but not while the one ahead is at work.
        ends = [-1, *(t.done for t in times)]
        due_counts["STALL_IN"] = sum(
            t.begun - max(t.accepted, end) for t, end in zip(times, ends, strict=False)
        )
    if program.parameters.turns == 1 and not any(job.bias or job.accumulate for job in jobs):
        going = sum(steps(program.parameters, job) for job in jobs)
        due_counts["STALL_OUT"] = due_counts["BUSY"] - going
    found = counters(ran.registers)
    for name, value in due_counts.items():
        if found[name] != value:
            return f"the counter {name} is {found[name]}, due {value}"
    return None


def steps(p: CoreParameters, job: GemmJob) -> int:
    """Clocks of a job that never waits: a block of products in each."""
    return -(-job.m // p.rows) * -(-job.n // p.tile_cols) * -(-job.k // p.lanes)


def _frame(p: CoreParameters, data: Any, keep: Any, user: Any) -> Frame:
    """A frame from the bytes of its beats."""
    size = result_bytes(p)
    there, flags = (np.unpackbits(bits, axis=1, bitorder="little") for bits in (keep, user))
    codes = np.ascontiguousarray(data).view(f"<u{size}")
    there = there[:, : p.drains * size].reshape(-1, p.drains, size)
    flags = flags[:, : p.drains * 4].reshape(-1, p.drains, 4)
    return Frame(codes, there.min(axis=2) != 0, flags @ (1 << np.arange(4)))
