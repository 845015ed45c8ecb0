"""``hfp8 demo``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from rtl_gen.extras import require

from .options import sim_option, simulators
from .types import Integer, OutputFolder

if TYPE_CHECKING:
    from rtl_gen.package import Package
    from verif.demo.demo import Report


@click.command("demo", short_help="Run a trained network through generated hardware.")
@sim_option
@click.option("--images", type=Integer(1, 180), default=180, show_default=True,
              help="Held-out images to infer.")  # fmt: skip
@click.option("-o", "--output", type=OutputFolder(), default=Path("hfp8-demo"),
              show_default=True, help="Folder for the Verilog and the picture.")  # fmt: skip
def demo_command(sim: str, images: int, output: Path) -> int:
    """Generate hardware, run a trained network through it in simulation, compare every bit.

    A perceptron is trained on scikit-learn's handwritten digits in FP32; its held-out images
    are then inferred by the generated quantizers and MAC. Exit status 1 on any mismatch.
    """
    start = time.monotonic()
    names = simulators(sim)
    require("sklearn", "matplotlib")
    console = Console()
    output.mkdir(parents=True, exist_ok=True)
    from verif.demo import demo
    from verif.demo.network import train
    from verif.simulation.simulators import find

    versions = ", ".join(f"{name} {find(name).version}" for name in names)
    console.print(f"simulators: {versions}", highlight=False)
    units = demo.packages()
    for package in units.values():
        package.write(output)
    _units(units, output, console)
    with console.status("training the network in FP32") as status:
        network = train(images)
        report, golden = demo.run(network, units, names, status.update)
        status.update("drawing the picture")
        picture = output / "formats.png"
        demo.picture(network, golden, picture)
    _compared(report, console)
    _accuracy(report, len(network.images), console)
    console.print(f"Verilog:  {output.resolve()}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"picture:  {picture.resolve()}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{time.monotonic() - start:.0f} s in all", highlight=False)
    return 1 if report.mismatches else 0


def _units(units: dict[str, Package], output: Path, console: Console) -> None:
    table = Table(title="generated units", title_justify="left")
    for column in ("Verilog", "input ports", "output ports", "latency", "interval", "sum interval"):
        table.add_column(column, overflow="fold")
    for package in units.values():
        ports = {
            direction: ", ".join(
                f"{p['name']}\\[{p['width']}]"
                for p in package.manifest["ports"]
                if p["dir"] == direction and p["role"] not in ("clock", "reset")
            )
            for direction in ("in", "out")
        }
        m = package.manifest
        table.add_row(
            f"{package.name}.v",
            ports["in"],
            ports["out"],
            *("-" if m[n] is None else str(m[n]) for n in ("latency", "interval", "sum_interval")),
        )
    console.print(table)


def _compared(report: Report, console: Console) -> None:
    table = Table(title="every code against the golden model", title_justify="left")
    table.add_column("step")
    for column in ("codes", "bits", *(f"mismatches\n{name}" for name in report.compared)):
        table.add_column(column, justify="right")
    totals = [0] * (2 + len(report.compared))
    for step, (count, width, _) in next(iter(report.compared.values())).items():
        bad = [steps[step][2] for steps in report.compared.values()]
        row = [count, count * width, *bad]
        totals = [total + value for total, value in zip(totals, row, strict=True)]
        table.add_row(step, *(f"{value:,}" for value in row))
    table.add_section()
    table.add_row("all", *(f"{value:,}" for value in totals))
    console.print(table)


def _accuracy(report: Report, images: int, console: Console) -> None:
    table = Table(title=f"accuracy on {images} held-out images", title_justify="left")
    table.add_column("arithmetic")
    table.add_column("correct", justify="right")
    table.add_column("simulated in", justify="right")
    for name, share in report.accuracy.items():
        seconds = report.seconds.get(name.removeprefix("RTL, "))
        table.add_row(name, f"{share:.2%}", "" if seconds is None else f"{seconds:.1f} s")
    console.print(table)
