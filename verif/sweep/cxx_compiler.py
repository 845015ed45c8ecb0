"""The C++ compiler that makes shared libraries of models."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from rtl_gen.tools import ToolError

from ..errors import ToolMissing


def require(what: str) -> None:
    """Refuse to go on without a compiler; ``what`` cannot be done without it.

    Raises
    ------
    ToolMissing
        If there is none.
    """
    if shutil.which("g++") is None:
        raise ToolMissing(
            f"{what}: no g++ on PATH; install it, for example with 'apt-get install g++'"
        )


@lru_cache(maxsize=1)
def compiler() -> str:
    """The C++ compiler, in words."""
    done = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else "g++"


def shared(folder: Path, source: str, output: str, flags: Sequence[str], what: str) -> None:
    """Compile a source in a folder to a shared library.

    Raises
    ------
    ToolError
        If the compiler refuses; the text names ``what``.
    """
    command = ["g++", *flags, "-w", "-fPIC", "-shared", source, "-o", output]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"g++ did not compile {what}: {done.stderr[-1000:]}")
