"""A run by one process or by several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..distributed import Exchange, start
from ..tasks import find
from .job import Job
from .loop import Report, train
from .results import Row

Data = Mapping[str, np.ndarray[Any, Any]]
Progress = Callable[[], AbstractContextManager[Report]]


def shared(job: Job, data: Data, device: str, checkpoint: Path | None, resume: bool,
           progress: Progress) -> Row:  # fmt: skip
    """Run a job; the row of results.

    Parameters
    ----------
    job : Job
        Its ``workers`` are processes of this machine.
    data, device, checkpoint, resume
        As in `train`; the data as the task's source loads it.
    progress
        A function, of a module, that gives what shows the progress.

    Raises
    ------
    ParameterError
        For a checkpoint that does not fit.
    RunError
        If a worker is lost.
    """
    given = (job, data, device, checkpoint, resume, progress)
    if job.workers == 1:
        return _work(None, *given)
    row: Row = start(_work, job.workers, *given)
    return row


def _work(exchange: Exchange | None, job: Job, data: Data, device: str, checkpoint: Path | None,
          resume: bool, progress: Progress) -> Row:  # fmt: skip
    where = torch.device(device)
    task = find(job.task)(data, where)
    if exchange is not None and exchange.rank:
        return train(job, task, checkpoint, resume, exchange=exchange)[0]
    with progress() as report:
        return train(job, task, checkpoint, resume, report, exchange=exchange)[0]
