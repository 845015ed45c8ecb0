"""``hfp8 train``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from ..errors import ParameterError, check_choice, integer
from .options import progress_bar, seed_option
from .types import Integer, Output, Source

TASKS = (
    "vision_resnet", "vision_mobilenet", "language_char", "translation", "speech_language",
    "speech_letters", "detection",
)  # fmt: skip
"""The tasks; the list is here too, so that help needs no PyTorch."""
ARITHMETICS = ("fp32", "hfp8", "hfp8-fast", "e5m2", "ocp")


def check_chunk(text: str | None) -> int | str | None:
    """A number of products, or ``none``."""
    if text is None or text == "none":
        return text
    try:
        return integer(text)
    except ValueError:
        raise ParameterError(
            f"chunk={text!r} is not allowed: an integer from 1 to 65536, or none"
        ) from None


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar, and what moves it."""
    with progress_bar(Console()) as bar:
        shown = bar.add_task("starting", total=None)
        yield lambda text, step, steps: bar.update(
            shown, description=text, completed=step, total=steps
        )


@click.command("train", short_help="Train a model in HFP8 or FP32, and score it.")
@click.argument("task", metavar="TASK")
@click.option("--arith", default="fp32", show_default=True, help=f"{', '.join(ARITHMETICS)}.")
@seed_option
@click.option("--epochs", type=Integer(1), help="Epochs.  [default: the task's own]")
@click.option("--batch", type=Integer(1),
              help="Examples of a step.  [default: the task's own]")  # fmt: skip
@click.option("--chunk", metavar="NUMBER|none",
              help="Products of a chunk, 1 to 65536.  [default: the arithmetic's own]")  # fmt: skip
@click.option("--no-loss-scaling", is_flag=True, help="Leave the loss as it is.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--workers", type=Integer(1, 256), default=1, show_default=True,
              help="Processes that share each batch, and exchange gradients in 16 bits and weights "
              "in 8.")  # fmt: skip
@click.option("--data", type=Source(),
              help="A folder or a prepared file, instead of the package's files.")  # fmt: skip
@click.option("--prepare", type=Output(),
              help="Write the task's data as one file for --data, and do not train.")  # fmt: skip
@click.option("--checkpoint", type=Output(),
              help="Keep the state here after every epoch.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the checkpoint.")
@click.option("--json", "path", type=Output(),
              help="Add the result to a file of JSON.")  # fmt: skip
def train_command(
    task: str, arith: str, seed: int, epochs: int | None, batch: int | None, chunk: str | None,
    no_loss_scaling: bool, device: str, workers: int, data: Path | None, prepare: Path | None,
    checkpoint: Path | None, resume: bool, path: Path | None,
) -> int:  # fmt: skip
    """Train TASK's model from scratch, and score it on test data.

    \b
    vision_resnet     ResNet-20 on Fashion-MNIST: accuracy
    vision_mobilenet  a MobileNetV2 on Fashion-MNIST: accuracy
    language_char     a Transformer on the Bible's letters: bits per letter
    translation       a Transformer, English to German: BLEU
    speech_language   an LSTM that tells five languages apart: accuracy
    speech_letters    an LSTM that writes down letters: error rate
    detection         an SSD-lite that finds clothes in scenes: mAP50

    The same seed gives the same bits on the same machine, whether the run was interrupted or not.
    A row of the file that --json names is replaced where task, arithmetic, its changes and seed
    are the same.
    """
    from rtl_gen.extras import require

    check_choice("task", task, TASKS)
    check_choice("arith", arith, ARITHMETICS)
    check_choice("device", device, ("cpu", "cuda"))
    if resume and checkpoint is None:
        raise ParameterError("--resume is not allowed alone: name the file with --checkpoint")
    if resume and checkpoint is not None and not checkpoint.is_file():
        raise ParameterError(
            f"checkpoint={str(checkpoint)!r} is not allowed: there is no such file"
        )
    chunks = check_chunk(chunk)
    require("torch")
    from ..nn.tasks import find
    from ..nn.tasks.sources import prepare as write
    from ..nn.training import results, setup
    from ..nn.training.job import Job
    from ..nn.training.workers import shared

    kind, console = find(task), Console()
    if prepare is not None:
        with console.status("reading and packing"):
            size = write(kind.source, data, prepare)
        click.echo(f"{prepare}: {kind.source.name}, {size / 1e6:.1f} MB")
        return 0
    job = Job(task, arith, seed, epochs, batch, chunks, not no_loss_scaling, workers)
    if path is not None:
        results.load(path)
    where = setup.device(device)
    with console.status("reading the data"):
        loaded = kind.source.load(data)
    try:
        row = shared(job, loaded, str(where), checkpoint, resume, progress)
    except KeyboardInterrupt:
        if checkpoint is not None:
            click.echo(f"{checkpoint} has what was done; --resume goes on", err=True)
        raise
    if path is not None:
        results.add(path, row)
    score = "none" if row["score"] is None else f"{row['score']:.3f}"
    click.echo(f"{task} {arith} seed {seed}: {score} {row['unit']} after {row['epochs']} epochs "
               f"in {row['seconds']:.0f} s on {row['device']}")  # fmt: skip
    return 0
