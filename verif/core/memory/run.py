"""Runs placed programs on a generated core, and holds every byte of the memory against golden."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hfp8_hw.jobs import JobError
from hfp8_hw.registers import job_words, packed, unpacked
from rtl_gen.package import Package

from ..program import check_irq, interrupting, patience, reads
from ..run_core import run_bench
from .placed import BASE, Placed

BENCH = "verif.core.memory.bench"


@dataclass
class MemoryOutcome:
    """What came of some programs.

    Members
    -------
    jobs : int
        Jobs that were done.
    results : int
        Elements of C that were compared.
    first : str or None
        The first thing that was wrong, in words.
    ran : list of dict
        Of each program: ``registers``, ``clocks``, ``words`` read, ``most_reads`` at once.
    """

    jobs: int = 0
    results: int = 0
    first: str | None = None
    ran: list[dict[str, Any]] = field(default_factory=list)

    def wrong(self, text: str) -> None:
        """Note what went wrong."""
        self.first = self.first or text


def run(
    package: Package,
    simulator: str,
    programs: Sequence[Placed],
    *,
    seed: int = 0,
    waves: Path | None = None,
) -> MemoryOutcome:
    """Run programs, each from a reset on, on one generated core.

    Raises
    ------
    ToolMissing
        If the simulator cannot run here.
    SimulationError
        If it fails.
    """
    outcome = MemoryOutcome()
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        described = [_described(placed, k, folder) for k, placed in enumerate(programs)]
        outcome.ran = run_bench(package, simulator, BENCH, folder, described, seed, waves)
        for number, (placed, got) in enumerate(zip(programs, outcome.ran, strict=False)):
            if got["error"]:
                outcome.wrong(f"program {number}: {got['error']}")
                break
            after = np.frombuffer((folder / f"after{number}.bin").read_bytes(), np.uint8)
            _check(outcome, placed, f"program {number}", got["registers"], after)
    return outcome


def _described(placed: Placed, number: int, folder: Path) -> dict[str, Any]:
    name = f"image{number}.bin"
    (folder / name).write_bytes(placed.image.tobytes())
    program = placed.program
    return {
        "tasks": [{"words": words} for words in
                  interrupting(program, [job_words(job, where) for job, where, _ in placed.jobs])],
        "stall": program.stall, "reset_at": program.reset_at, "latency": placed.latency,
        "shy": placed.shy, "image": name, "reads": placed.reads, "writes": placed.writes,
        "faults": placed.faults, "burst": program.parameters.burst,
        "patience": patience(program.parameters), "registers": reads(program.parameters),
    }  # fmt: skip


def _check(
    outcome: MemoryOutcome, placed: Placed, where: str, registers: dict[str, int], after: Any
) -> None:
    """Compare one program's memory and registers."""
    p = placed.program.parameters
    different = (after != placed.after) & placed.known
    if different.any():
        at = int(np.argmax(different))
        whose = [job for job, place, _ in placed.jobs if place.y <= BASE + at][-1:]
        outcome.wrong(
            f"{where}: {int(different.sum())} bytes differ; at {BASE + at:#x}: {after[at]:#x}, due "
            f"{placed.after[at]:#x}, before {placed.image[at]:#x}; {whose}"
        )
    expected = placed.program.results()
    refused = [error for _, _, error in placed.jobs if error is not JobError.NONE]
    ored = 0
    for one in expected:
        ored |= int(np.bitwise_or.reduce(one.flags, axis=None))
    pending: dict[str, int] = {
        "done": bool(expected), "refused": bool(refused), "error": bool(placed.error)
    }  # fmt: skip
    due = {
        "ERROR": packed("ERROR", {"code": placed.error or int([*refused, JobError.NONE][0])}),
        "REFUSED": len(refused), "DONE": len(expected), "FLAGS": ored,
        "STATUS": 0, "INTERRUPT_ENABLE": placed.program.interrupts,
        "INTERRUPT_PENDING": packed("INTERRUPT_PENDING", pending),
    }  # fmt: skip
    if expected and p.epilogue != "none":
        last = {"value": expected[-1].amax, "special": expected[-1].special}
        due["AMAX"] = packed("AMAX", last)
    for name, word in due.items():
        if registers[name] != word:
            found = unpacked(name, registers[name])
            outcome.wrong(f"{where}: register {name} is {found}, due {unpacked(name, word)}")
    if (said := check_irq(registers)) is not None:
        outcome.wrong(f"{where}: {said}")
    outcome.jobs += len(expected)
    outcome.results += sum(one.codes.size for one in expected if not one.job.silent)
