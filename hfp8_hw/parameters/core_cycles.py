"""How many clocks the core takes: exact integers, for planning, without a simulation."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from ..errors import ParameterError, check_int, shown
from ..fixed import PIPELINED_CLOCKS
from ..jobs import REASONS, GemmJob, JobError, check_job
from .core import CoreParameters

QUEUE_CLOCKS = 2
"""From the write of a start to the job's arrival at the queue's other end."""
RESULT_CLOCKS = 3
"""From a result's entry into the queue of results to the output stream."""
READ_CLOCKS, ADD_CLOCKS, QUANTIZE_CLOCKS = 3, 19, 4
"""Of the scratchpads from an address on, the adders of C and bias, the quantizers."""
BIAS_CLOCKS = 1 + ADD_CLOCKS // 2 + QUANTIZE_CLOCKS
"""From the read of a bias to the queue of results."""


_LATEST = 2**63 - 1
"""The latest clock of a start."""
_MANY = 12
"""Jobs after which nothing is left of the start."""


@dataclass(frozen=True)
class CoreCycles:
    """What a job takes, with input streams that always have a beat and an output that is always
    taken.

    With ``semantics=chunked`` a round of ``interleave`` sums begins at every ``interleave``-th
    clock after reset. A job that is started at another clock takes up to ``interleave`` clocks more
    or fewer than this says; `sequence_cycles` gives them exactly, if it is told the clock.

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
        each with its operands in the other page, 0 or 1: while one computes, the next one's are
        loaded. A job that keeps its results has the pages that it says. The host's writes to
        registers take no time here: short jobs take as long as their writes.
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
        For a job that the core refuses, for a convolution, and for a core with ``ports=memory``:
        the model does not know how long memory takes.
    """
    check_job(job)
    only = sequence_cycles(p, [job], [0])[0]
    tiles = _tiles(p, job)
    loads = [_beats(p, side, job) for side in ("a", "b") if getattr(job, f"load_{side}")]
    load = max(loads, default=0)
    many = [job] * _MANY
    if not job.store:
        many = [replace(job, page_a=k % 2, page_b=k % 2) for k in range(_MANY)]
    # The first ones have the start to themselves.
    *_, before, _, last = sequence_cycles(p, many)
    steady = -(-(last.finished - before.finished) // 2)
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
        For each job the clock of its write to START, none ahead of the one before; by default
        clock 0, as if the queue held them all.

    Raises
    ------
    ParameterError
        As `core_cycles`, and for starts that are not one for each job.
    """
    if not isinstance(p, CoreParameters):
        raise ParameterError(f"p={shown(p)} is not allowed: CoreParameters(...)")
    if p.ports == "memory":
        raise ParameterError(
            f"ports={p.ports!r} is not allowed: the model does not know how long memory takes"
        )
    if not isinstance(jobs, Sequence):
        raise ParameterError(f"jobs={shown(jobs)} is not allowed: a sequence of GemmJob")
    core = _Core(p)
    clocks = [0] * len(jobs) if starts is None else _checked_starts(starts, len(jobs))
    for k, (job, start) in enumerate(zip(jobs, clocks, strict=True)):
        core.add(check_job(job, f"jobs[{k}]"), start)
    return core.times


def _checked_starts(starts: object, count: int) -> list[int]:
    """Clocks of so many jobs, none ahead of the one before."""
    if not isinstance(starts, Sequence) or len(starts) != count:
        raise ParameterError(
            f"starts={shown(starts)} is not allowed: a sequence of {count} clocks, one for each job"
        )
    clocks: list[int] = []
    for k, start in enumerate(starts):
        clocks.append(check_int(f"starts[{k}]", start, clocks[-1] if clocks else 0, _LATEST))
    return clocks


@dataclass
class _Core:
    """What jobs leave behind for those that follow.

    Members
    -------
    tile_end : int
        The clock of the last products of the last tile.
    addends_end : int
        That of the last beat of biases and of what C held before.
    before : _Before
        What C held before, on its way.
    biases : list
        For each job with a bias, when its last results get it.
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
    before: _Before = field(init=False)
    biases: list[int] = field(default_factory=list)
    read: dict[tuple[str, int], int] = field(default_factory=dict)
    kept: dict[int, int] = field(default_factory=dict)
    writes: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before = _Before(self.p)

    def add(self, job: GemmJob, start: int) -> None:
        """The next job."""
        p = self.p
        error = p.refusal(job)
        if error is not JobError.NONE:
            raise ParameterError(
                f"job={shown(job)} is not allowed: the core refuses it: {REASONS[error]}"
            )
        if job.convolve:
            raise ParameterError(
                f"job={shown(job)} is not allowed: the model has no clocks of convolutions"
            )
        ahead = self.times[-1] if self.times else JobTimes(*[-QUEUE_CLOCKS - 1] * 5)
        taken = max(start + QUEUE_CLOCKS, ahead.accepted + 1)
        accepted = max(taken + 3 + _intake(p, job), ahead.loaded)
        ready = [accepted + 1, *(self._load(side, job, accepted) for side in ("a", "b"))]
        loaded = max(*ready, ahead.begun + 1)
        begun = max(loaded + 1, ahead.done)
        if not job.load_a:
            begun = max(begun, self.kept.get(job.page_a, begun))
        if job.store:
            begun = max(begun, self.kept.get(job.page_y, begun))
        # A job is taken in the last clock of a round.
        begun = _whole(p, begun + 1) - 1
        ends = self._tile_ends(job, begun, loaded)
        self.tile_end = ends[-1]
        done = self.tile_end + p.turns - 1
        pushed = self.tile_end + issue_to_result(p) + _place(p, job)
        self.times.append(JobTimes(accepted, loaded, begun, done, pushed + RESULT_CLOCKS))
        self.read["a", job.page_a] = self.read["b", job.page_b] = done
        if job.bias:
            self.biases.append(pushed - BIAS_CLOCKS)
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

    def _tile_ends(self, job: GemmJob, begun: int, loaded: int) -> list[int]:
        """For each tile the clock in which its last products are begun; only for the last, if no
        other is asked for."""
        p = self.p
        first, every = _tile(p, job)
        end = max(begun + 1 + first, _whole(p, self.tile_end + p.slots)) + every - _apart(p, job)
        tiles = _tiles(p, job)
        added = job.bias or job.accumulate
        if not added and not job.store:
            return [end + (tiles - 1) * every]
        beat = self._bias_end(job, loaded)
        found: list[int] = []
        for rows, cols in _tile_shapes(p, job):
            end = found[-1] + every if found else end
            if job.accumulate:
                beat = self.before.there(beat, rows, cols)
            if added:
                end = max(end, _whole(p, beat + 1))
            if job.accumulate:
                self.before.taken(end, rows, cols)
            found.append(end)
        if added:
            self.addends_end = beat
        return found

    def _bias_end(self, job: GemmJob, loaded: int) -> int:
        """When the last beat of a job's bias comes; without one, the clock before its first
        addend."""
        beat = max(loaded + 1, self.addends_end + 1)
        if job.bias:
            # Two biases are held, each until the last results of its job have it.
            beat = max([beat, *self.biases[-2:-1]]) + -(-job.n // self.p.drains)
        return beat


class _Before:
    """The queue of what C held before: beats come in while there is room, and go with the array's
    results."""

    def __init__(self, p: CoreParameters) -> None:
        self.p = p
        self.latency = issue_to_result(p) - (ADD_CLOCKS + QUANTIZE_CLOCKS)
        self.depth = queue_depth(p, self.latency)
        self.beats = 0
        self.tiles: deque[tuple[int, int, int]] = deque()
        """Of the last tiles: the first beat, beats a column, and when that first one goes."""

    def there(self, clock: int, rows: int, cols: int) -> int:
        """When the last beat of the next tile comes, if the one ahead of its first came in this
        clock."""
        beats = cols * -(-rows // self.p.drains)
        # Beats go at most one a clock, so that the last one waits the longest.
        return max(clock + beats, self._gone(self.beats + beats - 1 - self.depth) + 1)

    def taken(self, end: int, rows: int, cols: int) -> None:
        """That tile's last products are begun in this clock."""
        groups = -(-rows // self.p.drains)
        self.tiles.append((self.beats, groups, end + self.latency))
        self.beats += cols * groups
        while len(self.tiles) > 1 and self.tiles[1][0] <= self.beats - self.depth:
            self.tiles.popleft()

    def _gone(self, beat: int) -> int:
        """When a beat goes."""
        if beat < 0:
            return -1
        first, groups, clock = next(tile for tile in reversed(self.tiles) if tile[0] <= beat)
        column, group = divmod(beat - first, groups)
        return clock + column * (self.p.rows // self.p.drains) + group


def _tiles(p: CoreParameters, job: GemmJob) -> int:
    return -(-job.m // p.rows) * -(-job.n // p.tile_cols)


def _whole(p: CoreParameters, clock: int) -> int:
    """The first clock from this one on in which a round of turns can begin."""
    return -(-clock // p.turns) * p.turns


def _apart(p: CoreParameters, job: GemmJob) -> int:
    """From the end of a tile to that of the first chunk of the next, at the least."""
    steps = -(-job.k // p.lanes)
    first = min(steps, p.chunk_steps) if p.in_chunks else steps
    return max(first * p.turns, _whole(p, p.slots))


def _tile(p: CoreParameters, job: GemmJob) -> tuple[int, int]:
    """Clocks of the first chunk's products, its last ones aside; and from the end of a tile to that
    of the next."""
    steps = -(-job.k // p.lanes)
    full = p.chunk_steps if p.in_chunks else steps
    first, every = min(steps, full), _apart(p, job)
    if steps > full:
        wait = _whole(p, p.chunk_interval)
        chunks, last = divmod(steps - 1, full)
        every += (chunks - 1) * max(full * p.turns, wait) + max((last + 1) * p.turns, wait)
    return (first - 1) * p.turns, every


def _tile_shapes(p: CoreParameters, job: GemmJob) -> list[tuple[int, int]]:
    """Rows and columns of C in each tile."""
    rows = [min(p.rows, job.m - i) for i in range(0, job.m, p.rows)]
    cols = [min(p.tile_cols, job.n - j) for j in range(0, job.n, p.tile_cols)]
    return list(product(rows, cols))


def _beats(p: CoreParameters, side: str, job: GemmJob) -> int:
    """Beats of a stored operand."""
    layout, shape = (p.a_layout, job.a_shape) if side == "a" else (p.b_layout, job.b_shape)
    return shape[0] * layout.row_beats(shape[1])


def _intake(p: CoreParameters, job: GemmJob) -> int:
    """Clocks in which a job's matrices are measured: the beats of a row, then the rows of
    squares. With convolutions B waits a clock, for its rows to be known."""
    planned = int(p.convolution == "yes")
    shapes = [(p.a_layout, job.a_shape, 0), (p.b_layout, job.b_shape, planned)]
    if job.store:
        shapes.append((p.a_layout, (job.n, job.m), 0))
    return max(
        layout.row_beats(columns) + -(-rows // layout.short) + wait
        for layout, (rows, columns), wait in shapes
    )


def _place(p: CoreParameters, job: GemmJob) -> int:
    """Beats of the last tile ahead of its last one."""
    rows = (job.m - 1) % p.rows + 1
    cols = (job.n - 1) % p.tile_cols + 1
    return (cols - 1) * (p.rows // p.drains) + -(-rows // p.drains) - 1


def queue_depth(p: CoreParameters, latency: int) -> int:
    """Beats of a queue that holds those of two tiles, and what is under way meanwhile."""
    return (1 << (2 * p.slots + latency + 1).bit_length()) + 1


def issue_to_result(p: CoreParameters) -> int:
    """Clocks from a tile's last products to its first results' entry into the queue of results."""
    if p.element.is_exact:
        summed = (p.stages - 2) + (p.lanes - 1).bit_length() + 1 + PIPELINED_CLOCKS
    else:
        summed = p.turns + 3
    summed += p.total_registers + 2 if p.in_chunks else 0
    summed += p.align != "dsp"  # with DSP blocks `stages` counts it
    epilogue = 0 if p.epilogue == "none" else QUANTIZE_CLOCKS
    epilogue += ADD_CLOCKS if p.epilogue == "full" else 0
    return p.address_clocks + READ_CLOCKS + 2 + summed + epilogue
