"""What ``hfp8 build`` prints and writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ...errors import RunError
from ...files import write_whole
from ...pll import check_clock

if TYPE_CHECKING:
    from fpga.boards.build import Built
    from fpga.boards.catalogue import Board
    from rtl_gen.board import BoardModule


def show(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def cells(console: Console, used: Mapping[str, tuple[int, int]]) -> None:
    """Print a table of the cells that are used."""
    table = Table()
    for column in ("cells", "used", "of", "percent"):
        table.add_column(column, justify="left" if column == "cells" else "right")
    for kind, (count, available) in used.items():
        share = f"{count / available:.1%}" if available else ""
        table.add_row(kind, f"{count:,}", f"{available:,}", share)
    console.print(table)


def deliver(
    console: Console, name: str, board: Board, module: BoardModule, built: Built, seed: int,
    output: Path,
) -> Path:  # fmt: skip
    """Print what the tools say, and write the files; the path of the bitstream.

    Raises
    ------
    RunError
        If the clock is not met; then nothing is written.
    """

    show(console, f"{module.design.name} on {board.title}")
    cells(console, built.used)
    console.print(
        f"clock: {built.achieved} MHz achieved, {built.required:g} MHz required; "
        f"{built.seconds:.0f} seconds",
        highlight=False,
    )
    console.print(", ".join(built.tools), highlight=False)
    if not built.in_time:
        raise RunError(
            f"the clock is not met: {built.achieved} MHz, and {built.required:g} MHz are required; "
            "another --seed, more stages or a lower --clock may help"
        )
    setting = check_clock(board.oscillator, module.clock)
    facts = {
        "board": name,
        "device": board.device,
        "clock": module.clock,
        "pll": None if setting is None else asdict(setting),
        "build": module.build.hex(),
        "design": module.design.manifest,
        "seed": seed,
        **built.to_dict(),
    }
    files = {
        "v": module.verilog.encode(),
        "json": (json.dumps(facts, indent=2) + "\n").encode(),
        board.file: built.content,
    }
    stem = f"{name}_{module.design.name}"
    write(console, output, {f"{stem}.{suffix}": content for suffix, content in files.items()})
    return output / f"{stem}.{board.file}"


def write(console: Console, output: Path, files: Mapping[str, bytes]) -> None:
    """Write files to a folder, each whole, and print their paths."""
    output.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(output / name, content)
        show(console, str(output / name))
