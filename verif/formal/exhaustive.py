"""Trying all inputs of a claim: what decides arithmetic where solvers give up."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from hfp8_hw.cores import cores
from hfp8_hw.errors import ParameterError

from ..sweep.input_slices import slices
from .claims import Problem

MOST_BITS = 40
"""More input bits than these are not counted through."""

USUAL_BITS = 34
"""More than these only when asked for: minutes become hours."""

_PART = 1 << 12
"""Steps between two looks at the clock, at least."""

_PARTS = 1 << 10


def countable(given: Problem) -> bool:
    """Whether a problem is a claim of one clock with few enough inputs."""
    return given.bits is not None and given.bits <= MOST_BITS


def counted(
    given: Problem, library: Path, timeout: float, report: Callable[[float], None] | None = None
) -> tuple[str, dict[str, int] | None]:
    """Evaluate a claim for all its inputs, on all cores.

    Parameters
    ----------
    library : Path
        A folder of Verilog that the problem's script may read.
    timeout : float
        Seconds.
    report : callable, optional
        Told the share that is done.

    Returns
    -------
    status : str
        ``proved``, ``failed`` or ``open`` (out of time).
    inputs : dict or None
        By port, inputs for which the claim is false.

    Raises
    ------
    ParameterError
        If the problem has no claim, or too many inputs.
    ToolMissing, ToolError
        If Yosys or g++ is missing or fails.
    """
    if not countable(given):
        what = "it is not of one clock" if given.bits is None else f"it has {given.bits} input bits"
        raise ParameterError(
            f"engine='count' is not allowed for this property: {what}; it counts through claims "
            f"of one clock with at most {MOST_BITS} input bits"
        )
    end = time.monotonic() + timeout
    texts = {path.name: path.read_text() for path in sorted(library.iterdir())}
    program = slices({**given.files, **texts}, given.script, "claim")
    part = max(_PART, program.steps // _PARTS)
    starts = iter(range(0, program.steps, part))
    found, done = None, 0
    jobs = cores()
    with ThreadPoolExecutor(jobs) as pool:
        waiting: set[Future[dict[str, int] | None]] = set()
        while found is None:
            # Out of time, what is under way still counts.
            for start in starts if time.monotonic() < end else ():
                stop = min(start + part, program.steps)
                waiting.add(pool.submit(program.search, start, stop))
                if len(waiting) > jobs:
                    break
            if not waiting:
                break
            finished, waiting = wait(waiting, 1.0, FIRST_COMPLETED)
            for future in finished:
                found = found or future.result()
                done += part
            if report is not None:
                report(min(1.0, done / program.steps))
    if found is not None:
        return "failed", found
    return ("proved" if done >= program.steps else "open"), None
