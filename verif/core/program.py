"""Jobs with operands: what goes into the core's streams, and what is to come out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hfp8_hw import golden
from hfp8_hw.errors import ParameterError
from hfp8_hw.formats import FloatFormat
from hfp8_hw.jobs import GemmJob, JobError
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.parameters.layout import Layout
from hfp8_hw.registers import COUNTERS, fixed_words, job_words, registers_of

from ..errors import SimulationError

Codes = NDArray[np.uint32]


@dataclass(frozen=True)
class Task:
    """A job and the operands that it loads, as they are stored; None where it loads none.

    ``bias`` and ``c``, what C held before, likewise.
    """

    job: GemmJob
    a: Codes | None = None
    b: Codes | None = None
    bias: Codes | None = None
    c: Codes | None = None


class Result(NamedTuple):
    """What a job that is not refused gives: see `hfp8_hw.golden.gemm_job`."""

    job: GemmJob
    codes: Codes
    flags: NDArray[np.uint8]
    amax: int
    special: bool


@dataclass
class Program:
    """Jobs for a core, one after another from a reset on.

    Members
    -------
    parameters : CoreParameters
    tasks : list of Task
    stall : float
        Probability that a port waits in a clock, each for itself.
    burst : int
        If not 0, wait until the core is at rest, start so many jobs, at most 4, and only then let
        operands come: so that the jobs follow each other as fast as they can.
    reset_at : int or None
        Reset the core so many clocks after the first job, then start the jobs again.
    interrupts : int
        What is written to INTERRUPT_ENABLE ahead of the jobs.
    """

    parameters: CoreParameters
    tasks: list[Task] = field(default_factory=list)
    stall: float = 0.0
    burst: int = 0
    reset_at: int | None = None
    interrupts: int = 0

    def random(self, rng: np.random.Generator, job: GemmJob) -> None:
        """Add a job with random operands; one that is refused has none."""
        good = self.parameters.refusal(job) is JobError.NONE
        p = self.parameters
        acc = p.acc_format
        wanted = {
            "a": (job.load_a, p.a_formats[0], job.a_shape),
            "b": (job.load_b, p.b_formats[0], job.b_shape),
            "bias": (job.bias, acc, (job.biases,)),
            "c": (job.accumulate, acc, (job.m, job.n)),
        }
        loaded: dict[str, Any] = {
            name: _codes(rng, fmt, shape)
            for name, (given, fmt, shape) in wanted.items()
            if good and given
        }
        extreme = int(rng.integers(12))
        for side, formats in (("a", p.a_formats), ("b", p.b_formats)):
            if side in loaded and extreme < 2:
                loaded[side] = _extreme(loaded[side], formats[0], large=bool(extreme))
        if {"a", "b"} <= set(loaded) and (job.bias or job.accumulate):
            self._oppose(rng, job, loaded)
        self.tasks.append(Task(job, **loaded))

    def _oppose(self, rng: np.random.Generator, job: GemmJob, loaded: dict[str, Any]) -> None:
        """Make many of the addends nearly the opposite of what they are added to: most of random
        ones are so much larger, or smaller, that nothing is left to an adder."""
        p = self.parameters
        acc, how = p.acc_format, p.element
        plain = replace(job, **{name: type(getattr(job, name))() for name in job.asks})
        total = golden.gemm_job(plain, loaded["a"], loaded["b"], **how.golden_arguments)
        for name in ("c", "bias"):
            if name not in loaded:
                continue
            codes, beside = loaded[name], total
            if name == "bias":
                beside = rng.permuted(total if job.convolve else total.T, axis=1)[:, 0]
            near = (beside ^ acc.sign_mask) + rng.integers(-3, 4, codes.shape)
            near = np.where(rng.random(codes.shape) < 0.2, near ^ acc.sign_mask, near)
            near = near & ((1 << acc.width) - 1)
            loaded[name] = np.where(rng.random(codes.shape) < 0.5, near, codes).astype(np.uint32)
            if name == "c":
                total = golden.add(
                    total, loaded["c"], acc, rounding=how.rounding, overflow=how.overflow
                )

    def refusals(self) -> list[JobError]:
        """What is refused, in order."""
        found = [self.parameters.refusal(task.job) for task in self.tasks]
        return [error for error in found if error is not JobError.NONE]

    def sent(self) -> list[GemmJob]:
        """The jobs that put their results on the output stream."""
        jobs = [task.job for task in self.tasks]
        return [j for j in jobs if self.parameters.refusal(j) is JobError.NONE and not j.silent]

    def results(self) -> list[Result]:
        """Of every job that is not refused."""
        p = self.parameters
        pages: dict[tuple[str, int], Codes] = {}
        found, drawn = [], 0
        for task in self.tasks:
            job = task.job
            if p.refusal(job) is not JobError.NONE:
                continue
            for side, given in (("a", task.a), ("b", task.b)):
                if given is not None:
                    pages[side, getattr(job, f"page_{side}")] = given
            a, b = pages["a", job.page_a], pages["b", job.page_b]
            more: dict[str, Any] = {"c": task.c, "bias": task.bias}
            if job.quantize and p.result_rounding.mode == "SR":
                more["rbits"], drawn = golden.gemm_rbits(
                    job, p.rows, p.drains, p.y_rounding, p.random_seed, drawn
                )
            done = golden.gemm_job(
                job, a, b, **p.golden_arguments, **more, flags=True, track=True
            )  # fmt: skip
            found.append(Result(job, *done))
            if job.store:
                pages["a", job.page_y] = done[0].T
        return found

    def expected(self) -> list[tuple[Codes, NDArray[np.uint8]]]:
        """(codes, flags) of C for every job that puts them on the output stream."""
        return [(one.codes, one.flags) for one in self.results() if not one.job.silent]


def _codes(rng: np.random.Generator, fmt: FloatFormat, shape: tuple[int, ...]) -> Codes:
    """Random codes, some more of them zeros, smallest and largest numbers than there are."""
    ends = np.array([0, fmt.min_code, 0, fmt.min_code, fmt.max_code, fmt.max_code - 1], np.uint32)
    signs = fmt.sign_mask * rng.integers(0, 2, shape, np.uint32)
    codes = rng.integers(0, 1 << fmt.width, shape, np.uint32)
    return np.where(rng.random(shape) < 0.2, rng.choice(ends, shape) | signs, codes)


def _extreme(codes: Codes, fmt: FloatFormat, large: bool) -> Codes:
    """Codes of the least or of the largest magnitudes: sums of these leave the range of ``acc``."""
    near = codes & (fmt.sign_mask >> 4) - 1 if fmt.width > 4 else codes & 1
    magnitude = fmt.sign_mask - 1 - near if large else near
    return np.asarray(codes & fmt.sign_mask | magnitude, np.uint32)


@dataclass(frozen=True)
class Frame:
    """A job's results as they came: (beats, ``drains``).

    Members
    -------
    codes, flags : ndarray
    keep : ndarray of bool
        Which of them there are.
    """

    codes: NDArray[Any]
    keep: NDArray[np.bool_]
    flags: NDArray[Any]


@dataclass
class Ran:
    """What came of a program: a frame for each job that sends one, the registers at its end,
    or what went wrong. The registers come with the output ``irq``."""

    frames: list[Frame]
    registers: dict[str, int]
    error: str | None


def patience(p: CoreParameters) -> int:
    """Clocks in which nothing moves after which a run is given up.

    A job's operands may be measured for as many clocks as the pages have words before it is
    refused.
    """
    return 4000 + p.a_layout.words + p.b_layout.words


def check_streams(p: CoreParameters) -> None:
    """Raise ParameterError unless a core's operands come as streams."""
    if p.ports != "streams":
        raise ParameterError(
            f"ports={p.ports!r} is not allowed here: streams, with the same results"
        )


