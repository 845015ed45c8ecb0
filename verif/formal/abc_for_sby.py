"""ABC as sby calls it, with what releases differ in: ``python abc.py -c COMMANDS``.

sby 0.70 gives ``pdr`` an option that ABC has only since 2023 and that adds to the log only. It does
not know ``reach``, the search of all states with BDDs, but runs commands before ``pdr``: where
``reach`` is one of them, it is the last here, and what it says is put in the words sby looks for.
"""

from __future__ import annotations

import ctypes
import re
import signal
import subprocess
import sys

REACH = "scorr; reach -B 20000000 -F 1000000000;"
"""Limits of BDD nodes and of iterations that time is up before."""


def _die_with_parent() -> None:
    """Linux kills the process with sby: it has a process group of its own (1: PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def script(commands: str) -> str:
    """The commands that this ABC has."""
    commands = commands.replace("pdr -v -l", "pdr -v")
    if " reach " in commands:
        return commands[: commands.index(";", commands.index(" reach "))]
    # Of all outputs at once, it has no counterexample to write.
    return commands.split("; write_cex")[0] if re.search(r" -v -a\b", commands) else commands


def main(words: list[str]) -> int:
    """Run ABC; its exit status."""
    _die_with_parent()
    command = ["berkeley-abc", *map(script, words)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=_die_with_parent
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if re.match(r"The miter is proved unreachable", line):
                print("Property proved.", flush=True)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
