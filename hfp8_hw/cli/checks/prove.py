"""``hfp8 prove``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.status import Status
from rich.table import Table

from ...errors import ParameterError
from ...parameters import GENERATED, UNITS
from ..options import GeneratorCommand, given, parameter_options
from ..types import Integer, Output, Unit
from .verify import CORE, plan

if TYPE_CHECKING:
    from verif.formal.claims import Problem


@click.command(
    "prove", cls=GeneratorCommand, short_help="Prove properties of units for all inputs."
)
@click.argument("units", nargs=-1, type=Unit(GENERATED))
@click.option(
    "--property", "properties", metavar="NAME[,NAME]",
    help="stream, progress, pipeline, arithmetic; of the core stream, registers.  [default: all "
         "that the unit has]",
)  # fmt: skip
@click.option(
    "--engine", default="auto", show_default=True,
    help="abc: reachability (PDR); reach: all states, with BDDs; z3: k-induction; count: all "
         "inputs; auto: count where a property is of one clock and 2^34 inputs, else abc, "
         "then reach where there are few registers.",
)  # fmt: skip
@click.option("--depth", type=Integer(1, 1000), default=20, show_default=True,
              help="Steps of k-induction, and of the search for a trace.")  # fmt: skip
@click.option("--timeout", type=Integer(1, 86400), default=300, show_default=True,
              help="Seconds for each property.")  # fmt: skip
@click.option("--trace", type=Output(),
              help="Write a VCD file of the first property that fails.")  # fmt: skip
@click.option("--json", "json_path", type=Output(),
              help="Write the results as JSON.")  # fmt: skip
@click.option(
    "--link",
    is_flag=True,
    help="Prove the receiver and the sender of a board's serial link, and no unit.",
)
@parameter_options
def prove_command(
    units: tuple[str, ...],
    properties: str | None,
    engine: str,
    depth: int,
    timeout: int,
    trace: Path | None,
    json_path: Path | None,
    link: bool,
    **options: Any,
) -> int:
    """Prove properties of units for all inputs and any number of clocks.

    docs/verification.md says what each property claims. Without parameters, every unit named
    (all, if none is; the core only by name) is proved in the configurations of `hfp8 verify`.
    Exit status 1 if a property fails or stays open.
    """
    from verif.formal.contracts import link_contract
    from verif.formal.exhaustive import countable
    from verif.formal.properties import PROPERTIES, check_known, offered, problems
    from verif.formal.properties import known as known_of
    from verif.formal.prove import ENGINES, engine_versions, prove_problems
    from verif.simulation.verify import label, package_of

    wanted = None if properties is None else [*dict.fromkeys(properties.split(","))]
    known = link_contract.PROPERTIES if link else PROPERTIES
    for name in wanted or ():
        if name not in known:
            raise ParameterError(
                f"property={properties!r} is not allowed: one or more of "
                f"{', '.join(known)}, separated by commas"
            )
    if link and (units or given(options)):
        name, value = ("UNIT", units[0]) if units else next(iter(given(options).items()))
        raise ParameterError(
            f"{name}={value!r} is not allowed with link: that proves the serial link, and no unit"
        )
    if engine not in ENGINES:
        raise ParameterError(f"engine={engine!r} is not allowed: one of {', '.join(ENGINES)}")
    if link and engine == "count":
        raise ParameterError(
            "engine='count' is not allowed with link: it has no claim of one clock"
        )
    chosen = [] if link else plan(units, options, GENERATED if CORE in units else UNITS)
    explicit = bool(given(options)) and wanted is not None
    if not link:
        check_known(wanted or (), (unit for unit, _ in chosen), explicit)
    if engine == "count" and chosen and all(unit == CORE for unit, _ in chosen):
        raise ParameterError("engine='count' is not allowed for core: it has no claim of one clock")
    versions = engine_versions(engine)
    console = Console()
    console.print(", ".join(versions), highlight=False)
    records: list[dict[str, Any]] = []

    def todo() -> Iterator[tuple[str, str, dict[str, Any], str, dict[str, Problem]]]:
        """What is printed of it, the unit, its parameters, the property, and its problems."""
        for name in wanted or known if link else ():
            yield f"link {name}", "link", {}, name, link_contract.problems(name)
        for number, (unit, parameters) in enumerate(chosen):
            if wanted and not set(wanted) & set(known_of(unit)):
                continue
            package = package_of(unit, tuple(parameters.items()))
            there = offered(package)
            names = wanted if explicit and wanted else [n for n in there if n in (wanted or there)]
            if engine == "count" and not explicit:
                names = [n for n in names if all(map(countable, problems(package, n).values()))]
            for name in names:
                head = f"{number + 1}/{len(chosen)} {unit} [{label(parameters)}] {name}"
                yield head, unit, parameters, name, problems(package, name)

    for head, unit, parameters, name, given_problems in todo():
        text = head.replace("[", "\\[")
        with console.status(text) as status:

            def report(share: float, status: Status = status, text: str = text) -> None:
                status.update(f"{text} {share:.0%}")

            proof = prove_problems(
                given_problems, name, engine=engine, depth=depth, timeout=timeout, trace=trace,
                report=report,
            )  # fmt: skip
        if proof.trace is not None:
            trace = None
        kept = f", trace in {proof.trace}" if proof.trace else ""
        for port, value in sorted((proof.inputs or {}).items()):
            kept += f", {port}={value:#x}"
        console.print(
            f"{head}: {proof.status}, {proof.seconds:.1f} s{kept}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
        records.append(
            {"unit": unit, "parameters": parameters, "property": name,
             "engine": proof.engine,
             "status": proof.status, "seconds": round(proof.seconds, 1)}
        )  # fmt: skip
        if json_path is not None:
            _write(records, versions, json_path)
    if not records:
        which = " for engine 'count'" if engine == "count" else ""
        raise ParameterError(f"property={properties!r} is not allowed: no unit named has it{which}")
    console.print(_table(records))
    proved = sum(record["status"] == "proved" for record in records)
    console.print(f"{proved} of {len(records)} properties proved", highlight=False)
    return 0 if proved == len(records) else 1


def _table(records: list[dict[str, Any]]) -> Table:
    """Per unit and property: how many configurations are proved, failed, open."""
    table = Table()
    for column in ("unit", "property", "proved", "failed", "open", "time"):
        table.add_column(column, justify="left" if column in ("unit", "property") else "right")
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["unit"], record["property"]), []).append(record)
    for (unit, name), members in groups.items():
        counts = [
            sum(m["status"] == word for m in members) for word in ("proved", "failed", "open")
        ]
        seconds = sum(m["seconds"] for m in members)
        table.add_row(
            unit, name, *map(str, counts), f"{seconds:.0f} s",
            style=None if counts[0] == len(members) else "bold red",
        )  # fmt: skip
    return table


def _write(records: list[dict[str, Any]], versions: list[str], path: Path) -> None:
    from rtl_gen.package import write_whole

    data = {"tools": versions, "proofs": records}
    write_whole(path, (json.dumps(data, indent=2) + "\n").encode())
