"""The model of an FP32 training run, scored in the arithmetics it is deployed in."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import ParameterError, check_choice, check_int
from ..scheme.arithmetic import NAMES
from ..tasks import Task, find
from ..training.checkpoint import fitting, read
from ..training.job import Job
from ..training.loop import Report, finite, generators, versions
from ..training.results import Row
from ..training.setup import deterministic, device_name
from .models import DEPLOYED, Run, deploy, norms, retune

KEY = ("task", "arithmetic", "retuned", "seed")
"""What tells rows of results apart."""
RETUNE, CALIBRATION = 50, 8
"""Batches, unless the caller says otherwise."""
CALIBRATED = tuple(name for name in DEPLOYED if NAMES[name].scaling == "tensor")
"""The arithmetics whose activations have scales."""


@dataclass(frozen=True)
class Trained:
    """What a finished FP32 run left.

    Members
    -------
    job : Job
    weights : dict
        The model's state.
    score : float or None
        In FP32.
    epochs : int
    """

    job: Job
    weights: dict[str, Tensor]
    score: float | None
    epochs: int
    path: Path | None = None
    """The checkpoint, if it came from one."""

    def model(self, task: Task) -> nn.Module:
        """The model on the task's device.

        Raises
        ------
        ParameterError
            If the state is that of another model.
        """
        found = task.model()
        with fitting(self.path or "of the run"):
            found.load_state_dict(self.weights)
        return found.to(task.device).eval()


def trained(path: Path) -> Trained:
    """The run of a checkpoint.

    Raises
    ------
    ParameterError
        If it is no checkpoint, or one of a run that is not finished or not in FP32.
    OSError
        If it cannot be read.
    """
    found, given = read(path), f"checkpoint={str(path)!r} is not allowed"
    try:
        job = Job(**found["job"])
    except TypeError:
        raise ParameterError(f"{given}: of another version's run") from None
    if job.arithmetic != "fp32":
        raise ParameterError(f"{given}: of a run in {job.arithmetic}, where fp32 is needed")
    epochs = job.epochs or find(job.task).recipe.epochs
    if found["done"] < epochs:
        raise ParameterError(
            f"{given}: {found['done']} of {epochs} epochs are done; "
            "hfp8 train with --resume does the rest"
        )
    return Trained(job, found["model"], found["curve"][-1].get("score"), found["done"], path)


@dataclass(frozen=True)
class Plan:
    """How a model is deployed.

    Parameters
    ----------
    arithmetics : sequence of str
        Of `DEPLOYED`.
    retune : int
        Training batches by which batch normalization is re-tuned; 0 for not at all.
    calibration : int
        Training batches that give the scales of activations.
    seed : int or None
        Of the batches; None for the run's.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    arithmetics: Sequence[str] = DEPLOYED
    retune: int = RETUNE
    calibration: int = CALIBRATION
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in self.arithmetics:
            check_choice("arith", name, DEPLOYED)
        check_int("retune", self.retune, 0, 1_000_000)
        check_int("calibrate", self.calibration, 1, 1_000_000)
        if self.seed is not None:
            check_int("seed", self.seed, 0, 2**32 - 1)

    def missing(self, job: Job, rows: list[Row]) -> tuple[str, ...]:
        """The arithmetics of which rows of a run's model are missing."""
        found = []
        for name in self.arithmetics:
            mine = {row["retuned"] for row in rows if row["arithmetic"] == name and of(job, row)
                    and row["calibration_batches"] in (None, self.calibration)
                    and row["retune_batches"] in (None, self.retune)}  # fmt: skip
            if None not in mine and not {False, *([True] if self.retune else [])} <= mine:
                found.append(name)
        return tuple(found)


def of(job: Job, row: Row) -> bool:
    """Whether a row is one of a run's model."""
    recipe = find(job.task).recipe
    return (row["task"], row["seed"], row.get("epochs"), row.get("batch")) == (
        job.task, job.seed, job.epochs or recipe.epochs, job.batch or recipe.batch,
    )  # fmt: skip


