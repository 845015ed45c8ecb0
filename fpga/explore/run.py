"""Measuring the points that are left, on a Dask cluster here or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rtl_gen.kept import sources
from rtl_gen.manifest import tools
from verif.regression.cluster import distributed

from ..devices import Device
from ..synth import versions
from .ledger import Ledger
from .point import FAILED, Row, Task, measure


def current(device: Device) -> tuple[list[str], str]:
    """The packages that figures of a device depend on, with versions, and what stands for our own
    sources.

    Raises
    ------
    ToolMissing
        If one is not installed.
    """
    return [*(f"{k} {v}" for k, v in tools().items()), *versions(device, "explore")], sources()


def run(
    ledger: Ledger, *, jobs: int, scheduler: str | None = None, path: Path | None
) -> Iterator[Row]:
    """Measure the points that the ledger lacks; yield each one's row as it ends.

    Parameters
    ----------
    jobs, scheduler
        As `verif.regression.cluster.distributed`.
    path : Path, optional
        The ledger's file, written after each point, so that Ctrl-C loses only what is under way.

    Raises
    ------
    ParameterError, RunError
        If the scheduler is none that can be used.
    """
    tasks = [ledger.settings.task(point) for point in ledger.space.points if not ledger.has(point)]
    if tasks:
        for row in _rows(tasks, jobs, scheduler):
            ledger.add(row)
            if path is not None:
                ledger.write(path)
            yield row
    elif path is not None:
        # The objectives may be others than before, and so may the refusals.
        ledger.write(path)


def _rows(tasks: list[Task], jobs: int, scheduler: str | None) -> Iterator[Row]:
    for task, row, lost in distributed(measure, tasks, jobs, scheduler):
        if row is not None:
            yield row
        else:
            reason = f"the task was lost: {lost}"
            yield {"unit": task.unit, "parameters": task.parameters,
                   "status": FAILED, "reason": " ".join(reason.split())}  # fmt: skip
