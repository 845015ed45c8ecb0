"""The process behind ``sim://``: a compiled board between a pseudo-terminal and its pins.

``python -m verif.board.serve BOARD DESIGN`` prints ``port PATH``, or ``refused TEXT`` or ``error
TEXT``, and runs until its standard input ends. DESIGN is JSON: the unit's name and its parameters,
or null, the default quantizer.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import struct
import sys
import termios
import tty

import click

from hfp8_hw.errors import ParameterError, RunError, check_choice
from hfp8_hw.oscillators import check_board
from hfp8_hw.parameters import GENERATED, UnitParameters, unit_parameters
from rtl_gen.board import board_module

from .model import Model, compiled

SLICE = 20_000
"""Clocks between two looks at the terminal."""
IDLE_SECONDS = 0.02
UNREAD = 1 << 16
"""Bytes that are kept for a host that does not read."""
_TCGETS2 = 0x802C542A
_TERMIOS2 = struct.Struct("=4I20s2I")
"""Flags, control characters, the rates in and out."""
_SPEEDS = {
    value: int(name[1:])
    for name, value in vars(termios).items()
    if name[:1] == "B" and name[1:].isdigit()
}


def serve(model: Model, master: int, parent: int) -> None:
    """Carry bytes between a terminal and a board until the file ``parent`` ends."""
    speed, waiting_out = None, b""
    os.set_blocking(master, False)
    while True:
        waiting, *_ = select.select(
            [master, parent], [master] if waiting_out else [], [], IDLE_SECONDS * model.idle
        )
        if parent in waiting and not os.read(parent, 1):
            return
        data = _read(master) if master in waiting else b""
        # After the bytes: a host changes its rate only while nothing is under way.
        now = terminal_rate(master)
        if now and now != speed:
            speed = now
            model.rate(now)
        model.give(data)
        while out := model.run(SLICE):
            waiting_out += out
        # A host that does not read must not stop the board; what it leaves is lost, as on a line.
        waiting_out = _write(master, waiting_out[-UNREAD:])


def terminal_rate(terminal: int) -> int | None:
    """Bits a second that a terminal is set to; None if that cannot be told."""
    if sys.platform == "linux":
        # Unlike tcgetattr it has rates that POSIX has no name for.
        try:
            found = fcntl.ioctl(terminal, _TCGETS2, bytes(_TERMIOS2.size))
            return int(_TERMIOS2.unpack(found)[-1]) or None
        except OSError:  # an architecture with another number for it
            pass
    return _SPEEDS.get(termios.tcgetattr(terminal)[5])


def _write(master: int, data: bytes) -> bytes:
    """Write what there is room for; the rest."""
    try:
        return data[os.write(master, data) :] if data else data
    except BlockingIOError:
        return data


def _read(master: int) -> bytes:
    try:
        return os.read(master, 4096)
    except OSError:  # nobody has the other end open
        return b""


def chosen(design: str) -> UnitParameters:
    """The design that a JSON text describes.

    Raises
    ------
    ParameterError
        If it describes none.
    """
    try:
        found = json.loads(design)
        if found is None:
            return unit_parameters("quantizer", {})
        name, values = found
        if not (isinstance(name, str) and isinstance(values, dict)):
            raise ValueError
    except (TypeError, ValueError):
        raise ParameterError(
            f"design={design!r} is not allowed: JSON such as "
            """'["mac", {"semantics": "exact"}]', or null"""
        ) from None
    check_choice("design", name, GENERATED)
    return unit_parameters(name, values)


def main(board: str, design: str) -> int:
    """Serve a board."""
    try:
        _, clock = check_board(board)
        if sys.stdout.isatty():  # a person waits for it
            print("compiling the board, once: a minute", file=sys.stderr, flush=True)
        model = compiled(board_module(chosen(design), clock))
    except (ParameterError, RunError) as error:
        print("refused" if isinstance(error, ParameterError) else "error", error, flush=True)
        return 1
    # The far end stays open here too, so that it may be opened and closed again.
    master, keep = os.openpty()
    tty.setraw(keep)
    print("port", os.ttyname(keep), flush=True)
    serve(model, master, sys.stdin.fileno())
    return 0


@click.command()
@click.argument("board")
@click.argument("design", default="null")
def command(board: str, design: str) -> None:
    """Simulate a BOARD behind a serial port of its own until the standard input ends.

    Prints the port's path. BOARD@MHZ has another clock than the oscillator's. DESIGN is JSON, a
    unit's name and its parameters, such as '["mac", {"semantics": "exact"}]'; the default quantizer
    if it is left out.
    """
    # Both ways to end it let go of what is half built.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        raise SystemExit(main(board, design))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    command()
