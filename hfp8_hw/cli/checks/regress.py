"""``hfp8 regress``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from ...cores import cores
from ..options import progress_bar, scheduler_option
from ..types import Integer, Output, Source
from .verify import show_table, write_json, write_junit


@click.command("regress", short_help="Run a matrix of verification runs on Dask.")
@click.option("--matrix", type=Source(),
              help="TOML file; by default the matrix that comes with the package.")  # fmt: skip
@click.option("--smoke", is_flag=True, help="Only the first configuration of each unit.")
@click.option("--jobs", type=Integer(1, 256), help="Number of workers.  [default: cores]")
@scheduler_option
@click.option("--junit", type=Output(), help="JUnit XML report.")
@click.option("--json", "json_path", type=Output(),
              help="Write the results as JSON.")  # fmt: skip
def regress_command(
    matrix: Path | None,
    smoke: bool,
    jobs: int | None,
    scheduler: str | None,
    junit: Path | None,
    json_path: Path | None,
) -> int:
    """Run a matrix of verification runs on Dask, here or on a cluster.

    Finished runs are kept and not run again until something that they depend on changes; a worker
    that dies loses none. Exit status 1 if anything differs or could not run.
    """
    from rtl_gen.extras import require
    from verif.regression import dask_runs
    from verif.simulation.verify import Result, Task, explain

    require("distributed", "cocotb", extra="regress")
    tasks = dask_runs.load(matrix or dask_runs.MATRIX)
    if smoke:
        tasks = dask_runs.smoke(tasks)
    console = Console()
    results: dict[Task, Result] = {}
    old = 0
    with progress_bar(console) as progress:
        bar = progress.add_task("regress", total=len(tasks))
        for result, kept in dask_runs.run(tasks, jobs=jobs or cores(), scheduler=scheduler):
            results[result.task] = result
            old += kept
            word = "kept" if kept else "ok" if result.good else "FAILED"
            text = f"{result.task.unit} \\[{result.task.label}] {result.task.simulator} {word}"
            if not console.is_terminal and not kept:
                console.print(f"{len(results)}/{len(tasks)} {text}", highlight=False)
            progress.update(bar, advance=1, description=text)
    ordered = [results[task] for task in tasks]
    failed = [result for result in ordered if not result.good]
    if failed:
        show_table(failed, console)
    for result in failed:
        for line in explain(result):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if junit is not None:
        write_junit(ordered, junit, "hfp8 regress")
    if json_path is not None:
        write_json(ordered, json_path)
    vectors = sum(r.outcome.vectors for r in ordered if r.outcome)
    console.print(
        f"{len(ordered) - len(failed)} of {len(ordered)} runs good ({old} kept from before), "
        f"{vectors:,} results compared",
        highlight=False,
    )
    return 1 if failed else 0
