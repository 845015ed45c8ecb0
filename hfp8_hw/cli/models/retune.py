"""``hfp8 retune``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ...errors import check_choice
from ..compare import load_arrays
from ..types import Output, Source
from .arithmetic import arithmetic_options, check_apart, samples_option, settings
from .show import line, progress, short


@click.command("retune", short_help="Fit an ONNX model's statistics or biases to 8 bits.")
@click.argument("model", type=Source())
@samples_option
@click.option("-o", "--output", type=Output(), required=True, help="The ONNX file to be written.")
@click.option("--what", default="statistics", show_default=True,
              help="statistics: of batch normalization. biases: of all products.")  # fmt: skip
@arithmetic_options
def retune_command(
    model: Path, inputs: Path, output: Path, what: str, kind: str, sums: str, scales: str,
    first_last: str, keep: tuple[str, ...], biases: str, batch: int | None,
) -> int:  # fmt: skip
    """Estimate the statistics of batch normalization anew, in 8 bits; or move biases.

    MODEL is an ONNX file. It runs on the samples in the arithmetic given. Weights stay as they are,
    and no step of training is done. Use some hundred samples like those that the model will see.

    \b
    statistics  the mean and the variance of each BatchNormalization become those that its input
                has there
    biases      the bias of each product moves by what its mean is off from FP32, channel by
                channel; for models whose batch normalization is folded into the weights, too
    """
    from rtl_gen.extras import require

    require("onnx", "onnxruntime")
    from ...files import write_whole
    from ...golden.engine import GoldenEngine
    from ...models import prepare
    from ...models.biases import with_biases
    from ...models.retune import retune

    check_choice("what", what, ("statistics", "biases"))
    chosen, console = settings(kind, sums, scales, first_last, keep, biases), Console()
    check_apart(model, [("output", output)])
    samples = load_arrays(inputs)
    with progress(console) as bar:
        task = bar.add_task("", total=None)

        def tell(name: str, more: int) -> None:
            bar.update(task, advance=more, description=name[-24:])

        if what == "biases":
            deployment = prepare(model, samples, chosen, batch=batch, what="inputs")
            moved, count = with_biases(
                deployment, samples, GoldenEngine(), batch=batch, report=tell
            )
        else:
            tuned, changed = retune(
                model, samples, GoldenEngine(), chosen, batch=batch, report=tell
            )
    if what == "biases":
        write_whole(output, moved.SerializeToString())
        line(
            console, f"{output}: {count} of {len(deployment.plan.layers)} products have new biases"
        )
        return 0
    write_whole(output, tuned.SerializeToString())
    table = Table("node", "mean moved, in deviations", "deviation, new to old")
    for one in changed:
        table.add_row(short(one.name), f"{one.shift:.3f}", f"{one.spread:.3f}")
    console.print(table, markup=False)
    line(console, f"{output}: {len(changed)} nodes; for each the channel that changed most")
    return 0
