"""``hfp8 export``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from ..errors import check_choice
from .deploy import ARITHMETICS, batch_options, check_checkpoint
from .types import Output, Source


@click.command("export", short_help="Write a model trained in FP32 as an ONNX file of codes.")
@click.argument("checkpoint", type=Source())
@click.option("-o", "--output", required=True, type=Output(),
              help="The file to be written.")  # fmt: skip
@click.option("--arith", default="hfp8", show_default=True, help=f"{', '.join(ARITHMETICS)}.")
@batch_options
@click.option("--data", type=Source(),
              help="A folder or a prepared file, instead of the package's files.")  # fmt: skip
def export_command(
    checkpoint: Path, output: Path, arith: str, retune: int, calibrate: int, seed: int | None,
    data: Path | None,
) -> int:  # fmt: skip
    """Write the model of an FP32 run as an ONNX file in another arithmetic, as hfp8 deploy has it.

    CHECKPOINT is what hfp8 train TASK --checkpoint wrote. Weights are codes of 8 bits, those of the
    first and the last layer are FP32 values that 16 bits hold. The file rounds activations and sums
    with standard operators and has the formats and scales in its metadata. Sums are the runtime's
    own FP32 sums, in hfp8 too.
    """
    from rtl_gen.extras import require

    check_choice("arith", arith, ARITHMETICS)
    check_checkpoint(checkpoint)
    require("torch", "onnx")
    from ..nn.deployment.onnx_file import export
    from ..nn.deployment.scores import Plan, example, prepared, trained
    from ..nn.tasks import find
    from ..nn.training import setup

    run, console = trained(checkpoint), Console()
    name = "hfp8-fast" if arith == "hfp8" else arith
    plan = Plan((name,), retune, calibrate, seed)
    kind = find(run.job.task)
    with console.status("reading the data"):
        task = kind(kind.source.load(data), setup.device("cpu"))
    with console.status("deploying and writing"):
        model, tuned = prepared(run, task, name, plan)
        given = example(model, run, task)
        about = {"task": run.job.task, "seed": run.job.seed, "retune_batches": tuned}
        graph = export(model, list(given.values()), output, names=list(given), about=about)
    click.echo(f"{output}: {run.job.task} in {arith}, {len(graph.graph.node)} nodes, "
               f"{output.stat().st_size / 1e6:.2f} MB")  # fmt: skip
    return 0
