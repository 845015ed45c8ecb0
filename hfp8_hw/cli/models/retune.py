"""``hfp8 retune``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ..compare import load_arrays
from ..types import Output, Source
from .arithmetic import arithmetic_options, settings
from .show import line, progress, short


@click.command("retune", short_help="Fit an ONNX model's batch normalization to 8 bits.")
@click.argument("model", type=Source())
@click.option(
    "--inputs",
    type=Source(),
    required=True,
    help="NumPy .npz file with samples, arrays named as the model's inputs.",
)
@click.option("-o", "--output", type=Output(), required=True, help="The ONNX file to be written.")
@arithmetic_options
def retune_command(
    model: Path, inputs: Path, output: Path, kind: str, sums: str, first_last: str,
    keep: tuple[str, ...], batch: int | None,
) -> int:  # fmt: skip
    """Estimate the statistics of batch normalization anew, in 8 bits.

    MODEL is an ONNX file. It runs on the samples in the arithmetic given; the mean and the variance
    of each BatchNormalization become those that its input has there. Weights stay as they are, and
    no step of training is done. Use some hundred samples like those that the model will see.
    """
    from rtl_gen.extras import require

    require("onnx", "onnxruntime")
    from ...files import write_whole
    from ...golden.engine import GoldenEngine
    from ...models.retune import retune

    chosen, console = settings(kind, sums, first_last, keep), Console()
    samples = load_arrays(inputs)
    with progress(console) as bar:
        task = bar.add_task("", total=None)
        tuned, changed = retune(
            model, samples, GoldenEngine(), chosen, batch=batch,
            report=lambda name, more: bar.update(task, advance=more, description=name[-24:]),
        )  # fmt: skip
    write_whole(output, tuned.SerializeToString())
    table = Table("node", "mean moved, in deviations", "deviation, new to old")
    for one in changed:
        table.add_row(short(one.name), f"{one.shift:.3f}", f"{one.spread:.3f}")
    console.print(table, markup=False)
    line(console, f"{output}: {len(changed)} nodes; for each the channel that changed most")
    return 0
