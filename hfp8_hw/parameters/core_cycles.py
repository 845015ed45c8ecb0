"""How many clocks the core takes: exact integers, for planning, without a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ParameterError
from ..jobs import GemmJob, JobError
from .core import CoreParameters
from .layout import Layout

QUEUE_CLOCKS = 2
"""From the write of a start to the job's arrival at the queue's other end."""
RESULT_CLOCKS = 1
"""From a result's entry into the queue of results to the output stream."""
READ_CLOCKS, ROUND_CLOCKS = 2, 6
"""Of the scratchpads, and of the rounders."""


@dataclass(frozen=True)
class CoreCycles:
    """What a job takes, with input streams that always have a beat and an output that is always
    taken.

    Members
    -------
    macs : int
        Products: m n k.
    tiles : int
        Tiles of C.
    load : int
        Beats of the operand that takes longer to load; both come at the same time, a beat a clock.
    busy : int
        Clocks of the register BUSY, for the job alone: its tiles, each of ``k / lanes`` clocks, but
        at least the ``slots`` in which the results of the tile ahead leave.
    results : int
        Beats of C.
    alone : int
        From the clock of the write to START to that of the last result, with nothing else to do.
    steady : int
        Clocks from the end of one to the end of the next where many such jobs follow each other,
        each with its operands in the other pages: while one computes, the next one's are loaded.
    utilisation : float
        Of the array, then: ``macs`` to what it could do in ``steady`` clocks.
    """

    macs: int
    tiles: int
    load: int
    busy: int
    results: int
    alone: int
    steady: int
    utilisation: float


@dataclass(frozen=True)
class JobTimes:
    """When a job of a sequence does what, in clocks.

    Members
    -------
    accepted : int
        Its operands may be loaded from the next clock on.
    loaded : int
        It has them, and the job ahead no longer waits for the array.
    begun : int
        It is given to the array, whose first products are those of the next clock.
    done : int
        Its last products are read.
    finished : int
        Its last result is taken.
    """

    accepted: int
    loaded: int
    begun: int
    done: int
    finished: int


def core_cycles(p: CoreParameters, job: GemmJob) -> CoreCycles:
    """The clocks of one job, alone and among others like it.

    Raises
    ------
    ParameterError
        For a job that the core refuses.
    """
    only = sequence_cycles(p, [job], [0])[0]
    tiles = _tiles(p, job)
    loads = [_beats(p, side, job) for side in ("a", "b") if getattr(job, f"load_{side}")]
    load = max(loads, default=0)
    every = tiles * _tile(p, job)
    steady = max(every, load + 2 if loads else 1, _intake(p, job) + 3)
    macs = job.m * job.n * job.k
    rows, rest = divmod(job.m, p.rows)
    beats = job.n * (rows * (p.rows // p.drains) + -(-rest // p.drains))
    return CoreCycles(
        macs=macs,
        tiles=tiles,
        load=load,
        busy=only.done - only.begun,
        results=beats,
        alone=only.finished,
        steady=steady,
        utilisation=macs / (steady * p.macs),
    )


def sequence_cycles(
    p: CoreParameters, jobs: Sequence[GemmJob], starts: Sequence[int] | None = None
) -> list[JobTimes]:
    """The clocks of jobs one after another, on a core that had nothing to do.

    Parameters
    ----------
    jobs : sequence of GemmJob
    starts : sequence of int, optional
        For each job the clock of its write to START; by default clock 0, as if the queue held
        them all.

    Raises
    ------
    ParameterError
        For a job that the core refuses.
    """
    found: list[JobTimes] = []
    tile_end = -p.slots
    for k, job in enumerate(jobs):
        error = p.refusal(job)
        if error is not JobError.NONE:
            raise ParameterError(f"job={job!r} is not allowed: the core refuses it ({error.name})")
        ahead = found[-1] if found else JobTimes(*[-QUEUE_CLOCKS - 1] * 5)
        taken = max((starts[k] if starts else 0) + QUEUE_CLOCKS, ahead.accepted + 1)
        accepted = max(taken + 2 + _intake(p, job), ahead.loaded)
        ready = accepted + 1
        for side in ("a", "b"):
            if getattr(job, f"load_{side}"):
                # Not into a page that a job ahead has yet to read.
                page = getattr(job, f"page_{side}")
                reads = [t.done for t, other in zip(found, jobs, strict=False)
                         if getattr(other, f"page_{side}") == page]  # fmt: skip
                start = max([accepted, *reads[-1:]]) + 1
                ready = max(ready, start + _beats(p, side, job) + 1)
        loaded = max(ready, ahead.begun)
        begun = max(loaded + 1, ahead.done)
        first = max(begun + -(-job.k // p.lanes), tile_end + p.slots)
        done = first + (_tiles(p, job) - 1) * _tile(p, job)
        tile_end = done
        found.append(JobTimes(accepted, loaded, begun, done, done + _way_out(p, job)))
    return found


def _tiles(p: CoreParameters, job: GemmJob) -> int:
    return -(-job.m // p.rows) * -(-job.n // p.cols)


def _tile(p: CoreParameters, job: GemmJob) -> int:
    """From the end of a tile to that of the next."""
    return max(-(-job.k // p.lanes), p.slots)


def _shape(p: CoreParameters, side: str, job: GemmJob) -> tuple[Layout, tuple[int, int]]:
    return (p.a_layout, job.a_shape) if side == "a" else (p.b_layout, job.b_shape)


def _beats(p: CoreParameters, side: str, job: GemmJob) -> int:
    """Beats of a stored operand."""
    layout, (rows, columns) = _shape(p, side, job)
    return rows * layout.row_words(columns)


def _intake(p: CoreParameters, job: GemmJob) -> int:
    """Clocks in which a job's operands are measured: the words of a row, then the rows of
    squares."""
    found = []
    for side in ("a", "b"):
        layout, (rows, columns) = _shape(p, side, job)
        found.append(layout.row_words(columns) + -(-rows // layout.short))
    return max(found)


def _way_out(p: CoreParameters, job: GemmJob) -> int:
    """From the clock of a job's last products to that of its last result's transfer."""
    rows = (job.m - 1) % p.rows + 1
    cols = (job.n - 1) % p.cols + 1
    place = (cols - 1) * (p.rows // p.drains) + -(-rows // p.drains) - 1
    return issue_to_result(p) + place + RESULT_CLOCKS


def issue_to_result(p: CoreParameters) -> int:
    """Clocks from a tile's last products to its first results' entry into the queue of results."""
    adders = (p.lanes - 1).bit_length()
    summed = READ_CLOCKS + 1 + (p.stages - 2) + adders + 1
    return summed + 1 + ROUND_CLOCKS
