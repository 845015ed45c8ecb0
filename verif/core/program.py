"""Jobs with operands: what goes into the core's streams, and what is to come out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfp8_hw import golden
from hfp8_hw.jobs import GemmJob, JobError
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.parameters.core import Layout
from hfp8_hw.registers import COUNTERS

Codes = NDArray[np.uint32]


@dataclass(frozen=True)
class Task:
    """A job and the operands that it loads, as they are stored; None where it loads none."""

    job: GemmJob
    a: Codes | None = None
    b: Codes | None = None


@dataclass
class Program:
    """Jobs for a core, one after another from a reset on.

    Members
    -------
    parameters : CoreParameters
    tasks : list of Task
    stall : float
        Probability that a port waits in a clock, each for itself.
    reset_at : int or None
        Reset the core so many clocks after the first job, then start the jobs again.
    """

    parameters: CoreParameters
    tasks: list[Task] = field(default_factory=list)
    stall: float = 0.0
    reset_at: int | None = None

    def random(self, rng: np.random.Generator, job: GemmJob) -> None:
        """Add a job with random operands; one that is refused has none."""
        good = self.parameters.refusal(job) is JobError.NONE
        formats = {"a": self.parameters.a_formats, "b": self.parameters.b_formats}
        loaded: dict[str, Any] = {
            name: rng.integers(0, 1 << formats[name][0].width, shape, np.uint32)
            for name, shape in (("a", job.a_shape), ("b", job.b_shape))
            if good and getattr(job, f"load_{name}")
        }
        self.tasks.append(Task(job, **loaded))

    def refusals(self) -> list[JobError]:
        """What is refused, in order."""
        found = [self.parameters.refusal(task.job) for task in self.tasks]
        return [error for error in found if error is not JobError.NONE]

    def expected(self) -> list[tuple[Codes, NDArray[np.uint8]]]:
        """(codes, flags) of C for every job that is not refused."""
        pages: dict[tuple[str, int], Codes] = {}
        found = []
        for task in self.tasks:
            job = task.job
            if self.parameters.refusal(job) is not JobError.NONE:
                continue
            for side, given in (("a", task.a), ("b", task.b)):
                if given is not None:
                    pages[side, getattr(job, f"page_{side}")] = given
            a, b = pages["a", job.page_a], pages["b", job.page_b]
            found.append(golden.gemm_job(job, a, b, **self.parameters.golden_arguments, flags=True))
        return found


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
    """What came of a program: a frame for each job that was not refused, the registers at its end,
    or what went wrong."""

    frames: list[Frame]
    registers: dict[str, int]
    error: str | None


def reads() -> list[str]:
    """The registers that are read at a program's end."""
    halves = [f"{name}_{half}" for name in COUNTERS for half in ("LOW", "HIGH")]
    return ["ERROR", "REFUSED", "DONE", "FLAGS", *halves]


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
    shape = (rows, layout.row_words(columns) * layout.long)
    padded = np.full(shape, (1 << width) - 1, np.uint32)
    padded[:, :columns] = codes
    return padded.astype(f"<u{-(-width // 8)}").tobytes()


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
