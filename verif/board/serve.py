"""The process behind ``sim://``: a compiled board between a pseudo-terminal and its pins.

``python -m verif.board.serve BOARD DESIGN`` prints ``port PATH``, or ``error TEXT``, and runs until
its standard input ends. DESIGN is JSON: the unit's name and its parameters, or null.
"""

from __future__ import annotations

import json
import os
import select
import sys
import termios
import tty
from typing import Any

from hfp8_hw.errors import ParameterError, RunError
from hfp8_hw.parameters import unit_parameters
from rtl_gen.board import board_module

from .model import Model, compiled

CLOCKS = {
    "ulx3s-85f": 25_000_000,
    "icebreaker": 12_000_000,
    "orangecrab-25f": 48_000_000,
    "ice40-hx8k": 12_000_000,
    "tang-nano-9k": 27_000_000,
}
"""Boards and their clocks in Hz, as `fpga.boards.catalogue` has them."""
SLICE = 20_000
"""Clocks between two looks at the terminal."""
IDLE_SECONDS = 0.02
_SPEEDS = {
    value: int(name[1:])
    for name, value in vars(termios).items()
    if name[:1] == "B" and name[1:].isdigit()
}


def serve(model: Model, master: int, parent: int) -> None:
    """Carry bytes between a terminal and a board until the file ``parent`` ends."""
    speed = None
    while True:
        waiting, _, _ = select.select([master, parent], [], [], IDLE_SECONDS * model.idle)
        if parent in waiting and not os.read(parent, 1):
            return
        data = _read(master) if master in waiting else b""
        # After the bytes: a host changes its rate only while nothing is under way.
        now = termios.tcgetattr(master)[5]
        if now != speed and now in _SPEEDS:
            speed = now
            model.rate(_SPEEDS[now])
        model.give(data)
        out = model.run(SLICE, until_idle=False)
        while out:
            os.write(master, out)
            out = model.run(SLICE)


def _read(master: int) -> bytes:
    try:
        return os.read(master, 4096)
    except OSError:  # nobody has the other end open
        return b""


def main(board: str, design: str) -> int:
    """Serve a board."""
    try:
        chosen: list[Any] | None = json.loads(design)
        parameters = unit_parameters(*(chosen or ["quantizer", {}]))
        if board not in CLOCKS:
            raise ParameterError(f"{board!r} is not allowed: one of {', '.join(CLOCKS)}")
        model = compiled(board_module(parameters, CLOCKS[board]))
    except (ParameterError, RunError) as error:
        print("error", error, flush=True)
        return 1
    # The far end stays open here too, so that it may be opened and closed again.
    master, keep = os.openpty()
    tty.setraw(keep)
    print("port", os.ttyname(keep), flush=True)
    serve(model, master, sys.stdin.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
