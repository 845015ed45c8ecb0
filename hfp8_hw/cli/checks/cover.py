"""``hfp8 cover``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from ...cores import cores
from ..options import UnitCommand, parameter_options, progress_bar, seed_option
from ..types import Integer, Output, Unit
from .verify import plan

if TYPE_CHECKING:
    from verif.coverage.cover import Covered

_SHOWN = 20


@click.command(
    "cover", cls=UnitCommand, short_help="Measure what the vectors of 'hfp8 verify' cover."
)
@click.argument("units", nargs=-1, type=Unit())
@seed_option
@click.option("--timeout", type=Integer(1, 86400), default=30, show_default=True,
              help="Seconds for each proof that something cannot occur.")  # fmt: skip
@click.option("--json", "json_path", type=Output(),
              help="Write the results as JSON.")  # fmt: skip
@click.option("--jobs", type=Integer(1, 256), help="Number of parallel runs.  [default: cores]")
@parameter_options
def cover_command(
    units: tuple[str, ...],
    seed: int,
    timeout: int,
    json_path: Path | None,
    jobs: int | None,
    **options: Any,
) -> int:
    """Measure what the vectors of `hfp8 verify` cover.

    Crosses of operand classes, result classes, flags, distances and stream states, and every
    line, branch and bit of the Verilog, on Verilator. What is not hit is proved unreachable or
    reported. Without parameters, every unit named (all, if none is) is measured in the
    configurations of `hfp8 verify`. Exit status 1 if something reachable was not hit.
    """
    from verif.coverage.cover import run_cover
    from verif.formal.prove import engine_versions
    from verif.regression import worker_pool
    from verif.simulation.simulators import find
    from verif.simulation.verify import Task

    chosen = plan(units, options)
    versions = [f"verilator {find('verilator').version}", *engine_versions("abc")]
    console = Console()
    console.print(f"seed {seed}; {', '.join(versions)}", highlight=False)
    tasks = [Task(unit, tuple(given.items()), "verilator", seed) for unit, given in chosen]
    found: dict[Task, Covered] = {}
    with progress_bar(console) as progress:
        bar = progress.add_task("cover", total=len(tasks))
        work = [(task, timeout) for task in tasks]
        for _, covered in worker_pool.run(run_cover, work, min(jobs or cores(), len(tasks))):
            found[covered.task] = covered
            word = "ok" if covered.good else "FAILED" if covered.failure else "NOT COVERED"
            text = f"{covered.task.unit} \\[{covered.task.label}] {word}"
            if not console.is_terminal:
                console.print(f"{len(found)}/{len(tasks)} {text}", highlight=False)
            for line in explain(covered):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
            progress.update(bar, advance=1, description=text)
            if json_path is not None:
                # Whole after every configuration: all of them take a while.
                _write([found[t] for t in tasks if t in found], seed, versions, json_path)
    ordered = [found[task] for task in tasks]
    console.print(_table(ordered))
    good = sum(covered.good for covered in ordered)
    console.print(f"{good} of {len(ordered)} configurations covered", highlight=False)
    return 0 if good == len(ordered) else 1


def _table(ordered: list[Covered]) -> Table:
    """A row a configuration: what was hit of what can be reached."""
    from verif.coverage.cover import KINDS

    table = Table()
    for column in ("unit", "parameters"):
        table.add_column(column, overflow="fold")
    for column in ("bins", *KINDS, "unreachable", "left"):
        table.add_column(column, justify="right", no_wrap=True)
    for covered in ordered:
        tallies = covered.functional.tallies
        cells = [f"{sum(t.hit for t in tallies)}/{sum(t.reachable for t in tallies)}"]
        for kind in KINDS:
            every = [p for p in covered.places if p.kind == kind]
            hit = sum(p.hits > 0 for p in every)
            proved = sum(p.kind == kind for p in covered.unreachable)
            cells.append(f"{hit}/{len(every) - proved}")
        left = len(covered.holes) + len(covered.open_bins)
        cells += [str(len(covered.unreachable)), str(left)]
        style = None if covered.good else "bold red"
        table.add_row(covered.task.unit, covered.task.label, *cells, style=style)
    return table


def explain(covered: Covered) -> list[str]:
    """Lines that name what was not hit, and say how to see it again."""
    from verif.simulation.verify import Result
    from verif.simulation.verify import explain as mismatch

    if covered.good:
        return []
    task = covered.task
    if covered.failure or covered.outcome is None or not covered.outcome.good:
        return mismatch(Result(task, covered.outcome, covered.failure))
    lines = [f"{task.unit} [{task.label}]:"]
    lines += [f"  against the rules: {text}" for text in covered.functional.wrong[:_SHOWN]]
    left = [f"  not hit: {text}" for text in (*(p.text for p in covered.holes), *covered.open_bins)]
    lines += left[:_SHOWN]
    if len(left) > _SHOWN:
        lines.append(f"  and {len(left) - _SHOWN} more; --json FILE lists all")
    return [*lines, f"  replay: {task.command('cover')}"]


def _write(ordered: list[Covered], seed: int, versions: list[str], path: Path) -> None:
    """One line a configuration, since the counts are many."""
    from rtl_gen.package import write_whole
    from verif.coverage.cover import record

    head = json.dumps({"seed": seed, "tools": versions})[:-1]
    rows = ",\n ".join(json.dumps(record(covered)) for covered in ordered)
    write_whole(path, f'{head}, "runs": [\n {rows}\n]}}\n'.encode())
