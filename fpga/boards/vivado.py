"""A project for Vivado, for boards with AMD devices, and what Yosys says of the design."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rtl_gen.board import TOP, BoardModule
from rtl_gen.extras import require
from rtl_gen.tools import find, run

from .build import Step, silent
from .catalogue import Board
from .on_board import OnBoard, make_platform

_LABEL = """# SPDX-License-Identifier: Apache-2.0
#
# {what} {design} on the {title}.
#
# NOT RUN: hfp8-hw is developed without Vivado. Amaranth's template wrote this file, and nobody has
# tried it with this design.{how}

"""
_RUN = "\n#\n# In this folder:  vivado -mode batch -source {file}"
HAS = {"LUT": 20_800, "FF": 41_600, "RAMB18": 100, "DSP48": 90}
"""What an XC7A35T has (DS180)."""


def script(module: BoardModule, board: Board, name: str, stem: str) -> dict[str, bytes]:
    """The files of a Vivado project: Tcl, constraints, the board's top and the module, by name.

    Parameters
    ----------
    name : str
        Of the board's top; letters, digits and ``_``.
    stem : str
        Of the module's file.
    """
    require("amaranth_boards", extra="board")
    plan = make_platform(board).prepare(OnBoard(module, board), name, emit_src=False)
    files = {}
    for suffix, what in (("tcl", "Builds"), ("xdc", "Constraints of"), ("v", "")):
        file = f"{name}.{suffix}"
        text = plan.files[file]
        text = (text.decode() if isinstance(text, bytes) else text).replace(f"{TOP}.v", f"{stem}.v")
        if what:
            how = _RUN.format(file=file) if suffix == "tcl" else ""
            label = _LABEL.format(what=what, design=module.design.name, title=board.title, how=how)
            text = label + text
        files[file] = text.encode()
    return {**files, f"{stem}.v": module.verilog.encode()}


def utilisation(
    files: Mapping[str, bytes], name: str, step: Step = silent
) -> tuple[dict[str, tuple[int, int]], str]:
    """(cells used and there, by kind; Yosys' version) of a project, by ``synth_xilinx``.

    Raises
    ------
    ToolMissing, ToolError
        If Yosys is missing or fails.
    """
    step("yosys")
    version = find("yosys", "board")[1]
    sources = {file: text for file, text in files.items() if file.endswith(".v")}
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        for file, text in sources.items():
            (folder / file).write_bytes(text)
        reads = "; ".join(f"read_verilog {file}" for file in sources)
        # Vivado's simulator wants this parameter, and Yosys does not know it.
        reads += "; setparam -unset SIM_DEVICE t:BUFGCTRL"
        flow = f"synth_xilinx -family xc7 -flatten -top {name}; tee -q -o stat.json stat -json"
        run("yosys", ["-q", "-p", f"{reads}; {flow}"], folder)
        stat = json.loads((folder / "stat.json").read_text())
    counts: dict[str, int] = stat["design"]["num_cells_by_type"]
    return {kind: (count, HAS[kind]) for kind, count in taken(counts).items()}, version


_WEIGHTS = (
    ("LUT", r"LUT[1-6]|SRL16E|SRLC16E|SRLC32E", 1),
    ("LUT", r"RAM32X1D|RAM64X1D", 2),
    ("LUT", r"RAM32M|RAM64M|RAM128X1D", 4),
    ("FF", r"FD[RSCP]E(_1)?", 1),
    ("RAMB18", r"RAMB18E1", 1),
    ("RAMB18", r"RAMB36E1", 2),
    ("DSP48", r"DSP48E1", 1),
)
"""What a cell takes: of what, which cells, how many each."""


def taken(counts: Mapping[str, int]) -> dict[str, int]:
    """What cells take of the device. Vivado puts two small LUTs into one where it can, so it will
    need fewer of them."""
    found = dict.fromkeys(HAS, 0)
    for kind, cells, weight in _WEIGHTS:
        found[kind] += weight * sum(n for cell, n in counts.items() if re.fullmatch(cells, cell))
    return found
