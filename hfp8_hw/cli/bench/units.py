"""``hfp8 bench units``: areas and clocks of units."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ...errors import check_choice
from ..types import Integer, Output


def _under(update: Callable[[str], None], head: str) -> Callable[[str], None]:
    """Progress of one row: its text under the row's head."""
    return lambda text: update(f"{head}: {text}")


@click.command("units")
@click.option("--device", default="ecp5-85k", show_default=True,
              help="ecp5-85k, ice40-up5k, ice40-hx8k or gowin-gw2a-18.")  # fmt: skip
@click.option("--row", "names", multiple=True, help="Only this row; may be repeated.")
@click.option("--json", "path", type=Output(),
              help="Write the figures as JSON.")  # fmt: skip
@click.option("--jobs", type=Integer(1), help="Number of parallel placements.  [default: cores]")
def units_command(device: str, names: tuple[str, ...], path: Path | None, jobs: int | None) -> int:
    """The table of LUTs and clocks, beside open peers.

    Exit status 1 where a figure is worse than the committed one by more than 5 percent in area
    or 8 percent in clock.
    """
    from fpga.devices import DEVICES, check_device
    from fpga.figures import ROWS, committed, measure, worse
    from rtl_gen.package import write_whole

    check_device(device)
    for name in names:
        check_choice("row", name, ROWS)
    console, before = Console(), committed(device)
    figures: dict[str, Any] = {}
    regressions = []
    table = Table(title=f"{device}, a lane where there are lanes", title_justify="left")
    table.add_column("row", no_wrap=True)
    for column in ("LUT", "FF", "DSP", "MHz", "peer: LUT", "MHz"):
        table.add_column(column, justify="right")
    can_dsp = DEVICES[device].has_dsp
    chosen = names or tuple(name for name, row in ROWS.items() if can_dsp or not row.dsp)
    if left_out := [name for name in ROWS if not names and name not in chosen]:
        console.print(f"left out, as {device} has no DSP blocks: {', '.join(left_out)}")
    with console.status("") as status:
        for count, name in enumerate(chosen):
            row, head = ROWS[name], f"{count + 1}/{len(chosen)} {name}"
            report = measure(row, device, _under(status.update, head), jobs)
            figures[name] = report.to_dict()
            if name in before:
                regressions += [f"{name}: {what}" for what in worse(figures[name], before[name])]
            # The peers were measured on one device.
            known = row.peer if device == "ecp5-85k" else None
            peer = ("", "") if known is None else (str(known[1]), known[2])
            table.add_row(
                name, f"{report.luts / row.lanes:.0f}", f"{report.ffs / row.lanes:.0f}",
                str(report.dsps),
                f"{report.median:.0f} ({min(report.fmax):.0f}-{max(report.fmax):.0f})", *peer,
            )  # fmt: skip
    if path is not None:
        write_whole(path, (json.dumps(figures, indent=2) + "\n").encode())
    console.print(table)
    for line in regressions:
        console.print(f"worse than committed: {line}", highlight=False)
    return 1 if regressions else 0
