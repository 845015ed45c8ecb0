"""The C++ compiler that makes shared libraries of models."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from hfp8_hw.cores import cores
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
    _compile(folder, [*flags, "-fPIC", "-shared", source, "-o", output], what)


def shared_of_many(
    folder: Path, sources: Sequence[Path], output: str, flags: Sequence[str], what: str
) -> None:
    """Compile many sources, as many at a time as there are cores; as `shared`."""
    objects = [f"{number}.o" for number in range(len(sources))]
    with ThreadPoolExecutor(cores()) as pool:
        jobs = [
            pool.submit(_compile, folder, [*flags, "-fPIC", "-c", str(source), "-o", name], what)
            for source, name in zip(sources, objects, strict=True)
        ]
        try:
            for job in jobs:
                job.result()
        finally:
            pool.shutdown(cancel_futures=True)
    _compile(folder, ["-shared", *objects, "-o", output, "-pthread"], what)


def _compile(folder: Path, options: Sequence[str], what: str) -> None:
    command = ["g++", "-w", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"g++ did not compile {what}: {done.stderr[-1000:]}")
