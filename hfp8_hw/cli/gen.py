"""``hfp8 list`` and ``hfp8 gen``."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..formats import CATALOGUE
from ..parameters import UNITS
from .options import configured, parameter_options


def _catalogue() -> dict[str, Any]:
    units = {
        name: {
            "summary": cls.summary,
            "golden": cls.golden,
            **cls().timing,  # type: ignore[call-arg]
            "parameters": {
                f.name: {"default": cls().to_dict()[f.name], "help": f.metadata["help"]}  # type: ignore[call-arg]
                for f in fields(cls)
            },
        }
        for name, cls in UNITS.items()
    }
    formats = {
        name: {**fmt.to_dict(), "max": fmt.max, "min": fmt.min, "width": fmt.width}
        for name, fmt in CATALOGUE.items()
    }
    return {"units": units, "formats": formats}


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def list_command(as_json: bool) -> None:
    """Units, their parameters with defaults, and the format catalogue."""
    data = _catalogue()
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    console = Console()
    for name, unit in data["units"].items():
        table = Table(title=f"{name}: {unit['summary']}", title_justify="left", expand=False)
        for column in ("parameter", "default", "values"):
            table.add_column(column, overflow="fold")
        for parameter, facts in unit["parameters"].items():
            table.add_row(parameter, str(facts["default"]), facts["help"].replace("[", "\\["))
        console.print(table)
        sums = unit["sum_interval"]
        console.print(
            f"With the defaults: latency {unit['latency']}, interval {unit['interval']}"
            + ("" if sums is None else f", sum interval {sums}")
            + " (clocks)",
            highlight=False,
        )
    table = Table(title="formats", title_justify="left")
    for column in ("name", "E,M,B", "exponent 0", "specials", "largest", "smallest"):
        table.add_column(column)
    for name, facts in data["formats"].items():
        table.add_row(
            name,
            f"{facts['exp_bits']},{facts['man_bits']},{facts['bias']}",
            facts["zero_exp"],
            facts["specials"],
            f"{facts['max']:.10g}",
            f"{facts['min']:.6g}",
        )
    console.print(table)
    console.print(
        "Any other format: a literal such as E3M4B5:flush:fn "
        "(exponent bits, mantissa bits, bias, exponent field 0, specials).",
        markup=False, highlight=False,
    )  # fmt: skip


@click.command("gen")
@click.argument("unit", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("."),
              show_default=True, help="Folder for the three files.")  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with parameters.")
@click.option("--name", help="Name of the module and the files.")
@parameter_options
def gen_command(
    unit: str | None, output: Path, config: Path | None, name: str | None, **options: Any
) -> None:
    """Generate a unit: NAME.v, its manifest NAME.json and NAME.core for FuseSoC."""
    parameters, config_name = configured(unit, options, config)
    from rtl_gen.package import generate

    package = generate(parameters, name or config_name)
    for path in package.write(output):
        click.echo(path)