def measure(
    run: Trained,
    task: Task,
    plan: Plan,
    report: Report = lambda text, step, steps: None,
) -> Iterator[Row]:
    """Deploy a run's model in each arithmetic of a plan, and give a row as soon as it has a score.

    There is a row for the model as it is, and one after re-tuning if it has batch normalization.

    The same run, plan and machine give the same scores. All arithmetics see the same batches, which
    begin those of an epoch that the seed gives, with the task's augmentation.
    """
    deterministic()
    model = run.model(task)
    able = bool(norms(model))
    retunes = bool(plan.retune) and able
    steps, step = len(plan.arithmetics) * (2 if retunes else 1), 0
    for name in plan.arithmetics:
        report(f"{name}: calibration and score", step, steps)
        start = time.perf_counter()
        deployed = _deployed(model, run, task, name, plan)
        calibrated = name in CALIBRATED
        row = _row(run, task, name, plan) | {
            "calibration_batches": plan.calibration if calibrated else None
        }
        yield _scored(row, deployed, task, start, False if able else None)
        step += 1
        if not retunes:
            continue
        report(f"{name}: re-tuning and score", step, steps)
        start = time.perf_counter()
        retune(deployed, runs(run.job, task, plan.retune, plan.seed))
        yield _scored(row | {"retune_batches": plan.retune}, deployed, task, start, True)
        step += 1
    report("done", steps, steps)


def _deployed(model: nn.Module, run: Trained, task: Task, name: str, plan: Plan) -> nn.Module:
    batches = runs(run.job, task, plan.calibration, plan.seed)
    return deploy(model, name, first_last=task.ends, batches=batches)


def prepared(run: Trained, task: Task, name: str, plan: Plan) -> tuple[nn.Module, int]:
    """A run's model in an arithmetic, with batch normalization re-tuned as the plan says, and by
    how many batches it was."""
    deterministic()
    found = _deployed(run.model(task), run, task, name, plan)
    return found, retune(found, runs(run.job, task, plan.retune, plan.seed)) if plan.retune else 0


def example(model: nn.Module, run: Trained, task: Task, most: int = 2) -> dict[str, Tensor]:
    """What the model is called with for a training batch, ``most`` examples of it, by the names of
    the arguments."""
    seen: list[tuple[Any, ...]] = []
    hook = model.register_forward_pre_hook(lambda _, given: seen.append(given))
    with hook, torch.no_grad():
        for one in runs(run.job, task, 1):
            one(model)
    names = inspect.signature(model.forward).parameters
    return {name: value[:most] for name, value in zip(names, seen[0], strict=False)}


def runs(job: Job, task: Task, count: int, seed: int | None = None) -> Iterator[Run]:
    """What runs a model on each of the first batches that a seed gives."""
    seeded = replace(job, seed=job.seed if seed is None else seed)
    epoch = 0
    while count > 0:
        order, augment = generators(seeded, epoch, task.device)
        for index in task.batches(job.batch or task.recipe.batch, order)[:count]:
            yield partial(_run, task, index, augment)
            count -= 1
        epoch += 1


def _run(task: Task, index: Tensor, augment: torch.Generator, model: nn.Module) -> Tensor:
    return task.loss(model, index, augment)


@torch.no_grad()
def _scored(row: Row, model: nn.Module, task: Task, start: float, retuned: bool | None) -> Row:
    score = finite(task.score(model))
    if task.device.type == "cuda":
        torch.cuda.synchronize()
    return row | {
        "retuned": retuned, "score": score, "seconds": round(time.perf_counter() - start, 1)
    }  # fmt: skip


def _row(run: Trained, task: Task, name: str, plan: Plan) -> Row:
    job = run.job
    return {
        "task": job.task,
        "arithmetic": name,
        "retuned": None,
        "seed": job.seed,
        "score": None,
        "unit": task.unit,
        "higher_is_better": task.higher,
        "fp32": run.score,
        "epochs": run.epochs,
        "batch": job.batch or task.recipe.batch,
        "calibration_batches": None,
        "retune_batches": None,
        "batches_seed": job.seed if plan.seed is None else plan.seed,
        "device": device_name(task.device),
        "seconds": None,
        "versions": versions(),
    }
