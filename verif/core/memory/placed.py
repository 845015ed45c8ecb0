"""Programs whose matrices are in a memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hfp8_hw.jobs import Addresses, GemmJob, JobError
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.registers import BUS_READ, BUS_WRITE

from ..configurations import programs
from ..program import Program, Task, frames, in_order, result_bytes

Bytes = NDArray[np.uint8]
PAGE = 4096
BASE, SIZE = 0xA5C0_0000, 1 << 22
"""Where the memory begins in the space of addresses, and how large it is at the most."""


@dataclass
class Placed:
    """A program, and the memory that it finds.

    Members
    -------
    program : Program
    jobs : list of (GemmJob, Addresses, JobError)
        Those of the program, and between them others that are refused for their addresses.
    image, after : ndarray of uint8
        The memory before, and after.
    known : ndarray of bool
        Which of ``after`` matter: in a beat, places without a result do not.
    reads, writes : list of (int, int)
        The parts of memory, from one address to before another, of operands and of results.
    latency : int
        Clocks from a burst's address to its first word, or from its last word to the answer.
    shy : bool
        Memory is ready for nothing before it is valid.
    faults : list of (int, int)
        The parts that give an error.
    error : int
        The code of that error.
    """

    program: Program
    latency: int = 0
    shy: bool = False
    jobs: list[tuple[GemmJob, Addresses, JobError]] = field(default_factory=list)
    image: Bytes = field(default_factory=lambda: np.zeros(0, np.uint8))
    after: Bytes = field(default_factory=lambda: np.zeros(0, np.uint8))
    known: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    reads: list[tuple[int, int]] = field(default_factory=list)
    writes: list[tuple[int, int]] = field(default_factory=list)
    faults: list[tuple[int, int]] = field(default_factory=list)
    error: int = 0

    def fail(self, number: int, name: str) -> None:
        """Memory gives an error to one matrix of a job. Reads then give zeros, and writes nothing.

        Parameters
        ----------
        number : int
            Of ``jobs``.
        name : str
            Of the member of `Addresses`.
        """
        start = getattr(self.jobs[number][1], name)
        end = next(high for low, high in self.reads + self.writes if low == start)
        self.faults.append((start, end))
        self.error = BUS_WRITE if name == "y" else BUS_READ
        if name == "y":
            part = slice(start - BASE, end - BASE)
            self.after[part] = self.image[part]
            self.known[part] = True


def contents(program: Program, task: Task) -> dict[str, bytes]:
    """What a job finds in memory, by the member of `Addresses`."""
    given = frames(program.parameters, task)
    names = [name for name, codes in (("bias", task.bias), ("c", task.c)) if codes is not None]
    found = {side: given[side][0] for side in ("a", "b") if given[side]}
    return found | dict(zip(names, given["c"], strict=True))


def placed_programs(p: CoreParameters, seed: int) -> list[Placed]:
    """The programs of `verif.core.configurations`, with memories that are late and others."""
    rng = np.random.default_rng(seed)
    found = []
    for number, program in enumerate(programs(p, seed)):
        shy = program.stall == 0 and number % 2 == 0
        found.append(place(program, rng, latency=(0, 7, 50)[number % 3], shy=shy))
    return found


def place(
    program: Program,
    rng: np.random.Generator,
    *,
    latency: int = 0,
    shy: bool = False,
    odd: Sequence[tuple[int, GemmJob]] = (),
) -> Placed:
    """Find places for all matrices, many of them across a multiple of 4 KiB.

    Parameters
    ----------
    odd : sequence of (int, GemmJob)
        Jobs with an address that is no multiple of the bus' bytes, and ahead of which of the
        program's jobs they come.
    """
    p = program.parameters
    step = p.bus // 8
    found = Placed(program, latency, shy)
    end = BASE
    parts: list[tuple[int, bytes]] = []

    def free(size: int) -> int:
        nonlocal end
        start = end + step * int(rng.integers(1, 9))
        if rng.integers(8) == 0 and size > step:
            # The next page begins somewhere within.
            border = -(-start // PAGE) * PAGE
            start = max(start, border - step * int(rng.integers(1, -(-size // step))))
        end = start + -(-size // step) * step
        return start

    results = iter(program.results())
    outputs: list[tuple[int, Bytes, NDArray[np.bool_]]] = []
    for number, task in enumerate([*program.tasks, None]):
        for position, job in odd:
            if position == number:
                used = [name for name in job.addresses if name in p.places]
                wrong = used[int(rng.integers(len(used)))]
                where = Addresses(**{wrong: BASE + int(rng.integers(1, step))})
                found.jobs.append((job, where, JobError.ADDRESS))
        if task is None:
            break
        error = p.refusal(task.job)
        given = {}
        for name, content in contents(program, task).items():
            given[name] = free(len(content))
            parts.append((given[name], content))
            found.reads.append((given[name], given[name] + -(-len(content) // step) * step))
        result = next(results) if error is JobError.NONE else None
        if result is not None and not task.job.silent:
            values, keep = in_order(p, result.codes)
            size = result_bytes(p)
            data = np.frombuffer(values.astype(f"<u{size}").tobytes(), np.uint8)
            given["y"] = free(len(data))
            outputs.append((given["y"], data, np.repeat(keep.reshape(-1), size)))
            found.writes.append((given["y"], given["y"] + len(data)))
        found.jobs.append((task.job, Addresses(**given), error))

    assert end - BASE < SIZE, "there is no room for all matrices"
    found.image = rng.integers(0, 256, end - BASE + 64, np.uint8)
    for start, content in parts:
        found.image[start - BASE :][: len(content)] = np.frombuffer(content, np.uint8)
    found.after = found.image.copy()
    found.known = np.ones(len(found.image), bool)
    for start, data, kept in outputs:
        found.after[start - BASE :][: len(data)] = data
        found.known[start - BASE :][: len(data)] = kept
    return found
