"""The process behind ``sim://``: what it refuses, and hosts that do not behave."""

import os
import signal
import subprocess
import sys
import threading
import tty
from pathlib import Path
from typing import Any, cast

import pytest
import serial

import hfp8_hw.host.simulated
from hfp8_hw.errors import RunError
from hfp8_hw.host import Device
from hfp8_hw.host.transport import SerialPort
from hfp8_hw.parameters import unit_parameters
from verif.board.serve import main, serve, terminal_rate

from .conftest import HOUR, wait


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("arty", "null"), "board='arty' is not allowed: one of ulx3s-85f, icebreaker"),
        (("icebreaker", "mac"), "design='mac' is not allowed: JSON such as '[\"mac\", {"),
        (("icebreaker", "3"), "design='3' is not allowed: JSON such as"),
        (("icebreaker", '["mac", 3]'), "is not allowed: JSON such as"),
        (("icebreaker", '["adder", {}]'), "design='adder' is not allowed: one of quantizer,"),
        (("icebreaker", '["mac", {"lines": 3}]'), "lines=3 is not allowed: mac has no such"),
        (("icebreaker", '["core", {"ports": "memory"}]'), "ports='memory' is not allowed on a"),
    ],
)
def test_designs_that_there_are_not(
    capsys: pytest.CaptureFixture[str], words: tuple[str, str], said: str
) -> None:
    assert main(*words) == 1
    out = capsys.readouterr().out
    assert out.startswith("refused ") and said in out and out.count("\n") == 1


class Talker:
    """A board that answers whatever comes with more than a terminal holds."""

    idle = True

    def __init__(self) -> None:
        self.left, self.asked = 0, threading.Event()

    def give(self, data: bytes) -> None:
        self.left += 1000 * len(data)
        if data:
            self.asked.set()

    def run(self, clocks: int, *, until_idle: bool = False) -> bytes:
        some, self.left = min(self.left, 4096), max(0, self.left - 4096)
        return bytes(some)

    def rate(self, baud: float) -> None:
        pass


@pytest.mark.parametrize("wanted", [0, 20_000])
def test_a_host_that_does_not_read_holds_nothing_up(wanted: int) -> None:
    """One that never does, and one that reads late and finds all that the terminal kept."""
    master, far = os.openpty()
    tty.setraw(far)
    parent, keep = os.pipe()
    talker = Talker()
    args = (cast(Any, talker), master, parent)
    thread = threading.Thread(target=serve, args=args, daemon=True)
    thread.start()
    os.write(far, bytes(200 if not wanted else 20))
    assert talker.asked.wait(HOUR)
    found = 0
    while found < wanted:
        found += len(os.read(far, 4096))
    os.close(keep)
    thread.join(HOUR)
    ended = not thread.is_alive()
    for file in (master, far, parent):
        os.close(file)
    assert ended and found == wanted


def test_any_rate_of_a_real_port_is_one_here() -> None:
    """Those without a name in POSIX too: boards divide their clock by any number."""
    master, far = os.openpty()
    with serial.Serial(os.ttyname(far)) as port:
        for baud in (115_200, 240_000, 2_083_333, 3_000_000):
            port.baudrate = baud
            assert terminal_rate(master) == baud
    for file in (master, far):
        os.close(file)


@pytest.mark.parametrize("what", ["write", "flush", "read", "set_baud"])
def test_a_port_that_goes_away(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyserial says so by three kinds of exceptions, and by one of them only if it is in time."""
    master, far = os.openpty()
    tty.setraw(far)
    path = os.ttyname(far)
    port = SerialPort(path, 115_200)
    os.close(master)
    if what == "flush":
        monkeypatch.setattr(serial.Serial, "write", lambda *_: None)
    calls = {"read": lambda: port.read(1), "set_baud": lambda: port.set_baud(9600)}
    with pytest.raises(RunError, match=f"^the serial port '{path}' is gone: .*Input/output error"):
        calls.get(what, lambda: port.write(b"x"))()
    port.close()
    os.close(far)


DIES = """import os, sys, tty
master, keep = os.openpty()
tty.setraw(keep)
print("port", os.ttyname(keep), flush=True)
os.read(master, 1)
"""


def test_a_simulator_that_ends_is_no_port_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for is named, and not the pseudo-terminal behind it."""
    (tmp_path / "dying_board.py").write_text(DIES)
    monkeypatch.setattr(hfp8_hw.host.simulated, "_SERVER", "dying_board")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = "the simulated board sim://icebreaker is gone: its process"
    with pytest.raises(RunError, match=said), Device.open("sim://icebreaker"):
        pass


COMPILER = """#!/bin/sh
if [ "$1" = --version ]; then echo fake; exit; fi
echo $$ > "{file}.part" && mv "{file}.part" "{file}"
exec sleep 100
"""


def test_an_interrupt_while_the_board_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the compiler nor what is half built is left."""
    started, cache, tools = (tmp_path / name for name in ("pid", "cache", "bin"))
    tools.mkdir()
    (tools / "g++").write_text(COMPILER.format(file=started))
    (tools / "g++").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("HFP8_CACHE", str(cache))

    def interrupt() -> None:
        wait(started.exists)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    board = unit_parameters("relu", {})
    with pytest.raises(KeyboardInterrupt), Device.open("sim://icebreaker", board):
        pass
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert [path for kind in ("boards", "verilated") for path in (cache / kind).glob(".*")] == []


def test_a_missing_board_is_said_in_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "verif.board.serve"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "Missing argument 'BOARD'" in done.stderr
