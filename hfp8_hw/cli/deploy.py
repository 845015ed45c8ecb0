"""``hfp8 deploy``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..errors import ParameterError, check_choice
from .train import progress
from .types import Integer, Output, Source

ARITHMETICS = ("hfp8", "hfp8-fast", "e5m2", "ocp", "int8")
"""What a model can be deployed in; the list is here too, so that help needs no PyTorch."""


def check_checkpoint(path: Path) -> None:
    """Raise ParameterError if there is no such file."""
    if not path.is_file():
        raise ParameterError(
            f"checkpoint={str(path)!r} is not allowed: there is no such file; "
            "hfp8 train TASK --checkpoint writes one"
        )


def listed(text: str) -> tuple[str, ...]:
    """The arithmetics in a comma-separated list, each once."""
    found = tuple(dict.fromkeys(text.split(",")))
    for name in found:
        check_choice("arith", name, ARITHMETICS)
    return found


def batch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of training batches that a deployed model sees."""
    for option in (
        click.option("--seed", type=Integer(0, 2**32 - 1),
                     help="Seed of these batches.  [default: the run's]"),
        click.option("--calibrate", type=Integer(1), default=8, show_default=True,
                     help="Training batches that give ocp and int8 their scales."),
        click.option("--retune", type=Integer(0), default=50, show_default=True,
                     help="Training batches that re-tune batch norm; 0 for not at all."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("deploy", short_help="Score a model trained in FP32 in other arithmetics.")
@click.argument("checkpoint", type=Source())
@click.option("--arith", default=",".join(ARITHMETICS), show_default=True,
              help="Arithmetics, comma-separated.")  # fmt: skip
@batch_options
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--data", type=Source(),
              help="A folder or a prepared file, instead of the package's files.")  # fmt: skip
@click.option("--json", "path", type=Output(),
              help="Add the results to a file of JSON.")  # fmt: skip
def deploy_command(
    checkpoint: Path, arith: str, retune: int, calibrate: int, seed: int | None, device: str,
    data: Path | None, path: Path | None,
) -> int:  # fmt: skip
    """Score the model of an FP32 run in other arithmetics, without training it further.

    CHECKPOINT is what hfp8 train TASK --checkpoint wrote. Weights are rounded once. Each arithmetic
    is scored with the model as it is, and with the statistics of batch normalization re-tuned:
    estimated anew by forward passes in that arithmetic.

    \b
    hfp8       (1,4,3) with a shifted bias, sums with the hardware's bits
    hfp8-fast  the same, sums in FP32
    e5m2       (1,5,2), sums in FP32
    ocp        E4M3FN, each tensor scaled by a power of two
    int8       8-bit integers, a scale for each output channel of a weight

    The first and the last layer have operands of 16 bits. A row of the file that --json names is
    replaced where task, arithmetic, re-tuning and seed are the same.
    """
    from rtl_gen.extras import require

    arithmetics = listed(arith)
    check_choice("device", device, ("cpu", "cuda"))
    check_checkpoint(checkpoint)
    require("torch")
    from ..nn.deployment.scores import KEY, Plan, measure, trained
    from ..nn.tasks import find
    from ..nn.training import results, setup

    run, plan = trained(checkpoint), Plan(arithmetics, retune, calibrate, seed)
    if path is not None:
        results.load(path, KEY)
    where, console = setup.device(device), Console()
    kind = find(run.job.task)
    with console.status("reading the data"):
        task = kind(kind.source.load(data), where)
    fp32 = "none" if run.score is None else f"{run.score:.3f}"
    click.echo(f"{run.job.task} seed {run.job.seed}: {fp32} {task.unit} in fp32")
    with progress() as report:
        for row in measure(run, task, plan, report):
            if path is not None:
                results.add(path, row, KEY)
            score = "none" if row["score"] is None else f"{row['score']:.3f}"
            tuned = {None: ", nothing to re-tune", False: "", True: ", re-tuned"}[row["retuned"]]
            click.echo(f"{row['arithmetic']}: {score} {task.unit}{tuned}")
    return 0
