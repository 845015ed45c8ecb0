"""``hfp8 run``."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ...errors import ParameterError
from ..compare import load_arrays
from ..types import Integer, Output, Source

if TYPE_CHECKING:
    from ...models import Deployment, Outcome


@click.command("run", short_help="Run an ONNX model in 8 bits, on the golden model or the core.")
@click.argument("model", type=Source())
@click.option(
    "--inputs",
    type=Source(),
    required=True,
    help="NumPy .npz file with samples, arrays named as the model's inputs.",
)
@click.option(
    "--on", "where", default="golden", show_default=True, help="golden: the golden model."
)
@click.option(
    "--calibrate",
    type=Source(),
    help="Such a file too: the samples that give scales.  [default: the inputs]",
)
@click.option(
    "--format",
    "kind",
    default="HFP8",
    show_default=True,
    help="HFP8, e4m3, e5m2 or int8: of weights and activations.",
)
@click.option(
    "--sums",
    default="chunked",
    show_default=True,
    help="In DLFLOAT16: chunked, each product rounded, by 64; or exact, rounded once.",
)
@click.option(
    "--first-last",
    default="hfp8",
    show_default=True,
    help="hfp8, or fp16: the first and the last product have operands of 16 bits.",
)
@click.option("--keep", default="", metavar="NODE,...", help="Nodes that stay in FP32.")
@click.option("--batch", type=Integer(1), help="Samples at a time.  [default: all]")
@click.option("--report", type=Output(), help="Write the figures as JSON.")
@click.option("--output", type=Output(), help="Write the model's outputs as an .npz file.")
def run_command(
    model: Path, inputs: Path, where: str, calibrate: Path | None, kind: str, sums: str,
    first_last: str, keep: str, batch: int | None, report: Path | None, output: Path | None,
) -> int:  # fmt: skip
    """Run a model that was trained in FP32 in 8 bits, and compare it with FP32.

    MODEL is an ONNX file. Convolutions and matrix products run as jobs of the core; all other
    nodes run in onnxruntime, in FP32. Weights and activations are rounded to the format, each
    tensor with a power of two as its scale: the format with its exponent bias moved.
    """
    from rtl_gen.extras import require

    require("onnx", "onnxruntime")
    from ...files import write_whole
    from ...golden.engine import GoldenEngine
    from ...models import Settings, prepare

    if where != "golden":
        raise ParameterError(f"on={where!r} is not allowed: golden")
    settings = Settings(kind, first_last, tuple(filter(None, keep.split(","))), sums)
    console = Console()
    samples = load_arrays(inputs)
    calibration = samples if calibrate is None else load_arrays(calibrate)
    with console.status("reading the model, running it in FP32"):
        deployment = prepare(model, calibration, settings, batch=batch)
    show_plan(deployment, console)
    with _progress(console) as bar:
        task = bar.add_task("", total=None)

        def tell(name: str, more: int) -> None:
            bar.update(task, advance=more, description=name)

        outcome = deployment.run(samples, GoldenEngine(), batch=batch, report=tell)
    show_outcome(outcome, console)
    if output is not None:
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **outcome.outputs)
        write_whole(output, file.getvalue())
    if report is not None:
        write_whole(report, (json.dumps(to_dict(deployment, outcome), indent=1) + "\n").encode())
    return 0


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
               TimeElapsedColumn())  # fmt: skip
    return Progress(*columns, console=console, transient=True)


def show_plan(deployment: Deployment, console: Console) -> None:
    """Which nodes run where, their products, and why some stay."""
    table = Table("node", "operator", "runs in")
    for name in ("output", "MACs"):
        table.add_column(name, justify="right")
    table.add_column("why")
    for node in deployment.nodes:
        if node.macs or node.where != "host":
            shape = "x".join(map(str, node.shape))
            table.add_row(node.name, node.op, _WHERE[node.where], shape, f"{node.macs:,}", node.why)
    console.print(table)
    others = Counter(n.op for n in deployment.nodes if n.where == "host" and not n.macs)
    words = ", ".join(f"{count} {op}" for op, count in others.most_common())
    console.print(f"in onnxruntime, as they are no products: {words or 'none'}", highlight=False)


_WHERE = {"hfp8": "8 bits", "fp16": "16 bits", "host": "FP32"}


def show_outcome(outcome: Outcome, console: Console) -> None:
    """What the run gave, node by node, and how far the outputs are from FP32."""
    table = Table("node")
    for name in ("SQNR, dB", "its own, dB", "saturated", "underflown", "not finite"):
        table.add_column(name, justify="right")
    for node in outcome.nodes:
        cells = (_db(node.sqnr_db), _db(node.own_sqnr_db), f"{node.saturated:,}",
                 f"{node.underflown:,}", f"{node.overflown:,}")  # fmt: skip
        table.add_row(node.name, *cells)
    console.print(table)
    for record in outcome.compared:
        agreed = f", arg-max agrees in {record.agreed} of {record.compared}"
        console.print(
            f"{record.name}: SQNR {_db(record.errors.sqnr_db)} dB, largest difference "
            f"{record.errors.largest:.6g}{agreed if record.compared else ''}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip


def _db(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def to_dict(deployment: Deployment, outcome: Outcome) -> dict[str, Any]:
    """The figures, as JSON takes them."""
    return {
        "model": deployment.graph.path.name,
        "settings": vars(deployment.settings) | {"keep": list(deployment.settings.keep)},
        "plan": [vars(node) | {"shape": list(node.shape)} for node in deployment.nodes],
        "nodes": [node.to_dict() for node in outcome.nodes],
        "outputs": [record.to_dict() for record in outcome.compared],
        "seconds": round(outcome.seconds, 3),
    }