def reads(p: CoreParameters) -> list[str]:
    """The registers that are read at a program's end, when the core is at rest: all but those of
    addresses."""
    found = [one.name for one in registers_of(p) if one.access != "wo" and not one.memory]
    # A read of a lower half keeps the upper one for the next.
    assert all(found.index(f"{name}_HIGH") == found.index(f"{name}_LOW") + 1 for name in COUNTERS)
    return found


def written(program: Program) -> dict[str, int]:
    """What the registers of a job hold at a program's end, and those that never change."""
    words = fixed_words(program.parameters)
    for task in program.tasks:
        words |= job_words(task.job)
    words.pop("START", None)
    return words


def check_irq(registers: dict[str, int]) -> str | None:
    """What is wrong with the output ``irq``, in words; None if nothing is."""
    due = registers["INTERRUPT_ENABLE"] & registers["INTERRUPT_PENDING"] != 0
    return None if registers["irq"] == due else f"irq is {registers['irq']}, due {int(due)}"


def interrupting(program: Program, words: list[dict[str, int]]) -> list[dict[str, int]]:
    """The words of a program's jobs, the first with the interrupts that it enables."""
    return [{"INTERRUPT_ENABLE": program.interrupts} | one for one in words[:1]] + words[1:]


def counters(registers: dict[str, int]) -> dict[str, int]:
    """The counters of 48 bits in the registers that were read."""
    return {name: registers[f"{name}_LOW"] | registers[f"{name}_HIGH"] << 32 for name in COUNTERS}


