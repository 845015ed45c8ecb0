"""The loop of a run. The same job on the same machine gives the same bits."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ... import __version__
from ...errors import ParameterError
from ..distributed import Exchange
from ..tasks import Task
from .checkpoint import State
from .job import Job
from .results import Row
from .setup import build, deterministic, device_name

Report = Callable[[str, int, int], None]
"""Takes what happened last, the steps done and all steps."""


def rate(peak: float, warmup: float, step: int, steps: int) -> float:
    """The learning rate of a step: up in a line to ``peak``, then down along a cosine."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising))) / 2


def generators(job: Job, epoch: int, device: torch.device, rank: int = 0) -> list[torch.Generator]:
    """One for the order of an epoch's examples and one on the device, for their augmentation, which
    is each worker's own.

    Seeds PyTorch's own generators too, for dropout. All depend on the job's seed and the epoch
    alone, so a run that was taken up again draws what it would have drawn.
    """
    word = np.random.SeedSequence((job.seed, epoch)).generate_state(3, np.uint32)
    if rank:
        own = np.random.SeedSequence((job.seed, epoch, rank)).generate_state(2, np.uint32)
        word[0], word[2] = own
    torch.manual_seed(int(word[0]))
    return [
        torch.Generator(where).manual_seed(int(seed))
        for where, seed in zip(("cpu", device), word[1:], strict=True)
    ]


def train(
    job: Job,
    task: Task,
    checkpoint: Path | None = None,
    resume: bool = False,
    report: Report = lambda text, step, steps: None,
    until: int | None = None,
    exchange: Exchange | None = None,
) -> tuple[Row, State]:
    """Run a job.

    Parameters
    ----------
    job : Job
    task : Task
        The job's, with its data on the device; a run does not change it.
    checkpoint : Path, optional
        Where the state is kept after every epoch, and before the first.
    resume : bool
        Go on from the checkpoint.
    report : callable, optional
        Called at every step.
    until : int, optional
        Stop after this many epochs, as if interrupted.
    exchange : Exchange, optional
        Among several workers, of whom this is one. Each takes its part of every batch. Buffers,
        such as the running statistics of batch norms, are each worker's own during an epoch, and
        then averaged. Worker 0 keeps the checkpoint and has the score.

    Returns
    -------
    tuple
        The row of results, and the state at the end.

    Raises
    ------
    ParameterError
        For a checkpoint that does not fit, or more workers than examples in a batch.
    """
    each = min(job.batch or task.recipe.batch, task.size)
    if not each:
        raise ParameterError("data is not allowed: it has no training examples")
    if exchange is not None and each < exchange.workers:
        raise ParameterError(
            f"workers={exchange.workers!r} is not allowed: a batch has {each} examples, and each "
            "worker takes one at least"
        )
    deterministic()
    state = State(job, *build(job, task, exchange))
    first = exchange is None or exchange.rank == 0
    if resume and checkpoint is not None:
        state.load(checkpoint)
    elif checkpoint is not None:
        state.save(checkpoint, first)
    epochs = job.epochs or task.recipe.epochs
    while state.done < min(epochs, until or epochs):
        start = time.perf_counter()
        point = _epoch(state, task, epochs, report, exchange)
        state.done += 1
        if first and (state.done % task.recipe.score_every == 0 or state.done == epochs):
            state.model.eval()
            with torch.no_grad():
                point["score"] = finite(task.score(state.model))
        if task.device.type == "cuda":
            torch.cuda.synchronize()
        state.curve.append({"epoch": state.done, **point})
        state.seconds += time.perf_counter() - start
        if checkpoint is not None:
            state.save(checkpoint, first)
    return _row(state, task, epochs), state


def _epoch(state: State, task: Task, epochs: int, report: Report,
           exchange: Exchange | None) -> dict[str, Any]:  # fmt: skip
    job, model, optimizer = state.job, state.model, state.optimizer
    rank, workers = (0, 1) if exchange is None else (exchange.rank, exchange.workers)
    order, augment = generators(job, state.done, task.device, rank)
    batches = task.batches(job.batch or task.recipe.batch, order)
    steps = epochs * len(batches)
    total = torch.zeros((), dtype=torch.float64, device=task.device)
    said = "" if not state.curve else f"loss {state.curve[-1]['loss']:.4f}"
    skipped = 0
    model.train()
    for k, index in enumerate(batches):
        step = state.done * len(batches) + k
        for group in optimizer.param_groups:
            group["lr"] = rate(task.recipe.lr, task.recipe.warmup, step, steps)
        optimizer.zero_grad()
        mine = index[rank::workers]
        loss = task.loss(model, mine, augment) * (len(mine) / len(index))
        state.scaler.backward(loss)
        skipped += not state.scaler.step(optimizer)
        total += loss.detach()
        report(f"epoch {state.done + 1} of {epochs} {said}", step + 1, steps)
    if exchange is not None:
        total = average(exchange, model, total) * workers
    return {"loss": finite(float(total) / len(batches)), "skipped": skipped}


@torch.no_grad()
def average(exchange: Exchange, model: nn.Module, total: Tensor) -> Tensor:
    """The mean of a number over all workers; the model's buffers become theirs."""
    buffers = [b for b in model.buffers() if b.is_floating_point()]
    whole = torch.cat([total.reshape(1).float(), *(b.reshape(-1).float() for b in buffers)])
    mean = exchange.gather(exchange.scatter(whole), len(whole)) / exchange.workers
    for buffer, values in zip(buffers, mean[1:].split([b.numel() for b in buffers]), strict=True):
        buffer.copy_(values.view_as(buffer))
    return mean[0]


def finite(value: float) -> float | None:
    """The value, or nothing where it is infinite or not a number, which JSON does not have."""
    return value if math.isfinite(value) else None


def versions() -> dict[str, str]:
    """Of what a result depends on."""
    return {
        "hfp8-hw": __version__, "torch": torch.__version__, "numpy": np.__version__,
        "python": platform.python_version(),
    }  # fmt: skip


def _row(state: State, task: Task, epochs: int) -> Row:
    job = state.job
    return {
        "task": job.task,
        "arithmetic": job.arithmetic,
        "changes": job.changes,
        "seed": job.seed,
        "score": state.curve[-1].get("score") if state.curve else None,
        "unit": task.unit,
        "higher_is_better": task.higher,
        "epochs": state.done,
        "batch": job.batch or task.recipe.batch,
        "device": device_name(task.device),
        "seconds": round(state.seconds, 1),
        "curve": state.curve,
        "versions": versions(),
    }
