"""Reading generated Verilog with Yosys."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from hfp8_hw.errors import ParameterError
from rtl_gen.tools import ToolError, run

__all__ = ["ToolError", "cells", "warnings"]


def warnings(verilog: str, top: str) -> list[str]:
    """What Yosys warns of when it reads and elaborates a module."""
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        (Path(scratch) / "unit.v").write_text(verilog)
        script = f"read_verilog unit.v; hierarchy -check -top {top}; check -assert"
        output = run("yosys", ["-p", script], Path(scratch))
    return [line for line in output.splitlines() if re.search(r"\bWarning:", line)]


def cells(verilog: str, top: str, command: str = "synth_ice40") -> dict[str, int]:
    """Cell counts by type after a synthesis command: ``synth_ice40`` or ``synth_ecp5``.

    Raises
    ------
    ParameterError
        For another command.
    """
    if command not in ("synth_ice40", "synth_ecp5"):
        raise ParameterError(f"command={command!r} is not allowed: synth_ice40 or synth_ecp5")
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        (Path(scratch) / "unit.v").write_text(verilog)
        script = f"read_verilog unit.v; {command} -top {top}; tee -o stat.json stat -json"
        run("yosys", ["-p", script], Path(scratch))
        stat = json.loads((Path(scratch) / "stat.json").read_text())
    counts: dict[str, int] = stat["design"]["num_cells_by_type"]
    return counts
