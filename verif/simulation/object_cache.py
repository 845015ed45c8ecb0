"""Compiler wrapper that keeps the object files of Verilator's run-time library.

Verilator's makefiles call ``$(OBJCACHE) $(CXX) ... -c -o X.o X.cpp``. The run-time sources are the
same for every model and the largest part of a build, so their objects are kept by the hash of the
command and of the source; everything else is passed on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main(command: list[str]) -> int:
    """Run a compiler command, from the cache in ``HFP8_OBJECTS`` where it can."""
    root = os.environ.get("VERILATOR_ROOT", "")
    source = next((Path(arg) for arg in command if arg.endswith(".cpp")), None)
    if "-c" not in command or "-o" not in command or source is None or not root:
        return subprocess.call(command)
    if not source.resolve().is_relative_to(Path(root).resolve()):
        return subprocess.call(command)
    target = Path(command[command.index("-o") + 1])
    compiler = subprocess.run([command[0], "--version"], capture_output=True, check=False).stdout
    digest = hashlib.sha256(compiler + source.read_bytes() + "\0".join(command).encode())
    cache = Path(os.environ["HFP8_OBJECTS"])
    kept = cache / f"{digest.hexdigest()}.o"
    if not kept.exists():
        status = subprocess.call(command)
        if status:
            return status
        cache.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=cache)
        os.close(handle)
        shutil.copyfile(target, temporary)
        os.replace(temporary, kept)
        return 0
    shutil.copyfile(kept, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
