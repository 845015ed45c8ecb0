"""From a module to a bitstream, and what the tools say about it."""

from __future__ import annotations

import json
import re
import shlex
import struct
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hfp8_hw.errors import RunError
from rtl_gen.board import BoardModule
from rtl_gen.extras import require
from rtl_gen.tools import ToolError, find, run

from .catalogue import Board
from .on_board import OnBoard, make_platform

Step = Callable[[str], None]
_NAME = "hfp8"
_REPORT = "report.json"
_UTILISATION = re.compile(r"^Info:\s+(\w+):\s*(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)


@dataclass(frozen=True)
class Built:
    """A bitstream.

    Members
    -------
    used : dict
        By kind of cell, as nextpnr names it: how many are used, and how many there are.
    required, achieved : float
        MHz of the board's clock.
    content : bytes
    seconds : float
        How long the tools took.
    tools : list of str
    """

    used: dict[str, tuple[int, int]]
    required: float
    achieved: float
    content: bytes
    seconds: float
    tools: list[str]

    @property
    def in_time(self) -> bool:
        """Whether the clock is met."""
        return self.achieved >= self.required

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without the content and the time."""
        left = ("content", "seconds")
        return {key: value for key, value in asdict(self).items() if key not in left}


def build(
    module: BoardModule, board: Board, *, seed: int = 1, step: Step = lambda _: None
) -> Built:
    """Build the bitstream of a module for a board.

    The same module, board, seed and tools give the same bytes. The timing is not judged.

    Raises
    ------
    ToolMissing, ToolError
        If a tool is missing or fails.
    RunError
        If the design does not fit.
    """
    require("amaranth_boards", extra="board")
    start = time.monotonic()
    platform = make_platform(board)
    options = dict(board.options)
    options["nextpnr_opts"] = f"--report {_REPORT} --timing-allow-fail --seed {seed}"
    plan = platform.prepare(OnBoard(module, board), _NAME, emit_src=False, **options)
    tools = []
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        folder = Path(scratch)
        for name, text in plan.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        for tool, arguments in commands(plan.files[f"build_{_NAME}.sh"]):
            step(tool)
            tools.append(find(tool, "board")[1])
            try:
                run(tool, arguments, folder)
            except ToolError:
                log = folder / f"{_NAME}.tim"
                check_fits(log.read_text() if log.exists() else "", board)
                raise
        report = json.loads((folder / _REPORT).read_text())
        content = (folder / f"{_NAME}.{board.file}").read_bytes()
    if board.dfu is not None:
        content += dfu_suffix(content, *board.dfu)
    required = board.clock / 1e6
    return Built(
        used={
            kind: (use["used"], use["available"])
            for kind, use in report["utilization"].items()
            if use["used"]
        },
        required=required,
        achieved=achieved(report),
        content=content,
        seconds=time.monotonic() - start,
        tools=list(dict.fromkeys(tools)),
    )


def commands(script: str | bytes) -> list[tuple[str, list[str]]]:
    """(tool, arguments) of each call in a build script that Amaranth writes.

    ``dfu-suffix`` is left out: see `dfu_suffix`.
    """
    text = script.decode() if isinstance(script, bytes) else script
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r'"?\$\{?(\w+)\}?"?( .*)', line.strip())
        if match is None or match[1] == "DFU_SUFFIX":
            continue
        found.append((match[1].lower().replace("_", "-"), shlex.split(match[2])))
    return [_adapted(tool, arguments) for tool, arguments in found]


def _adapted(tool: str, arguments: list[str]) -> tuple[str, list[str]]:
    """A call as the tools from PyPI take it."""
    if tool == "gowin-pack":
        return "gowin_pack", arguments
    if tool != "nextpnr-gowin":
        return tool, arguments
    # What was nextpnr-gowin is a part of nextpnr-himbaechel, with options of its own.
    words: list[str] = []
    for word in arguments:
        if word in ("--family", "--cst"):
            words += ["--vopt", f"{word[2:]}="]
        elif words and words[-1].endswith("=") and words[-2] == "--vopt":
            words[-1] += word
        else:
            words.append(word)
    return "nextpnr-himbaechel-gowin", words


def dfu_suffix(content: bytes, vendor: int, product: int) -> bytes:
    """The 16 bytes behind a file that say which device it is for (USB DFU 1.1, appendix B)."""
    tail = struct.pack("<HHHH3sB", 0xFFFF, product, vendor, 0x0100, b"UFD", 16)
    return tail + struct.pack("<I", zlib.crc32(content + tail) ^ 0xFFFFFFFF)


def check_fits(log: str, board: Board) -> None:
    """Refuse a design that needs more of something than there is, by nextpnr's log.

    Raises
    ------
    RunError
        With what is needed and what there is.
    """
    found = {kind: (int(used), int(has)) for kind, used, has in _UTILISATION.findall(log)}
    words = [f"{kind} {used:,} of {has:,}" for kind, (used, has) in found.items() if used > has]
    if words:
        raise RunError(
            f"the design does not fit on the {board.title}, {board.device}: it needs "
            f"{', '.join(words)}; take a smaller one, or a larger board"
        )


def achieved(report: dict[str, Any]) -> float:
    """MHz of the slowest clock in nextpnr's report.

    Raises
    ------
    RunError
        If there is none.
    """
    clocks = [float(clock["achieved"]) for clock in report["fmax"].values()]
    if not clocks:
        raise RunError("nextpnr reports no clock")
    return round(min(clocks), 2)
