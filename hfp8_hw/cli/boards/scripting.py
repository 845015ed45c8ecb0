"""``hfp8 build BOARD --script``: a project for a vendor's tools."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from rich.console import Console

from .loading import show_command
from .results import cells, show, write

if TYPE_CHECKING:
    from fpga.boards.catalogue import Board
    from hfp8_hw.parameters import UnitParameters


def write_script(
    console: Console, name: str, board: Board, parameters: UnitParameters, output: Path
) -> None:
    """Generate a design, print its utilisation by Yosys, and write the project.

    Raises
    ------
    ToolMissing, ToolError
        As `fpga.boards.vivado.utilisation`.
    """
    from fpga.boards.vivado import script, utilisation
    from rtl_gen.board import board_module

    with console.status("generating") as status:
        module = board_module(parameters, board.clock)
        stem = f"{name}_{module.design.name}"
        top = f"{stem}_top".replace("-", "_")
        files = script(module, board, top, stem)
        used, tool = utilisation(
            files, top, lambda tool: status.update(f"{tool} (slow when it runs first)")
        )
    show(console, f"{module.design.name} on {board.title}, {board.device}, by synth_xilinx")
    cells(console, used)
    show(
        console, f"clock: {board.clock / 1e6:g} MHz required; only Vivado can say what is achieved"
    )
    show(console, tool)
    facts = {
        "board": name, "device": board.device, "clock": board.clock, "bitstream": False,
        "build": module.build.hex(), "design": module.design.manifest, "used": used,
        "tools": [tool],
    }  # fmt: skip
    files[f"{stem}.json"] = (json.dumps(facts, indent=2) + "\n").encode()
    write(console, output, files)
    show(console, "NOT RUN: hfp8-hw is developed without Vivado, and the script is untried")
    show(console, f"run it: (cd {quote(str(output))} && vivado -mode batch -source {top}.tcl)")
    show_command(console, board, output / f"{top}.bit")
