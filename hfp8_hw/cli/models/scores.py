"""``hfp8 bench models``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from ...errors import ParameterError, check_choice
from ..options import chosen_on_command_line
from ..types import Output, OutputFolder

if TYPE_CHECKING:
    from ...models.zoo import Example

ARITHMETICS = "fp32,hfp8,hfp8+channels,hfp8+fp16ends,e4m3,e5m2,int8"


@click.command("models", short_help="Score networks with real weights in several arithmetics.")
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option(
    "--arith", default=ARITHMETICS, show_default=True, help="Arithmetics, comma-separated."
)
@click.option("--json", "path", type=Output(), help="Add the scores to a file of JSON.")
@click.option("--skip-known", is_flag=True, help="Leave out what the file has already.")
@click.option(
    "--retune",
    default="none,biases",
    show_default=True,
    help="As the models are, and re-tuned: none, biases, statistics, comma-separated.",
)
@click.option("--files", type=OutputFolder(), metavar="FOLDER",
              help="Score nothing; write each model and its data, for hfp8 run.")  # fmt: skip
def models_command(
    models: tuple[str, ...],
    arith: str,
    path: Path | None,
    skip_known: bool,
    retune: str,
    files: Path | None,
) -> int:
    """Score networks that were trained in FP32 in 8 bits, on the golden model.

    \b
    digits_mlp      handwritten digits, a perceptron
    digits_cnn      handwritten digits, a convolutional network
    text_direction  which way up a line of text is (rapidocr-onnxruntime)
    magika          what type a file of this machine is (magika)
    basic_pitch     the notes of chords (basic-pitch)
    text_recognition  what a line of text says (rapidocr-onnxruntime)

    The first two are trained by the command; the others are files of installed packages. Scales
    come from other samples than those that are scored. In hfp8+channels weights have a scale for
    each channel, in hfp8+fp16ends the first and the last product have operands of 16 bits. Each
    model is scored as it is, and re-tuned as by hfp8 retune with the samples that give the scales.
    Without MODEL it is all of them.
    """
    from rtl_gen.extras import require

    require("onnx", "onnxruntime")
    from ... import rows
    from ...golden.engine import GoldenEngine
    from ...models.zoo import EXAMPLES, find
    from ...models.zoo.scores import ARITHMETICS as KNOWN
    from ...models.zoo.scores import AS_IS, KEY, TUNINGS, keys, scores

    arithmetics = list(dict.fromkeys(arith.split(",")))
    for name in arithmetics:
        check_choice("arith", name, KNOWN)
    tunings = list(dict.fromkeys(retune.split(",")))
    for name in tunings:
        check_choice("retune", name, TUNINGS)
    examples = [find(name) for name in dict.fromkeys(models or EXAMPLES)]
    if skip_known and path is None:
        raise ParameterError("skip-known is not allowed without --json")
    if files is not None:
        for name in ("arith", "json", "skip_known", "retune"):
            if chosen_on_command_line("path" if name == "json" else name):
                raise ParameterError(
                    f"{name.replace('_', '-')} is not allowed with --files, which scores nothing"
                )
        for example in examples:
            click.echo(f"{write(example, files)}: {example.about}")
        return 0
    known = [] if path is None else rows.load(path, KEY)
    have = {rows.key(row, KEY) for row in known} if skip_known else set()
    console = Console()
    table = Table()
    for column in ("model", "arithmetic"):
        table.add_column(column, no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    for column in ("agrees with FP32, %", "samples", "seconds"):
        table.add_column(column, justify="right")
    with console.status("") as status:
        for example in examples:
            wanted = {n: keys(example.name, n, tunings) for n in arithmetics}
            todo = [name for name, every in wanted.items() if not every <= have]
            if not todo:
                continue

            def tell(
                arithmetic: str, node: str, done: int, every: float, of: str = example.name
            ) -> None:
                share = f"{done / every:.0%}" if every else ""
                status.update(f"{of} in {arithmetic}: {share} {node[-40:]}")

            status.update(f"{example.name}: the model and its data")
            for row in scores(example, todo, GoldenEngine(), tell, tunings=tunings):
                if path is not None:
                    rows.add(path, row, KEY)
                tuned = "" if row["retuned"] == AS_IS else f", {row['retuned']} re-tuned"
                table.add_row(
                    row["model"], row["arithmetic"] + tuned, f"{row['score']:.2f} {row['unit']}",
                    f"{row['agreement']:.2f}", str(row["samples"]), f"{row['seconds']:.1f}",
                )  # fmt: skip
    console.print(table)
    return 0


def write(example: Example, folder: Path) -> Path:
    """Write NAME.onnx, NAME-inputs.npz and NAME-calibrate.npz; the path of the first."""
    from ...files import write_whole

    folder.mkdir(parents=True, exist_ok=True)
    model = folder / f"{example.name}.onnx"
    data = {"calibrate": example.calibration(), "inputs": example.evaluation()}
    for what, arrays in data.items():
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        write_whole(folder / f"{example.name}-{what}.npz", file.getvalue())
    write_whole(model, example.model())
    return model
