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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hfp8_hw.errors import RunError
from rtl_gen.board import BoardModule
from rtl_gen.extras import require
from rtl_gen.tools import ToolError, find, run

from ..utilisation import utilisation as used_by
from .catalogue import Board
from .on_board import OnBoard, make_platform

Step = Callable[[str], None]
"""Is told which tool runs."""
_NAME = "hfp8"
_REPORT = "report.json"
_LOG = f"{_NAME}.tim"


def silent(_: str) -> None:
    """A `Step` that says nothing."""


@dataclass(frozen=True)
class Built:
    """A bitstream.

    Members
    -------
    used : dict
        By kind of cell, as nextpnr names it: how many are used, and how many there are.
    required, achieved : float
        MHz of the design's clock.
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


@dataclass(frozen=True)
class Plan:
    """What is to be done for a bitstream.

    Members
    -------
    files : dict
        What the tools read, by name.
    calls : list of (str, list of str)
        Tools and their arguments: synthesis, then place-and-route, then the packer.
    """

    module: BoardModule
    board: Board
    files: dict[str, bytes]
    calls: list[tuple[str, list[str]]]

    @property
    def synthesis(self) -> list[tuple[str, list[str]]]:
        """The calls before place-and-route."""
        return self.calls[: self._placing]

    @property
    def placement(self) -> tuple[str, list[str]]:
        """The call of nextpnr."""
        return self.calls[self._placing]

    @property
    def packing(self) -> list[tuple[str, list[str]]]:
        """The calls after it."""
        return self.calls[self._placing + 1 :]

    @property
    def tools(self) -> list[str]:
        """The tools' names and versions.

        Raises
        ------
        ToolMissing
            If one is not installed.
        """
        return list(dict.fromkeys(find(tool, "board")[1] for tool, _ in self.calls))

    @property
    def _placing(self) -> int:
        return next(k for k, (tool, _) in enumerate(self.calls) if tool.startswith("nextpnr"))


def plan(module: BoardModule, board: Board, *, seed: int = 1) -> Plan:
    """What is to be done for the bitstream of a module for a board."""
    require("amaranth_boards", extra="board")
    options = dict(board.options)
    options["nextpnr_opts"] = (
        f"--report {_REPORT} --timing-allow-fail --seed {seed} --freq {module.clock / 1e6:g}"
    )
    made = make_platform(board).prepare(OnBoard(module, board), _NAME, emit_src=False, **options)
    calls = commands(made.files[f"build_{_NAME}.sh"])
    files = {
        name: text if isinstance(text, bytes) else text.encode()
        for name, text in made.files.items()
        if not name.startswith("build_")
    }
    return Plan(module, board, files, calls)


def synthesise(planned: Plan, folder: Path, step: Step = silent) -> None:
    """Put the files into a folder and synthesise there.

    Raises
    ------
    ToolMissing, ToolError
        If a tool is missing or fails.
    """
    for name, text in planned.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    for tool, arguments in planned.synthesis:
        step(tool)
        find(tool, "board")
        run(tool, arguments, folder)


def utilisation(planned: Plan, folder: Path, step: Step = silent) -> dict[str, tuple[int, int]]:
    """How many cells of each kind a synthesised design takes, and how many there are; nothing is
    placed for it.

    Raises
    ------
    ToolMissing, ToolError
        As `synthesise`.
    """
    tool, arguments = planned.placement
    step(tool)
    find(tool, "board")
    run(tool, [*_without(arguments, _RESULTS), "--pack-only"], folder)
    return used_by((folder / _LOG).read_text())


_RESULTS = ("--report", "--textcfg", "--asc", "--write")
"""nextpnr's options for what comes of a placement, by family; it stops where there is none."""


def _without(arguments: list[str], options: tuple[str, ...]) -> list[str]:
    """Arguments without some options and their values."""
    return [
        word
        for word, before in zip(arguments, ["", *arguments], strict=False)
        if word not in options and before not in options
    ]


def place(planned: Plan, folder: Path, step: Step = silent) -> Built:
    """Place and route what was synthesised in a folder, and pack it. The timing is not judged.

    Raises
    ------
    ToolMissing, ToolError
        As `synthesise`.
    RunError
        If the design does not fit.
    """
    start = time.monotonic()
    board = planned.board
    for tool, arguments in [planned.placement, *planned.packing]:
        step(tool)
        find(tool, "board")
        try:
            run(tool, arguments, folder)
        except ToolError:
            log = folder / _LOG
            check_fits(log.read_text() if log.exists() else "", board)
            raise
    report = json.loads((folder / _REPORT).read_text())
    content = (folder / f"{_NAME}.{board.file}").read_bytes()
    if board.dfu is not None:
        content += dfu_suffix(content, *board.dfu)
    return Built(
        used={
            kind: (use["used"], use["available"])
            for kind, use in report["utilization"].items()
            if use["used"]
        },
        required=planned.module.clock / 1e6,
        achieved=achieved(report),
        content=content,
        seconds=time.monotonic() - start,
        tools=planned.tools,
    )


def build(module: BoardModule, board: Board, *, seed: int = 1, step: Step = silent) -> Built:
    """Build the bitstream of a module for a board.

    The same module, board, seed and tools give the same bytes. The timing is not judged.

    Raises
    ------
    ToolMissing, ToolError
        If a tool is missing or fails.
    RunError
        If the design does not fit.
    """
    start = time.monotonic()
    planned = plan(module, board, seed=seed)
    with tempfile.TemporaryDirectory(prefix="hfp8-") as scratch:
        synthesise(planned, Path(scratch), step)
        built = place(planned, Path(scratch), step)
    return replace(built, seconds=time.monotonic() - start)


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
    found = used_by(log).items()
    words = [f"{kind} {used:,} of {has:,}" for kind, (used, has) in found if used > has]
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
