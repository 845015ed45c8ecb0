"""Verification runs of the core, as `verif.simulation.verify` has them for units."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from hfp8_hw.jobs import JobError
from hfp8_hw.parameters import CoreParameters, unit_parameters
from rtl_gen.kept import generate_once
from rtl_gen.package import Package
from rtl_gen.tools import ToolError

from ..errors import SimulationError, ToolMissing
from ..simulation import verify
from ..simulation.simulate import Outcome
from ..simulation.verify import Result, Task
from .configurations import programs
from .memory.placed import placed_programs
from .memory.run import run as run_in_memory
from .program import Program
from .run_core import CoreOutcome, run


def _run(p: Any, package: Package, task: Task) -> CoreOutcome:
    waves = None if task.waves is None else Path(task.waves)
    if p.ports == "streams":
        wanted = programs(p, task.seed, large=task.simulator == "native")
        found = run(package, task.simulator, wanted, seed=task.seed, waves=waves)
    else:
        placed = placed_programs(p, task.seed)
        wanted = [one.program for one in placed]
        memory = run_in_memory(package, task.simulator, placed, seed=task.seed, waves=waves)
        wrong = int(memory.first is not None)
        found = CoreOutcome(memory.jobs, memory.results, wrong, memory.first)
    if found.first is None:
        _complete(p, wanted, found)
    return found


def _complete(p: CoreParameters, wanted: list[Program], found: CoreOutcome) -> None:
    """A run that compared less than its programs have is wrong, though nothing differed."""
    jobs = [t.job for one in wanted for t in one.tasks if p.refusal(t.job) is JobError.NONE]
    results = sum(job.m * job.n for job in jobs if not job.silent)
    if (found.jobs, found.results) != (len(jobs), results):
        found.wrong(
            f"{found.jobs} jobs with {found.results} results were compared, of {len(jobs)} with "
            f"{results}"
        )


def run_task(task: Task) -> Result:
    """Run a task of the core, or of a unit; failures of tools become a Result."""
    if task.unit != CoreParameters.unit:
        return verify.run_task(task)
    p = unit_parameters(task.unit, dict(task.parameters))
    try:
        package = generate_once(p)
        start = time.monotonic()
        found = _run(p, package, task)
    except (ToolMissing, ToolError, SimulationError) as error:
        return Result(task, None, str(error))
    seconds = time.monotonic() - start
    return Result(task, Outcome(found.results, found.mismatches, seconds, error=found.first))
