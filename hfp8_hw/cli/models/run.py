"""``hfp8 run``."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.console import Console

from ...errors import ParameterError
from ..compare import load_arrays
from ..options import CoreCommand, parameter_options
from ..types import Integer, Output, Source
from .arithmetic import arithmetic_options, check_apart, samples_option, settings
from .engines import check_core, check_place, choose, core_for
from .show import (
    difference,
    line,
    progress,
    show_between,
    show_core,
    show_outcome,
    show_plan,
    to_dict,
)

if TYPE_CHECKING:
    from ...models.records import OutputRecord


@click.command("run", cls=CoreCommand, short_help="Run an ONNX model in 8 bits.")
@click.argument("model", type=Source())
@samples_option
@click.option(
    "--on",
    "where",
    default="golden",
    show_default=True,
    help="golden: the golden model. sim: the compiled RTL of the core. serial://PATH or "
    "sim://BOARD: a core on a board, or on a simulated one. Each code of a core is compared with "
    "golden.",
)
@click.option(
    "--calibrate",
    type=Source(),
    help="Such a file too: the samples that give scales.  [default: the inputs]",
)
@arithmetic_options
@click.option(
    "--between",
    default="stay",
    show_default=True,
    help="On a core, results of a product that the next one takes: stay there where it can do what "
    "is between, read: stay and are read back too, to compare them, or go through the host.",
)
@click.option(
    "--clock",
    type=Integer(1),
    metavar="MHZ",
    help="With --on sim: say how long the core takes at this clock.",
)
@click.option(
    "--report", "reports", type=Output(), multiple=True, metavar="FILE",
    help="Write the figures, as a page if FILE ends in .html, else as JSON; may be given twice.",
)  # fmt: skip
@click.option("--output", type=Output(), help="Write the model's outputs as an .npz file.")
@click.option(
    "--expect", type=Source(), help="An .npz file of outputs, to compare those of this run with."
)
@parameter_options
def run_command(
    model: Path, inputs: Path, where: str, calibrate: Path | None, kind: str, sums: str,
    scales: str, first_last: str, keep: tuple[str, ...], biases: str, batch: int | None,
    between: str, clock: int | None, reports: tuple[Path, ...], output: Path | None,
    expect: Path | None, **options: Any,
) -> int:  # fmt: skip
    """Run a model that was trained in FP32 in 8 bits, and compare it with FP32.

    MODEL is an ONNX file. Its convolutions, Gemm and MatMul run as jobs of the core; all other
    nodes run in onnxruntime, in FP32. Weights and activations are rounded to the format, each
    tensor with a power of two as its scale: the format with its exponent bias moved. No step of
    training is done.

    \b
    HFP8   (1,4,3), as IBM has it
    e4m3   OCP's E4M3
    e5m2   (1,5,2)
    int8   integers, a scale for each tensor, exact sums; on golden only

    With --on sim and on a board the core has the parameters below; its formats and sums are those
    of the run. The exit status is 1 if a code differs from golden.
    """
    from rtl_gen.extras import require

    check_place(where, kind, options, clock, between)
    require("onnx", "onnxruntime")
    if any(path.suffix.lower() == ".html" for path in reports):
        require("jinja2")
    from ...files import write_whole
    from ...models import prepare
    from ...models.plan import EIGHT

    asked = settings(kind, sums, scales, first_last, keep, biases)
    check_core(where, asked, options)
    check_apart(model, [("output", output), *(("report", path) for path in reports)])
    console = Console()
    samples = load_arrays(inputs)
    calibration = samples if calibrate is None else load_arrays(calibrate, "calibrate")
    wanted = None if expect is None else load_arrays(expect, "expect")
    with console.status("reading the model, running it in FP32"):
        what = "inputs" if calibrate is None else "calibrate"
        deployment = prepare(model, calibration, asked, batch=batch, what=what)
    if wanted is not None:
        check_expected(deployment.graph.outputs, wanted, str(expect))
    with console.status("running the model in FP32"):
        plan = deployment.planned(samples, batch)
    show_plan(plan, deployment.notes, console)
    core = None if where == "golden" else core_for(deployment, options, between, where)
    if core is not None:
        show_between(core.boundaries, console)
    chosen = choose(where, core, between, console)
    with closing(chosen), progress(console) as bar:
        task = bar.add_task("", total=plan.macs(EIGHT))
        outcome = deployment.run(
            samples, chosen.engine, batch=batch, chains=core.chains if core else (),
            report=lambda name, more: bar.update(task, advance=more, description=name[-24:]),
        )  # fmt: skip
    show_outcome(outcome, console)
    expected = [] if wanted is None else compare_expected(outcome.outputs, wanted)
    for record in expected:
        line(console, f"{record.name} against {expect}: {difference(record)}")
    show_core(chosen, clock, console)
    if output is not None:
        write_whole(output, _arrays(outcome.outputs, console))
    data = to_dict(
        deployment, plan, outcome, expected, chosen, clock, core.boundaries if core else []
    )
    for path in reports:
        write_whole(path, _report(path, data))
    return 1 if chosen.checked is not None and chosen.checked.mismatches else 0


def _arrays(outputs: dict[str, Any], console: Console) -> bytes:
    """An .npz file of the outputs that are arrays."""
    found = {}
    for name, value in outputs.items():
        if isinstance(value, np.ndarray):
            found[name] = value.astype(str) if value.dtype.kind == "O" else value
        else:
            line(console, f"{name}: no array, so it is not among those written")
    file = io.BytesIO()
    # numpy.savez has parameters of its own, and a model may call an output as it calls them.
    with zipfile.ZipFile(file, "w") as whole:
        for name, value in found.items():
            with whole.open(f"{name}.npy", "w", force_zip64=True) as one:
                np.lib.format.write_array(one, np.asanyarray(value), allow_pickle=False)
    return file.getvalue()


def _report(path: Path, data: dict[str, Any]) -> bytes:
    if path.suffix.lower() == ".html":
        from verif.report import render_run

        return render_run(data).encode()
    return (json.dumps(data, indent=1) + "\n").encode()


def check_expected(outputs: list[str], wanted: dict[str, Any], path: str) -> None:
    """Refuse arrays of other names than those of the outputs, before any work.

    Raises
    ------
    ParameterError
    """
    if not wanted:
        raise ParameterError(f"expect={path!r} is not allowed: it holds no array; the model gives "
                             f"{', '.join(outputs)}")  # fmt: skip
    for name in wanted:
        if name not in outputs:
            raise ParameterError(f"expect: array {name!r} is not allowed: the model gives "
                                 f"{', '.join(outputs)}")  # fmt: skip


def compare_expected(outputs: dict[str, Any], wanted: dict[str, Any]) -> list[OutputRecord]:
    """The outputs against those that the user expects.

    Raises
    ------
    ParameterError
        For shapes that the model's outputs do not have.
    """
    from ...models.records import Errors, OutputRecord

    found = []
    for name, array in wanted.items():
        if np.shape(outputs[name]) != array.shape:
            raise ParameterError(
                f"expect: array {name!r} of shape {array.shape!r} is not allowed: the model gives "
                f"{np.shape(outputs[name])}"
            )
        found.append(OutputRecord(name, Errors()))
        found[-1].add(outputs[name], array)
    return found
