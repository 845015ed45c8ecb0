"""``hfp8 list`` and ``hfp8 gen``."""

from __future__ import annotations

import json
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..errors import ParameterError, check_choice
from ..formats import CATALOGUE
from ..parameters import GENERATED, unit_parameters
from .options import (
    GeneratorCommand,
    chosen_on_command_line,
    configured,
    parameter_options,
    seed_option,
    write_parameters,
)
from .types import Integer, OutputFolder, Source, Unit


def _catalogue(units: tuple[str, ...]) -> dict[str, Any]:
    described = {
        name: {
            "summary": GENERATED[name].summary,
            "golden": GENERATED[name].golden,
            **unit_parameters(name, {}).timing,
            "parameters": {f.name: _described(name, f) for f in fields(GENERATED[name])},
        }
        for name in units
    }
    formats = {
        name: {**fmt.to_dict(), "max": fmt.max, "min": fmt.min, "width": fmt.width}
        for name, fmt in CATALOGUE.items()
    }
    return {"units": described, "formats": formats}


def _described(unit: str, field: Field[Any]) -> dict[str, Any]:
    """A parameter: its default, as far as other parameters do not matter, and what it is."""
    default = unit_parameters(unit, {}).to_dict().get(field.name, field.metadata["default"])
    return {"default": default, "help": field.metadata["help"]}


@click.command("list")
@click.argument("unit", required=False, type=Unit(GENERATED))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(unit: str | None, as_json: bool) -> None:
    """List the units and the formats, or the parameters of one UNIT."""
    units = tuple(GENERATED) if unit is None else (unit,)
    if as_json:
        click.echo(json.dumps(_catalogue(units), indent=2))
        return
    formatter = click.get_current_context().make_formatter()
    if unit is None:
        with formatter.section("Units ('hfp8 list UNIT' shows a unit's parameters)"):
            formatter.write_dl([(name, cls.summary) for name, cls in GENERATED.items()])
        click.echo(formatter.getvalue().strip() + "\n")
        _formats()
        return
    write_parameters(unit, formatter)
    with formatter.indentation():
        formatter.write_text(f"With the defaults: {unit_parameters(unit, {}).timing_text}.")
    click.echo(formatter.getvalue().strip())


def _formats() -> None:
    """The table of formats."""
    console = Console()
    table = Table(title="formats", title_justify="left")
    for column in ("name", "E,M,B", "exponent 0", "specials", "largest", "smallest"):
        table.add_column(column)
    for name, facts in _catalogue(())["formats"].items():
        table.add_row(
            name,
            f"{facts['exp_bits']},{facts['man_bits']},{facts['bias']}",
            facts["zero_exp"],
            facts["specials"],
            f"{facts['max']:.6g}",
            f"{facts['min']:.6g}",
        )
    console.print(table)
    console.print(
        "Any other format: a literal such as E3M4B5:flush:fn "
        "(exponent bits, mantissa bits, bias, exponent field 0, specials). "
        "HFP8 as an operand's format means HFP8_FWD or HFP8_BWD, as a mode input says.",
        markup=False, highlight=False,
    )  # fmt: skip


@click.command(
    "gen", cls=GeneratorCommand, short_help="Generate a unit: Verilog, manifest, FuseSoC core."
)
@click.argument("unit", required=False, type=Unit(GENERATED))
@click.option("-o", "--output", type=OutputFolder(), default=Path("."),
              show_default=True, help="Folder for the three files.")  # fmt: skip
@click.option("--config", type=Source(), help="TOML file with parameters.")
@click.option(
    "--name", help="Name of the module and the files.  [default: the unit and its parameters]"
)
@click.option("--wrap", help="axis: add a top with AXI4-Stream ports, NAME_axis.v, and its VHDL "
              "component.")  # fmt: skip
@click.option("--reset", default="sync", show_default=True,
              help="Of that top: sync, sync_n, async or async_n; _n is active low.")  # fmt: skip
@click.option("--vectors", type=Integer(1, 100_000),
              help="Add so many golden vectors, and a testbench that needs no Python.")  # fmt: skip
@seed_option
@parameter_options
def gen_command(
    unit: str | None,
    output: Path,
    config: Path | None,
    name: str | None,
    wrap: str | None,
    reset: str,
    vectors: int | None,
    seed: int,
    **options: Any,
) -> None:
    """Generate a unit: NAME.v, its manifest NAME.json and NAME.core for FuseSoC.

    With --wrap axis, NAME_axis.v has the unit behind AXI4-Stream ports; its first lines say where
    each field is in TDATA. With --vectors, NAME_tb.v runs golden vectors, which it reads from two
    files, and prints PASS or FAIL.
    """
    parameters, config_name = configured(unit, options, config, GENERATED)
    if wrap is not None:
        check_choice("wrap", wrap, ("axis",))
        if parameters.unit == "core":
            raise ParameterError(f"wrap={wrap!r} is not allowed for core: its ports have AXI names")
    elif chosen_on_command_line("reset"):
        raise ParameterError(f"reset={reset!r} is not allowed without wrap: the unit's is sync")
    if vectors is not None and parameters.unit == "core":
        raise ParameterError(f"vectors={vectors!r} is not allowed for core: see 'hfp8 verify core'")
    if vectors is None and chosen_on_command_line("seed"):
        raise ParameterError(f"seed={seed!r} is not allowed without vectors")
    from rtl_gen.package import generate

    package = generate(parameters, config_name if name is None else name)
    if wrap is not None:
        from rtl_gen.dropin import axis

        package = axis.wrap(package, parameters, reset)
    if vectors is not None:
        from rtl_gen.dropin import testbench
        from verif.simulation.golden_columns import golden_columns

        columns = golden_columns(package, vectors, seed)
        package = testbench.add(package, parameters, *columns, seed)
    for path in package.write(output):
        click.echo(path)
