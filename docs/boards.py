"""The tables of docs/howto/board.md: bitstreams, a network, and faults on the line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fpga.boards.catalogue import BOARDS
from fpga.boards.figures import committed
from fpga.utilisation import LOGIC

RESULTS = Path(__file__).resolve().parent / "results"
FAULTS = RESULTS / "board-faults.json"
FAULTS_OF_A_SUM = RESULTS / "board-faults-mac.json"
NETWORK = RESULTS / "board-network.json"

MEMORY = ("DP16KD", "ICESTORM_RAM", "BSRAM")
DSP = ("MULT18X18D", "ALU54B", "ICESTORM_DSP", "MULT9X9", "MULT18X18", "MULTADDALU18X18")
"""What nextpnr calls them, by family."""


def bitstreams(table: Callable[..., str]) -> str:
    """A row a bitstream, from ``fpga/results/boards.json``."""
    rows = []
    for row in committed():
        rows.append([
            f"`{row['board']}`", BOARDS[row["board"]].device, design(row),
            _used(row["used"], LOGIC), sum(row["used"].get(kind, [0])[0] for kind in DSP),
            _used(row["used"], MEMORY), f"{row['required']:g}", f"{row['achieved']:.1f}",
            peak(row), f"{row['seconds']} s",
        ])  # fmt: skip
    head = ["board", "device", "design", "LUT", "DSP", "block RAM", "MHz required", "achieved",
            "peak GMAC/s", "build time"]  # fmt: skip
    return table(head, rows, 3)


def design(row: dict[str, Any]) -> str:
    """The unit, or the core and its array: rows x columns x lanes."""
    if row["unit"] != "core":
        return f"`{row['unit']}`"
    return "`core` " + " x ".join(
        str(row["parameters"][side]) for side in ("rows", "cols", "lanes")
    )


def peak(row: dict[str, Any]) -> str:
    """Products a second at the clock that the board has, in 10^9; empty for other units."""
    return f"{row['macs'] * row['clock'] / 1e9:.3g}" if row["macs"] else ""


def _used(used: dict[str, Any], kinds: tuple[str, ...]) -> str:
    for kind in kinds:
        if kind in used:
            count, available = used[kind]
            return f"{count:,} of {available:,}"
    return "0"


def highlight() -> tuple[str, str, str]:
    """README's row: the core on a board with the most products a second."""
    cores = [row for row in committed() if row["macs"]]
    row = max(cores, key=lambda row: row["macs"] * row["clock"])
    board = row["board"]
    sides = " x ".join(str(row["parameters"][side]) for side in ("rows", "cols", "lanes"))
    given = " ".join(f"--param {k}={row['parameters'][k]}" for k in ("rows", "cols", "lanes"))
    return (
        f"`core` of {sides} on the board `{board}`, with its serial link",
        f"{_used(row['used'], LOGIC)} LUT; {row['required']:g} MHz required, "
        f"{row['achieved']:.0f} achieved; at most {peak(row)} GMAC/s",
        f"`hfp8 build {board} --design core {given}`, {max(round(row['seconds'] / 60), 1)} minutes",
    )


def faults(table: Callable[..., str]) -> str:
    """What came of the faults, from ``docs/results/board-faults.json``."""
    data = json.loads(FAULTS.read_text())
    rows = [[kind, f"{count:,}"] for kind, count in data["faults"].items()]
    text = table(["fault", "planted"], [*rows, ["all", f"{data['total']:,}"]], 1)
    return (
        f"{text}\n\n{data['batches']:,} batches were accepted, {data['wrong']} of them wrong. "
        f"{data['given_up']:,} were given up with an error, and run again on a clean line; the "
        f"board did not recover from {data['lost']}. The longest time from a batch's first fault "
        f"to its end was {data['slowest']} simulated seconds, with a host that waits "
        "0.02 seconds for an answer.\n\n" + _of_a_sum(json.loads(FAULTS_OF_A_SUM.read_text()))
    )


def _of_a_sum(data: dict[str, Any]) -> str:
    return (
        f"The same with `--faults 2000 --unit {data['unit']}`, whose board keeps a sum between the "
        f"requests: {data['total']:,} faults, {data['batches']:,} batches, {data['wrong']} wrong, "
        f"{data['lost']} without recovery, {data['slowest']} seconds at the most."
    )


def network(table: Callable[..., str]) -> str:
    """What a network takes on a simulated board, from ``docs/results/board-network.json``."""
    data = json.loads(NETWORK.read_text())["rows"]
    words = {"host": "through the host", "stay": "stay on the core"}
    rows = [
        [words[row["between"]], f"{row['requests']:,}", f"{row['sent']:,}",
         f"{row['received']:,}", f"{row['seconds']:.3f}", f"{row['mismatches']}"]
        for row in data
    ]  # fmt: skip
    head = ["activations", "requests", "bytes to the board", "bytes back", "seconds",
            "codes other than golden's"]  # fmt: skip
    row = data[0]
    return (
        f"{table(head, rows, 1)}\n\n{row['samples']} images, {row['macs']:,} products, a board of "
        f"{row['clock_mhz']:g} MHz, {row['baud']:,} baud."
    )
