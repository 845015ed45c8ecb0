"""``hfp8 explore``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from ...cores import cores
from ...errors import ParameterError
from ...files import write_whole
from ...parameters import GENERATED
from ..compare import load_arrays
from ..options import progress_bar, scheduler_option, seed_option
from ..types import Integer, Output, Source, Unit
from .table import show


@click.command(
    "explore", short_help="Measure many configurations of a unit or the core; which are best."
)
@click.argument("unit", type=Unit(GENERATED))
@click.option("--device", default="ecp5-85k", show_default=True,
              help="ecp5-85k, ice40-up5k, ice40-hx8k or gowin-gw2a-18.")  # fmt: skip
@click.option("--space", "space_path", type=Source(), required=True,
              help="TOML file with lists of values; see above.")  # fmt: skip
@scheduler_option
@click.option("--workload", "workload_path", type=Source(),
              help="NumPy .npz file with arrays for the error, as 'hfp8 compare' takes them.  "
              "[default: seeded numbers]")  # fmt: skip
@click.option(
    "--seeds", type=Integer(1, 32), default=1, show_default=True, help="Placements, 1 to 32."
)
@seed_option
@click.option("--dsp", is_flag=True, help="Let Yosys use DSP blocks.")
@click.option("--front",
              help="What the Pareto front is of: luts, ffs, dsps, memories, fmax, throughput, "
              "latency, sqnr, own_sqnr, comma-separated.  [default: luts,dsps,throughput,sqnr; of "
              "the core also memories]")  # fmt: skip
@click.option("--json", "json_path", type=Output(),
              help="Keep the points in this file, and go on with those that it has.")  # fmt: skip
@click.option("--report", "report_path", type=Output(), help="Write a page of HTML with a plot.")
@click.option("--jobs", type=Integer(1, 256), help="Number of workers.  [default: cores]")
def explore_command(
    unit: str,
    device: str,
    space_path: Path,
    scheduler: str | None,
    workload_path: Path | None,
    seeds: int,
    seed: int,
    dsp: bool,
    front: str | None,
    json_path: Path | None,
    report_path: Path | None,
    jobs: int | None,
) -> int:
    """Measure area, clock, latency and numerical error of many configurations of a UNIT, or of the
    core.

    The file has lists of values, all combinations of which are points, and may have more points.
    Combinations that the unit does not take are listed with the reason.

    \b
    [fixed]                  optional: values that every point has
    a = "HFP8_FWD"
    [parameters]             lists of values
    semantics = ["exact_chunk", "chunked"]
    stages = [2, 3]
    [[points]]               optional: points besides
    semantics = "exact"
    [workload]               optional: the size of the seeded one
    results = 4096
    products = 256
    sizes = ["64x64x64"]     in place of these for the core: M x N x K
    quantize = true          and whether its results are in the format y

    Each point goes through the flow of 'hfp8 synth'. Its error is that of the golden model's
    results, which are the unit's, against float64 on the numbers as given: by default seeded ones
    of the standard normal distribution, or your own arrays. The unit's own error leaves out that of
    rounding the numbers to the formats of its inputs.

    The core multiplies matrices of these sizes, or your own as 'hfp8 compare core' takes them. How
    much of the array they use is told by a model of its clocks; where pages do not hold a matrix,
    of the jobs that it is cut into.

    With --json the points are kept as they end. After Ctrl-C, the same command goes on. A file
    with another device, seed or workload is refused; points of other versions of the tools are
    measured again.

    The tools come from PyPI as WebAssembly. Each is compiled when it runs first, which takes one to
    three minutes. The exit status is 1 if a tool failed on some point.
    """
    from fpga.explore.front import objectives
    from fpga.explore.ledger import Settings, reopen, varying
    from fpga.explore.point import FAILED, REFUSED
    from fpga.explore.space import load
    from fpga.explore.takes import check_workload
    from fpga.explore.workload import Workload
    from fpga.synth import check_flow
    from rtl_gen.extras import require

    space = load(space_path, unit)
    chosen, wanted = check_flow(device, dsp), objectives(front, unit)
    arrays = None if workload_path is None else load_arrays(workload_path, "workload")
    name = "" if workload_path is None else workload_path.name
    workload = Workload(
        seed, space.results, space.products, space.sizes, arrays, name, space.quantize
    )
    require("distributed", *(["jinja2"] if report_path is not None else []), extra="explore")
    from fpga.explore.run import current, run

    settings = Settings(unit, device, dsp, seeds, workload, *current(chosen))
    source = f"space={str(space_path)!r}: the workload"
    check_workload(
        space.points, workload, source if arrays is None else f"workload={str(workload_path)!r}"
    )
    console = Console()
    ledger = reopen(json_path, settings, wanted, space)
    if ledger.outdated:
        console.print(
            f"{ledger.outdated} points of {json_path} are of other tools or sources: "
            "they are measured again",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    kept = sum(ledger.has(point) for point in space.points)
    names = varying([point.to_dict() for point in space.points])
    with progress_bar(console) as progress:
        bar = progress.add_task("explore (slow when a tool runs first)",
                                total=len(space.points), completed=kept)  # fmt: skip
        done = kept
        for row in run(ledger, jobs=jobs or cores(), scheduler=scheduler, path=json_path):
            done += 1
            own = row["parameters"]
            text = " ".join(f"{k}={own[k]}" for k in names if k in own) + f" {row['status']}"
            if not console.is_terminal:
                console.print(f"{done}/{len(space.points)} {text}", markup=False, highlight=False)
            progress.update(bar, advance=1, description=escape(text))
    data = ledger.to_dict()
    show(data, f"{unit} on {chosen.title}", console)
    _summary(data, kept, console)
    if report_path is not None:
        from fpga.explore.columns import columns
        from verif.report import render_exploration

        cells = {column.title: column.cell for column in columns(unit)}
        write_whole(report_path, render_exploration(data, chosen.title, cells).encode())
    for path in (json_path, report_path):
        if path is not None:
            console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    if workload_path is not None and all(row["status"] == REFUSED for row in data["rows"]):
        raise ParameterError(
            f"workload={str(workload_path)!r} is not allowed: no point takes its arrays; the "
            "reasons are above"
        )
    return 1 if any(row["status"] == FAILED for row in data["rows"]) else 0


def _summary(data: dict[str, Any], kept: int, console: Console) -> None:
    """What it was measured on and with, and how many points there are."""
    count = Counter(row["status"] for row in data["rows"])
    work = data["workload"]
    if work["kind"] == "file":
        text = f"the arrays of {work['name']}"
    elif "sizes" in work:
        text = (f"matrices {', '.join(work['sizes'])} (M x N x K) of standard normal numbers, "
                f"seed {data['seed']}")  # fmt: skip
    else:
        text = (f"{work['results']:,} results, of {work['products']:,} products where the unit "
                f"sums, of standard normal numbers, seed {data['seed']}")  # fmt: skip
    text += ", results in y" if work.get("quantize") else ""
    console.print(
        f"dB: SQNR, and that of the {'core' if data['unit'] == 'core' else 'unit'} by itself; "
        f"{text}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print(", ".join(data["tools"]), highlight=False, soft_wrap=True)
    console.print(
        f"{count['measured']} points measured ({kept} kept from before), "
        f"{count['refused']} refused, {count['failed']} failed", highlight=False,
    )  # fmt: skip
