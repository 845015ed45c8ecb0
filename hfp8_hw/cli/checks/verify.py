"""``hfp8 verify``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import click
from rich.console import Console
from rich.table import Table

from ...cores import cores
from ...errors import ParameterError
from ...parameters import GENERATED, UNITS, CoreParameters, unit_parameters
from ..options import (
    GeneratorCommand,
    chosen_on_command_line,
    given_to_one,
    parameter_options,
    progress_bar,
    seed_option,
    sim_option,
    simulators,
)
from ..types import Integer, Output, OutputFolder, Unit

NATIVE = "native"
"""The core's compiled model, by the name that it has among the simulators."""

if TYPE_CHECKING:
    from verif.simulation.verify import Result, Task


CORE = CoreParameters.unit


def plan(
    units: tuple[str, ...], options: dict[str, Any], known: Iterable[str] = tuple(UNITS)
) -> list[tuple[str, dict[str, Any]]]:
    """The configurations to verify: the one given, else the matrix of each unit, by default of all
    that the command knows."""
    from verif.core.configurations import CORES, MEMORY_CORES
    from verif.simulation.configurations import MATRIX

    chosen = given_to_one(units, options, known)
    if chosen:
        unit_parameters(units[0], chosen)
        return [(units[0], chosen)]
    every = {**MATRIX, CORE: [*CORES, *MEMORY_CORES]}
    return [(unit, dict(p)) for unit in (units or tuple(known)) for p in every[unit]]


def _ways(sim: str, units: set[str]) -> tuple[list[str], list[str]]:
    """(simulators of units, and of the core: its compiled model too)."""
    given = sim if chosen_on_command_line("sim") else f"{sim},{NATIVE}"
    of_core = simulators(given, (NATIVE,))
    of_units = [name for name in of_core if name != NATIVE]
    if units - {CORE} and not of_units:
        raise ParameterError(f"sim={sim!r} is not allowed for {min(units - {CORE})}: only for core")
    return of_units, of_core


@click.command("verify", cls=GeneratorCommand)
@click.argument("units", nargs=-1, type=Unit(GENERATED))
@sim_option
@seed_option
@click.option("--waves", is_flag=True, help="Write an FST file for every run that fails.")
@click.option("--junit", type=Output(), help="JUnit XML report.")
@click.option(
    "--json",
    "json_path",
    type=Output(),
    help="Write the results as JSON.",
)
@click.option(
    "--jobs", type=Integer(1, 256), help="Number of parallel simulations.  [default: cores]"
)
@parameter_options
def verify_command(
    units: tuple[str, ...],
    sim: str,
    seed: int,
    waves: bool,
    junit: Path | None,
    json_path: Path | None,
    jobs: int | None,
    **options: Any,
) -> int:
    """Simulate units and compare every result with the golden model.

    Without parameters, every unit named (all, and the core, if none is) is checked in a matrix of
    configurations. A core with streams also runs as compiled code (--sim native). Exit status 1 if
    anything differs or a simulator cannot run.
    """
    from verif.errors import ToolMissing
    from verif.simulation.simulators import find
    from verif.simulation.verify import Task, explain

    chosen = plan(units, options, GENERATED)
    names, of_core = _ways(sim, {unit for unit, _ in chosen})
    if waves:
        OutputFolder().check("waves", Path())
    tasks = [
        Task(unit, tuple(parameters.items()), name, seed)
        for unit, parameters in chosen
        for name in (of_core if unit == CORE else names)
        if name != NATIVE or parameters.get("ports", "streams") == "streams"
    ]
    if not tasks:
        raise ParameterError(f"sim={sim!r} is not allowed for ports='memory': only for streams")
    console = Console()
    used = of_core if CORE in (unit for unit, _ in chosen) else names
    console.print(f"seed {seed}; {_versions(used)}", highlight=False)
    results = _run(tasks, jobs or cores(), console)
    failed = [result for result in results if not result.good]
    if waves:
        for result in failed:
            _leave_waves(result, console)
    show_table(results, console)
    for result in failed:
        for line in explain(result):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if junit is not None:
        write_junit(results, junit)
    if json_path is not None:
        write_json(results, json_path, seed)
    vectors = sum(r.outcome.vectors for r in results if r.outcome)
    good = len(results) - len(failed)
    console.print(
        f"{good} of {len(results)} runs good, {vectors:,} results compared", highlight=False
    )
    for name in used:
        try:
            find(name)
        except ToolMissing as error:
            console.print(str(error), markup=False, highlight=False, soft_wrap=True)
    return 1 if failed else 0


