"""The cycle model of the core against the generated core's clocks and counters."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from hfp8_hw import ParameterError
from hfp8_hw.hdl.core import gemm_core, results
from hfp8_hw.jobs import GemmJob, JobError
from hfp8_hw.parameters import CoreParameters, core_cycles
from hfp8_hw.parameters.core_cycles import issue_to_result, queue_depth, sequence_cycles
from rtl_gen.package import generate
from verif.core.compiled import native
from verif.core.compiled.native_run import NativeRan, run_natively
from verif.core.configurations import CHUNK_CORES, CORES, EPILOGUE_CORES, WIDE_CORES
from verif.core.kinds.mixture import mixture
from verif.core.program import Program, counters

from .conftest import later

SMALL = CORES[0]
GEOMETRIES = [
    SMALL,
    later({"rows": 4, "cols": 2, "lanes": 1, "drains": 1, "stages": 2}),
    later({"rows": 1, "cols": 2, "lanes": 4, "acc": "E5M2", "pages": 4}),
    later({"rows": 2, "cols": 4, "lanes": 2, "drains": 1, "stages": 3, "pages": 8}),
    later({"rows": 6, "cols": 3, "lanes": 1, "drains": 2}),
    later({"rows": 2, "cols": 4, "lanes": 2, "a_beat": 16, "b_beat": 8}),
]

_SCRATCHPADS = {"a_size": 4096, "b_size": 4096, "bias_size": 512, "epilogue": "full"}
LONG_ADDENDS = [
    later({"rows": 4, "cols": 2, "lanes": 4, "drains": 2, **_SCRATCHPADS}),
    later({"rows": 2, "cols": 4, "lanes": 1, "drains": 1, "semantics": "chunked", "chunk": 8,
           **_SCRATCHPADS}),
]  # fmt: skip


@cache
def compiled(**given: Any) -> tuple[CoreParameters, native.Model]:
    p = CoreParameters(**given)
    return p, native.model(generate(p))


def random_jobs(p: CoreParameters, rng: np.random.Generator, count: int, most: int) -> Program:
    """Jobs of all kinds, of which some take an operand that a page already has."""
    program = Program(p)
    held: dict[tuple[str, int], tuple[int, int]] = {}
    while len(program.tasks) < count:
        size = [int(n) for n in rng.integers(1, most, 3)]
        ways: dict[str, Any] = {}
        for side in "ab":
            ways[f"transpose_{side}"] = bool(rng.integers(2))
            ways[f"page_{side}"] = int(rng.integers(p.pages))
        job = GemmJob(*size, **ways)
        for side in "ab":
            if held.get((side, ways[f"page_{side}"])) == getattr(job, f"{side}_shape"):
                ways[f"load_{side}"] = bool(rng.integers(2))
        job = GemmJob(*size, **ways)
        if p.refusal(job) is JobError.NONE:
            held |= {(s, ways[f"page_{s}"]): getattr(job, f"{s}_shape") for s in "ab"}
            program.random(rng, job)
    return program


def check(p: CoreParameters, program: Program, found: NativeRan) -> None:
    """Every clock is what the model says."""
    jobs = [task.job for task in program.tasks]
    # A start is acknowledged a clock after it is written.
    times = sequence_cycles(p, jobs, [int(n) - 1 for n in found.started])
    sent = [t.finished for t, job in zip(times, jobs, strict=True) if not job.silent]
    assert sent == found.finished.tolist()
    counts = counters(found.registers)
    assert counts["BUSY"] == sum(t.done - t.begun for t in times)
    assert counts["MACS"] == sum(job.m * job.n * job.k for job in jobs)


def ran(model: native.Model, program: Program) -> NativeRan:
    found = run_natively(model, program)
    assert found.error is None
    return found


@pytest.mark.parametrize("given", GEOMETRIES)
def test_every_clock_of_random_sequences(given: dict[str, Any]) -> None:
    """Equal, not only near: when each job's last result comes, and how many clocks are busy."""
    p, model = compiled(**given)
    rng = np.random.default_rng(6)
    for _ in range(60):
        count, most = int(rng.choice([1, 2, 5, 12])), int(rng.choice([4, 12, 40]))
        program = random_jobs(p, rng, count, most)
        found = ran(model, program)
        check(p, program, found)
        counts = counters(found.registers)
        jobs = [task.job for task in program.tasks]
        steps = [core_cycles(p, job).tiles * -(-job.k // p.lanes) for job in jobs]
        assert counts["STALL_OUT"] == counts["BUSY"] - sum(steps)


@pytest.mark.parametrize("given", [*map(later, [*EPILOGUE_CORES, *CHUNK_CORES, *WIDE_CORES])])
def test_every_clock_of_all_options(given: dict[str, Any]) -> None:
    """Biases, what C held before, results that are kept and then read; sums in chunks."""
    p, model = compiled(**given)
    rng = np.random.default_rng(8)
    for _ in range(6):
        program = mixture(p, rng)
        check(p, program, ran(model, program))


@pytest.mark.parametrize("given", LONG_ADDENDS)
def test_what_is_added_comes_no_sooner_than_its_queue_has_room(given: dict[str, Any]) -> None:
    """A long C is read ahead by two tiles and no further, so what comes behind it on the same
    stream is late: a bias of the next job, long or short, or its C."""
    p, model = compiled(**given)
    rng = np.random.default_rng(9)
    program = Program(p)
    for number in range(24):
        size = int(rng.integers(20, 60)), int(rng.integers(20, 60)), int(rng.integers(1, 40))
        if number % 3 == 2:
            size = 2, min(int(rng.integers(100, 400)), p.bias_size), 2
        job = GemmJob(*size, bias=number % 3 > 0, accumulate=number % 3 < 2, page_a=number & 1,
                      page_b=number & 1)  # fmt: skip
        if p.refusal(job) is JobError.NONE:
            program.random(rng, job)
    assert len(program.tasks) > 16
    check(p, program, ran(model, program))


@pytest.mark.parametrize("given", GEOMETRIES)
def test_one_job_alone_and_among_others_like_it(given: dict[str, Any]) -> None:
    p, model = compiled(**given)
    rng = np.random.default_rng(7)
    for size in ((5, 9, 31), (16, 3, 8), (3, 16, 2), (12, 12, 12), (1, 1, 40)):
        job = GemmJob(*size)
        cycles = core_cycles(p, job)
        one = Program(p)
        one.random(rng, job)
        found = ran(model, one)
        assert int(found.finished[0] - (found.started[0] - 1)) == cycles.alone
        assert counters(found.registers)["BUSY"] == cycles.busy
        assert len(found.frames[0].codes) == cycles.results
        many = Program(p)
        for k in range(16):
            many.random(rng, GemmJob(*size, page_a=k % 2, page_b=k % 2))
        finished = ran(model, many).finished
        assert int(finished[-1] - finished[7]) == 8 * cycles.steady
        assert cycles.utilisation == cycles.macs / (cycles.steady * p.macs) <= 1


def test_by_hand() -> None:
    """Tiles of 16 clocks, whose results leave in 8: the 32 products of 4 x 8 sums in 8 lanes."""
    p = CoreParameters(rows=4, cols=8, lanes=8, a_size=65536, b_size=65536)
    found = core_cycles(p, GemmJob(64, 64, 128))
    assert (found.macs, found.tiles, found.load) == (64 * 64 * 128, 16 * 8, 64 * 16)
    assert found.busy == found.steady == 128 * 16 and found.utilisation == 1
    assert found.results == 16 * 64
    # Beats of 8 codes bring 16 x 512 of them in 1024 clocks, beats of 16 in 512, and 2 clocks from
    # one operand to the next.
    assert core_cycles(p, GemmJob(16, 16, 512)).steady == 1026
    wide = core_cycles(replace(p, a_beat=16, b_beat=16), GemmJob(16, 16, 512))
    assert (wide.load, wide.busy, wide.steady) == (512, 512, 514)
    # Sums of 8 products are done before the results of the tile ahead have left.
    assert core_cycles(p, GemmJob(8, 8, 8)).busy == 1 + 8


def test_the_way_out_is_that_of_the_hardware() -> None:
    for given in (*CORES, {}, {"stages": 2, "lanes": 1}, {"stages": 3, "lanes": 8, "rows": 8}):
        p = CoreParameters(**given)
        assert issue_to_result(p) == gemm_core.issue_to_result(p)
        for latency in range(0, 300, 7):
            assert queue_depth(p, latency) == results.queue_depth(p, latency)


def test_a_job_that_is_refused_has_no_clocks() -> None:
    with pytest.raises(ParameterError, match=r"GemmJob\(m=0, n=1, k=1\) is .*: m, n or k is 0"):
        core_cycles(CoreParameters(), GemmJob(0, 1, 1))


def test_chunked_jobs_wait_for_their_round() -> None:
    """As long as the docstring of `CoreCycles` says, at whatever clock they are started."""
    rng = np.random.default_rng(11)
    for interleave in (2, 3, 5, 8):
        p = CoreParameters(
            **{**_SCRATCHPADS, "rows": 2, "cols": 2, "lanes": 1}, semantics="chunked", chunk=8,
            interleave=interleave,
        )  # fmt: skip
        off = set()
        for _ in range(40):
            size = [int(n) for n in rng.integers(1, 20, 3)]
            job = GemmJob(*size, bias=bool(rng.integers(2)), accumulate=bool(rng.integers(2)))
            said = core_cycles(p, job)
            for start in range(interleave):
                (times,) = sequence_cycles(p, [job], [start])
                off.add(times.finished - start - said.alone)
                assert abs(times.done - times.begun - said.busy) <= interleave
        assert -interleave < min(off) < 0 < max(off) < interleave


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: core_cycles(CoreParameters(), None),  # type: ignore[arg-type]
         "job=None is not allowed: a GemmJob"),
        (lambda: core_cycles(CoreParameters, _JOB),  # type: ignore[arg-type]
         "is not allowed: CoreParameters(...)"),
        (lambda: core_cycles(CoreParameters(ports="memory"), _JOB),
         "ports='memory' is not allowed: the model does not know how long memory takes"),
        (lambda: sequence_cycles(CoreParameters(), _JOB),  # type: ignore[arg-type]
         "is not allowed: a sequence of GemmJob"),
        (lambda: sequence_cycles(CoreParameters(), [_JOB, 3]),  # type: ignore[list-item]
         "jobs[1]=3 is not allowed: a GemmJob"),
        (lambda: sequence_cycles(CoreParameters(), [_JOB, _JOB], [1]),
         "starts=[1] is not allowed: a sequence of 2 clocks, one for each job"),
        (lambda: sequence_cycles(CoreParameters(), [_JOB], 3),  # type: ignore[arg-type]
         "starts=3 is not allowed"),
        (lambda: sequence_cycles(CoreParameters(), [_JOB], [-1]),
         "starts[0]=-1 is not allowed: an integer from 0"),
        (lambda: sequence_cycles(CoreParameters(), [_JOB], [1.5]),  # type: ignore[list-item]
         "starts[0]=1.5 is not allowed: an integer from 0"),
        (lambda: sequence_cycles(CoreParameters(), [_JOB, _JOB], [100, 5]),
         "starts[1]=5 is not allowed: an integer from 100"),
    ],
)  # fmt: skip
def test_what_has_no_clocks(call: Any, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        call()
    assert said in str(caught.value)


_JOB = GemmJob(2, 2, 2)
