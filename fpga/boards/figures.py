"""What a bitstream for each board takes: ``python -m fpga.boards.figures`` measures it again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from hfp8_hw.files import write_whole
from hfp8_hw.parameters import CoreParameters, unit_parameters
from rtl_gen.board import BoardModule, board_module

from .build import build
from .catalogue import BOARDS
from .tries import Tries

RESULTS = Path(__file__).resolve().parent.parent / "results" / "boards.json"


@dataclass(frozen=True)
class Row:
    """A unit on a board."""

    board: str
    unit: str
    parameters: dict[str, Any] = field(default_factory=dict)
    megahertz: int | None = None
    """Of the PLL; None for the oscillator's own clock."""

    @property
    def name(self) -> str:
        """What tells rows apart."""
        clock = "" if self.megahertz is None else f" {self.megahertz} MHz"
        return f"{self.board} {self.unit}{clock}"

    def module(self) -> BoardModule:
        """What is put on the board."""
        clock = BOARDS[self.board].clock if self.megahertz is None else self.megahertz * 10**6
        return board_module(unit_parameters(self.unit, self.parameters), clock)


ROWS = [
    *(Row(name, "quantizer") for name, board in BOARDS.items() if board.bitstream),
    Row("ulx3s-85f", "mac"),
    Row("ulx3s-85f", "core", {"rows": 2, "cols": 2, "lanes": 2}),
    # What --fill finds for the parameters that docs/howto/board.md gives it.
    Row(
        "ice40-hx8k",
        "core",
        {
            "a": "HFP8_FWD",
            "b": "HFP8_FWD",
            "rows": 1,
            "cols": 1,
            "lanes": 2,
            "drains": 1,
            "a_size": 256,
            "b_size": 256,
            "terms": 256,
        },
    ),
]


def committed() -> list[dict[str, Any]]:
    """The rows as they were measured last."""
    if not RESULTS.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text())["rows"]
    return rows


def measure(row: Row) -> dict[str, Any]:
    """Build a bitstream; the figures."""
    module, board = row.module(), BOARDS[row.board]
    p = unit_parameters(row.unit, row.parameters)
    if isinstance(p, CoreParameters):  # takes minutes, and may be kept from a search
        built = Tries(board, module.clock).place(p)
    else:
        built = build(module, board)
    return {
        "name": row.name,
        "board": row.board,
        "unit": row.unit,
        "parameters": module.design.manifest["parameters"],
        "clock": module.clock,
        "macs": getattr(p, "macs", None),
        "build": module.build.hex(),
        "bytes": len(built.content),
        "seconds": round(built.seconds),
        **built.to_dict(),
    }


@click.command()
@click.option("--board", help="Only this one.")
@click.option("--unit", help="Only this one.")
def main(board: str | None, unit: str | None) -> None:
    """Build every bitstream and write the figures; each row as soon as there is one."""
    console = Console()
    found = {row["name"]: row for row in committed()}
    for row in ROWS:
        if board in (None, row.board) and unit in (None, row.unit):
            with console.status(row.name):
                found[row.name] = measure(row)
            rows = [found[r.name] for r in ROWS if r.name in found]
            write_whole(RESULTS, (json.dumps({"rows": rows}, indent=1) + "\n").encode())
            console.print(row.name, found[row.name]["achieved"], "MHz")


if __name__ == "__main__":
    main()