def result_bytes(p: CoreParameters) -> int:
    """Bytes of a result in the output stream."""
    return -(-p.acc_format.width // 8)


def beats(codes: Codes, layout: Layout, width: int) -> bytes:
    """A stored matrix as its stream has it: each row from a new beat on, and behind its end codes,
    most of them NaN, that must not count."""
    rows, columns = codes.shape
    shape = (rows, layout.row_beats(columns) * layout.beat)
    padded = np.full(shape, (1 << width) - 1, np.uint32)
    padded[:, :columns] = codes
    return padded.astype(f"<u{-(-width // 8)}").tobytes()


def frames(p: CoreParameters, task: Task) -> dict[str, list[bytes]]:
    """What a task puts on the input streams, by the last letter of their names."""
    found: dict[str, list[bytes]] = {}
    for side, codes, layout, formats in (
        ("a", task.a, p.a_layout, p.a_formats),
        ("b", task.b, p.b_layout, p.b_formats),
    ):
        found[side] = [] if codes is None else [beats(codes, layout, formats[0].width)]
    return found | {"c": addends(p, task)}


def addends(parameters: CoreParameters, task: Task) -> list[bytes]:
    """A bias and what C held before, each as a frame of their stream; where there is no code, there
    is one, most of them NaN, that must not count."""
    p = parameters
    width = p.acc_format.width
    frames = []
    for codes in (task.bias, task.c):
        if codes is None:
            continue
        if codes.ndim == 1:
            full = np.full(-(-len(codes) // p.drains) * p.drains, (1 << width) - 1, np.uint32)
            full[: len(codes)] = codes
        else:
            values, keep = in_order(p, codes)
            full = np.where(keep, values, (1 << width) - 1)
        frames.append(full.astype(f"<u{-(-width // 8)}").tobytes())
    return frames


def in_order(parameters: CoreParameters, c: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """(results, which of them there are), beat by beat, of a matrix or of its flags."""
    p = parameters
    rows, columns = c.shape
    blocks = -(-rows // p.rows)
    full = np.zeros((blocks * p.rows, columns), c.dtype)
    full[:rows] = c
    there = np.zeros(full.shape, bool)
    there[:rows] = True
    shape = (blocks, p.rows // p.drains, p.drains, columns)
    values, keep = (
        x.reshape(shape).transpose(0, 3, 1, 2).reshape(-1, p.drains) for x in (full, there)
    )
    some = keep.any(axis=1)
    return values[some], keep[some]


def block_of(
    p: CoreParameters, shape: tuple[int, int], frame: Frame
) -> tuple[Codes, NDArray[np.uint8]]:
    """(codes, flags) of a job's results of this shape, from their beats.

    Raises
    ------
    SimulationError
        If they came in other places than they should.
    """
    index, keep = in_order(p, np.arange(shape[0] * shape[1]).reshape(shape))
    if frame.keep.shape != keep.shape or (frame.keep != keep).any():
        raise SimulationError("results came in other places than they should")
    codes, flags = np.zeros(shape, np.uint32), np.zeros(shape, np.uint8)
    codes.reshape(-1)[index[keep]] = frame.codes[keep]
    flags.reshape(-1)[index[keep]] = frame.flags[keep]
    return codes, flags
