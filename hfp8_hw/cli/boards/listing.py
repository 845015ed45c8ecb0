"""``hfp8 boards``."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table


@click.command("boards")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def boards_command(as_json: bool) -> None:
    """List the boards that 'hfp8 build' knows."""
    from fpga.boards.catalogue import BOARDS

    if as_json:
        rows = [
            {"name": name, "title": board.title, "device": board.device, "clock": board.clock,
             "bitstream": board.bitstream}
            for name, board in BOARDS.items()
        ]  # fmt: skip
        click.echo(json.dumps({"boards": rows}, indent=2))
        return
    table = Table(title="boards", title_justify="left")
    for column in ("name", "board", "device", "clock, MHz", "bitstream"):
        table.add_column(column)
    for name, board in BOARDS.items():
        table.add_row(name, board.title, board.device, f"{board.clock / 1e6:g}",
                      "yes" if board.bitstream else "no, a script")  # fmt: skip
    Console().print(table)
