"""``hfp8 synth``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..parameters import GENERATED
from .options import GeneratorCommand, configured, parameter_options
from .types import Integer, Output, Source, Unit


@click.command(
    "synth", cls=GeneratorCommand, short_help="Synthesise, place and route: LUTs, flip-flops, Fmax."
)
@click.argument("unit", required=False, type=Unit(GENERATED))
@click.option("--device", default="ecp5-85k", show_default=True,
              help="ecp5-85k, ice40-up5k, ice40-hx8k or gowin-gw2a-18.")  # fmt: skip
@click.option(
    "--seeds", type=Integer(1, 32), default=3, show_default=True, help="Placements, 1 to 32."
)
@click.option("--dsp", is_flag=True, help="Let Yosys use DSP blocks.")
@click.option("--json", "json_path", type=Output(), help="Write the figures as JSON.")
@click.option("--jobs", type=Integer(1), help="Number of parallel placements.  [default: cores]")
@click.option("--path", "show_path", is_flag=True, help="Print the critical path too.")
@click.option("--config", type=Source(), help="TOML file with parameters.")
@parameter_options
def synth_command(
    unit: str | None,
    device: str,
    seeds: int,
    dsp: bool,
    json_path: Path | None,
    jobs: int | None,
    show_path: bool,
    config: Path | None,
    **options: Any,
) -> None:
    """Synthesise a unit, place and route it: LUTs, flip-flops and Fmax.

    The unit stands between two rows of registers, so that pins do not matter. On ECP5, LUTs are
    TRELLIS_COMB as nextpnr counts them; elsewhere the LUTs (and Gowin's ALUs) that Yosys makes.
    """
    from fpga.devices import check_device
    from fpga.synth import synthesise
    from rtl_gen.package import generate, write_whole

    parameters, name = configured(unit, options, config, GENERATED)
    title = check_device(device).title
    console = Console()
    with console.status("generating") as status:
        package = generate(parameters, name)
        report = synthesise(
            package, device, seeds=seeds, dsp=dsp, jobs=jobs,
            step=lambda text: status.update(f"{package.name}: {text}"),
        )  # fmt: skip
    if json_path is not None:
        write_whole(json_path, (json.dumps(report.to_dict(), indent=2) + "\n").encode())
    table = Table(title=f"{package.name} on {title}", title_justify="left")
    for column in ("LUT", "FF", "DSP", "Fmax MHz, median", "min", "max", "seeds"):
        table.add_column(column, justify="right")
    table.add_row(
        str(report.luts), str(report.ffs), str(report.dsps), f"{report.median:.1f}",
        f"{min(report.fmax):.1f}", f"{max(report.fmax):.1f}", str(len(report.fmax)),
    )  # fmt: skip
    console.print(table)
    console.print(", ".join(report.tools), highlight=False)
    if show_path:
        for step in report.critical:
            console.print(f"  {step}", markup=False, highlight=False)
