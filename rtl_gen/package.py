"""The Verilog package: ``NAME.v``, ``NAME.json`` and ``NAME.core``."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfp8_hw import __version__
from hfp8_hw.errors import ParameterError
from hfp8_hw.hdl import create

from . import manifest
from .header import header
from .verilog import convert

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_KEYWORDS = frozenset(
    [
        "always",
        "and",
        "assign",
        "begin",
        "buf",
        "case",
        "default",
        "defparam",
        "else",
        "end",
        "endcase",
        "endfunction",
        "endmodule",
        "event",
        "for",
        "force",
        "forever",
        "function",
        "if",
        "initial",
        "inout",
        "input",
        "integer",
        "module",
        "nand",
        "negedge",
        "nor",
        "not",
        "or",
        "output",
        "parameter",
        "posedge",
        "real",
        "reg",
        "repeat",
        "signed",
        "task",
        "time",
        "tri",
        "unsigned",
        "wait",
        "wand",
        "while",
        "wire",
        "wor",
        "xnor",
        "xor",
    ]
)


@dataclass(frozen=True)
class Package:
    """A generated unit, in memory."""

    name: str
    verilog: str
    manifest: dict[str, Any]
    core: str

    def files(self) -> dict[str, str]:
        """File names and contents."""
        return {
            f"{self.name}.v": self.verilog,
            f"{self.name}.json": json.dumps(self.manifest, indent=2) + "\n",
            f"{self.name}.core": self.core,
        }

    def write(self, folder: Path) -> list[Path]:
        """Write the three files, each whole or not at all.

        Raises
        ------
        OSError
            If the folder cannot be made or written to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, text in self.files().items():
            path = folder / name
            write_whole(path, text.encode())
            paths.append(path)
        return paths


def write_whole(path: Path, content: bytes) -> None:
    """Write a file by renaming a finished temporary one, so that nobody sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def generate(parameters: Any, name: str | None = None) -> Package:
    """Generate a unit.

    Parameters
    ----------
    parameters : UnitParameters
    name : str, optional
        The module's and the files' name; by default unit and non-default parameters.

    Raises
    ------
    ParameterError
        If the name is not a Verilog identifier.
    """
    name = parameters.top if name is None else name
    if not _NAME.fullmatch(name) or name in _KEYWORDS:
        raise ParameterError(f"name={name!r} is not allowed: a Verilog identifier")
    module, ports = convert(create(parameters), name, parameters.unit, _KEYWORDS)
    verilog = header(parameters, name, ports) + module
    return Package(
        name, verilog, manifest.build(parameters, name, ports, verilog), _core(name, parameters)
    )


def _core(name: str, parameters: Any) -> str:
    """A FuseSoC core description (CAPI2)."""
    return (
        "CAPI=2:\n"
        f"name: hfp8-hw:units:{name}:{__version__}\n"
        f"description: {parameters.unit}, {parameters.summary}\n"
        "filesets:\n"
        "  rtl:\n"
        "    files:\n"
        f"      - {name}.v\n"
        "    file_type: verilogSource-2005\n"
        "targets:\n"
        "  default:\n"
        "    filesets: [rtl]\n"
        f"    toplevel: {name}\n"
        "  lint:\n"
        "    default_tool: verilator\n"
        "    filesets: [rtl]\n"
        "    tools:\n"
        "      verilator:\n"
        "        mode: lint-only\n"
        "        verilator_options: [-Wall]\n"
        f"    toplevel: {name}\n"
    )
