"""The Verilog package: ``NAME.v``, ``NAME.json`` and ``NAME.core``, of a core its registers too."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hfp8_hw.files import write_whole as write_whole
from hfp8_hw.hdl import create

from . import manifest
from .core import core
from .header import header
from .names import SYSTEMVERILOG, TOOLS, VERILOG, check_name, check_unused
from .software.c_header import c_header
from .software.systemrdl import systemrdl
from .verilog import convert


@dataclass(frozen=True)
class Package:
    """A generated unit, in memory."""

    name: str
    verilog: str
    manifest: dict[str, Any]
    core: str
    software: dict[str, str] = field(default_factory=dict)
    """Registers of a core in other languages, by file name."""

    def files(self) -> dict[str, str]:
        """File names and contents."""
        return {
            f"{self.name}.v": self.verilog,
            f"{self.name}.json": json.dumps(self.manifest, indent=2) + "\n",
            f"{self.name}.core": self.core,
            **self.software,
        }

    def write(self, folder: Path) -> list[Path]:
        """Write the files, each whole or not at all.

        Raises
        ------
        OSError
            If the folder cannot be made or written to. Where one of the files cannot be because a
            folder has its name, none is written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.files():
            if (folder / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(folder / name))
        paths = []
        for name, text in self.files().items():
            path = folder / name
            write_whole(path, text.encode())
            paths.append(path)
        return paths


def generate(parameters: Any, name: str | None = None) -> Package:
    """Generate a unit.

    Parameters
    ----------
    parameters : UnitParameters
    name : str, optional
        The module's and the files' name; by default `UnitParameters.top`.

    Raises
    ------
    ParameterError
        If the name is not a Verilog identifier, or is taken: by a language, a tool, or a port
        or a signal of the unit.
    """
    name = check_name(parameters.top if name is None else name)
    reserved = VERILOG | SYSTEMVERILOG | set(TOOLS)
    module, ports = convert(create(parameters), name, parameters.unit, reserved)
    check_unused(name, module)
    verilog = header(parameters, name, ports) + module
    software = {}
    if parameters.unit == "core":
        software[f"{name}_regs.h"] = c_header(parameters, name)
        software[f"{name}.rdl"] = systemrdl(parameters, name)
    return Package(
        name,
        verilog,
        manifest.build(parameters, name, ports, verilog),
        core(name, parameters),
        software,
    )