def _versions(names: list[str]) -> str:
    from verif.errors import ToolMissing
    from verif.simulation.simulators import find

    found = []
    for name in names:
        try:
            found.append(f"{name} {find(name).version}")
        except ToolMissing:
            found.append(f"{name} missing")
    return ", ".join(found)


def _run(tasks: list[Task], jobs: int, console: Console) -> list[Result]:
    """Run all tasks, several at a time, with a progress line; results in the tasks' order."""
    from verif.core.verify_core import run_task
    from verif.regression import worker_pool

    results: dict[Task, Result] = {}
    with progress_bar(console) as progress:
        bar = progress.add_task("verify", total=len(tasks))
        for _, result in worker_pool.run(run_task, tasks, min(jobs, len(tasks))):
            results[result.task] = result
            word = "ok" if result.good else "FAILED"
            text = f"{result.task.unit} \\[{result.task.label}] {result.task.simulator} {word}"
            if not console.is_terminal:
                console.print(f"{len(results)}/{len(tasks)} {text}", highlight=False)
            progress.update(bar, advance=1, description=text)
    return [results[task] for task in tasks]


def _leave_waves(result: Result, console: Console) -> None:
    """Run a failing task again with a waveform."""
    from dataclasses import replace

    from verif.core.verify_core import run_task

    task = result.task
    if result.outcome is None:
        return
    if task.simulator == NATIVE:
        console.print("no waveform of compiled code: --sim icarus or verilator writes one")
        return
    path = Path(f"{task.package().name}_{task.simulator}.fst").resolve()
    again = run_task(replace(task, waves=str(path)))
    console.print(
        f"waveform: {path}" if again.outcome else f"no waveform: {again.failure}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def show_table(results: list[Result], console: Console) -> None:
    """A row a run."""
    table = Table()
    for column in ("unit", "parameters", "simulator"):
        table.add_column(column, overflow="fold")
    for column in ("vectors", "mismatches", "time"):
        table.add_column(column, justify="right")
    for result in results:
        task, outcome = result.task, result.outcome
        if outcome is None:
            cells = ["-", "could not run", "-"]
        else:
            broken = " + contract" if outcome.error and task.unit != CORE else ""
            cells = [f"{outcome.vectors:,}", f"{outcome.mismatches:,}{broken}",
                     f"{outcome.seconds:.1f} s"]  # fmt: skip
        style = None if result.good else "bold red"
        table.add_row(task.unit, task.label, task.simulator, *cells, style=style)
    console.print(table)


def write_json(results: list[Result], path: Path, seed: int | None = None) -> None:
    """Seed, where all runs have the same, tool versions, and a record a run."""
    from rtl_gen.package import write_whole
    from verif.simulation.simulators import find
    from verif.simulation.verify import explain

    runs = [
        {
            "unit": r.task.unit,
            "parameters": dict(r.task.parameters),
            "simulator": r.task.simulator,
            **({"seed": r.task.seed} if seed is None else {}),
            "vectors": r.outcome.vectors if r.outcome else 0,
            "mismatches": r.outcome.mismatches if r.outcome else None,
            "good": r.good,
            **({} if r.good else {"problem": explain(r)}),
        }
        for r in results
    ]
    versions = {
        name: find(name).version
        for name in dict.fromkeys(r.task.simulator for r in results if r.outcome)
    }
    data = {**({} if seed is None else {"seed": seed}), "tools": versions, "runs": runs}
    write_whole(path, (json.dumps(data, indent=2) + "\n").encode())


def write_junit(results: list[Result], path: Path, name: str = "hfp8 verify") -> None:
    """JUnit XML: one test case a run; a run that could not happen is an error."""
    from rtl_gen.package import write_whole
    from verif.simulation.verify import explain

    failures = sum(r.outcome is not None and not r.good for r in results)
    errors = sum(r.outcome is None for r in results)
    suite = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(results)),
        failures=str(failures),
        errors=str(errors),
    )
    for result in results:
        task, outcome = result.task, result.outcome
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"{task.unit}.{task.simulator}",
            name=task.label,
            time=f"{outcome.seconds:.3f}" if outcome else "0",
        )
        if not result.good:
            kind = "error" if outcome is None else "failure"
            lines = explain(result)
            ElementTree.SubElement(case, kind, message=lines[0]).text = "\n".join(lines)
    ElementTree.indent(suite)
    write_whole(path, ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True))
