"""``hfp8 sweep``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ...cores import cores
from ...parameters import unit_parameters
from ..options import UnitCommand, given_to_one, parameter_options, seed_option
from ..types import Integer, Output, Unit

if TYPE_CHECKING:
    from verif.sweep.sweep import Found, State, Sweep

_SAVE_EVERY = 5.0


@click.command(
    "sweep", cls=UnitCommand, short_help="Drive every input of a unit through a compiled model."
)
@click.argument("units", nargs=-1, type=Unit())
@click.option(
    "--range", "extent", metavar="all|N",
    help="Every input, or N sampled transfers.  [default: all if at most 2^34, else 2^24]",
)  # fmt: skip
@seed_option
@click.option(
    "--jobs", type=Integer(1, 256), help="Number of parallel processes.  [default: cores]"
)
@click.option("--restart", is_flag=True, help="Start again, even after an interrupted run.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first mismatch.")
@click.option(
    "--json", "json_path", type=Output(),
    help="Write the results as JSON.",
)  # fmt: skip
@parameter_options
def sweep_command(
    units: tuple[str, ...],
    extent: str | None,
    seed: int,
    jobs: int | None,
    restart: bool,
    fail_fast: bool,
    json_path: Path | None,
    **options: Any,
) -> int:
    """Drive every input of a unit, or very many, through a compiled model of its Verilog.

    Every result is compared with the golden model. Without parameters, each unit named (all, if
    none is) is swept in the configurations that docs/verification.md lists. An interrupted
    run resumes where it stopped. Exit status 1 if anything differs.
    """
    from verif.sweep.compiled_model import tool_versions
    from verif.sweep.sweep import State

    sweeps = plan(units, options, extent, seed)
    console = Console()
    console.print(f"seed {seed}; {', '.join(tool_versions())}", highlight=False)
    records, failed = [], 0
    for number, sweep in enumerate(sweeps):
        state = State.load(sweep)
        if restart:
            state.forget()
            state = State(state.path)
        label = _label(sweep)
        head = f"{number + 1}/{len(sweeps)} " if len(sweeps) > 1 else ""
        console.print(f"{head}{label}: {sweep.space.text}", highlight=False, markup=False)
        if state.done:
            share = len(state.done) / sweep.space.blocks
            console.print(f"  goes on at {share:.1%} of an interrupted run", highlight=False)
        _run(sweep, state, jobs or cores(), console, fail_fast)
        found = state.found
        failed += not found.good
        _report(sweep, found, state.seconds, console)
        records.append(_record(sweep, state))
        if json_path is not None:
            _write(records, len(sweeps), seed, json_path)
    if len(sweeps) > 1:
        total = sum(record["transfers"] for record in records)
        console.print(
            f"{len(sweeps) - failed} of {len(sweeps)} sweeps good, {total:,} transfers",
            highlight=False,
        )
    return 1 if failed else 0


def plan(
    units: tuple[str, ...], options: dict[str, Any], extent: str | None, seed: int
) -> list[Sweep]:
    """The sweeps asked for: the configuration given, else those of the units."""
    from verif.simulation.verify import package_of
    from verif.stimulus.input_space import default_extent, space
    from verif.sweep.configurations import SWEEPS
    from verif.sweep.sweep import Sweep

    chosen = given_to_one(units, options)
    sweeps = []
    for unit in units or tuple(SWEEPS):
        for parameters, usual in [(chosen, None)] if chosen else SWEEPS[unit]:
            unit_parameters(unit, parameters)
            key = tuple(parameters.items())
            package = package_of(unit, key)
            wanted = extent or usual or default_extent(package)
            space(package, wanted, seed)
            sweeps.append(Sweep(unit, key, wanted, seed))
    return sweeps


def _label(sweep: Sweep) -> str:
    from verif.simulation.verify import label

    return f"{sweep.unit} [{label(dict(sweep.parameters))}]"


def _run(sweep: Sweep, state: State, jobs: int, console: Console, fail_fast: bool) -> None:
    """Run the blocks that are left, with a progress bar; the state is kept on any exception."""
    from verif.regression import worker_pool
    from verif.sweep.sweep import run_block

    space = sweep.space
    left = [(sweep, k) for k in range(space.blocks) if k not in state.done]
    columns = (
        TextColumn("  "), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    before, start = state.seconds, time.monotonic()
    saved = start
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(
            "sweep", total=space.vectors, rate="", completed=state.found.transfers
        )
        driven = 0
        try:
            for (_, number), found in worker_pool.run(
                run_block, left, min(jobs, max(1, len(left)))
            ):
                state.add(number, found)
                now = time.monotonic()
                state.seconds = before + now - start
                driven += found.transfers
                _show(progress, bar, state.found, driven / (now - start))
                if now - saved > _SAVE_EVERY:
                    state.save()
                    saved = now
                if fail_fast and not found.good:
                    break
        except BaseException:
            state.save()
            raise
    state.forget()


def _show(progress: Progress, bar: TaskID, found: Found, rate: float) -> None:
    wrong = f", {found.mismatches:,} mismatches" if found.mismatches else ""
    progress.update(bar, completed=found.transfers, rate=f"{rate / 1e6:,.1f} M/s{wrong}")


def _replay(sweep: Sweep) -> str:
    from verif.simulation.verify import command

    options = ["--range", sweep.extent, "--seed", str(sweep.seed)]
    return command("sweep", sweep.unit, dict(sweep.parameters), options)


def _report(sweep: Sweep, found: Found, seconds: float, console: Console) -> None:
    rate = found.transfers / max(seconds, 1e-9) / 1e6
    lines = [
        f"  {found.transfers:,} transfers, {found.results:,} results compared, "
        f"{found.mismatches:,} mismatches, {seconds:.1f} s, {rate:,.1f} M/s"
    ]
    for line in (*lines, *_problem(sweep, found)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _problem(sweep: Sweep, found: Found) -> list[str]:
    """Lines that tell what is wrong, none if nothing is."""
    from verif.simulation.verify import mismatch

    lines = [f"  stream contract: {found.error}"] if found.error else []
    if found.first:
        lines += mismatch(sweep.package.manifest, found.first)
    return lines if found.good else [*lines, f"  replay: {_replay(sweep)}"]


def _record(sweep: Sweep, state: State) -> dict[str, Any]:
    found = state.found
    return {
        "unit": sweep.unit,
        "parameters": dict(sweep.parameters),
        "space": sweep.space.text,
        "complete": sweep.space.complete,
        "transfers": found.transfers,
        "results": found.results,
        "mismatches": found.mismatches,
        "good": found.good,
        "seconds": round(state.seconds, 1),
        "command": _replay(sweep),
        **({} if found.good else {"problem": _problem(sweep, found)}),
    }


def _write(records: list[dict[str, Any]], planned: int, seed: int, path: Path) -> None:
    """The sweeps so far, of those planned: the file is whole after each."""
    from rtl_gen.package import write_whole
    from verif.sweep.compiled_model import tool_versions

    data = {"seed": seed, "planned": planned, "tools": tool_versions(), "sweeps": records}
    write_whole(path, (json.dumps(data, indent=2) + "\n").encode())
