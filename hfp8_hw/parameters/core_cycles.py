"""How many clocks the core takes: exact integers, for planning, without a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from ..errors import ParameterError
from ..jobs import GemmJob, JobError
from .core import CoreParameters

QUEUE_CLOCKS = 2
"""From the write of a start to the job's arrival at the queue's other end."""
RESULT_CLOCKS = 1
"""From a result's entry into the queue of results to the output stream."""
READ_CLOCKS, ROUND_CLOCKS, ADD_CLOCKS, QUANTIZE_CLOCKS = 2, 6, 19, 4
"""Of the scratchpads, the rounders, the adders of C and bias, the quantizers."""


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
        at least the ``slots`` in which the results of the tile ahead leave; and its wait for a
        bias or for what C held before.
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
    core = _Core(p)
    for k, job in enumerate(jobs):
        core.add(job, starts[k] if starts else 0)
    return core.times


@dataclass
class _Core:
    """What jobs leave behind for those that follow.

    Members
    -------
    tile_end : int
        The clock of the last products of the last tile.
    addends_end : int
        That of the last beat of biases and of what C held before.
    read : dict
        By side and page, when its last reader is done.
    kept : dict
        By page, when the last results to be kept in it are there.
    writes : list of (clock, clocks)
        When results go to A's scratchpad, where no operand can come in then.
    """

    p: CoreParameters
    times: list[JobTimes] = field(default_factory=list)
    tile_end: int = -(1 << 16)
    addends_end: int = -1
    read: dict[tuple[str, int], int] = field(default_factory=dict)
    kept: dict[int, int] = field(default_factory=dict)
    writes: list[tuple[int, int]] = field(default_factory=list)

    def add(self, job: GemmJob, start: int) -> None:
        """The next job."""
        p = self.p
        error = p.refusal(job)
        if error is not JobError.NONE:
            raise ParameterError(f"job={job!r} is not allowed: the core refuses it ({error.name})")
        ahead = self.times[-1] if self.times else JobTimes(*[-QUEUE_CLOCKS - 1] * 5)
        taken = max(start + QUEUE_CLOCKS, ahead.accepted + 1)
        accepted = max(taken + 2 + _intake(p, job), ahead.loaded)
        ready = [accepted + 1, *(self._load(side, job, accepted) for side in ("a", "b"))]
        loaded = max(*ready, ahead.begun)
        begun = max(loaded + 1, ahead.done)
        if not job.load_a:
            begun = max(begun, self.kept.get(job.page_a, begun))
        if job.store:
            begun = max(begun, self.kept.get(job.page_y, begun))
        ends = self._tile_ends(job, begun, self._addends(job, loaded))
        done = self.tile_end = ends[-1]
        pushed = done + issue_to_result(p) + _place(p, job)
        self.times.append(JobTimes(accepted, loaded, begun, done, pushed + RESULT_CLOCKS))
        self.read["a", job.page_a] = self.read["b", job.page_b] = done
        if job.store:
            self.kept[job.page_y] = pushed + 1
            self.writes = [one for one in self.writes if sum(one) > loaded]
            self.writes += [(end + issue_to_result(p), cols) for end, (_, cols) in
                            zip(ends, _tile_shapes(p, job), strict=True)]  # fmt: skip

    def _load(self, side: str, job: GemmJob, accepted: int) -> int:
        """When an operand is there, if it is to be loaded."""
        if not getattr(job, f"load_{side}"):
            return 0
        # Not into a page that a job ahead has yet to read, or to write.
        page = getattr(job, f"page_{side}")
        start = max(accepted, self.read.get((side, page), 0)) + 1
        if side == "a":
            start = max(start, self.kept.get(page, 0))
        left, now = _beats(self.p, side, job), start + 1
        for first, clocks in self.writes if side == "a" else []:
            if first + clocks <= now:
                continue
            if first - now >= left:
                break
            left -= max(0, first - now)
            now = first + clocks
        return now + left

    def _addends(self, job: GemmJob, loaded: int) -> list[int] | None:
        """For each tile, when what is added to it is there; None: nothing is added."""
        if not (job.bias or job.accumulate):
            return None
        p = self.p
        beat = max(loaded + 1, self.addends_end + 1)
        beat += -(-job.n // p.drains) if job.bias else 0
        found = []
        for rows, cols in _tile_shapes(p, job):
            beat += cols * -(-rows // p.drains) if job.accumulate else 0
            found.append(beat + 1)
        self.addends_end = beat
        return found

    def _tile_ends(self, job: GemmJob, begun: int, there: list[int] | None) -> list[int]:
        """The clock of each tile's last products; only that of the last, if no other is asked
        for."""
        p = self.p
        end = max(begun + -(-job.k // p.lanes), self.tile_end + p.slots)
        tiles, every = _tiles(p, job), _tile(p, job)
        if there is None and not job.store:
            return [end + (tiles - 1) * every]
        found: list[int] = []
        for k in range(tiles):
            end = found[-1] + every if found else end
            found.append(end if there is None else max(end, there[k]))
        return found


def _tiles(p: CoreParameters, job: GemmJob) -> int:
    return -(-job.m // p.rows) * -(-job.n // p.cols)


def _tile(p: CoreParameters, job: GemmJob) -> int:
    """From the end of a tile to that of the next."""
    return max(-(-job.k // p.lanes), p.slots)


def _tile_shapes(p: CoreParameters, job: GemmJob) -> list[tuple[int, int]]:
    """Rows and columns of C in each tile."""
    rows = [min(p.rows, job.m - i) for i in range(0, job.m, p.rows)]
    cols = [min(p.cols, job.n - j) for j in range(0, job.n, p.cols)]
    return list(product(rows, cols))


def _beats(p: CoreParameters, side: str, job: GemmJob) -> int:
    """Beats of a stored operand."""
    layout, shape = (p.a_layout, job.a_shape) if side == "a" else (p.b_layout, job.b_shape)
    return shape[0] * layout.row_words(shape[1])


def _intake(p: CoreParameters, job: GemmJob) -> int:
    """Clocks in which a job's matrices are measured: the words of a row, then the rows of squares,
    up to where they no longer fit a page."""
    shapes = [(p.a_layout, job.a_shape), (p.b_layout, job.b_shape)]
    if p.keeps:
        shapes.append((p.a_layout, (job.n, job.m)))
    found = []
    for layout, (rows, columns) in shapes:
        words = layout.row_words(columns)
        squares = min(-(-rows // layout.short), layout.words // words + 1)
        found.append(layout.words if words > layout.words else words + squares)
    return max(found)


def _place(p: CoreParameters, job: GemmJob) -> int:
    """Beats of the last tile ahead of its last one."""
    rows = (job.m - 1) % p.rows + 1
    cols = (job.n - 1) % p.cols + 1
    return (cols - 1) * (p.rows // p.drains) + -(-rows // p.drains) - 1


def issue_to_result(p: CoreParameters) -> int:
    """Clocks from a tile's last products to its first results' entry into the queue of results."""
    adders = (p.lanes - 1).bit_length()
    summed = READ_CLOCKS + 1 + (p.stages - 2) + adders + 1
    epilogue = 0 if p.epilogue == "none" else QUANTIZE_CLOCKS
    epilogue += ADD_CLOCKS if p.epilogue == "full" else 0
    return summed + 1 + ROUND_CLOCKS + epilogue
