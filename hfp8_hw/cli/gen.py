"""``hfp8 list`` and ``hfp8 gen``."""

from __future__ import annotations

import json
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..formats import CATALOGUE
from ..parameters import GENERATED, unit_parameters
from .options import GeneratorCommand, configured, parameter_options, write_parameters
from .types import OutputFolder, Source, Unit


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
@parameter_options
def gen_command(
    unit: str | None, output: Path, config: Path | None, name: str | None, **options: Any
) -> None:
    """Generate a unit: NAME.v, its manifest NAME.json and NAME.core for FuseSoC."""
    parameters, config_name = configured(unit, options, config, GENERATED)
    from rtl_gen.package import generate

    package = generate(parameters, config_name if name is None else name)
    for path in package.write(output):
        click.echo(path)
